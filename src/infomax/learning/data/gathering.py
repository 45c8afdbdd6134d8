"""From a source to decoded values, block by block: with threads where decoding is slow."""

import itertools
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import xxhash

from infomax.errors import refuse
from infomax.learning.data.dataset import Dataset, Names, ValuesHash, fingerprint_of
from infomax.learning.data.decoder import Decoder
from infomax.learning.data.labels.meaning import Labelled
from infomax.learning.data.labels.texts import label_text
from infomax.learning.data.pixels.formats import OtherChannels
from infomax.learning.data.sources.files import checked
from infomax.learning.data.sources.source import Item, Source
from infomax.memory import total_memory
from infomax.progress import is_silent

BLOCK_SIZE = 32
"""Items decoded by one task."""
MAX_SECONDS_ALONE = 2e-3
"""Seconds to decode an item without threads; below that, threads would only wait for the interpreter."""

INDEX = pa.schema([("name", pa.string()), ("label", pa.string()), ("split", pa.string())])
"""The columns that are kept beside the values; labels as JSON, whatever they mean."""


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
        index: their names, labels and splits.
        broken: ``name: why`` for each item that could not be decoded.
        lost: their labels, as JSON.
    """

    values: np.ndarray
    index: pa.RecordBatch
    broken: list[str]
    lost: list[str | None]


class Summary(NamedTuple):
    """Facts about decoded values that are known when all blocks have passed.

    Attributes:
        shape: of all of them.
        values_hash, index_hash: of the values; of names, labels and splits.
        skipped: ``name: why`` of each broken item.
        lost: labels of these, each once: they still are labels that occur.
    """

    shape: tuple[int, ...]
    values_hash: str
    index_hash: str
    skipped: tuple[str, ...]
    lost: tuple[str, ...]


class Gathered(NamedTuple):
    """Decoded values with what is kept beside them."""

    summary: Summary
    values: np.ndarray
    index: pa.Table

    def labelled(self, found: Labelled) -> Dataset:
        """Return the dataset with these labels."""
        shape, values_hash, _, skipped, _ = self.summary
        known = fingerprint_of(values_hash, shape[1:], found.labels, found.classes, found.targets)
        names, splits = Names(self.index["name"]), Names(self.index["split"])
        dataset = Dataset(self.values, found.labels, names, found.classes, skipped, known)
        return replace(dataset, targets=found.targets, splits=splits)


def gather(
    items: Iterable[Item], job: Job, write: Callable[[Block], None], passed: Callable[[int], None]
) -> Summary:
    """Decode items once; memory does not grow with their number.

    Args:
        items: of the source of the job, all of them or some.
        job: how to decode them.
        write: takes each block, in the order of the items.
        passed: is told how many items each block had.

    Raises:
        OtherChannels: an item has other channels than those that are wanted, unless such items are skipped.
        ValueError: a broken item, unless these are skipped.
    """
    of_values, of_index, num, shape, skipped = ValuesHash(), xxhash.xxh3_128(), 0, (), []
    lost: set[str] = set()
    for block in _decoded(iter(items), job):
        skipped += block.broken
        lost.update(filter(None, block.lost))
        check_skipped(job, skipped)
        if len(block.values):
            write(block)
            of_values.update(block.values)
            of_index.update(index_bytes(block.index))
            num, shape = num + len(block.values), block.values.shape[1:]
        passed(len(block.values) + len(block.broken))
    hashes = of_values.hexdigest(), of_index.hexdigest()
    return Summary((num, *shape), *hashes, tuple(skipped), tuple(sorted(lost)))


def shape_of(parts: Sequence[Summary]) -> tuple[int, ...]:
    """Return the shape of the values of several parts together."""
    full = [part.shape for part in parts if part.shape[0]]
    return (sum(num for num, *_ in full), *(full[0][1:] if full else ()))


def check_any(job: Job, shape: Sequence[int], skipped: Sequence[str]) -> None:
    """Check that anything is left.

    Args:
        job: what was decoded.
        shape: of all values together.
        skipped: ``name: why`` of each broken item.

    Raises:
        ValueError: nothing is.
    """
    noun = job.decoder.files.noun
    why = f"all {len(skipped)} {noun}s are broken (first: {skipped[0]})" if skipped else "it is empty"
    refuse(
        shape[0] == 0,
        f"{job.decoder.operation}: nothing to load from split {job.split} of {job.source.name}: {why}; "
        f"expected at least one {noun}; check the source",
    )


def check_room(job: Job, folder: str | Path, memory: int = 0) -> None:
    """Check that a block of decoded items fits into half of the memory, and all of them into a folder.

    Args:
        job: what will be decoded.
        folder: where the values will lie.
        memory: bytes of them that need not lie there.

    Raises:
        ValueError: they do not.
    """
    each, num, decoder = job.decoder.num_bytes, job.source.count(job.split) or 1, job.decoder
    block, free = min(num, BLOCK_SIZE), shutil.disk_usage(folder).free + memory
    refuse(
        block * each > total_memory() / 2,
        f"{decoder.operation}: {block} {decoder.files.noun}s of {_gib(each)} each are decoded at a time, and "
        f"there are {_gib(total_memory())} of memory; choose a smaller size for them",
    )
    refuse(
        num * each > free,
        f"{decoder.operation}: {num:,} decoded {decoder.files.noun}s take {_gib(num * each)}, and "
        f"{folder} has {_gib(free)}; choose a smaller size for them, or another folder by INFOMAX_CACHE",
    )


def _gib(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:,.2f} GiB"


def index_bytes(index: pa.RecordBatch | pa.Table) -> bytes:
    """Return names, labels and splits as bytes, to hash them."""
    return b"".join("\0".join(one or "" for one in column.to_pylist()).encode() + b"\1" for column in index)


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


@contextmanager
def showing(job: Job) -> Generator[Callable[[int], None]]:
    """Give a function that is told how many items have passed; a bar on stderr shows it, where wanted."""
    if not job.progress or is_silent():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        split = f" ({job.split})" if len(job.source.splits) > 1 else ""
        what = f"decoding {Path(job.source.name).name}{split}"
        yield partial(bar.advance, bar.add_task(what, total=job.source.count(job.split)))


def _decoded(items: Iterator[Item], job: Job) -> Iterator[Block]:
    """Yield blocks in the order of the items: one by one until one is slow, from then on by threads."""
    blocks = iter(lambda: [*itertools.islice(items, BLOCK_SIZE)], [])
    for block in blocks:
        start = time.perf_counter()
        decoded = decode_block(block, job)
        is_slow = time.perf_counter() - start > MAX_SECONDS_ALONE * BLOCK_SIZE
        yield decoded
        if is_slow:
            yield from _decoded_by_threads(blocks, job, os.cpu_count() or 1)


def _decoded_by_threads(blocks: Iterable[list[Item]], job: Job, num_threads: int) -> Iterator[Block]:
    with ThreadPoolExecutor(num_threads) as pool:
        pending = deque()
        for block in blocks:
            pending.append(pool.submit(decode_block, block, job))
            if len(pending) > num_threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def decode_block(items: list[Item], job: Job) -> Block:
    """Return some items, decoded; those that cannot be decoded are named.

    Raises:
        OtherChannels: an item has other channels than those that are wanted, unless such items are skipped.
    """
    kept, values, broken, lost = [], [], [], []
    for item in items:
        try:
            values.append(job.decoder.decode(checked(item.value)))
        except Exception as error:  # decoders raise nearly anything; it is reported with the item's name
            if (
                isinstance(error, OtherChannels) and not job.skip_broken
            ):  # not broken: the user chooses channels
                where = f"{job.decoder.operation}: {item.name} of {job.source.name}"
                raise OtherChannels(f"{where}: {error}; or leave such out with --skip-broken") from error
            broken.append(f"{item.name}: {_why(error)}")
            lost.append(label_text(item.label))
        else:
            kept.append((item.name, label_text(item.label), item.split or job.split))
    columns = [
        pa.array(column, pa.string()) for column in (zip(*kept, strict=True) if kept else ((), (), ()))
    ]
    index = pa.record_batch(columns, schema=INDEX)
    return Block(np.array(values, job.decoder.dtype), index, broken, lost)


def _why(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
