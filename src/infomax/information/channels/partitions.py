"""The partition of X into clusters T with the largest β I(T;Y) − H(T), or with the largest I(T;Y).

With φ(a) = a log a and c the row of p(t, y) of a cluster, the objective is a sum over clusters of
β Σ_y φ(c_y) + (1 − β) φ(Σ_y c_y), but for a constant; moving a value of x changes two terms of it.

Few partitions are tried one by one. Otherwise clusters are merged two by two (agglomerative clustering), and
from there and from several other partitions single values move to wherever the objective gains most, until
none gains (sequential clustering). A better partition may then exist.

Reference: Slonim and Tishby (1999), Agglomerative information bottleneck; Slonim, Friedman and Tishby (2002),
Unsupervised document classification using sequential information maximization.
"""

import math

import numpy as np
from jaxtyping import Float

from infomax.information.tables import Number

MAX_PARTITIONS = 5000  # up to so many are tried one by one, as for 8 values of x
MAX_ENTRIES = 2_000_000  # of the tables p(t, y) of all of them
MAX_SWEEPS = 1000


def best_partition(
    p_xy: Float[np.ndarray, "x y"], num_clusters: int, beta: Number, *, num_starts: int = 8
) -> Float[np.ndarray, "x t"]:
    """Return a partition of x into at most `num_clusters` clusters, as an encoder [x, t] of zeros and ones.

    Args:
        p_xy: joint probabilities [x, y].
        num_clusters: how many clusters there may be; empty ones are left out.
        beta: β, what a nat of I(T;Y) is worth in nats of H(T); ∞ for the largest I(T;Y).
        num_starts: from how many partitions besides the merged one values are moved; these are drawn from a
            generator of fixed seed, so that the same table has the same answer.
    """
    weights = (1.0, -1.0) if beta == math.inf else (float(beta), 1.0 - float(beta))
    every = _every_partition(len(p_xy), num_clusters, MAX_ENTRIES // (num_clusters * p_xy.shape[1]))
    if every is not None:
        encoders = np.eye(num_clusters)[every]
        scores = _score(np.swapaxes(encoders, 1, 2) @ p_xy, weights).sum(axis=1)
        return _without_empty(encoders[scores.argmax()])
    rng = np.random.default_rng(0)
    starts = [_merged(p_xy, num_clusters, weights)]
    starts += [rng.integers(num_clusters, size=len(p_xy)) for _ in range(num_starts)]
    encoders = [np.eye(num_clusters)[_moved(p_xy, labels, num_clusters, weights)] for labels in starts]
    return _without_empty(max(encoders, key=lambda e: float(_score(e.T @ p_xy, weights).sum())))


def _every_partition(num_values: int, num_clusters: int, most: int) -> np.ndarray | None:
    """Every partition once, as labels [partition, x], the first value of each cluster in order; or None."""
    labels = np.zeros((1, 1), dtype=int)
    for _ in range(num_values - 1):
        num_choices = np.minimum(labels.max(axis=1) + 2, num_clusters)
        total = int(num_choices.sum())
        if total > min(MAX_PARTITIONS, most):
            return None
        first = np.repeat(np.cumsum(num_choices) - num_choices, num_choices)
        labels = np.column_stack([np.repeat(labels, num_choices, axis=0), np.arange(total) - first])
    return labels


def _score(rows: np.ndarray, weights: tuple[float, float]) -> np.ndarray:
    """Return what clusters with these rows p(t, y) add to the objective."""
    of_y, of_t = weights
    return of_y * _phi(rows).sum(axis=-1) + of_t * _phi(rows.sum(axis=-1, keepdims=True))[..., 0]


def _phi(a: np.ndarray) -> np.ndarray:
    return a * np.log(np.where(a > 0, a, 1))


def _without_empty(encoder: np.ndarray) -> np.ndarray:
    return encoder[:, encoder.any(axis=0)]


def _merged(p_xy: np.ndarray, num_clusters: int, weights: tuple[float, float]) -> np.ndarray:
    """Merge clusters two by two, each time the pair that gains most; labels of the best partition passed."""
    rows, labels = p_xy.copy(), np.arange(len(p_xy))
    scores = _score(rows, weights)
    gains = np.full((len(rows), len(rows)), -math.inf)
    for a in range(len(rows)):
        gains[a, a + 1 :] = _score(rows[a] + rows[a + 1 :], weights) - scores[a] - scores[a + 1 :]
    value, best_value, best = 0.0, 0.0 if len(rows) <= num_clusters else -math.inf, labels.copy()
    alive = np.ones(len(rows), dtype=bool)
    for num_left in range(len(rows) - 1, 0, -1):
        a, b = np.unravel_index(gains.argmax(), gains.shape)
        value += gains[a, b]
        labels[labels == b], alive[b], rows[a] = a, False, rows[a] + rows[b]
        scores[a], gains[b], gains[:, b] = _score(rows[[a]], weights)[0], -math.inf, -math.inf
        others = np.flatnonzero(alive & (np.arange(len(rows)) != a))
        with_a = _score(rows[a] + rows[others], weights) - scores[a] - scores[others]
        gains[np.minimum(a, others), np.maximum(a, others)] = with_a
        if num_left <= num_clusters and value > best_value:
            best_value, best = value, labels.copy()
    return np.unique(best, return_inverse=True)[1]


def _moved(
    p_xy: np.ndarray, labels: np.ndarray, num_clusters: int, weights: tuple[float, float]
) -> np.ndarray:
    """Move single values of x to the cluster where the objective is largest, until none gains."""
    labels = labels.copy()
    rows = np.eye(num_clusters)[labels].T @ p_xy
    for _ in range(MAX_SWEEPS):
        before = labels.copy()
        for x, row in enumerate(p_xy):
            rows[labels[x]] = np.maximum(rows[labels[x]] - row, 0)
            gains = _score(rows + row, weights) - _score(rows, weights)
            if gains.max() > gains[labels[x]] + 1e-13:
                labels[x] = gains.argmax()
            rows[labels[x]] += row
        if np.array_equal(before, labels):
            break
    return labels
