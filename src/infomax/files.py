"""Files written beside and then renamed, and files of strangers read within limits.

A reader never sees half of a file that is written here, and a failure loses nothing. What is read may be
damaged or hostile: a pipe or a device is not opened, no more is read or unpacked than a stated limit, values
that are read back have the form that their schema says, nothing in a file is executed, and every fault is one
line that names the file and the remedy.
"""

import glob
import io
import json
import math
import os
import re
import stat
import tempfile
import time
import zipfile
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from infomax.errors import MissingExtra, in_one_line, refuse, without_panics
from infomax.hashes import note_hash
from infomax.memory import total_memory

MAX_JSON = 32 << 20
"""Bytes of a JSON file that is read back."""
MAX_YAML = 64 << 10
"""Bytes of a YAML file that is read."""
MAX_DEPTH = 32
"""Values within values of a YAML file."""
MAX_SHARE = 0.5
"""Largest file that is read whole, and the most that an archive may unpack to, as a share of the memory."""
UNFINISHED = ".unfinished-"
"""How the name of a file begins that is not complete yet."""
SECONDS_OF_LEFTOVERS = 3600.0
"""Age from which a file that is not complete was left by a process that was killed."""
OBJECT: Mapping[str, Any] = {"type": "object"}
"""The schema of any JSON object."""


class Unreadable(ValueError):
    """A file is damaged, too large or of a kind that is not opened; the message names it and the remedy."""


def absolute(source: str) -> str:
    """Return a path, or a pattern of paths, as an absolute one, so that it is found again from anywhere.

    Other sources stay as they are.
    """
    if Path(source).exists():
        return str(Path(source).resolve())
    is_pattern = re.search(r"[{*?]", source) and "://" not in source
    return str(Path(source).expanduser().absolute()) if is_pattern else source


def check_free(operation: str, path: str | Path, overwrite: bool) -> None:
    """Check that there is nothing at a path yet, or that it is to be replaced.

    Raises:
        FileExistsError: there is.
    """
    if not overwrite and Path(path).exists():
        raise FileExistsError(f"{operation}: {path} exists; give --overwrite to replace it, or move it away")


