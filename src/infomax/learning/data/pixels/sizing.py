"""A first look at some images of a set, which decides at what size all of it is kept."""

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
_WHOLE = 1 << 30


def suited_size(source: Source, channels: int, pages: str) -> tuple[int, str]:
    """Return the side at which the images of a source are kept, px, and why in words.

    32 px where the median of their shorter sides is at most 48 px, else 96 px.

    Args:
        source: the images, of all splits.
        channels, pages: as of `load_images`.
    """
    sides: list[int] = []
    for split in source.splits:
        for item in some_items(source, split, source.count(split), NUM_SEEN, spread=False):
            with suppress(Exception):  # what cannot be read is named when it is decoded
                seen = see(item.value, channels=channels, pages=pages, whole=False, at_least=_WHOLE)
                sides.append(min(seen.size if isinstance(seen, Image.Image) else seen.shape[:2]))
    middle = median(sides) if sides else 0
    side = SMALL if middle <= MAX_SMALL_SIDE else LARGE
    return (
        side,
        f"kept at {side} px, as the median of {len(sides)} shorter sides is {middle:g} px (stored_size)",
    )
