"""Tables of labels: a row a thing, found by its path, file name or stem."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa
from polars import selectors as cs

from infomax.errors import did_you_mean, refuse
from infomax.estimation.tables.reading.columnar import read_parquet
from infomax.files import most_bytes, reading
from infomax.learning.data.labels.meaning import Asked
from infomax.learning.data.labels.texts import label_texts
from infomax.learning.data.sources.columns import LABEL_COLUMNS
from infomax.learning.data.targets import counted

NAME_COLUMNS = ("file_name", "filename", "file", "path", "filepath", "image_path", "image", "name", "id")
"""Columns that hold names, the likelier first, where two match as many things."""
SPLIT_COLUMNS = ("split", "set", "fold", "subset")
"""Columns that are neither names nor labels."""
METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
"""Tables beside images that Hugging Face's `imagefolder` reads, too; their column of names is file_name."""
MAX_SUFFIX = 5


@dataclass(frozen=True)
class LabelTable:
    """Rows of one table or several.

    Attributes:
        name: for messages.
        frame: all columns.
        root: folder that absolute paths lie below.
        key: column of the names; None where it is to be found.
        option: what stands before a column after --labels.
    """

    name: str
    frame: pl.DataFrame
    root: Path | None = None
    key: str | None = None
    option: str = ""


class Joined(NamedTuple):
    """Labels of things, found in a table.

    Attributes:
        texts: of the things, null where the table has none.
        everywhere: of all rows of the table, whatever split they are of.
        asked: what is known of them.
        notes: rows that match nothing, things without a row.
    """

    texts: pa.Array
    everywhere: pa.Array
    asked: Asked
    notes: tuple[str, ...]


def read_table(path: Path, root: Path | None = None) -> LabelTable:
    """Return a table of labels: delimited text, a workbook, Parquet or lines of JSON.

    Raises:
        ValueError: it cannot be read, or has no rows.
    """
    frame = _frame(path)
    refuse(frame.is_empty(), f"labels: {path} has no rows; expected a row for each thing")
    return LabelTable(path.name, frame, root, option=f"{path}:")


def _frame(path: Path) -> pl.DataFrame:
    readers = {
        ".parquet": read_parquet,
        ".jsonl": partial(pl.read_ndjson, infer_schema_length=None),
        ".ndjson": partial(pl.read_ndjson, infer_schema_length=None),
        ".json": partial(pl.read_json, infer_schema_length=None),
    }
    with reading("labels", path, "expected names and labels", most_bytes()):
        if path.suffix.lower() in readers:
            return readers[path.suffix.lower()](path)
        from infomax.estimation.tables.read import read_frame

        return read_frame(path).frame.with_columns(cs.categorical().cast(pl.String))


def read_metadata(root: Path, files: Sequence[str]) -> LabelTable | None:
    """Return the rows of ``metadata.csv`` and the like below a folder; None where there is none.

    Their column file_name holds paths relative to their own folder.

    Args:
        root: the folder.
        files: all files below it, relative to it.
    """
    found = [file for file in files if PurePosixPath(file).name in METADATA]
    frames = []
    for file in found:
        frame = _frame(root / file)
        if "file_name" in frame.columns:
            prefix = file.rpartition("/")[0]
            below = pl.lit(f"{prefix}/" if prefix else "") + pl.col("file_name").cast(pl.String)
            frames.append(frame.with_columns(below.alias("file_name")))
    if not frames:
        return None
    return LabelTable(found[0], pl.concat(frames, how="diagonal_relaxed"), root, "file_name")


def label_columns(table: LabelTable, key: str | None) -> tuple[str, ...]:
    """Return the columns of labels of a table in which none has been named; () where that is not clear."""
    others = [name for name in table.frame.columns if name != key and name.lower() not in SPLIT_COLUMNS]
    usual = [name for known in LABEL_COLUMNS for name in others if name.lower() == known]
    if usual or len(others) == 1:
        return tuple(usual[:1] or others)
    marks = [name for name in others if _holds_marks(table.frame[name])]
    return tuple(others) if others and marks == others else ()


def _holds_marks(column: pl.Series) -> bool:
    if column.dtype == pl.Boolean:
        return True
    values = column.drop_nulls()
    return column.dtype.is_numeric() and bool(((values == 0) | (values == 1)).all())


def joined(
    table: LabelTable,
    names: Sequence[str],
    *,
    every: Iterable[str],
    columns: tuple[str, ...],
    form: str | None,
) -> Joined:
    """Return the labels of things by their names.

    Names are compared as paths, as paths without suffix, as file names and as stems; the comparison that
    finds most things is taken for all of them.

    Args:
        table: names and labels.
        names: of the things.
        every: names of the things of all splits.
        columns: that hold labels; () to find them.
        form: what labels are taken for; None where they decide.

    Raises:
        ValueError: no such column; it is not clear which holds labels; no name of the table is one of a
            thing; a name means several things, or has several labels.
    """
    for column in columns:
        near = did_you_mean(column, table.frame.columns)
        refuse(column not in table.frame.columns, f"labels: {table.name} has no column {column!r}; {near}")
    every = list(dict.fromkeys([*every, *names]))
    key, level = _matched(table, every, columns)
    wanted = columns or label_columns(table, key)
    refuse(
        not wanted,
        f"labels: it is not clear which column of {table.name} holds labels: "
        f"{', '.join(table.frame.columns)}; name it: --labels FILE:COLUMN (several: FILE:A,B)",
    )
    keys = [_KEYS[level](_path(one, table.root)) for one in table.frame[key].cast(pl.String).to_list()]
    texts = _label_texts(table.frame, wanted)
    place = _places(table.name, keys, texts)
    _check_unique(table.name, _KEYS[level], every, place)
    rows = [place.get(_KEYS[level](name)) for name in names]
    title = ",".join(wanted)
    several = tuple(wanted) if len(wanted) > 1 else None
    asked = Asked(f"{table.name}:{title}", f"{table.option}{title}", title, form, several, bool(columns))
    notes = (*_notes(table.name, keys, rows, level, every), *_splits_unused(table, (key, *wanted)))
    return Joined(texts.take(pa.array(rows, pa.int64())), texts, asked, notes)


