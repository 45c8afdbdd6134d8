"""The folder of the cache: what lies in it, who has it open, and how it is kept within a size.

An entry that a process has open, or decodes, is locked for as long: none in use is removed.
"""

import fcntl
import os
import shutil
import uuid
import warnings
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from infomax.files import bytes_in, read_json, sized

FORMAT_VERSION = 4
"""Version of the decoders and of the entries; when it goes up, older entries are left unused."""
LIMIT = "INFOMAX_CACHE_LIMIT"
"""The environment variable with the size that the cache is kept within, such as 20G; without it, any."""
SHARDS = "shards"
"""The folder of the facts of shards."""
DECODED, UNFINISHED, EARLIER = "decoded", "unfinished", "of an earlier version"
RANGE, FACTS = "range of pixels", "facts of a shard"


@dataclass(frozen=True)
class Entry:
    """A thing that is kept.

    Attributes:
        path: a folder, or a file.
        kind: ``decoded``; ``unfinished``, which goes on where it was; ``of an earlier version``, which that
            alone reads; ``range of pixels``; or ``facts of a shard``.
        source: what was decoded; "" where nothing says it.
        split: of the source.
        num_bytes: of its files.
        last_used: seconds since 1970.
        in_use: a process has it open.
    """

    path: Path
    kind: str
    source: str
    split: str
    num_bytes: int
    last_used: float
    in_use: bool


def cache_folder(cache: str | Path | bool | None) -> Path | None:
    """Return the folder of the entries: the usual one for True, none for None or False."""
    if cache is True:
        return Path(os.environ.get("INFOMAX_CACHE") or "~/.cache/infomax").expanduser() / "datasets"
    return Path(cache).expanduser() if cache else None


def cache_limit(given: str | None = None) -> int | None:
    """Return the bytes that the cache is kept within; None where nothing says so.

    Args:
        given: a size such as 20G; None for $INFOMAX_CACHE_LIMIT.

    Raises:
        ValueError: it is no size.
    """
    text = os.environ.get(LIMIT) if given is None else given
    return bytes_in(text, "cache") if text else None


def entries_in(folder: Path) -> list[Entry]:
    """Return what a cache keeps, the least recently used first."""
    made = (one for one in folder.glob("*/") if one.name != SHARDS and ".partial-" not in one.name)
    small = {RANGE: folder.glob("*.range.json"), FACTS: folder.glob(f"{SHARDS}/*.arrow")}
    found = [*map(_entry, made), *(_small(path, kind) for kind, paths in small.items() for path in paths)]
    return sorted(found, key=lambda one: one.last_used)


def _entry(folder: Path) -> Entry:
    about = folder / "about.json"
    known = read_json(about, "cache", "remove the entry") if about.exists() else {}
    current = EARLIER if known.get("format") != FORMAT_VERSION else DECODED
    kind = UNFINISHED if is_unfinished(folder) else current
    source, split = (str(known.get(key, "")) for key in ("source", "split"))
    with _alone(folder) as alone:
        in_use = not alone
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Entry(folder, kind, source, split, size, folder.stat().st_mtime, in_use)


def _small(path: Path, kind: str) -> Entry:
    status = path.stat()
    return Entry(path, kind, "", "", status.st_size, status.st_mtime, False)


def prune(folder: Path, limit: int) -> list[Entry]:
    """Remove entries until what is left takes at most `limit` bytes; return those that were removed.

    The least recently used goes first. None goes that a process has open or is making.
    """
    for leftover in folder.glob("*.partial-*"):  # of an earlier version, or of a removal that was killed
        with locked(leftover.with_name(leftover.name.partition(".")[0])) as free:
            if free:
                shutil.rmtree(leftover)
    entries, removed = entries_in(folder), []
    total = sum(one.num_bytes for one in entries)
    for one in entries:
        if total <= limit:
            break
        if _removed(one.path):
            removed.append(one)
            total -= one.num_bytes
    return removed


def _removed(entry: Path) -> bool:
    """Remove an entry, unless a process has it open or is making it; return whether it is gone."""
    if entry.is_file():
        entry.unlink()
        return True
    with locked(entry.with_name(entry.name.partition(".")[0])) as free, _alone(entry) as alone:
        if not (free and alone):
            return False
        aside = entry.with_name(f"{entry.name}.partial-{uuid.uuid4().hex}")
        entry.rename(aside)  # at once, so that nobody finds half of it
    shutil.rmtree(aside)
    return True


def keep_within(folder: Path, limit: int | None) -> None:
    """Prune a cache to its limit, if it has one; what is removed is said."""
    removed = [] if limit is None else prune(folder, limit)
    if removed and limit is not None:
        total = sum(one.num_bytes for one in removed)
        warnings.warn(
            f"cache: {len(removed)} entries of decoded data, unused for longest, were removed "
            f"({sized(total)}), as {LIMIT} is {sized(limit)}",
            stacklevel=2,
        )


# --- locks --------------------------------------------------------------------------------------------------


@contextmanager
def locked(entry: Path) -> Generator[bool]:
    """Give whether this process alone may make or remove an entry, for the block."""
    lock = FileLock(f"{entry}.lock")
    try:
        lock.acquire(timeout=0)
        free = True
    except Timeout:
        free = False
    try:
        yield free
    finally:
        lock.release()


def unfinished(entry: Path, part_size: int) -> Path:
    """Return the folder in which an entry is made, in parts of so many items."""
    return entry.with_name(f"{entry.name}.parts-{part_size}")


def is_unfinished(folder: Path) -> bool:
    """Return whether an entry is made in a folder."""
    return ".parts-" in folder.name


@contextmanager
def held(folder: Path) -> Generator[None]:
    """Keep an unfinished entry from being removed, for the block."""
    with _to_hold(folder).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


@contextmanager
def _alone(entry: Path) -> Generator[bool]:
    """Give whether no process has an entry open; for the block, none can open it."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(_to_hold(entry).open("rb"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError:
            alone = False
        except FileNotFoundError:  # damaged
            alone = True
        yield alone


def _to_hold(entry: Path) -> Path:
    """Return the file that is locked for as long as an entry is open: the values, which are mapped."""
    return entry / ("held" if is_unfinished(entry) else "values")
