"""Tests given numbers: cells of near rows, residuals that do not follow z, level and power."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from infomax.estimation.estimate import Estimate
from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neighbors.mixed import MixedKSG
from infomax.estimation.resampling.conditional import (
    NearRows,
    Residuals,
    _leaves,
    cells_of,
    null_given,
)
from infomax.estimation.resampling.nulls import WithinGroups
from infomax.estimation.resampling.permutation import permutation_test
from infomax.estimation.resampling.regression import PENALTIES, Basis, held_out_fits, standardised
from infomax.estimation.resampling.replicates import JointSamples

KSG_ALONE = KSG(num_workers=1)


class Correlation:
    """|ρ| of x and y, whatever is given: quick, and the first to see what was left of z."""

    def estimate(self, x, y, *, given=None):
        return Estimate(abs(float(np.corrcoef(x, y)[0, 1])), 0.0, len(x))


class OfSizes:
    """|ρ| of |x| and |y|: sees spreads that go together."""

    def estimate(self, x, y, *, given=None):
        return Correlation().estimate(np.abs(x - x.mean()), np.abs(y - y.mean()))


# ---------------------------------------------------------------------------------------- cells


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=60), st.integers(1, 8))
def test_leaves_keep_equal_rows_together(rows, size):
    points = np.array(rows, dtype=float)
    leaves = _leaves(points, size)
    assert set(leaves) == set(range(leaves.max() + 1))
    for leaf in set(leaves):
        members = {row for row, other in zip(rows, leaves, strict=True) if other == leaf}
        assert (leaves == leaf).sum() <= size or len(members) == 1
    for row in set(rows):
        assert len({leaf for other, leaf in zip(rows, leaves, strict=True) if other == row}) == 1


def test_cells_of_numbers_are_near_each_other():
    z = np.random.default_rng(0).standard_exponential((1000, 1))
    cells = cells_of(z, 5)
    assert 3 <= np.bincount(cells).min() <= np.bincount(cells).max() <= 5
    along = cells[np.argsort(z[:, 0])]
    assert (np.diff(along) != 0).sum() == cells.max()  # rows of a cell follow one another


def test_cells_do_not_depend_on_units():
    z = np.random.default_rng(0).standard_normal((200, 2))
    assert (cells_of(z, 5) == cells_of(np.exp(z * [1, 20]), 5)).all()


def test_the_null_suits_the_condition():
    z = np.random.default_rng(0).standard_normal(200)
    assert isinstance(null_given(["a", "b"] * 100), WithinGroups)
    assert isinstance(null_given(np.arange(200) % 4), WithinGroups)
    assert isinstance(null_given(np.round(z)), WithinGroups)
    assert isinstance(null_given(z), Residuals)
    assert isinstance(null_given(np.column_stack([z, np.arange(200) % 4])), Residuals)


# ---------------------------------------------------------------------------------------- residuals


@pytest.mark.parametrize(
    ("mean", "unexplained"),
    [
        (lambda z: z.sum(axis=1), 1.05),
        (lambda z: 2 * np.sin(2 * z[:, 0]), 1.15),
        (lambda z: 2 * z[:, 0] * z[:, 1], 1.3),
        (lambda z: 3 * np.sign(z[:, 0]), 1.3),
        (lambda z: 0 * z[:, 0], 1.05),
    ],
)
def test_residuals_are_the_noise(mean, unexplained):
    """Their variance is hardly above that of the noise, and they go with it."""
    rng = np.random.default_rng(0)
    z, noise = rng.standard_normal((800, 2)), rng.standard_normal(800)
    y = mean(z) + noise
    (fit,) = held_out_fits(z, [y])
    assert fit.error * y.var() < unexplained * noise.var()
    assert np.corrcoef(fit.residuals, noise)[0, 1] > 0.9


def test_a_prediction_does_not_see_its_row():
    """Where z says nothing, the residual of a row does not shrink by what is fitted to it."""
    rng = np.random.default_rng(0)
    for z in (rng.standard_normal((100, 5)), rng.integers(8, size=(100, 1)).astype(float)):
        errors = [held_out_fits(z, [rng.standard_normal(100)])[0].error for _ in range(4)]
        assert np.mean(errors) > 0.95


def test_residuals_of_a_line_by_brute_force():
    """A fit to all other rows, one row after the other."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((60, 2))
    y = standardised(z @ [1.0, -2.0] + rng.standard_normal(60))
    features = z - z.mean(axis=0)
    fit = Basis.of(features).fit(y)
    found = []
    for penalty in PENALTIES:
        residuals = []
        for row in range(60):
            rest = np.arange(60) != row
            design = np.column_stack([np.ones(60), features])
            weights = np.linalg.solve(
                design[rest].T @ design[rest] + np.diag([0, penalty, penalty]), design[rest].T @ y[rest]
            )
            residuals.append(y[row] - design[row] @ weights)
        found.append(np.array(residuals))
    best = min(found, key=lambda residuals: (residuals**2).mean())
    assert fit.residuals == pytest.approx(best, abs=1e-9)
    assert fit.error == pytest.approx((best**2).mean())


