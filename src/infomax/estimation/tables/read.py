"""A table of samples, from wherever it lies, as a Polars frame of the columns that are wanted."""

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import polars as pl
from polars import selectors as cs

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")
"""What counts as missing in a file of text."""

_HUB_NAME = re.compile(r"hf:(?P<repo>[^:@]+)(:(?P<config>[^@]+))?(@(?P<revision>.+))?")


def read_frame(
    source: str | Path, columns: Iterable[str] | None = None, *, split: str = "train"
) -> pl.DataFrame:
    """The columns of a table, or all that can be measured: numbers, labels, times.

    A file is read lazily and in streams, and text becomes categories while it is read, so that memory grows
    with the columns wanted, not with the file.

    Args:
        source: a file (.csv, .tsv, .txt, each also .gz or .zst; .parquet; .arrow, .feather or .ipc; .jsonl),
            a pattern of such files (``part-*.parquet``), a folder that `datasets` saved, or
            ``hf:owner/name[:configuration][@revision]`` on the Hugging Face hub.
        columns: names; None: all but those of a type that is neither number, label nor time.
        split: which part, of a folder or hub name that has several.
    Raises:
        FileNotFoundError: no such file.
        ValueError: an unknown kind of file, one that cannot be read as such, a column that is not there
            (the nearest is suggested) or cannot be measured, a table without rows.
    """
    lazy = _open(str(source), split)
    try:
        names = _measurable(source, lazy, columns)
        frame = lazy.select(names).with_columns(cs.string().cast(pl.Categorical)).collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ValueError(f"measure: {source} cannot be read as a table: {_first_line(error)}") from error
    if frame.is_empty():
        raise ValueError(f"measure: {source} has no {'rows' if names else 'columns of numbers or labels'}")
    return frame


def _measurable(source: str | Path, lazy: pl.LazyFrame, columns: Iterable[str] | None) -> list[str]:
    """Names of the columns asked for, or of all numbers, labels and times: no lists, structures or bytes."""
    kinds = cs.numeric() | cs.string() | cs.boolean() | cs.categorical() | cs.enum() | cs.temporal()
    measurable = lazy.select(kinds).collect_schema().names()
    if columns is None:
        return measurable
    schema = lazy.collect_schema()
    names = _known(source, "column", schema, columns)
    for name in names:
        if name not in measurable:
            raise ValueError(
                f"measure: {source}: column {name} is {schema[name]}; expected numbers, labels or times"
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
    if not suffixes or suffixes[-1] not in _SCANNERS:
        raise ValueError(f"measure: {source} is no table that I know; expected one of {', '.join(_SCANNERS)}")
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
    from datasets import DatasetDict, load_from_disk

    try:
        dataset = load_from_disk(str(folder))
    except FileNotFoundError as error:
        raise ValueError(
            f"measure: {folder} is a folder, but none that datasets.save_to_disk wrote; "
            f"give a file, or a pattern such as '{folder}/*.parquet'"
        ) from error
    if isinstance(dataset, DatasetDict):
        dataset = dataset[_known(folder, "split", dataset, [split])[0]]
    return _lazy(dataset)


def _hub(source: str, split: str) -> pl.LazyFrame:
    from datasets import load_dataset

    name = _HUB_NAME.fullmatch(source)
    if name is None:
        raise ValueError(f"measure: received {source!r}, expected hf:owner/name[:configuration][@revision]")
    try:
        return _lazy(load_dataset(name["repo"], name["config"], revision=name["revision"], split=split))
    except Exception as error:
        raise ValueError(
            f"measure: cannot open {source} on the Hugging Face hub: {_first_line(error)}; "
            "expected the name of a dataset there and a network connection, or a local file"
        ) from error


def _lazy(dataset: Any) -> pl.LazyFrame:
    """A memory-mapped dataset as a lazy frame: only the columns that are wanted are read."""
    frame = pl.from_arrow(dataset.with_format("arrow")[:])
    assert isinstance(frame, pl.DataFrame)
    return frame.lazy()


def _known(source: str | Path, what: str, available: Iterable[Any], names: Iterable[str]) -> list[str]:
    """The names, each once, and each found among those available."""
    available, names = list(map(str, available)), list(dict.fromkeys(names))
    for name in names:
        if name not in available:
            near = get_close_matches(name, available, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(available[:20])}"
            raise ValueError(f"measure: {source} has no {what} {name!r}; {hint}")
    return names


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
