"""Information between all pairs of a table's columns at once.

Label columns are counted for all pairs together, by products of one-hot matrices (`contingency`). Numbers are
prepared once for each column. Joblib spreads the tasks over all cores: one task for each stack of tables, and
one for each pair that has numbers or needs permutations.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl
from joblib import delayed

from infomax.errors import refuse
from infomax.estimation.counting.counts import Counting
from infomax.estimation.estimate import Estimator
from infomax.estimation.tables.columns import Column, columns_of
from infomax.estimation.tables.contingency import contingency_tables
from infomax.estimation.tables.measuring import Measuring, measure_all, stacked_task, task

MAX_COUNTED_LABELS = 50
"""Columns with more labels are not counted together: a dense table costs more than the cells that occur."""


@dataclass(frozen=True, eq=False)
class PairwiseInformation:
    """The result of `pairwise`: symmetric matrices [d, d] in the order of `names`, in nats.

    The diagonal is NaN, because a column and itself are no pair. NaN elsewhere means that the pair was
    refused; the frame says why.

    Args:
        names: of the d columns.
        kinds: of the columns, by name.
        frame: one row for each pair: x, y, value and standard_error in nats, num_samples, p_value,
            adjusted_p_value, kind and method of the estimate; refused: why there is no estimate.
    """

    names: tuple[str, ...]
    kinds: Mapping[str, str]
    frame: pl.DataFrame

    @property
    def value(self) -> np.ndarray:
        """Information, in nats."""
        return self._matrix("value")

    @property
    def standard_error(self) -> np.ndarray:
        """Standard errors of the values, in nats."""
        return self._matrix("standard_error")

    @property
    def num_samples(self) -> np.ndarray:
        """Number of rows in which both columns have a value, as integers; 0 on the diagonal."""
        return np.nan_to_num(self._matrix("num_samples")).astype(np.int64)

    @property
    def p_value(self) -> np.ndarray:
        """p-values of independence; NaN without permutations."""
        return self._matrix("p_value")

    @property
    def adjusted_p_value(self) -> np.ndarray:
        """p-values adjusted for their number: the pairs with at most α have a false discovery rate of α."""
        return self._matrix("adjusted_p_value")

    def to_frame(self) -> pl.DataFrame:
        """Return one row for each pair: x, y, value, standard_error, …; refused: why there is no estimate."""
        return self.frame

    def _matrix(self, what: str) -> np.ndarray:
        matrix = np.full((len(self.names), len(self.names)), np.nan)
        matrix[np.triu_indices(len(self.names), 1)] = self.frame[what].cast(pl.Float64).fill_null(np.nan)
        return np.where(np.isnan(matrix), matrix.T, matrix)


def pairwise(
    table: Any,
    estimator: Estimator | None = None,
    *,
    kinds: Mapping[str, str] | None = None,
    num_permutations: int = 0,
    seed: int = 0,
    num_workers: int = -1,
    progress: bool = False,
) -> PairwiseInformation:
    """Return I(X;Y) of all pairs of columns, each on the rows where both have values.

    Joblib does the work, and another of its backends takes over where a program asks for it:
    ``with joblib.parallel_config(backend="dask"): pairwise(table)``.

    Args:
        table: a Polars or pandas frame, a mapping of names to columns, or an array [n, d].
        estimator: one for all pairs. It gets labels as codes, and numbers unchanged; a nearest-neighbour
            estimator therefore needs columns of similar spread. None: by the kinds of the columns, with
            numbers as normal scores, which makes the values independent of units; see `measuring`.
        kinds: "labels" or "continuous" by column name, for columns whose kind would be inferred wrongly; see
            `columns_of`.
        num_permutations: behind every p-value; 0 for none.
        seed: of the permutations, and of the order of ties.
        num_workers: cores, −1 for all.
        progress: show a progress bar on stderr.

    Raises:
        ValueError: no table, fewer than 2 columns, unknown kinds, or no pair that can be measured.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> coin = rng.integers(2, size=1000)
        >>> found = pairwise({"coin": coin, "same": 1 - coin, "other": rng.integers(2, size=1000)})
        >>> np.round(found.value / np.log(2), 2) + 0.0
        array([[nan,  1.,  0.],
               [ 1., nan,  0.],
               [ 0.,  0., nan]])
    """
    measuring = Measuring(estimator, num_permutations, seed)
    columns = [measuring.prepared(column) for column in columns_of("pairwise", table, kinds)]
    refuse(len(columns) < 2, f"pairwise: expected at least 2 columns, got {columns[0].name} alone")
    num_pairs = len(columns) * (len(columns) - 1) // 2
    frame = measure_all("pairwise", _tasks(measuring, columns), num_pairs, num_workers, progress)
    return PairwiseInformation(
        tuple(column.name for column in columns),
        {column.name: column.kind for column in columns},
        frame.sort("number").drop("number"),
    )


def _tasks(measuring: Measuring, columns: Sequence[Column]) -> Iterator[Any]:
    """Yield a task for each stack of pairs that are counted together, then one for each other pair."""
    numbers = {pair: number for number, pair in enumerate(combinations(range(len(columns)), 2))}

    def key(a: int, b: int) -> dict[str, Any]:
        return {"number": numbers.pop((a, b)), "x": columns[a].name, "y": columns[b].name}

    counted = [index for index, column in enumerate(columns) if _is_counted(measuring, column)]
    bare = [
        replace(column, values=column.values[:0]) for column in columns
    ]  # names and kinds without values, quick to send
    for pairs, tables in contingency_tables([columns[index].values for index in counted]):
        stacked = measuring.in_stacks(tables)
        indices = np.take(counted, pairs[stacked]).tolist()
        keys, of_pairs = [key(a, b) for a, b in indices], [(bare[a], bare[b]) for a, b in indices]
        if indices:
            yield delayed(stacked_task)(measuring.tables, keys, of_pairs, tables[stacked])
    for a, b in list(numbers):
        yield delayed(task)(measuring.pair, key(a, b), columns[a], columns[b])


def _is_counted(measuring: Measuring, column: Column) -> bool:
    by_counts = measuring.estimator is None or isinstance(measuring.estimator, Counting)
    return by_counts and column.has_labels and bool(column.values.max() < MAX_COUNTED_LABELS)
