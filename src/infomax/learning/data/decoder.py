"""How one value of a source becomes an array, and what is said of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from infomax.learning.data.pixels.ranges import Pixels
from infomax.learning.data.sources.files import FileKind
from infomax.learning.data.sources.source import Source


@dataclass(frozen=True)
class Decoder:
    """A function from the value of an item to an array, with the words for its messages.

    Attributes:
        files: the kind of files that hold one value each.
        decode: the function, its options bound by keyword; they are part of the key of the cache.
        dtype: data type of the arrays.
        expected: what the function reads, for messages.
        pixels: how values become stored pixels; None for what is no image.
        notes: what was decided for the source besides, in words.
        adapt: returns the decoder that suits a source; None where all sources are decoded alike. It is given
            the source, its column and the folder of the cache.
    """

    files: FileKind
    decode: partial[np.ndarray]
    dtype: type[np.uint8 | np.uint16 | np.float32]
    expected: str
    pixels: Pixels | None = None
    notes: tuple[str, ...] = ()
    adapt: "Callable[[Source, str | None, Path | None], Decoder] | None" = None

    @property
    def operation(self) -> str:
        """The public function that loads with this decoder, for messages."""
        return f"load_{self.files.noun}s"

    @property
    def findings(self) -> tuple[str, ...]:
        """Return what was found of a source and decided for it, in words."""
        pixels = self.pixels
        as_stored = pixels is None or (pixels.range, pixels.depth, pixels.pages) == ("full", 8, "first")
        unread = (pixels.unread,) if pixels and pixels.unread else ()
        return (*self.notes, *unread, *(() if as_stored else (str(pixels),)))

    @property
    def num_bytes(self) -> int:
        """The bytes of an array."""
        how = self.decode.keywords
        shape = (*how.get("size", ()), how.get("length", 1), how["channels"])
        return prod(shape) * np.dtype(self.dtype).itemsize

    def for_source(self, source: Source, column: str | None, cache: Path | None) -> "Decoder":
        """Return the decoder with all that depends on the source decided, such as the range of its pixels.

        Args:
            source: what will be decoded, all splits of it.
            column: its column, if one was chosen.
            cache: folder in which what was found may be kept.
        """
        return self if self.adapt is None else self.adapt(source, column, cache)
