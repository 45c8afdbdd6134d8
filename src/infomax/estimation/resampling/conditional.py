"""Permutation tests given numbers: what z says is taken out first, then near rows are shuffled."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from scipy.spatial import KDTree
from scipy.stats import rankdata

from infomax.errors import refuse
from infomax.estimation.resampling.nulls import Null, Shuffling, WithinGroups
from infomax.estimation.resampling.regression import (
    best_scale,
    held_out_fits,
    normal_scores,
    predicted_spreads,
    standardised,
)
from infomax.estimation.resampling.replicates import JointSamples
from infomax.estimation.samples import as_codes, as_rows
from infomax.ranges import Range, check_ranges

MIN_EQUAL = 5
"""Rows that equal another in the condition on average, from which on it is shuffled as labels are."""
MIN_VALUES = 20
MAX_SHARE = 0.1
"""Numbers with fewer different values, or one that is more frequent, are shuffled as labels are."""
MAX_CLASSES = 4
"""Values of a discrete variable whose probabilities are predicted; rarer ones share what is left."""
MAX_LEFT = {5: 1.5, 20: 1.0}
"""The bias that z may leave in the correlation of residuals, in standard deviations of that correlation, by
the number of near rows that it is estimated from."""


def null_given(given: Any) -> Null:
    """Return the null for a condition: within equal rows, or of residuals where numbers hardly repeat."""
    try:
        (rows,) = as_rows("permutation_test", given=given)
    except ValueError:  # labels
        return WithinGroups(given)
    (codes,) = as_codes("permutation_test", given=rows)
    return WithinGroups(codes) if len(codes) >= MIN_EQUAL * (codes.max() + 1) else Residuals()


@dataclass(frozen=True)
class NearRows:
    """Shuffles of y within cells of nearby rows of the condition, numbers as they are.

    Columns of the condition are ranked, and a balanced tree makes cells; equal rows stay together however
    many they are. In a cell with different Z, a shuffle also loses what y knows about Z: the test finds too
    much where x and y follow Z closely and few rows are near. `Residuals` does better nearly everywhere.

    Args:
        cell_size: rows of different Z that are shuffled together; 1 for equal rows only.

    Reference: Kim, Neykov, Balakrishnan and Wasserman (2022). Runge (2018) shuffles among overlapping
    neighbourhoods instead, and uses some y twice.
    """

    cell_size: Annotated[int, Range(1, remedy="5 is usual")] = 5

    def __post_init__(self) -> None:
        check_ranges(self, "NearRows")

    def shuffling(self, samples: JointSamples, seed: int) -> Shuffling:
        """Return shuffles within cells.

        Raises:
            ValueError: no numbers as a condition, or most rows alone in their cells.
        """
        cells = cells_of(_condition("NearRows", samples), self.cell_size)
        orders = WithinGroups(cells).shuffling(samples, seed).orders
        return Shuffling(samples, orders, f"permutations within {cells.max() + 1} cells of near rows")


@dataclass(frozen=True)
class Residuals:
    """Shuffles of the residuals of y after a prediction from z: the null given numbers.

    x and y are predicted from z by models that did not see the row. The residuals are divided by their
    predicted spread (`regression`) and become normal scores, so that a few rows that are predicted badly in
    both do not decide. I(X;Y|Z) stays the same: prediction and spread are functions of z, and the scores keep
    the order. The residuals of y, which hardly depend on z any more, are shuffled within cells of rows with
    near z, so that a dependence that was missed stays in the null. The test holds its level if one of x and y
    is predicted well, up to the product of both errors.

    Share of p ≤ 0.05 where x and y are the same function of z plus noise of their own (n = 1,000, 39
    shuffles, 200 repeats, of which a true 0.05 scatters by 0.015; `benchmarks/conditional_tests.py`):

    ===================================  ======  ======  ===================
    x and y                              |ρ|     KSG     |ρ|, `NearRows(5)`
    ===================================  ======  ======  ===================
    z + 0.3 · noise                      0.06    0.08    0.09
    sum of 3 columns / √3 + 0.3 · noise  0.03    0.06    1
    sign(z) + 0.3 · noise                0.06    0.09    0.19
    sum of 3 signs / √3 + 0.3 · noise    0.07    0.06    1
    |z| + 0.3 · noise                    0.07    0.09    0.09
    ===================================  ======  ======  ===================

    The rows of one column share their samples; 400 others of the first row gave 0.07 for KSG. Where x and y
    follow a slanting jump, sign(z1 + z2), 196 of 200 samples were refused.

    Where one variable is discrete, the residuals of the other one are shuffled, and the discrete one stays as
    it is. Where both are, y is shuffled among rows at which z predicts nearly the same probabilities.

    Refused is what cannot be right: where residuals of x still go with the residuals of y of *other* rows
    with near z, both still follow z.

    Args:
        cell_size: rows that are shuffled together.

    Reference: Shah and Peters (2020), for residuals and their product of errors; Kim, Neykov, Balakrishnan
    and Wasserman (2022), for cells; Rosenbaum and Rubin (1983), for predicted probabilities.
    """

    cell_size: Annotated[int, Range(2, remedy="20 is usual")] = 20

    def __post_init__(self) -> None:
        check_ranges(self, "Residuals")

    def shuffling(self, samples: JointSamples, seed: int) -> Shuffling:
        """Return shuffles of residuals.

        Raises:
            ValueError: no numbers as a condition, or residuals that still follow it.
        """
        z = _condition("Residuals", samples)
        x_rows, y_rows = _continuous(samples.x), _continuous(samples.y)
        if x_rows is None and y_rows is None:
            cells = cells_of(_predicted_probabilities(z, samples.y), self.cell_size)
            orders = WithinGroups(cells).shuffling(samples, seed).orders
            method = f"permutations within {cells.max() + 1} cells of like predictions of y"
            return Shuffling(samples, orders, method)
        x, x_left = _without(z, samples.x, x_rows)
        y, y_left = _without(z, samples.y, y_rows)
        _check_left(z, x_left, y_left)
        cells = cells_of(z, self.cell_size)
        orders = WithinGroups(cells).shuffling(samples, seed).orders
        moved: Literal["x", "y"] = "x" if y_rows is None else "y"
        method = f"residuals of {moved} permuted within {cells.max() + 1} cells of near rows"
        residual = JointSamples(x, y, _in_one_unit(z))
        return Shuffling(residual, orders, method, moved=moved, transformed=True)


def cells_of(rows: np.ndarray, size: int) -> np.ndarray:
    """Return the number of each row's cell, of at most `size` rows that differ: [n]."""
    return _leaves(rankdata(rows, axis=0), size)


