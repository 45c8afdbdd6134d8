"""Tables made ready: columns as estimators get them, and how they are measured."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from infomax.errors import refuse
from infomax.estimation.estimate import Estimator
from infomax.estimation.resampling.nulls import Null
from infomax.estimation.resampling.shared import SharedNulls
from infomax.estimation.samples import num_copies
from infomax.estimation.tables.columns import Column, TableColumns, columns_of, named
from infomax.estimation.tables.measuring import Measuring
from infomax.estimation.tables.parts.counting import Cells, LabelCounts
from infomax.estimation.tables.parts.opening import Parts
from infomax.estimation.tables.parts.surveying import surveyed
from infomax.estimation.tables.reading.frames import as_frame, as_series
from infomax.estimation.tables.results.about import About
from infomax.estimation.tables.running import Measured, bar_of
from infomax.estimation.tables.testing import Testing, is_for_series, null_name


@dataclass(frozen=True)
class How:
    """How the pairs of a table's columns are measured, and what each column is.

    Args:
        estimator: one for all pairs.
        estimators: by kind of pair.
        kinds: of columns whose kind would be inferred wrongly.
        num_permutations: the first round behind a p-value.
        null: how rows are shuffled; None: as independent rows.
        num_tested_rows: most rows that are shuffled.
        weights: the column of weights.
        group: the column of groups.
        seed: of the permutations, and of the order of ties.
        have_lags: whether rows are read as a series, because some are earlier than others.
    """

    estimator: Estimator | None = None
    estimators: Mapping[str, Estimator] | None = None
    kinds: Mapping[str, str] | None = None
    num_permutations: int = 0
    null: Null | None = None
    num_tested_rows: int | None = None
    weights: str | None = None
    group: str | None = None
    seed: int = 0
    have_lags: bool = False


@dataclass(frozen=True, eq=False)
class Prepared:
    """A table that is ready to be measured.

    Args:
        columns: as estimators get them.
        groups: the column of groups.
        measuring: how pairs are measured.
        about: what is known before.
        counts: of the labels of all rows, where the table is read in parts; the columns are then those rows
            that were drawn.
    """

    columns: list[Column]
    groups: Column | None
    measuring: Measuring
    about: About
    counts: LabelCounts | None = None

    @property
    def num_rows(self) -> int:
        """Rows of the table."""
        return len(self.columns[0])

    @property
    def num_tested(self) -> int:
        """Rows that are shuffled for p-values."""
        rows = self.measuring.testing.rows
        return self.num_rows if rows is None else int(rows.sum())

    def cells(self, x: str, y: str) -> Cells | None:
        """Return the counts of a pair of columns of labels in all rows; None where they are not needed."""
        counts = self.counts if self.measuring.counts_labels else None
        return None if counts is None else counts.of_pair(x, y)

    def named(self, operation: str, name: str) -> Column:
        """Return the column of that name; ``name@lag`` is the column `lag` rows earlier, in its group."""
        return named(operation, self.columns, name, self.groups)

    def condition(self, operation: str, name: str) -> Column:
        """Return a column that is known already; it may be that of the groups."""
        return self.groups if self.groups and name == self.groups.name else self.named(operation, name)

    def earlier(self, column: Column, lag: int) -> Column:
        """Return the column `lag` rows earlier, in its group."""
        return column.earlier(lag, self.groups)

    def first_rows(self, x: Column, y: Column) -> tuple[Column, Column] | None:
        """Return columns in the order of the table; of one in parts its first rows, None if not counted."""
        return (x, y) if self.counts is None else self.counts.first_rows(x.name, y.name)

    def about_what_was(self, measured: Measured, notes: Sequence[str] = ()) -> About:
        """Return what belongs to the result."""
        notes = (*self.about.notes, *notes, *measured.notes)
        return replace(self.about, notes=notes, num_missing=measured.num_missing)


def prepared(operation: str, table: Any, how: How, progress: bool = False) -> Prepared:
    """Return the columns of a table, and how they are measured.

    Raises:
        ValueError: no table; no column that can be measured; unknown names.
    """
    columns, counts = _columns(operation, table, how, progress)
    groups, weights, num_rows = columns.groups, columns.weights, len(columns[0])
    testing = Testing(
        num_permutations=0 if weights is not None else how.num_permutations,
        null=how.null,
        groups=None if groups is None else groups.values,
        rows=_tested_rows(operation, num_rows, how),
        seed=how.seed,
        shared=SharedNulls(how.seed),
    )
    measuring = Measuring(how.estimator, how.estimators or {}, testing, weights, how.seed)
    unread = {str(one) for one in columns.left_out}
    about = About(
        num_rows=len(table) if isinstance(table, Parts) else num_rows,
        num_sampled_rows=num_rows if isinstance(table, Parts) else None,
        kinds={column.name: column.kind for column in columns},
        notes=(
            *(note for note in columns.notes if note not in unread),
            *_notes(weights, how),
            *_on_copies(columns),
        ),
        left_out={one.name: one.reason for one in columns.left_out},
        estimators=_names(how),
        num_permutations=testing.num_permutations,
        null=null_name(how.null),
        seed=how.seed,
        weights=how.weights,
        group=how.group,
    )
    return Prepared([measuring.prepared(column) for column in columns], groups, measuring, about, counts)


def _columns(operation: str, table: Any, how: How, progress: bool) -> tuple[TableColumns, LabelCounts | None]:
    """Return the columns of a table, or of the rows that are drawn from it, and counts of its labels."""
    if isinstance(table, Parts) and how.weights is None:
        with bar_of(len(table), progress, "reading rows") as bar:
            return surveyed(
                operation,
                table,
                how.kinds,
                group=how.group,
                seed=how.seed,
                progress=lambda done: bar(completed=done),
            )
    table = in_memory(table, how.seed)
    return columns_of(operation, table, how.kinds, weights=how.weights, group=how.group), None


def in_memory(table: Any, seed: int) -> Any:
    """Return a table as it is, or the rows that are drawn from one that is read in parts."""
    return table.sample(seed) if isinstance(table, Parts) else table


def rows_together(operation: str, table: Any, how: How) -> Any:
    """Return a table whose columns stand together in memory, as conditions and lags need it.

    Raises:
        ValueError: lags of a table that is read in parts, whose rows are drawn at random.
    """
    refuse(
        isinstance(table, Parts) and how.have_lags,
        f"{operation}: a table that is read in parts has no lags, because its rows are drawn at random; take "
        "a piece of it, such as one file, that fits into memory",
    )
    return in_memory(table, how.seed)


def with_target(operation: str, table: Any, target: Any) -> tuple[Any, str]:
    """Return a table that has the target as a column, and the name of that column.

    Args:
        operation: the name of the caller, for error messages.
        table: any table.
        target: the name of a column, its place, or values: a series, an array or a list. Values get the name
            of their series, or "target"; where the table has such a column with the same values, it is that
            one.

    Raises:
        ValueError: no such place, values that cannot be read, or not one for each row.
    """
    if isinstance(target, str):
        return table, target
    frame = as_frame(operation, table)
    names = frame.frame.columns
    if isinstance(target, int | np.integer):
        refuse(
            str(target) not in names and not -len(names) <= target < len(names),
            f"{operation}: no column {target}; the table has {len(names)}",
        )
        return frame, str(target) if str(target) in names else names[int(target)]
    name = str(getattr(target, "name", None) or "target")
    try:
        series = as_series(name, target)
    except ValueError as error:
        raise ValueError(
            f"{operation}: the target {str(error).partition(';')[0]}; expected the name of a column, or one "
            "value for each row"
        ) from None
    refuse(
        len(series) != len(frame),
        f"{operation}: the target has {len(series)} values for {len(frame)} rows; expected one for each",
    )
    if name in names and _are_equal(series, frame.frame[name]):
        return frame, name
    while name in names:
        name += "_target" if name != "target" else "_"
    return replace(frame, frame=frame.frame.with_columns(series.rename(name))), name


def _are_equal(one: pl.Series, other: pl.Series) -> bool:
    if one.dtype != other.dtype:
        return False
    if one.dtype in (pl.Categorical, pl.Enum):
        one, other = one.cast(pl.String), other.cast(pl.String)
    return one.equals(other, null_equal=True)


def _tested_rows(operation: str, num_rows: int, how: How) -> np.ndarray | None:
    """Return which rows are tested, [n]: some at random, or the first where they are a series; None: all."""
    number = how.num_tested_rows
    refuse(
        number is not None and number < 2,
        f"{operation}: num_tested_rows must be at least 2, got {number}; None tests all rows",
    )
    if number is None or number >= num_rows:
        return None
    rows = np.arange(num_rows) < number
    return rows if is_for_series(how.null) else np.random.default_rng(how.seed).permutation(rows)


def _notes(weights: np.ndarray | None, how: How) -> Iterator[str]:
    """Yield which premises of p-values and of errors the rows do not meet."""
    if weights is not None and how.num_permutations:
        yield f"no p-values: shuffling rows does not allow for the weights in {how.weights}"
    if how.group is not None or how.have_lags or is_for_series(how.null):
        alike = "one series" if how.group is None else f"the same {how.group}"
        yield f"errors (±) take all rows as independent, and are too small if rows of {alike} are alike"


def _on_copies(columns: TableColumns) -> list[str]:
    """Return a line where many rows with numbers repeat earlier ones in all columns."""
    numbers = [column.values for column in columns if not column.has_labels]
    others = [column.values for column in columns if column.has_labels]
    groups = None if columns.groups is None else columns.groups.values
    extra = [one for one in (columns.weights, groups) if one is not None]
    copies, num_rows = num_copies([*numbers, *others, *extra]) if numbers else 0, len(columns[0])
    if not copies:
        return []
    return [
        f"{copies:,} of {num_rows:,} rows repeat earlier ones in all columns; if they are copies, bits of "
        "numbers are too high, errors and p too small: leave them out"
    ]


def _names(how: How) -> dict[str, str]:
    chosen = how.estimators or {} if how.estimator is None else {"all": how.estimator}
    return {kind: _text_of(estimator) for kind, estimator in chosen.items()}


def _text_of(estimator: Estimator) -> str:
    """Return an estimator and its settings, in which a function is its name, without its place in memory."""
    return re.sub(r"<function (\S+) at 0x[0-9a-f]+>", r"\1", repr(estimator))
