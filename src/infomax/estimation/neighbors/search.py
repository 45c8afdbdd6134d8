"""Nearest neighbours in the max norm: distances to the k-th one, and exact counts of points within a radius.

Points are rows, and d(i, j) = max over the columns |xᵢ − xⱼ|. Every count equals that of a double loop over
floating-point distances, ties included.
"""

import math
from functools import reduce
from typing import NamedTuple

import numpy as np
from scipy.spatial import KDTree

from infomax.errors import refuse

TILE = 2048  # rows whose bits are compared together; their tables fit in a core's cache
ROWS_AT_ONCE = 512


def kth_distances(
    points: np.ndarray, num_neighbors: int, *, norm: int | float = math.inf, num_workers: int = -1
) -> np.ndarray:
    """Return the distance from each row to its k-th nearest other row, in the p-norm `norm`: [n]."""
    if points.shape[1] == 1:
        return _kth_distances_in_line(points[:, 0], num_neighbors)
    tree = KDTree(points, balanced_tree=False)
    order = tree.indices  # leaf by leaf, so that consecutive queries read the same memory
    distances = np.empty(len(points))
    found, _ = tree.query(points[order], k=[num_neighbors + 1], p=norm, workers=num_workers)  # pyright: ignore[reportArgumentType]
    distances[order] = found[:, 0]  # the first of the k + 1 is the row itself
    return distances


def _kth_distances_in_line(values: np.ndarray, num_neighbors: int) -> np.ndarray:
    """Return the k-th distances in one column.

    A row and its k nearest others are neighbours in the sorted column. k + 1 such runs contain the row; the
    one with the shortest reach gives the distance.
    """
    order = np.argsort(values)
    n, k, line = len(values), num_neighbors, values[order]
    padded = np.pad(line, k, constant_values=(-np.inf, np.inf))
    reaches = (
        np.maximum(line - padded[first : first + n], padded[first + k : first + k + n] - line)
        for first in range(k + 1)
    )
    distances = np.empty(n)
    distances[order] = reduce(np.minimum, reaches)
    return distances


def nearest_rows(points: np.ndarray, num_neighbors: int, *, num_workers: int = -1) -> np.ndarray:
    """Return the row itself and its k nearest others in the max norm, as indices [n, k + 1]."""
    tree = KDTree(points, balanced_tree=False)
    order = tree.indices
    indices = np.empty((len(points), num_neighbors + 1), dtype=np.intp)
    indices[order] = tree.query(points[order], k=num_neighbors + 1, p=math.inf, workers=num_workers)[1]
    return indices


def count_within(points: np.ndarray, radii: np.ndarray, *, strictly: bool = True) -> np.ndarray:
    """Return how many rows j have d(i, j) < radiusᵢ (≤, if not `strictly`), row i itself included: [n].

    Where a radius is 0, the rows equal to row i are counted in either case. In one column, the rows within a
    radius are a run of the sorted column; in several columns, they are what the runs have in common. This
    takes about n²/64 steps of very few nanoseconds: less time than a tree up to n = 10⁶.
    """
    radii = np.nextafter(radii, 0) if strictly else radii
    columns = [_runs(column, radii) for column in points.T]
    return columns[0].end - columns[0].start if len(columns) == 1 else _count_common(columns)


class _Runs(NamedTuple):
    """In one column, the rows within the radius of row i are order[startᵢ : endᵢ]: [n] each."""

    order: np.ndarray
    start: np.ndarray
    end: np.ndarray


def _runs(values: np.ndarray, radii: np.ndarray) -> _Runs:
    order = np.argsort(values)
    line, radii, places = values[order], radii[order], np.arange(len(values))
    start, end = np.empty((2, len(values)), dtype=np.intp)
    start[order] = places + 1 - _reach(-line[::-1], radii[::-1])[::-1]
    end[order] = places + _reach(line, radii)
    return _Runs(order, start, end)


def _count_common(columns: list[_Runs]) -> np.ndarray:
    """Return how many rows are in row i's runs of all columns; one bit a row, some rows at a time."""
    shortest = min(columns, key=lambda runs: (runs.end - runs.start).sum())
    counts = np.zeros(len(shortest.order), dtype=np.intp)
    for first in range(0, len(counts), TILE):
        tile = shortest.order[first : first + TILE]
        rows = np.flatnonzero((shortest.start < first + TILE) & (shortest.end > first))
        bits = [_run_bits(runs, tile, rows) for runs in columns]
        for part in (slice(k, k + ROWS_AT_ONCE) for k in range(0, len(rows), ROWS_AT_ONCE)):
            common = reduce(
                np.bitwise_and, (upto[end[part]] ^ upto[start[part]] for upto, start, end in bits)
            )
            counts[rows[part]] += np.bitwise_count(common).sum(axis=1, dtype=np.intp)
    return counts


def _run_bits(runs: _Runs, tile: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return upto, start, end: members of the tile in row i's run have the bits upto[endᵢ] ^ upto[startᵢ].

    upto[m] has the bits of the first m members in the order of the column.
    """
    number = np.full(len(runs.order), -1)
    number[tile] = np.arange(len(tile))
    members = number[runs.order]
    num_before = np.append(0, np.cumsum(members >= 0))
    word, bit = np.divmod(members[members >= 0].astype(np.uint64), 64)
    upto = np.zeros((len(tile) + 1, -(-len(tile) // 64)), dtype=np.uint64)
    upto[np.arange(1, len(tile) + 1), word] = np.uint64(1) << bit
    np.bitwise_or.accumulate(upto, axis=0, out=upto)
    return upto, num_before[runs.start[rows]], num_before[runs.end[rows]]


def _reach(line: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Return how many rows j ≥ i of the rising `line` have line[j] − line[i] ≤ radius, row i included.

    Differences are those of floating-point subtraction. Searching for line + radius would be off by one
    wherever that sum is rounded across a neighbour, and the k-th neighbour lies exactly at the radius. The
    search therefore uses a radius that is smaller by more than the rounding error, and rows that could reach
    further are searched again by differences. They are few where radii are strict.
    """
    end = np.searchsorted(line, line + (radii - _slack(line, radii)), side="right")
    short = np.flatnonzero(np.append(line, np.inf)[end] - line <= radii)
    end[short] = _end_by_differences(line, line[short], radii[short])
    return end - np.arange(len(line))


def _end_by_differences(line: np.ndarray, values: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Return the first j with line[j] − value > radius, by bisection within the rounding error."""
    slack = _slack(values, radii)
    first = np.searchsorted(line, values + (radii - slack), side="left")
    last = np.searchsorted(line, values + (radii + slack), side="right")
    while (first < last).any():
        middle = np.minimum((first + last) // 2, len(line) - 1)
        inside = (line[middle] - values <= radii) & (first < last)
        last = np.where(inside, last, np.maximum(np.minimum(last, middle), first))
        first = np.where(inside, middle + 1, first)
    return first


def _slack(values: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Return more than the rounding error of value + radius."""
    return 8 * np.finfo(float).eps * (np.abs(values) + radii)


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


def check_num_neighbors(operation: str, num_neighbors: int) -> None:
    """Check the number of neighbours.

    Raises:
        ValueError: k < 1.
    """
    refuse(
        num_neighbors < 1, f"{operation}: num_neighbors must be at least 1, got {num_neighbors}; 3 is usual"
    )


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
