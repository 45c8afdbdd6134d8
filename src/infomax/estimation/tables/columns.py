"""Columns of a table as arrays, and the kind of each: labels to count, or numbers in a continuum."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import polars as pl
from scipy.special import ndtri

from infomax.errors import did_you_mean, refuse
from infomax.estimation.samples import to_array

ColumnKind = Literal["labels", "continuous", "identifiers"]

MAX_LABELS = 20
"""Numbers with at most so many different values are labels."""
MIN_ROWS_PER_LABEL = 4
"""Numbers are labels only where each value occurs in so many rows on average."""


@dataclass(frozen=True, eq=False)
class Column:
    """One column of a table.

    Args:
        name: its name.
        kind: "labels"; "continuous" for numbers; "identifiers" for labels most of which occur once.
        values: codes 0, 1, … of labels, −1 where missing; or numbers as float64, NaN where missing: [n].
    """

    name: str
    kind: ColumnKind
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def __sizeof__(self) -> int:  # tells Dask that a column is large, and should be sent to a worker once
        return super().__sizeof__() + self.values.nbytes

    @property
    def has_labels(self) -> bool:
        """True where the values are codes of labels."""
        return self.values.dtype.kind == "i"

    @property
    def present(self) -> np.ndarray:
        """True in the rows that have a value: [n]."""
        return self.values >= 0 if self.has_labels else ~np.isnan(self.values)

    def earlier(self, lag: int) -> "Column":
        """Return the column `lag` rows earlier, named ``name@lag``; the first rows have no value.

        Raises:
            ValueError: the lag is below 0, or not less than the number of rows.
        """
        refuse(
            not 0 <= lag < len(self),
            f"{self.name}@{lag}: a lag must be from 0 to {len(self) - 1}, one row less than the table has",
        )
        if lag == 0:
            return self
        values = np.full_like(self.values, -1 if self.has_labels else np.nan)
        values[lag:] = self.values[:-lag]
        return replace(self, name=f"{self.name}@{lag}", values=values)

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


def columns_of(operation: str, table: Any, kinds: Mapping[str, str] | None = None) -> list[Column]:
    """Return the columns of a table, with their kinds.

    Text, categories and booleans are labels. Numbers are labels where they have at most 20 different values,
    each in 4 rows on average. Labels of which more than half occur once are identifiers. Other numbers, and
    times, are continuous, whether values repeat or not. None and NaN are missing values.

    Args:
        operation: the name of the caller, for error messages.
        table: a Polars or pandas frame, a mapping of names to columns, or an array [n, d].
        kinds: "labels" or "continuous" by column name, for columns whose kind would be inferred wrongly.

    Raises:
        ValueError: no table; no rows; columns of different lengths or of other types; an unknown kind or
            column in `kinds`; text that is to be continuous.

    Example:
        >>> rain = [0.0] * 18 + list(range(22))
        >>> table = {"city": ["Oslo", "Rome"] * 20, "rain": rain, "dose": [0.5, 1] * 20}
        >>> [column.kind for column in columns_of("pairwise", table)]
        ['labels', 'continuous', 'labels']
    """
    frame, kinds = _frame(operation, table), kinds or {}
    for name, kind in kinds.items():
        known(operation, "column", frame.columns, name)
        known(f"{operation}: {name}", "kind", get_args(ColumnKind)[:2], kind)
    return [_column(operation, series, kinds.get(series.name)) for series in frame]


def named(operation: str, columns: Sequence[Column], name: str) -> Column:
    """Return the column of that name; ``name@lag`` is the column `lag` rows earlier.

    Raises:
        ValueError: no such column (the nearest name is suggested), or a lag as long as the table.
    """
    by_name = {column.name: column for column in columns}
    base, _, lag = name.rpartition("@")
    if name not in by_name and base in by_name and lag.isdecimal():
        return by_name[base].earlier(int(lag))
    return by_name[known(operation, "column", list(by_name), name)]


def known(operation: str, what: str, available: Sequence[str], name: str) -> str:
    """Return `name`, which must be one of the available names.

    Raises:
        ValueError: it is not; the nearest one is suggested.
    """
    if name not in available:
        raise ValueError(f"{operation}: no {what} {name!r}; {did_you_mean(str(name), available)}")
    return name


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or the name of its type if it has no message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _frame(operation: str, table: Any) -> pl.DataFrame:
    try:
        frame = _as_polars(table)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise ValueError(
            f"{operation}: got {type(table).__name__} that is no table ({first_line(error)}); expected a "
            "Polars or pandas frame, a mapping of names to columns of one length, or an array [n, d]"
        ) from None
    refuse(
        frame.is_empty(),
        f"{operation}: got a table of {frame.height} rows and {frame.width} columns; "
        "expected at least one of each",
    )
    return frame


def _as_polars(table: Any) -> pl.DataFrame:
    if isinstance(table, pl.DataFrame | pl.LazyFrame):
        return table.lazy().collect()
    if isinstance(table, Mapping):
        return pl.DataFrame({str(name): _without_gradient(values) for name, values in table.items()})
    if hasattr(table, "iloc"):  # pandas
        return pl.from_pandas(table.rename(columns=str))
    array = to_array(table)
    if array.ndim != 2:
        raise ValueError(f"shape {list(array.shape)}")
    return pl.DataFrame({str(number): column for number, column in enumerate(array.T)})


def _without_gradient(values: Any) -> Any:
    """A Torch tensor as an array; anything else unchanged."""
    return to_array(values) if hasattr(values, "detach") else values


def _column(operation: str, series: pl.Series, kind: str | None) -> Column:
    dtype, name = series.dtype, series.name
    if dtype.is_numeric() or dtype.is_temporal() or dtype == pl.Null:
        return _of_numbers(name, series.to_physical().cast(pl.Float64).fill_nan(None), kind)
    if dtype not in (pl.String, pl.Boolean, pl.Categorical, pl.Enum):
        raise ValueError(f"{operation}: column {name} is {dtype}; expected numbers, labels or times")
    if kind == "continuous":
        raise ValueError(f"{operation}: column {name} is {dtype}, and cannot be continuous; make it labels")
    if kind is None and _are_identifiers(series):
        return Column(name, "identifiers", _codes(series))
    return Column(name, "labels", _codes(series))


def _of_numbers(name: str, series: pl.Series, kind: str | None) -> Column:
    if kind == "labels" or (kind is None and _are_few(series)):
        return Column(name, "labels", _codes(series))
    return Column(name, "continuous", series.fill_null(np.nan).to_numpy())


def _are_few(series: pl.Series) -> bool:
    """True where numbers have few different values, each of them often."""
    present = series.drop_nulls()
    return present.n_unique() <= min(MAX_LABELS, len(present) / MIN_ROWS_PER_LABEL)


def _are_identifiers(series: pl.Series) -> bool:
    """True where most labels occur once."""
    present = series.drop_nulls()
    return int(present.is_unique().sum()) > len(present) / 2


def _codes(series: pl.Series) -> np.ndarray:
    """0, 1, … in the order of the labels, or of their first appearance for text; −1 where missing."""
    if series.dtype == pl.String:
        series = series.cast(pl.Categorical)
    series = series.to_physical()
    labels = series.drop_nulls().unique().sort().to_numpy()
    codes = np.searchsorted(labels, series.fill_null(0).to_numpy())
    return np.where(series.is_null().to_numpy(), -1, codes)
