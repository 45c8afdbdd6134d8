"""The nearest rows by cosine among blocks of rows: of the nearest of each block, the nearest.

`InvertedLists` finds them approximately, by FAISS. A row is in the list of the nearest of some centres, which
k-means finds among drawn rows; a query is compared with the rows of the lists whose centres are nearest to
it. Only the lists of one block are in memory: blocks are put into lists, searched, and forgotten. This is
worth while for many queries; for few, comparing with every row is as fast and exact.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from infomax.errors import needs
from infomax.evaluation.probes.neighbors import nearest_neighbors
from infomax.evaluation.probes.stored import StoredRows

NUM_PROBED = 16
"""Lists that a query is compared with."""
ROWS_A_LIST = 64
"""Drawn rows for each list, from which the centres are found."""
NUM_CHECKED = 100
"""Drawn rows whose neighbours are also found exactly, to see how many of these are found."""

Block = Float[np.ndarray, "b d"]
Queries = Float[np.ndarray, "q d"]
Found = tuple[Int[np.ndarray, "q k"], Float[np.ndarray, "q k"]]
"""Numbers of rows for each query, nearest first, and cosines; −1 and −∞ where fewer are found."""
Nearest = Callable[[Queries, Block, int], Found]
"""Called as nearest(queries, block, num)."""


def nearest_of_blocks(queries: Queries, blocks: Iterable[Block], num: int, nearest: Nearest) -> Found:
    """Return the rows nearest to each query, counted through all blocks, as `nearest` finds them in each.

    Args:
        queries: [q, d].
        blocks: of rows.
        num: rows for each query.
        nearest: finds at most so many rows of a block.
    """
    rows = np.zeros((len(queries), 0), np.int64)
    cosines = np.zeros((len(queries), 0), np.float32)
    first = 0
    for block in blocks:
        found, values = nearest(queries, block, min(num, len(block)))
        rows = np.hstack([rows, np.where(found < 0, -1, found + first)])
        cosines = np.hstack([cosines, values])
        best = np.argsort(-cosines, axis=1, kind="stable")[:, :num]
        rows, cosines = np.take_along_axis(rows, best, 1), np.take_along_axis(cosines, best, 1)
        first += len(block)
    return rows, cosines


def exactly(queries: Queries, block: Block, num: int) -> Found:
    """Return the rows of a block nearest to each query."""
    return nearest_neighbors(queries, block, k=num)


@final
@dataclass(frozen=True, eq=False)
class InvertedLists:
    """Finds rows near to queries by FAISS's inverted lists; an index of `fit_nearest_neighbors`.

    Attributes:
        index: of FAISS, whose centres are known, without rows.
        directions: rows of length 1, or 0.
        settings: how it searches, and the share of the nearest that it finds, for some drawn rows.
    """

    index: Any
    directions: StoredRows
    settings: dict[str, Any]

    @staticmethod
    def of(directions: StoredRows, *, k: int = 20, seed: int = 0) -> "InvertedLists":
        """Return √n lists of n rows, and compare what they find with what is exact.

        Args:
            directions: rows of length 1, or 0.
            k: neighbours that are compared.
            seed: of the drawn rows.

        Raises:
            MissingExtra: FAISS is not installed.
        """
        needs("faiss", extra="search", operation="neighbours")
        import faiss  # pyright: ignore[reportMissingImports]

        n, d = directions.shape
        num_lists = max(1, round(n**0.5))
        rows = np.random.default_rng(seed).choice(n, min(n, ROWS_A_LIST * num_lists), replace=False)
        drawn = directions.take(np.sort(rows))
        index = faiss.IndexIVFFlat(faiss.IndexFlatIP(d), d, num_lists, faiss.METRIC_INNER_PRODUCT)
        index.train(drawn)
        index.nprobe = min(NUM_PROBED, num_lists)
        lists = InvertedLists(index, directions, {"search": f"FAISS, {index.nprobe} of {num_lists:,} lists"})
        lists.settings["share_found"] = lists.share_found(drawn[:NUM_CHECKED], k)
        return lists

    def __call__(self, queries: Float[Tensor, "m d"], k: int) -> Found:
        """Return rows near to queries, nearest first."""
        return nearest_of_blocks(queries.cpu().numpy(), self.directions.blocks(), k, self.nearest)

    def nearest(self, queries: Queries, block: Block, num: int) -> Found:
        """Return rows of a block that are near to each query."""
        self.index.reset()
        self.index.add(block)
        cosines, rows = self.index.search(queries, num)
        return rows, np.where(rows < 0, np.float32(-np.inf), cosines)

    def share_found(self, queries: Queries, k: int) -> float:
        """Return the share of the k nearest rows that are found, or others as near as the k-th."""
        blocks = self.directions.blocks
        _, exact = nearest_of_blocks(queries, blocks(), k, exactly)
        _, found = nearest_of_blocks(queries, blocks(), k, self.nearest)
        return float((found >= exact[:, -1:] - 1e-6).mean())
