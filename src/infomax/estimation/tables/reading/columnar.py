"""Parquet and Arrow files, which pyarrow decodes and checks, batch by batch, before Polars sees them.

Polars ends the process at some damaged files: it asks for as much memory as a header names, which nothing can
catch. pyarrow raises an error there. Offsets and texts are checked once more, since Polars trusts them.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from polars.io.plugins import register_io_source
from pyarrow import parquet

from infomax.errors import in_one_line

_ROWS = 1 << 16
"""Rows of a batch of a Parquet file."""
_Columns = Sequence[str] | None
_Batches = Callable[[_Columns], Iterable[pa.RecordBatch]]


def scan_parquet(parts: Sequence[Path | bytes]) -> pl.LazyFrame:
    """Return the rows of Parquet files, one file after the other, still to be read.

    Raises:
        OSError: one is damaged, now or when its rows are collected.
    """
    return pl.concat([_scanned(*_open_parquet(part)) for part in parts])


def scan_arrow(parts: Sequence[Path | bytes]) -> pl.LazyFrame:
    """Return the rows of Arrow files (Feather), one file after the other, still to be read.

    Raises:
        OSError: one is damaged, now or when its rows are collected.
    """
    return pl.concat([_scanned(*_open_arrow(part)) for part in parts])


def read_parquet(path: Path) -> pl.DataFrame:
    """Return the rows of a Parquet file.

    Raises:
        OSError: it is damaged.
    """
    return scan_parquet([path]).collect()


def check_stream(path: Path) -> None:
    """Check all batches of a memory-mapped file of Arrow, a stream or not.

    Raises:
        OSError: it is damaged.
    """
    with _refused(), pa.memory_map(str(path)) as file:
        for batch in _stream(file):
            batch.validate(full=True)


@contextmanager
def _refused() -> Generator[None]:
    """Raise an OSError for whatever pyarrow says of a damaged file."""
    try:
        yield
    except (pa.ArrowException, MemoryError, OverflowError, UnicodeError) as error:
        raise OSError(in_one_line(error)) from error


def _open_parquet(part: Path | bytes) -> tuple[pa.Schema, _Batches]:
    with _refused(), _parquet(part) as file:
        return file.schema_arrow, partial(_rows_of, part)


def _rows_of(part: Path | bytes, columns: _Columns) -> Iterator[pa.RecordBatch]:
    with _parquet(part) as file:
        yield from file.iter_batches(_ROWS, columns=columns)


def _parquet(part: Path | bytes) -> parquet.ParquetFile:
    """Return an open file, read and not mapped, nor ahead: what was read does not stay in memory."""
    return parquet.ParquetFile(pa.BufferReader(part) if isinstance(part, bytes) else part, pre_buffer=False)


def _open_arrow(part: Path | bytes) -> tuple[pa.Schema, _Batches]:
    with _refused():
        return pa.ipc.open_file(_source(part)).schema, partial(_batches_of, part)


def _batches_of(part: Path | bytes, columns: _Columns) -> Iterator[pa.RecordBatch]:
    names = pa.ipc.open_file(_source(part)).schema.names
    wanted = None if columns is None else [names.index(one) for one in columns]
    file = pa.ipc.open_file(_source(part), options=pa.ipc.IpcReadOptions(included_fields=wanted))
    return (file.get_batch(number) for number in range(file.num_record_batches))


def _stream(file: Any) -> Iterable[pa.RecordBatch]:
    try:
        return pa.ipc.open_stream(file)
    except pa.ArrowInvalid:
        file.seek(0)
        found = pa.ipc.open_file(file)
        return (found.get_batch(number) for number in range(found.num_record_batches))


def _source(part: Path | bytes) -> Any:
    return pa.BufferReader(part) if isinstance(part, bytes) else pa.memory_map(str(part))


def _scanned(schema: pa.Schema, batches: _Batches) -> pl.LazyFrame:
    """Return batches as a lazy frame, which reads no more columns than are wanted."""

    def frames(
        columns: list[str] | None, predicate: pl.Expr | None, num_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        with _refused():
            for batch in batches(columns):
                frame = _frame(batch)
                frame = frame if num_rows is None else frame.head(num_rows)
                num_rows = None if num_rows is None else num_rows - frame.height
                yield frame if predicate is None else frame.filter(predicate)
                if num_rows == 0:
                    return

    with _refused():
        return register_io_source(frames, schema=_frame(_no_rows(schema)).schema)


def _no_rows(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)


def _frame(batch: pa.RecordBatch) -> pl.DataFrame:
    batch.validate(full=True)
    columns = [_without_stray_views(column) for column in batch.columns]
    frame = pl.from_arrow(pa.RecordBatch.from_arrays(columns, schema=batch.schema))
    assert isinstance(frame, pl.DataFrame)
    return frame


def _without_stray_views(column: pa.Array) -> pa.Array:
    """Return a column in which the view of each missing text is empty: validation leaves these out."""
    if isinstance(column, pa.DictionaryArray):
        words = _without_stray_views(column.dictionary)
        return pa.DictionaryArray.from_arrays(column.indices, words, ordered=column.type.ordered)
    if column.type not in (pa.string_view(), pa.binary_view()):
        return column
    _, views, *texts = column.buffers()
    there, all_views = column.is_valid(), np.frombuffer(views or b"", "V16")
    kept = np.zeros(len(column), "V16")
    np.copyto(
        kept,
        all_views[column.offset : column.offset + len(column)],
        where=there.to_numpy(zero_copy_only=False),
    )
    return pa.Array.from_buffers(column.type, len(column), [there.buffers()[1], pa.py_buffer(kept), *texts])
