"""Batches of a stream: windows are read and batches decoded by threads, ahead of the step that takes them."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import IterableDataset

from infomax.learning.data.dataset import as_batch
from infomax.learning.data.gathering import BLOCK_SIZE
from infomax.learning.data.sources.source import Item
from infomax.learning.data.streaming.schedule import Piece, Schedule, Window

BATCHES_AHEAD = 4
"""Batches that are decoded, or being decoded, before a step asks for them."""
NUM_READS = 4
"""Pieces of shards that are read together."""
MAX_THREADS = 16
"""Most threads that decode for one process."""

Rows = list[tuple[int, Item]]
"""Rows that are not decoded, with their numbers."""


@runtime_checkable
class InShards(Protocol):
    """Rows in shards, which are read piece by piece and decoded."""

    @property
    def counts(self) -> Int64[np.ndarray, " s"]:
        """Rows of each shard."""
        ...

    @property
    def window(self) -> int:
        """Rows that are put in a random order together."""
        ...

    def rows_of(self, piece: Piece, /) -> Rows:
        """Return number and value of each row of a piece, not decoded."""
        ...

    def decoded(self, rows: Rows, places: Sequence[int], /) -> tuple[np.ndarray, Int64[np.ndarray, " b"]]:
        """Return the values at some places among rows, and their numbers."""
        ...

    def labels_at(self, rows: np.ndarray, /) -> Int64[np.ndarray, " m"]:
        """Return the labels of rows by their numbers."""
        ...


class StreamedBatches(IterableDataset[tuple[Any, Tensor]]):
    """Batches of a stream with their labels, step after step without end.

    Args:
        stream: what to learn from.
        schedule: the order, and the share of this rank.
        first_step: the step to begin with.
    """

    def __init__(self, stream: InShards, schedule: Schedule, first_step: int = 0):
        self.stream: InShards = stream
        self.schedule: Schedule = schedule
        self.first_step: int = first_step

    def __iter__(self) -> Iterator[tuple[Any, Tensor]]:
        stopped, pending = Event(), deque[list[Future[Any]]]()
        readers, decoders = ThreadPoolExecutor(NUM_READS), ThreadPoolExecutor(num_threads())
        try:
            for rows, places in self._shares(readers, stopped):
                blocks = [places[at : at + BLOCK_SIZE] for at in range(0, len(places), BLOCK_SIZE)]
                pending.append([decoders.submit(self.stream.decoded, rows, block) for block in blocks])
                if len(pending) > BATCHES_AHEAD:
                    yield self._batch(pending.popleft())
        finally:
            stopped.set()
            for pool in (readers, decoders):
                pool.shutdown(wait=False, cancel_futures=True)

    def _shares(self, pool: ThreadPoolExecutor, stopped: Event) -> Iterator[tuple[Rows, Sequence[int]]]:
        """Yield the rows of a window and the places of this rank's share of a batch among them."""
        windows = self.schedule.windows(self.first_step)
        window = next(windows)
        reading = self._begun(window, pool, stopped)
        while True:
            rows = [row for one in reading for row in one.result()]
            following = next(windows)
            reading = self._begun(following, pool, stopped)
            for at in range(window.begin, len(rows), self.schedule.share):
                yield rows, window.order[at : at + self.schedule.share].tolist()
            window = following

    def _begun(self, window: Window, pool: ThreadPoolExecutor, stopped: Event) -> list[Future[Rows]]:
        def read(piece: Piece) -> Rows:
            return [] if stopped.is_set() else self.stream.rows_of(piece)

        return [pool.submit(read, piece) for piece in window.pieces]

    def _batch(self, blocks: Sequence[Future[Any]]) -> tuple[Tensor, Tensor]:
        found = [block.result() for block in blocks]
        rows = np.concatenate([numbers for _, numbers in found])
        values = as_batch(np.concatenate([values for values, _ in found]))
        return values, torch.from_numpy(self.stream.labels_at(rows))


def num_threads() -> int:
    """Return how many threads decode: as many as this process may use cores, sixteen at most."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MAX_THREADS)


def streamed(
    stream: InShards, batch_size: int, seed: int, first_step: int = 0, rank: int = 0, num_ranks: int = 1
) -> StreamedBatches:
    """Return the batches of a stream; arguments as of `Schedule` and `StreamedBatches`."""
    schedule = Schedule(stream.counts, batch_size, stream.window, seed, rank, num_ranks)
    return StreamedBatches(stream, schedule, first_step)
