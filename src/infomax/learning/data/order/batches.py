"""Batches of a dataset, step after step."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import IterableDataset

from infomax.errors import refuse
from infomax.learning.data.order.epochs import MakeOrder, keyed


@runtime_checkable
class Rows(Protocol):
    """Rows in memory, or memory-mapped, with their labels."""

    @property
    def classes(self) -> Sequence[str]:
        """Label -> name."""
        ...

    def __len__(self) -> int: ...

    def batch(self, rows: np.ndarray, /) -> Any:
        """Return what was seen at `rows`."""
        ...

    def labels_at(self, rows: np.ndarray, /) -> Int64[np.ndarray, " m"]:
        """Return the labels at `rows`."""
        ...


class Batches(IterableDataset[tuple[Any, Tensor]]):
    """Batches with their labels, step after step without end; the order of an epoch follows from the seed.

    Args:
        dataset: what to learn from.
        batch_size: of all ranks together; each takes an equal share, rank after rank.
        seed: of the order.
        first_step: the step to begin with.
        rank, num_ranks: which share.
        order: of an epoch.
    """

    def __init__(
        self,
        dataset: Rows,
        batch_size: int,
        seed: int,
        first_step: int = 0,
        rank: int = 0,
        num_ranks: int = 1,
        order: MakeOrder = keyed,
    ):
        self.dataset: Rows = dataset
        self.batch_size: int = batch_size
        self.seed: int = seed
        self.first_step: int = first_step
        self.rank: int = rank
        self.order: MakeOrder = order
        self.share: int = batch_size // num_ranks
        self.steps_per_epoch: int = len(dataset) // batch_size

    def __iter__(self) -> Iterator[tuple[Any, Tensor]]:
        step = self.first_step
        while True:
            epoch, position = divmod(step, self.steps_per_epoch)
            order = self.order(len(self.dataset), self.seed, epoch)
            rows = order[:0]
            for start in range(
                position * self.batch_size, self.steps_per_epoch * self.batch_size, self.batch_size
            ):
                first = start + self.rank * self.share
                rows = order[first : first + self.share]
                yield self.dataset.batch(rows), torch.from_numpy(self._labels(rows))
                step += 1
            del order, rows  # before the next order is drawn

    def _labels(self, rows: Int64[np.ndarray, " b"]) -> Int64[np.ndarray, " b"]:
        """Return the labels of some rows, each of a class that has a name, if any have."""
        labels, known = self.dataset.labels_at(rows), len(self.dataset.classes)
        refuse(
            known and (labels >= known).any(),
            f"pretrain: expected labels from -1 (none) to {known - 1}, got {labels.max()}; give the dataset "
            "a name for each class",
        )
        return labels
