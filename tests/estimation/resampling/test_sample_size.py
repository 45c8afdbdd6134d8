"""Sample-size curves: exact where the bias is known exactly, against enumeration, and on KSG."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import entr
from scipy.stats import multinomial

from infomax.estimation.counting.counts import PlugIn
from infomax.estimation.estimate import Estimate
from infomax.estimation.gaussian import Gaussian
from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.resampling.sample_size import sample_size_curve
from infomax.information.distributions import correlated_gaussians
from infomax.information.measures import mutual_information

KSG_ALONE = KSG(num_workers=1)
X = np.random.default_rng(0).standard_normal(120)


class Biased:
    """⟨x⟩ + bias · n^{−power}: the mean over parts that make up the whole is exact but for the bias."""

    def __init__(self, bias, power):
        self.bias, self.power = bias, power

    def estimate(self, x, y, *, given=None):
        return Estimate(float(x.mean() + self.bias * len(x) ** -self.power), 0.1, len(x), method="Biased")


@settings(deadline=None, max_examples=15)
@given(st.floats(-5, 5), st.floats(0.3, 2))
def test_a_bias_of_the_stated_power_is_removed(bias, power):
    curve = sample_size_curve(X, X, Biased(bias, power), num_repeats=3, power=power, num_workers=1)
    assert curve.extrapolated.value == pytest.approx(X.mean(), abs=1e-9)
    assert curve.sizes.tolist() == [30, 40, 60]
    assert curve.means == pytest.approx(X.mean() + bias * curve.sizes ** -float(power), abs=1e-9)
    assert curve.values.shape == (3, 3)
    assert curve.spreads == pytest.approx(np.zeros(3), abs=1e-9)
    assert curve.whole.value == pytest.approx(X.mean() + bias * 120**-power)


def test_the_error_is_wider_where_the_fit_is_poor():
    good, poor = (
        sample_size_curve(X, X, Biased(-10.0, power), num_repeats=20, num_workers=1).extrapolated
        for power in (1.0, 0.3)
    )
    assert good.standard_error < 0.15  # that of the mean of 120 is 0.09
    assert poor.standard_error > 3 * good.standard_error
    assert good.value == pytest.approx(X.mean(), abs=1e-9)
    assert poor.value < X.mean() - 1  # and the bias, −2.4, is taken off but in part


def test_the_error_is_that_of_repeated_samples():
    """That of ⟨x⟩."""
    curve = sample_size_curve(X, X, Biased(1.0, 1.0), num_repeats=200, num_workers=1)
    assert curve.extrapolated.standard_error == pytest.approx(X.std() / math.sqrt(120), rel=0.1)


def mean_plug_in(table, n):
    """E Î of n samples, over all counts that they may have."""
    cells = table.ravel()
    rest = itertools.product(range(n + 1), repeat=len(cells) - 1)
    counts = np.array([(*c, n - sum(c)) for c in rest if sum(c) <= n])
    shares = counts.reshape(-1, *table.shape) / n
    joint, rows, columns = (
        entr(p).reshape(len(p), -1).sum(1) for p in (shares, shares.sum(2), shares.sum(1))
    )
    return multinomial.pmf(counts, n, cells) @ (rows + columns - joint)


class OfCounts:
    """The plug-in estimate of two coins from their counts; `PlugIn` spends its time on the error."""

    def estimate(self, x, y, *, given=None):
        shares = np.bincount(2 * x + y, minlength=4).reshape(2, 2) / len(x)
        joint, rows, columns = (entr(p).sum() for p in (shares, shares.sum(1), shares.sum(0)))
        return Estimate(float(rows + columns - joint), 0.1, len(x))


def test_plug_in_against_enumeration():
    table = np.array([[0.4, 0.1], [0.15, 0.35]])
    curves, cells = [], np.random.default_rng(0).choice(4, 24, p=table.ravel())
    coins = cells // 2, cells % 2
    assert OfCounts().estimate(*coins).value == pytest.approx(PlugIn().estimate(*coins).value)
    for seed in range(100):
        cells = np.random.default_rng(seed).choice(4, 24, p=table.ravel())
        curves.append(
            sample_size_curve(
                cells // 2, cells % 2, OfCounts(), fractions=(1 / 3, 1 / 2), num_repeats=2, num_workers=1
            )
        )
    spread = np.std([curve.whole.value for curve in curves]) / math.sqrt(len(curves))
    for index, size in enumerate((8, 12)):
        found = np.mean([curve.means[index] for curve in curves])
        assert found == pytest.approx(mean_plug_in(table, size), abs=4 * spread)
    truth = float(mutual_information(table))
    before = np.mean([curve.whole.value for curve in curves]) - truth
    after = np.mean([curve.extrapolated.value for curve in curves]) - truth
    assert before > 0.015  # (2 − 1)² / 2n = 0.021
    assert abs(after) < before / 2


def curves_of(estimator, pair, n, repeats, **settings):
    return [
        sample_size_curve(
            *pair.sample(n, np.random.default_rng(seed)), estimator, num_workers=1, num_repeats=5, **settings
        )
        for seed in range(repeats)
    ]


def mean_errors(curves, truth):
    """Before and after."""
    return [
        np.mean([c.whole.value for c in curves]) - truth,
        np.mean([c.extrapolated.value for c in curves]) - truth,
    ]


@pytest.mark.parametrize(
    ("correlation", "dim", "power", "least"), [(0.9999, 1, 1.0, 0.3), (0.9, 3, 0.5, 0.3)]
)
def test_ksg_of_strong_dependence(correlation, dim, power, least):
    pair = correlated_gaussians(correlation, dim=dim)
    before, after = mean_errors(curves_of(KSG_ALONE, pair, 400, 4, power=power), pair.mutual_information)
    assert before < -least
    assert abs(after) < abs(before) / 3


@pytest.mark.parametrize(
    ("estimator", "correlation"), [(KSG_ALONE, 0.0), (KSG_ALONE, 0.5), (Gaussian(), 0.5)]
)
def test_an_unbiased_estimate_stays(estimator, correlation):
    pair = correlated_gaussians(correlation)
    for curve in curves_of(estimator, pair, 300, 4):
        assert abs(curve.extrapolated.value - curve.whole.value) < 1.5 * curve.extrapolated.standard_error
        low, high = curve.extrapolated.confidence_interval(0.999)
        assert low < pair.mutual_information < high


@pytest.mark.slow
@pytest.mark.parametrize(
    ("correlation", "dim", "n", "power", "before", "after"),
    [(0.75, 1, 500, 1.0, 0.00, 0.00), (0.9999, 1, 500, 1.0, -0.25, 0.00), (0.9, 3, 1000, 0.5, -0.32, 0.01)],
)
def test_as_documented(correlation, dim, n, power, before, after):
    pair = correlated_gaussians(correlation, dim=dim)
    curves = curves_of(KSG_ALONE, pair, n, 40, power=power)
    assert mean_errors(curves, pair.mutual_information) == pytest.approx([before, after], abs=0.03)
    deviations = np.std([curve.extrapolated.value for curve in curves])
    errors = np.mean([curve.extrapolated.standard_error for curve in curves])
    assert 0.9 * deviations < errors < 6 * deviations


def test_what_it_returns():
    x, y = correlated_gaussians(0.75).sample(100, np.random.default_rng(0))
    curve = sample_size_curve(x, y, KSG(), num_repeats=2)
    assert curve.whole.value == KSG().estimate(x, y).value
    assert curve.extrapolated.num_samples == 100
    assert curve.extrapolated.method == "KSG, k=3, extrapolated"
    assert curve.extrapolated.local is None
    again = sample_size_curve(x, y, KSG(), num_repeats=2, num_workers=1)
    assert (again.values == curve.values).all()
    assert again.extrapolated.value == curve.extrapolated.value
    other = sample_size_curve(x, y, KSG(), num_repeats=2, seed=1)
    assert (other.values != curve.values).any()
    given_x = sample_size_curve(x, y, Gaussian(), given=x**2 + y, num_repeats=2)
    assert given_x.whole.value == Gaussian().estimate(x, y, given=x**2 + y).value


class TestErrors:
    @pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, 1.5])
    def test_fractions(self, fraction):
        with pytest.raises(ValueError, match=f"fraction must be between 0 and 1, got {fraction}"):
            sample_size_curve(X, X, PlugIn(), fractions=(0.5, fraction))

    @pytest.mark.parametrize("fractions", [(), (0.5,), (0.5, 0.5)])
    def test_one_fraction(self, fractions):
        with pytest.raises(ValueError, match=r"expected two or more fractions.*whether the curve fits"):
            sample_size_curve(X, X, PlugIn(), fractions=fractions)

    def test_repeats(self):
        with pytest.raises(ValueError, match="sample_size_curve: num_repeats must be at least 2, got 1"):
            sample_size_curve(X, X, PlugIn(), num_repeats=1)

    @pytest.mark.parametrize("power", [0.0, -1.0, math.nan])
    def test_power(self, power):
        with pytest.raises(ValueError, match=f"power must be above 0, got {power}; 1 is usual"):
            sample_size_curve(X, X, PlugIn(), power=power)

    def test_few_samples(self):
        with pytest.raises(ValueError, match=r"a fraction of 0\.25 of 4 samples is 1, expected at least 2"):
            sample_size_curve(X[:4], X[:4], PlugIn())
        with pytest.raises(ValueError, match="3 neighbours need more than 3 samples, got 3"):
            sample_size_curve(X[:12], X[:12], KSG())
