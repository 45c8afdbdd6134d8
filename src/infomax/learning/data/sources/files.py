"""Files below a folder: which of them count, in what order, and whether they are those of before."""

import io
import os
import zipfile
from collections import deque
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import xxhash

from infomax.errors import refuse
from infomax.files import load_arrays, most_bytes, why_closed


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
MAX_SHOWN = 80
"""Characters of a path that a message shows."""
NUM_BEGINNINGS = 16
"""Files whose beginnings are in a stamp: they tell folders apart whose files were made in the same moment."""
BEGINNING = 1 << 16
"""Bytes of such a beginning."""


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
        repeated: links that are not followed, because their folders are read already.
    """

    files: list[str]
    unreadable: Mapping[str, OSError]
    runs: tuple[str, ...]
    repeated: tuple[str, ...] = ()


class _Folder(NamedTuple):
    """A folder to read: its path below the root, the identities of it and those above, links on the way."""

    prefix: str
    chain: tuple[tuple[int, int], ...]
    num_links: int


def walk(root: Path) -> Tree:
    """Return the visible files below `root`, links followed; kinds are looked at, nothing is opened.

    A link to a folder above it is not followed. Nor is a link behind another link, where its folder was read
    before: folders that are linked to each other are read once for each link, not for each way through them.

    Raises:
        OSError: the folder itself cannot be read.
    """
    files: list[str] = []
    unreadable: dict[str, OSError] = {}
    runs: list[str] = []
    repeated: list[str] = []
    top = _Folder("", (_identity(root.stat()),), 0)
    known, pending, linked = set[tuple[int, int]](), deque([top]), deque[_Folder]()
    while pending or linked:
        folder = (pending or linked).popleft()
        if folder.chain[-1] in (known if folder.num_links > 1 else folder.chain[:-1]):
            repeated.append(folder.prefix)
            continue
        known.add(folder.chain[-1])
        try:
            entries = _visible(root / folder.prefix)
        except OSError as error:
            if not folder.prefix:
                raise
            unreadable[folder.prefix] = error
            continue
        if folder.prefix and _is_run(entries):
            runs.append(folder.prefix.rstrip("/"))
            continue
        for entry in entries:
            path = folder.prefix + entry.name
            if _is_folder(entry):
                below = _below(folder, entry)
                (linked if below.num_links else pending).append(below)
                continue
            files.append(path)
            if (why := _why_closed(entry)) is not None:
                unreadable[path] = why
    return Tree(sorted(files), unreadable, tuple(sorted(runs)), tuple(sorted(repeated)))


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as scanned:
        return sorted((one for one in scanned if is_visible(one.name)), key=lambda one: one.name)


def _below(folder: _Folder, entry: os.DirEntry[str]) -> _Folder:
    chain = (*folder.chain, _identity(entry.stat()))
    return _Folder(f"{folder.prefix}{entry.name}/", chain, folder.num_links + entry.is_symlink())


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _is_run(entries: Sequence[os.DirEntry[str]]) -> bool:
    names = {entry.name for entry in entries}
    return any(names.issuperset(files) for files in RUN_FILES)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself
        return False


def _why_closed(entry: os.DirEntry[str]) -> OSError | None:
    """Return why what is no folder cannot be opened; None where it is a file."""
    try:
        why = None if entry.is_file() else why_closed(entry.stat())
        return None if why is None else OSError(why)
    except FileNotFoundError:
        return FileNotFoundError("it is a link to nothing")
    except OSError as error:
        return error


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
    why = why_closed(status, most_bytes())
    return value if why is None else OSError(why)


def within(value: Any, folder: Path | None, root: Path | None) -> Any:
    """Return a value of a table, a path in it as an absolute one; the reason why not where it leads outside.

    A table of a stranger must not choose which files of this machine are read.

    Args:
        value: a value of a row.
        folder: that of the table, from which its paths start.
        root: what its pictures must lie below, links followed; None for a table that is no file here.
    """
    path = value.get("path") if isinstance(value, dict) and value.get("bytes") is None else value
    if not isinstance(path, str | Path):
        return value
    try:
        if folder and root and (folder / path).resolve().is_relative_to(root.resolve()):
            return str(folder.resolve() / path)
    except (OSError, RuntimeError, ValueError) as error:
        return error
    where = f"below {root}" if root else "in the table itself"
    return ValueError(
        f"the table names the file {str(path)[:MAX_SHOWN]!r}, expected a picture {where}; put it there, or "
        "give a list of paths in Python"
    )


def stamp(root: Path, paths: Sequence[str]) -> str:
    """Return a hash of names, sizes and times of `paths`, and of the beginning of up to sixteen of them.

    The times are that of the content, which a program can set, and that of the last change of anything,
    which only the system sets.
    """
    whole = xxhash.xxh3_128()
    for path in paths:
        whole.update(f"{path}\0{_status(f'{root}/{path}')}\0".encode(errors="surrogateescape"))
    for path in paths[:: max(1, len(paths) // NUM_BEGINNINGS)][:NUM_BEGINNINGS]:
        whole.update(_beginning(root / path))
    return whole.hexdigest()


def _status(path: str) -> str:
    try:
        status = os.stat(path)  # noqa: PTH116 - a million Path objects are slow
    except OSError as error:
        return f"unreadable: {error.errno}"
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _beginning(path: Path) -> bytes:
    if not isinstance(checked(str(path)), str):
        return b""
    try:
        with path.open("rb") as file:
            return file.read(BEGINNING)
    except OSError as error:
        return f"unreadable: {error.errno}".encode()


def unpacked(value: Any) -> Any:
    """Return the array in the bytes of a .npy or .npz file; any other value as it is.

    Raises:
        ValueError: a .npz file of several arrays, or one that is damaged or would unpack to too much.
    """
    if isinstance(value, bytes) and value.startswith(b"\x93NUMPY"):
        return load_arrays(value)
    if isinstance(value, bytes) and value.startswith(b"PK\x03\x04"):
        return only_array(value)
    return value


def only_array(data: bytes) -> Any:
    """Return the array of a .npz file that holds one; the data itself where it is another archive.

    Raises:
        ValueError: it holds several, or would unpack to too much.
    """
    try:
        names = [name for name in zipfile.ZipFile(io.BytesIO(data)).namelist() if name.endswith(".npy")]
    except zipfile.BadZipFile:
        return data
    if not names:
        return data
    refuse(
        len(names) > 1,
        f"received the arrays {', '.join(name[:-4] for name in names)}, expected one in each .npz file of a "
        "folder",
    )
    with load_arrays(data) as arrays:
        return arrays[names[0][:-4]]
