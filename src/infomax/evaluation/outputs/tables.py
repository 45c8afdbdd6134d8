"""Embeddings as tables: Parquet and CSV, written in parts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

from infomax.evaluation.outputs.rows import Batches, columns_of, feature_names, record_of
from infomax.learning.data.dataset import Dataset


def write_parquet(path: Path, dataset: Dataset, batches: Batches) -> None:
    """Write Parquet with the features of a row as one list, in the column ``embedding``."""
    _write(pq.ParquetWriter, path, (_listed(dataset, *batch) for batch in batches))


def write_parquet_columns(path: Path, dataset: Dataset, batches: Batches) -> None:
    """Write Parquet with a column for each feature."""
    _write(pq.ParquetWriter, path, (_spread(dataset, *batch) for batch in batches))


def write_csv(path: Path, dataset: Dataset, batches: Batches) -> None:
    """Write CSV with a column for each feature, UTF-8; missing values are empty."""
    _write_text(path, dataset, batches, ",")


def write_tsv(path: Path, dataset: Dataset, batches: Batches) -> None:
    """Write what `write_csv` writes, with tabs between columns."""
    _write_text(path, dataset, batches, "\t")


def write_csv_gz(path: Path, dataset: Dataset, batches: Batches) -> None:
    """Write what `write_csv` writes, compressed by gzip."""
    with pa.CompressedOutputStream(str(path), "gzip") as stream:
        _write_text(stream, dataset, batches, ",")


def _write_text(place: Any, dataset: Dataset, batches: Batches, separator: str) -> None:
    options = csv.WriteOptions(delimiter=separator)
    tables = (_spread(dataset, *batch) for batch in batches)
    _write(lambda where, schema: csv.CSVWriter(where, schema, write_options=options), place, tables)


def _write(make: Any, place: Any, tables: Iterator[pa.Table]) -> None:
    """Write tables one after another; the writer is made for the columns of the first."""
    writer = None
    try:
        for table in tables:
            writer = writer or make(place, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _listed(dataset: Dataset, rows: slice, features: np.ndarray) -> pa.Table:
    values = pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), features.shape[1])
    known = columns_of(dataset, rows)
    columns = {"name": known.pop("name"), "embedding": values, **known}
    return pa.table(columns, metadata=record_of(dataset))


def _spread(dataset: Dataset, rows: slice, features: np.ndarray) -> pa.Table:
    named = zip(feature_names(features.shape[1]), features.T, strict=True)
    columns = {**columns_of(dataset, rows), **{name: pa.array(column) for name, column in named}}
    return pa.table(columns, metadata=record_of(dataset))
