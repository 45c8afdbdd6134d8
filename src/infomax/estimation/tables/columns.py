"""Columns of a table as arrays, and the kind of each: labels to count, or numbers in a continuum."""

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, get_args, overload

import numpy as np
import polars as pl
from jaxtyping import Bool
from scipy.special import ndtri

from infomax.errors import did_you_mean, refuse
from infomax.estimation.tables.reading.cells import (
    MISSING_SIGNS,
    Texts,
    begins_with_zero,
    counted,
    parsed,
    quoted,
    texts_of,
)
from infomax.estimation.tables.reading.frames import LeftOut, ReadFrame, as_frame

ColumnKind = Literal["labels", "continuous", "identifiers"]

MAX_LABELS = 20
"""Numbers with at most so many different values are labels."""
MIN_ROWS_PER_LABEL = 4
"""Numbers are labels only where each value occurs in so many rows on average."""
MAX_EXACT = 2**53
"""Whole numbers beyond it are not told apart as float64."""

_INDEX_NAMES = ("", "Unnamed: 0", "__UNNAMED__0", "__index_level_0__")
_NAMES_OF_CODES = re.compile(
    r"(?i)(^|[^a-z])(id|ids|zip|zipcode|plz|postcode|fips|code|codes|class|cluster)([^a-z]|$)"
)


@dataclass(frozen=True, eq=False)
class Column:
    """One column of a table.

    Args:
        name: its name.
        kind: "labels"; "continuous" for numbers; "identifiers" for labels most of which occur once.
        values: codes 0, 1, … of labels, −1 where missing; or numbers as float64, NaN where missing: [n].
        note: one line about what was guessed and could be wrong; None where nothing was.
    """

    name: str
    kind: ColumnKind
    values: np.ndarray
    note: str | None = None

    def __len__(self) -> int:
        return len(self.values)

    def __sizeof__(self) -> int:  # tells Dask that a column is large, and should be sent to a worker once
        return super().__sizeof__() + self.values.nbytes

    @property
    def has_labels(self) -> bool:
        """True where the values are codes of labels."""
        return self.values.dtype.kind == "i"

    @property
    def present(self) -> Bool[np.ndarray, " n"]:
        """True in the rows that have a value: [n]."""
        return self.values >= 0 if self.has_labels else ~np.isnan(self.values)

    def earlier(self, lag: int, groups: "Column | None" = None) -> "Column":
        """Return the column `lag` rows earlier, named ``name@lag``; the first rows have no value.

        Args:
            lag: number of rows.
            groups: labels of the series that rows belong to, in any order: the row `lag` earlier is then the
                one of the same group, and the first rows of each group have no value.

        Raises:
            ValueError: the lag is below 0, or at least the number of rows of the table or of every group.
        """
        if lag == 0:
            return self
        rows = np.arange(len(self)) if groups is None else groups._rows_by_label
        same = np.ones(max(len(self) - lag, 0), bool) if groups is None else groups._reaches(lag)
        what = "the table has" if groups is None else f"the largest group of {groups.name} has"
        refuse(
            lag < 0 or not same.any(),
            f"{self.name}@{lag}: a lag must be from 0 to {self._max_lag(groups)}, one row less than {what}",
        )
        values = np.full_like(self.values, -1 if self.has_labels else np.nan)
        values[rows[lag:][same]] = self.values[rows[:-lag][same]]
        return replace(self, name=f"{self.name}@{lag}", values=values)

    def _max_lag(self, groups: "Column | None") -> int:
        if groups is None:
            return len(self) - 1
        return int(np.bincount(groups.values[groups.present], minlength=1).max()) - 1

    @cached_property
    def _rows_by_label(self) -> np.ndarray:
        """Rows of the first label in order, then those of the second, and so on: [n]."""
        return np.argsort(self.values, kind="stable")

    def _reaches(self, lag: int) -> np.ndarray:
        """True where a row and that `lag` before it have the same label, in order by label: [n − lag]."""
        labels = self.values[self._rows_by_label]
        return (labels[lag:] == labels[: max(len(labels) - lag, 0)]) & (labels[lag:] >= 0)

    def normal_scores(self, seed: int) -> "Column":
        """Return numbers as Φ⁻¹(rank / (n + 1)), equal numbers ranked in random order; labels unchanged.

        The information about other columns stays the same: a number can be computed from its score, and the
        order drawn for equal numbers says nothing about another column. Nearest-neighbour estimators need
        both steps, because they want one unit for all columns, and no ties. (For rounded numbers `MixedKSG`
        is too high by up to 0.2 nats.)

        Args:
            seed: of the random order, which is independent between columns of different names.
        """
        if self.has_labels:
            return self
        rows = np.flatnonzero(self.present)
        rng = np.random.default_rng([seed, zlib.crc32(self.name.encode())])
        order = np.lexsort((rng.random(len(rows)), self.values[rows]))
        scores = np.full(len(self), np.nan)
        scores[rows[order]] = ndtri(np.arange(1, len(rows) + 1) / (len(rows) + 1))
        return replace(self, values=scores)


