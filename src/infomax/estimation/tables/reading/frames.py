"""A table of any library as a Polars frame; columns that cannot be measured are left out with a reason."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.interchange as interchange

from infomax.errors import MAX_QUOTED, refuse
from infomax.estimation.samples import to_array

EXPECTED = (
    "expected a frame (Polars, pandas, PyArrow, xarray), a mapping of names to columns of one length, a list "
    "of mappings, or an array [n, d]"
)
_REASONS: Mapping[Any, str] = {
    pl.List: "holds lists; give each of their entries a column",
    pl.Array: "holds arrays; give each of their entries a column",
    pl.Struct: "holds structures; give each of their fields a column",
    pl.Binary: "holds bytes; decode them to text or numbers",
}
_COMPLEX = "holds complex numbers; give real and imaginary parts a column each"
_WRONG: Sequence[tuple[Any, str]] = (
    (complex | np.complexfloating, _COMPLEX),
    (bytes | bytearray, _REASONS[pl.Binary]),
    (Mapping, _REASONS[pl.Struct]),
    ((list, tuple, set, frozenset, np.ndarray, pl.Series), _REASONS[pl.List]),
)
_NUM_NAMED = 3


@dataclass(frozen=True)
class LeftOut:
    """A column that is not measured, and why: ``name: reason`` is a line to print."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}; left out"


@dataclass(frozen=True, eq=False)
class ReadFrame:
    """A table that was read, with what was decided on the way.

    Args:
        frame: its columns, text as categories.
        notes: one line for each guess, and for what was left out.
        left_out: columns that cannot be measured.
    """

    frame: pl.DataFrame
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    def __len__(self) -> int:
        return len(self.frame)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the columns for other libraries: ``polars.DataFrame(read)``, ``pyarrow.table(read)``."""
        return self.frame.__arrow_c_stream__(requested_schema)


def as_frame(operation: str, table: Any) -> ReadFrame:
    """Return any table as a Polars frame.

    Args:
        operation: the name of the caller, for error messages.
        table: a Polars, pandas, PyArrow or xarray frame, a mapping of names to columns, a list of mappings or
            of rows, an array [n, d] of NumPy (also structured or masked) or Torch, or an object that offers
            ``__arrow_c_stream__`` or ``__dataframe__``.

    Raises:
        ValueError: no table; columns of different lengths; no rows; no column that can be measured.
    """
    if isinstance(table, ReadFrame):
        return table
    try:
        columns = [*_columns(table)]
    except (TypeError, ValueError, pa.ArrowException, pl.exceptions.PolarsError) as error:
        raise ValueError(
            f"{operation}: got {type(table).__name__} that is no table ({first_line(error)}); {EXPECTED}"
        ) from None
    return _assembled(operation, table, columns)


def as_series(name: str, values: Any) -> pl.Series:
    """Return a column of any library as a Polars series of numbers, labels or times.

    Raises:
        ValueError: it holds other things, or has not one axis; the message is the reason.
    """
    try:
        series = values if isinstance(values, pl.Series) else _series(values)
        series = _plain(series.rename(name))
    except (TypeError, OverflowError, pa.ArrowException, pl.exceptions.PolarsError) as error:
        raise ValueError(f"cannot be read ({first_line(error)})") from error
    return series


def reason_to_leave_out(dtype: Any) -> str | None:
    """Return why a column of this type cannot be measured; None where it can."""
    return _REASONS.get(dtype.base_type())


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, cut if it is long, or the name of its type without one."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return line if len(line) <= MAX_QUOTED else f"{line[:MAX_QUOTED]}…"


def _assembled(operation: str, table: Any, columns: Sequence[tuple[str, Any]]) -> ReadFrame:
    kept, left_out = [], []
    names = [*_apart(name for name, _ in columns)]
    for name, (_, values) in zip(names, columns, strict=True):
        try:
            kept.append(as_series(name, values))
        except ValueError as error:
            left_out.append(LeftOut(name, first_line(error)))
    lengths = [f"{series.name} has {len(series)}" for series in kept]
    refuse(
        len({len(series) for series in kept}) > 1,
        f"{operation}: got {type(table).__name__} that is no table (columns of different lengths: "
        f"{', '.join(lengths[:_NUM_NAMED])}{', …' * (len(lengths) > _NUM_NAMED)}); {EXPECTED}",
    )
    refuse(
        columns and not kept,
        f"{operation}: no column can be measured: " + "; ".join(f"{o.name} {o.reason}" for o in left_out),
    )
    frame = pl.DataFrame({series.name: series for series in kept})
    refuse(
        frame.is_empty(),
        f"{operation}: got a table of {frame.height} rows and {frame.width} columns; "
        "expected at least one of each",
    )
    return ReadFrame(frame, _renamed(columns, names), tuple(left_out))


def _apart(names: Iterable[str]) -> Iterator[str]:
    """Names as text, the second of equal ones with _2 behind it."""
    seen: Counter[str] = Counter()
    for name in names:
        seen[name] += 1
        while seen[name] > 1 and f"{name}_{seen[name]}" in seen:
            seen[name] += 1
        new = name if seen[name] == 1 else f"{name}_{seen[name]}"
        seen[new] += new != name
        yield new


def _renamed(columns: Sequence[tuple[str, Any]], names: Sequence[str]) -> tuple[str, ...]:
    changed = [(old, new) for (old, _), new in zip(columns, names, strict=True) if old != new]
    return tuple(f"{old}: a second column of this name is called {new}" for old, new in changed)


# Tables as columns


def _columns(table: Any) -> Iterator[tuple[str, Any]]:
    """Yield each column's name and values."""
    for fits, columns in _TABLES:
        if fits(table):
            yield from columns(table)
            return
    array = _array(table)
    if array.dtype.names:
        yield from ((str(name), table[name]) for name in array.dtype.names)
        return
    if array.ndim != 2:
        raise ValueError(f"shape {list(array.shape)}")
    yield from ((str(number), column) for number, column in enumerate(_keep_mask(table, array).T))


