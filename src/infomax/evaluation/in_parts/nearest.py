"""The nearest rows by cosine among rows that are too many for memory: exactly, or by inverted lists.

Exactly: of the nearest of each block of rows, the nearest. By `InvertedLists`: k-means finds centres among
drawn rows, and each row is put into the list of the centre nearest to it; a query is compared with the rows
of the few lists whose centres are nearest to it. The lists lie one after another in a temporary file, and one
is in memory at a time. This is worth while for many queries; for few, comparing with every row is as fast.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from tempfile import TemporaryFile
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from infomax.errors import did_you_mean, needs, refuse
from infomax.evaluation.options import WAYS_OF_KNN
from infomax.evaluation.probes.neighbors import Index, MakeIndex, nearest_neighbors
from infomax.evaluation.probes.stored import Rows, StoredRows, blocks

MAX_EXACT_PAIRS = 10**9
"""Pairs of a query and a row up to which the nearest are exact, as they always are without FAISS."""
NUM_PROBED = 16
"""Lists that a query is compared with, at first."""
WANTED_SHARE = 0.9
"""Share of the nearest that must be found; until then twice as many lists are compared, up to all."""
ROWS_A_LIST = 64
"""Drawn rows for each list, from which the centres are found."""
NUM_STEPS = 10
"""Steps of the k-means that finds the centres."""
NUM_CHECKED = 100
"""Drawn rows whose neighbours are also found exactly: they choose how many lists are compared."""

Block = Float[np.ndarray, "b d"]
Queries = Float[np.ndarray, "q d"]
Found = tuple[Int[np.ndarray, "q _"], Float[np.ndarray, "q _"]]
"""Numbers of rows for each query, nearest first, and cosines."""
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
    best = np.zeros((len(queries), 0), np.int64), np.zeros((len(queries), 0), np.float32)
    first = 0
    for block in blocks:
        rows, cosines = nearest(queries, block, min(num, len(block)))
        best = _nearest_of(best, (rows + first, cosines), num)
        first += len(block)
    return best


def _nearest_of(some: Found, others: Found, num: int) -> Found:
    """Return the nearest of those that were found in two places."""
    rows, cosines = np.hstack([some[0], others[0]]), np.hstack([some[1], others[1]])
    best = np.argsort(-cosines, axis=1, kind="stable")[:, :num]
    return np.take_along_axis(rows, best, 1), np.take_along_axis(cosines, best, 1)


def exactly(queries: Queries, block: Block, num: int) -> Found:
    """Return the rows of a block nearest to each query."""
    return nearest_neighbors(queries, block, k=num)


def found_among(queries: Queries, directions: Rows, num: int, index: Index | None = None) -> Found:
    """Return the rows nearest to each query, as an index of them finds them; exactly without one.

    Args:
        queries: of length 1, or 0.
        directions: rows of length 1, or 0, in memory or stored.
        num: rows for each query, at most n.
        index: of these directions.
    """
    if index is not None:
        return index(torch.from_numpy(queries), num)
    return nearest_of_blocks(queries, blocks(directions), num, exactly)


def index_for(num_queries: int, num_rows: int, way: str = "auto", *, seed: int = 0) -> MakeIndex | None:
    """Return what makes an index for so many queries among so many rows; None for an exact comparison.

    Args:
        num_queries: rows whose nearest are wanted.
        num_rows: rows among which they are.
        way: exact; lists; or auto, which is exact up to `MAX_EXACT_PAIRS`, and lists of more, with FAISS.
        seed: of the drawn rows.

    Raises:
        ValueError: there is no such way.
    """
    refuse(
        way not in WAYS_OF_KNN, f"knn: no way {way!r} to find the nearest; {did_you_mean(way, WAYS_OF_KNN)}"
    )
    many = num_queries * num_rows > MAX_EXACT_PAIRS and find_spec("faiss") is not None
    return partial(InvertedLists.of, seed=seed) if way == "lists" or (way == "auto" and many) else None


def stored_for(way: str, rows: Rows) -> Rows:
    """Return rows, in a temporary file where lists of them are asked for."""
    return StoredRows.of([rows]) if way == "lists" and not isinstance(rows, StoredRows) else rows


def search_in_words(settings: Mapping[str, Any]) -> str:
    """Return how an index searched, and which share of the nearest it finds."""
    share = f"{100 * settings['share_found']:.1f} % of the nearest of {settings['num_checked']} drawn rows"
    return f"{settings['search']}, which hold {share}"


@final
@dataclass(frozen=True, eq=False)
class InvertedLists:
    """Finds rows near to queries in some of the lists of rows; an index of `fit_nearest_neighbors`.

    Attributes:
        centers: of the lists, as an index of FAISS.
        rows: of length 1, or 0: list after list.
        numbers: of these rows.
        starts: where each list starts, and where the last one ends.
        num_probed: lists that a query is compared with.
        settings: how it searches, and the share of the nearest that it finds, for some drawn rows.
    """

    centers: Any
    rows: StoredRows
    numbers: Int[np.ndarray, " n"]
    starts: Int[np.ndarray, " _"]
    num_probed: int
    settings: dict[str, Any]

    @staticmethod
    def of(directions: StoredRows, *, k: int = 20, seed: int = 0) -> "InvertedLists":
        """Return √n lists of n rows, of which queries see enough to find `WANTED_SHARE` of the nearest.

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
        some = np.random.default_rng(seed).choice(n, min(n, ROWS_A_LIST * num_lists), replace=False)
        drawn = directions.take(np.sort(some))
        how: Any = {"niter": NUM_STEPS, "spherical": True, "seed": seed, "min_points_per_centroid": 1}
        means = faiss.Kmeans(d, num_lists, **how)
        means.train(drawn)
        own = [means.index.search(block, 1)[1][:, 0].astype(np.int32) for block in directions.blocks()]
        rows, numbers, starts = _by_list(directions, np.concatenate(own), num_lists)
        checked = drawn[np.random.default_rng(seed).permutation(len(drawn))[:NUM_CHECKED]]
        lists = InvertedLists(means.index, rows, numbers, starts, min(NUM_PROBED, num_lists), {})
        _, exact = lists._exactly(checked, min(k, n))
        while (share := lists.share_found(checked, exact)) < WANTED_SHARE and lists.num_probed < num_lists:
            lists = replace(lists, num_probed=min(2 * lists.num_probed, num_lists))
        probed = lists.num_probed
        words = f"FAISS, {probed:,} of {num_lists:,} lists ({100 * probed / num_lists:.3g} %)"
        lists.settings.update(search=words, num_checked=len(checked), share_found=share)
        return lists

    def __call__(self, queries: Float[Tensor, "m d"], k: int) -> Found:
        """Return rows near to queries, nearest first; the nearest of all where their lists hold fewer."""
        asked = queries.cpu().numpy()
        probed = self.centers.search(asked, self.num_probed)[1]
        order = np.argsort(probed, axis=None, kind="stable")
        bounds = np.searchsorted(probed.ravel()[order], np.arange(len(self.starts)))
        rows, cosines = np.full((len(asked), k), -1), np.full((len(asked), k), -np.inf, np.float32)
        for one in np.flatnonzero((np.diff(bounds) > 0) & (np.diff(self.starts) > 0)).tolist():
            some = order[bounds[one] : bounds[one + 1]] // self.num_probed
            found = self._in_list(one, asked[some], k)
            rows[some], cosines[some] = _nearest_of((rows[some], cosines[some]), found, k)
        few = rows[:, -1] < 0
        if few.any():
            rows[few], cosines[few] = self._exactly(asked[few], k)
        return rows, cosines

    def _in_list(self, one: int, queries: Queries, k: int) -> Found:
        """Return the rows of a list nearest to each query."""
        import faiss  # pyright: ignore[reportMissingImports]

        first, last = self.starts[one : one + 2].tolist()
        block: Any = self.rows.between(first, last)
        cosines, rows = faiss.knn(queries, block, min(k, last - first), faiss.METRIC_INNER_PRODUCT)
        return self.numbers[first + rows], cosines

    def _exactly(self, queries: Queries, k: int) -> Found:
        rows, cosines = nearest_of_blocks(queries, self.rows.blocks(), k, exactly)
        return self.numbers[rows], cosines

    def share_found(self, queries: Queries, exact: Float[np.ndarray, "m k"]) -> float:
        """Return the share of the k nearest rows that are found, or others as near as the k-th.

        Args:
            queries: [m, d].
            exact: cosines of the k nearest rows of each.
        """
        _, found = self(torch.from_numpy(queries), exact.shape[1])
        return float((found >= exact[:, -1:] - 1e-6).mean())


def _by_list(
    directions: StoredRows, own: Int[np.ndarray, " n"], num_lists: int
) -> tuple[StoredRows, Int[np.ndarray, " n"], Int[np.ndarray, " _"]]:
    """Return rows list after list, their numbers, and where the lists start; `own` is the list of each."""
    n, d = directions.shape
    numbers = np.argsort(own, kind="stable").astype(np.int32)
    starts = np.searchsorted(own[numbers], np.arange(num_lists + 1))
    places = np.empty_like(numbers)
    places[numbers] = np.arange(n, dtype=np.int32)
    file: Any = TemporaryFile(dir=directions.folder)  # noqa: SIM115 closed when the rows go
    file.truncate(4 * n * d)
    first = 0
    for block in directions.blocks():
        np.memmap(file, np.float32, "r+", shape=(n, d))[places[first : first + len(block)]] = block
        first += len(block)
    return StoredRows(file, directions.folder, (n, d)), numbers, starts