@dataclass(frozen=True, eq=False)
class TableColumns(Sequence[Column]):
    """The columns of a table that can be measured, and what is to be said about the table.

    Args:
        columns: in the order of the table.
        left_out: the others, with reasons.
        notes: one line for each guess and for each column that was left out.
        weights: of the rows, if a column of weights was named: finite, at least 0, some above 0: [n].
        groups: the column of groups, if one was named.
    """

    columns: tuple[Column, ...]
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    weights: np.ndarray | None = None
    groups: Column | None = None

    def __len__(self) -> int:
        return len(self.columns)

    @overload
    def __getitem__(self, index: int) -> Column: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Column, ...]: ...
    def __getitem__(self, index: int | slice) -> Column | tuple[Column, ...]:
        return self.columns[index]


def columns_of(
    operation: str,
    table: Any,
    kinds: Mapping[str, str] | None = None,
    *,
    weights: str | None = None,
    group: str | None = None,
) -> TableColumns:
    """Return the columns of a table, with their kinds.

    Text, categories and booleans are labels. Text of which nine in ten cells are numbers or times is read as
    such. Numbers are labels where they have at most 20 different values, each in 4 rows on average. Labels of
    which more than half occur once are identifiers, also whole numbers beyond 2⁵³. Other numbers, and times,
    are continuous, whether values repeat or not. None and NaN are missing values. Columns of other types, and
    row numbers under an empty name, are left out.

    Args:
        operation: the name of the caller, for error messages.
        table: a `ReadFrame`, a frame of Polars, pandas, PyArrow or xarray, a mapping of names to columns, a
            list of mappings, an array [n, d]; see `as_frame`.
        kinds: "labels" or "continuous" by column name, for columns whose kind would be inferred wrongly.
        weights: the name of a column of weights of the rows.
        group: the name of a column that tells which series or panel a row belongs to.

    Raises:
        ValueError: no table; no rows; columns of different lengths; no column that can be measured; a column
            in `kinds`, `weights` or `group` that is unknown or was left out; an unknown kind; text without
            numbers that is to be continuous; weights below 0, missing, infinite or all 0.

    Example:
        >>> rain = [0.0] * 18 + list(range(22))
        >>> table = {"city": ["Oslo", "Rome"] * 20, "rain": rain, "dose": [0.5, 1] * 20}
        >>> [column.kind for column in columns_of("pairwise", table)]
        ['labels', 'continuous', 'labels']
        >>> columns_of("pairwise", {"age": [*map(str, range(58)), "?", "old"]}).notes[0][:52]
        "age: '?' in 1 cell taken as missing; 1 of 59 cells a"
    """
    read, kinds = as_frame(operation, table), kinds or {}
    _check_names(operation, read, kinds, weights, group)
    texts = (pl.String, pl.Categorical) if isinstance(table, ReadFrame) else (pl.String,)
    numbers = [
        name
        for name in read.frame.columns[:1]
        if _are_row_numbers(read.frame.get_column(name), {*kinds, weights, group})
    ]
    columns = tuple(
        _column(operation, series, kinds.get(series.name), series.dtype in texts)
        for series in read.frame
        if series.name not in (*numbers, weights, group)
    )
    left_out = tuple(LeftOut(name or "the first column", "has row numbers and no name") for name in numbers)
    guesses = (column.note for column in columns if column.note)
    return TableColumns(
        columns,
        (*read.left_out, *left_out),
        (*read.notes, *map(str, (*read.left_out, *left_out)), *guesses),
        None
        if weights is None
        else _weights(
            operation, read.frame.get_column(weights), read.frame.get_column(weights).dtype in texts
        ),
        None if group is None else Column(group, "labels", _any_codes(read.frame.get_column(group))),
    )


def named(operation: str, columns: Sequence[Column], name: str, groups: Column | None = None) -> Column:
    """Return the column of that name; ``name@lag`` is the column `lag` rows earlier, of the same group.

    Raises:
        ValueError: no such column (the nearest name is suggested), or a lag as long as the table.
    """
    by_name = {column.name: column for column in columns}
    base, _, lag = name.rpartition("@")
    if name not in by_name and base in by_name and lag.isdecimal():
        return by_name[base].earlier(int(lag), groups)
    return by_name[known(operation, "column", list(by_name), name)]


