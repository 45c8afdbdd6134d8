"""Intervals from resampled rows, against normal theory and by how often they hold what they are for."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import binom, norm

from infomax.estimation.counting.counts import MillerMadow, PlugIn
from infomax.estimation.estimate import Estimate
from infomax.estimation.gaussian import Gaussian
from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neighbors.mixed import MixedKSG, Ross
from infomax.estimation.neighbors.strong_dependence import ResidualKSG
from infomax.estimation.resampling.intervals import bootstrap_interval, subsampling_interval
from infomax.information.distributions import correlated_gaussians
from infomax.information.measures import mutual_information

X = np.random.default_rng(0).standard_normal(200)


class Product:
    """⟨xy⟩ + bias: its interval is known, and a shared bias must not move it."""

    def __init__(self, bias=0.0):
        self.bias = bias

    def estimate(self, x, y, *, given=None):
        weight = 1 if given is None else given
        return Estimate(float(np.mean(x * y * weight)) + self.bias, 0.1, len(x))


class Recording:
    def __init__(self):
        self.seen = []

    def estimate(self, x, y, *, given=None):
        self.seen.append((x, y, given))
        return Estimate(0.0, 0.0, len(x))


@pytest.mark.parametrize(("level", "fraction"), [(0.95, 0.1), (0.95, 0.9), (0.5, 0.5)])
def test_subsampling_of_a_mean(level, fraction):
    low, high = subsampling_interval(
        X, X, Product(), level=level, fraction=fraction, num_subsamples=4000, num_workers=1
    )
    half = norm.ppf((1 + level) / 2) * (X**2).std() / math.sqrt(200)
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)
    assert (high + low) / 2 == pytest.approx((X**2).mean(), abs=half / 2)


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_bootstrap_of_a_mean(level):
    low, high = bootstrap_interval(X, X, Product(), level=level, num_resamples=4000, num_workers=1)
    half = norm.ppf((1 + level) / 2) * (X**2).std() / math.sqrt(200)
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)
    assert (high + low) / 2 == pytest.approx((X**2).mean(), abs=half / 2)


@pytest.mark.parametrize("interval", [subsampling_interval, bootstrap_interval])
def test_a_shift_shifts(interval):
    low, high = interval(X, X, Product(), given=np.abs(X))
    moved = interval(X, X, Product(bias=0.5), given=np.abs(X))
    assert moved == pytest.approx((low + 0.5, high + 0.5))


def test_rows_stay_together_and_subsamples_have_each_once():
    rows = np.arange(40)
    for interval, size in ((subsampling_interval, 10), (bootstrap_interval, 40)):
        recording = Recording()
        interval(rows, rows + 100, recording, given=rows + 200, num_workers=1)
        parts = [seen for seen in recording.seen if len(np.unique(seen[0])) < 40]
        assert len(parts) == 400
        for x, y, z in parts:
            assert len(x) == size
            assert (y == x + 100).all()
            assert (z == x + 200).all()
            assert (len(np.unique(x)) == size) == (interval is subsampling_interval)
        assert np.ptp(np.bincount(np.concatenate([x for x, _, _ in parts]))) < 0.8 * size * 10


@pytest.mark.parametrize(
    ("interval", "few"),
    [(subsampling_interval, {"num_subsamples": 30}), (bootstrap_interval, {"num_resamples": 30})],
)
def test_seeds_and_workers(interval, few):
    estimator = MillerMadow()
    x, y = np.random.default_rng(0).integers(3, size=(2, 60))
    alone = interval(x, y, estimator, seed=4, num_workers=1, **few)
    assert alone == interval(x, y, estimator, seed=4, **few)
    assert alone != interval(x, y, estimator, seed=5, **few)
    assert interval(list("abc" * 20), torch.tensor(y), estimator, **few)[0] < 0.2


def table_of(n):
    """A 4×4 table's labels, and their information."""
    table = np.array([[20, 5, 5, 2], [3, 20, 2, 5], [5, 3, 10, 2], [2, 2, 4, 10]]) / 100
    return float(mutual_information(table)), lambda rng: divmod(rng.choice(16, n, p=table.ravel()), 4)


