"""How many rows lie within a radius of each row, in the max norm, and which rows have a row within theirs.

Every count equals that of a double loop over floating-point distances, ties included.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial, reduce
from typing import NamedTuple

import numpy as np

TILE = 2048  # rows whose bits are compared together; their tables fit in a core's cache
ROWS_AT_ONCE = 512
MAX_CELLS = 2**17  # in one block of distances
MAX_PAIRS = 2**22  # of rows that are compared one by one
MIN_ROWS = 500  # that stand for all where pairs would be too many


def count_within(points: np.ndarray, radii: np.ndarray, *, strictly: bool = True) -> np.ndarray:
    """Return how many rows j have d(i, j) < radiusᵢ (≤, if not `strictly`), row i itself included: [n].

    Where a radius is 0, the rows equal to row i are counted in either case.
    """
    return within(points, radii, strictly=strictly).counts


@dataclass(frozen=True, eq=False)
class Within:
    """The rows j with d(i, j) ≤ radiusᵢ and the same code as row i.

    Args:
        counts: how many they are for each row i, itself included: [n].
        points: [n, d].
        radii: [n].
        cells: a code for each row, or None.
        runs: the rows as runs of one order, where there is at most one column.
    """

    counts: np.ndarray
    points: np.ndarray
    radii: np.ndarray
    cells: np.ndarray | None
    runs: "_Runs | None"

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Return Σⱼ valuesⱼ over the rows j in the range of row i: [n]; for at most one column."""
        order, start, end = self._only_runs()
        upto = np.append(0, np.cumsum(values[order]))
        return upto[end] - upto[start]

    def totals(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return Σᵢ valuesᵢ over the rows i whose range contains row j, for each j in `rows`.

        In one column this takes n steps, in several ones n · len(rows).
        """
        if self.runs is None:
            return self._totals_by_distances(values, rows)
        order, start, end = self.runs
        n = len(order)
        steps = np.bincount(start, values, n + 1) - np.bincount(end, values, n + 1)
        total = np.empty(n)
        total[order] = np.cumsum(steps[:-1])
        return total[rows]

    def _totals_by_distances(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        per_block = max(MAX_CELLS // len(values), 1)
        columns = np.ascontiguousarray(self.points.T)
        blocks = [rows[first : first + per_block] for first in range(0, len(rows), per_block)]
        return np.concatenate([self._total_of_block(columns, values, block) for block in blocks])

    def _total_of_block(self, columns: np.ndarray, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the sum of the values whose ranges contain each of these rows."""
        shape = (len(rows), len(values))
        inside, near, apart = np.ones(shape, bool), np.empty(shape, bool), np.empty(shape)
        for column in columns:
            np.abs(np.subtract(column[rows][:, None], column, out=apart), out=apart)
            inside &= np.less_equal(apart, self.radii, out=near)
        if self.cells is not None:
            inside &= self.cells[rows][:, None] == self.cells
        apart[:] = inside
        return apart @ values

    def _only_runs(self) -> "_Runs":
        if self.runs is None:
            raise ValueError(f"Within: sums need at most one column, got {self.points.shape[1]}")
        return self.runs


def within(
    points: np.ndarray, radii: np.ndarray, *, strictly: bool = True, cells: np.ndarray | None = None
) -> Within:
    """Return the rows within the radius of each row (< radius, if `strictly`), of the same code.

    In one column, the rows within a radius are a run of the sorted column; in several columns, they are what
    the runs have in common. This takes about n²/64 steps of very few nanoseconds: less time than a tree up to
    n = 10⁶.
    """
    radii = np.nextafter(radii, 0) if strictly else radii
    columns = [_runs(column, radii) for column in points.T]
    if cells is not None:
        columns = [_runs_in_cells(columns[0], cells)] if len(columns) == 1 else [*columns, _cell_runs(cells)]
    only = columns[0] if len(columns) == 1 else None
    counts = _count_common(columns) if only is None else only.end - only.start
    return Within(counts, points, radii, cells, only)


def within_each(parts: Sequence[np.ndarray], radii: np.ndarray, num_workers: int = -1) -> list[Within]:
    """Return `within(part, radii)` for each part, [n, d], in threads.

    Args:
        parts: projections of the same points.
        radii: [n].
        num_workers: threads, −1 for all cores.
    """
    if num_workers == 1:
        return [within(part, radii) for part in parts]
    with ThreadPoolExecutor(os.cpu_count() if num_workers < 0 else num_workers) as pool:
        return list(pool.map(partial(within, radii=radii), parts))


def sample_of_rows(num_rows: int, *ranges: Within) -> np.ndarray:
    """Return rows, evenly spaced, for which totals can be computed quickly; all rows in single columns."""
    if all(one.runs is not None for one in ranges):
        return np.arange(num_rows)
    return np.linspace(0, num_rows - 1, min(num_rows, max(MIN_ROWS, MAX_PAIRS // num_rows))).astype(np.intp)


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


def _cell_runs(cells: np.ndarray) -> _Runs:
    """Return each row's cell as a run of the rows sorted by cell."""
    order, sizes = np.argsort(cells, kind="stable"), np.bincount(cells)
    end = np.cumsum(sizes)
    return _Runs(order, (end - sizes)[cells], end[cells])


def _runs_in_cells(runs: _Runs, cells: np.ndarray) -> _Runs:
    """Return the part of each run that is in the row's own cell: places in the order of the column decide."""
    n = len(cells)
    place = np.empty(n, dtype=np.int64)
    place[runs.order] = np.arange(n)
    keys = cells * np.int64(n + 1) + place
    order = np.argsort(keys)
    line = keys[order]
    own = cells * np.int64(n + 1)
    return _Runs(order, np.searchsorted(line, own + runs.start), np.searchsorted(line, own + runs.end))


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