def known(operation: str, what: str, available: Sequence[str], name: str) -> str:
    """Return `name`, which must be one of the available names.

    Raises:
        ValueError: it is not; the nearest one is suggested.
    """
    if name not in available:
        alike = [one for one in available if _folded(one) == _folded(name)]
        remedy = f"did you mean {alike[0]!r}?" if alike else did_you_mean(str(name), available)
        raise ValueError(f"{operation}: no {what} {name!r}; {remedy}")
    return name


def _folded(name: str) -> str:
    """A name without surrounding spaces and capitals."""
    return str(name).strip().casefold()


def _check_names(
    operation: str, read: ReadFrame, kinds: Mapping[str, str], weights: str | None, group: str | None
) -> None:
    reasons = {one.name: one.reason for one in read.left_out}
    for name in (*kinds, *(name for name in (weights, group) if name is not None)):
        refuse(
            name in reasons,
            f"{operation}: column {name} {reasons.get(name)}; expected numbers, labels or times",
        )
        known(operation, "column", read.frame.columns, name)
    for name, kind in kinds.items():
        known(f"{operation}: {name}", "kind", get_args(ColumnKind)[:2], kind)
    refuse(
        weights is not None and weights == group,
        f"{operation}: {weights} cannot hold both weights and groups; name another column for one of them",
    )
    taken = {weights, group} & {*kinds}
    refuse(
        taken,
        f"{operation}: {', '.join(map(str, taken))} holds weights or groups, which have no kind; leave it "
        "out of the kinds",
    )


def _are_row_numbers(series: pl.Series, wanted: set[str | None]) -> bool:
    """True where a column without a name holds different whole numbers, as pandas writes an index."""
    without_name = series.name in _INDEX_NAMES and series.name not in wanted
    return without_name and series.dtype.is_integer() and series.n_unique() == len(series)


def _column(operation: str, series: pl.Series, kind: str | None, is_text: bool) -> Column:
    dtype, name = series.dtype, series.name
    if dtype.is_integer() and kind != "continuous" and are_large(series):
        return _of_large_numbers(name, series, kind)
    if dtype.is_numeric() or dtype.is_temporal() or dtype == pl.Null:
        return _of_numbers(
            name, series.to_physical().cast(pl.Float64).fill_nan(None), kind, dtype.is_integer()
        )
    if is_text:
        return _of_text(operation, name, texts_of(series), kind, dtype == pl.String)
    if kind == "continuous" and dtype in (pl.Categorical, pl.Enum):
        return _of_text(operation, name, texts_of(series.cast(pl.String)), kind)
    refuse(
        kind == "continuous",
        f"{operation}: column {name} is {dtype}, and cannot be continuous; make it labels",
    )
    return _of_labels(name, _any_codes(series), kind)


def _of_numbers(name: str, series: pl.Series, kind: str | None, whole: bool = False) -> Column:
    if kind == "labels" or (kind is None and _are_few(series)):
        num = series.n_unique() - series.has_nulls()
        note = f"{name}: {num} different numbers, taken as labels; --kind {name}=continuous"
        return Column(name, "labels", _codes(series), note if kind is None and num > 2 else None)
    note = None if kind or not whole else _note_on_codes(name, series)
    return Column(name, "continuous", series.fill_null(np.nan).to_numpy(), note)


def _note_on_codes(name: str, series: pl.Series) -> str | None:
    """A line for whole numbers that look like codes: by name, or far between and of one length."""
    values = series.drop_nulls()
    num, lowest, highest = values.n_unique(), values.min(), values.max()
    assert isinstance(lowest, float) and isinstance(highest, float)
    repeat = num <= len(values) / MIN_ROWS_PER_LABEL
    sparse = num < (highest - lowest) / 2 and lowest >= 1000 and len(f"{lowest:.0f}") == len(f"{highest:.0f}")
    if not (repeat and (sparse or _NAMES_OF_CODES.search(name))):
        return None
    return f"{name}: {num:,} different whole numbers, taken as continuous; --kind {name}=labels"


def are_large(series: pl.Series) -> bool:
    """Return whether whole numbers would not all be told apart as float64."""
    ends: list[Any] = [series.min(), series.max()]
    return any(abs(end) > MAX_EXACT for end in ends if end is not None)


def _of_large_numbers(name: str, series: pl.Series, kind: str | None) -> Column:
    column = _of_labels(name, _exact_codes(series), kind)
    what = f"{name}: whole numbers beyond 2⁵³, taken as {column.kind}; --kind {name}=continuous rounds them"
    return replace(column, note=None if kind else what)


