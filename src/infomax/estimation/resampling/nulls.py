"""How y is shuffled: the orders of rows that are equally likely where x and y are independent.

An order is drawn from a group: rows, or blocks of consecutive rows, change places within groups, either in
every way (n! orders) or round in a circle (n orders). The orders form a group with the rows' own order in it.
The estimate is therefore one more of the same kind as the estimates of shuffled samples, and p-values are
exact where the orders are equally likely:

==================  ====================================================================================
`WholeGroup`        independent rows
`WithinGroups`      rows independent within their group: repeated measurements, sites, equal labels given
`CircularShifts`    stationary series, one or several: y is moved against x, and keeps its own course
`Blocks`            series whose memory is shorter than a block
==================  ====================================================================================

Share of p ≤ 0.05 for |ρ| of two autoregressive series of 500 rows (199 shuffles; 500 repeats of independent
series, 100 of y + d·x):

=====================  ==================  ========  ==========
φ, d                   all permutations    shifts    blocks
=====================  ==================  ========  ==========
0.5, independent       0.10                0.04      0.06
0.9, independent       0.51                0.05      0.05
0.95, independent      0.65                0.05      0.06
0.5, d = 0.15                              0.77      0.78
0.9, d = 0.3                               0.56      0.58
0.9, d = 0.6                               0.99      1.00
=====================  ==================  ========  ==========

There are few orders where groups or series are short. Up to `MAX_NUMBERED` orders are numbered and drawn
without repeats, the rows' own order left out; a test that asks for all of them is an enumeration.

Reference: Phipson and Smyth (2010); Hemerik and Goeman (2018), for groups of permutations.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

import numpy as np

from infomax.errors import refuse
from infomax.estimation.resampling.replicates import JointSamples
from infomax.estimation.resampling.series import block_length
from infomax.estimation.samples import as_codes
from infomax.ranges import Range, check_ranges

MAX_NUMBERED = 1_000_000
"""Orders that are drawn without repeats; of more than these, each is drawn from all."""


@dataclass(frozen=True, eq=False)
class Orders:
    """The orders that a null allows; items, of one length within a group, change places within it.

    Args:
        num_rows: rows in all; those that are in no item keep their places.
        rows: positions of the rows of the items, item by item.
        lengths: rows of each item, [items].
        sizes: items of each group, in the order of the items.
        circular: move the items of a group round in a circle, rather than in every way.
        seed: of the draws.
    """

    num_rows: int
    rows: np.ndarray
    lengths: np.ndarray
    sizes: np.ndarray
    circular: bool
    seed: int

    @cached_property
    def num(self) -> float:
        """How many orders there are, the rows' own included; ∞ for more than `MAX_NUMBERED`."""
        log_num = np.log(self.sizes).sum() if self.circular else sum(map(math.lgamma, self.sizes + 1))
        if log_num > math.log(MAX_NUMBERED) + 1e-6:
            return math.inf
        return float(math.prod(map(int if self.circular else math.factorial, self.sizes.tolist())))

    @cached_property
    def _numbers(self) -> np.ndarray:
        """The numbers of all orders but the first, in random order."""
        return np.random.default_rng([self.seed]).permutation(int(self.num) - 1) + 1

    def __call__(self, index: int) -> np.ndarray:
        """Return the order number `index` of the stream, as positions: [n]."""
        numbered = self.num < math.inf
        items = self._numbered(int(self._numbers[index])) if numbered else self._drawn(index)
        order = np.arange(self.num_rows)
        order[self.rows] = self.rows[self._expanded(items)]
        return order

    @cached_property
    def _group(self) -> np.ndarray:
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @cached_property
    def _first(self) -> np.ndarray:
        """The first item of each item's group."""
        return np.repeat(np.cumsum(self.sizes) - self.sizes, self.sizes)

    def _drawn(self, index: int) -> np.ndarray:
        rng = np.random.default_rng([self.seed, index])
        if self.circular:
            return self._moved(rng.integers(self.sizes))
        if len(self.sizes) == 1:
            return rng.permutation(len(self.lengths))
        return np.lexsort((rng.random(len(self.lengths)), self._group))

    def _moved(self, shifts: np.ndarray) -> np.ndarray:
        sizes = np.repeat(self.sizes, self.sizes)
        place = np.arange(len(self.lengths)) - self._first
        return self._first + (place + np.repeat(shifts, self.sizes)) % sizes

    def _numbered(self, number: int) -> np.ndarray:
        """Return the items in the order of this number, in mixed radix; 0 is their own order."""
        parts = []
        for size in self.sizes.tolist():
            number, part = divmod(number, size if self.circular else math.factorial(size))
            parts.append(part)
        if self.circular:
            return self._moved(np.array(parts))
        within = [_permutation(part, size) for part, size in zip(parts, self.sizes.tolist(), strict=True)]
        return self._first + np.concatenate(within)

    def _expanded(self, items: np.ndarray) -> np.ndarray:
        """Return places of rows from places of items."""
        if len(self.rows) == len(self.lengths):
            return items
        starts = np.cumsum(self.lengths) - self.lengths
        within = np.arange(len(self.rows)) - np.repeat(starts, self.lengths)
        return np.repeat(starts[items], self.lengths) + within


