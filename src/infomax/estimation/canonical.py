"""Few directions of many columns: canonical variables of each column's rank and of its square.

    u_k = normal scores of column k          features (u_k, (u_k² − 1)/√2)
    directions: singular vectors of the whitened cross-covariance of the features of x and of y

They show linear and monotone dependence, and dependence of scales (Y = ±X), in columns or in sums of columns.
A product of two columns they do not show. `Neural` trains a critic on them beside that of all columns.

Reference: Hotelling (1936), Relations between two sets of variates.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

from infomax.errors import refuse

MAX_DIRECTIONS = 16
"""Directions that are kept at most."""
MAX_ROWS = 5000
"""Rows, at random, from which directions are computed."""
ROWS_A_FEATURE = 8
"""Rows needed for a principal component of the features; of more features, the first components are taken."""
NUM_SHUFFLES = 5
"""Times that rows of y are shuffled: correlations are kept that exceed those of all shuffled rows."""


@dataclass(frozen=True, eq=False)
class NormalScores:
    """Columns to Φ⁻¹ of the share of training rows below them, half of the ties counted.

    Values beyond those of training get the score of the nearest.
    """

    values: list[np.ndarray]  # of different lengths
    scores: list[np.ndarray]

    @classmethod
    def of(cls, rows: Float[np.ndarray, "n d"]) -> "NormalScores":
        """Return the scores that these rows define."""
        values, scores = [], []
        for column in rows.T:
            distinct, counts = np.unique(column, return_counts=True)
            values.append(distinct)
            scores.append(ndtri((np.cumsum(counts) - counts / 2) / len(rows)))
        return cls(values, scores)

    def apply(self, rows: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m d"]:
        """Return the scores of rows, with straight lines between those of training values."""
        columns = zip(rows.T, self.values, self.scores, strict=True)
        return np.column_stack([np.interp(column, v, s) for column, v, s in columns])


@dataclass(frozen=True, eq=False)
class Directions:
    """One variable's map from rows [m, d] to canonical variables [m, k], of variance 1 in training."""

    ranks: NormalScores
    mean: Float[np.ndarray, " f"]
    matrix: Float[np.ndarray, "f k"]

    def apply(self, rows: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m k"]:
        """Return the canonical variables of rows.

        Raises:
            ValueError: another number of columns than in training.
        """
        refuse(
            rows.shape[1] != len(self.ranks.values),
            f"Directions: rows must have the {len(self.ranks.values)} columns of training, got "
            f"{rows.shape[1]}",
        )
        return (_features(self.ranks.apply(rows)) - self.mean) @ self.matrix


def canonical_directions(
    x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n e"], seed: int
) -> tuple[Directions, Directions] | None:
    """Return maps of x and of y to the pairs of directions that are correlated, None where there are none.

    A pair is kept if its correlation exceeds the largest of each of `NUM_SHUFFLES` shuffles of the rows of y.

    Args:
        x: rows to learn from.
        y: as many rows.
        seed: of the shuffles.

    Example:
        >>> x, y = np.random.default_rng(0).standard_normal((2, 2000, 30))
        >>> y[:, 3] += 2 * x[:, 7]
        >>> of_x, of_y = canonical_directions(x, y, seed=0)
        >>> bool(abs(np.corrcoef(of_x.apply(x)[:, 0], x[:, 7])[0, 1]) > 0.95)
        True
    """
    rng = np.random.default_rng((seed, 2))
    rows = rng.permutation(len(x))[:MAX_ROWS]
    sides = [_whitened(values[rows]) for values in (x, y)]
    (_, _, of_x, white_x), (_, _, of_y, white_y) = sides
    if 0 in (white_x.shape[1], white_y.shape[1]):  # constant columns
        return None
    left, correlations, right = np.linalg.svd(white_x.T @ white_y)
    shuffled = [white_x.T @ rng.permutation(white_y) for _ in range(NUM_SHUFFLES)]
    edge = max(np.linalg.norm(product, 2) for product in shuffled)
    k = min(int((correlations > edge).sum()), MAX_DIRECTIONS)
    if k == 0:
        return None
    scale = np.sqrt(len(rows))
    matrices = of_x @ left[:, :k] * scale, of_y @ right[:k].T * scale
    first, second = (
        Directions(ranks, mean, matrix) for (ranks, mean, _, _), matrix in zip(sides, matrices, strict=True)
    )
    return first, second


def _features(scores: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n f"]:
    return np.hstack([scores, (scores**2 - 1) / np.sqrt(2)])


def _whitened(
    rows: Float[np.ndarray, "n d"],
) -> tuple[NormalScores, np.ndarray, np.ndarray, np.ndarray]:
    """Return scores, the features' mean, the whitening matrix [f, m], and whitened rows, orthonormal [n,
    m]."""
    ranks = NormalScores.of(rows)
    features = _features(ranks.apply(rows))
    mean = features.mean(0)
    centred = features - mean
    variances, axes = np.linalg.eigh(centred.T @ centred)  # rising
    most = max(len(rows) // ROWS_A_FEATURE, 1)
    kept = np.flatnonzero(variances > 1e-9 * max(variances[-1], 1.0))[-most:]
    matrix = axes[:, kept] / np.sqrt(variances[kept])
    return ranks, mean, matrix, centred @ matrix
