"""Two views of one thing, each from a place, a time or a sense of its own.

    paired     two columns of a table: two cameras, before and after, picture and sound
    temporal   two frames of a sequence, so many steps apart

`Paired` is what was seen, `PairedViews` makes the two views of it, each by its own augmentation: what the two
share is all that a feature of one can know of the other. (Two augmented copies of one image are the third
case, `views.AugmentedViews`.)
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import torch
import xxhash
from jaxtyping import Int
from torch import Tensor, nn

from infomax.learning.data.images import Images
from infomax.learning.data.signals import Signals
from infomax.learning.views.images import AugmentedViews, ViewsConfig
from infomax.learning.views.signals import AugmentedSignals, SignalViewsConfig

Seen = Images | Signals
SingleViewsConfig = ViewsConfig | SignalViewsConfig


@dataclass(frozen=True)
class PairedViewsConfig:
    """How one view is made of each of two columns of a table.

    columns: their names. first, second: how the view of each is made; of pictures (`ViewsConfig`) or of
    signals (`SignalViewsConfig`). shared_encoder: one encoder for both columns, or one each. Each column's
    `flip` is tossed for it alone; flip: probability of flipping both pictures, where they are aligned.
    """

    name: Literal["paired"] = "paired"
    columns: tuple[str, str] = ("left", "right")
    first: ViewsConfig | SignalViewsConfig = field(default_factory=ViewsConfig)
    second: ViewsConfig | SignalViewsConfig = field(default_factory=ViewsConfig)
    shared_encoder: bool = False
    flip: float = 0.0

    def __post_init__(self):
        if len(set(self.columns)) != 2 or not all(re.fullmatch(r"[^/.]+", name) for name in self.columns):
            raise ValueError(
                f"views: columns must be two different names without / and ., got {', '.join(self.columns)}"
            )
        if not 0 <= self.flip <= 1:
            raise ValueError(f"views: flip must be a probability in [0, 1], got {self.flip}")
        if self.flip and not all(isinstance(one, ViewsConfig) for one in (self.first, self.second)):
            raise ValueError(f"views: only two pictures can be flipped together, got flip {self.flip}; set 0")
        if self.shared_encoder and _shape(self.first) != _shape(self.second):
            raise ValueError(
                "views: one encoder needs views of one shape, got "
                f"{list(_shape(self.first))} and {list(_shape(self.second))}; set views.shared_encoder false"
            )


@dataclass(frozen=True)
class TemporalViewsConfig:
    """How views are made of two frames of a sequence.

    lag: frames between them. frames: how the view of each is made; the flip is tossed once for both.
    """

    name: Literal["temporal"] = "temporal"
    lag: int = 1
    frames: ViewsConfig = field(default_factory=ViewsConfig)

    def __post_init__(self):
        if self.lag < 1:
            raise ValueError(f"views: lag must be at least 1 frame, got {self.lag}")


@dataclass(frozen=True, eq=False, repr=False)
class Paired:
    """Things seen twice: row i pairs ``first[rows[i, 0]]`` with ``second[rows[i, 1]]``.

    Labels, names and classes are those of the first.

    Attributes:
        first, second: what was seen.
        rows: int64 [n, 2].

    Example:
        >>> from infomax.learning.data.images import load_images
        >>> left, right = (load_images("two-cameras", column=c, size=32, channels=1, progress=False)
        ...                for c in ("left", "right"))
        >>> pairs = same_names(left, right)
        >>> pairs, [tuple(x.shape) for x in pairs.batch(slice(0, 2))]
        (Paired(4041 pairs), [(2, 1, 32, 32), (2, 1, 32, 32)])
    """

    first: Seen
    second: Seen
    rows: Int[np.ndarray, "n 2"]

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"Paired({len(self)} pairs)"

    def batch(self, indices: np.ndarray | slice) -> tuple[Tensor, Tensor]:
        """What was seen first and second, of the pairs at `indices`."""
        first, second = self.rows[indices].T
        return self.first.batch(first), self.second.batch(second)

    @cached_property
    def labels(self) -> Int[np.ndarray, " n"]:
        """Of the first of each pair; −1 = no label."""
        return self.first.labels[self.rows[:, 0]]

    @property
    def labelled(self) -> bool:
        """Whether any pair has a label."""
        return bool((self.labels >= 0).any())

    @property
    def classes(self) -> tuple[str, ...]:
        """Label index -> name."""
        return self.first.classes

    @property
    def skipped(self) -> tuple[str, ...]:
        """What could not be read, in either column."""
        return tuple(dict.fromkeys((*self.first.skipped, *self.second.skipped)))

    @cached_property
    def fingerprint(self) -> str:
        """A hash of what was seen, and of the pairing."""
        parts = [self.first.fingerprint, self.second.fingerprint, xxhash.xxh3_128_hexdigest(self.rows.data)]
        return xxhash.xxh3_128_hexdigest(" ".join(parts).encode())


def same_names(first: Seen, second: Seen) -> Paired:
    """Rows that have the same name: of two columns of a table, those that could be read in both.

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
    return Paired(first, second, np.array(rows, np.int64))