def _permutation(number: int, size: int) -> np.ndarray:
    """Return the permutation of `size` items with this number, in the order of dictionaries."""
    left, found = list(range(size)), []
    for place in range(size, 0, -1):
        which, number = divmod(number, math.factorial(place - 1))
        found.append(left.pop(which))
    return np.array(found)


@dataclass(frozen=True, eq=False)
class Shuffling:
    """Samples as a null shuffles them: the variable that is moved, its orders, and how to name them.

    Args:
        samples: as the estimator gets them; y is put into other orders.
        orders: of y, or of the variable that is moved.
        method: the null and its settings, in a few words.
        independent_rows: whether rows are taken to be independent of the rows before them.
        groups: the label of each row's group, [n], where rows change places within groups alone.
        moved: the variable that is put into other orders.
        transformed: whether the samples are not those that were given, but have the same information.
    """

    samples: JointSamples
    orders: Orders
    method: str
    independent_rows: bool = True
    groups: Any = None
    moved: Literal["x", "y"] = "y"
    transformed: bool = False

    def shuffled(self, index: int) -> JointSamples:
        """Return the samples with y, or x, in the order number `index`."""
        order, samples = self.orders(index), self.samples
        if self.moved == "x":
            return JointSamples(samples.x[order], samples.y, samples.given)
        return JointSamples(samples.x, samples.y[order], samples.given)


@runtime_checkable
class Null(Protocol):
    """A way to shuffle y that leaves its distribution as it is where x and y are independent."""

    def shuffling(self, samples: JointSamples, seed: int) -> Shuffling:
        """Return what is shuffled, and in which orders.

        Raises:
            ValueError: samples that this null does not suit.
        """
        ...


@dataclass(frozen=True)
class WholeGroup:
    """All orders of rows, for independent rows."""

    def shuffling(self, samples: JointSamples, seed: int) -> Shuffling:
        """Return shuffles of all rows.

        Raises:
            ValueError: fewer than 2 rows, or a condition.
        """
        _refuse_condition(self, samples)
        n = len(samples)
        return Shuffling(samples, _orders(n, np.arange(n), [n], seed=seed), "all permutations")


@dataclass(frozen=True, eq=False)
class WithinGroups:
    """All orders of rows within groups, for rows that are independent and alike within their group.

    With the condition as groups, the test of I(X;Y|Z) is exact for labels Z. Without a condition, x and y may
    both depend on the group: p stays right, because every shuffle keeps that dependence.

    Args:
        groups: the label of each row's group, [n]; for several columns [n, d].
    """

    groups: Any

    def shuffling(self, samples: JointSamples, seed: int) -> Shuffling:
        """Return shuffles within the groups.

        Raises:
            ValueError: groups of another length, or most rows alone in their group.
        """
        order, sizes = _grouped(self.groups, len(samples))
        alone = int((sizes == 1).sum())
        refuse(
            alone > len(samples) / 2,
            f"permutation_test: {alone} of {len(samples)} samples are alone in their group, and nothing can "
            "be shuffled there; merge rare labels, or leave such rows out",
        )
        method = f"permutations within {len(sizes)} groups"
        orders = _orders(len(samples), order, sizes, seed=seed)
        return Shuffling(samples, orders, method, groups=self.groups)


