r"""The order in which several processes read the rows of shards: a function of seed and epoch alone.

In an epoch the shards stand in a random order, and their n rows on a circle, shard after shard. Of batches of
b rows there are T = ⌊n / b⌋, of which each of R ranks takes b / R rows. Rank r reads the T b / R rows of one
arc, from a random row o on::

    o + r T b / R, …, o + (r + 1) T b / R − 1        (mod n)

The n − T b < b rows before o are left out in this epoch, others in the next one. So no row is read twice in
an epoch, no other is left out, and two neighbouring ranks share at most the shard in which one arc ends and
the next begins. Rows that follow one another in an arc make a window, which is read as a whole and put in a
random order (MosaicML's py1b); after an interruption only the present window is read again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from infomax.errors import refuse


class Piece(NamedTuple):
    """Rows of a shard, from `first` to before `stop`."""

    shard: int
    first: int
    stop: int


class Window(NamedTuple):
    """Rows that are read together.

    Attributes:
        pieces: where they lie.
        order: in which they are taken.
        begin: how many of them were taken before.
    """

    pieces: tuple[Piece, ...]
    order: Int64[np.ndarray, " w"]
    begin: int


@dataclass(frozen=True, eq=False)
class Schedule:
    """The windows of a rank, one after the other without end.

    Attributes:
        counts: rows of each shard.
        batch_size: of all ranks together.
        window: rows that are put in a random order together; it is rounded up to whole shares of a batch.
        seed: of all orders.
        rank, num_ranks: which arc.

    Raises:
        ValueError: fewer rows than a batch has.

    Example:
        >>> schedule = Schedule(np.array([5, 3]), batch_size=4, window=4, seed=0)
        >>> [sum(piece.stop - piece.first for piece in schedule.window_of(0, k).pieces) for k in (0, 1)]
        [4, 4]
    """

    counts: Int64[np.ndarray, " s"]
    batch_size: int
    window: int
    seed: int
    rank: int = 0
    num_ranks: int = 1

    def __post_init__(self) -> None:
        refuse(
            self.steps_per_epoch < 1,
            f"stream: a batch has {self.batch_size} images, and there are {int(self.counts.sum()):,} in all; "
            "expected at most as many; set a smaller --batch-size",
        )

    @property
    def share(self) -> int:
        """Rows of a batch that this rank takes."""
        return self.batch_size // self.num_ranks

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return int(self.counts.sum()) // self.batch_size

    @property
    def length(self) -> int:
        """Rows of a whole window: a multiple of the share."""
        return -(-self.window // self.share) * self.share

    def windows(self, first_step: int = 0) -> Iterator[Window]:
        """Yield the windows from that of a step on, for ever."""
        epoch, step = divmod(first_step, self.steps_per_epoch)
        number, begin = divmod(step * self.share, self.length)
        while True:
            while number * self.length < self.steps_per_epoch * self.share:
                yield self.window_of(epoch, number)._replace(begin=begin)
                number, begin = number + 1, 0
            epoch, number = epoch + 1, 0

    def window_of(self, epoch: int, number: int) -> Window:
        """Return a window of an epoch."""
        arc = self.steps_per_epoch * self.share
        start, stop = number * self.length, min((number + 1) * self.length, arc)
        order, offset = self._circle(epoch)
        begin = offset + self.rank * arc + start
        random = np.random.default_rng([self.seed, epoch, 1 + self.rank, number])
        return Window(
            tuple(self._pieces(order, begin, begin + stop - start)), random.permutation(stop - start), 0
        )

    def _circle(self, epoch: int) -> tuple[Int64[np.ndarray, " s"], int]:
        """Return the order of the shards in an epoch, and the row on the circle that it begins with."""
        random = np.random.default_rng([self.seed, epoch])
        return random.permutation(len(self.counts)), int(random.integers(self.counts.sum()))

    def _pieces(self, order: Int64[np.ndarray, " s"], begin: int, stop: int) -> Iterator[Piece]:
        """Yield what lies between two places on the circle, of which one round is the shards in an order."""
        ends = np.cumsum(self.counts[order])
        while begin < stop:
            rounds, place = divmod(begin, int(ends[-1]))
            slot = int(np.searchsorted(ends, place, side="right"))
            until = min(stop, rounds * int(ends[-1]) + int(ends[slot]))
            shard = int(order[slot])
            first = place - (int(ends[slot]) - int(self.counts[shard]))
            yield Piece(shard, first, first + until - begin)
            begin = until
