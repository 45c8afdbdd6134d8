"""Nearest neighbours in the max norm: distances to the k-th one, and exact counts of points within a radius.

Points are rows, d(i, j) = max over the columns |xᵢ − xⱼ|. Every count here equals the count that a double
loop over floating-point distances gives, ties included.
"""

import math

import numpy as np
from scipy.spatial import KDTree

from infomax.estimation.estimate import Estimate, mean_with_error


def kth_distances(
    points: np.ndarray, num_neighbors: int, *, norm: int | float = math.inf, num_workers: int = -1
) -> np.ndarray:
    """Distance from each row to its k-th nearest other row, in the p-norm `norm`: [n]."""
    tree = KDTree(points, balanced_tree=False)
    order = tree.indices  # leaf by leaf: queries that follow one another touch the same memory
    distances = np.empty(len(points))
    found, _ = tree.query(points[order], k=[num_neighbors + 1], p=norm, workers=num_workers)  # pyright: ignore[reportArgumentType]
    distances[order] = found[:, 0]  # the first of the k + 1 is the row itself
    return distances


def nearest(points: np.ndarray, num_neighbors: int, *, num_workers: int = -1) -> np.ndarray:
    """The row itself and its k nearest others, in the max norm: indices [n, k + 1]."""
    tree = KDTree(points, balanced_tree=False)
    order = tree.indices
    indices = np.empty((len(points), num_neighbors + 1), dtype=np.intp)
    indices[order] = tree.query(points[order], k=num_neighbors + 1, p=math.inf, workers=num_workers)[1]
    return indices


def count_within(
    points: np.ndarray, radii: np.ndarray, *, strictly: bool = True, num_workers: int = -1
) -> np.ndarray:
    """How many rows j have d(i, j) < radiiᵢ (≤, if not `strictly`), row i itself included: [n].

    Where a radius is 0, the rows equal to row i are counted in either case. One column is counted by sorting,
    which is an order of magnitude faster than a tree; several columns by a tree.
    """
    radii = np.nextafter(radii, 0) if strictly else radii
    count = _count_in_line if points.shape[1] == 1 else _count_in_tree
    return count(points, radii, num_workers)


def _count_in_tree(points: np.ndarray, radii: np.ndarray, num_workers: int) -> np.ndarray:
    tree = KDTree(points, balanced_tree=False, leafsize=64)
    order = tree.indices[radii[tree.indices] > 0]
    counts = repeats(points)[0] if len(order) < len(points) else np.empty(len(points), dtype=np.intp)
    counts[order] = tree.query_ball_point(
        points[order], radii[order], p=math.inf, return_length=True, workers=num_workers
    )
    return counts


def _count_in_line(points: np.ndarray, radii: np.ndarray, num_workers: int) -> np.ndarray:
    values = points[:, 0]
    order = np.argsort(values)
    line = values[order]
    counts = np.empty(len(line), dtype=np.intp)
    counts[order] = _reach(line, radii[order]) + _reach(-line[::-1], radii[order][::-1])[::-1] - 1
    return counts


def _reach(line: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """How many rows j ≥ i of the rising `line` have line[j] − line[i] ≤ radius, as floats subtract; i counts.

    Searching for line + radius is off by one wherever that sum rounds across a neighbour, and the k-th
    neighbour is one by construction. So the search stops short of that by more than the sum can round, and
    rows that could reach further by the difference are done again: few, where radii are strictly within.
    """
    end = np.searchsorted(line, line + (radii - _slack(line, radii)), side="right")
    short = np.flatnonzero(np.append(line, np.inf)[end] - line <= radii)
    end[short] = _end_by_differences(line, line[short], radii[short])
    return end - np.arange(len(line))


def _end_by_differences(line: np.ndarray, values: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """The first j with line[j] − value > radius, bisected within what rounding can move it by."""
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
    """More than value + radius can be off by rounding."""
    return 8 * np.finfo(float).eps * (np.abs(values) + radii)


def repeats(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many rows equal each row, itself included; and how many of them come before it: [n] each."""
    order = np.lexsort(points.T)
    starts = np.append(True, (np.diff(points[order], axis=0) != 0).any(axis=1))
    group = np.cumsum(starts) - 1
    equal, before = np.empty((2, len(points)), dtype=np.intp)
    equal[order] = np.bincount(group)[group]
    before[order] = np.arange(len(points)) - np.flatnonzero(starts)[group]
    return equal, before


def most_repeats(points: np.ndarray, allowed: int) -> int:
    """How often the commonest row occurs if that is more than `allowed`; else, quickly, a number up to it."""
    line = np.sort(points[:, 0])
    if not (line[allowed:] == line[: len(line) - allowed]).any():
        return allowed
    return int(repeats(points)[0].max())


def check_num_neighbors(operation: str, num_neighbors: int) -> None:
    """Raises: ValueError: k < 1."""
    if num_neighbors < 1:
        raise ValueError(f"{operation}: num_neighbors must be at least 1, got {num_neighbors}; 3 is usual")


def check_num_samples(operation: str, num_samples: int, num_neighbors: int) -> None:
    """Raises: ValueError: n ≤ k."""
    if num_samples <= num_neighbors:
        raise ValueError(
            f"{operation}: {num_neighbors} neighbours need more than {num_neighbors} samples, got "
            f"{num_samples}; give more samples or set num_neighbors lower"
        )


def pointwise_error(method: str, local: np.ndarray) -> Estimate:
    """The mean of pointwise values."""
    value, error = mean_with_error(local)
    return Estimate(value, error, len(local), method=method, local=local)
