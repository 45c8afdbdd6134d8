"""Contingency tables of all pairs of label columns at once, as products of one-hot matrices.

Z_c [n, labels of c] are the one-hot rows of column c. The table of the pair (a, b) is Z_aᵀ Z_b, and the
product of all columns side by side has all tables. A missing value is a row of zeros, and each table counts
only the rows in which both columns have a value.

The products are taken over blocks of rows and of columns, so that memory grows neither with n nor with the
number of columns. Sums are float32 within a block, exact because a block has far fewer than 2²⁴ rows, and
integers over blocks. Tables of one shape come together as a stack, for computing with many at once.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

ROWS_AT_ONCE = 2**13
LABELS_AT_ONCE = 2**11
CELLS_AT_ONCE = 2**16  # in a stack, so that computing with it stays in the cache


def contingency_tables(codes: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield pairs a < b of columns [m, 2], and their tables [m, i, j] = #{rows: code_a = i, code_b = j}.

    They come in stacks, of tables of one shape each.

    Args:
        codes: columns [n] of codes 0, 1, …; negative where a value is missing.

    Example:
        >>> codes = [np.array([0, 0, 1, -1]), np.array([1, 1, 0, 0])]
        >>> [(pairs.tolist(), tables.tolist()) for pairs, tables in contingency_tables(codes)]
        [([[0, 1]], [[[0, 2], [1, 0]]])]
    """
    if len(codes) < 2:
        return
    sizes = np.array([int(column.max(initial=-1)) + 1 for column in codes])
    blocks = _blocks(sizes)
    for number, left in enumerate(blocks):
        for right in blocks[number:]:
            product = _product(codes, sizes, left, right)
            yield from _stacks(product, sizes, left, right)


def _blocks(sizes: np.ndarray) -> list[range]:
    """Return ranges of columns that have about LABELS_AT_ONCE labels together."""
    numbers = np.cumsum(sizes) // LABELS_AT_ONCE
    starts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(sizes)]
    return [range(first, last) for first, last in pairwise(starts)]


def _product(codes: Sequence[np.ndarray], sizes: np.ndarray, left: range, right: range) -> np.ndarray:
    """Return Σ over blocks of rows of Zᵀ Z: [labels of left, labels of right]."""
    total = np.zeros((sizes[left].sum(), sizes[right].sum()), dtype=np.int64)
    for start in range(0, len(codes[0]), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        z = _one_hot(codes, sizes, left, rows)
        product = z @ (z if left == right else _one_hot(codes, sizes, right, rows)).T
        total += product.astype(np.int64)
    return total


def _one_hot(codes: Sequence[np.ndarray], sizes: np.ndarray, columns: range, rows: slice) -> np.ndarray:
    """Return Zᵀ of these columns, the labels of one column below those of another: [labels, rows]."""
    blocks = [codes[column][rows] == np.arange(sizes[column])[:, None] for column in columns]
    return np.concatenate(blocks, dtype=np.float32)


def _stacks(
    product: np.ndarray, sizes: np.ndarray, left: range, right: range
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cut the product into the tables of its pairs, and yield tables of one shape together."""
    starts_left, starts_right = (np.cumsum(sizes[block]) - sizes[block] for block in (left, right))
    pairs = np.array([(a, b) for a in left for b in right if a < b], dtype=int).reshape(-1, 2)
    shapes, shape_of = np.unique(sizes[pairs], axis=0, return_inverse=True)
    for number, (height, width) in enumerate(shapes.tolist()):
        of_shape = pairs[shape_of.ravel() == number]
        at_once = max(CELLS_AT_ONCE // max(height * width, 1), 1)
        for some in np.split(of_shape, range(at_once, len(of_shape), at_once)):
            rows = starts_left[some[:, 0] - left.start, None] + np.arange(height)
            columns = starts_right[some[:, 1] - right.start, None] + np.arange(width)
            yield some, product[rows[:, :, None], columns[:, None, :]]
