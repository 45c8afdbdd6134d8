"""Files below a folder: which of them count, in what order, and a hash of what they hold."""

import io
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import xxhash


class FileKind(NamedTuple):
    """Files that hold one thing each.

    Attributes:
        noun: what each holds, for messages.
        suffixes: of their names, in lower case.
        examples: a few of the suffixes, for messages.
        packages: suffixes that count, too, where a package is installed, with the name of its import.
    """

    noun: str
    suffixes: frozenset[str]
    examples: str
    packages: Mapping[str, str] = MappingProxyType({})

    @property
    def readable(self) -> frozenset[str]:
        """The suffixes that can be read with what is installed."""
        return self.suffixes | {one for one, package in self.packages.items() if find_spec(package)}

    def called(self, suffix: str) -> str:
        """Return a suffix for people, with the package that reads it where that is not installed."""
        package = self.packages.get(suffix)
        if package is None or find_spec(package):
            return suffix or "without suffix"
        return f"{suffix} (needs {package}: pip install 'infomax[{EXTRA}]')"

    @property
    def one(self) -> str:
        """The noun with its article."""
        return f"{'an' if self.noun[0] in 'aeiou' else 'a'} {self.noun}"


EXTRA = "formats"
"""The extra of infomax that installs the packages of further image files."""
IMAGE_FILES = FileKind("image", frozenset({
    ".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png",
    ".pnm", ".ppm", ".tif", ".tiff", ".webp",
}), ".jpg, .png, .webp, ...", MappingProxyType({
    ".heic": "pillow_heif", ".heif": "pillow_heif", ".dcm": "pydicom", ".dicom": "pydicom", ".czi": "czifile",
}))  # fmt: skip
SIGNAL_FILES = FileKind("signal", frozenset({".wav"}), ".wav")
TABLE_SUFFIXES = frozenset({".parquet", ".arrow", ".tar"})
ARRAY_SUFFIXES = frozenset({".npy", ".npz"})
NOT_DATA = frozenset({
    "@eadir", "@recycle", "@tmp", "#recycle", "#snapshot", "$recycle.bin", "desktop.ini", "ehthumbs.db",
    "lost+found", "system volume information", "thumbs.db",
})  # fmt: skip
"""Names, in lower case, of what systems put beside data: thumbnails, deleted files."""
RUN_FILES = (("encoder.json",), ("recipe.yaml", "environment.json"))
"""Files of which a folder holds all where it is a run of infomax."""
MAX_SHARE = 0.5
"""Largest file that is opened, as a share of the memory."""


def suffix(path: str) -> str:
    """Return the suffix of a path in lower case, with its dot."""
    return os.path.splitext(path)[1].lower()  # noqa: PTH122 - a million Path objects are slow


def is_visible(name: str) -> bool:
    """Return False for what is no data: hidden, left by an archiver, or put there by a system."""
    return not name.startswith((".", "__")) and name.lower() not in NOT_DATA


class Tree(NamedTuple):
    """All that lies below a folder, in paths relative to it.

    Attributes:
        files: sorted.
        unreadable: why some of them cannot be opened: pipes, sockets, devices, links to nothing; and folders
            that cannot be read, with a slash at the end.
        runs: folders of runs of infomax, which are no data.
    """

    files: list[str]
    unreadable: Mapping[str, OSError]
    runs: tuple[str, ...]


def walk(root: Path) -> Tree:
    """Return the visible files below `root`, links followed; kinds are looked at, nothing is opened.

    Raises:
        OSError: the folder itself cannot be read.
    """
    files: list[str] = []
    unreadable: dict[str, OSError] = {}
    runs: list[str] = []
    pending = [""]
    while pending:
        prefix = pending.pop()
        try:
            with os.scandir(root / prefix) as scanned:
                entries = [entry for entry in scanned if is_visible(entry.name)]
        except OSError as error:
            if not prefix:
                raise
            unreadable[prefix] = error
            continue
        if prefix and _is_run(entries):
            runs.append(prefix.rstrip("/"))
            continue
        for entry in entries:
            path = prefix + entry.name
            if _is_folder(entry):
                pending += [] if _is_loop(entry) else [f"{path}/"]
                continue
            files.append(path)
            if (why := _why_closed(entry)) is not None:
                unreadable[path] = why
    return Tree(sorted(files), unreadable, tuple(sorted(runs)))


