"""Intervals from resampled rows, against normal theory and by how often they hold what they are for."""

import math

import numpy as np
import pytest
import torch
from scipy.signal import lfilter
from scipy.stats import binom, norm, t

from infomax.estimation.counting.counts import MillerMadow, PlugIn
from infomax.estimation.estimate import Estimate
from infomax.estimation.gaussian import Gaussian
from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neighbors.mixed import MixedKSG, Ross
from infomax.estimation.neighbors.strong_dependence import ResidualKSG
from infomax.estimation.resampling.intervals import bootstrap_interval, subsampling_interval
from infomax.estimation.resampling.nulls import Blocks
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
        X, X, Product(), level=level, fraction=fraction, num_subsamples=2000, num_workers=1
    )
    half = norm.ppf((1 + level) / 2) * (X**2).std() / math.sqrt(200)
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)
    assert (high + low) / 2 == pytest.approx((X**2).mean(), abs=half / 2)


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_bootstrap_of_a_mean(level):
    low, high = bootstrap_interval(X, X, Product(), level=level, num_resamples=2000, num_workers=1)
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
    """Of 15 intervals of 95 % hardly ever fewer than 11 hold the truth."""
    settings = {"repeats": 15, "num_workers": 1}
    for found in (
        coverage(bootstrap_interval, Gaussian(), gaussian(0.75, 400), num_resamples=30, **settings),
        coverage(subsampling_interval, KSG(), gaussian(0.5, 100), num_subsamples=30, **settings),
    ):
        assert binom.cdf(round(15 * found), 15, 0.95) > 1e-3


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


def series(memory, correlation, n, rng):
    """Two autoregressive series whose steps correlate, and so do they."""
    steps = rng.standard_normal((2, n + 400))
    steps[1] = correlation * steps[0] + math.sqrt(1 - correlation**2) * steps[1]
    return lfilter([1], [1, -memory], steps)[:, 400:]


def panel(rng, num_groups=60, num_rows=8):
    """Groups whose means correlate as strongly as the rows within them, and the groups."""
    groups = np.repeat(np.arange(num_groups), num_rows)
    means, rows = rng.standard_normal((2, num_groups)), rng.standard_normal((2, len(groups)))
    for pair in (means, rows):
        pair[1] = 0.6 * pair[0] + 0.8 * pair[1]
    return means[:, groups] + rows / 2, groups


TRUTH = -math.log(1 - 0.6**2) / 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("interval", "few"),
    [(bootstrap_interval, {"num_resamples": 100}), (subsampling_interval, {"num_subsamples": 100})],
)
def test_blocks_and_groups_cover_where_rows_do_not(interval, few):
    """1,000 rows of series with φ = 0.9; 60 groups of 8 rows."""
    covered = {"rows": [], "blocks": [], "single": [], "groups": []}
    for seed in range(100):
        x, y = series(0.9, 0.6, 1000, np.random.default_rng([3, seed]))
        (u, v), groups = panel(np.random.default_rng([4, seed]))
        for name, pair, drawn in (
            ("rows", (x, y), {}),
            ("blocks", (x, y), {"blocks": Blocks()}),
            ("single", (u, v), {}),
            ("groups", (u, v), {"groups": groups}),
        ):
            low, high = interval(*pair, Gaussian(), num_workers=1, **few, **drawn)
            covered[name].append(low <= TRUTH <= high)
    share = {name: np.mean(found) for name, found in covered.items()}
    assert share["rows"] < 0.6 < 0.86 <= share["blocks"]
    assert share["single"] < 0.8 < 0.86 <= share["groups"]


def test_groups_and_blocks_are_drawn_whole():
    rows = np.arange(40)
    groups = rows % 8
    for interval in (subsampling_interval, bootstrap_interval):
        for drawn, size, unit in (
            ({"groups": groups}, 5, groups),
            ({"blocks": Blocks(5)}, 5, rows // 5),
            ({"blocks": Blocks(3)}, 3, rows // 3),
            ({"blocks": Blocks(2, groups // 4)}, 2, None),
        ):
            recording = Recording()
            interval(rows, rows, recording, num_workers=1, **drawn)
            for x in (x for x, _, _ in recording.seen if len(np.unique(x)) < 40):
                assert len(x) % size == 0
                if unit is not None:
                    assert (np.ptp(unit[x].reshape(-1, size), axis=1) == 0).all()


def test_groups_widen_an_interval_where_rows_of_one_group_are_alike():
    (x, y), groups = panel(np.random.default_rng(0))
    few = {"num_resamples": 60, "num_workers": 1}
    by_row, by_group = (
        np.ptp(bootstrap_interval(x, y, Gaussian(), groups=which, **few)) for which in (None, groups)
    )
    assert by_group > 1.5 * by_row


@pytest.mark.parametrize("interval", [subsampling_interval, bootstrap_interval])
def test_few_blocks_widen_an_interval_as_students_distribution_does(interval):
    """20 blocks of equal rows: the mean of 20 values, whose interval needs t, not z."""
    values = np.repeat(X[:20], 10)
    few = {"num_subsamples": 4000} if interval is subsampling_interval else {"num_resamples": 4000}
    low, high = interval(values, np.ones(200), Product(), blocks=Blocks(10), num_workers=1, **few)
    expected = t.ppf(0.975, 19) * X[:20].std(ddof=1) / math.sqrt(20)
    assert (high - low) / 2 == pytest.approx(expected, rel=0.06)


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

    @pytest.mark.parametrize("interval", [subsampling_interval, bootstrap_interval])
    def test_groups(self, interval):
        with pytest.raises(ValueError, match="groups must have one label for each of 200 samples, got 3"):
            interval(X, X, PlugIn(), groups=list("abc"))
        with pytest.raises(ValueError, match="got groups and blocks, expected one"):
            interval(X, X, PlugIn(), groups=X, blocks=Blocks())
        with pytest.raises(ValueError, match="at least 2 blocks are needed to draw from, got 1"):
            interval(X, X, PlugIn(), blocks=Blocks(150))
        with pytest.raises(ValueError, match="at least 2 groups are needed to draw from, got 1"):
            interval(X, X, PlugIn(), groups=0 * X)

    def test_few_groups(self):
        with pytest.raises(ValueError, match=r"a fraction of 0\.25 of 4 groups is 1, expected at least 2"):
            subsampling_interval(X, X, PlugIn(), groups=np.arange(200) % 4)

    def test_unequal_lengths(self):
        with pytest.raises(ValueError, match="bootstrap_interval: variables must have equally many samples"):
            bootstrap_interval(X, X[1:], PlugIn())
