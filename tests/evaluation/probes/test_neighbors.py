"""Weighted nearest neighbours: against a slow loop and scikit-learn; ties, zeros, blocks, k beyond n."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from infomax.evaluation.probes.neighbors import (
    fit_nearest_neighbors,
    nearest_neighbor_probe,
    nearest_neighbors,
)


def slow_votes(train, labels, query, k, temperature):
    """One query, one row at a time, no ties."""
    cosines = [float(row @ query / np.linalg.norm(row) / np.linalg.norm(query)) for row in train]
    votes = dict.fromkeys(sorted(set(labels.tolist())), 0.0)
    for i in sorted(range(len(train)), key=lambda i: -cosines[i])[:k]:
        votes[int(labels[i])] += np.exp(cosines[i] / temperature)
    return np.array(list(votes.values()))


@pytest.mark.parametrize("k", [1, 5, 20, 500])
@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_votes_equal_those_of_a_slow_loop(k, temperature):
    rng = np.random.default_rng(k)
    train, queries, labels = rng.normal(size=(60, 7)), rng.normal(size=(15, 7)), rng.integers(0, 4, 60)
    ours = fit_nearest_neighbors(train, labels, k=k, temperature=temperature).scores(queries).numpy()
    theirs = np.stack([slow_votes(train, labels, query, k, temperature) for query in queries])
    np.testing.assert_allclose(
        ours / ours.sum(1, keepdims=True), theirs / theirs.sum(1, keepdims=True), atol=1e-4
    )


def test_predictions_equal_scikit_learns():
    x, y = load_digits(return_X_y=True)
    train, labels, test, test_labels = x[:1000], y[:1000], x[1000:], y[1000:]
    result = nearest_neighbor_probe(train, labels, test, test_labels, k=10, temperature=0.1)

    def weights(distances):
        return np.exp((1 - distances) / 0.1)

    theirs = KNeighborsClassifier(10, metric="cosine", weights=weights).fit(train, labels)
    expected = theirs.predict(test)
    assert (
        np.mean(fit_nearest_neighbors(train, labels, k=10, temperature=0.1).predict(test) == expected) > 0.998
    )
    assert result.accuracy == pytest.approx(theirs.score(test, test_labels), abs=0.003)
    assert result.settings["k"] == 10 and result.settings["temperature"] == 0.1 and result.std is None


def test_blocks_do_not_matter(monkeypatch):
    rng = np.random.default_rng(0)
    train, queries, labels = rng.normal(size=(50, 5)), rng.normal(size=(33, 5)), rng.integers(0, 3, 50)
    whole = fit_nearest_neighbors(train, labels, k=7).scores(queries).numpy()
    near = nearest_neighbors(queries, train, k=3)
    monkeypatch.setattr("infomax.evaluation.probes.neighbors.MAX_BLOCK_ELEMENTS", 1)
    np.testing.assert_allclose(fit_nearest_neighbors(train, labels, k=7).scores(queries), whole, rtol=1e-4)
    np.testing.assert_array_equal(nearest_neighbors(queries, train, k=3)[0], near[0])


def test_more_neighbours_than_rows_are_all_rows():
    rng = np.random.default_rng(0)
    train, labels = rng.normal(size=(9, 4)), np.arange(9) % 3
    result = nearest_neighbor_probe(train, labels, train, labels, k=200)
    assert result.settings["k"] == 9


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), k=st.integers(1, 12))
def test_order_of_rows_does_not_matter_not_even_with_ties(seed, k):
    rng = np.random.default_rng(seed)
    train = rng.integers(-1, 2, size=(12, 2)).astype(np.float32)  # many equal directions, some zeros
    labels, queries = rng.integers(0, 3, 12), rng.integers(-1, 2, size=(5, 2)).astype(np.float32)
    labels[:3] = [0, 1, 2]
    order = rng.permutation(12)
    votes = fit_nearest_neighbors(train, labels, k=k).scores(queries)
    shuffled = fit_nearest_neighbors(train[order], labels[order], k=k).scores(queries)
    np.testing.assert_allclose(votes, shuffled, rtol=1e-5, atol=1e-6)


def test_rows_tied_at_the_last_place_share_it():
    train = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0], [0.0, 3.0]])
    votes = fit_nearest_neighbors(train, np.array([0, 1, 2, 2]), k=2, temperature=1.0).scores(
        np.array([[5.0, 0.0]])
    )
    np.testing.assert_allclose(votes, [[1, np.exp(-1) / 3, 2 * np.exp(-1) / 3]], rtol=1e-6)


def test_equal_votes_go_to_the_smallest_label():
    train = np.array([[1.0, 1.0], [1.0, -1.0]])
    assert fit_nearest_neighbors(train, np.array([8, 3])).predict(np.array([[1.0, 0.0]])) == [3]


def test_lengths_do_not_matter_and_zeros_have_no_direction():
    rng = np.random.default_rng(0)
    train, queries, labels = rng.normal(size=(40, 3)), rng.normal(size=(9, 3)), rng.integers(0, 3, 40)
    lengths = 10.0 ** rng.integers(-30, 30, size=(40, 1))
    np.testing.assert_allclose(
        fit_nearest_neighbors(train * lengths, labels, k=5).scores(queries * 1e30),
        fit_nearest_neighbors(train, labels, k=5).scores(queries),
        rtol=1e-4,
    )
    indices, similarities = nearest_neighbors(np.zeros((1, 3)), train, k=2)
    np.testing.assert_array_equal(similarities, 0)
    assert np.isfinite(
        fit_nearest_neighbors(train, labels).scores(np.zeros((1, 3)))
    ).all() and indices.shape == (1, 2)


def test_nearest_neighbors_equal_scikit_learns():
    rng = np.random.default_rng(2)
    features = rng.normal(size=(80, 6))
    indices, similarities = nearest_neighbors(features[:10], features, k=5)
    distances, expected = (
        NearestNeighbors(n_neighbors=5, metric="cosine").fit(features).kneighbors(features[:10])
    )
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_allclose(similarities, 1 - distances, atol=1e-5)


def test_errors():
    x, y = np.eye(3), np.arange(3)
    with pytest.raises(ValueError, match=r"k must be at least 1 and temperature positive, got 0 and 0.07"):
        fit_nearest_neighbors(x, y, k=0)
    with pytest.raises(ValueError, match=r"temperature positive, got 3 and -1.0"):
        fit_nearest_neighbors(x, y, k=3, temperature=-1.0)
    with pytest.raises(ValueError, match=r"k must be from 1 to 3, the rows of features, got 4"):
        nearest_neighbors(x, x, k=4)
    with pytest.raises(ValueError, match=r"queries are \[3, 2\], features \[3, 3\]"):
        nearest_neighbors(x[:, :2], x, k=1)
