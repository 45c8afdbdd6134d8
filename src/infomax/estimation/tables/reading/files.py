"""Files of every kind that holds a table: found, unpacked, and opened as lazy Polars frames."""

import bz2
import gzip
import io
import json
import lzma
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import polars as pl
import pyarrow as pa

from infomax.errors import did_you_mean, in_one_line, needs, refuse
from infomax.estimation.tables.reading.columnar import check_stream, scan_arrow, scan_parquet
from infomax.estimation.tables.reading.dialect import SAMPLE_BYTES, guess_encoding
from infomax.estimation.tables.reading.frames import ReadFrame, as_frame, first_line
from infomax.files import load_arrays, most_bytes, read_json, reading, sized

TEXT: Mapping[str, str] = {
    ".csv": ",", ".tsv": "\t", ".tab": "\t", ".txt": "\t", ".psv": "|", ".dat": ",", ".data": ",",
}  # fmt: skip
"""Text files, with the separator that each usually has."""
WORKBOOKS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods")
COMPRESSED = (".gz", ".zst", ".bz2", ".xz", ".zip")
CONVERTED: Mapping[str, str] = {
    ".sav": "pandas.read_spss({0!r})",
    ".dta": "pandas.read_stata({0!r})",
    ".sas7bdat": "pandas.read_sas({0!r})",
    ".xpt": "pandas.read_sas({0!r})",
    ".h5": "pandas.read_hdf({0!r})",
    ".hdf5": "pandas.read_hdf({0!r})",
    ".pkl": "pandas.read_pickle({0!r})",
    ".pickle": "pandas.read_pickle({0!r})",
    ".orc": "pandas.read_orc({0!r})",
    ".html": "pandas.read_html({0!r})[0]",
    ".xml": "pandas.read_xml({0!r})",
}
"""Files that pandas reads and this does not."""

_MAGIC: Sequence[tuple[bytes, str]] = (
    (b"PAR1", ".parquet"),
    (b"ARROW1", ".arrow"),
    (b"\x1f\x8b", ".gz"),
    (b"\x28\xb5\x2f\xfd", ".zst"),
    (b"BZh", ".bz2"),
    (b"\xfd7zXZ", ".xz"),
    (b"PK\x03\x04", ".zip"),
    (b"\xd0\xcf\x11\xe0", ".xls"),
    (b"\x93NUMPY", ".npy"),
    (b"\x89HDF", ".h5"),
    (b"%PDF", ".pdf"),
    (b"SQLite format 3", ".sqlite"),
)
_HUB_NAME = re.compile(r"hf:(?P<repo>[^:@]+)(:(?P<config>[^@]+))?(@(?P<revision>.+))?")
_SECONDS = 60
_SAVED = "save it again by datasets.save_to_disk"
MAX_RATIO, MIN_UNPACKED = 200, 64 << 20
"""A file may unpack to so many times its bytes, or to 64 MiB where that is more."""
_FILE = {"type": "object", "required": ["filename"], "properties": {"filename": {"type": "string"}}}
_STATE: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "splits": {"type": "array", "items": {"type": "string"}},
        "_data_files": {"type": "array", "items": _FILE},
    },
}
"""The schema of ``dataset_dict.json`` and ``state.json``."""


@dataclass(frozen=True, eq=False)
class Found:
    """A table's files, or what they hold.

    Args:
        name: what the user called it.
        parts: paths, or bytes that were received or unpacked, one for each file.
        suffix: the kind of file, without compression.
        packed: the compression that Polars still has to undo: .gz, .zst or nothing.
    """

    name: str
    parts: tuple[Path | bytes, ...]
    suffix: str
    packed: str = ""

    def unpacked(self) -> Any:
        """Return the first file, open, as unpacked bytes."""
        first = self.parts[0]
        return _unpacking(first, self.packed)

    @property
    def head(self) -> bytes:
        """The first bytes of the first file, unpacked."""
        try:
            with self.unpacked() as file:
                return file.read(SAMPLE_BYTES)
        except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
            raise ValueError(f"measure: {self.name} cannot be unpacked: {first_line(error)}") from error

    def content(self) -> tuple[bytes, ...]:
        """Return all bytes of each file, unpacked."""
        return tuple(_all_bytes(self.name, part, self.packed) for part in self.parts)

    @property
    def first(self) -> Any:
        """The first file, as readers take it."""
        return io.BytesIO(self.parts[0]) if isinstance(self.parts[0], bytes) else self.parts[0]


