"""Rate–distortion and bottleneck against closed forms and exhaustive search."""

import itertools
import math

import numpy as np
import pytest
import torch

from infomax.information.channel import Channel
from infomax.information.measures import entropy, mutual_information
from infomax.information.tradeoff import (
    deterministic_information_bottleneck,
    information_bottleneck,
    rate_distortion,
)

HAMMING = 1 - np.eye(2)


def h(p):
    return float(entropy([p, 1 - p]))


# ------------------------------------------------------------------ rate–distortion


@pytest.mark.parametrize("p", [0.5, 0.3, 0.05])
def test_the_curve_of_a_bernoulli_source(p):
    curve = rate_distortion([p, 1 - p], HAMMING)
    expected = [max(0.0, h(p) - h(d)) if d < p else 0.0 for d in curve.distortions]
    assert np.all(curve.lower <= np.array(expected) + 1e-12) and np.all(expected <= curve.upper + 1e-12)
    assert np.all(curve.upper - curve.lower <= 1e-9)
    assert curve.distortions[0] == 0 and curve.upper[0] == pytest.approx(h(p))
    assert curve.distortions[-1] == pytest.approx(p) and curve.upper[-1] == 0
    inside = (curve.slopes > 0) & (curve.distortions > 1e-9) & (curve.distortions < 0.999 * p)
    d = curve.distortions[inside]
    np.testing.assert_allclose(curve.slopes[inside], np.log((1 - d) / d), rtol=1e-4)


def test_the_bracket_at_any_distortion():
    curve = rate_distortion([0.3, 0.7], HAMMING, base=2)
    for distortion in (0.0, 0.01, 0.1, 0.25, 0.29):
        lower, upper = curve.bracket(distortion)
        expected = (h(0.3) - h(distortion)) / math.log(2)
        assert lower - 1e-12 <= expected <= upper + 1e-12
        lower, upper = curve.refined(distortion).bracket(distortion)
        assert upper - lower <= 1e-7 and lower - 1e-12 <= expected <= upper + 1e-12
    assert curve.bracket(0.3) == (0.0, 0.0) == curve.bracket(7)
    with pytest.raises(ValueError, match=r"no channel has distortion -0.1; the least is 0"):
        curve.bracket(-0.1)


def test_hamming_distortion_over_a_uniform_alphabet():
    """R(D) = log n − h(D) − D log(n − 1)."""
    n = 6
    curve = rate_distortion(np.full(n, 1 / n), 1 - np.eye(n))
    expected = [math.log(n) - h(d) - d * math.log(n - 1) for d in curve.distortions]
    np.testing.assert_allclose(curve.upper, expected, atol=1e-9)


def test_channels_of_the_curve_have_its_rate_and_distortion():
    rng = np.random.default_rng(0)
    source, distortion = rng.dirichlet(np.ones(7)), rng.random((7, 5))
    curve = rate_distortion(source, distortion, slopes=[1, 5, 30])
    for k in range(4):
        table = source[:, None] * curve.channel(k).transition
        assert np.sum(table * distortion) == pytest.approx(curve.distortions[k])
        assert float(mutual_information(table)) == pytest.approx(curve.upper[k])


def test_no_random_channel_beats_the_curve():
    rng = np.random.default_rng(1)
    source, distortion = rng.dirichlet(np.ones(3)), rng.random((3, 3))
    curve = rate_distortion(source, distortion)
    for _ in range(300):
        table = source[:, None] * rng.dirichlet(np.full(3, 0.3), size=3)
        lower, _ = curve.bracket(max(np.sum(table * distortion), curve.distortions[0]))
        assert float(mutual_information(table)) >= lower - 1e-12


def test_a_fine_gaussian_source_approaches_its_closed_form():
    """R(D) = ½ log(σ²/D), on a grid of spacing 0.1 within 1e-3 nats."""
    x = np.arange(-5, 5.05, 0.1)
    p_x = np.exp(-(x**2) / 2)
    curve = rate_distortion(p_x / p_x.sum(), (x[:, None] - x) ** 2, slopes=[0.8, 1, 2, 5], tolerance=1e-7)
    np.testing.assert_allclose(curve.upper[1:-1], 0.5 * np.log(1 / curve.distortions[1:-1]), atol=1e-3)


