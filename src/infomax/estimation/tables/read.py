"""Tables read from a file, a folder or the Hugging Face hub, as a Polars frame of the wanted columns."""

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from polars import selectors as cs

from infomax.errors import did_you_mean, needs, refuse
from infomax.estimation.tables.reading.frames import first_line

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")
"""Words that mean a missing value in a text file."""

_HUB_NAME = re.compile(r"hf:(?P<repo>[^:@]+)(:(?P<config>[^@]+))?(@(?P<revision>.+))?")


def read_frame(
    source: str | Path, columns: Iterable[str] | None = None, *, split: str = "train"
) -> pl.DataFrame:
    """Return the named columns of a table, or all columns of numbers, labels and times.

    A file is read lazily and in parts, and text becomes categories while it is read: memory grows with the
    wanted columns, not with the file.

    Args:
        source: a file (.csv, .tsv, .txt, each also .gz or .zst; .parquet; .arrow, .feather or .ipc; .jsonl),
            a pattern of such files (``part-*.parquet``), a folder that ``datasets.save_to_disk`` wrote, or
            ``hf:owner/name[:configuration][@revision]`` on the Hugging Face hub.
        columns: names; None: all columns except those of other types than numbers, labels and times.
        split: the part to read, where a folder or hub name has several.

    Raises:
        FileNotFoundError: no such file.
        MissingExtra: a hub name, and the package `datasets` is not installed.
        ValueError: an unknown kind of file; a file that cannot be read as such; a column that is missing (the
            nearest name is suggested) or of another type; a table without rows.
    """
    lazy = _open(str(source), split)
    try:
        names = _measurable(source, lazy, columns)
        frame = lazy.select(names).with_columns(cs.string().cast(pl.Categorical)).collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ValueError(f"measure: {source} cannot be read as a table: {first_line(error)}") from error
    refuse(
        frame.is_empty(), f"measure: {source} has no {'rows' if names else 'columns of numbers or labels'}"
    )
    return frame


def _measurable(source: str | Path, lazy: pl.LazyFrame, columns: Iterable[str] | None) -> list[str]:
    """Names of the wanted columns, or of all numbers, labels and times: no lists, structures or bytes."""
    kinds = cs.numeric() | cs.string() | cs.boolean() | cs.categorical() | cs.enum() | cs.temporal()
    measurable = lazy.select(kinds).collect_schema().names()
    if columns is None:
        return measurable
    schema, names = lazy.collect_schema(), list(dict.fromkeys(columns))
    for name in names:
        _check_known(source, "column", schema.names(), name)
        refuse(
            name not in measurable,
            f"measure: {source}: column {name} is {schema[name]}; expected numbers, labels or times",
        )
    return names


def _open(source: str, split: str) -> pl.LazyFrame:
    path = Path(source).expanduser()
    if source.startswith("hf:"):
        return _hub(source, split)
    if path.is_dir():
        return _saved_dataset(path, split)
    if not path.exists() and not list(path.parent.glob(path.name)):
        raise FileNotFoundError(f"measure: there is no file {source}; expected a table, or hf:owner/name")
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in (".gz", ".zst")]
    refuse(
        not suffixes or suffixes[-1] not in _SCANNERS,
        f"measure: {source} is not a known kind of table; expected one of {', '.join(_SCANNERS)}",
    )
    return _SCANNERS[suffixes[-1]](path)


def _scan_text(separator: str) -> Callable[[Path], pl.LazyFrame]:
    def scan(path: Path) -> pl.LazyFrame:
        return pl.scan_csv(path, separator=separator, null_values=list(MISSING), infer_schema_length=None)

    return scan


_SCANNERS: dict[str, Callable[[Path], pl.LazyFrame]] = {
    ".csv": _scan_text(","),
    ".tsv": _scan_text("\t"),
    ".txt": _scan_text("\t"),
    ".parquet": pl.scan_parquet,
    ".arrow": pl.scan_ipc,
    ".feather": pl.scan_ipc,
    ".ipc": pl.scan_ipc,
    ".jsonl": pl.scan_ndjson,
}


def _saved_dataset(folder: Path, split: str) -> pl.LazyFrame:
    """The Arrow files that ``datasets.save_to_disk`` wrote, memory-mapped."""
    if (folder / "dataset_dict.json").exists():
        splits = json.loads((folder / "dataset_dict.json").read_text())["splits"]
        _check_known(folder, "split", splits, split)
        folder = folder / split
    refuse(
        not (folder / "state.json").exists(),
        f"measure: {folder} is a folder, but not one that datasets.save_to_disk wrote; "
        f"give a file, or a pattern such as '{folder}/*.parquet'",
    )
    files = json.loads((folder / "state.json").read_text())["_data_files"]
    tables = [pa.ipc.open_stream(pa.memory_map(str(folder / file["filename"]))).read_all() for file in files]
    return _lazy(pa.concat_tables(tables))


def _hub(source: str, split: str) -> pl.LazyFrame:
    name = _HUB_NAME.fullmatch(source)
    if name is None:
        raise ValueError(f"measure: received {source!r}, expected hf:owner/name[:configuration][@revision]")
    needs("datasets", extra="learning", operation=f"measure: reading {source}")
    from datasets import load_dataset

    try:
        dataset: Any = load_dataset(name["repo"], name["config"], revision=name["revision"], split=split)
        return _lazy(dataset.with_format("arrow")[:])
    except Exception as error:
        raise ValueError(
            f"measure: cannot open {source} on the Hugging Face hub: {first_line(error)}; "
            "expected the name of a dataset there and a network connection, or a local file"
        ) from error


def _lazy(table: pa.Table) -> pl.LazyFrame:
    """A memory-mapped table as a lazy frame, without a copy."""
    frame = pl.from_arrow(table, rechunk=False)
    assert isinstance(frame, pl.DataFrame)
    return frame.lazy()


def _check_known(source: str | Path, what: str, available: list[str], name: str) -> None:
    if name not in available:
        raise ValueError(f"measure: {source} has no {what} {name!r}; {did_you_mean(name, available)}")
