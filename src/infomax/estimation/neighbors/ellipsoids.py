"""Log densities from nearest neighbours within ellipsoids that follow the rows around each row.

A cube does not fit a thin curve. Here the covariance of the m nearest rows gives each row its own metric,
in which its k-th neighbour among them lies on an ellipsoid; k rows within its volume are the density.
"""

import math
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree
from scipy.special import digamma, gammaln

MAX_CELLS = 2**21  # in the largest array of a batch
RIDGE = 1e-12  # of the trace of a covariance: keeps rows in a line stable
NUM_SIMULATED = 4000


def log_density(
    rows: Float[np.ndarray, "n d"], num_neighbors: int, num_around: int, num_workers: int = -1
) -> Float[np.ndarray, " n"]:
    """Return the log density of [n, d] at each row, from an ellipsoid of its k-th of m neighbours: [n].

    The metric comes from the rows that are counted, so that the ellipsoid is too small; where the density is
    uniform the error is a function of k, m and d, which is subtracted.
    """
    num_rows, dim = rows.shape
    tree = KDTree(rows, balanced_tree=False)
    around = np.asarray(tree.query(rows, k=num_around + 1, workers=num_workers)[1])
    per_batch = max(MAX_CELLS // (num_around * dim), 1)
    volumes = [
        _log_volume(rows[around[first : first + per_batch]], num_neighbors)
        for first in range(0, num_rows, per_batch)
    ]
    excess = excess_where_uniform(num_neighbors, num_around, dim)
    return digamma(num_neighbors) - digamma(num_rows) - np.concatenate(volumes) - excess


@lru_cache(maxsize=64)
def excess_where_uniform(num_neighbors: int, num_around: int, dim: int) -> float:
    """Return how much `log_density` is too high, before this is subtracted, where the density is uniform.

    It is the mean over simulated rows, the same in every call.
    """
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((NUM_SIMULATED, num_around, dim))
    distances = rng.random((NUM_SIMULATED, num_around, 1)) ** (1 / dim)
    distances[:, -1] = 1  # the ball ends at the m-th neighbour
    ball = directions / np.linalg.norm(directions, axis=2, keepdims=True) * distances
    groups = np.concatenate([np.zeros((NUM_SIMULATED, 1, dim)), ball], axis=1)
    excess = digamma(num_neighbors) - digamma(num_around) - _log_volume(groups, num_neighbors)
    return float(excess.mean()) + _log_ball(dim)


def _log_volume(groups: np.ndarray, num_neighbors: int) -> np.ndarray:
    """Return the log volume of the ellipsoid about the first row of each group [g, m + 1, d]: [g]."""
    dim = groups.shape[2]
    centred = groups - groups.mean(axis=1, keepdims=True)
    covariance = centred.transpose(0, 2, 1) @ centred / (groups.shape[1] - 1)
    trace = np.einsum("gdd->g", covariance)[:, None, None]
    factor = np.linalg.cholesky(covariance + (RIDGE * trace + np.finfo(float).tiny) * np.eye(dim))
    places = np.linalg.solve(factor, (groups[:, 1:] - groups[:, :1]).transpose(0, 2, 1))
    squares = np.partition((places**2).sum(axis=1), num_neighbors - 1, axis=1)[:, num_neighbors - 1]
    return _log_ball(dim) + dim / 2 * np.log(squares) + np.log(np.einsum("gdd->gd", factor)).sum(axis=1)


def _log_ball(dim: int) -> float:
    return float(dim / 2 * math.log(math.pi) - gammaln(dim / 2 + 1))