def test_labels_in_a_condition():
    """Codes in any order: each label has a level of its own."""
    rng = np.random.default_rng(0)
    codes = rng.integers(6, size=600)
    noise = 0.1 * rng.standard_normal(600)
    y = np.array([3.0, -2, 5, 0, -4, 1])[codes] + noise
    (fit,) = held_out_fits(codes[:, None].astype(float), [y])
    assert 0.98 < fit.residuals.std() * y.std() / noise.std() < 1.05


def common_cause(rng, n=300, num_causes=3, noise=0.3, direct=0.0):
    z = rng.standard_normal((n, num_causes))
    mean, (x, y) = z.sum(axis=1) / np.sqrt(num_causes), noise * rng.standard_normal((2, n))
    return mean + x, mean + y + direct * x, z


def shares(draw, estimator, repeats, null=None, num_permutations=39):
    """Share of p ≤ 0.05; draw(rng) -> x, y, z."""
    found = []
    for seed in range(repeats):
        x, y, z = draw(np.random.default_rng([11, seed]))
        test = permutation_test(
            x, y, estimator, given=z, null=null, num_permutations=num_permutations, seed=seed, num_workers=1
        )
        found.append(test.p_value <= 0.05 + 1e-9)
    return float(np.mean(found))


def test_the_statistic_is_that_of_residuals():
    x, y, z = common_cause(np.random.default_rng(0))
    test = permutation_test(x, y, Correlation(), given=z, num_permutations=39, num_workers=1)
    assert test.estimate.value == Correlation().estimate(x, y).value > 0.8
    assert abs(test.statistic) < 0.2
    assert test.p_value > 0.05
    assert test.method.startswith("residuals of y permuted within ")


def test_a_direct_effect_is_found():
    x, y, z = common_cause(np.random.default_rng(1), direct=1.0)
    assert permutation_test(x, y, KSG_ALONE, given=z, num_permutations=39, num_workers=1).p_value == 1 / 40


def test_near_rows_are_fooled_where_residuals_are_not():
    draw = partial(common_cause, n=200)
    assert shares(draw, Correlation(), 5, NearRows()) == 1
    assert shares(draw, Correlation(), 5) <= 0.2


def test_discrete_variables():
    """The residuals of the continuous one are shuffled; of two discrete ones, y among like predictions."""
    rng = np.random.default_rng(0)
    x, y, z = common_cause(rng, noise=1.0)
    label = (x > 0).astype(int)
    shuffling = Residuals().shuffling(JointSamples(x, label, z), 0)
    assert shuffling.moved == "x"
    assert (shuffling.shuffled(0).y == label).all()
    assert sorted(shuffling.shuffled(0).x) == sorted(shuffling.samples.x)
    assert Residuals().shuffling(JointSamples(label, y, z), 0).moved == "y"
    both = Residuals().shuffling(JointSamples(label, (y > 0).astype(int), z), 0)
    assert not both.transformed
    assert "cells of like predictions of y" in both.method
    few = {"num_permutations": 19, "num_workers": 1}
    assert permutation_test(label, label, MixedKSG(num_workers=1), given=z, **few).p_value == 1 / 20