def _of_text(operation: str, name: str, texts: Texts, kind: str | None, in_memory: bool = False) -> Column:
    """Numbers or times where most cells are such, else labels."""
    found = None if kind == "labels" else parsed(texts, whatever_share=kind == "continuous")
    refuse(
        found is None and kind == "continuous",
        f"{operation}: column {name} is text without numbers or times, which cannot be continuous; make "
        "it labels",
    )
    if found is None:
        return _of_text_labels(name, texts, kind)
    if kind is None and found.num_other and _are_few(found.values):
        return _of_labels(name, found.rest.codes, "labels")
    whole = bool((found.values == found.values.floor()).all())
    column = _of_numbers(name, found.values, kind, found.what == "numbers" and whole)
    notes = [found.note, (column.note or "").removeprefix(f"{name}: ")]
    if kind is not None:
        return replace(column, note=f"{name}: {found.note}" if found.num_other else None)
    if found.note and (found.num_other or "read as" in found.note):
        notes[0] = f"{found.note}; --kind {name}=labels keeps the text"
    elif in_memory and not column.has_labels and not found.note and found.what == "numbers":
        notes[0] = f"text of numbers, taken as numbers; --kind {name}=labels keeps the text"
    said = "; ".join(note for note in notes if note)
    return replace(column, note=f"{name}: {said}" if said else None)


def _of_text_labels(name: str, texts: Texts, kind: str | None) -> Column:
    column = _of_labels(name, texts.codes, kind)
    if kind is None and begins_with_zero(texts.texts):
        note = f"{name}: numbers that begin with 0, taken as {column.kind}; --kind {name}=continuous"
        return replace(column, note=note)
    signs = texts.texts.str.strip_chars().str.to_lowercase().is_in(MISSING_SIGNS)
    if not signs.any() or column.note:
        return column
    words, num_rows = texts.texts.filter(signs), int(texts.counts[signs.to_numpy()].sum())
    what = f"{name}: {quoted(words)} in {counted(num_rows, 'row')} taken as a label"
    return replace(column, note=f"{what}; --missing {words[0]!r} if it means no value")


def _of_labels(name: str, codes: np.ndarray, kind: str | None) -> Column:
    """Labels, or identifiers where most of them occur once."""
    counts = np.bincount(codes[codes >= 0])
    once = int(np.count_nonzero(counts == 1))
    if kind is not None or once <= counts.sum() / 2:
        return Column(name, "labels", codes)
    note = (
        f"{name}: {once:,} of {counts.sum():,} labels occur once, taken as identifiers; --kind {name}=labels"
    )
    return Column(name, "identifiers", codes, note)


def _are_few(series: pl.Series) -> bool:
    """True where numbers have few different values, each of them often."""
    present = series.drop_nulls()
    return present.n_unique() <= min(MAX_LABELS, len(present) / MIN_ROWS_PER_LABEL)


def _weights(operation: str, series: pl.Series, is_text: bool) -> np.ndarray:
    name = series.name
    found = parsed(texts_of(series)) if is_text else None
    numbers = series.dtype.is_numeric() or series.dtype == pl.Boolean or found is not None
    refuse(not numbers, f"{operation}: weights {name} are {series.dtype}; expected numbers")
    weights = (found.values if found else series.cast(pl.Float64)).fill_null(np.nan).to_numpy()
    bad = ~(np.isfinite(weights) & (weights >= 0))
    refuse(
        bad.any(),
        f"{operation}: weights {name} must be finite and at least 0, got {weights[bad.argmax()]:g} in row "
        f"{bad.argmax()} ({counted(int(bad.sum()), 'such row')}); drop those rows, or give them the weight 0",
    )
    refuse(not weights.any(), f"{operation}: weights {name} are all 0; expected some above 0")
    return weights


def _any_codes(series: pl.Series) -> np.ndarray:
    """Codes of labels of any type, equal for equal values."""
    if series.dtype in (pl.String, pl.Categorical):
        return texts_of(series).codes
    return _exact_codes(series) if series.dtype.is_integer() and are_large(series) else _codes(series)


def _exact_codes(series: pl.Series) -> np.ndarray:
    """Codes in the order of whole numbers of any size."""
    return series.rank("dense").cast(pl.Int64).fill_null(0).to_numpy() - 1


def _codes(series: pl.Series) -> np.ndarray:
    """0, 1, … in the order of the labels; −1 where missing."""
    series = series.to_physical()
    labels = series.drop_nulls().unique().sort().to_numpy()
    codes = np.searchsorted(labels, series.fill_null(0).to_numpy())
    return np.where(series.is_null().to_numpy(), -1, codes)