@dataclass(frozen=True, eq=False)
class Opened:
    """A table that is not read yet.

    Args:
        lazy: its columns.
        from_text: its cells were words, some of which mean a missing value.
        read: what is known of it already.
    """

    lazy: pl.LazyFrame
    from_text: bool = False
    read: ReadFrame | None = None
    notes: tuple[str, ...] = ()


def find(source: str | Path | Sequence[str | Path]) -> Found:
    """Return the files of a source: a path, a pattern, a page on the network, or - for standard input.

    Of several sources, which are files of one kind, it returns those of all, in their order.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a kind of file that is not read, and the message says how to convert it; several sources
            of different kinds.
    """
    if isinstance(source, str | Path):
        return _found(str(source))
    found = [_found(str(one)) for one in source]
    kinds = {(one.suffix, one.packed) for one in found}
    refuse(
        len(kinds) != 1,
        f"measure: got {len(found)} tables of {len(kinds)} kinds; expected files of one kind, which are read "
        "one below the other",
    )
    parts = tuple(part for one in found for part in one.parts)
    return replace(found[0], name=_name_of_all([one.name for one in found]), parts=parts)


def _name_of_all(names: Sequence[str]) -> str:
    """Return a pattern that all names fit, by how they begin and end, and their number."""
    if len(names) == 1:
        return names[0]
    start = _beginning(names)
    end = _beginning([name[len(start) :][::-1] for name in names])[::-1]
    return f"{start}*{end} ({len(names)} files)"


def _beginning(names: Sequence[str]) -> str:
    """Return the signs with which all names begin."""
    return "".join(first for first, *_ in takewhile(lambda one: len({*one}) == 1, zip(*names, strict=False)))


def _found(source: str) -> Found:
    """Return the files of one source."""
    if source == "-":
        return _recognised("standard input", sys.stdin.buffer.read())
    if re.match(r"https?://", source):
        return _unpacked(source, (_fetched(source),), PurePosixPath(urlsplit(source).path).suffixes)
    refuse(
        re.match(r"[a-z][a-z0-9+]+://", source),
        f"measure: cannot read a table at {source}; download it, and give the file",
    )
    path = Path(source).expanduser()
    paths = (path,) if path.exists() else tuple(sorted(path.parent.glob(path.name))) if path.name else ()
    if not paths:
        raise FileNotFoundError(f"measure: there is no file {source}; expected a table, or hf:owner/name")
    for one in paths:
        with reading("measure", one, "give a table, or pipe it into `infomax measure -`"):
            pass
    return _unpacked(source, paths, path.suffixes)


def open_binary(found: Found, split: str) -> Opened:
    """Return a table that is no delimited text, still to be read where its kind allows it.

    Args:
        found: its files.
        split: the sheet, where a workbook has several.
    """
    if found.suffix in _SCANNERS:
        return Opened(_SCANNERS[found.suffix](found.parts))
    return _READERS[found.suffix](found, split)


def open_folder(folder: Path, split: str) -> Opened:
    """Return the Arrow files that ``datasets.save_to_disk`` wrote, memory-mapped."""
    if (folder / "dataset_dict.json").exists():
        splits = read_json(folder / "dataset_dict.json", "measure", _SAVED, _STATE).get("splits", ())
        check_known(str(folder), "split", splits, split)
        folder = folder / split
    refuse(
        not (folder / "state.json").exists(),
        f"measure: {folder} is a folder, but not one that datasets.save_to_disk wrote; "
        f"give a file, or a pattern such as '{folder}/*.parquet'",
    )
    files = read_json(folder / "state.json", "measure", _SAVED, _STATE).get("_data_files", ())
    names = [file["filename"] for file in files]
    for name in names:
        refuse(Path(name).name != name, f"measure: {folder} names the file {name!r}, expected one inside it")
    with reading("measure", folder / "state.json", _SAVED):
        for name in names:
            check_stream(folder / name)
        tables = [pa.ipc.open_stream(pa.memory_map(str(folder / name))).read_all() for name in names]
        return Opened(_lazy(pa.concat_tables(tables)))


