"""From a source to decoded values, block by block: with threads where decoding is slow."""

import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from infomax.learning.data.dataset import Dataset, Fingerprint, Names
from infomax.learning.data.decoder import Decoder
from infomax.learning.data.sources.source import Item, Source, label_index

BLOCK_SIZE = 32
"""Items decoded by one task."""
MAX_SECONDS_ALONE = 2e-3
"""Seconds to decode an item without threads; below that, threads would only wait for the interpreter."""

INDEX = pa.schema([("name", pa.string()), ("label", pa.int64())])
"""The columns that are kept beside the values."""


@dataclass(frozen=True)
class Job:
    """A stream to decode, and how to decode it.

    Attributes:
        source, split: where the items come from.
        decoder: makes an array of each.
        skip_broken: leave out what cannot be decoded, instead of stopping.
        progress: show a bar on stderr.
    """

    source: Source
    split: str
    decoder: Decoder
    skip_broken: bool
    progress: bool


class Block(NamedTuple):
    """Some decoded items.

    Attributes:
        values: their arrays, stacked.
        index: their names and labels.
        broken: ``name: why`` for each item that could not be decoded.
    """

    values: np.ndarray
    index: pa.RecordBatch
    broken: list[str]

    @property
    def labels(self) -> np.ndarray:
        """Labels of the values; −1 = none."""
        return self.index["label"].to_numpy()


class Summary(NamedTuple):
    """Facts about a dataset, beside values, names and labels, that are known when all blocks have passed."""

    shape: tuple[int, ...]
    classes: tuple[str, ...]
    fingerprint: str
    skipped: tuple[str, ...]

    def dataset(self, values: np.ndarray, index: pa.Table) -> Dataset:
        """Return the dataset of these values, names and labels."""
        labels = index["label"].to_numpy().astype(np.int64)
        return Dataset(values, labels, Names(index["name"]), self.classes, self.skipped, self.fingerprint)


def gather(job: Job, write: Callable[[Block], None]) -> Summary:
    """Decode everything once; memory does not grow with the number of items.

    Args:
        job: what to decode.
        write: takes each block, in the order of the source.

    Raises:
        ValueError: a broken item, unless these are skipped; a label without a meaning; nothing left.
    """
    hasher, num, top_label, shape, skipped = Fingerprint(), 0, -1, (), []
    for block in _with_progress(job):
        skipped += block.broken
        check_skipped(job, skipped)
        if len(block.values):
            write(block)
            hasher.update(block.values, block.labels)
            num, shape = num + len(block.values), block.values.shape[1:]
            top_label = max(top_label, int(block.labels.max()))
    if num == 0:
        raise _nothing_left(job, skipped)
    known = job.source.classes
    classes = tuple(map(str, range(top_label + 1))) if known is None else known
    return Summary((num, *shape), classes, hasher.hexdigest(classes), tuple(skipped))


def check_skipped(job: Job, skipped: Iterable[str]) -> None:
    """Refuse what was left out, unless the user wants broken items to be skipped.

    Raises:
        ValueError: something was left out; the message names the first.
    """
    first = next(iter(skipped), None)
    if first is None or job.skip_broken:
        return
    decoder = job.decoder
    raise ValueError(
        f"{decoder.operation}: cannot decode {decoder.files.one} of {job.source.name}: {first}; expected "
        f"{decoder.expected}; repair or remove it, or leave broken {decoder.files.noun}s out with "
        "--skip-broken (skip_broken=True)"
    )


def _nothing_left(job: Job, skipped: list[str]) -> ValueError:
    noun = job.decoder.files.noun
    why = f"all {len(skipped)} {noun}s are broken (first: {skipped[0]})" if skipped else "it is empty"
    return ValueError(
        f"{job.decoder.operation}: nothing to load from split {job.split} of {job.source.name}: {why}; "
        f"expected at least one {noun}; check the source"
    )


def _with_progress(job: Job) -> Iterator[Block]:
    """Yield the blocks, and show on stderr how many items have passed."""
    if not job.progress:
        yield from _decoded(job)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        what = f"decoding {Path(job.source.name).name} ({job.split})"
        task = bar.add_task(what, total=job.source.count(job.split))
        for block in _decoded(job):
            bar.advance(task, len(block.values) + len(block.broken))
            yield block


def _decoded(job: Job) -> Iterator[Block]:
    """Yield blocks in the order of the source: one by one until one is slow, from then on by threads."""
    items = job.source.items(job.split)
    blocks = iter(lambda: [*itertools.islice(items, BLOCK_SIZE)], [])
    for block in blocks:
        start = time.perf_counter()
        decoded = _decode_block(block, job)
        is_slow = time.perf_counter() - start > MAX_SECONDS_ALONE * BLOCK_SIZE
        yield decoded
        if is_slow:
            yield from _decoded_by_threads(blocks, job, os.cpu_count() or 1)


def _decoded_by_threads(blocks: Iterable[list[Item]], job: Job, num_threads: int) -> Iterator[Block]:
    with ThreadPoolExecutor(num_threads) as pool:
        pending = deque()
        for block in blocks:
            pending.append(pool.submit(_decode_block, block, job))
            if len(pending) > num_threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _decode_block(items: list[Item], job: Job) -> Block:
    names, values, labels, broken = [], [], [], []
    for item in items:
        label = label_index(item, job.source.classes)
        try:
            values.append(job.decoder.decode(item.value))
        except Exception as error:  # decoders raise nearly anything; it is reported with the item's name
            broken.append(f"{item.name}: {_why(error)}")
        else:
            names.append(item.name)
            labels.append(label)
    index = pa.record_batch([pa.array(names, pa.string()), pa.array(labels, pa.int64())], schema=INDEX)
    return Block(np.array(values, job.decoder.dtype), index, broken)


def _why(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