@dataclass(frozen=True, eq=False)
class CircularShifts:
    """Shifts of y by any number of rows, its end put before its beginning: for stationary series.

    Both series keep their own course, for any length of memory. n rows have n shifts, and p is at least 1/n.
    Several series each get their own shift. All shifts count, small ones too. Shifts near 0 also show a
    dependence; but without them the shifts would not be a group, and p would be too small. A trend or seasons
    are not stationary: remove them first.

    Args:
        groups: the label of each row's series, for panels, [n]; rows of a series in the order of time. None:
            one series.
    """

    groups: Any = None

    def shuffling(self, samples: JointSamples, seed: int) -> Shuffling:
        """Return shifts of each series.

        Raises:
            ValueError: groups of another length, or a condition.
        """
        _refuse_condition(self, samples)
        rows, sizes = _grouped(self.groups, len(samples))
        orders = _orders(len(samples), rows, sizes, seed=seed, circular=True)
        of = f" within {len(sizes)} groups" if len(sizes) > 1 else ""
        return Shuffling(samples, orders, f"circular shifts{of}", independent_rows=False)


@dataclass(frozen=True, eq=False)
class Blocks:
    """Blocks of consecutive rows in any order: for series whose memory is shorter than a block.

    There are more orders of blocks than circular shifts, so p can be smaller. But the dependence between one
    block and the next is lost, and p is too small if blocks are short. A group of n rows is cut into ⌊n /
    length⌋ equal blocks; the remaining rows stay in place.

    Args:
        length: rows of a block; None: by `block_length`, from the autocorrelations of x and y.
        groups: the label of each row's series, for panels, [n]; rows of a series in the order of time. None:
            one series.
    """

    length: Annotated[int, Range(1, remedy="None takes it from the autocorrelation")] | None = None
    groups: Any = None

    def __post_init__(self) -> None:
        check_ranges(self, "Blocks")

    def shuffling(self, samples: JointSamples, seed: int) -> Shuffling:
        """Return shuffles of blocks within each series.

        Raises:
            ValueError: groups of another length, a condition, or blocks so long that there is one alone.
        """
        _refuse_condition(self, samples)
        rows, lengths, num_blocks = self.cut(samples.x, samples.y)
        refuse(
            num_blocks.max() < 2,
            f"permutation_test: blocks of {lengths.max()} rows leave nothing to shuffle in {len(samples)} "
            "rows; give a shorter length, or use CircularShifts()",
        )
        chosen = "" if self.length else ", by autocorrelation"
        orders = Orders(len(samples), rows, lengths, num_blocks, False, seed)
        method = f"{num_blocks.sum()} blocks of {_span(lengths)} rows{chosen}"
        return Shuffling(samples, orders, method, independent_rows=False)

    def cut(self, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the rows that are in blocks, the length of each block, and the number of blocks a group.

        Blocks of one group are equally long: `length` rows, or a few more where this leaves fewer rows over.
        A group shorter than two blocks is one block.

        Raises:
            ValueError: groups of another length.
        """
        rows, sizes = _grouped(self.groups, len(x))
        length = self.length or block_length(x, y, groups=self.groups)
        num_blocks = np.maximum(sizes // length, 1)
        of_group = sizes // num_blocks
        place = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        kept = place < np.repeat(num_blocks * of_group, sizes)
        return rows[kept], np.repeat(of_group, num_blocks), num_blocks


def _span(lengths: np.ndarray) -> str:
    low, high = lengths.min(), lengths.max()
    return f"{low}" if low == high else f"{low} to {high}"


def _orders(num_rows: int, rows: np.ndarray, sizes: Any, *, seed: int, circular: bool = False) -> Orders:
    """Return orders of single rows."""
    refuse(num_rows < 2, f"permutation_test: shuffling needs at least 2 samples, got {num_rows}")
    return Orders(num_rows, rows, np.ones(len(rows), dtype=np.intp), np.asarray(sizes), circular, seed)


def _grouped(groups: Any, num_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows group by group, in their order within each, and the size of each group."""
    if groups is None:
        return np.arange(num_rows), np.array([num_rows])
    (codes,) = as_codes("permutation_test", groups=groups)
    refuse(
        len(codes) != num_rows,
        f"permutation_test: groups must have one label for each of {num_rows} samples, got {len(codes)}",
    )
    return np.argsort(codes, kind="stable"), np.bincount(codes)


def _refuse_condition(null: Any, samples: JointSamples) -> None:
    name = type(null).__name__
    refuse(
        samples.given is not None,
        f"permutation_test: {name} also destroys the dependence of y on given, and would not test "
        "I(X;Y|given); leave null out, or use WithinGroups for labels and Residuals for numbers",
    )
