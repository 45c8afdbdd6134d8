"""Pages and channels of one file: which of them make the image."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

from infomax.errors import refuse
from infomax.learning.data.pixels.ranges import page_numbers

CHANNEL_AXES = "CS"
"""The axes C (wavelengths) and S (samples of a pixel, as red, green and blue) are channels, others pages."""
_AXES = {"C": "channels", "S": "samples", "Z": "slices", "T": "times"}


@dataclass(frozen=True)
class Stack:
    """Planes of one file.

    Attributes:
        axes: of the planes, one letter each, as OME has them: ``TZC``; all others are pages.
        shape: number of planes along each of these axes.
        read: returns some of the planes, by their numbers in C order: [k, h, w, s].
    """

    axes: str
    shape: tuple[int, ...]
    read: Callable[[Sequence[int]], np.ndarray]

    @staticmethod
    def of(values: np.ndarray, axes: str) -> "Stack":
        """Return the planes of an array whose axes, Y and X among them, are known."""
        order = [*(axes.index(one) for one in axes if one not in "YXS"), axes.index("Y"), axes.index("X")]
        samples = [axes.index("S")] if "S" in axes else []
        moved = values.transpose(*order, *samples)
        moved = moved if samples else moved[..., None]
        planes = moved.reshape(-1, *moved.shape[-3:])
        return Stack("".join(axes[i] for i in order[:-2]), moved.shape[:-3], lambda some: planes[[*some]])

    def image(self, pages: str) -> Shaped[np.ndarray, "h w c"]:
        """Return the image [h, w, c] of the chosen pages.

        Raises:
            ValueError: a page that is not there.
        """
        numbers = self._numbers()
        chosen = page_numbers(pages) or (0,)
        rows = range(len(numbers)) if pages == "channels" else chosen
        refuse(
            max(rows) >= len(numbers),
            f"received {len(numbers)} pages, expected at least {max(rows) + 1}, as --pages {pages} says",
        )
        planes = self.read(numbers[[*rows]].ravel().tolist())
        return np.moveaxis(planes, 0, 2).reshape(*planes.shape[1:3], -1)  # [h, w, k·s]

    @property
    def num_pages(self) -> int:
        """Number of pages, each with all channels."""
        return len(self._numbers())

    @property
    def num_planes(self) -> int:
        """Number of planes, of all pages and channels."""
        return int(np.prod(self.shape))

    def _numbers(self) -> np.ndarray:
        """Return the numbers of the planes: [pages, channels]."""
        numbers = np.arange(self.num_planes).reshape(self.shape)
        channels = [i for i, one in enumerate(self.axes) if one in CHANNEL_AXES]
        last = np.moveaxis(numbers, channels, range(-len(channels), 0)) if channels else numbers
        num_channels = int(np.prod([self.shape[i] for i in channels]))
        return last.reshape(-1, num_channels)

    def __str__(self) -> str:
        sizes = zip(self.axes, self.shape, strict=True)
        return " of ".join(f"{num} {_AXES.get(one, 'pages')}" for one, num in sizes if num > 1)
