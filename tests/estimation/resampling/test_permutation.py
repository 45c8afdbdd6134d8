"""Permutation tests: shuffles without fixed points; p-values that are uniform where there is nothing."""

import itertools
from collections import Counter

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chisquare

from infomax.estimation.counting.counts import MillerMadow, PlugIn
from infomax.estimation.estimate import Estimate
from infomax.estimation.gaussian import Gaussian
from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neighbors.mixed import Ross
from infomax.estimation.resampling.permutation import (
    PermutationTest,
    _cells,
    _derangement,
    _leaves,
    _permutation_within,
    permutation_test,
)
from infomax.information.distributions import correlated_gaussians

KSG_ALONE = KSG(num_workers=1)


def pairs(n=100, seed=0, correlation=0.75):
    return correlated_gaussians(correlation).sample(n, np.random.default_rng(seed))


class Correlation:
    """|ρ|, which is quick."""

    def estimate(self, x, y, *, given=None):
        x, y = x - x.mean(), y - y.mean()
        return Estimate(float(abs(x @ y) / np.sqrt((x @ x) * (y @ y))), 0.0, len(x))


class Recording:
    """An estimator that keeps what it was given."""

    def __init__(self):
        self.seen = []

    def estimate(self, x, y, *, given=None):
        self.seen.append((x, y, given))
        return Estimate(float(np.mean(x * y)), 0.0, len(x))


LEVELS = (0.1, 0.3, 0.5, 0.7)  # such that 9 permutations reach them exactly


def num_below(p_values, level):
    return int((np.array(p_values) <= level + 1e-9).sum())


def assert_not_too_small(p_values):
    """P(p ≤ level) may be `level`, or less."""
    for level in LEVELS:
        assert binom.sf(num_below(p_values, level) - 1, len(p_values), level) > 1e-3, level


def assert_uniform(p_values):
    """P(p ≤ level) may be `level`."""
    assert_not_too_small(p_values)
    for level in LEVELS:
        assert binom.cdf(num_below(p_values, level), len(p_values), level) > 1e-3, level


# ---------------------------------------------------------------------------------------- shuffles


def test_derangements_are_drawn_evenly():
    rng = np.random.default_rng(0)
    drawn = Counter(tuple(_derangement(4, rng).tolist()) for _ in range(4500))
    every = [p for p in itertools.permutations(range(4)) if all(i != j for i, j in enumerate(p))]
    assert set(drawn) == set(every)
    assert chisquare([drawn[p] for p in every]).pvalue > 1e-3


def test_permutations_within_cells_are_drawn_evenly():
    cells = np.array([1, 0, 1, 0, 1])
    rng = np.random.default_rng(0)
    drawn = Counter(tuple(_permutation_within(cells, rng).tolist()) for _ in range(3600))
    every = [
        p for p in itertools.permutations(range(5)) if all(cells[i] == cells[j] for i, j in enumerate(p))
    ]
    assert len(every) == 12
    assert set(drawn) == set(every)
    assert chisquare([drawn[p] for p in every]).pvalue > 1e-3


@settings(deadline=None)
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
    z = np.random.default_rng(0).standard_exponential(1000)
    cells = _cells(z, 5)
    assert 3 <= np.bincount(cells).min() <= np.bincount(cells).max() <= 5
    along = cells[np.argsort(z)]
    assert (np.diff(along) != 0).sum() == cells.max()  # rows of a cell follow one another


def test_cells_do_not_depend_on_units():
    z = np.random.default_rng(0).standard_normal((200, 2))
    assert (_cells(z, 5) == _cells(np.exp(z * [1, 20]), 5)).all()


def test_cells_of_labels_are_the_labels():
    labels = ["a"] * 3 + ["b"] * 3 + ["c"]
    assert len(set(_cells(labels, 5))) == 3
    assert len(set(_cells(np.array([0, 0, 1, 1, 2, 2]), 1))) == 3
    assert len(set(_cells(np.array([0, 0, 1, 1, 2, 2]), 6))) == 1


# ---------------------------------------------------------------------------------------- the test


def test_shuffles_are_derangements_and_all_else_stays():
    recording, x, y = Recording(), np.arange(30.0), np.arange(30.0) + 100
    test = permutation_test(x, y, recording, num_permutations=50, num_workers=1)
    (_, original, _), *shuffled = recording.seen
    assert (original == y).all()
    assert len(shuffled) == len(test.null) == 50
    for seen_x, seen_y, seen_given in shuffled:
        assert (seen_x == x).all()
        assert seen_given is None
        assert (seen_y != y).all()
        assert sorted(seen_y) == sorted(y)


