"""Count what a range cuts away: values outside of it, in some images of a set."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from infomax.learning.data.sources.source import Item


@dataclass(frozen=True)
class Cut:
    """Pixels with a value outside a range, in the images that were looked at.

    Attributes:
        num_pixels, num_images: pixels outside, and images that have any.
        of_pixels, of_images: all that were looked at.
        num_total: images of the whole set; None where only reading would tell.
    """

    num_pixels: int
    num_images: int
    of_pixels: int
    of_images: int
    num_total: int | None = None

    def __str__(self) -> str:
        share = 100 * self.num_pixels / self.of_pixels
        looked_at = "" if self.of_images == self.num_total else " looked at"
        return (
            f"{self.num_pixels:,} pixel{'s' * (self.num_pixels != 1)} ({share:.2g} %) in {self.num_images:,} "
            f"of {self.of_images:,} images{looked_at}"
        )


def cut_by(
    limits: Sequence[tuple[float, float]],
    items: Iterable[Item],
    look: Callable[[Any], Any],
    total: int | None,
) -> Cut:
    """Return how many pixels of some images a range cuts away; broken images are passed over.

    Args:
        limits: least and greatest value of each channel, or one pair for all.
        items: the images.
        look: returns the values [h, w, c] of one, or a picture of 8 bits, which counts as whole.
        total: images of the whole set; None where that is not known.

    Example:
        >>> images = [Item("a", np.array([[[5], [9]]]), None), Item("b", np.array([[[1], [2]]]), None)]
        >>> print(cut_by([(0.0, 4.0)], images, np.asarray, 2))
        2 pixels (50 %) in 1 of 2 images
    """
    with ThreadPoolExecutor() as pool:
        counted = [one for one in pool.map(partial(_outside, limits, look), items) if one is not None]
    outside, pixels = np.array(counted or [(0, 0)]).T
    return Cut(int(outside.sum()), int((outside > 0).sum()), int(pixels.sum()), len(counted), total)


def _outside(
    limits: Sequence[tuple[float, float]], look: Callable[[Any], Any], item: Item
) -> tuple[int, int] | None:
    """Return the pixels of an image with a value outside, and all of them; None where it is broken."""
    try:
        seen = look(item.value)
    except Exception:  # whatever a reader raises; decoding names it
        return None
    if isinstance(seen, Image.Image):
        return 0, seen.width * seen.height
    low, high = np.array(limits, np.float64).T
    cut = ((seen < low) | (seen > high)).any(axis=-1)
    return int(cut.sum()), cut.size
