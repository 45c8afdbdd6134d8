"""Addresses of shards: files here, or elsewhere by any scheme of fsspec, by names, patterns or folders."""

import glob
import itertools
import os
import re
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from infomax.errors import MissingExtra, refuse
from infomax.files import Unreadable, reading
from infomax.learning.data.sources.files import suffix, walk

SHARD_SUFFIXES = (".parquet", ".tar")
"""Suffixes of files that can be streamed."""
MAX_NUMBERS = 10_000_000
"""Largest number of names that one pair of braces stands for."""
PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
"""By the scheme of an address, the package that reads it, which infomax does not install."""
_REMEDY = "check the address, the network and your credentials"


class Place(NamedTuple):
    """A shard: its name among the others, and its address, a path here or ``scheme://…``."""

    name: str
    address: str

    @property
    def is_here(self) -> bool:
        """True where the address is a path of this machine."""
        return not is_elsewhere(self.address)


def is_elsewhere(source: Any) -> bool:
    """Return whether a source is an address with a scheme.

    Example:
        >>> is_elsewhere("s3://bucket/a.tar"), is_elsewhere("hf:owner/name"), is_elsewhere("a/b.tar")
        (True, False, False)
    """
    return isinstance(source, str) and re.match(r"[a-zA-Z][\w+.-]*(::[\w+.-]+)*://", source) is not None


def is_pattern(source: Any) -> bool:
    """Return whether a source stands for several names, by braces, stars or question marks, and is none."""
    text = str(source)
    return isinstance(source, str | Path) and bool(re.search(r"[{*?]", text)) and not os.path.lexists(text)


def expanded(text: str) -> list[str]:
    """Return the names that a text with braces stands for, as shells and WebDataset write them.

    Raises:
        ValueError: braces that stand for more than ten million names.

    Example:
        >>> expanded("{a,b}-{08..10}.tar")
        ['a-08.tar', 'a-09.tar', 'a-10.tar', 'b-08.tar', 'b-09.tar', 'b-10.tar']
    """
    parts = re.split(r"(\{[^{}]*\})", text)
    choices = [_choices(part) if part[:1] == "{" else [part] for part in parts]
    return ["".join(one) for one in itertools.product(*choices)]


def _choices(braces: str) -> list[str]:
    numbers = re.fullmatch(r"\{(\d+)\.\.(\d+)\}", braces)
    if numbers is None:
        return braces[1:-1].split(",") if "," in braces else [braces]
    first, last = numbers.groups()
    num = int(last) - int(first) + 1
    refuse(
        not 0 < num <= MAX_NUMBERS,
        f"data: the braces {braces} stand for {num:,} names, expected 1 to {MAX_NUMBERS:,}; write "
        "{FIRST..LAST}",
    )
    return [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]


def places_of(source: str) -> list[Place]:
    """Return the shards that a source stands for, sorted by name.

    Args:
        source: a file, a folder, a pattern, or an address of one of these.

    Raises:
        FileNotFoundError: there is none.
        ValueError: a file of another kind; an address that cannot be reached.
        MissingExtra: the package that reads such addresses is not installed.
    """
    found = _elsewhere(source) if is_elsewhere(source) else _here(source)
    if not found:
        raise FileNotFoundError(
            f"data: {source} matches no file; expected {' or '.join(SHARD_SUFFIXES)} files, such as "
            "'photos-{00000..00127}.tar', a folder of them or an address; check it"
        )
    odd = next((one for one in found if suffix(_path_in(one)) not in SHARD_SUFFIXES), None)
    refuse(
        odd is not None,
        f"data: cannot stream {odd}; expected {' or '.join(SHARD_SUFFIXES)} files; pack the images into "
        "such, or leave --stream out to have them decoded once",
    )
    return _named(found)


def _named(addresses: list[str]) -> list[Place]:
    """Return places, each named by its path below the folder that all of them lie in."""
    paths = [_path_in(one) for one in addresses]
    root = os.path.commonpath([*map(os.path.dirname, paths)])
    names = [os.path.relpath(path, root or ".") for path in paths]
    return sorted({Place(name, address) for name, address in zip(names, addresses, strict=True)})


