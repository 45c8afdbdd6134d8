"""Merging and moving, by slow loops: each step is the best of its kind."""

import itertools
import math

import numpy as np
import pytest

from infomax.information import mutual_information
from infomax.information.channels import partitions


def objective(p_xy, labels, beta):
    """β I(T;Y) − H(T), or I(T;Y), as the formula says."""
    p_ty = np.array([p_xy[labels == t].sum(axis=0) for t in np.unique(labels)])
    information = float(mutual_information(p_ty))
    p_t = p_ty.sum(axis=1)
    return information if beta == math.inf else beta * information + float(p_t @ np.log(p_t))


def merged_slowly(p_xy, num_clusters, beta):
    """Join, again and again, the two clusters whose union is best."""
    labels = np.arange(len(p_xy))
    passed = []
    while True:
        if len(np.unique(labels)) <= num_clusters:
            passed.append(labels)
        pairs = list(itertools.combinations(np.unique(labels), 2))
        if not pairs:
            return max(passed, key=lambda one: objective(p_xy, one, beta))
        unions = [np.where(labels == b, a, labels) for a, b in pairs]
        labels = max(unions, key=lambda one: objective(p_xy, one, beta))


def weights_of(beta):
    return (1.0, -1.0) if beta == math.inf else (beta, 1.0 - beta)


CASES = [(num, beta, seed) for num in (1, 3, 6, 9) for beta in (1.5, 4.0, math.inf) for seed in range(3)]


def table(seed, num_values=9):
    return np.random.default_rng(seed).dirichlet(np.full(num_values * 4, 0.5)).reshape(num_values, 4)


@pytest.mark.parametrize(("num_clusters", "beta", "seed"), CASES)
def test_the_best_pair_is_merged_each_time(num_clusters, beta, seed):
    p_xy = table(seed)
    labels = partitions._merged(p_xy, num_clusters, weights_of(beta))
    assert labels.max() < num_clusters and set(labels) == set(range(labels.max() + 1))
    expected = merged_slowly(p_xy, num_clusters, beta)
    np.testing.assert_allclose(
        objective(p_xy, labels, beta), objective(p_xy, expected, beta), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize(("num_clusters", "beta", "seed"), CASES)
def test_no_single_value_is_better_elsewhere(num_clusters, beta, seed):
    p_xy = table(seed)
    start = np.random.default_rng(seed).integers(num_clusters, size=len(p_xy))
    labels = partitions._moved(p_xy, start, num_clusters, weights_of(beta))
    reached = objective(p_xy, labels, beta)
    assert reached >= objective(p_xy, start, beta) - 1e-12
    for x, t in itertools.product(range(len(p_xy)), range(num_clusters)):
        other = labels.copy()
        other[x] = t
        assert objective(p_xy, other, beta) <= reached + 1e-9
    again = partitions._moved(p_xy, labels, num_clusters, weights_of(beta))
    np.testing.assert_array_equal(again, labels)  # nothing gains any more


@pytest.mark.parametrize("beta", [2.0, 5.0, math.inf])
def test_the_search_finds_the_best_of_small_tables(beta, monkeypatch):
    """Where all partitions can be tried, merging and moving find the best one of most tables."""
    found = []
    for seed in range(8):
        p_xy = table(seed, num_values=7)
        best = partitions.best_partition(p_xy, 3, beta)
        with monkeypatch.context() as limited:
            limited.setattr(partitions, "MAX_PARTITIONS", 1)
            searched = partitions.best_partition(p_xy, 3, beta)
        values = [objective(p_xy, one.argmax(axis=1), beta) for one in (best, searched)]
        assert values[1] <= values[0] + 1e-12
        found.append(values[1] > values[0] - 1e-12)
    assert np.mean(found) >= 0.75
