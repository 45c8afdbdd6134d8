"""The range of values that becomes the range of stored pixels, as text and as numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
from jaxtyping import UInt8, UInt16

from infomax.errors import refuse

AUTO, FULL, PERCENTILE = "auto", "full", "percentile"
WORDS = (AUTO, FULL, PERCENTILE)
STORED: Mapping[int, type[np.uint8] | type[np.uint16]] = {8: np.uint8, 16: np.uint16}
"""Data type of stored pixels by their bits."""
MAX_SHOWN = 4
"""Channels whose ranges are shown one by one."""

Stored = UInt8[np.ndarray, "*s"] | UInt16[np.ndarray, "*s"]
Limits = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Pixels:
    """How the pixels of a set become stored values.

    Attributes:
        range: ``full``: every data type by its own range, 0 to 255 for 8 bits, 0 to 65535 for uint16, 0 to 1
            for floats. ``LOW:HIGH``, or one such pair for each channel with commas between: these values
            become the least and the greatest that is stored, what lies outside is cut. ``auto`` and
            ``percentile``: to be found from the set.
        bits: 8 or 16, of a stored value; None where the set decides.
        pages: of files with several pages, ``first``, ``channels`` (all pages, as channels), a number that
            counts from 1, or several numbers, which become channels.
        note: what was found in the set, in words.
        unread: what was not read although nobody said so, pages and colours, in words.

    Raises:
        ValueError: a value that is none of these.
    """

    range: str = FULL
    bits: int | None = 8
    pages: str = "first"
    note: str = ""
    unread: str = ""

    def __post_init__(self) -> None:
        limits_of(self.range)
        page_numbers(self.pages)
        refuse(
            self.bits not in (None, *STORED),
            f"load_images: bits must be 8 or 16, got {self.bits}; leave it out to let the images decide",
        )

    @property
    def is_fixed(self) -> bool:
        """True unless the set decides."""
        return self.range not in (AUTO, PERCENTILE)

    @property
    def depth(self) -> int:
        """Bits of a stored value."""
        return self.bits or 8

    def __str__(self) -> str:
        pages = {"first": "", "channels": ", pages as channels"}.get(
            self.pages, f", page{'s' * (',' in self.pages)} {self.pages}"
        )
        limits, shown = limits_of(self.range), self.range
        if len(limits) > MAX_SHOWN:
            widest = (min(low for low, _ in limits), max(high for _, high in limits))
            shown = f"of each of {len(limits)} channels by itself, within {range_text((widest,))}"
        return f"pixels: range {shown}{self.note and f' ({self.note})'}, {self.depth} bits{pages}"


def limits_of(text: str) -> Limits:
    """Return the least and the greatest value of each channel that a range names; () for a word.

    Raises:
        ValueError: it is no range.

    Example:
        >>> limits_of("0:4095,-1.5:3"), limits_of("full")
        (((0.0, 4095.0), (-1.5, 3.0)), ())
    """
    if text in WORDS:
        return ()
    try:
        pairs = tuple((float(low), float(high)) for low, high in (one.split(":") for one in text.split(",")))
    except ValueError:
        pairs = ()
    if not pairs or not all(-np.inf < low < high < np.inf for low, high in pairs):
        raise ValueError(
            f"load_images: received the range {text!r}, expected {', '.join(WORDS)} or LOW:HIGH, such as "
            "0:4095, with LOW below HIGH (one such pair for each channel: 0:4095,0:600)"
        )
    return pairs


def range_text(limits: Limits) -> str:
    """Return limits as text; one pair where all channels have the same.

    Example:
        >>> range_text(((0.0, 4095.0), (0.0, 4095.0))), range_text(((0.0, 1.0), (-0.25, 3.0)))
        ('0:4095', '0:1,-0.25:3')
    """
    pairs = [f"{_number(low)}:{_number(high)}" for low, high in limits]
    return pairs[0] if len({*pairs}) == 1 else ",".join(pairs)


def _number(value: float) -> str:
    return f"{value:.0f}" if value.is_integer() else f"{value:.7g}"


def page_numbers(pages: str) -> tuple[int, ...]:
    """Return the numbers, from 0, of the pages that are named; () for ``first`` and ``channels``.

    Raises:
        ValueError: it names no pages.
    """
    if pages in ("first", "channels"):
        return ()
    numbers = str(pages).split(",")
    if not all(one.isdecimal() and int(one) > 0 for one in numbers):
        raise ValueError(
            f"load_images: received pages {pages!r}, expected first, channels (all pages, as channels), "
            "a number that counts from 1, or several such as 1,3, which become channels"
        )
    return tuple(int(one) - 1 for one in numbers)


def scaled(values: np.ndarray, limits: Limits, bits: int = 8) -> Stored:
    """Return values [..., c] as stored pixels: low -> 0, high -> the greatest, rounded; cut outside.

    Raises:
        ValueError: limits for another number of channels; NaN or infinite values.
    """
    refuse(
        len(limits) not in (1, values.shape[-1]),
        f"received {values.shape[-1]} channels, expected {len(limits)}, as many as the range has; give one "
        "LOW:HIGH for all channels, or one for each",
    )
    refuse(
        values.dtype.kind == "f" and not np.isfinite(values).all(),
        "received values that are NaN or infinite, expected numbers; replace them",
    )
    low, high = np.array(limits, np.float64).T
    top = np.iinfo(STORED[bits]).max
    from_zero = np.clip(values.astype(np.float64), low, high) - low
    return np.round(from_zero * (top / (high - low))).astype(STORED[bits])


def full_scaled(values: np.ndarray, bits: int = 8) -> Stored:
    """Return values as stored pixels, by the range of their data type.

    Booleans and floats are scaled from [0, 1], uint16 from [0, 65535], other integers from [0, 255].

    Raises:
        ValueError: values outside these ranges.
    """
    if values.dtype == STORED[bits]:
        return np.ascontiguousarray(values)
    top = full_top(values)
    if not (values.min() >= 0 and values.max() <= top):
        raise ValueError(
            f"received {values.dtype} values from {values.min()} to {values.max()}, expected 0 to {top}; "
            "give the pixels before normalisation, or their range (--range LOW:HIGH)"
        )
    factor = np.iinfo(STORED[bits]).max / top
    return np.round(values.astype(np.float64) * factor).astype(STORED[bits])


def full_top(values: np.ndarray) -> int:
    """Return the greatest value of the full range of the data type of values."""
    return 65535 if values.dtype == np.uint16 else 255 if values.dtype.kind in "iu" else 1


def per_channel(values: Any, num: int) -> list[Any]:
    """Return a list with a value for each channel from one for all or one for each."""
    return [*(values if len(values) == num else repeat(values[0], num))]