def _keep_mask(table: Any, array: np.ndarray) -> np.ndarray:
    return table if isinstance(table, np.ma.MaskedArray) else array


def _of_polars(table: Any) -> Iterator[tuple[str, Any]]:
    yield from ((series.name, series) for series in table.lazy().collect())


def _of_pandas(table: Any) -> Iterator[tuple[str, Any]]:
    for number, name in enumerate(table.columns):
        name = ".".join(map(str, name)) if isinstance(name, tuple) else str(name)
        yield name, table.iloc[:, number]


def _of_arrow(table: Any) -> Iterator[tuple[str, Any]]:
    table = table if isinstance(table, pa.Table | pa.RecordBatch) else pa.table(table)
    yield from ((name, table.column(number)) for number, name in enumerate(table.schema.names))


def _of_interchange(table: Any) -> Iterator[tuple[str, Any]]:
    yield from _of_arrow(interchange.from_dataframe(table))


def _of_other(table: Any) -> Iterator[tuple[str, Any]]:
    yield from _columns(table.to_polars() if hasattr(table, "to_polars") else table.to_pandas())


def _of_xarray(table: Any) -> Iterator[tuple[str, Any]]:
    """The columns of an array with two axes."""
    if len(table.dims) != 2:
        raise ValueError(
            f"axes {', '.join(map(str, table.dims))}; select two, or one variable for each column"
        )
    last = table.dims[1]
    names = table.coords[last].values if last in table.coords else range(table.shape[1])
    yield from ((str(name), column) for name, column in zip(names, table.values.T, strict=True))


def _of_xarray_dataset(table: Any) -> Iterator[tuple[str, Any]]:
    """The variables of a dataset; of those along one axis, all have the same, so that rows are together."""
    axes = {str(name): tuple(map(str, variable.dims)) for name, variable in table.data_vars.items()}
    if len({of for of in axes.values() if len(of) == 1}) != 1:
        listed = ", ".join(f"{name} along {' and '.join(of) or 'no axis'}" for name, of in axes.items())
        raise ValueError(f"{listed}; select variables along one axis, or give .to_dataframe().reset_index()")
    yield from ((str(name), variable.values) for name, variable in table.data_vars.items())


def _of_mapping(table: Any) -> Iterator[tuple[str, Any]]:
    yield from ((str(name), values) for name, values in table.items())


