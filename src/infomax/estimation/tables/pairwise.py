"""Information between all pairs of a table's columns at once.

Label columns are counted for all pairs together, by products of one-hot matrices (`contingency`). Numbers are
prepared once for each column. Joblib spreads the tasks over all cores: one task for each stack of tables, and
one for each pair that has numbers or needs permutations.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, ClassVar

import numpy as np
import polars as pl
from joblib import delayed

from infomax.errors import refuse
from infomax.estimation.estimate import Estimator
from infomax.estimation.resampling.nulls import Null
from infomax.estimation.tables.columns import Column
from infomax.estimation.tables.contingency import contingency_tables
from infomax.estimation.tables.measuring import Measuring
from infomax.estimation.tables.preparing import How, Prepared, prepared
from infomax.estimation.tables.results.result import TableResult, in_order
from infomax.estimation.tables.running import announce, measure_all, on_g_tests, stacked_task, task
from infomax.estimation.tables.testing import DEFAULT_TESTED_ROWS

MAX_COUNTED_LABELS = 50
"""Columns with more labels are not counted together: a dense table costs more than the cells that occur."""
MAX_NAMED = 5  # columns of a kind


@dataclass(frozen=True, eq=False, repr=False)
class PairwiseInformation(TableResult):
    """The result of `pairwise`: rows, and symmetric matrices [d, d] in the order of `names`, in nats.

    The diagonal is NaN, because a column and itself are no pair. NaN elsewhere means that the pair was
    refused; the frame says why. ``pairs["a", "b"]`` is the row of a pair, in either order.

    Args:
        frame: one row for each pair x, y, in the order of the columns; the other columns are those of
            `TableResult`.
        about: kinds of columns, guesses and settings.
        names: of the d columns.
    """

    names: tuple[str, ...] = ()
    keys: ClassVar[tuple[str, ...]] = ("x", "y")

    @property
    def title(self) -> str:
        """The title of the printed table."""
        return "Mutual information of pairs of columns"

    def scale(self) -> str:
        """Return the kinds of the columns, which have no common scale."""
        by_kind: dict[str, list[str]] = {}
        for name in self.names:
            by_kind.setdefault(self.kinds[name], []).append(name)
        few = [
            (kind, ", ".join(names) if len(names) <= MAX_NAMED else f"{len(names)} columns")
            for kind, names in by_kind.items()
        ]
        return "; ".join(f"{kind}: {names}" for kind, names in few)

    def shown(self) -> pl.DataFrame:
        """Return the rows from the most information to the least, doubtful ones after the others."""
        return in_order(self.frame)

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

    def _matrix(self, what: str) -> np.ndarray:
        place = {name: number for number, name in enumerate(self.names)}
        matrix = np.full((len(self.names), len(self.names)), np.nan)
        x, y = ([place[name] for name in self.frame[side]] for side in self.keys)
        matrix[x, y] = matrix[y, x] = self.frame[what].cast(pl.Float64).fill_null(np.nan)
        return matrix

    def _named(self) -> dict[Any, int]:
        pairs = list(zip(self.frame["x"], self.frame["y"], strict=True))
        return {name: place for place, (x, y) in enumerate(pairs) for name in ((x, y), (y, x))}


def pairwise(
    table: Any,
    estimator: Estimator | None = None,
    *,
    estimators: Mapping[str, Estimator] | None = None,
    kinds: Mapping[str, str] | None = None,
    num_permutations: int = 0,
    null: Null | None = None,
    num_tested_rows: int | None = DEFAULT_TESTED_ROWS,
    weights: str | None = None,
    group: str | None = None,
    seed: int = 0,
    num_workers: int = -1,
    progress: bool = False,
) -> PairwiseInformation:
    """Return I(X;Y) of all pairs of columns, each on the rows where both have values.

    Joblib does the work, and another of its backends takes over where a program asks for it:
    ``with joblib.parallel_config(backend="dask"): pairwise(table)``.

    Args:
        table: a Polars or pandas frame, a mapping of names to columns, an array [n, d], or another table that
            `columns_of` reads; or one that does not fit into memory, from `open_parts`.
        estimator: one for all pairs. It gets labels as codes, and numbers unchanged; a nearest-neighbour
            estimator therefore needs columns of similar spread. None: by the kinds of the columns, with
            numbers as normal scores, which makes the values independent of units; see `measuring`.
        estimators: by kind of pair, "labels", "continuous" or "mixed", in place of those by which pairs of
            that kind are measured; they get normal scores.
        kinds: "labels" or "continuous" by column name, for columns whose kind would be inferred wrongly; see
            `columns_of`.
        num_permutations: behind every p-value, at first; more are added where a pair stands at the floor, see
            `testing`; 0 for no p-values.
        null: how rows are shuffled: None or `WholeGroup()` for independent rows, `CircularShifts()` or
            `Blocks()` for series in the order of time.
        num_tested_rows: rows that are shuffled, drawn at random from longer tables; None for all. Values are
            always measured on all rows.
        weights: the column that holds the weights of the rows; there are no p-values with them.
        group: the column that holds the groups of the rows; rows are shuffled within them.
        seed: of the permutations, and of the order of ties.
        num_workers: cores, −1 for all.
        progress: show a progress bar on stderr, and before a long run how long it will take.

    Raises:
        ValueError: no table, fewer than 2 columns, unknown names, or no pair that can be measured.
        Interrupted: Ctrl-C was pressed; the exception's `result` holds what was measured until then.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> coin = rng.integers(2, size=1000)
        >>> found = pairwise({"coin": coin, "same": 1 - coin, "other": rng.integers(2, size=1000)})
        >>> np.round(found.value / np.log(2), 2) + 0.0
        array([[nan,  1.,  0.],
               [ 1., nan,  0.],
               [ 0.,  0., nan]])
        >>> found["same", "coin"]["method"]
        'MillerMadow'
    """
    how = How(estimator, estimators, kinds, num_permutations, null, num_tested_rows, weights, group, seed)
    ready = prepared("pairwise", table, how, progress)
    columns = ready.columns
    refuse(len(columns) < 2, f"pairwise: expected at least 2 columns, got {columns[0].name} alone")
    pairs = [*combinations(columns, 2)]
    announce(_one_by_one(ready, pairs), (), ready.measuring, num_workers, progress)
    measured = measure_all(
        "pairwise",
        _tasks_in_parts(ready) if ready.counts else _tasks(ready.measuring, columns),
        len(pairs),
        ready.measuring,
        num_rows=ready.num_tested,
        num_workers=num_workers,
        progress=progress,
    )
    frame = measured.frame.sort("number").drop("number")
    by_name = {column.name: column for column in columns}
    notes = on_g_tests(measured, lambda row: ready.first_rows(by_name[row["x"]], by_name[row["y"]]))
    return measured.finish(PairwiseInformation(frame, ready.about_what_was(measured, notes), (*by_name,)))


def _one_by_one(ready: Prepared, pairs: Sequence[tuple[Column, Column]]) -> list[tuple[Column, Column]]:
    if ready.counts:
        return [(x, y) for x, y in pairs if ready.cells(x.name, y.name) is None]
    return [pair for pair in pairs if not all(_is_counted(ready.measuring, column) for column in pair)]


def _tasks_in_parts(ready: Prepared) -> Iterator[Any]:
    """Yield a task for each pair: from the counts of all rows, or on the rows that were drawn."""
    for number, (x, y) in enumerate(combinations(ready.columns, 2)):
        key, cells = {"number": number, "x": x.name, "y": y.name}, ready.cells(x.name, y.name)
        if cells is None:
            yield delayed(task)(ready.measuring.pair, key, x, y)
        else:
            yield delayed(task)(ready.measuring.cells, key, x, y, cells)


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
    return measuring.counts_labels and column.has_labels and bool(column.values.max() < MAX_COUNTED_LABELS)
