"""Decoding into the cache, in parts, by all processes that want the same entry at once.

The items of a split, in their order, are cut into parts of `PART_SIZE`. Each part is a small entry, which the
process decodes that first finds it free. A process that is killed leaves its finished parts, and whoever
starts again decodes the others. When all are there, one process joins them in one file, which takes their
place::

    NAME.parts-8192/000000, 000001, …   →   NAME.parts-8192/whole   →   NAME
"""

import json
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import xxhash
from filelock import FileLock

from infomax.learning.data.cache.entry import (
    DAMAGE,
    describe,
    index_hash,
    num_bytes,
    open_entry,
    open_sound,
    read_index,
    read_summary,
    values_hash,
    write_entry,
)
from infomax.learning.data.cache.folder import (
    EARLIER,
    FORMAT_VERSION,
    cache_limit,
    entries_in,
    held,
    keep_within,
    locked,
    unfinished,
)
from infomax.learning.data.gathering import (
    INDEX,
    Gathered,
    Job,
    Summary,
    check_any,
    check_room,
    check_skipped,
    shape_of,
    showing,
)

PART_SIZE = 8192
"""Items of a part: what a process that is killed has decoded in vain, at most."""


def entry_name(job: Job, column: str | None) -> str | None:
    """Return a hash of everything that the decoded values depend on; None where the source has no digest."""
    digest = job.source.digest(job.split)
    options = job.decoder.decode.keywords
    key: list[Any] = [digest, job.split, column, job.decoder.files.noun, options]
    return digest and xxhash.xxh3_128_hexdigest(json.dumps([FORMAT_VERSION, *key]).encode())


def cached(folder: Path, job: Job, column: str | None, memory_limit: int) -> Gathered | None:
    """Return the values of an entry, which is made first if it is not there; None where it can have no name.

    All processes that want it decode parts of it. Values of up to `memory_limit` bytes are checked byte by
    byte; a damaged entry is made again, with a warning.

    Raises:
        OSError: the cache cannot be written.
        ValueError: as `gather`; the source changes meanwhile; $INFOMAX_CACHE_LIMIT is no size.
    """
    name, limit = entry_name(job, column), cache_limit()
    if name is None:
        return None
    found = open_sound(folder / name, job, memory_limit)
    if found is None:
        with _cache_errors(folder, job):
            folder.mkdir(parents=True, exist_ok=True)
            found = _made(folder / name, job, column, memory_limit)
            keep_within(folder, limit)
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


def _made(entry: Path, job: Job, column: str | None, memory_limit: int) -> Gathered:
    """Return an entry that is not there, or damaged, made together with all who want it."""
    place = unfinished(entry, PART_SIZE)
    with ExitStack() as stack:
        with FileLock(f"{entry}.lock"):
            if (found := open_sound(entry, job, memory_limit)) is not None:
                return found
            _begin(place, entry, job)
            stack.enter_context(held(place))
        parts = _decode(place, entry, job)
        with FileLock(f"{entry}.lock"):
            found = open_sound(entry, job, memory_limit)
            if found is None and parts is not None:
                _check_unchanged(place, entry, job, column)
                _join(parts, place / "whole", job).rename(entry)
                found = open_entry(entry, job, verify_up_to=0)
            if found is not None:
                shutil.rmtree(place, ignore_errors=True)
                return found
    return _made(entry, job, column, memory_limit)  # another process made it, and a third removed it


def _begin(place: Path, entry: Path, job: Job) -> None:
    """Make the folder of an unfinished entry, or go on with it; what is damaged goes."""
    shutil.rmtree(entry, ignore_errors=True)
    kept = entries_in(entry.parent) if not place.exists() else ()
    if any((one.kind, one.source, one.split) == (EARLIER, job.source.name, job.split) for one in kept):
        warnings.warn(
            f"{job.decoder.operation}: the cache holds {job.source.name} as an earlier version of infomax "
            "decoded it; decoding again (infomax cache list shows both)",
            stacklevel=2,
        )
    place.mkdir(exist_ok=True)
    check_room(job, place, sum(path.stat().st_size for path in place.rglob("values")))
    describe(place, job)