def _path_in(address: str) -> str:
    """Return the path within an address: without its scheme, its host and what follows a question mark."""
    return urlsplit(address).path if is_elsewhere(address) else address


def _here(source: str) -> list[str]:
    path = Path(source).expanduser()
    if path.is_dir():
        return [str(path / file) for file in walk(path).files if _is_shard(file)]
    if path.exists():
        return [str(path)]
    named = [
        name
        for one in expanded(str(path))
        for name in (sorted(glob.glob(one, recursive=True)) if _has_stars(one) else [one])  # noqa: PTH207
    ]
    missing = [name for name in named if not Path(name).exists()]
    if missing:
        raise FileNotFoundError(
            f"data: {len(missing):,} of the {len(named):,} files that {source} stands for do not exist, the "
            f"first is {missing[0]}; complete them, or give another pattern"
        )
    return named


def _elsewhere(source: str) -> list[str]:
    """Return the addresses that one address stands for: patterns and folders are looked up there."""
    names = expanded(source)
    if all(_is_shard(_path_in(one)) and not _has_stars(one) for one in names):
        return names
    with reaching(source):
        system = file_system(source)
        listed = [one for name in names for one in _listed(system, name)]
        return [str(system.unstrip_protocol(one)) for one in listed if _is_shard(_path_in(str(one)))]


def _listed(system: Any, address: str) -> Iterable[Any]:
    if _has_stars(address):
        return system.glob(address)
    return system.find(address) or system.ls(address, detail=False)  # which says why, where nothing is found


def _has_stars(text: str) -> bool:
    return "*" in text or "?" in _path_in(text)


def _is_shard(path: str) -> bool:
    """Return whether a file below a folder counts: labels and what `datasets` caches do not."""
    name = path.rpartition("/")[2]
    return suffix(path) in SHARD_SUFFIXES and not name.startswith(("cache-", "metadata."))


def file_system(address: str) -> Any:
    """Return the file system of fsspec that reads an address.

    Raises:
        MissingExtra: its package is not installed.
    """
    import fsspec

    try:
        return fsspec.core.url_to_fs(address)[0]
    except ImportError as error:
        package = PACKAGES.get(address.partition("://")[0], "")
        raise MissingExtra(
            f"data: {address.partition('://')[0]}:// addresses are read by a package that is not installed "
            f"({' '.join(str(error).split())}); pip install {package or 'what it names'}"
        ) from error


@contextmanager
def reaching(address: str) -> Generator[None]:
    """Name an address elsewhere in whatever goes wrong in the block that reads it.

    Raises:
        Unreadable: anything did.
    """
    try:
        yield
    except MissingExtra:
        raise
    except Exception as error:  # each scheme has errors of its own
        why = " ".join(str(error).split()) or type(error).__name__
        raise Unreadable(f"data: cannot reach {address}: {why}; {_REMEDY}") from error


@contextmanager
def opened(place: Place) -> Generator[Any]:
    """Give a shard as a file that can seek; pipes and devices are not opened.

    Raises:
        FileNotFoundError, Unreadable: as `reading`; an address cannot be reached.
    """
    if place.is_here:
        with reading("data", place.address, "copy it again") as path:
            file: Any = path.open("rb")
    else:
        with reaching(place.address):
            file = file_system(place.address).open(place.address, "rb")
    with file:
        yield file


def stamp_of(place: Place) -> str:
    """Return size and time of a shard, or what else its place tells of its version without reading it."""
    if place.is_here:
        status = Path(place.address).stat()
        return f"{status.st_size} {status.st_mtime_ns}"
    with reaching(place.address):
        facts = file_system(place.address).info(place.address)
    return " ".join(f"{name}={facts[name]}" for name in _VERSIONS if facts.get(name) is not None)


_VERSIONS = ("size", "ETag", "etag", "LastModified", "last_modified", "mtime", "updated", "blob_id")
"""Names under which file systems of fsspec tell the version of a file."""
