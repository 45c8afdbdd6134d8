"""Files below a folder: which of them count, in what order, and a hash of what they hold."""

import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xxhash


class FileKind(NamedTuple):
    """Files that hold one thing each.

    Attributes:
        noun: what each holds, for messages.
        suffixes: of their names, in lower case.
        examples: a few of the suffixes, for messages.
    """

    noun: str
    suffixes: frozenset[str]
    examples: str

    @property
    def one(self) -> str:
        """The noun with its article."""
        return f"{'an' if self.noun[0] in 'aeiou' else 'a'} {self.noun}"


IMAGE_FILES = FileKind("image", frozenset({
    ".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg",
    ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp",
}), ".jpg, .png, .webp, ...")  # fmt: skip
SIGNAL_FILES = FileKind("signal", frozenset({".wav"}), ".wav")
TABLE_SUFFIXES = frozenset({".parquet", ".arrow", ".tar"})
ARRAY_SUFFIX = ".npy"


def suffix(path: str) -> str:
    """Return the suffix of a path in lower case, with its dot."""
    return os.path.splitext(path)[1].lower()  # noqa: PTH122 - a million Path objects are slow


def is_visible(name: str) -> bool:
    """Return True unless a file of that name is hidden or was left by an archiver."""
    return not name.startswith((".", "__"))


def walk(root: Path) -> list[str]:
    """Return the visible files below `root`, links followed, as sorted posix paths relative to it.

    Raises:
        OSError: a folder cannot be read.
    """
    files: list[str] = []
    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=_raise):
        subfolders[:] = [name for name in subfolders if is_visible(name) and not _is_loop(folder, name)]
        prefix = Path(folder).relative_to(root).as_posix()
        files += (name if prefix == "." else f"{prefix}/{name}" for name in names if is_visible(name))
    return sorted(files)


def _is_loop(folder: str, subfolder: str) -> bool:
    """Return True if `subfolder` is a link to one of the folders above it."""
    path = Path(folder, subfolder)
    return path.is_symlink() and any(parent.samefile(path) for parent in path.parents if parent.exists())


def _raise(error: OSError) -> None:
    raise error


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
    for block in _blocks(root / path):
        hasher.update(block)
    return hasher.digest()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(1 << 20), b"")


def unpacked(value: Any) -> Any:
    """Return the array in the bytes of a .npy file; any other value as it is."""
    if isinstance(value, bytes) and value.startswith(b"\x93NUMPY"):
        return np.load(io.BytesIO(value), allow_pickle=False)
    return value