def open_hub(source: str, split: str) -> Opened:
    """Return a dataset of the Hugging Face hub.

    Raises:
        MissingExtra: the package `datasets` is not installed.
        ValueError: a name that is none, or nothing there.
    """
    name = _HUB_NAME.fullmatch(source)
    if name is None:
        raise ValueError(f"measure: received {source!r}, expected hf:owner/name[:configuration][@revision]")
    needs("datasets", extra="learning", operation=f"measure: reading {source}")
    from datasets import load_dataset

    try:
        dataset: Any = load_dataset(name["repo"], name["config"], revision=name["revision"], split=split)
        return Opened(_lazy(dataset.with_format("arrow")[:]))
    except Exception as error:
        raise ValueError(
            f"measure: cannot open {source} on the Hugging Face hub: {first_line(error)}; "
            "expected the name of a dataset there and a network connection, or a local file"
        ) from error


def check_known(source: str, what: str, available: Sequence[str], name: str) -> None:
    """Check that a source has a column, split or sheet of this name.

    Raises:
        ValueError: it has not; the nearest name is suggested.
    """
    if name not in available:
        alike = [one for one in available if one.strip().casefold() == name.strip().casefold()]
        remedy = f"did you mean {alike[0]!r}?" if alike else did_you_mean(name, available)
        raise ValueError(f"measure: {source} has no {what} {name!r}; {remedy}")


def as_sources(parts: Sequence[Path | bytes]) -> Any:
    """Return files as Polars takes them; those with signs of a pattern in their names as bytes."""
    contents = [
        part.read_bytes() if isinstance(part, Path) and set("*?[") & {*str(part)} else part for part in parts
    ]
    sources = [io.BytesIO(part) if isinstance(part, bytes) else part for part in contents]
    return sources if len(sources) > 1 else sources[0]


def check_text(found: Found) -> None:
    """Check that a file that should be text is no other kind.

    Raises:
        ValueError: it is empty, or begins as another kind of file.
    """
    head = found.head
    refuse(not head.strip(), f"measure: {found.name} is empty; expected names in the first line, and rows")
    kind = _kind_of(head)
    refuse(
        kind is None and b"\0" in head and guess_encoding(head)[:3] != "utf",
        f"measure: {found.name} is not text: its bytes have no meaning in any encoding; expected a "
        "table as text",
    )
    refuse(
        kind,
        f"measure: {found.name} is not text, it begins like a {kind} file; give it a name that ends in "
        f"{kind}",
    )


def _unpacked(name: str, parts: tuple[Path | bytes, ...], suffixes: Sequence[str]) -> Found:
    """Files without a compression that Polars does not undo."""
    suffixes = [suffix.lower() for suffix in suffixes]
    packed = suffixes[-1] if suffixes and suffixes[-1] in COMPRESSED else ""
    suffix = next(reversed(suffixes[: -1 if packed else None]), "")
    if packed == ".zip":
        return _of_archives(name, parts)
    _check_suffix(name, suffix)
    if packed and (suffix not in TEXT or packed not in (".gz", ".zst") or isinstance(parts[0], bytes)):
        return Found(name, tuple(_all_bytes(name, part, packed) for part in parts), suffix)
    for part in parts if packed else ():
        _unpacked_bytes(name, part, packed, keep=False)
    return Found(name, parts, suffix, packed)


def _of_archives(name: str, parts: Sequence[Path | bytes]) -> Found:
    found = []
    for part in parts:
        with _archive(name, part) as archive:
            members = [m for m in archive.namelist() if not m.endswith("/") and not m.startswith("__MACOSX")]
            refuse(
                len(members) != 1,
                f"measure: {name} holds {len(members)} files ({', '.join(members[:3])}, …); "
                "unpack it, and give one of them",
            )
            _check_members(name, part, archive)
            found.append((archive.read(members[0]), PurePosixPath(members[0]).suffixes))
    return _unpacked(name, tuple(content for content, _ in found), found[0][1])


