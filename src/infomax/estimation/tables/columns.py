"""Columns of a table, as arrays, and what kind each is: labels to count, or numbers in a continuum."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Literal, get_args

import numpy as np
import polars as pl
from scipy.special import ndtri

from infomax.estimation.samples import to_array

Kind = Literal["labels", "continuous", "identifiers"]

MOST_LABELS = 20
FEWEST_ROWS_PER_LABEL = 4  # on average: numbers of few values are labels


@dataclass(frozen=True, eq=False)
class Column:
    """One column of a table.

    Args:
        name: its name.
        kind: "labels"; "continuous", numbers; or "identifiers", labels most of which occur once.
        values: codes 0, 1, … [n], −1 where missing, of labels; else float64 [n], NaN where missing.
    """

    name: str
    kind: Kind
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def __sizeof__(self) -> int:  # so that Dask sees that a column is worth sending only once
        return super().__sizeof__() + self.values.nbytes

    @property
    def has_labels(self) -> bool:
        """Whether values are codes."""
        return self.values.dtype.kind == "i"

    @property
    def present(self) -> np.ndarray:
        """Where a value is not missing: [n]."""
        return self.values >= 0 if self.has_labels else ~np.isnan(self.values)

    def earlier(self, lag: int) -> "Column":
        """The column `lag` rows earlier, named ``name@lag``; missing in the first rows.

        Raises: ValueError: a lag below 0, or not less than the number of rows.
        """
        if not 0 <= lag < len(self):
            raise ValueError(
                f"{self.name}@{lag}: a lag must be from 0 to {len(self) - 1}, one row less than the table has"
            )
        if lag == 0:
            return self
        values = np.full_like(self.values, -1 if self.has_labels else np.nan)
        values[lag:] = self.values[:-lag]
        return replace(self, name=f"{self.name}@{lag}", values=values)

    def normal_scores(self, seed: int) -> "Column":
        """Numbers as Φ⁻¹(rank / (n + 1)), equal ones ranked at random; labels as they are.

        No information is lost or gained: ranks increase with the numbers, and what is drawn among equals says
        nothing of another column, while the number can be told from it. But nearest neighbours need both: one
        unit for all columns, and no ties. For rounded numbers `MixedKSG` is high by up to 0.2 nats.

        Args:
            seed: of the draws, which are independent between columns of different names.
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
    """The columns of a table, with their kinds.

    Text, categories, yes and no are labels; so are numbers of at most 20 values, each in 4 rows on average.
    Labels of which more than half occur once are identifiers. Other numbers, and times, are continuous, with
    repeats or without. None and NaN are missing.

    Args:
        operation: who asks, for the messages.
        table: a Polars or pandas frame, a mapping of names to columns, or an array [n, d].
        kinds: by column name, "labels" or "continuous", where what is inferred would be wrong.
    Raises:
        ValueError: no table, no rows, columns of unequal lengths or of other types; an unknown kind or column
            in `kinds`; text that is said to be continuous.
    Example:
        >>> rain = [0.0] * 18 + list(range(22))
        >>> table = {"city": ["Oslo", "Rome"] * 20, "rain": rain, "dose": [0.5, 1] * 20}
        >>> [column.kind for column in columns_of("pairwise", table)]
        ['labels', 'continuous', 'labels']
    """
    frame, kinds = _frame(operation, table), kinds or {}
    for name, kind in kinds.items():
        known(operation, "column", frame.columns, name)
        known(f"{operation}: {name}", "kind", get_args(Kind)[:2], kind)
    return [_column(operation, series, kinds.get(series.name)) for series in frame]


def named(operation: str, columns: Sequence[Column], name: str) -> Column:
    """The column of that name; ``name@lag`` is the column `lag` rows earlier.

    Raises: ValueError: no such column (the nearest is suggested), or a lag beyond the table.
    """
    by_name = {column.name: column for column in columns}
    base, _, lag = name.rpartition("@")
    if name not in by_name and base in by_name and lag.isdecimal():
        return by_name[base].earlier(int(lag))
    return by_name[known(operation, "column", list(by_name), name)]


def known(operation: str, what: str, available: Sequence[str], name: str) -> str:
    """`name`, if it is among the available ones.

    Raises: ValueError: it is not; the nearest is suggested.
    """
    if name not in available:
        near = get_close_matches(str(name), available, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(available[:20])}"
        raise ValueError(f"{operation}: no {what} {name!r}; {hint}")
    return name


def _frame(operation: str, table: Any) -> pl.DataFrame:
    try:
        frame = _as_polars(table)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"{operation}: got {type(table).__name__} that is no table ({reason}); expected a Polars or "
            "pandas frame, a mapping of names to equally long columns, or an array [n, d]"
        ) from None
    if frame.is_empty():
        raise ValueError(f"{operation}: got a table of {frame.height} rows and {frame.width} columns")
    return frame


def _as_polars(table: Any) -> pl.DataFrame:
    if isinstance(table, pl.DataFrame | pl.LazyFrame):
        return table.lazy().collect()
    if isinstance(table, Mapping):
        return pl.DataFrame({str(name): _plain(values) for name, values in table.items()})
    if hasattr(table, "iloc"):  # pandas
        return pl.from_pandas(table.rename(columns=str))
    array = to_array(table)
    if array.ndim != 2:
        raise ValueError(f"shape {list(array.shape)}")
    return pl.DataFrame({str(number): column for number, column in enumerate(array.T)})


def _plain(values: Any) -> Any:
    return to_array(values) if hasattr(values, "detach") else values


def _column(operation: str, series: pl.Series, kind: str | None) -> Column:
    dtype, name = series.dtype, series.name
    if dtype.is_numeric() or dtype.is_temporal() or dtype == pl.Null:
        return _of_numbers(name, series.to_physical().cast(pl.Float64).fill_nan(None), kind)
    if dtype not in (pl.String, pl.Boolean, pl.Categorical, pl.Enum):
        raise ValueError(f"{operation}: column {name} is {dtype}; expected numbers, labels or times")
    if kind == "continuous":
        raise ValueError(f"{operation}: column {name} is {dtype}, so cannot be continuous; make it labels")
    if kind is None and _are_identifiers(series):
        return Column(name, "identifiers", _codes(series))
    return Column(name, "labels", _codes(series))


def _of_numbers(name: str, series: pl.Series, kind: str | None) -> Column:
    if kind == "labels" or (kind is None and _are_few(series)):
        return Column(name, "labels", _codes(series))
    return Column(name, "continuous", series.fill_null(np.nan).to_numpy())


def _are_few(series: pl.Series) -> bool:
    present = series.drop_nulls()
    return present.n_unique() <= min(MOST_LABELS, len(present) / FEWEST_ROWS_PER_LABEL)


def _are_identifiers(series: pl.Series) -> bool:
    present = series.drop_nulls()
    return int(present.is_unique().sum()) > len(present) / 2


def _codes(series: pl.Series) -> np.ndarray:
    """0, 1, … in the order of the labels, of text in that of their appearance; −1 where missing."""
    if series.dtype == pl.String:
        series = series.cast(pl.Categorical)
    series = series.to_physical()
    labels = series.drop_nulls().unique().sort().to_numpy()
    codes = np.searchsorted(labels, series.fill_null(0).to_numpy())
    return np.where(series.is_null().to_numpy(), -1, codes)