@pytest.mark.parametrize("num_workers", [1, 2, -1])
def test_equal_to_the_estimator_on_every_shuffled_pair(num_workers):
    x, y = pairs(200)
    recording = Recording()
    permutation_test(x, y, recording, num_permutations=9, seed=3, num_workers=1)
    test = permutation_test(x, y, KSG(), num_permutations=9, seed=3, num_workers=num_workers)
    assert test.estimate.value == KSG().estimate(x, y).value
    assert test.null.tolist() == [KSG().estimate(x, shuffled).value for _, shuffled, _ in recording.seen[1:]]


def test_p_value_counts_values_that_are_as_large():
    estimate = Estimate(0.3, 0.1, 10)
    assert PermutationTest(estimate, np.array([0.1, 0.2, 0.3, 0.4])).p_value == 3 / 5
    assert PermutationTest(estimate, np.array([0.1, 0.2])).p_value == 1 / 3
    assert PermutationTest(estimate, np.array([0.1 + 0.2, 0.3 - 1e-16, 0.1])).p_value == 3 / 4


def test_mean_deviation_and_z_score():
    test = PermutationTest(Estimate(0.5, 0.1, 10), np.array([0.1, 0.2, 0.3]))
    assert test.null_mean == pytest.approx(0.2)
    assert test.null_standard_deviation == pytest.approx(0.1)
    assert test.z_score == pytest.approx(3)


def test_null_mean_is_the_bias_at_independence():
    """Of the plug-in value, (|X| − 1)(|Y| − 1) / 2n."""
    x, y = np.random.default_rng(0).integers(4, size=(2, 1000))
    test = permutation_test(x, x + 0 * y, PlugIn(), num_permutations=200)
    assert test.null_mean == pytest.approx(9 / 2000, rel=0.15)
    assert test.z_score > 100


def test_seeds():
    x, y = pairs(50)
    nulls = [permutation_test(x, y, KSG_ALONE, num_permutations=9, seed=seed).null for seed in (0, 0, 1)]
    assert (nulls[0] == nulls[1]).all()
    assert (nulls[0] != nulls[2]).any()
    more = permutation_test(x, y, KSG_ALONE, num_permutations=12, seed=0).null
    assert (more[:9] == nulls[0]).all()


def test_whatever_holds_samples():
    labels = ["yes", "no", "maybe"] * 20
    codes = np.array([2, 1, 0] * 20)
    other = np.arange(60) // 30
    expected = permutation_test(codes, other, MillerMadow(), num_permutations=19).null
    for x in (labels, np.array(labels), pl.Series(labels), torch.tensor(codes), [(c, c) for c in labels]):
        null = permutation_test(x, other, MillerMadow(), num_permutations=19).null
        assert null == pytest.approx(expected, abs=1e-12)
    rows = np.random.default_rng(0).standard_normal((60, 3))
    assert permutation_test(labels, rows, Ross(), num_permutations=3).null.shape == (3,)


# ---------------------------------------------------------------------------------------- level and power


def p_values_of(draw, estimator, repeats, num_permutations=9):
    """p-values of independent samples, draw(rng) -> x, y, given."""
    for seed in range(repeats):
        x, y, z = draw(np.random.default_rng(seed))
        yield permutation_test(
            x, y, estimator, given=z, num_permutations=num_permutations, num_workers=1
        ).p_value


def independent(n):
    return lambda rng: (*rng.standard_normal((2, n)), None)


@pytest.mark.parametrize(
    ("estimator", "n", "repeats"),
    [
        (Correlation(), 30, 400),
        (KSG_ALONE, 40, 60),
        pytest.param(KSG(4, num_workers=1), 200, 400, marks=pytest.mark.slow),
        pytest.param(Gaussian(), 50, 400, marks=pytest.mark.slow),
    ],
)
def test_p_values_are_uniform_under_independence(estimator, n, repeats):
    assert_uniform(list(p_values_of(independent(n), estimator, repeats)))


def test_p_values_are_uniform_in_cells_of_two():
    """Two rows have one derangement: were it used, all shuffles would be one, and half of p-values least."""
    strata = [f"pair {row // 2}" for row in range(30)]
    draws = p_values_of(lambda rng: (*rng.standard_normal((2, 30)), strata), Correlation(), 400)
    assert_uniform(list(draws))


def test_p_values_are_not_too_small_where_values_are_tied():
    """Two-by-two tables have few values, which rounding must not tell apart."""
    assert_not_too_small(list(p_values_of(lambda r: (*r.integers(2, size=(2, 20)), None), PlugIn(), 100)))