def _check_members(name: str, part: Path | bytes, archive: zipfile.ZipFile) -> None:
    unpacked, limit = sum(member.file_size for member in archive.infolist()), _most(part)
    refuse(
        unpacked > limit,
        f"measure: {name} unpacks to {sized(unpacked)}, expected at most {sized(limit)} for its size; if you "
        "trust it, unpack it and give what it holds",
    )


def _most(part: Path | bytes) -> int:
    """Return the bytes that a packed file may unpack to."""
    size = len(part) if isinstance(part, bytes) else part.stat().st_size
    return min(most_bytes(), max(MAX_RATIO * size, MIN_UNPACKED))


def _archive(name: str, part: Path | bytes) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(io.BytesIO(part) if isinstance(part, bytes) else part)
    except zipfile.BadZipFile as error:
        raise ValueError(f"measure: {name} cannot be unpacked as .zip: {first_line(error)}") from error


def _check_suffix(name: str, suffix: str) -> None:
    if suffix in CONVERTED:
        command = f"import pandas; {CONVERTED[suffix].format(name)}.to_parquet('table.parquet')"
        raise ValueError(f'measure: {suffix} files are not read; convert {name}: python -c "{command}"')
    refuse(
        suffix not in (*TEXT, *_SCANNERS, *_READERS),
        f"measure: {name} is not a known kind of table; expected one of "
        f"{', '.join([*TEXT, *_SCANNERS, *_READERS])}, some also {', '.join(COMPRESSED)}",
    )


def _recognised(name: str, content: bytes) -> Found:
    """Bytes without a name, by how they begin."""
    kind = _kind_of(content[:SAMPLE_BYTES])
    if kind in COMPRESSED and kind != ".zip":
        return _recognised(name, _all_bytes(name, content, kind))
    if kind == ".zip":
        kind = _kind_in_archive(content)
        if kind == ".zip":
            return _of_archives(name, (content,))
    _check_suffix(name, kind or ".csv")
    return Found(name, (content,), kind or ".csv")


def _kind_in_archive(content: bytes) -> str:
    """Return the suffix of the workbook that an archive is, or .zip."""
    with _archive("standard input", content) as archive:
        names = archive.namelist()
    if "[Content_Types].xml" in names:
        return ".xlsx"
    return ".ods" if "content.xml" in names else ".zip"


def _kind_of(head: bytes) -> str | None:
    """The kind of file by its first bytes; None for delimited text."""
    for magic, suffix in _MAGIC:
        if head.startswith(magic):
            return suffix
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start[:1] == b"{" and start.splitlines()[0].rstrip().endswith(b"}"):
        return ".jsonl"
    return ".json" if start[:1] == b"{" or re.match(rb"\[\s*[\[{]", start) else None


def _unpacking(part: Path | bytes, packed: str) -> IO[bytes] | Any:
    """An open file that yields unpacked bytes."""
    file = io.BytesIO(part) if isinstance(part, bytes) else part.open("rb")
    if packed == ".zst":
        return pa.CompressedInputStream(pa.PythonFile(file), "zstd")
    opening: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    return opening[packed](file) if packed else file


def _all_bytes(name: str, part: Path | bytes, packed: str) -> bytes:
    if packed:
        return _unpacked_bytes(name, part, packed)
    return part if isinstance(part, bytes) else part.read_bytes()


def _unpacked_bytes(name: str, part: Path | bytes, packed: str, keep: bool = True) -> bytes:
    """Return what a packed file holds; nothing without `keep`, after a look at all of it.

    Raises:
        ValueError: it is damaged, or unpacks to more than a table of its size would.
    """
    blocks, total, limit = [], 0, _most(part)
    try:
        with _unpacking(part, packed) as file:
            while total <= limit and (block := file.read(1 << 20)):
                total += len(block)
                blocks += [block] if keep else []
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise ValueError(f"measure: {name} cannot be unpacked as {packed}: {first_line(error)}") from error
    refuse(
        total > limit,
        f"measure: {name} unpacks to more than {sized(limit)}, {MAX_RATIO} times its size; if you trust it, "
        "unpack it and give what it holds",
    )
    return b"".join(blocks)