def _condition(name: str, samples: JointSamples) -> np.ndarray:
    refuse(
        samples.given is None,
        f"permutation_test: {name} needs a condition; give given=…, or leave null out",
    )
    (rows,) = as_rows("permutation_test", given=samples.given)
    return rows


def _in_one_unit(z: np.ndarray) -> np.ndarray:
    """Return continuous columns standardised; others, codes of labels perhaps, as they are."""
    return np.column_stack(
        [column if _continuous(column) is None else standardised(column) for column in z.T]
    )


def _continuous(values: np.ndarray) -> np.ndarray | None:
    """Return numbers as columns [n, d]; None for labels, and where values of a column repeat too often."""
    if values.dtype.kind not in "fiu":
        return None
    columns = values.reshape(len(values), -1).astype(float)
    for column in columns.T:
        _, counts = np.unique(column, return_counts=True)
        if len(counts) <= MIN_VALUES or counts.max() > max(MAX_SHARE * len(column), 1):
            return None
    return columns


def _without(z: np.ndarray, values: np.ndarray, columns: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return residuals over their predicted spread, in the shape of the values, and as columns [n, d].

    A discrete variable is returned unchanged, with residuals of its values' probabilities as columns.
    """
    if columns is None:
        left = [standardised(fit.residuals) for fit in held_out_fits(z, _indicators(values))]
        return values, np.column_stack(left)
    fits = held_out_fits(z, [best_scale(z, column) for column in columns.T])
    spreads = predicted_spreads(z, fits)
    scaled = [normal_scores(fit.residuals / spread) for fit, spread in zip(fits, spreads, strict=True)]
    return np.column_stack(scaled).reshape(values.shape), np.column_stack(scaled)


def _indicators(values: np.ndarray) -> list[np.ndarray]:
    """Return 0-1 columns of the most frequent values, all but one where they are few."""
    (codes,) = as_codes("permutation_test", values=values)
    frequent = np.argsort(-np.bincount(codes), kind="stable")
    num = min(MAX_CLASSES, max(len(frequent) - 1, 1))
    return [(codes == value).astype(float) for value in frequent[:num]]


def _predicted_probabilities(z: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return predictions of the indicators, [n, values]."""
    indicators = _indicators(values)
    fits = held_out_fits(z, indicators)
    found = [standardised(one) - fit.residuals for one, fit in zip(indicators, fits, strict=True)]
    return np.column_stack(found)


def _check_left(z: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    """Check that the residuals of x do not go with those of y at other rows nearby.

    Raises:
        ValueError: they do, by more than a test of their correlation can bear.
    """
    near = KDTree(_in_one_unit(z))
    others = np.asarray(near.query(near.data, min(max(MAX_LEFT) + 1, len(z)))[1])[:, 1:]
    for num, most in MAX_LEFT.items():
        left = float(np.abs(x.T @ y[others[:, :num]].mean(axis=1)).max()) / len(z)
        refuse(
            left * np.sqrt(len(z)) > most,
            "permutation_test: the residuals of x and y still depend on given (those of near rows correlate "
            f"by {left:.3f} in {len(z)} samples), so that p would be too small; give more samples or fewer "
            "columns, or take null=NearRows(2), which is less exact",
        )


def _leaves(points: np.ndarray, size: int) -> np.ndarray:
    """Return the number of each row's leaf in a balanced tree: [n]."""
    tree = KDTree(points, leafsize=size)
    found, nodes = [], [tree.tree]
    while nodes:
        node: Any = nodes.pop()
        if isinstance(node, KDTree.leafnode):
            found.append(node.idx)
        else:
            nodes += [node.less, node.greater]
    leaf_of = np.empty(len(points), dtype=np.intp)
    leaf_of[np.concatenate(found)] = np.repeat(np.arange(len(found)), [len(leaf) for leaf in found])
    return leaf_of