@contextmanager
def replacing(path: str | Path, before: str | Path | None = None) -> Generator[Path]:
    """Give a temporary path; what is written there replaces `path` when the block ends without an error.

    It lies beside `path`, and is on the disk before it takes its place. What a process that was killed left
    of the same file an hour ago or more is removed. Where the folder keeps a record of hashes, that of the
    file is added to it.

    Args:
        path: the file.
        before: where the file that `path` was so far is kept; by default it is not.

    Raises:
        FileNotFoundError: the folder of `path` does not exist.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}; make it first")
    _remove_leftovers(path)
    handle, name = tempfile.mkstemp(prefix=f"{UNFINISHED}{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        sync(temporary)
        note_hash(path, temporary)
        if before is not None and path.exists():
            path.replace(before)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until a file is on the disk: a machine that loses its power then keeps it."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _remove_leftovers(path: Path) -> None:
    """Remove what killed processes left of a file; who writes one now has touched it within the hour."""
    stem, suffix = glob.escape(path.stem), glob.escape(path.suffix)
    for leftover in path.parent.glob(f"{UNFINISHED}{stem}-????????{suffix}"):
        with suppress(FileNotFoundError):  # another process removes it as well
            if time.time() - leftover.stat().st_mtime > SECONDS_OF_LEFTOVERS:
                leftover.unlink()


def most_bytes() -> int:
    """Return the bytes that may be read at once: half of the memory of this machine, or of its container."""
    return int(MAX_SHARE * total_memory())


def why_closed(status: os.stat_result, at_most: int | None = None) -> str | None:
    """Return why something must not be opened as a file; None where it may be.

    Pipes, sockets and devices would never end; a file that is too large would not fit.

    Args:
        status: what `os.stat` says of it.
        at_most: bytes that it may have.
    """
    kinds = {
        "pipe": stat.S_ISFIFO,
        "socket": stat.S_ISSOCK,
        "device": lambda mode: stat.S_ISCHR(mode) or stat.S_ISBLK(mode),
        "folder": stat.S_ISDIR,
    }
    kind = next((kind for kind, is_it in kinds.items() if is_it(status.st_mode)), None)
    if kind is not None:
        return f"it is a {kind}, not a file"
    if at_most is None or status.st_size <= at_most:
        return None
    return f"it has {sized(status.st_size)}, expected at most {sized(at_most)}"


@contextmanager
def reading(operation: str, path: str | Path, remedy: str, at_most: int | None = None) -> Generator[Path]:
    """Check that a file may be opened, and name it in whatever goes wrong in the block that reads it.

    Args:
        operation, remedy: for the message.
        path: the file.
        at_most: bytes that it may have.

    Raises:
        FileNotFoundError: there is no such file.
        MissingExtra: as the block raises it.
        Unreadable: it is none or too large; or the block raised any error, whose words the message has.
    """
    try:
        closed = why_closed(Path(path).stat(), at_most)
        refuse(closed, closed or "")
        with without_panics():
            yield Path(path)
    except FileNotFoundError as error:
        if error.filename is None:
            raise
        raise FileNotFoundError(f"{operation}: there is no file {error.filename}; {remedy}") from error
    except (Unreadable, MissingExtra, NameError):
        raise
    except Exception as error:  # readers of damaged files raise nearly anything
        raise Unreadable(f"{operation}: cannot read {path}: {in_one_line(error)}; {remedy}") from error


def read_json(
    path: str | Path,
    operation: str,
    remedy: str,
    schema: Mapping[str, Any] = OBJECT,
    at_most: int = MAX_JSON,
) -> Any:
    """Return what a JSON file holds, in the form that a schema says.

    Args:
        path, operation, remedy, at_most: as of `reading`.
        schema: JSON schema (draft 7).

    Raises:
        FileNotFoundError, Unreadable: as `reading`; the file is no JSON, or of another form.
    """
    with reading(operation, path, remedy, at_most):
        return parse_json(Path(path).read_bytes(), schema)


def parse_json(text: str | bytes, schema: Mapping[str, Any] = OBJECT) -> Any:
    """Return what JSON holds, in the form that a schema says.

    Raises:
        ValueError: it is no JSON, or of another form.

    Example:
        >>> parse_json('{"depth": -1}', {"properties": {"depth": {"minimum": 1}}})
        Traceback (most recent call last):
        ValueError: depth must be bigger than or equal to 1
    """
    import fastjsonschema

    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"it is not JSON ({in_one_line(error)})") from None
    try:
        fastjsonschema.compile(dict(schema), use_default=False)(value)
    except fastjsonschema.JsonSchemaValueException as error:
        where = error.message.removeprefix("data.")
        raise ValueError(f"it{where[4:]}" if where.startswith("data ") else where) from None
    return value


def read_yaml(path: str | Path, operation: str, remedy: str, schema: Mapping[str, Any] = OBJECT) -> Any:
    """Return the mapping that a YAML file holds: plain values, without aliases or tags of a program.

    Args:
        path, operation, remedy: as of `reading`.
        schema: JSON schema (draft 7).

    Raises:
        FileNotFoundError, Unreadable: as `reading`; the file is no YAML, of another form, has aliases or more
            than 64 KiB.
    """
    import yaml

    with reading(operation, path, remedy, MAX_YAML):
        text = Path(path).read_text(encoding="utf-8")
        depth = 0
        for event in yaml.parse(text, yaml.SafeLoader):
            refuse(isinstance(event, yaml.AliasEvent), "it has an alias (*name), expected all values in full")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            refuse(depth > MAX_DEPTH, "it is nested too deeply")
        value = yaml.safe_load(text)
        refuse(value is None, "it is empty")
        parse_json(json.dumps(value, default=str), schema)
        return value


def load_arrays(source: Path | bytes, *, mapped: bool = False) -> Any:
    """Return what `np.load` makes of a .npy or .npz file whose headers name no more than it holds.

    Args:
        source: the file, or its bytes.
        mapped: map a .npy file into memory, read-only, instead of reading it.

    Raises:
        ValueError, EOFError, OSError, BadZipFile: it is damaged, holds Python objects, or would unpack to
            more than half of the memory.
    """
    import numpy as np

    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        if zipfile.is_zipfile(file):
            _check_archive(file)
        else:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            _check_array(file, size)
    given = io.BytesIO(source) if isinstance(source, bytes) else source
    return np.load(given, mmap_mode="r" if mapped else None, allow_pickle=False)


def check_unpacked(members: Iterable[zipfile.ZipInfo]) -> None:
    """Check that what an archive says it unpacks to fits into half of the memory.

    Raises:
        ValueError: it does not.
    """
    total = sum(member.file_size for member in members)
    refuse(
        total > most_bytes(),
        f"it unpacks to {sized(total)}, expected at most {sized(most_bytes())}",
    )


def _check_archive(file: Any) -> None:
    with zipfile.ZipFile(file) as archive:
        check_unpacked(archive.infolist())
        for member in archive.infolist():
            if member.filename.endswith(".npy"):
                with archive.open(member) as array:
                    _check_array(array, member.file_size)


def _check_array(file: Any, size: int) -> None:
    """Check that the header of a .npy file of `size` bytes names no more values than there are."""
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    shape, _, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(file)
    named = math.prod(shape) * dtype.itemsize
    refuse(named > size, f"its header promises {sized(named)}, and the file has {sized(size)}")


def bytes_in(text: str, operation: str) -> int:
    """Return the number of bytes that a size names: a number, with K, M, G or T for powers of 1024.

    Raises:
        ValueError: it is no size.

    Example:
        >>> bytes_in("20", "cache"), bytes_in("1.5 KiB", "cache"), bytes_in("2g", "cache")
        (20, 1536, 2147483648)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if match is None:
        raise ValueError(f"{operation}: received the size {text!r}, expected one such as 500M, 20G or 1.5T")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))


def sized(num_bytes: int) -> str:
    """Return a number of bytes in words.

    >>> sized(12), sized(3 << 20)
    ('12 bytes', '3 MiB')
    """
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if num_bytes >= size:
            return f"{num_bytes / size:.3g} {unit}"
    return f"{num_bytes} bytes"
