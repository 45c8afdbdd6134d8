"""How a side of any length shrinks to 7 cells: numbers only."""

Window = int | tuple[int, int]
"""Cells of a window: its side, or (height, width)."""

Stage = tuple[tuple[int, int], tuple[int, int]]
"""Kernel and stride of a stage, each (height, width)."""


def shrinking(side: int) -> list[tuple[int, int]]:
    """Return (kernel, stride) of each stage that shrinks a side of at least 7 cells to 7, leaving none out.

    A side of more than 17 cells is halved by windows of 4 cells, or of 5 cells where its length is odd. The
    last stage makes 7 cells of 7 to 17, with stride 2 from 14 cells on.

    >>> shrinking(30), shrinking(62), shrinking(46)
    ([(4, 2), (2, 2)], [(4, 2), (4, 2), (2, 2)], [(4, 2), (4, 2), (4, 1)])
    """
    stages = []
    while side > 17:
        kernel = 4 + side % 2
        stages.append((kernel, 2))
        side = (side - kernel) // 2 + 1
    return [*stages, (side - 12, 2) if side >= 14 else (side - 6, 1)]


def stages_of(height: int, width: int) -> list[Stage]:
    """Return the stages of both axes side by side; the shorter list starts with stages that do nothing."""
    axes = shrinking(height), shrinking(width)
    num_stages = max(map(len, axes))
    rows, columns = ([(1, 1)] * (num_stages - len(axis)) + axis for axis in axes)
    return [((top[0], left[0]), (top[1], left[1])) for top, left in zip(rows, columns, strict=True)]


def missing(side: int) -> int:
    """Return the pixels to reflect at each end of a side that is at most an eighth short of 32, 64, 128, …

    >>> [missing(side) for side in (27, 28, 32, 55, 57, 64, 96)]
    [0, 2, 0, 0, 4, 0, 0]
    """
    full = max(32, 1 << (side - 1).bit_length())
    return (full - side + 1) // 2 if 8 * side >= 7 * full else 0