def _of_records(table: Any) -> Iterator[tuple[str, Any]]:
    names = dict.fromkeys(name for row in table for name in row)
    yield from ((str(name), [row.get(name) for row in table]) for name in names)


def _of_rows(table: Any) -> Iterator[tuple[str, Any]]:
    names = getattr(table[0], "_fields", range(len(table[0])))
    yield from ((str(name), [*column]) for name, column in zip(names, zip(*table, strict=True), strict=True))


def _all_are(kind: type | tuple[type, ...]) -> Callable[[Any], bool]:
    return lambda table: (
        isinstance(table, list | tuple) and bool(table) and all(isinstance(row, kind) for row in table)
    )


_TABLES: Sequence[tuple[Callable[[Any], bool], Callable[[Any], Iterator[tuple[str, Any]]]]] = (
    (lambda table: isinstance(table, pl.DataFrame | pl.LazyFrame), _of_polars),
    (lambda table: isinstance(table, Mapping) and not hasattr(table, "data_vars"), _of_mapping),
    (lambda table: hasattr(table, "iloc") and hasattr(table, "columns"), _of_pandas),
    (lambda table: hasattr(table, "data_vars"), _of_xarray_dataset),
    (lambda table: hasattr(table, "coords") and hasattr(table, "dims"), _of_xarray),
    (lambda table: isinstance(table, pa.RecordBatch | pa.Table), _of_arrow),
    (lambda table: hasattr(table, "__arrow_c_stream__") and not isinstance(table, pl.Series), _of_arrow),
    (lambda table: hasattr(table, "__dataframe__"), _of_interchange),
    (lambda table: hasattr(table, "to_polars") or hasattr(table, "to_pandas"), _of_other),
    (lambda table: hasattr(table, "toarray"), lambda table: _columns(table.toarray())),
    (_all_are(Mapping), _of_records),
    (_all_are((list, tuple)), _of_rows),
)

# Columns


def _series(values: Any) -> pl.Series:
    """Values of any library as a series, its type still to be checked; a frame of one column is that one."""
    if hasattr(values, "columns"):
        columns = [*_columns(values)]
        if len(columns) != 1:
            raise ValueError(f"has {len(columns)} columns; expected one value for each row")
        values = columns[0][1]
        if isinstance(values, pl.Series):
            return values
    if hasattr(values, "to_series") and hasattr(values, "is_unique"):
        values = values.to_series()  # an index of pandas
    if hasattr(values, "iloc"):
        return _of_pandas_series(values)
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return _of_arrow_array(values)
    if isinstance(values, np.ma.MaskedArray):
        series = _series(values.data)
        mask = pl.Series(np.ma.getmaskarray(values))
        return series.set(mask, None) if mask.any() else series
    if hasattr(values, "values") and not callable(values.values):
        values = values.values  # xarray, pandas arrays
    if hasattr(values, "__array__") or hasattr(values, "detach"):
        return _of_array(_array(values))
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError("is one value; expected one for each row")
    return _of_objects([*values])


def _array(values: Any) -> np.ndarray:
    """A NumPy array; half-precision numbers of Torch, which NumPy lacks, as float32."""
    return to_array(values.float() if str(getattr(values, "dtype", "")) == "torch.bfloat16" else values)


def _of_array(array: np.ndarray) -> pl.Series:
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(f"has shape {list(array.shape)}; expected one value for each row")
    if array.dtype.kind == "c":
        raise ValueError(_COMPLEX)
    if array.dtype.kind == "O":
        return _of_objects(array.tolist())
    if array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8):
        array = array.astype(np.float64)
    if array.dtype.kind in "mM" and np.datetime_data(array.dtype)[0] in ("Y", "M", "W", "D", "h", "m", "s"):
        array = array.astype(f"{array.dtype.kind}8[us]")
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    return pl.Series(array.copy() if not array.dtype.isnative or not array.flags.c_contiguous else array)