def test_what_still_follows_is_refused(monkeypatch):
    """Waves too fast for 300 rows."""
    rng = np.random.default_rng(0)
    z = np.sort(rng.uniform(size=300))
    x, y = np.sin(300 * z) + 0.1 * rng.standard_normal((2, 300))
    monkeypatch.setattr("infomax.estimation.resampling.conditional.MAX_LEFT", {2: 1.0})
    with pytest.raises(
        ValueError, match=r"the residuals of x and y still depend on given.*give more samples or"
    ):
        permutation_test(x, y, Correlation(), given=z)


def test_a_slanting_jump_is_refused():
    """Neither bumps nor trees follow sign(z1 + z2), where few rows are near the jump."""
    rng = np.random.default_rng(0)
    z = rng.standard_normal((600, 2))
    x, y = np.sign(z.sum(axis=1)) + 0.3 * rng.standard_normal((2, 600))
    with pytest.raises(ValueError, match=r"those of near rows correlate by .* in 600 samples"):
        permutation_test(x, y, Correlation(), given=z)


@pytest.mark.parametrize("num_causes", [1, 3])
def test_jumps_are_found_to_the_row(num_causes):
    """A row on the wrong side of a jump of 2 / √m would be off by more than 1 / √m."""
    rng = np.random.default_rng(0)
    z, noise = rng.standard_normal((600, num_causes)), 0.1 * rng.standard_normal(600)
    y = np.sign(z).sum(axis=1) / np.sqrt(num_causes) + noise
    (fit,) = held_out_fits(z, [y])
    off = np.abs(fit.residuals * y.std() - noise) > 1 / np.sqrt(num_causes)
    assert off.sum() <= 2


def test_errors():
    x, y, z = common_cause(np.random.default_rng(0), n=40)
    with pytest.raises(ValueError, match="Residuals: cell_size must be at least 2, got 1; 20 is usual"):
        Residuals(1)
    with pytest.raises(ValueError, match="NearRows: cell_size must be at least 1, got 0; 5 is usual"):
        NearRows(0)
    with pytest.raises(ValueError, match="Residuals needs a condition; give given=…, or leave null out"):
        permutation_test(x, y, Correlation(), null=Residuals())
    with pytest.raises(ValueError, match="40 of 40 samples are alone in their group"):
        permutation_test(x, y, Correlation(), given=z, null=NearRows(1))


# ---------------------------------------------------------------------------------------- level and power

SIX = [(noise, num_causes) for noise in (0.3, 0.5) for num_causes in (1, 3, 6)]


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "num_causes"), SIX)
def test_common_causes_are_not_found(noise, num_causes):
    """x, y = Σz/√m + noise, 1,000 rows; |ρ| of residuals sees the least of z that is left."""
    draw = partial(common_cause, n=1000, noise=noise, num_causes=num_causes)
    found = shares(draw, Correlation(), 100)
    assert binom.sf(round(100 * found) - 1, 100, 0.07) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "num_causes"), SIX)
def test_common_causes_are_not_found_by_neighbours(noise, num_causes):
    draw = partial(common_cause, n=1000, noise=noise, num_causes=num_causes)
    found = shares(draw, KSG_ALONE, 40, num_permutations=19)
    assert binom.sf(round(40 * found) - 1, 40, 0.07) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("num_causes", [1, 3, 6])
def test_half_the_noise_in_common_is_found(num_causes):
    draw = partial(common_cause, n=1000, num_causes=num_causes, direct=0.5)
    assert shares(draw, Correlation(), 20) == 1


@pytest.mark.slow
def test_spreads_that_go_together_are_not_found():
    """x and y = z · noise: uncorrelated, but large together."""

    def draw(rng):
        z = rng.standard_normal((1000, 1))
        return z[:, 0] * rng.standard_normal(1000), z[:, 0] * rng.standard_normal(1000), z

    assert binom.sf(round(60 * shares(draw, OfSizes(), 60)) - 1, 60, 0.07) > 1e-3
