"""Kernel densities against SciPy's, and known values within their bias."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from infomax.estimation.kernel_density import (
    KernelDensity,
    likelihood_cross_validated,
    scott,
    silverman,
)
from infomax.information.distributions import correlated_gaussians


def pairs(n=200, correlation=0.75, seed=0):
    return correlated_gaussians(correlation).sample(n, np.random.default_rng(seed))


def mean_of_bumps(points, widths, i, leave_one_out):
    others = [j for j in range(len(points)) if j != i or not leave_one_out]
    return np.mean([np.prod(stats.norm.pdf(points[i], points[j], widths)) for j in others])


@pytest.mark.parametrize("leave_one_out", [True, False])
def test_equal_to_a_double_loop(leave_one_out):
    x, y = pairs(60)
    z = x + y + np.random.default_rng(1).standard_normal(x.shape)
    xyz = np.hstack([x, y, z])

    def loop(columns, width):
        part = xyz[:, columns]
        return np.array(
            [
                math.log(mean_of_bumps(part, width * part.std(axis=0), i, leave_one_out))
                for i in range(len(part))
            ]
        )

    kde = KernelDensity(scott, leave_one_out)
    two, three = 60 ** (-1 / 6), 60 ** (-1 / 7)
    expected = loop([0, 1], two) - loop([0], two) - loop([1], two)
    assert kde.estimate(x, y).local == pytest.approx(expected)
    expected = loop([0, 1, 2], three) + loop([2], three) - loop([0, 2], three) - loop([1, 2], three)
    assert kde.estimate(x, y, given=z).local == pytest.approx(expected)


def test_entropy_equals_scipy():
    x = np.random.default_rng(0).exponential(size=300)
    bandwidth = 300 ** (-1 / 5)
    theirs = stats.gaussian_kde(x, bw_method=bandwidth * x.std() / x.std(ddof=1))
    assert KernelDensity(scott, leave_one_out=False).entropy(x).local == pytest.approx(-theirs.logpdf(x))


@pytest.mark.parametrize("correlation", [0.0, 0.75, 0.95])
def test_near_the_truth(correlation):
    x, y = pairs(1000, correlation)
    truth = correlated_gaussians(correlation).mutual_information
    assert KernelDensity().estimate(x, y).value == pytest.approx(truth, abs=0.1)


def test_bias_as_documented():
    x, y = pairs(1000, math.sqrt(1 - math.exp(-4)))  # 2 nats
    assert KernelDensity(scott).estimate(x, y).value == pytest.approx(1.23, abs=0.05)
    x, y = pairs(1000, 0.0)
    assert KernelDensity(scott).estimate(x, y).value < 0
    assert KernelDensity(scott, leave_one_out=False).estimate(x, y).value > 0.01


def test_rules_of_thumb():
    scores = np.zeros((1000, 2))
    assert scott(scores) == pytest.approx(1000 ** (-1 / 6))
    assert silverman(scores) == pytest.approx(1000 ** (-1 / 6))
    assert silverman(np.zeros((1000, 1))) == pytest.approx((1000 * 3 / 4) ** (-1 / 5))


def test_cross_validation_finds_the_best_of_a_grid():
    rng = np.random.default_rng(0)
    rows = np.append(rng.normal(-1, 0.05, 150), rng.normal(1, 0.05, 150))[:, None]

    def surprise(width):
        return KernelDensity(lambda scores: width).entropy(rows).value

    grid = np.geomspace(0.005, 0.5, 60)
    best = grid[np.argmin([surprise(float(width)) for width in grid])]
    chosen = likelihood_cross_validated((rows - rows.mean()) / rows.std())
    assert chosen == pytest.approx(best, rel=0.12)
    assert chosen < scott(rows) / 2


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**31), st.floats(0.01, 100))
def test_invariances(seed, scale):
    x, y = pairs(50, seed=seed)
    order = np.random.default_rng(seed).permutation(50)
    kde = KernelDensity(scott)
    value = kde.estimate(x, y).value
    assert kde.estimate(x[order], y[order]).value == pytest.approx(value, abs=1e-10)
    assert kde.estimate(y, x).value == pytest.approx(value, abs=1e-10)
    assert kde.estimate(scale * x + 1, -y).value == pytest.approx(value, abs=1e-8)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_scales(scale):
    x, y = pairs(100)
    kde = KernelDensity(scott)
    assert kde.estimate(scale * x, y).value == pytest.approx(kde.estimate(x, y).value, abs=1e-9)
    assert kde.entropy(scale * x).value == pytest.approx(kde.entropy(x).value + math.log(scale))


def test_intervals_cover():
    """Where a bias exceeds the error bar, a caution says so."""
    truth = correlated_gaussians(0.5).mutual_information
    found = [KernelDensity(scott).estimate(*pairs(200, 0.5, seed)) for seed in range(80)]
    covered = np.array([abs(e.value - truth) < 1.96 * e.standard_error for e in found])
    named = np.array([e.has_caution("biased") for e in found])
    assert (covered | named).mean() >= 0.9


def test_functions_are_saturated():
    x = np.random.default_rng(0).standard_normal(500)
    assert KernelDensity().estimate(x, x).has_caution("saturated")
    assert not KernelDensity().estimate(*pairs(500)).has_caution("saturated")


def test_rows_that_repeat_are_cautioned():
    rng = np.random.default_rng(0)
    x, y = np.where(rng.random((2, 300)) < 0.5, 0, rng.poisson(5, (2, 300)))  # independent
    assert KernelDensity().estimate(x, y).has_caution("biased")
    copied = KernelDensity().estimate(*np.repeat(rng.standard_normal((2, 60)), 5, axis=1))
    assert copied.value > 3 and "100% of the rows equal others" in str(copied)
    assert not KernelDensity().estimate(*(np.round(v, 1) for v in pairs(300))).cautions


def test_converges_where_a_model_does_not():
    """Y = ±X + noise, 2.334 nats."""
    values = []
    for n in (200, 1500):
        rng = np.random.default_rng(0)
        x = rng.standard_normal(n)
        values.append(
            KernelDensity().estimate(x, rng.choice([-1, 1], n) * x + 0.05 * rng.standard_normal(n)).value
        )
    assert values[0] < values[1] < 2.334
    assert values[1] > 1.8


def test_errors():
    with pytest.raises(ValueError, match=r"got 4 samples and 1 constant columns"):
        KernelDensity().estimate([1, 2, 3, 4], [1, 1, 1, 1])
    with pytest.raises(ValueError, match="vary over 3 or more samples, got 2"):
        KernelDensity().entropy([1, 2])
