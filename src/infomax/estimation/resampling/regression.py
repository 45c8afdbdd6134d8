"""Residuals of numbers regressed on others, by predictions that did not see the row's own number.

A prediction E[y|z] is ridge regression on z itself and on Gaussian bumps in z (Nyström features of a kernel);
where a random forest finds something in what this leaves, also on jumps of z, or the forest. Bumps follow
what is smooth; jumps add up, or are the splits and leaves of one tree. Width, penalty and kind are chosen by
the error on rows not seen: of leaving one out, which ridge regression knows in closed form, and for jumps
that were found without a fifth of the rows. A forest forecasts a row by the trees that did not see it. (Its
forecast as one more feature of the ridge regression would not do: it says which y the row does not have.)

Where the jumps lie is then found from all rows. The forest, which averages over many places, gets rows next
to a jump wrong for x and for y at once, and these few look like a dependence.

Reference: Allen (1974), for leaving one out; Williams and Seeger (2001), for the features; Breiman (2001).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri
from scipy.stats import rankdata

WIDTHS = (None, 0.5, 1.0, 2.0, 4.0)
"""Widths of the bumps, in standard deviations times √dim z; None: z alone."""
PENALTIES = 10.0 ** np.arange(-4, 4.5, 0.5)
MIN_BUMPS = 100
NUM_TREES = 30
MANY_LEAVES: dict[str, Any] = {"min_samples_leaf": 5, "max_features": 0.5, "max_samples": 0.5}
MIN_LEAF = 5
NUM_PARTS = 5
MIN_GAIN = 0.01
"""The least share of the error that jumps, or a forest, must take away."""
MAX_LABELS = 20
"""Columns of z with as many values or fewer, each in ten rows on average, are labels."""
MIN_SPREAD = 0.1
"""The least predicted spread of residuals, as a share of the mean one."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A variable regressed on z.

    Args:
        residuals: of predictions that did not see the row, standardised, [n].
        error: mean square on rows not seen, as a share of the variance.
        basis: that the prediction was made with.
        fitted: the prediction that saw the row.
    """

    residuals: np.ndarray
    error: float
    basis: "Basis"
    fitted: np.ndarray


@dataclass(frozen=True, eq=False)
class Basis:
    """Features of z as orthonormal vectors [n, p], and their squared lengths [p]."""

    vectors: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, features: Float[np.ndarray, "n p"]) -> "Basis":
        """Return the basis of centred features [n, p], without directions that are rounding."""
        features = features - features.mean(axis=0)
        lengths, directions = np.linalg.eigh(features.T @ features)
        kept = lengths > 1e-10 * lengths[-1]
        return cls(features @ directions[:, kept] / np.sqrt(lengths[kept]), lengths[kept])

    def fit(self, y: Float[np.ndarray, " n"]) -> Fit:
        """Return the ridge regression of standardised y with the least error of leaving one out."""
        projected, squares = self.vectors.T @ y, self.vectors**2
        best = Fit(y, np.inf, self, y)
        for penalty in PENALTIES:
            kept = self.lengths / (self.lengths + penalty)
            leverage = np.minimum(squares @ kept + 1 / len(y), 0.99)
            fitted = self.vectors @ (kept * projected)
            residuals = (y - fitted) / (1 - leverage)
            error = float((residuals**2).mean())
            if error < best.error:
                best = Fit(residuals, error, self, fitted)
        return best

    def with_columns(self, columns: Float[np.ndarray, "n columns"]) -> "Basis":
        """Return the basis with more features, [n, columns]."""
        return Basis.of(np.hstack([self.vectors * np.sqrt(self.lengths), columns]))


def held_out_fits(z: np.ndarray, ys: list[np.ndarray]) -> list[Fit]:
    """Return the regression of each variable [n] on z [n, d], with bumps, jumps or a forest."""
    z = _numbers(z)
    best: list[Fit | None] = [None] * len(ys)
    for width in WIDTHS:
        basis = Basis.of(_features(z, width))
        for which, y in enumerate(ys):
            fit, known = basis.fit(standardised(y)), best[which]
            best[which] = fit if known is None or fit.error < known.error else known
    return [_with_trees(z, standardised(y), fit) for y, fit in zip(ys, best, strict=True) if fit is not None]


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
        found = _with_trees(z, standardised(size), found)
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


def _with_trees(z: np.ndarray, y: np.ndarray, fit: Fit) -> Fit:
    """Return the fit with jumps, or with a forest, where a forest finds something in the residuals."""
    if len(y) < 2 * NUM_PARTS * MIN_LEAF:
        return fit
    found = _lower(fit, _after_forest(z, fit.residuals, fit))
    if found is fit:
        return fit
    jumps = _with_jumps(z, y, fit)
    found = _lower(found, _after_forest(z, y, fit))
    return jumps if jumps.error <= found.error else found


def _lower(fit: Fit, other: Fit) -> Fit:
    """Return the other fit where its error is lower by a share that is more than chance."""
    return other if other.error < (1 - MIN_GAIN) * fit.error else fit


def _with_jumps(z: np.ndarray, y: np.ndarray, fit: Fit) -> Fit:
    """Return the fit with jumps along z, or along what the fit predicts, as more features.

    Their kind and number are chosen by the error on rows that they were not found from; the jumps are then
    found from all rows.
    """
    part = np.random.default_rng(0).permutation(len(y)) % NUM_PARTS
    along = np.column_stack([z, fit.fitted])
    best = fit
    for found_by, num in ((_steps, 3), (_steps, 9), (_leaves, 3), (_leaves, 9), (_leaves, 27)):
        jumps = [found_by(along, y, num, part != which) for which in range(NUM_PARTS)]
        for basis in (Basis.of(z), fit.basis):
            seen = [basis.with_columns(columns).fit(y).residuals for columns in jumps]
            error = float((np.choose(part, seen) ** 2).mean())
            if error < (1 - MIN_GAIN) * best.error:
                whole = basis.with_columns(found_by(along, y, num, part >= 0)).fit(y)
                best = replace(whole, error=error)
    return best


def _steps(along: np.ndarray, y: np.ndarray, num: int, rows: np.ndarray) -> np.ndarray:
    """Return 0-1 columns of jumps that add up, each the best for what the ones before leave: [n, num]."""
    columns, left = np.ones((len(y), 1)), y - y[rows].mean()
    for _ in range(num):
        column = _leaves(along, left, 2, rows)[:, :1]
        columns = np.hstack([columns, column])
        left = y - columns @ np.linalg.lstsq(columns[rows], y[rows], rcond=None)[0]
    return columns[:, 1:]


def _leaves(along: np.ndarray, y: np.ndarray, num: int, rows: np.ndarray) -> np.ndarray:
    """Return 0-1 columns: the leaves of a tree grown on these rows, and each of its splits."""
    from sklearn.tree import DecisionTreeRegressor

    grower = DecisionTreeRegressor(max_leaf_nodes=num, min_samples_leaf=MIN_LEAF, random_state=0)
    tree = grower.fit(along[rows], y[rows]).tree_
    inner = tree.children_left >= 0
    splits = along.astype(np.float32)[:, tree.feature[inner]] <= tree.threshold[inner]
    leaves = grower.apply(along)[:, None] == np.flatnonzero(~inner)
    return np.hstack([splits, leaves]).astype(float)


def _after_forest(z: np.ndarray, left: np.ndarray, fit: Fit) -> Fit:
    """Return what a random forest leaves of these numbers, of the trees that did not see the row."""
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(NUM_TREES, oob_score=True, random_state=0, **MANY_LEAVES)
    residuals = left - np.nan_to_num(forest.fit(z, left).oob_prediction_)
    return replace(fit, residuals=residuals, error=float((residuals**2).mean()))
