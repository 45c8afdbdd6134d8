"""Decoded values on disk, found again by their content: one folder an entry.

An entry that a process has open is locked for as long as its values are mapped: none in use is removed.
"""

import fcntl
import json
import os
import shutil
import uuid
import warnings
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from filelock import FileLock, Timeout

from infomax.errors import refuse
from infomax.files import bytes_in, most_bytes, read_json, sized
from infomax.learning.data.dataset import ValuesHash
from infomax.learning.data.gathering import (
    INDEX,
    Block,
    Gathered,
    Job,
    Summary,
    check_room,
    check_skipped,
    gather,
    index_bytes,
)

FORMAT_VERSION = 3
"""Version of the decoders and of the entries; when it goes up, older entries are left unused."""


LIMIT = "INFOMAX_CACHE_LIMIT"
"""The environment variable with the size that the cache is kept within, such as 20G; without it, any."""
_TEXTS = {"type": "array", "items": {"type": "string"}}
_META: Mapping[str, Any] = {
    "type": "array",
    "minItems": 5,
    "maxItems": 5,
    "items": [
        {"type": "array", "items": {"type": "integer", "minimum": 0}},
        {"type": "string"},
        {"type": "string"},
        _TEXTS,
        _TEXTS,
    ],
}
"""The schema of ``meta.json``: the fields of a `Summary`."""


@dataclass(frozen=True)
class Entry:
    """Decoded values that are kept.

    Attributes:
        folder: where.
        source: what was decoded; "" where an earlier version did not say.
        split: of the source.
        num_bytes: of its files.
        last_used: seconds since 1970.
        in_use: a process has it open.
    """

    folder: Path
    source: str
    split: str
    num_bytes: int
    last_used: float
    in_use: bool


def entries_in(folder: Path) -> list[Entry]:
    """Return the entries of a cache, the least recently used first."""
    found = (one for one in folder.glob("*/meta.json") if ".partial-" not in one.parent.name)
    return sorted(map(_entry, found), key=lambda one: one.last_used)


def _entry(meta: Path) -> Entry:
    folder, about = meta.parent, meta.with_name("about.json")
    known = read_json(about, "cache", "remove the entry") if about.exists() else {}
    sizes = [path.stat().st_size for path in folder.iterdir()]
    with _alone(folder) as alone:
        in_use = not alone
    last_used = folder.stat().st_mtime
    source, split = (str(known.get(key, "")) for key in ("source", "split"))
    return Entry(folder, source, split, sum(sizes), last_used, in_use)


def cache_limit(given: str | None = None) -> int | None:
    """Return the bytes that the cache is kept within; None where nothing says so.

    Args:
        given: a size such as 20G; None for $INFOMAX_CACHE_LIMIT.

    Raises:
        ValueError: it is no size.
    """
    text = os.environ.get(LIMIT) if given is None else given
    return bytes_in(text, "cache") if text else None


def prune(folder: Path, limit: int) -> list[Entry]:
    """Remove entries until what is left takes at most `limit` bytes; return those that were removed.

    The least recently used goes first. None goes that a process has open or is making. What killed processes
    left goes, too.
    """
    for leftover in folder.glob("*.partial-*"):
        with _locked(leftover.with_name(leftover.name.partition(".")[0])) as locked:
            if locked:
                shutil.rmtree(leftover)
    entries, removed = entries_in(folder), []
    total = sum(one.num_bytes for one in entries)
    for one in entries:
        if total <= limit:
            break
        if _removed(one.folder):
            removed.append(one)
            total -= one.num_bytes
    return removed


def _removed(entry: Path) -> bool:
    """Remove an entry, unless a process has it open or is making it; return whether it is gone."""
    with _locked(entry) as locked, _alone(entry) as alone:
        if not (locked and alone):
            return False
        aside = entry.with_name(f"{entry.name}.partial-{uuid.uuid4().hex}")
        entry.rename(aside)  # at once, so that nobody finds half of it
    shutil.rmtree(aside)
    return True


@contextmanager
def _locked(entry: Path) -> Generator[bool]:
    """Give whether this process alone may make or remove an entry, for the block."""
    lock = FileLock(f"{entry}.lock")
    try:
        lock.acquire(timeout=0)
        locked = True
    except Timeout:
        locked = False
    try:
        yield locked
    finally:
        lock.release()


