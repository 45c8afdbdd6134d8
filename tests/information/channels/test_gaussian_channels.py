"""Gaussian channels against closed forms, and attempts to do better."""

import math

import numpy as np
import pytest

from infomax import information as g


def random_covariance(d, seed=0):
    a = np.random.default_rng(seed).normal(size=(d, d + 3))
    return a @ a.T / d


def test_awgn_and_water_filling():
    assert float(g.awgn_capacity(3.0, base=2)) == pytest.approx(1)
    assert g.parallel_gaussian_capacity([1.0], 3.0, base=2).capacity == pytest.approx(1)
    filled = g.parallel_gaussian_capacity([1.0, 2.0, 10.0], 5.0)
    np.testing.assert_allclose(filled.powers, [3, 2, 0])
    assert filled.level == pytest.approx(4) and filled.capacity == pytest.approx(math.log(4 * 2) / 2)
    assert g.parallel_gaussian_capacity([1.0, 2.0], 0.0).capacity == 0


def test_no_other_sharing_of_power_beats_water_filling():
    rng = np.random.default_rng(0)
    noise, power = rng.exponential(size=6), 2.0
    best = g.parallel_gaussian_capacity(noise, power)
    assert best.powers.sum() == pytest.approx(power)
    others = rng.dirichlet(np.full(6, 0.5), size=5000) * power
    assert (np.log1p(others / noise).sum(1) / 2).max() <= best.capacity
    wet = best.powers > 0
    np.testing.assert_allclose((best.powers + noise)[wet], best.level)
    assert np.all(noise[~wet] >= best.level)


def test_rate_distortion_by_reverse_water_filling():
    assert g.gaussian_rate_distortion([4.0], 1.0, base=2) == pytest.approx(1)
    assert g.gaussian_rate_distortion([4.0], 5.0) == 0
    variances, distortion = np.array([4.0, 1.0, 0.1]), 0.9
    rate = g.gaussian_rate_distortion(variances, distortion)
    shares = np.random.default_rng(0).dirichlet(np.ones(3), size=20_000) * distortion
    rates = np.log(np.maximum(variances / shares, 1)).sum(1) / 2
    assert rate <= rates.min() and rate == pytest.approx(rates.min(), abs=1e-2)


def linear_information(weights, signal, input_noise, output_noise):
    noise = input_noise * weights @ weights.T + output_noise * np.eye(len(weights))
    total = weights @ signal @ weights.T + noise
    return (np.linalg.slogdet(total)[1] - np.linalg.slogdet(noise)[1]) / 2


@pytest.mark.parametrize(
    ("num_outputs", "input_noise", "power"), [(1, 0.5, 1.0), (2, 0.0, 3.0), (3, 1.0, 10.0), (5, 0.3, 0.2)]
)
def test_no_other_linear_channel_is_better(num_outputs, input_noise, power):
    signal = random_covariance(3)
    best = g.best_linear_channel(signal, power, num_outputs, input_noise=input_noise, output_noise=0.7)
    received = signal + input_noise * np.eye(3)
    assert np.trace(best.weights @ received @ best.weights.T) == pytest.approx(power)
    assert linear_information(best.weights, signal, input_noise, 0.7) == pytest.approx(best.information)
    rng = np.random.default_rng(0)
    for scale in (0.01, 0.1, 1.0):
        for _ in range(300):
            other = best.weights + scale * rng.normal(size=best.weights.shape)
            other *= math.sqrt(power / np.trace(other @ received @ other.T))
            assert linear_information(other, signal, input_noise, 0.7) <= best.information + 1e-12


def test_directions_of_high_signal_to_noise_are_favoured():
    best = g.best_linear_channel(np.diag([9.0, 1.0, 0.01]), 1.0, 3, input_noise=1.0)
    assert best.powers[0] > best.powers[1] > best.powers[2] == 0


def test_the_gaussian_bottleneck():
    rho = np.array([0.9, 0.5])
    sigma = np.block([[np.eye(2), np.diag(rho)], [np.diag(rho), np.eye(2)]])
    transitions = g.gaussian_information_bottleneck(sigma, 2, 1.1).transitions
    np.testing.assert_allclose(transitions, 1 / rho**2)
    assert g.gaussian_information_bottleneck(sigma, 2, 1.2).rate == 0
    assert g.gaussian_information_bottleneck(sigma, 2, 1.3).rate > 0
    for beta in (2.0, 5.0, 100.0):  # against a search over noisy copies of each direction, T = √s X + noise
        result = g.gaussian_information_bottleneck(sigma, 2, beta)
        s = np.geomspace(1e-4, 1e5, 20_001)[:, None]
        rates, relevances = np.log1p(s) / 2, -np.log(1 - rho**2 * s / (1 + s)) / 2
        best = np.maximum(beta * relevances - rates, 0).max(0).sum()
        assert beta * result.relevance - result.rate == pytest.approx(best, abs=1e-6)


def test_powers_far_below_the_noise_go_to_the_best_axis():
    """½ log(1 + u λ/(λ + ν)) of all power u on the axis of the largest λ, in units of the output noise."""
    for power in (1e-12, 1e-17, 1e-300):
        best = g.best_linear_channel(np.diag([4.0, 1.0, 1.0]), power, 2, input_noise=1)
        assert best.powers == pytest.approx([power, 0])
    alike = g.best_linear_channel(np.eye(2), 1e-300, 2, input_noise=1)
    assert alike.powers == pytest.approx([5e-301, 5e-301], rel=1e-9, abs=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: g.awgn_capacity(-3.0), "ratio must be at least 0, got -3.0; is it in dB"),
        (lambda: g.parallel_gaussian_capacity([0.0], 1), "noise variances must be positive"),
        (lambda: g.gaussian_rate_distortion([1.0], 0), "distortion must be more than 0"),
        (lambda: g.best_linear_channel(np.eye(2), 0, 1), "power must be above 0"),
        (lambda: g.best_linear_channel(np.eye(2), 1, 1, output_noise=math.inf), "output_noise .* got inf"),
        (lambda: g.best_linear_channel(-np.eye(2), 1, 1), "positive semi-definite"),
        (lambda: g.best_linear_channel(np.eye(2), math.inf, 1), "power must be above 0 and finite, got inf"),
        (lambda: g.parallel_gaussian_capacity(np.ones((2, 2)), 1), "in one list"),
        (lambda: g.gaussian_rate_distortion(np.ones((2, 2)), 1), "in one list"),
        (
            lambda: g.gaussian_information_bottleneck([[1, 0.5], [0.5, 1]], 1, math.nan),
            "beta must be above 0",
        ),
        (
            lambda: g.gaussian_information_bottleneck([[1, 0.5], [0.5, 1]], 1, -1),
            "beta must be above 0, got -1; up to 1 nothing is kept",
        ),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
