"""Directions that two sets of columns share: found where they are, of variance 1, and none among noise."""

import numpy as np
import pytest

from infomax.estimation.canonical import MAX_DIRECTIONS, Directions, NormalScores, canonical_directions


def noise(n, dim, seed=0):
    return np.random.default_rng(seed).standard_normal((2, n, dim))


def test_normal_scores_do_not_depend_on_a_monotone_map():
    rows = noise(200, 3)[0]
    scores = NormalScores.of(rows).apply(rows)
    assert np.allclose(NormalScores.of(np.exp(rows)).apply(np.exp(rows)), scores)
    assert np.allclose(scores.mean(0), 0, atol=1e-12) and np.allclose(scores.std(0), 1, atol=0.03)
    beyond = NormalScores.of(rows).apply(np.full((1, 3), 99.0))
    assert np.allclose(beyond, scores.max(0))


def test_ties_have_one_score():
    scores = NormalScores.of(np.array([[0.0], [0.0], [1.0], [1.0]])).apply(np.array([[0.0], [1.0]]))
    assert np.allclose(scores, [[-0.6745], [0.6745]], atol=1e-4)


@pytest.mark.parametrize("of_y", [lambda x: 2 * x, lambda x: 2 * np.abs(x), lambda x: np.exp(3 * x)])
def test_a_pair_of_columns_is_found(of_y):
    x, y = noise(2000, 30)
    y[:, 3] = of_y(x[:, 7]) + 0.5 * y[:, 3]
    found = canonical_directions(x, y, seed=0)
    assert found is not None
    first, second = (of.apply(rows)[:, 0] for of, rows in zip(found, (x, y), strict=True))
    assert abs(np.corrcoef(first, second)[0, 1]) > 0.6
    assert first.std() == pytest.approx(1, abs=0.01) and abs(first.mean()) < 0.01


def test_a_sum_of_columns_is_found_on_other_rows():
    x, y = noise(3000, 40)
    y[:, 0] = x.sum(1) / np.sqrt(40) + 0.3 * y[:, 0]
    found = canonical_directions(x[:2000], y[:2000], seed=0)
    assert found is not None
    first, second = (of.apply(rows[2000:])[:, 0] for of, rows in zip(found, (x, y), strict=True))
    assert abs(np.corrcoef(first, second)[0, 1]) > 0.9


def test_none_is_found_among_independent_columns():
    found = [canonical_directions(*noise(500, 10, seed=seed), seed=seed) for seed in range(30)]
    assert sum(directions is not None for directions in found) <= 10  # one in six on average


def test_constant_columns_and_more_columns_than_rows():
    x, y = noise(100, 300)
    assert canonical_directions(np.ones((100, 3)), y, seed=0) is None
    found = canonical_directions(x, x, seed=0)
    assert found is not None and found[0].matrix.shape[1] <= min(MAX_DIRECTIONS, 100 // 8)


def test_rows_of_other_columns_are_refused():
    x, y = noise(500, 4)
    found = canonical_directions(x, x + 0.1 * y, seed=0)
    assert found is not None and isinstance(found[0], Directions)
    with pytest.raises(ValueError, match="Directions: rows must have the 4 columns of training, got 3"):
        found[0].apply(x[:, :3])