def test_p_values_are_not_too_small_given_labels():
    def draw(rng):
        z = rng.integers(3, size=60)
        return *((z + rng.integers(3, size=(2, 60))) // 2), z

    assert_not_too_small(list(p_values_of(draw, PlugIn(), 100)))


def common_cause(n, direct=0.0):
    """X ← Z → Y, and X → Y with `direct`."""

    def draw(rng):
        z, x, y = rng.standard_normal((3, n))
        x = z + x / 2
        return x, z + y / 2 + direct * x, z

    return draw


@pytest.mark.parametrize(("n", "repeats"), [(60, 40), pytest.param(200, 400, marks=pytest.mark.slow)])
def test_p_values_are_not_too_small_given_numbers(n, repeats):
    assert_not_too_small(list(p_values_of(common_cause(n), KSG_ALONE, repeats)))


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "cell_size", "level"), [(1.0, 5, 0.06), (0.3, 5, 0.29)])
def test_level_given_three_columns_is_as_documented(noise, cell_size, level):
    found = []
    for seed in range(100):
        rng = np.random.default_rng([1, seed])
        z = rng.standard_normal((200, 3))
        x, y = z.mean(axis=1) * np.sqrt(3) + noise * rng.standard_normal((2, 200))
        test = permutation_test(
            x, y, KSG_ALONE, given=z, num_permutations=39, cell_size=cell_size, num_workers=1
        )
        found.append(test.p_value <= 0.05)
    assert np.mean(found) == pytest.approx(level, abs=0.1)


def test_power():
    def draw(rng):
        return *correlated_gaussians(0.6).sample(100, rng), None

    assert np.mean(np.array(list(p_values_of(draw, KSG_ALONE, 20))) <= 0.1) > 0.8


def test_power_given_a_condition():
    x, y, z = common_cause(300, direct=1.0)(np.random.default_rng(0))
    assert permutation_test(x, y, KSG_ALONE, given=z, num_permutations=99).p_value == 0.01
    coin, other = np.random.default_rng(0).integers(2, size=(2, 60))
    assert permutation_test(coin, coin ^ other, PlugIn(), num_permutations=99).p_value > 0.05
    assert permutation_test(coin, coin ^ other, PlugIn(), given=other, num_permutations=99).p_value == 0.01


def test_a_common_cause_is_seen_without_the_condition_alone():
    x, y, z = common_cause(300)(np.random.default_rng(1))
    assert permutation_test(x, y, KSG_ALONE, num_permutations=99).p_value == 0.01
    assert permutation_test(x, y, KSG_ALONE, given=z, num_permutations=99).p_value > 0.05


# ---------------------------------------------------------------------------------------- what is refused


class TestErrors:
    x, y = pairs(20)

    def test_number_of_permutations(self):
        with pytest.raises(ValueError, match="num_permutations must be at least 1, got 0; 999 is usual"):
            permutation_test(self.x, self.y, KSG(), num_permutations=0)

    def test_cell_size(self):
        with pytest.raises(ValueError, match="cell_size must be at least 1, got 0; 5 is usual"):
            permutation_test(self.x, self.y, KSG(), given=self.x, cell_size=0)

    def test_one_sample(self):
        with pytest.raises(ValueError, match="permutation_test: shuffling needs at least 2 samples, got 1"):
            permutation_test([1], [2], PlugIn())

    def test_unequal_lengths(self):
        with pytest.raises(ValueError, match=r"equally many samples, got \{'x': 19, 'y': 20\}"):
            permutation_test(self.x[1:], self.y, KSG())

    @pytest.mark.parametrize("condition", [np.arange(20.0), [f"name {row}" for row in range(20)]])
    def test_rows_that_are_alone(self, condition):
        with pytest.raises(ValueError, match=r"20 of 20 values of given occur once.*cell_size to 5"):
            permutation_test(self.x, self.y, PlugIn(), given=condition, cell_size=1)

    def test_missing_labels(self):
        with pytest.raises(ValueError, match="permutation_test: x has 1 missing values"):
            permutation_test(["a", None, "b"], [1, 2, 3], PlugIn())

    def test_what_the_estimator_refuses(self):
        with pytest.raises(ValueError, match="KSG: x must be finite"):
            permutation_test(np.append(self.x[1:], np.nan), self.y, KSG())
        with pytest.raises(ValueError, match="3 neighbours need more than 3 samples"):
            permutation_test(self.x[:3], self.y[:3], KSG())

    def test_z_score_of_equal_values(self):
        test = permutation_test(np.zeros(9), np.arange(9), PlugIn(), num_permutations=5)
        assert test.p_value == 1
        with pytest.raises(
            ValueError, match="z_score: needs null values that differ, got 5 of the same value"
        ):
            _ = test.z_score
        with pytest.raises(ValueError, match="got 1 of the same value"):
            _ = PermutationTest(test.estimate, np.array([1.0])).z_score
