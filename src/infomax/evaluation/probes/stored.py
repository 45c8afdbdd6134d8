"""Rows of features that are too many for memory: they lie in a temporary file and are read a block at a time.

`blocks` and `mapped` take such rows and arrays alike. An array is a single block.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from io import BufferedRandom
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

BLOCK_NUMBERS = 2**22
"""Numbers of a block that is read at a time, 16 MiB."""
TAKEN_AT_ONCE = 4096
"""Rows that are taken at a time: each lies in a page of the mapped file, which counts as memory meanwhile."""

Block = Float[np.ndarray, "b d"]


@final
@dataclass(frozen=True, eq=False)
class StoredRows:
    """Rows [n, d], float32, in a temporary file, which goes when nobody holds it any more.

    Attributes:
        file: holds the rows, one after another.
        folder: of the file; None for the system's.
        stored: number of rows in the file, and of features.
        kept: which rows of the file these are; None for all of them.
    """

    file: BufferedRandom
    folder: str | Path | None
    stored: tuple[int, int]
    kept: Bool[np.ndarray, " n"] | None = None

    @staticmethod
    def of(some: Iterable[Any], folder: str | Path | None = None) -> "StoredRows":
        """Return the rows of blocks, arrays or tensors [b, d], written into a temporary file in a folder."""
        file: Any = TemporaryFile(dir=folder)  # noqa: SIM115 closed when the rows go
        num, width = 0, 0
        for block in some:
            array = block.cpu().numpy() if isinstance(block, Tensor) else block
            rows = np.ascontiguousarray(array, np.float32)
            file.write(rows.data)
            num, width = num + len(rows), rows.shape[1]
        file.flush()
        return StoredRows(file, folder, (num, width))

    def __len__(self) -> int:
        return self.stored[0] if self.kept is None else int(np.count_nonzero(self.kept))

    def __array__(self, *how: Any, **options: Any) -> np.ndarray:
        return np.concatenate([*self.blocks()]).__array__(*how, **options)

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """The kind of the numbers."""
        return np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and of features."""
        return len(self), self.stored[1]

    @property
    def size(self) -> int:
        """Number of all numbers."""
        return len(self) * self.stored[1]

    @property
    def most_at_once(self) -> int:
        """Rows of a block, at most."""
        return max(1, BLOCK_NUMBERS // self.stored[1])

    def blocks(self) -> Iterator[Block]:
        """Yield the rows, a block at a time."""
        n = self.stored[0]
        for start in range(0, n, self.most_at_once):
            block = self.between(start, min(start + self.most_at_once, n))
            kept = block if self.kept is None else block[self.kept[start : start + len(block)]]
            if len(kept):
                yield kept

    def between(self, start: int, stop: int) -> Block:
        """Return consecutive rows of the file, those that are not kept included."""
        block = np.empty((stop - start, self.stored[1]), np.float32)
        self.file.seek(start * self.stored[1] * block.itemsize)
        self.file.readinto(block.view(np.uint8).data)
        return block

    def mapped(self, function: Callable[[Block], Any]) -> "StoredRows":
        """Return what a function makes of each block, in a file of its own."""
        return StoredRows.of(map(function, self.blocks()), self.folder)

    def __getitem__(self, rows: Bool[np.ndarray, " n"] | Bool[Tensor, " n"]) -> "StoredRows":
        """Return the rows where a mask is true; nothing is copied."""
        kept = np.ones(self.stored[0], bool) if self.kept is None else self.kept.copy()
        kept[kept] = np.asarray(torch.as_tensor(rows).cpu())
        return replace(self, kept=kept)

    def take(self, rows: Int[np.ndarray, " m"]) -> Float[np.ndarray, "m d"]:
        """Return some rows, in memory."""
        places = rows if self.kept is None else np.flatnonzero(self.kept)[rows]
        some = np.array_split(places, -(-len(places) // TAKEN_AT_ONCE) or 1)
        return np.concatenate([np.memmap(self.file, np.float32, "r", shape=self.stored)[one] for one in some])


Rows = Float[np.ndarray, "n d"] | StoredRows
"""Rows [n, d] in memory, or stored."""


def blocks(rows: Rows | Tensor) -> Iterator[Any]:
    """Yield rows a block at a time; an array is one block."""
    if isinstance(rows, StoredRows):
        yield from rows.blocks()
    else:
        yield rows


def mapped(rows: Rows | Tensor, function: Callable[[Any], Any]) -> Any:
    """Return what a function makes of rows, block by block; of an array, in memory."""
    return rows.mapped(function) if isinstance(rows, StoredRows) else function(rows)


def taken(rows: Rows, places: Int[np.ndarray, " m"]) -> Float[np.ndarray, "m d"]:
    """Return some rows, in memory."""
    return rows.take(places) if isinstance(rows, StoredRows) else rows[places]
