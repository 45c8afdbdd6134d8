"""Decoded values on disk, found again by their content: one folder an entry."""

import json
import os
import shutil
import uuid
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from filelock import FileLock

from infomax.errors import refuse
from infomax.learning.data.dataset import ValuesHash
from infomax.learning.data.gathering import (
    INDEX,
    Block,
    Gathered,
    Job,
    Summary,
    check_skipped,
    gather,
    index_bytes,
)

FORMAT_VERSION = 3
"""Version of the decoders and of the entries; when it goes up, older entries are left unused."""


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
        ValueError: as `gather`.
    """
    found = _open_sound(entry, job, memory_limit)
    if found is None:
        with _cache_errors(entry.parent, job):
            entry.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{entry}.lock"):
                found = _open_sound(entry, job, memory_limit) or _build(entry, job)
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
    shape, values_hash, index_hash, skipped, lost = json.loads((entry / "meta.json").read_text())
    summary = Summary(tuple(shape), values_hash, index_hash, tuple(skipped), tuple(lost))
    size, expected = (entry / "values").stat().st_size, np.prod(shape) * np.dtype(job.decoder.dtype).itemsize
    refuse(size != expected, f"values have {size} bytes, not {expected}")
    with pa.memory_map(str(entry / "index.arrow")) as file:
        index = pa.ipc.open_file(file).read_all()
    values = np.memmap(entry / "values", job.decoder.dtype, "r", shape=summary.shape)
    if size <= verify_up_to:
        refuse(_hashes(values, index) != (values_hash, index_hash), "its values or labels have changed")
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
    (folder / "meta.json").write_text(json.dumps(summary))