def test_impossible_letters_forbidden_pairs_and_enormous_slopes():
    erasure = np.array([[0, math.inf, 1], [math.inf, 0, 1]])  # R(D) = (1 − D) log 2
    curve = rate_distortion([0.5, 0.5], erasure)
    np.testing.assert_allclose(curve.upper, (1 - curve.distortions) * math.log(2), atol=1e-9)
    with_zero = rate_distortion([0.5, 0, 0.5], np.array([[0, 1.0], [5, 5], [1, 0]]), slopes=[1e8, 1e300])
    np.testing.assert_allclose(with_zero.upper[:3], math.log(2), atol=1e-9)
    assert np.isfinite(with_zero.distortions).all()
    free = rate_distortion([0.5, 0.5], np.zeros((2, 2)))
    assert np.all(free.upper <= 1e-9) and np.all(free.distortions == 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rate_distortion([0.5, 0.5], np.eye(3)), r"expected a source \[x\] and distortions \[x, y\]"),
        (lambda: rate_distortion([0.5, 0.5], [[math.inf] * 2, [0, 0]]), "every x needs a finite distortion"),
        (lambda: rate_distortion([0.5, 0.5], [[0, math.nan], [0, 0]]), "none may be NaN"),
        (lambda: rate_distortion([0.5, 0.5], HAMMING, slopes=[-1]), "slopes must be positive and finite"),
        (lambda: rate_distortion([0.5, 0.6], HAMMING), "rate_distortion: probabilities must sum to 1"),
        (lambda: information_bottleneck(np.eye(2) / 2, 0), "beta must be positive and finite, got 0"),
        (
            lambda: information_bottleneck(np.eye(2) / 2, 2, num_clusters=3),
            "num_clusters must be from 1 to 2",
        ),
        (lambda: information_bottleneck(np.full((2, 2, 2), 1 / 4), 2), "expected one table|must sum to 1"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ------------------------------------------------------------------ bottleneck


@pytest.mark.parametrize("beta", [1.5, 2.0, 3.0, 10.0, 1000.0])
def test_bottleneck_of_a_binary_symmetric_pair(beta):
    """By Mrs. Gerber's lemma the best encoder is a binary symmetric channel: try every crossover."""
    error = 0.1
    a = np.linspace(0, 0.5, 5001)
    through = a * (1 - error) + (1 - a) * error
    best = max(beta * (math.log(2) - h(t)) - (math.log(2) - h(x)) for x, t in zip(a, through, strict=True))
    table = Channel.binary_symmetric(error).joint([0.5, 0.5]).table
    result = information_bottleneck(table, beta)
    assert result.objective == pytest.approx(best, abs=1e-5)
    assert result.objective == pytest.approx(beta * result.relevance - result.rate)
    assert result.objective <= result.upper + 1e-12


def test_below_the_first_transition_nothing_is_kept():
    """It lies at β = 1/ρ², ρ being the largest correlation of the pair: here (1 − 2·0.1)⁻² = 1.5625."""
    table = Channel.binary_symmetric(0.1).joint([0.5, 0.5]).table
    assert information_bottleneck(table, 1.5).rate == pytest.approx(0, abs=1e-9)
    assert information_bottleneck(table, 1.65).rate > 1e-3


def test_the_bottleneck_beats_random_restarts():
    rng = np.random.default_rng(0)
    table = rng.dirichlet(np.full(24, 0.3)).reshape(6, 4)
    p_x = table.sum(1, keepdims=True)
    for beta in (2.0, 5.0, 30.0):
        result = information_bottleneck(table, beta)
        for _ in range(4):
            encoder = rng.dirichlet(np.ones(6), size=6)
            for _ in range(300):  # the textbook iteration, written out
                p_t = encoder.T @ p_x
                decoder = encoder.T @ table / p_t
                divergence = [[np.sum(r * np.log(r / c)) for c in decoder] for r in table / p_x]
                encoder = p_t.T * np.exp(-beta * np.array(divergence))
                encoder /= encoder.sum(1, keepdims=True)
            objective = beta * mutual_information(encoder.T @ table) - mutual_information(p_x * encoder)
            assert result.objective >= float(objective) - 1e-6
        rates = information_bottleneck(table, beta, num_clusters=2)
        assert rates.encoder.num_outputs == 2 and rates.objective <= result.objective + 1e-9


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("beta", [1.5, 5.0, 50.0])
def test_the_deterministic_bottleneck_is_near_the_best_partition(seed, beta):
    table = np.random.default_rng(seed).dirichlet(np.full(15, 0.4)).reshape(5, 3)
    values = []
    for labels in itertools.product(range(5), repeat=5):
        if any(label > max(labels[:k], default=-1) + 1 for k, label in enumerate(labels)):
            continue  # the same partition under other names
        encoder = np.eye(5)[list(labels)]
        merged = encoder.T @ table
        values.append(beta * float(mutual_information(merged)) - float(entropy(merged.sum(1))))
    result = deterministic_information_bottleneck(table, beta)
    assert result.objective <= max(values) + 1e-12
    assert result.objective >= max(values) - 0.02 * abs(max(values)) - 1e-12
    assert set(np.unique(result.encoder.transition)) <= {0.0, 1.0}
    assert result.rate == pytest.approx(float(entropy(table.sum(1) @ result.encoder.transition)))


def test_bottleneck_of_awkward_tables():
    table = np.array([[0.5, 0, 0], [0, 0.25, 0.25], [0, 0, 0]])
    for solve in (information_bottleneck, deterministic_information_bottleneck):
        result = solve(torch.tensor(table), 1e6)
        assert result.relevance == pytest.approx(math.log(2)) and math.isfinite(result.rate)
        assert np.isfinite(result.encoder.transition).all()
    independent = np.outer([0.5, 0.5], [0.3, 0.7])
    assert information_bottleneck(independent, 100).rate == pytest.approx(0, abs=1e-9)