def _decode(place: Path, entry: Path, job: Job) -> list[Path] | None:
    """Return all parts, decoded here or by others; None where another process has made the entry of them."""
    try:
        while True:
            with showing(job) as passed:
                parts = _decoded_parts(place, entry, job, passed)
            others = [part for part in parts or () if not part.exists()]
            if not others:
                return parts
            with FileLock(f"{others[0]}.lock"):  # until its process is done, or dead
                pass
    except FileNotFoundError:  # whoever makes the entry removes the parts
        if not entry.exists():
            raise
        return None


def _decoded_parts(place: Path, entry: Path, job: Job, passed: Callable[[int], None]) -> list[Path] | None:
    """Go through the items once and decode the parts that are free; return as `_decode`."""
    items, parts = iter(job.source.items(job.split)), []
    while (first := next(items, None)) is not None:
        if entry.exists():
            return None
        part = place / f"{len(parts):06}"
        some = chain([first], islice(items, PART_SIZE - 1))
        parts.append(part)
        with locked(part) as free:
            if free and not part.exists():
                write_entry(part, some, job, passed)
        passed(sum(1 for _ in some))  # those of a part that is there
    return parts


def _check_unchanged(place: Path, entry: Path, job: Job, column: str | None) -> None:
    """Check that the source is still the one whose name the entry has; parts of another are worth nothing."""
    if entry_name(job, column) != entry.name:
        shutil.rmtree(place, ignore_errors=True)
        raise ValueError(
            f"{job.decoder.operation}: {job.source.name} changed while it was decoded, expected files that "
            "stay as they are; start again when nothing writes there"
        )


def _join(parts: Sequence[Path], whole: Path, job: Job) -> Path:
    """Return an entry that is made of parts, each of which is moved into it.

    Raises:
        ValueError: a part is damaged, and removed; all items are broken.
    """
    summaries = [*map(read_summary, parts)]
    shape = shape_of(summaries)
    skipped = tuple(one for summary in summaries for one in summary.skipped)
    check_any(job, shape, skipped)
    whole.mkdir(exist_ok=True)
    ends = np.cumsum([num_bytes(summary, job) for summary in summaries])
    with (whole / "values").open("ab") as values:
        for part, end in zip(parts, ends, strict=True):
            _move(part, values, int(end), job)
    with pa.ipc.new_file(str(whole / "index.arrow"), INDEX) as writer:
        for part in parts:
            writer.write_table(read_index(part))
    mapped = np.memmap(whole / "values", job.decoder.dtype, "r", shape=shape)
    lost = tuple(sorted({one for summary in summaries for one in summary.lost}))
    hashes = values_hash(mapped), index_hash(read_index(whole))
    describe(whole, job, Summary(shape, *hashes, skipped, lost))
    return whole


def _move(part: Path, whole: BinaryIO, end: int, job: Job) -> None:
    """Move the values of a part to where they end in a file, if they are not there yet.

    Raises:
        ValueError: they are damaged.
    """
    values = part / "values"
    if not values.exists():
        return
    try:
        found = open_entry(part, job, verify_up_to=sys.maxsize).values if values.stat().st_size else None
    except DAMAGE as error:
        shutil.rmtree(part)
        raise ValueError(
            f"{job.decoder.operation}: decoded {job.decoder.files.noun}s in {part} are damaged ({error}) and "
            "were removed; start again, so that these alone are decoded anew"
        ) from error
    whole.truncate(end - values.stat().st_size)  # an interrupted process may have written some
    if found is not None:
        whole.write(found.data)
    whole.flush()
    os.fsync(whole.fileno())
    values.unlink()
