"""Certified brackets of scalar channels against quadrature."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from infomax.information.channels.gaussian import awgn_capacity
from infomax.information.channels.scalar import (
    amplitude_limited_capacity,
    information_through_gaussian_noise,
)


def by_quadrature(points, p, sigma):
    def integrand(y):
        density = scipy.stats.norm.pdf(y, points, sigma)
        return np.sum(p * density * (scipy.stats.norm.logpdf(y, points, sigma) - np.log(p @ density)))

    span = 10 * sigma
    return scipy.integrate.quad(integrand, min(points) - span, max(points) + span, limit=400, epsabs=1e-12)[0]


@pytest.mark.parametrize("sigma", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("num_points", [1, 2, 4])
def test_information_of_a_constellation(sigma, num_points):
    points = np.linspace(-1.5, 1.5, num_points) if num_points > 1 else np.array([0.7])
    p = np.random.default_rng(0).dirichlet(np.ones(num_points))
    expected = by_quadrature(points, p, sigma)
    for tolerance in (1e-2, 1e-6):
        bracket = information_through_gaussian_noise(points, p, noise_std=sigma, tolerance=tolerance)
        assert bracket.lower <= expected + 1e-11 and expected - 1e-11 <= bracket.upper
        assert bracket.upper - bracket.lower <= tolerance


@pytest.mark.parametrize("amplitude", [0.5, 1.0, 1.6])
def test_a_small_amplitude_is_best_used_at_its_ends(amplitude):
    """Smith (1971): up to A = 1.66 σ the best input is ±A."""
    two_points = by_quadrature(np.array([-amplitude, amplitude]), np.array([0.5, 0.5]), 1.0)
    capacity = amplitude_limited_capacity(amplitude)
    assert capacity.lower <= two_points + 1e-9 and two_points <= capacity.upper
    assert capacity.upper - capacity.lower <= 1e-3
    outer = np.abs(capacity.points) > 0.9 * amplitude
    assert capacity.probabilities[outer].sum() > 0.95


def test_a_larger_amplitude_uses_more_points_and_stays_below_the_power_limit():
    two_points = by_quadrature(np.array([-6.0, 6.0]), np.array([0.5, 0.5]), 2.0)
    capacity = amplitude_limited_capacity(6.0, noise_std=2.0, tolerance=5e-3)
    assert two_points < capacity.lower < capacity.upper < float(awgn_capacity(9.0))
    assert capacity.upper - capacity.lower <= 5e-3
    attained = information_through_gaussian_noise(capacity.points, capacity.probabilities, noise_std=2.0)
    assert capacity.lower <= attained.upper and attained.lower <= capacity.upper


@pytest.mark.parametrize("base", [2, math.e])
@pytest.mark.parametrize("amplitude", [0.5, 1.2, 3.0])
def test_a_coarse_bracket_holds_the_fine_one(amplitude, base):
    fine = amplitude_limited_capacity(amplitude, base=base, tolerance=1e-4)
    for tolerance in (1e-3, 0.03, 0.3):
        coarse = amplitude_limited_capacity(amplitude, base=base, tolerance=tolerance)
        assert coarse.lower - 1e-12 <= fine.upper and fine.lower <= coarse.upper + 1e-12
        assert coarse.upper - coarse.lower <= tolerance
        through = information_through_gaussian_noise(
            coarse.points, coarse.probabilities, base=base, tolerance=1e-6
        )
        assert coarse.lower - 1e-9 <= through.upper
        assert np.abs(coarse.points).max() == pytest.approx(amplitude) and len(coarse.points) >= 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: information_through_gaussian_noise([0.0], [0.5, 0.5]), "as many points as probabilities"),
        (
            lambda: information_through_gaussian_noise([0.0], [1.0], noise_std=0),
            "must be above 0, got 0",
        ),
        (lambda: amplitude_limited_capacity(-1), "must be above 0, got -1"),
        (lambda: amplitude_limited_capacity(1, tolerance=0.0), "tolerance must be above 0, got 0"),
        (lambda: amplitude_limited_capacity(1, noise_std=0.0), "noise_std must be above 0, got 0"),
        (lambda: amplitude_limited_capacity(0), "amplitude must be above 0, got 0"),
        (
            lambda: amplitude_limited_capacity(60, tolerance=1e-7),
            r"^amplitude_limited_capacity: an amplitude of 60 noise_std needs [\d,]+ points, more than "
            r"[\d,]+; give a larger tolerance$",
        ),
        (lambda: information_through_gaussian_noise([np.nan, 1], [0.5, 0.5]), "1 points of NaN or ∞"),
        (
            lambda: information_through_gaussian_noise([-1, 1], [0.5, 0.5], tolerance=-1.0),
            "tolerance must be above 0, got -1",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