def _of_arrow_array(values: Any) -> pl.Series:
    """Arrow values of the types that Polars takes (others would make it panic), decimals as floats."""
    if isinstance(values.type, pa.BaseExtensionType):
        values = values.cast(values.type.storage_type)
    kind, types = values.type, pa.types
    if types.is_dictionary(kind):
        values = values.cast(kind.value_type)
        return (
            _of_objects(values.to_pylist())
            if not types.is_string(values.type)
            else pl.Series(pl.from_arrow(values)).cast(pl.Categorical)
        )
    if types.is_decimal(kind):
        values = values.cast(pa.float64())
    if types.is_nested(kind):
        raise ValueError(_REASONS[pl.Struct if types.is_struct(kind) else pl.List])
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        raise ValueError(_REASONS[pl.Binary])
    known = types.is_primitive(values.type) or types.is_string(kind) or types.is_large_string(kind)
    if types.is_interval(kind) or not (known or types.is_null(kind) or str(kind) == "string_view"):
        raise ValueError(f"has the type {kind}; expected numbers, labels or times")
    return pl.Series(pl.from_arrow(values))


def _of_pandas_series(values: Any) -> pl.Series:
    """Sparse values become dense, periods their first moment, intervals and other categories labels."""
    kind = str(values.dtype).lower()
    if kind.startswith("sparse"):
        return _of_array(np.asarray(values))
    if kind.startswith("complex"):
        raise ValueError(_COMPLEX)
    if kind.startswith("period"):
        return pl.Series(pl.from_pandas(values.dt.to_timestamp()))
    if kind.startswith("interval"):
        return _texts(values.tolist())
    if kind == "category":
        labels = pl.Series([*map(str, values.cat.categories), None], dtype=pl.String)
        return labels.gather(pl.Series(values.cat.codes.to_numpy().astype(np.int64) % len(labels))).cast(
            pl.Categorical
        )
    if kind.endswith("[pyarrow]"):
        return _of_arrow_array(values.array.__arrow_array__())
    if kind == "object":
        return _of_objects(values.tolist())
    return pl.Series(pl.from_pandas(values))


def _of_objects(values: list[Any]) -> pl.Series:
    """Python objects: numbers and text as what they are, a mixture as text, other labels by their text."""
    kinds = {type(value) for value in values} - {type(None)}
    if not (kinds <= {int, float} or (len(kinds) == 1 and kinds <= {str, bool})):
        values = [None if _is_missing(value) else value for value in values]
        kinds = {type(value) for value in values} - {type(None)}
        _check_kinds(kinds)
    numeric = all(issubclass(kind, int | float | np.number) and not issubclass(kind, bool) for kind in kinds)
    if len(kinds) > 1 and not numeric:
        return _texts(values).cast(pl.String)
    try:
        series = pl.Series(values, strict=not numeric)
    except (TypeError, OverflowError, pl.exceptions.PolarsError):
        return _texts(values)
    return _texts(values) if series.dtype == pl.Object else series


def _check_kinds(kinds: Iterable[type]) -> None:
    for kind in kinds:
        for wrong, reason in _WRONG:
            if issubclass(kind, wrong):
                raise ValueError(reason)
        if kind.__str__ is object.__str__ and kind.__repr__ is object.__repr__:
            raise ValueError(f"holds objects of the type {kind.__name__}; expected numbers, labels or times")


def _is_missing(value: Any) -> bool:
    """True for None, NaN, and what pandas, NumPy and Python call missing."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        return False


def _texts(values: Iterable[Any]) -> pl.Series:
    """Labels of any type as categories named by their text."""
    texts = [None if _is_missing(value) else str(value) for value in values]
    return pl.Series(texts, dtype=pl.String).cast(pl.Categorical)


def _plain(series: pl.Series) -> pl.Series:
    """Numbers, labels or times; decimals as floats, objects by their text."""
    if series.dtype == pl.Object:
        return _of_objects(series.to_list()).rename(series.name)
    if reason := reason_to_leave_out(series.dtype):
        raise ValueError(reason)
    if isinstance(series.dtype, pl.Decimal):
        return series.cast(pl.Float64)
    known = series.dtype.is_numeric() or series.dtype.is_temporal()
    if not known and series.dtype not in (pl.String, pl.Boolean, pl.Categorical, pl.Enum, pl.Null):
        raise ValueError(f"has the type {series.dtype}; expected numbers, labels or times")
    return series