def _is_run(entries: Sequence[os.DirEntry[str]]) -> bool:
    names = {entry.name for entry in entries}
    return any(names.issuperset(files) for files in RUN_FILES)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself
        return False


def _is_loop(entry: os.DirEntry[str]) -> bool:
    """Return True if a folder is a link to one of the folders above it."""
    path = Path(entry.path)
    return entry.is_symlink() and any(parent.samefile(path) for parent in path.parents if parent.exists())


def _why_closed(entry: os.DirEntry[str]) -> OSError | None:
    """Return why what is no folder cannot be opened; None where it is a file."""
    try:
        return None if entry.is_file() else _not_a_file(entry.stat().st_mode)
    except FileNotFoundError:
        return FileNotFoundError("it is a link to nothing")
    except OSError as error:
        return error


def _not_a_file(mode: int) -> OSError | None:
    kinds = {
        "pipe": stat.S_ISFIFO,
        "socket": stat.S_ISSOCK,
        "device": lambda mode: stat.S_ISCHR(mode) or stat.S_ISBLK(mode),
        "folder": stat.S_ISDIR,
    }
    kind = next((kind for kind, is_it in kinds.items() if is_it(mode)), None)
    return None if kind is None else OSError(f"it is a {kind}, not a file")


def checked(value: Any) -> Any:
    """Return a value to decode; the reason why not where it is the path of what must not be opened.

    Pipes, sockets and devices would never end; a file larger than half of the memory would not fit.
    """
    path = value.get("path") if isinstance(value, dict) and value.get("bytes") is None else value
    if not isinstance(path, str | Path):
        return value
    try:
        status = os.stat(path)  # noqa: PTH116 - a million Path objects are slow
    except (OSError, ValueError):  # nothing there, or no path: its decoder says so
        return value
    if (why := _not_a_file(status.st_mode)) is not None:
        return why
    limit = MAX_SHARE * _memory()
    if status.st_size > limit:
        return OSError(f"it has {status.st_size / 2**30:.3g} GiB, expected at most {limit / 2**30:.3g} GiB")
    return value


@cache
def _memory() -> int:
    """Return the bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def hash_files(root: Path, paths: Sequence[str]) -> str:
    """Return the xxh3 of the names and bytes of `paths`, read by several threads."""
    whole = xxhash.xxh3_128()
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(paths), 10_000):
            for digest in pool.map(lambda path: _hash_file(root, path), paths[start : start + 10_000]):
                whole.update(digest)
    return whole.hexdigest()


def _hash_file(root: Path, path: str) -> bytes:
    hasher = xxhash.xxh3_128(path.encode(errors="surrogateescape") + b"\0")
    if isinstance(checked(str(root / path)), str):
        try:
            for block in _blocks(root / path):
                hasher.update(block)
        except OSError as error:
            hasher.update(f"unreadable: {error.errno}".encode())
    return hasher.digest()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(1 << 20), b"")


def unpacked(value: Any) -> Any:
    """Return the array in the bytes of a .npy or .npz file; any other value as it is.

    Raises:
        ValueError: a .npz file of several arrays.
    """
    if isinstance(value, bytes) and value.startswith(b"\x93NUMPY"):
        return np.load(io.BytesIO(value), allow_pickle=False)
    if isinstance(value, bytes) and value.startswith(b"PK\x03\x04"):
        return only_array(value)
    return value


def only_array(data: bytes) -> Any:
    """Return the array of a .npz file that holds one; the data itself where it is another archive.

    Raises:
        ValueError: it holds several.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            names = arrays.files
            if len(names) == 1:
                return arrays[names[0]]
    except (OSError, ValueError):
        return data
    raise ValueError(f"received the arrays {', '.join(names)}, expected one in each .npz file of a folder")
