"""An entry: a folder of decoded values, of what stands beside them, and of what is known of both."""

import fcntl
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from infomax.errors import refuse
from infomax.files import most_bytes, read_json
from infomax.learning.data.cache.folder import FORMAT_VERSION
from infomax.learning.data.dataset import ValuesHash
from infomax.learning.data.gathering import INDEX, Block, Gathered, Job, Summary, gather, index_bytes
from infomax.learning.data.sources.source import Item

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
DAMAGE = (OSError, ValueError, LookupError, TypeError, pa.ArrowException)
"""Errors that a damaged entry ends in."""


def write_entry(folder: Path, items: Iterable[Item], job: Job, passed: Callable[[int], None]) -> None:
    """Write some decoded items beside their place and rename them: they are there whole or not at all.

    The caller holds the lock of the folder.
    """
    beside = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(beside, ignore_errors=True)  # left by a process that was killed
    beside.mkdir()
    try:
        _write(beside, items, job, passed)
        beside.rename(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _write(folder: Path, items: Iterable[Item], job: Job, passed: Callable[[int], None]) -> None:
    with (folder / "values").open("wb") as values, pa.OSFile(str(folder / "index.arrow"), "wb") as index:
        with pa.ipc.new_file(index, INDEX) as writer:

            def write(block: Block) -> None:
                values.write(block.values.data)
                writer.write(block.index)

            summary = gather(items, job, write, passed)
        values.flush()
        os.fsync(values.fileno())
    describe(folder, job, summary)


def describe(folder: Path, job: Job, summary: Summary | None = None) -> None:
    """Write what is known of an entry."""
    about = {"source": job.source.name, "split": job.split, "format": FORMAT_VERSION}
    (folder / "about.json").write_text(json.dumps(about))
    if summary is not None:
        (folder / "meta.json").write_text(json.dumps(summary))


def open_sound(entry: Path, job: Job, memory_limit: int) -> Gathered | None:
    """Return the entry; None if there is none or, with a warning, if it is damaged.

    Values of up to `memory_limit` bytes are checked byte by byte.
    """
    if not entry.exists():
        return None
    try:
        return open_entry(entry, job, verify_up_to=memory_limit)
    except DAMAGE as error:
        warnings.warn(
            f"{job.decoder.operation}: the cache entry {entry} is damaged ({error}); decoding again",
            stacklevel=2,
        )
        return None


def open_entry(entry: Path, job: Job, verify_up_to: int) -> Gathered:
    """Return the entry, memory-mapped; check every byte of up to `verify_up_to` bytes of values.

    Raises:
        OSError, ValueError, LookupError, TypeError, pa.ArrowException (`DAMAGE`): the entry is damaged.
    """
    summary, index = read_summary(entry), read_index(entry)
    size, expected = (entry / "values").stat().st_size, num_bytes(summary, job)
    refuse(size != expected, f"values have {size} bytes, not {expected}")
    with (entry / "values").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)  # which the mapping keeps until it ends
        values = np.memmap(file, job.decoder.dtype, "r", shape=summary.shape)
    if size <= verify_up_to:
        hashes = values_hash(values), index_hash(index)
        refuse(hashes != (summary.values_hash, summary.index_hash), "its values or labels have changed")
    with suppress(OSError):  # a cache that others own tells its own times
        os.utime(entry)
    return Gathered(summary, values, index)


def read_summary(entry: Path) -> Summary:
    """Return what is known of the values of an entry.

    Raises:
        FileNotFoundError, Unreadable: as `read_json`.
    """
    kept = read_json(entry / "meta.json", "cache", "remove the entry", _META, most_bytes())
    shape, of_values, of_index, skipped, lost = kept
    return Summary(tuple(shape), of_values, of_index, tuple(skipped), tuple(lost))


def read_index(entry: Path) -> pa.Table:
    """Return names, labels and splits of an entry, memory-mapped."""
    with pa.memory_map(str(entry / "index.arrow")) as file:
        return pa.ipc.open_file(file).read_all()


def num_bytes(summary: Summary, job: Job) -> int:
    """Return the bytes of the values of an entry."""
    return int(np.prod(summary.shape)) * np.dtype(job.decoder.dtype).itemsize


def values_hash(values: np.ndarray) -> str:
    """Return the hash of values, which may be mapped."""
    hasher = ValuesHash()
    for start in range(0, len(values), 4096):
        hasher.update(values[start : start + 4096])
    return hasher.hexdigest()


def index_hash(index: pa.Table) -> str:
    """Return the hash of names, labels and splits."""
    hasher = xxhash.xxh3_128()
    for batch in index.to_batches():
        hasher.update(index_bytes(batch))
    return hasher.hexdigest()