def _label_texts(frame: pl.DataFrame, columns: Sequence[str]) -> pa.Array:
    if len(columns) == 1:
        return label_texts(frame[columns[0]].to_list())
    rows = frame.select(columns).rows()
    return label_texts(None if all(one is None for one in row) else list(row) for row in rows)


def _matched(table: LabelTable, names: Sequence[str], columns: tuple[str, ...]) -> tuple[str, str]:
    """Return the column of names and the comparison that find most things."""
    likely = [table.key] if table.key else _by_likelihood(table.frame)
    possible = [one for one in likely if one not in columns]
    keys = {level: {key(name) for name in names} for level, key in _KEYS.items()}
    best, found = ("", ""), 0
    for column in possible:
        given = [_path(one, table.root) for one in table.frame[column].cast(pl.String).unique().to_list()]
        for level, key in _KEYS.items():
            num = len(keys[level] & {key(one) for one in given if one})
            best, found = ((column, level), num) if num > found else (best, found)
    if not found:
        first = table.frame[possible[0]][0] if possible else "no names"
        raise ValueError(
            f"labels: no name in {table.name} (such as {first}) is that of one of {len(names):,} things "
            f"(such as {names[0]}); expected a column of paths, file names or stems; give another table"
        )
    return best


def _by_likelihood(frame: pl.DataFrame) -> list[str]:
    usable = [name for name, kind in frame.schema.items() if kind == pl.String or kind.is_integer()]
    likely = {name: place for place, name in enumerate(NAME_COLUMNS)}
    return sorted(usable, key=lambda name: likely.get(name.lower(), len(likely)))


def _path(name: str | None, root: Path | None) -> str:
    """Return a name as the things have it: with /, relative to the folder."""
    path = (name or "").replace("\\", "/").removeprefix("./")
    if root is not None and path.startswith("/"):
        path = path.removeprefix(f"{root.resolve().as_posix()}/")
    return path


def _without_suffix(path: str) -> str:
    before, _, suffix = path.rpartition(".")
    is_suffix = before and 2 <= len(suffix) <= MAX_SUFFIX and "/" not in suffix and not suffix.isdigit()
    return before if is_suffix else path


def _stem(path: str) -> str:
    stem = _without_suffix(path.rpartition("/")[2])
    return str(int(stem)) if stem.isdecimal() else stem


_KEYS = {
    "path": str,
    "path without suffix": _without_suffix,
    "file name": lambda path: path.rpartition("/")[2],
    "stem": _stem,
}
"""Ways to compare names, the strictest first. Stems that are numbers are compared as such: 007 is 7."""


def _places(table: str, keys: Sequence[str], texts: pa.Array) -> Mapping[str, int]:
    """Return the row of each name.

    Raises:
        ValueError: a name has several rows with different labels.
    """
    place: dict[str, int] = {}
    labels = texts.to_pylist()
    for row, key in enumerate(keys):
        first = place.setdefault(key, row)
        refuse(
            labels[first] != labels[row] and key,
            f"labels: {table} names {key} twice, with the labels {labels[first]} and {labels[row]}; expected "
            "one row for each thing; correct it",
        )
    place.pop("", None)
    return place


def _check_unique(table: str, key: Any, names: Sequence[str], place: Mapping[str, int]) -> None:
    shared = [one for one, num in Counter(map(key, names)).items() if num > 1 and one in place]
    if shared:
        both = [name for name in names if key(name) == shared[0]]
        raise ValueError(
            f"labels: {table} names {shared[0]}, which may be {both[0]} or {both[1]}; expected one thing for "
            f"each name ({counted(len(shared), 'name')} of this kind); write paths relative to the folder "
            "into the table"
        )


def _splits_unused(table: LabelTable, used: Sequence[str]) -> list[str]:
    """Return a line where a table says of which split things are, which nothing here follows."""
    named = [one for one in table.frame.columns if one.lower() in SPLIT_COLUMNS and one not in used]
    return [
        f"column {one} of {table.name} is not used; folders such as train/ and test/ are splits"
        for one in named
    ]


def _notes(
    table: str, keys: Sequence[str], rows: Sequence[int | None], level: str, every: Sequence[str]
) -> tuple[str, ...]:
    """Return what matched, and how many did not."""
    there = set(map(_KEYS[level], every))
    num_idle = sum(key not in there for key in keys)
    num_none = sum(row is None for row in rows)
    idle = (
        [f"{counted(num_idle, 'row')} of {table} match{'es' * (num_idle == 1)} nothing"] if num_idle else []
    )
    none = [f"{num_none:,} have no row in {table}"] if num_none else []
    return (f"{table} joined by {level}", *idle, *none)
