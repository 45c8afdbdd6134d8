"""Nearest neighbours in the max norm: the k nearest rows, among all rows or among those with the same labels.

Points are rows, and d(i, j) = max over the columns |xᵢ − xⱼ|. Every distance is that of floating-point
subtraction, as a double loop would give it.
"""

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from scipy.spatial import KDTree

from infomax.errors import refuse
from infomax.ranges import Range, check_numbers

MAX_CELL = 48  # rows; in smaller cells all distances are computed, in larger ones a tree is built
MAX_DISTANCES = 2**20  # in memory at once
NumNeighbors = Annotated[int, Range(1, remedy="3 is usual")]
"""How many nearest neighbours."""
NumWorkers = Literal[-1] | Annotated[int, Range(1, remedy="−1 takes all cores")]
"""How many threads search."""


MAX_SPREADS = 10
"""Largest ratio of the spreads of two columns between which distances are compared without a caution."""
MAX_REACH = 100
"""Largest ratio of a column's range to its spread without a caution."""


class Neighbors(NamedTuple):
    """The nearest others of each row.

    Attributes:
        radii: the distance to the last of them: [n].
        num: how many they are, k or fewer in a small cell: [n].
        indices: which rows, [n, k]; beyond `num`, −1.
    """

    radii: np.ndarray
    num: np.ndarray
    indices: np.ndarray

    def totals(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of `values` of those rows that have row j among their neighbours: [n]."""
        found = self.indices >= 0
        weights = np.broadcast_to(values[:, None], found.shape)[found]
        return np.bincount(self.indices[found], weights=weights, minlength=len(values))


def scale_cautions(*groups: np.ndarray) -> tuple[str, ...]:
    """Return cautions where the scale of a column, or its tails, decide which rows are near.

    Information does not depend on units, nor on any increasing function of a column, but nearest neighbours
    do. Spread is the range of the middle half. Codes of labels, which only tell rows apart, have no scale.

    Args:
        groups: columns whose distances are compared with each other, [n, d] each.
    """
    found: list[str] = []
    groups = tuple(map(_without_codes, groups))
    ratio, reach = max(map(_ratio_of_spreads, groups)), max(map(_reach_of_tails, groups))
    if ratio > MAX_SPREADS:
        found.append(
            f"biased: one column is spread {ratio:,.3g} times as wide as another, and decides alone which "
            "rows are near; divide each column by its standard deviation"
        )
    if reach > MAX_REACH:
        found.append(
            f"biased: the range of a column is {reach:,.3g} times that of its middle half, and rows in the "
            "tails have no near neighbours; take normal scores, which have the same information"
        )
    return tuple(found)


def _without_codes(columns: np.ndarray) -> np.ndarray:
    """Return the columns but those whose repeated values lie further apart than any other reaches."""
    values = [np.unique(column) for column in columns.T]
    repeated = np.array([1 < len(one) <= len(columns) / 2 for one in values], bool)
    if repeated.all():
        return columns
    reach = np.ptp(columns[:, ~repeated], axis=0).max()
    codes = [r and np.diff(one).min() > reach for r, one in zip(repeated, values, strict=True)]
    return columns[:, ~np.array(codes, bool)]


def _ratio_of_spreads(columns: np.ndarray) -> float:
    spreads = np.subtract(*np.quantile(columns, [0.75, 0.25], axis=0))
    spreads = spreads[spreads > 0]
    return float(spreads.max() / spreads.min()) if len(spreads) else 1.0


def _reach_of_tails(columns: np.ndarray) -> float:
    spreads = np.subtract(*np.quantile(columns, [0.75, 0.25], axis=0))
    ranges = np.ptp(columns, axis=0)[spreads > 0]
    return float((ranges / spreads[spreads > 0]).max(initial=0))


def nearest(
    points: np.ndarray,
    num_neighbors: int,
    *,
    cells: np.ndarray | None = None,
    norm: int | float = math.inf,
    num_workers: int = -1,
) -> Neighbors:
    """Return the k nearest others of each row, in the p-norm `norm`.

    Args:
        points: [n, d].
        num_neighbors: k.
        cells: a code for each row; neighbours are sought among rows with the same code, and are fewer than k
            in a cell of k rows or fewer.
        norm: the order of the norm.
        num_workers: threads for the tree.
    """
    if points.shape[1] == 1:
        return _nearest_in_line(points[:, 0], num_neighbors, cells)
    if cells is None:
        return _nearest_in_tree(points, num_neighbors, norm, num_workers)
    sizes = np.bincount(cells)
    num = np.minimum(num_neighbors, sizes[cells] - 1)
    found = Neighbors(np.zeros(len(points)), num, np.full((len(points), num_neighbors), -1))
    for members in _groups(cells):
        k = min(num_neighbors, members.shape[1] - 1)
        if members.shape[1] <= MAX_CELL:
            radii, indices = _nearest_by_distances(points[members], k, norm)
        else:
            part = _nearest_in_tree(points[members[0]], k, norm, num_workers)
            radii, indices = part.radii[None], part.indices[None]
        found.radii[members] = radii
        found.indices[members, :k] = np.take_along_axis(members[:, :, None], indices, axis=1)
    return found


def _groups(cells: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the rows of cells of more than one row, [cells, rows]: small cells of one size together."""
    sizes = np.bincount(cells)
    order = np.argsort(cells, kind="stable")
    starts = np.cumsum(sizes) - sizes
    for size in np.unique(sizes[sizes > 1]):
        members = order[starts[sizes == size][:, None] + np.arange(size)]
        at_once = max(MAX_DISTANCES // int(size) ** 2, 1) if size <= MAX_CELL else 1
        yield from (members[first : first + at_once] for first in range(0, len(members), at_once))


def _nearest_by_distances(
    points: np.ndarray, num_neighbors: int, norm: int | float
) -> tuple[np.ndarray, np.ndarray]:
    """Return radii [c, s] and indices [c, s, k] of the k nearest within each of c cells [c, s, d]."""
    apart = np.linalg.norm(points[:, :, None] - points[:, None], ord=norm, axis=-1)
    own = np.arange(points.shape[1])
    apart[:, own, own] = np.inf
    indices = np.argsort(apart, axis=2)[:, :, :num_neighbors]
    return np.take_along_axis(apart, indices, axis=2)[:, :, -1], indices


def _nearest_in_tree(
    points: np.ndarray, num_neighbors: int, norm: int | float, num_workers: int
) -> Neighbors:
    if most_repeats(points[:, :1], num_neighbors + 1) <= num_neighbors + 1:
        return _query(points, num_neighbors, norm, num_workers)
    kept = np.flatnonzero(repeats(points)[1] <= num_neighbors)
    found = _query(points[kept], num_neighbors, norm, num_workers)
    radii, indices = np.zeros(len(points)), np.full((len(points), num_neighbors), -1)
    radii[kept], indices[kept] = found.radii, kept[found.indices]
    return Neighbors(radii, np.full(len(points), num_neighbors), indices)


def _query(points: np.ndarray, num_neighbors: int, norm: int | float, num_workers: int) -> Neighbors:
    """Return neighbours from a tree, which is slow where points have more than k + 1 copies."""
    tree = KDTree(points, balanced_tree=False)
    order = tree.indices  # leaf by leaf, so that consecutive queries read the same memory
    found: Any = tree.query(points[order], k=num_neighbors + 1, p=norm, workers=num_workers)
    distances, places = found
    others = places[:, 1:] if (places[:, 0] == order).all() else _others(places, order)
    radii, indices = np.empty(len(points)), np.empty(others.shape, dtype=np.intp)
    radii[order], indices[order] = distances[:, -1], others  # the row itself is one of the k + 1
    return Neighbors(radii, np.full(len(points), num_neighbors), indices)


def _others(indices: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return [n, k] of indices [n, k + 1] without the row itself, or without the last where it is absent."""
    own = indices == rows[:, None]
    own[~own.any(axis=1), -1] = True
    return indices[~own].reshape(len(rows), -1)


def _nearest_in_line(values: np.ndarray, num_neighbors: int, cells: np.ndarray | None) -> Neighbors:
    """Return the neighbours in one column.

    A row and its k nearest others are neighbours in the sorted column. k + 1 such runs contain the row; the
    one with the shortest reach gives the distance.
    """
    order = np.argsort(values) if cells is None else np.lexsort((values, cells))
    n, line, places = len(values), values[order], np.arange(len(values))
    start, end = (np.zeros(n, np.intp), np.full(n, n)) if cells is None else _bounds(cells[order])
    num = np.minimum(num_neighbors, end - start - 1)
    radii, first = np.full(n, np.inf), places.copy()
    for back in range(num_neighbors + 1):
        low = places - back
        inside = (low >= start) & (low + num < end) & (back <= num)
        left, right = np.where(inside, low, places), np.where(inside, low + num, places)
        reach = np.where(inside, np.maximum(line - line[left], line[right] - line), np.inf)
        first = np.where(reach < radii, low, first)
        radii = np.minimum(reach, radii)
    members = first[:, None] + np.arange(num_neighbors)
    members += members >= places[:, None]
    absent = np.arange(num_neighbors) >= num[:, None]
    found = Neighbors(np.empty(n), np.empty(n, np.intp), np.empty((n, num_neighbors), np.intp))
    found.radii[order], found.num[order] = radii, num
    found.indices[order] = np.where(absent, -1, order[np.where(absent, 0, members)])
    return found


def _bounds(ordered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where the run of equal values begins and ends at each place of a sorted column."""
    changes = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    edges = np.concatenate([[0], changes, [len(ordered)]])
    sizes = np.diff(edges)
    return np.repeat(edges[:-1], sizes), np.repeat(edges[1:], sizes)


def kth_distances(
    points: np.ndarray, num_neighbors: int, *, norm: int | float = math.inf, num_workers: int = -1
) -> np.ndarray:
    """Return the distance from each row to its k-th nearest other row, in the p-norm `norm`: [n].

    It is ∞ where there are k rows or fewer.
    """
    found = nearest(points, num_neighbors, norm=norm, num_workers=num_workers)
    return np.where(found.num < num_neighbors, np.inf, found.radii)


def nearest_rows(points: np.ndarray, num_neighbors: int, *, num_workers: int = -1) -> np.ndarray:
    """Return the row itself and its k nearest others in the max norm, as indices [n, k + 1]."""
    tree = KDTree(points, balanced_tree=False)
    order = tree.indices
    indices = np.empty((len(points), num_neighbors + 1), dtype=np.intp)
    indices[order] = tree.query(points[order], k=num_neighbors + 1, p=math.inf, workers=num_workers)[1]
    return indices


def repeats(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many rows equal each row, itself included, and how many of these come earlier: [n] each."""
    order = np.lexsort(points.T)
    starts = np.append(True, (np.diff(points[order], axis=0) != 0).any(axis=1))
    group = np.cumsum(starts) - 1
    equal, before = np.empty((2, len(points)), dtype=np.intp)
    equal[order] = np.bincount(group)[group]
    before[order] = np.arange(len(points)) - np.flatnonzero(starts)[group]
    return equal, before


def most_repeats(points: np.ndarray, allowed: int) -> int:
    """Return how often the most frequent row occurs, if more than `allowed`.

    Otherwise return a number up to `allowed`, which is found faster.
    """
    line = np.sort(points[:, 0])
    if not (line[allowed:] == line[: len(line) - allowed]).any():
        return allowed
    return int(repeats(points)[0].max())


def check_num_neighbors(operation: str, num_neighbors: Any, num_workers: Any = -1) -> None:
    """Check the settings that all nearest-neighbour estimators have.

    Raises:
        ValueError: k is not an integer of at least 1; threads are neither −1 nor an integer of at least 1.
    """
    check_numbers(operation, NumNeighbors, num_neighbors=num_neighbors)
    check_numbers(operation, NumWorkers, num_workers=num_workers)


def check_num_samples(operation: str, num_samples: int, num_neighbors: int) -> None:
    """Check that there are more samples than neighbours.

    Raises:
        ValueError: n ≤ k.
    """
    refuse(
        num_samples <= num_neighbors,
        f"{operation}: {num_neighbors} neighbours need more than {num_neighbors} samples, got "
        f"{num_samples}; give more samples, or a smaller num_neighbors",
    )
