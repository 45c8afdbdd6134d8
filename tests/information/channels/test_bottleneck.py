"""The bottleneck against closed forms and exhaustive search."""

import itertools
import math

import numpy as np
import pytest
import torch

from infomax.information.channels import partitions
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


def best_of_all_partitions(table, num_clusters, beta):
    """The largest β I(T;Y) − H(T), by trying every assignment of x to clusters."""
    every = np.array(list(itertools.product(range(num_clusters), repeat=len(table) - 1)), dtype=int)
    encoders = np.eye(num_clusters)[np.column_stack([np.zeros(len(every), dtype=int), every])]
    merged = np.swapaxes(encoders, 1, 2) @ table
    return float((beta * mutual_information(merged) - entropy(merged.sum(axis=2))).max())


def random_problem(seed):
    rng = np.random.default_rng(seed)
    n, m = [(6, 4), (5, 3), (4, 6)][seed % 3]
    table = rng.dirichlet(np.full(n * m, rng.choice([0.2, 0.5, 1.0]))).reshape(n, m)
    return table, int(rng.integers(2, n)), float(rng.choice([1.5, 3, 10, 50]))


def check_partitions(seed):
    table, num_clusters, beta = random_problem(seed)
    best = best_of_all_partitions(table, num_clusters, beta)
    hard = deterministic_information_bottleneck(table, beta, num_clusters=num_clusters)
    assert hard.objective == pytest.approx(best, abs=1e-10)
    assert set(np.unique(hard.encoder.transition)) <= {0.0, 1.0}
    assert hard.rate == pytest.approx(float(entropy(table.sum(1) @ hard.encoder.transition)))
    soft = information_bottleneck(table, beta, num_clusters=num_clusters)
    assert best - 1e-10 <= soft.objective <= soft.upper + 1e-12
    assert soft.encoder.num_outputs == num_clusters


def test_no_partition_is_better():
    for seed in range(20):
        check_partitions(seed)


def test_no_partition_is_better_than_what_merging_and_moving_find(monkeypatch):
    monkeypatch.setattr(partitions, "MAX_PARTITIONS", 0)
    for seed in range(20, 40):
        check_partitions(seed)


@pytest.mark.slow
@pytest.mark.parametrize("most", [partitions.MAX_PARTITIONS, 0])
def test_no_partition_is_better_in_a_thousand_problems(monkeypatch, most):
    monkeypatch.setattr(partitions, "MAX_PARTITIONS", most)
    for seed in range(1000, 2000):
        check_partitions(seed)


def test_two_clusters_of_four_letters():
    """The partition {0, 1} | {2, 3} has the objective 2.2906 nats."""
    table = np.array([[0.245, 0.069, 0], [0.049, 0.078, 0.02], [0.01, 0, 0.235], [0.059, 0.069, 0.167]])
    table /= table.sum()
    assert best_of_all_partitions(table, 2, 10) == pytest.approx(2.2906, abs=1e-4)
    result = information_bottleneck(table, 10, num_clusters=2)
    assert result.objective >= best_of_all_partitions(table, 2, 10)
    assert result.encoder.transition.round(1).tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]


def test_every_partition_is_listed_once():
    for n, clusters, count in [(1, 1, 1), (4, 4, 15), (5, 2, 16), (8, 8, 4140)]:  # Bell and Stirling numbers
        listed = partitions._every_partition(n, clusters, 10**6)
        assert listed is not None and len(np.unique(listed, axis=0)) == len(listed) == count


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
        (lambda: information_bottleneck(np.eye(2) / 2, 0), "beta must be above 0, got 0"),
        (lambda: information_bottleneck(np.eye(2) / 2, 2, num_starts=-1), "num_starts must be at least 0"),
        (lambda: information_bottleneck(np.eye(2) / 2, 2, num_steps=0), "num_steps must be at least 1"),
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