def _fetched(address: str) -> bytes:
    try:
        with urlopen(address, timeout=_SECONDS) as answer:  # nosec B310 # http and https alone come here
            return answer.read()
    except (URLError, OSError, ValueError) as error:
        raise ValueError(
            f"measure: cannot read {address}: {first_line(error)}; expected a file there, or a local file"
        ) from error


def _json(found: Found, split: str) -> Opened:
    """Records, or columns, of a JSON file; also as pandas writes them."""
    try:
        value = json.loads(found.content()[0])
    except ValueError as error:
        raise ValueError(
            f"measure: {found.name} is no JSON ({first_line(error)}); "
            "a file with one object a line ends in .jsonl"
        ) from error
    read = as_frame(f"measure: {found.name}", _table_of(value))
    return Opened(read.frame.lazy(), read=read)


def _table_of(value: Any) -> Any:
    """The table in what a JSON file holds."""
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("data"), list):  # pandas, with the orientation "split" or "table"
        rows, names = value["data"], value.get("columns")
        return rows if names is None else dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    if value and all(isinstance(column, dict) for column in value.values()):
        rows = dict.fromkeys(row for column in value.values() for row in column)
        return {name: [column.get(row) for row in rows] for name, column in value.items()}
    return value


def _numpy(found: Found, split: str) -> Opened:
    try:
        arrays = load_arrays(found.parts[0])
        table = {name: arrays[name] for name in arrays.files} if hasattr(arrays, "files") else arrays
    except Exception as error:  # damaged archives raise nearly anything
        raise ValueError(f"measure: {found.name} cannot be read as a table: {in_one_line(error)}") from error
    read = as_frame(f"measure: {found.name}", table)
    return Opened(read.frame.lazy(), read=read)


def _workbook(found: Found, split: str) -> Opened:
    """The sheet of that name, or the first one."""
    needs("fastexcel", extra="tables", operation=f"measure: reading {found.name}")
    import fastexcel

    if zipfile.is_zipfile(found.first):
        with _archive(found.name, found.parts[0]) as archive:
            _check_members(found.name, found.parts[0], archive)
    source = found.content()[0] if isinstance(found.parts[0], bytes) else str(found.parts[0])
    try:
        sheets = fastexcel.read_excel(source).sheet_names
        if split != "train":
            check_known(found.name, "sheet", sheets, split)
        sheet = split if split in sheets else sheets[0]
        frame = pl.read_excel(found.first, sheet_name=sheet, infer_schema_length=None, raise_if_empty=False)
    except (fastexcel.FastExcelError, pl.exceptions.PolarsError) as error:
        raise ValueError(
            f"measure: {found.name} cannot be read as a workbook: {first_line(error)}"
        ) from error
    others = [one for one in sheets if one != sheet]
    note = f"sheet {sheet!r} is read; --split reads another one of {', '.join(others)}"
    return Opened(frame.lazy(), from_text=True, notes=(note,) if others and split != sheet else ())


def _lazy(table: pa.Table) -> pl.LazyFrame:
    """A memory-mapped table as a lazy frame, without a copy."""
    frame = pl.from_arrow(table, rechunk=False)
    assert isinstance(frame, pl.DataFrame)
    return frame.lazy()


def _scan_lines(parts: Sequence[Path | bytes]) -> pl.LazyFrame:
    return pl.scan_ndjson(as_sources(parts), infer_schema_length=None)


_SCANNERS: dict[str, Callable[[Sequence[Path | bytes]], pl.LazyFrame]] = {
    ".parquet": scan_parquet,
    ".arrow": scan_arrow,
    ".feather": scan_arrow,
    ".ipc": scan_arrow,
    ".jsonl": _scan_lines,
    ".ndjson": _scan_lines,
}
SCANNED = tuple(_SCANNERS)
"""Files of columns that can be read in parts."""
_READERS: dict[str, Callable[[Found, str], Opened]] = {
    ".json": _json,
    ".npy": _numpy,
    ".npz": _numpy,
    **dict.fromkeys(WORKBOOKS, _workbook),
}