@contextmanager
def _alone(entry: Path) -> Generator[bool]:
    """Give whether no process has an entry open; for the block, none can open it."""
    with ExitStack() as stack:
        try:
            values = stack.enter_context((entry / "values").open("rb"))
            fcntl.flock(values, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError:
            alone = False
        except FileNotFoundError:  # damaged
            alone = True
        yield alone


def _keep_within(folder: Path, limit: int | None) -> None:
    """Prune a cache to its limit, if it has one; what is removed is said."""
    removed = [] if limit is None else prune(folder, limit)
    if removed and limit is not None:
        total = sum(one.num_bytes for one in removed)
        warnings.warn(
            f"cache: {len(removed)} entries of decoded data, unused for longest, were removed "
            f"({sized(total)}), as {LIMIT} is {sized(limit)}",
            stacklevel=2,
        )


def cache_folder(cache: str | Path | bool | None) -> Path | None:
    """Return the folder of the entries: the usual one for True, none for None or False."""
    if cache is True:
        return Path(os.environ.get("INFOMAX_CACHE") or "~/.cache/infomax").expanduser() / "datasets"
    return Path(cache).expanduser() if cache else None


def entry_name(job: Job, column: str | None) -> str | None:
    """Return a hash of everything that the decoded values depend on; None where the source has no digest."""
    digest = job.source.digest(job.split)
    options = job.decoder.decode.keywords
    key: list[Any] = [digest, job.split, column, job.decoder.files.noun, options]
    return digest and xxhash.xxh3_128_hexdigest(json.dumps([FORMAT_VERSION, *key]).encode())


def cached(entry: Path, job: Job, memory_limit: int) -> Gathered:
    """Return the values of an entry; make the entry first if it is not there.

    Where several processes want it, one decodes and the others wait. Values of up to `memory_limit` bytes are
    checked byte by byte; a damaged entry is made again, with a warning.

    Raises:
        OSError: the cache cannot be written.
        ValueError: as `gather`; $INFOMAX_CACHE_LIMIT is no size.
    """
    limit = cache_limit()
    found = _open_sound(entry, job, memory_limit)
    if found is None:
        with _cache_errors(entry.parent, job):
            entry.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{entry}.lock"):
                found = _open_sound(entry, job, memory_limit) or _build(entry, job)
            _keep_within(entry.parent, limit)
    check_skipped(job, found.summary.skipped)
    return found


@contextmanager
def _cache_errors(folder: Path, job: Job) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(
            f"{job.decoder.operation}: cannot write the cache of decoded {job.decoder.files.noun}s in "
            f"{folder}: {error}; expected a writable folder with enough space; set INFOMAX_CACHE to one, or "
            "switch the cache off (in Python: cache=None)"
        ) from error


def _open_sound(entry: Path, job: Job, memory_limit: int) -> Gathered | None:
    """Return the entry; None if there is none or, with a warning, if it is damaged."""
    if not entry.exists():
        return None
    try:
        return _open_entry(entry, job, verify_up_to=memory_limit)
    except (OSError, ValueError, LookupError, TypeError, pa.ArrowException) as error:
        warnings.warn(
            f"{job.decoder.operation}: the cache entry {entry} is damaged ({error}); decoding again",
            stacklevel=2,
        )
        return None


def _open_entry(entry: Path, job: Job, verify_up_to: int) -> Gathered:
    """Return the entry, memory-mapped; check every byte of up to `verify_up_to` bytes of values.

    Raises:
        OSError, ValueError, LookupError, TypeError, pa.ArrowException: the entry is damaged.
    """
    kept = read_json(entry / "meta.json", "cache", "remove the entry", _META, most_bytes())
    shape, values_hash, index_hash, skipped, lost = kept
    summary = Summary(tuple(shape), values_hash, index_hash, tuple(skipped), tuple(lost))
    size, expected = (entry / "values").stat().st_size, np.prod(shape) * np.dtype(job.decoder.dtype).itemsize
    refuse(size != expected, f"values have {size} bytes, not {expected}")
    with pa.memory_map(str(entry / "index.arrow")) as file:
        index = pa.ipc.open_file(file).read_all()
    with (entry / "values").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)  # which the mapping keeps until it ends
        values = np.memmap(file, job.decoder.dtype, "r", shape=summary.shape)
    if size <= verify_up_to:
        refuse(_hashes(values, index) != (values_hash, index_hash), "its values or labels have changed")
    with suppress(OSError):  # a cache that others own tells its own times
        os.utime(entry)
    return Gathered(summary, values, index)


def _hashes(values: np.ndarray, index: pa.Table) -> tuple[str, str]:
    """Return the hashes of values, and of what stands beside them."""
    of_values, of_index = ValuesHash(), xxhash.xxh3_128()
    for start in range(0, len(values), 4096):
        of_values.update(values[start : start + 4096])
    for batch in index.to_batches():
        of_index.update(index_bytes(batch))
    return of_values.hexdigest(), of_index.hexdigest()


def _build(entry: Path, job: Job) -> Gathered:
    """Write the entry beside its place and rename it, so that it is there whole or not at all.

    The caller holds its lock.
    """
    for leftover in (*entry.parent.glob(f"{entry.name}.partial-*"), *entry.parent.glob(entry.name)):
        shutil.rmtree(leftover)  # damaged, or left by a process that was killed
    check_room(job, entry.parent)
    unfinished = entry.with_name(f"{entry.name}.partial-{uuid.uuid4().hex}")
    unfinished.mkdir()
    try:
        _write_entry(unfinished, job)
        unfinished.rename(entry)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return _open_entry(entry, job, verify_up_to=0)


def _write_entry(folder: Path, job: Job) -> None:
    with (folder / "values").open("wb") as values, pa.OSFile(str(folder / "index.arrow"), "wb") as index:
        with pa.ipc.new_file(index, INDEX) as writer:

            def write(block: Block) -> None:
                values.write(block.values.data)
                writer.write(block.index)

            summary = gather(job, write)
        values.flush()
        os.fsync(values.fileno())
    about = {"source": job.source.name, "split": job.split}
    (folder / "about.json").write_text(json.dumps(about))
    (folder / "meta.json").write_text(json.dumps(summary))