def gaussian(correlation, n, dim=1):
    pair = correlated_gaussians(correlation, dim=dim)
    return pair.mutual_information, lambda rng: pair.sample(n, rng)


def coverage(interval, estimator, case, repeats=200, **settings):
    truth, draw = case
    ends = [
        interval(*draw(np.random.default_rng([7, seed])), estimator, **settings) for seed in range(repeats)
    ]
    return np.mean([low <= truth <= high for low, high in ends])


def test_intervals_cover():
    """Of 25 intervals of 95 % hardly ever fewer than 19 hold the truth."""
    settings = {"repeats": 25, "num_workers": 1}
    for found in (
        coverage(bootstrap_interval, Gaussian(), gaussian(0.75, 400), num_resamples=40, **settings),
        coverage(subsampling_interval, KSG(), gaussian(0.5, 100), num_subsamples=40, **settings),
    ):
        assert binom.cdf(round(25 * found), 25, 0.95) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "case", "covered"),
    [
        (Gaussian(), gaussian(0.3, 100), 0.925),
        (MillerMadow(), table_of(100), 0.935),
        (PlugIn(), table_of(400), 0.91),
    ],
)
def test_coverage_of_the_bootstrap_is_as_documented(estimator, case, covered):
    found = coverage(bootstrap_interval, estimator, case, num_resamples=200, num_workers=1)
    assert found == pytest.approx(covered, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimator", "case", "covered"),
    [
        (KSG(), gaussian(0.75, 300), 0.955),
        (KSG(), gaussian(0.0, 300), 0.94),
        (Gaussian(), gaussian(0.3, 100), 0.95),
        (MillerMadow(), table_of(400), 0.945),
    ],
)
def test_coverage_of_subsampling_is_as_documented(estimator, case, covered):
    found = coverage(subsampling_interval, estimator, case, num_subsamples=200, num_workers=1)
    assert found == pytest.approx(covered, abs=0.02)


class TestErrors:
    @pytest.mark.parametrize("interval", [subsampling_interval, bootstrap_interval])
    @pytest.mark.parametrize("level", [0.0, 1.0, 95.0, math.nan])
    def test_level(self, interval, level):
        with pytest.raises(
            ValueError, match=f"{interval.__name__}: level must be between 0 and 1, got {level}"
        ):
            interval(X, X, PlugIn(), level=level)

    @pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0, math.nan])
    def test_fraction(self, fraction):
        with pytest.raises(ValueError, match=f"fraction must be between 0 and 1, got {fraction}; 0.25"):
            subsampling_interval(X, X, PlugIn(), fraction=fraction)

    def test_few_samples(self):
        with pytest.raises(ValueError, match=r"a fraction of 0\.25 of 5 samples is 1, expected at least 2"):
            subsampling_interval(X[:5], X[:5], PlugIn())
        with pytest.raises(ValueError, match="3 neighbours need more than 3 samples, got 2"):
            subsampling_interval(X[:8], X[:8], KSG())

    def test_numbers(self):
        with pytest.raises(ValueError, match="num_subsamples must be at least 2, got 1"):
            subsampling_interval(X, X, PlugIn(), num_subsamples=1)
        with pytest.raises(ValueError, match="num_resamples must be at least 2, got 1"):
            bootstrap_interval(X, X, PlugIn(), num_resamples=1)

    @pytest.mark.parametrize("estimator", [KSG(), MixedKSG(), Ross(), ResidualKSG()])
    def test_bootstrap_of_neighbours(self, estimator):
        name = type(estimator).__name__
        with pytest.raises(ValueError, match=f"bootstrap_interval: {name} uses distances.*subsampling_int"):
            bootstrap_interval(X, X, estimator)

    def test_unequal_lengths(self):
        with pytest.raises(ValueError, match="bootstrap_interval: variables must have equally many samples"):
            bootstrap_interval(X, X[1:], PlugIn())
