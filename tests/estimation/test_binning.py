"""Bins against NumPy's and pandas-like cuts; the adaptive partition on known pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infomax.estimation.binning import AdaptivePartition, EqualMassBins, FixedBins
from infomax.estimation.estimate import Estimate
from infomax.information.distributions import correlated_gaussians
from infomax.information.measures import conditional_mutual_information, mutual_information


class Counted:
    """The plug-in estimate, from a dense table."""

    def estimate(self, x, y, *, given=None):
        codes = [x, y] if given is None else [x, y, given]
        table = np.zeros([c.max() + 1 for c in codes])
        np.add.at(table, tuple(codes), 1 / len(x))
        measure = mutual_information if given is None else conditional_mutual_information
        return Estimate(float(measure(table)), 0.0, len(x), method="Counted")


def pairs(n=2000, correlation=0.75, seed=0):
    return correlated_gaussians(correlation).sample(n, np.random.default_rng(seed))


def test_fixed_bins_equal_a_histogram():
    x, y = pairs()
    counts = np.histogram2d(x[:, 0], y[:, 0], bins=7)[0]
    found = FixedBins(7, counting=Counted()).estimate(x, y)
    assert found.value == pytest.approx(float(mutual_information(counts / counts.sum())))
    assert found.method == "FixedBins, 7 bins, Counted"


def test_equal_mass_bins_hold_equally_many():
    x, y = pairs(1000)
    ranks = [np.argsort(np.argsort(v[:, 0])) * 8 // 1000 for v in (x, y)]
    expected = Counted().estimate(*ranks).value
    assert EqualMassBins(8, counting=Counted()).estimate(x, y).value == pytest.approx(expected)


def test_equal_values_share_a_bin():
    x = np.repeat([0.0, 1.0, 2.0], [90, 5, 5])
    found = EqualMassBins(10, counting=Counted()).estimate(x, x).value
    assert found <= -(0.9 * np.log(0.9) + 0.1 * np.log(0.05)) + 1e-12


def test_condition_and_several_columns():
    x, y = pairs(3000)
    noise = np.random.default_rng(1).standard_normal(x.shape)
    bins = EqualMassBins(4, counting=Counted())
    assert bins.estimate(x, y, given=y).value == pytest.approx(0, abs=1e-12)
    assert bins.estimate(np.hstack([x, noise]), y).value > bins.estimate(x, y).value


def test_information_of_bins_is_less():
    x, y = pairs(20_000, 0.95)
    truth = correlated_gaussians(0.95).mutual_information
    values = [EqualMassBins(m, counting=Counted()).estimate(x, y).value for m in (2, 4, 8, 16)]
    assert values == sorted(values)
    assert values[-1] < truth


def test_miller_madow_is_the_default():
    counts = pytest.importorskip("infomax.estimation.counting.counts")
    x, y = pairs()
    for bins in (FixedBins, EqualMassBins):
        expected = bins(6, counting=counts.MillerMadow()).estimate(x, y).value
        assert bins(6).estimate(x, y).value == expected


@pytest.mark.parametrize(("correlation", "tolerance"), [(0.0, 0.01), (0.75, 0.05), (0.95, 0.1), (0.99, 0.15)])
def test_adaptive_partition_near_the_truth(correlation, tolerance):
    x, y = pairs(5000, correlation)
    truth = correlated_gaussians(correlation).mutual_information
    found = AdaptivePartition().estimate(x, y)
    assert found.value == pytest.approx(truth, abs=tolerance)
    assert found.local.mean() == pytest.approx(found.value)


def test_adaptive_partition_of_a_copy_cuts_to_small_cells():
    x = np.random.default_rng(0).standard_normal(1024)
    assert AdaptivePartition().estimate(x, x).value > 4


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31))
def test_monotone_functions_change_nothing(seed):
    x, y = pairs(256, seed=seed)
    order = np.random.default_rng(seed).permutation(256)
    for estimator in (EqualMassBins(5, counting=Counted()), AdaptivePartition()):
        value = estimator.estimate(x, y).value
        assert estimator.estimate(np.exp(x), y**3).value == pytest.approx(value, abs=1e-12)
        assert estimator.estimate(x[order], y[order]).value == pytest.approx(value, abs=1e-12)
        assert estimator.estimate(y, x).value == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("bins", [EqualMassBins(10), FixedBins(10)], ids=repr)
def test_a_model_estimate_stays_wrong_outside_its_model(bins):
    """5 nats need bins finer than a tenth, however many samples there are."""
    for n in (1000, 8000):
        found = bins.estimate(*pairs(n, np.sqrt(1 - np.exp(-10))))
        assert found.kind == "model estimate"
        assert found.value < 3


@pytest.mark.parametrize("bins", [EqualMassBins(), FixedBins()], ids=repr)
def test_bins_that_are_too_wide_are_named(bins):
    assert bins.estimate(*pairs(300, 0.95)).has_caution("biased")
    assert not any(bins.estimate(*pairs(300, 0.3, seed)).cautions for seed in range(20))
    assert not any(bins.estimate(*pairs(1000, 0.0, seed)).cautions for seed in range(20))


@pytest.mark.parametrize("bins", [EqualMassBins(), FixedBins()], ids=repr)
def test_data_in_bins_lose_nothing(bins):
    x = np.random.default_rng(0).permutation(np.arange(1000) % 10)
    found = bins.estimate(x, (x + 3) % 10)
    assert found.value == pytest.approx(np.log(10), abs=0.05) and not found.cautions


def test_chess_board_is_invisible_to_the_adaptive_partition():
    rng = np.random.default_rng(0)
    column, row = rng.integers(8, size=(2, 20_000))
    black = (column + row) % 2 == 0
    x, y = (column + rng.random(20_000))[black], (row + rng.random(20_000))[black]
    assert abs(AdaptivePartition().estimate(x, y).value) < 0.05  # log 2 = 0.693


def test_adaptive_partition_has_an_error_bar_at_independence():
    found = [AdaptivePartition().estimate(*pairs(300, 0.0, seed)) for seed in range(20)]
    assert all(e.standard_error > 0.005 for e in found)
    assert np.mean([abs(e.value) < 1.96 * e.standard_error for e in found]) >= 0.9
    assert AdaptivePartition().estimate(*pairs(300, 0.99)).has_caution("biased")
    assert not AdaptivePartition().estimate(*pairs(5000, 0.5)).cautions


def test_adaptive_partition_counts_what_its_tests_miss():
    """At ρ = 0.3 and 300 samples the interval held the truth in 0.76, before errors held the bias."""
    truth = correlated_gaussians(0.3).mutual_information
    ends = [AdaptivePartition().estimate(*pairs(300, 0.3, seed)).confidence_interval() for seed in range(40)]
    assert np.mean([low <= truth <= high for low, high in ends]) >= 0.9


@pytest.mark.parametrize("estimator", [FixedBins(8), EqualMassBins(8), AdaptivePartition()], ids=repr)
@pytest.mark.parametrize("scale", [2.0**-990, 2.0**1020])
def test_scales(estimator, scale):
    x, y = pairs(300)
    x, y = x / 8, y / 8
    assert estimator.estimate(scale * x, scale * y).value == estimator.estimate(x, y).value


class TestErrors:
    x, y = pairs(50)

    def test_settings(self):
        for bins in (FixedBins, EqualMassBins):
            with pytest.raises(ValueError, match=f"{bins.__name__}: num_bins must be at least 2, got 1"):
                bins(1)
            with pytest.raises((ValueError, TypeError), match="num_bins"):
                bins(2.5)
        with pytest.raises(ValueError, match=r"significance must be above 0 and below 1, got 1\.5"):
            AdaptivePartition(1.5)

    def test_adaptive_partition_takes_single_columns(self):
        with pytest.raises(ValueError, match="got 2 and 1 columns; use EqualMassBins"):
            AdaptivePartition().estimate(np.hstack([self.x, self.y]), self.y)
        with pytest.raises(ValueError, match="and a condition"):
            AdaptivePartition().estimate(self.x, self.y, given=self.y)

    def test_adaptive_partition_refuses_ties(self):
        with pytest.raises(ValueError, match="must not repeat"):
            AdaptivePartition().estimate(self.x, self.y > 0)
