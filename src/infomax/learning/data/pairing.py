"""Which rows were seen together: those of one name in two columns, or frames some steps apart in time."""

import re

import numpy as np

from infomax.errors import refuse
from infomax.learning.data.dataset import Dataset, Pairs


def same_names(first: Dataset, second: Dataset) -> Pairs:
    """Pair the rows that have the same name: of two columns of a table, those that could be read in both.

    Raises:
        ValueError: no name in common.
    """
    place = {name: row for row, name in enumerate(second.names)}
    rows = [(row, place[name]) for row, name in enumerate(first.names) if name in place]
    if not rows:
        raise ValueError(
            f"same_names: none of {len(first)} and {len(second)} rows have the same name, such as "
            f"{first.names[0]!r} and {second.names[0]!r}; expected two columns of one table"
        )
    return Pairs(first, second, np.array(rows, np.int64))


def in_time(frames: Dataset, lag: int = 1) -> Pairs:
    """Pair each frame with the one that comes `lag` frames later in its sequence.

    A name is ``sequence/frame`` or ``file:frame``; names without either are one sequence. Frames follow one
    another by the numbers in their names: 2 before 10. Both frames of a pair can be in a batch with other
    frames of their sequence, which then count as negatives.

    Raises:
        ValueError: a lag below 1; no sequence that is long enough.
    """
    refuse(lag < 1, f"in_time: lag must be at least 1 frame, got {lag}")
    names = [_sequence_and_frame(name) for name in frames.names]
    order = sorted(range(len(names)), key=names.__getitem__)
    rows = [(a, b) for a, b in zip(order, order[lag:], strict=False) if names[a][0] == names[b][0]]
    if not rows:
        raise ValueError(
            f"in_time: no sequence of the {len(frames)} frames is longer than the lag of {lag}; expected "
            f"names sequence/frame, got {frames.names[0]!r}; shorten the lag, or rename the frames"
        )
    return Pairs(frames, frames, np.array(rows, np.int64))


def _sequence_and_frame(name: str) -> tuple[str, list[tuple[int, str]]]:
    """Return the sequence of a name, and its frame in a form that sorts numbers by their size."""
    cut = max(name.rfind("/"), name.rfind(":")) + 1
    sequence, frame = name[:cut], name[cut:]
    return sequence, [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", frame)]
