"""Features in several Parquet files, as `embed_to_parts` writes them, read a batch at a time."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from jaxtyping import Float

from infomax.errors import refuse
from infomax.evaluation.outputs.parts import part_path, parts_pattern, record_path
from infomax.files import reading

ROWS_AT_ONCE = 1 << 16
"""Rows of a file that are read together, at most."""
Rows = Float[np.ndarray, "n d"]
Files = str | Path | Sequence[str | Path]
_PART = re.compile(r"(.+)-\d{5}-of-(\d{5})\.parquet")


def parts_in(source: Any) -> list[Path]:
    """Return the parts that a folder holds or a pattern means, all of them; [] where it is anything else.

    Parts are what `embed_to_parts` wrote into Parquet, with the record beside.

    Raises:
        ValueError: some of the parts are missing, or the folder holds those of several calls.
    """
    if not isinstance(source, str | Path):
        return []
    path = Path(source)
    folder, pattern = (path, "*") if path.is_dir() else (path.parent, path.name or "*")
    named = [match for file in sorted(folder.glob(pattern)) if (match := _PART.fullmatch(file.name))]
    outs = sorted({(folder / f"{match[1]}.parquet", int(match[2])) for match in named})
    outs = [(out, num) for out, num in outs if record_path(out, num).is_file()]
    if not outs:
        return []
    refuse(
        len(outs) > 1,
        f"features: {source} holds parts of {len(outs)} calls of `infomax embed --parts`; give those of one "
        f"by a pattern, such as {parts_pattern(*outs[0])}",
    )
    files = [part_path(outs[0][0], number, outs[0][1]) for number in range(outs[0][1])]
    missing = [file.name for file in files if not file.is_file()]
    refuse(
        missing,
        f"features: {len(missing)} of {len(files)} parts are missing, such as {missing[:1]}; the call of "
        "`infomax embed --parts` that began them writes the rest",
    )
    return files


def record_of_part(part: Path) -> Path:
    """Return the file that records what a part is made of."""
    match = _PART.fullmatch(part.name)
    assert match is not None
    return record_path(part.with_name(f"{match[1]}.parquet"), int(match[2]))


def files_of(operation: str, features: Files) -> list[Path]:
    """Return Parquet files, those that fit a pattern, or the parts in a folder, in the order of their names.

    Raises:
        ValueError: there are none, or they are no Parquet files; parts of several calls, or not all of one.
    """
    if isinstance(features, str | Path):
        path = Path(features)
        parts = [] if path.is_file() else parts_in(path)
        features = (
            [path] if path.is_file() else parts if path.is_dir() else sorted(path.parent.glob(path.name))
        )
    files = [Path(file) for file in features]
    refuse(
        not files, f"{operation}: there are no such files of features; make them by `infomax embed --parts`"
    )
    wrong = [file for file in files if file.suffix != ".parquet"]
    refuse(wrong, f"{operation}: expected .parquet files, got {wrong[:1]}; embed into Parquet")
    return files


def batches(operation: str, files: Sequence[Path]) -> Iterator[Rows]:
    """Yield the features of all files, a batch at a time."""
    for file in files:
        for table in tables(operation, file, ("embedding",)):
            yield features_in(operation, file, table)


def tables(operation: str, file: Path, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
    """Yield batches of a file, with those of some columns that it has, or with all."""
    with reading(operation, file, "make it by `infomax embed --parts`"), pq.ParquetFile(file) as opened:
        there = None if columns is None else [one for one in columns if one in opened.schema_arrow.names]
        for batch in opened.iter_batches(ROWS_AT_ONCE, columns=there):
            table = pl.from_arrow(batch)
            assert isinstance(table, pl.DataFrame)
            yield table


def features_in(operation: str, file: Path, table: pl.DataFrame) -> Rows:
    """Return the features of a batch, float32."""
    refuse(
        "embedding" not in table.columns,
        f"{operation}: {file} has no column embedding; write it by `infomax embed` without --columns",
    )
    rows = table["embedding"].to_numpy().astype(np.float32, copy=False)
    refuse(rows.ndim != 2, f"{operation}: {file} has embeddings of different lengths; expected one length")
    refuse(not np.isfinite(rows).all(), f"{operation}: {file} holds NaN or infinity; did training diverge?")
    return rows