def in_time(frames: Seen, lag: int = 1) -> Paired:
    """Each frame with the one `lag` frames later in its sequence.

    A name is ``sequence/frame`` or ``file:frame``; names without either are one sequence. Frames follow one
    another by the numbers in their names: 2 before 10. Both frames of a pair can be in a batch with other
    frames of their sequence, which then count as negatives.

    Raises:
        ValueError: a lag below 1; no sequence that is long enough.
    """
    if lag < 1:
        raise ValueError(f"in_time: lag must be at least 1 frame, got {lag}")
    names = [_sequence_and_frame(name) for name in frames.names]
    order = sorted(range(len(names)), key=names.__getitem__)
    rows = [(a, b) for a, b in zip(order, order[lag:], strict=False) if names[a][0] == names[b][0]]
    if not rows:
        raise ValueError(
            f"in_time: no sequence of the {len(frames)} frames is longer than the lag of {lag}; expected "
            f"names sequence/frame, got {frames.names[0]!r}; shorten the lag, or rename the frames"
        )
    return Paired(frames, frames, np.array(rows, np.int64))


class PairedViews(nn.Module):
    """What was seen first and second -> an augmented, normalised view of each."""

    def __init__(self, config: PairedViewsConfig):
        super().__init__()
        self.config = config
        self.augment = nn.ModuleList(
            AugmentedSignals(one, 1) if isinstance(one, SignalViewsConfig) else AugmentedViews(one, 1)
            for one in (config.first, config.second)
        )

    @torch.no_grad()
    def forward(self, seen: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The two views, float32."""
        if self.config.flip:
            flip = (torch.rand(len(seen[0]), 1, 1, 1) < self.config.flip).to(seen[0].device)
            seen = [torch.where(flip, pictures.flip(-1), pictures) for pictures in seen]
        return tuple(augment(one)[0] for augment, one in zip(self.augment, seen, strict=True))


class TemporalViews(nn.Module):
    """Two frames of each sequence -> an augmented, normalised view of each, flipped by one coin."""

    def __init__(self, config: TemporalViewsConfig):
        super().__init__()
        self.config = config
        self.augment = AugmentedViews(config.frames, 2)

    def forward(self, seen: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The two views, float32."""
        return self.augment.of_each(seen)


def _shape(views: SingleViewsConfig) -> tuple[int, ...]:
    return views.signal_shape if isinstance(views, SignalViewsConfig) else views.image_shape


def _sequence_and_frame(name: str) -> tuple[str, list[tuple[int, str]]]:
    """A name as its sequence, and its frame in a form that sorts numbers by their size."""
    cut = max(name.rfind("/"), name.rfind(":")) + 1
    sequence, frame = name[:cut], name[cut:]
    return sequence, [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", frame)]
