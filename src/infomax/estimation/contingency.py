"""Contingency tables of all pairs of label columns at once, by products of one-hot matrices.

With Z_c [n, labels of c] the one-hot rows of column c, the table of the pair (a, b) is Z_aᵀ Z_b. All columns
side by side, one product gives all tables. A missing value is a row of zeros, so that each table counts just
the rows where both are present.

Products are of blocks of rows and of columns, so that memory does not grow with n nor with the number of
columns; sums are in float32, exact as a block has far fewer than 2²⁴ rows, and gathered as integers.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

ROWS_AT_ONCE = 2**13
LABELS_AT_ONCE = 2**11


def contingency_tables(codes: Sequence[np.ndarray]) -> Iterator[tuple[int, int, np.ndarray]]:
    """(a, b, table) for every pair a < b of columns: table[i, j] = #{rows: code_a = i, code_b = j}.

    Args:
        codes: columns [n] of codes 0, 1, …; below 0 where missing.
    Example:
        >>> codes = [np.array([0, 0, 1, -1]), np.array([1, 1, 0, 0])]
        >>> [table.tolist() for _, _, table in contingency_tables(codes)]
        [[[0, 2], [1, 0]]]
    """
    if len(codes) < 2:
        return
    sizes = np.array([int(column.max(initial=-1)) + 1 for column in codes])
    blocks = _blocks(sizes)
    for number, left in enumerate(blocks):
        for right in blocks[number:]:
            product = _product(codes, sizes, left, right)
            yield from _tables(product, sizes, left, right)


def _blocks(sizes: np.ndarray) -> list[range]:
    """Ranges of columns with about LABELS_AT_ONCE labels together."""
    numbers = np.cumsum(sizes) // LABELS_AT_ONCE
    starts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(sizes)]
    return [range(first, last) for first, last in pairwise(starts)]


def _product(codes: Sequence[np.ndarray], sizes: np.ndarray, left: range, right: range) -> np.ndarray:
    """Σ over blocks of rows of Zᵀ Z: [labels of left, labels of right]."""
    total = np.zeros((sizes[left].sum(), sizes[right].sum()), dtype=np.int64)
    for start in range(0, len(codes[0]), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        z = _one_hot(codes, sizes, left, rows)
        product = z.T @ (z if left == right else _one_hot(codes, sizes, right, rows))
        total += product.astype(np.int64)
    return total


def _one_hot(codes: Sequence[np.ndarray], sizes: np.ndarray, columns: range, rows: slice) -> np.ndarray:
    """Labels of these columns side by side: [rows, labels], one 1 for each column that is not missing."""
    block = np.stack([codes[column][rows] for column in columns], axis=1)
    width = int(sizes[columns].sum())
    starts = np.cumsum(sizes[columns]) - sizes[columns]
    one_hot = np.zeros((len(block), width + 1), dtype=np.float32)
    np.put_along_axis(one_hot, np.where(block < 0, width, block + starts), 1, axis=1)
    return one_hot[:, :width]


def _tables(
    product: np.ndarray, sizes: np.ndarray, left: range, right: range
) -> Iterator[tuple[int, int, np.ndarray]]:
    """The product cut into the tables of its pairs."""
    ends_left, ends_right = np.cumsum(sizes[left]), np.cumsum(sizes[right])
    for a, end_a in zip(left, ends_left, strict=True):
        for b, end_b in zip(right, ends_right, strict=True):
            if a < b:
                yield a, b, product[end_a - sizes[a] : end_a, end_b - sizes[b] : end_b]
