"""Residuals of numbers regressed on others, by predictions that did not see the row.

A prediction E[y|z] is ridge regression on z itself and on Gaussian bumps in z (Nyström features of a kernel),
a random forest, or a random forest of what the ridge regression leaves. Bumps follow what is smooth, forests
with few leaves split exactly at a step, forests with many follow what has several. Width, penalty and kind
are chosen by the error of leaving one row out, which ridge regression
knows in closed form; a forest forecasts a row by the trees that did not see it. (Its forecast as one more
feature of the ridge regression would not do: it says which y the row does not have.)

Reference: Allen (1974), for leaving one out; Williams and Seeger (2001), for the features; Breiman (2001).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

WIDTHS = (None, 0.5, 1.0, 2.0, 4.0)
"""Widths of the bumps, in standard deviations times √dim z; None: z alone."""
PENALTIES = 10.0 ** np.arange(-4, 4.5, 0.5)
MIN_BUMPS = 100
NUM_TREES = 30
MANY_LEAVES: dict[str, Any] = {"min_samples_leaf": 5, "max_features": 0.5, "max_samples": 0.5}
FEW_LEAVES: dict[str, Any] = {"max_leaf_nodes": 16}
MAX_LABELS = 20
"""Columns of z with as many values or fewer, each in ten rows on average, are labels."""
MIN_SPREAD = 0.1
"""The least predicted spread of residuals, as a share of the mean one."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A variable regressed on z.

    Args:
        residuals: of predictions that did not see the row, standardised, [n].
        error: their mean square, as a share of the variance.
        basis: that the prediction was made with.
    """

    residuals: np.ndarray
    error: float
    basis: "Basis"


@dataclass(frozen=True, eq=False)
class Basis:
    """Features of z as orthonormal vectors [n, p], and their squared lengths [p]."""

    vectors: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> "Basis":
        """Return the basis of centred features [n, p], without directions that are rounding."""
        features = features - features.mean(axis=0)
        lengths, directions = np.linalg.eigh(features.T @ features)
        kept = lengths > 1e-10 * lengths[-1]
        return cls(features @ directions[:, kept] / np.sqrt(lengths[kept]), lengths[kept])

    def fit(self, y: np.ndarray) -> Fit:
        """Return the ridge regression of standardised y with the least error of leaving one out."""
        projected, squares = self.vectors.T @ y, self.vectors**2
        best = Fit(y, np.inf, self)
        for penalty in PENALTIES:
            kept = self.lengths / (self.lengths + penalty)
            leverage = np.minimum(squares @ kept + 1 / len(y), 0.99)
            residuals = (y - self.vectors @ (kept * projected)) / (1 - leverage)
            error = float((residuals**2).mean())
            if error < best.error:
                best = Fit(residuals, error, self)
        return best


def held_out_fits(z: np.ndarray, ys: list[np.ndarray]) -> list[Fit]:
    """Return the regression of each variable [n] on z [n, d], with bumps and a forest."""
    z = _numbers(z)
    best: list[Fit | None] = [None] * len(ys)
    for width in WIDTHS:
        basis = Basis.of(_features(z, width))
        for which, y in enumerate(ys):
            fit, known = basis.fit(standardised(y)), best[which]
            best[which] = fit if known is None or fit.error < known.error else known
    return [_with_forest(z, standardised(y), fit) for y, fit in zip(ys, best, strict=True) if fit is not None]


def best_scale(z: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return y [n], or its normal scores, whichever z predicts better.

    Information is the same for both. Products and heavy tails become sums of what z says and noise.
    """
    scores = normal_scores(y)
    basis = Basis.of(_features(_numbers(z), 2.0))
    plain, scored = (basis.fit(standardised(one)).error for one in (y, scores))
    return y if plain <= scored else scores


def predicted_spreads(z: np.ndarray, fits: list[Fit]) -> list[np.ndarray]:
    """Return the predicted absolute value of each variable's residuals: [n] each."""
    sizes = [np.abs(fit.residuals) for fit in fits]
    z = _numbers(z)
    spreads = []
    for size, fit in zip(sizes, fits, strict=True):
        found = min((Basis.of(_features(z, 1.0)).fit(standardised(size)), fit.basis.fit(standardised(size))), key=lambda f: f.error)  # fmt: skip # noqa: E501
        predicted = size - found.residuals * size.std()
        spreads.append(np.maximum(predicted, MIN_SPREAD * size.mean()))
    return spreads


def standardised(y: np.ndarray) -> np.ndarray:
    """Return y of mean 0 and standard deviation 1; a constant becomes 0."""
    spread = y.std()
    return (y - y.mean()) / (spread if spread > 0 else 1.0)


def normal_scores(y: np.ndarray) -> np.ndarray:
    """Return the normal quantiles of the ranks of y."""
    return ndtri(rankdata(y) / (len(y) + 1))


def _numbers(z: np.ndarray) -> np.ndarray:
    """Return standardised columns; those with few values become one column for each value."""
    columns: list[np.ndarray] = []
    for column in z.T:
        values = np.unique(column)
        few = 2 < len(values) <= min(MAX_LABELS, len(column) / 10)
        columns += [column == value for value in values] if few else [column]
    return np.column_stack([standardised(column.astype(float)) for column in columns])


def _features(z: np.ndarray, width: float | None) -> np.ndarray:
    if width is None:
        return z
    from sklearn.kernel_approximation import Nystroem

    n, dim = z.shape
    num = min(n // 4, max(MIN_BUMPS, int(np.sqrt(n))))
    bumps: Any = Nystroem(gamma=1 / (2 * dim * width**2), n_components=max(num, 1), random_state=0)
    return np.hstack([z, bumps.fit_transform(z)])


def _with_forest(z: np.ndarray, y: np.ndarray, fit: Fit) -> Fit:
    """Return what a forest leaves of y, or of the residuals, where this is less."""
    found = [
        replace(fit, residuals=left - _forecast(z, left, trees))
        for left in (y, fit.residuals)
        for trees in (MANY_LEAVES, FEW_LEAVES)
    ]
    for one in found:
        error = float((one.residuals**2).mean())
        fit = replace(one, error=error) if error < fit.error else fit
    return fit


def _forecast(z: np.ndarray, y: np.ndarray, trees: dict[str, Any]) -> np.ndarray:
    """Return the forecast of a random forest for each row, by the trees that did not see it."""
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(NUM_TREES, oob_score=True, random_state=0, **trees)
    return np.nan_to_num(forest.fit(z, y).oob_prediction_)
