"""The bottleneck against closed forms and exhaustive search."""

import itertools
import math

import numpy as np
import pytest
import torch

from infomax.information.channels.bottleneck import (
    deterministic_information_bottleneck,
    information_bottleneck,
)
from infomax.information.channels.channel import Channel
from infomax.information.measures import entropy, mutual_information


@pytest.mark.parametrize("beta", [1.5, 2.0, 3.0, 10.0, 1000.0])
def test_bottleneck_of_a_binary_symmetric_pair(beta):
    """By Mrs. Gerber's lemma the best encoder is a binary symmetric channel: try every crossover."""
    error = 0.1
    a = np.linspace(0, 0.5, 5001)
    kept, told = (
        math.log(2) - entropy(np.stack([e, 1 - e], -1)) for e in (a, a * (1 - error) + (1 - a) * error)
    )
    best = (beta * told - kept).max()
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


@pytest.mark.parametrize(
    ("call", "message"),
    [
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
