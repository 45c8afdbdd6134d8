"""A first look at some images of a set, which decides at what size all of it is kept."""

from collections.abc import Iterator
from contextlib import suppress
from statistics import median

from PIL import Image

from infomax.learning.data.pixels.seeing import see
from infomax.learning.data.pixels.surveying import some_items
from infomax.learning.data.sources.source import Source

NUM_SEEN = 32
"""Images that decide, of each split."""
MAX_SMALL_SIDE = 48
"""The longest shorter side, px, of a small image."""
SMALL, LARGE = 32, 96
"""Sides, px, at which small and other images are kept."""
NUM_SHAPED = 8
"""Images of each split that tell how much the crop to one shape leaves out."""
MIN_CUT = 0.05
"""Share of an image outside the crop from which that is said."""
_WHOLE = 1 << 30


def cut_away(source: Source, size: tuple[int, int], channels: int, pages: str) -> tuple[str, ...]:
    """Return a line where images have another shape than `size`, so that their middle is kept; or nothing.

    Args:
        source: the images, of all splits.
        size: (height, width) at which they are kept.
        channels, pages: as of `load_images`.
    """
    shapes = _shapes(source, NUM_SHAPED, channels, pages, at_least=1)
    ratios = [height * size[1] / (width * size[0]) for height, width in shapes]
    most = max((1 - min(one, 1 / one) for one in ratios), default=0)
    if most < MIN_CUT:
        return ()
    return (f"of images of other shapes the middle is kept, up to {100 * most:.0f} % is cut (stored_size)",)


def suited_size(source: Source, channels: int, pages: str) -> tuple[tuple[int, int], tuple[str, ...]]:
    """Return (height, width) at which the images of a source are kept, px, and a line that says why.

    32 px where the median of their shorter sides is at most 48 px, else 96 px.

    Args:
        source: the images, of all splits.
        channels, pages: as of `load_images`.
    """
    sides = [min(shape) for shape in _shapes(source, NUM_SEEN, channels, pages, at_least=_WHOLE)]
    middle = median(sides) if sides else 0
    side = SMALL if middle <= MAX_SMALL_SIDE else LARGE
    why = f"kept at {side} px, as the median of {len(sides)} shorter sides is {middle:g} px (stored_size)"
    return (side, side), (why,)


def _shapes(source: Source, num: int, channels: int, pages: str, at_least: int) -> Iterator[tuple[int, int]]:
    """Yield (height, width) of some images of each split, as of `see`; what cannot be read is passed over."""
    for split in source.splits:
        for item in some_items(source, split, source.count(split), num, spread=False):
            with suppress(Exception):  # it is named when it is decoded
                seen = see(item.value, channels=channels, pages=pages, whole=False, at_least=at_least)
                height, width = seen.size[::-1] if isinstance(seen, Image.Image) else seen.shape[:2]
                yield height, width
