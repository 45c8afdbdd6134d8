"""Blocks of rows: how many scores are held at a time."""

import math
from collections.abc import Iterator

MAX_BLOCK_SCORES = 12 * 2**20
"""Scores in a block: enough rows for products at full speed, in 48 MiB of float32."""

MAX_CACHED_SCORES = 2**18
"""Scores that a CPU works on between two products, so that they stay in its cache."""

MAX_DENSE_SCORES = 2**28
"""Scores held at once on other devices: 1 GiB of float32, of which the dense way needs six."""


def rows_of(num_scores: int, num_rows: int, row: int) -> int:
    """Return how many rows make a block: at most `num_scores` but at least one row, blocks nearly equal.

    Args:
        num_scores: the most in a block.
        num_rows: rows in all.
        row: scores in a row.
    """
    most = max(1, num_scores // row)
    return math.ceil(num_rows / math.ceil(num_rows / most))


def slices(size: int, step: int) -> Iterator[slice]:
    """Return slices of 0 … size − 1 in order, at most `step` long."""
    return (slice(start, min(start + step, size)) for start in range(0, size, step))
