"""A first look at some images of a set, which decides one range and one depth for all of it.

The range follows from the kinds of images there are::

    8-bit images             full: they stay as they are, bit for bit
    deeper images, floats    8, 10, 12, 14 or 16 bits, for floats also 0 to 1: the least of these that holds
                             all values, if they fill four fifths of it; else their least and greatest value
    both kinds               full: each data type by its own range

Each channel has its own range. 16 bits are stored where 8 would leave fewer than 64 grey levels to the middle
99.8 % of the values of a channel, and the channel has more.
"""

import json
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import xxhash
from PIL import Image

from infomax.errors import MissingExtra
from infomax.files import read_json, replacing
from infomax.learning.data.pixels.cutting import Cut, cut_by
from infomax.learning.data.pixels.ranges import (
    FULL,
    PERCENTILE,
    Limits,
    Pixels,
    full_top,
    limits_of,
    per_channel,
    range_text,
)
from infomax.learning.data.pixels.seeing import pages_in, see
from infomax.learning.data.sources.files import suffix
from infomax.learning.data.sources.source import Item, Source

T = TypeVar("T")

FIRST_IMAGES = 64
"""Images that tell whether a set is deeper than 8 bits."""
FIRST_FILES = 8
"""Files of each split that tell whether there are several pages in one."""
SIDE_FOR_COLOURS = 64
"""Pixels along a side, at least, of the pictures in which colours are sought."""
MAX_IMAGES = 500
"""Images that decide the range of a deeper set, spread over it."""
MAX_PIXELS = 4096
"""Pixels of each of them that enter the percentiles; least and greatest value are of all pixels."""
PERCENTILES = (0.1, 99.9)
MIN_FILLED = 0.8
"""Share of a standard range that the values must fill for it to be taken."""
MIN_LEVELS = 64
"""Grey levels that the middle of the values keeps, at least, or it is stored in 16 bits."""
MAX_CUT = 0.01
"""How far the middle of the values may reach beyond a given range, as a share of it, without a warning."""
MIN_USED = 0.1
"""Share of a given range that the values use, at least, without a warning."""
_STANDARD_BITS = (8, 10, 12, 14, 16)
_VERSION = 1


@dataclass(frozen=True)
class Survey:
    """The kinds and values of some images of a set.

    Attributes:
        num_images, num_total: images looked at, and of the whole set; None where only reading would tell.
        kinds: of their values: ``8-bit``, ``integers``, ``floats``.
        low, high: least and greatest value of each channel.
        near_low, near_high: percentiles 0.1 and 99.9 of each.
        num_levels: distinct values between these.
        top: greatest value of the full range of their data types.
    """

    num_images: int
    num_total: int | None
    kinds: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    near_low: tuple[float, ...]
    near_high: tuple[float, ...]
    num_levels: tuple[int, ...]
    top: float

    @property
    def is_deep(self) -> bool:
        """True where any image is deeper than 8 bits."""
        return set(self.kinds) - {"8-bit"} != set()

    @property
    def words(self) -> str:
        """How many images were looked at."""
        if self.num_total is not None and self.num_images >= self.num_total:
            return f"all {self.num_images:,} images" if self.num_images > 1 else "the image"
        return f"{self.num_images:,} of {f'{self.num_total:,}' if self.num_total else 'the'} images"


def decided(pixels: Pixels, channels: int, source: Source, column: str | None, cache: Path | None) -> Pixels:
    """Return pixels whose range and bits are fixed, by a look at some images of all splits of a source.

    Warns:
        UserWarning: a given range does not fit the images.

    Raises:
        MissingExtra: all of them need a package that is not installed.
    """
    look = partial(see, channels=channels, pages=pixels.pages, whole=True, at_least=1)
    if pixels.range == FULL:
        look = partial(look, whole=False)
    if pixels.range == PERCENTILE:
        look = partial(_as_values, look)
    first = _survey(source, look, FIRST_IMAGES)
    pixels = replace(pixels, unread="; ".join(_unread(source, channels, pixels.pages)))
    how = (channels, pixels.pages)
    if pixels.is_fixed:

        def count(ends: Limits) -> Cut:
            make = partial(_cut, source, look, ends)
            return _kept(source, column, cache, (*how, range_text(ends)), Cut, make)

        return _checked(pixels, first, count)
    if not first.is_deep:
        return replace(pixels, range=FULL, bits=pixels.depth, note="8-bit images" if first.kinds else "")
    make = partial(_survey, source, look, MAX_IMAGES)
    return _chosen(pixels, _kept(source, column, cache, how, Survey, make))


def _unread(source: Source, channels: int, pages: str) -> Iterator[str]:
    """Yield, by a look at some files, what of them is not read although nobody said so: pages, colours."""
    most, coloured = 1, False
    for split in source.splits:
        for item in some_items(source, split, source.count(split), FIRST_FILES, spread=False):
            with suppress(Exception):  # what cannot be read is named when it is decoded
                most = max(most, pages_in(item.value)) if pages == "first" else 1
                if channels == 1 and not coloured:
                    seen = see(item.value, channels=1, pages=pages, whole=False, at_least=SIDE_FOR_COLOURS)
                    coloured = _has_colours(seen)
    if most > 1:
        yield (
            f"files of up to {most} pages, the first of each is read (--pages channels takes all of them, as "
            "channels; --pages 2 takes the second)"
        )
    if coloured:
        yield "colours are read as grey, in 1 channel"


def _has_colours(seen: Image.Image | np.ndarray) -> bool:
    """Return whether red, green and blue differ anywhere in an image."""
    if isinstance(seen, Image.Image):
        if seen.mode in ("1", "L", "LA", "La"):
            return False
        seen = np.asarray(seen.convert("RGB"))
    return seen.shape[-1] in (3, 4) and bool((seen[..., :3] != seen[..., :1]).any())


def _kept(
    source: Source,
    column: str | None,
    cache: Path | None,
    how: Sequence[Any],
    kind: type[T],
    make: Callable[[], T],
) -> T:
    """Return what a look at a source has found from the cache, or make it and keep it there."""
    digests = [source.digest(split) for split in source.splits] if cache else [None]
    if cache is None or None in digests:
        return make()
    key = xxhash.xxh3_128_hexdigest(json.dumps([_VERSION, digests, column, how, MAX_IMAGES]).encode())
    kept = cache / f"{key}.range.json"
    try:
        values: dict[str, Any] = read_json(kept, "load_images", "remove it")
        parts: dict[str, Any] = {name: tuple(x) if isinstance(x, list) else x for name, x in values.items()}
        return kind(**parts)
    except (OSError, ValueError, TypeError):
        made = make()
    cache.mkdir(parents=True, exist_ok=True)
    with replacing(kept) as path:
        path.write_text(json.dumps(asdict(cast(Any, made))))
    return made


def _survey(source: Source, look: Any, num: int) -> Survey:
    """Look at about `num` images, the same number of each split."""
    with ThreadPoolExecutor() as pool:
        looked = [*pool.map(partial(_measured, look), _items_of_all(source, num))]
    found = [one for one in looked if isinstance(one, _One)]
    missing = next((one for one in looked if isinstance(one, MissingExtra)), None)
    if missing is not None and not found:
        raise missing
    return _together(found, _num_total(source))


def _cut(source: Source, look: Any, limits: Limits) -> Cut:
    """Return what a range cuts away from about `MAX_IMAGES` images."""
    return cut_by(limits, _items_of_all(source, MAX_IMAGES), look, _num_total(source))


def _num_total(source: Source) -> int | None:
    """Return the number of images of all splits; None where only reading would tell."""
    counts = [source.count(split) for split in source.splits]
    return None if None in counts else sum(filter(None, counts))


def _items_of_all(source: Source, num: int) -> Iterator[Item]:
    """Yield about `num` items, the same number of each split."""
    share = max(1, num // len(source.splits))
    for split in source.splits:
        yield from some_items(source, split, source.count(split), share, spread=num > FIRST_IMAGES)


def some_items(source: Source, split: str, count: int | None, num: int, spread: bool) -> Iterator[Item]:
    """Yield some items of a split: spread over it, if wanted or where passing over the others is free.

    Of files, one at least of each suffix is among them: a set may be deeper in a few files of another kind.
    """
    first = next(source.items(split), None)
    free = first is not None and isinstance(first.value, str | Path)
    step = max(1, math.ceil(count / num)) if count and (free or spread) else 1
    if not free:
        yield from islice(source.items(split), 0, num * step, step)
        return
    suffixes = set()
    for number, item in enumerate(source.items(split)):
        new = suffix(item.name) not in suffixes
        suffixes.add(suffix(item.name))
        if new or (number % step == 0 and number < num * step):
            yield item


@dataclass(frozen=True)
class _One:
    """The kind and values of one image."""

    kind: str
    top: float
    low: np.ndarray
    high: np.ndarray
    values: np.ndarray


def _as_values(look: Any, image: Any) -> np.ndarray:
    """Return the values of a picture, too; of 8 bits in a type that is looked at."""
    seen = look(image)
    if isinstance(seen, Image.Image):
        seen = np.atleast_3d(np.asarray(seen.convert("L" if seen.mode in ("1", "L") else "RGB")))
    return seen.astype(np.int16) if _is_eight_bit(seen) else seen


def _measured(look: Any, item: Item) -> _One | MissingExtra | None:
    """Return what an image holds; None where it is broken, which decoding will say."""
    try:
        seen = look(item.value)
    except MissingExtra as error:
        return MissingExtra(f"load_images: cannot decode {item.name}: {error}")
    except Exception:  # whatever a reader raises; decoding names it
        return None
    if isinstance(seen, Image.Image) or _is_eight_bit(seen):
        return _One("8-bit", 255.0, np.zeros(1), np.zeros(1), np.zeros((0, 1)))
    if not seen.size or (seen.dtype.kind == "f" and not np.isfinite(seen).all()):
        return None
    flat = seen.reshape(-1, seen.shape[-1])
    kind = "floats" if seen.dtype.kind == "f" else "integers"
    some = flat[:: max(1, len(flat) // MAX_PIXELS)].astype(np.float64)
    return _One(kind, float(full_top(seen)), flat.min(0).astype(float), flat.max(0).astype(float), some)


def _is_eight_bit(values: np.ndarray) -> bool:
    """Return whether values are of 8 bits: by their type, or as Python's and torch's integers are."""
    if values.dtype in (np.uint8, np.bool_):
        return True
    plain = values.dtype.kind == "i" and values.dtype.itemsize >= 4
    return bool(plain and values.size and values.min() >= 0 and values.max() <= 255)


def _together(found: Sequence[_One], total: int | None) -> Survey:
    deep = [one for one in found if one.kind != "8-bit"]
    kinds = tuple(sorted({one.kind for one in found}))
    if not deep:
        return Survey(len(found), total, kinds, (), (), (), (), (), 255.0)
    if len({len(one.low) for one in deep}) > 1:  # grey and colour: one range for all channels
        deep = [replace(one, low=one.low.min(keepdims=True), high=one.high.max(keepdims=True),
                        values=one.values.reshape(-1, 1)) for one in deep]  # fmt: skip
    values = np.concatenate([one.values for one in deep])
    near_low, near_high = np.percentile(values, PERCENTILES, axis=0)
    low, high = np.min([one.low for one in deep], axis=0), np.max([one.high for one in deep], axis=0)
    numbers = [tuple(map(float, one)) for one in (low, high, near_low, near_high)]
    top = max(one.top for one in deep)
    return Survey(
        len(found), total, kinds, *numbers, tuple(map(_num_levels, values.T, near_low, near_high)), top
    )


def _num_levels(values: np.ndarray, low: float, high: float) -> int:
    return len(np.unique(values[(values >= low) & (values <= high)]))


def _chosen(pixels: Pixels, survey: Survey) -> Pixels:
    """Return pixels with the range and bits that a survey suggests."""
    if not survey.is_deep or len(survey.kinds) > 1:
        kinds = " and ".join(survey.kinds)
        note = f"images of {kinds}, each by the range of its data type" if kinds else ""
        if survey.is_deep and max(survey.high) < MIN_USED * survey.top:
            _warn(FULL, f"values up to {max(survey.high):.6g}, which leaves few grey levels")
        return replace(pixels, range=FULL, bits=pixels.depth, note=note)
    if pixels.range == PERCENTILE:
        near = survey.near_low, survey.near_high
        if "floats" not in survey.kinds:
            near = np.floor(near[0]).tolist(), np.ceil(near[1]).tolist()
        limits, how = _apart(*near, survey), "percentiles 0.1 and 99.9"
    else:
        found = [_of_channel(a, b, survey) for a, b in zip(survey.low, survey.high, strict=True)]
        limits, named = tuple(one for one, _ in found), {words for _, words in found}
        how = named.pop() if len(named) == 1 else "bits, or least and greatest value, of each channel"
    bits = pixels.bits or _bits(limits, survey)
    return replace(pixels, range=range_text(limits), bits=bits, note=f"{how}, from {survey.words}")


def _of_channel(low: float, high: float, survey: Survey) -> tuple[tuple[float, float], str]:
    """Return the range of a channel by its least and greatest value, and what it is called."""
    named = [(2.0**bits - 1, f"{bits} bits") for bits in _STANDARD_BITS]
    named = [(1.0, "0 to 1"), *named] if "floats" in survey.kinds else named
    top, words = next(((top, words) for top, words in named if high <= top), (math.inf, ""))
    if low >= 0 and (high - low >= MIN_FILLED * top or (low == high and top < math.inf)):
        return (0.0, top), words
    return _apart((low,), (high,), survey)[0], "least and greatest value"


def _apart(lows: Sequence[float], highs: Sequence[float], survey: Survey) -> Limits:
    """Return pairs whose ends differ, where need be those of all values."""
    pairs = zip(lows, highs, survey.low, survey.high, strict=False)
    wider = [(a, b) if a < b else (least, greatest) for a, b, least, greatest in pairs]
    return tuple((a, b) if a < b else (a, a + 1) for a, b in wider)


def _bits(limits: Limits, survey: Survey) -> int:
    """Return 16 where a channel would keep too few grey levels in 8 bits."""
    ends = per_channel(limits, len(survey.low))
    middles = zip(survey.near_low, survey.near_high, survey.num_levels, strict=True)
    for (low, high), (near_low, near_high, num) in zip(ends, middles, strict=True):
        levels = 255 * (min(near_high, high) - max(near_low, low)) / (high - low)
        if levels < MIN_LEVELS and num > max(levels, 2):
            return 16
    return 8


def _checked(pixels: Pixels, survey: Survey, count: Callable[[Limits], Cut]) -> Pixels:
    """Return pixels of a given range; a note says what it cuts, and a warning where it does not fit.

    Args:
        pixels: with the range.
        survey: of some images.
        count: returns what limits cut away, which is asked for where the survey shows any of it.
    """
    limits = limits_of(pixels.range)
    known = survey.is_deep and len(survey.kinds) == 1 and len(limits) in (0, 1, len(survey.low))
    ends = per_channel(limits or ((0.0, survey.top),), len(survey.low)) if known else []
    bits = pixels.bits or (_bits(tuple(ends), survey) if limits and known else 8)
    found = _misfit(pixels.range, ends, survey)
    if limits and survey.kinds == ("8-bit",) and max(high for _, high in limits) > 255 / MIN_USED:
        found = "these are 8-bit images, from 0 to 255"
    cut = str(count(tuple(ends))) if limits and known and _reach_beyond(survey, ends) else ""
    if found:
        found = f"{found}: {cut}" if cut else found
        _warn(pixels.range, found)
    return replace(pixels, bits=bits, note=found or (cut and f"{cut} lie outside and are cut"))


def _reach_beyond(survey: Survey, ends: Sequence[tuple[float, float]]) -> bool:
    """Return whether any value lies outside the limits of its channel."""
    each = zip(ends, survey.low, survey.high, strict=True)
    return any(least < low or greatest > high for (low, high), least, greatest in each)


def _misfit(text: str, ends: Sequence[tuple[float, float]], survey: Survey) -> str:
    """Return in what channel a range does not fit the values, and how; nothing where it fits."""
    middles = zip(survey.near_low, survey.near_high, survey.high, strict=True)
    for number, ((low, high), (near_low, near_high, top)) in enumerate(zip(ends, middles, strict=False), 1):
        where = f" in channel {number}" if len(ends) > 1 else ""
        margin = MAX_CUT * (high - low)
        if text != FULL and (near_low < low - margin or near_high > high + margin):
            return f"values from {near_low:.6g} to {near_high:.6g}{where}, so that many are cut"
        if 0 <= top - low < MIN_USED * (high - low):
            return f"values up to {top:.6g}{where}, which leaves few grey levels"
    return ""


def _warn(text: str, found: str) -> None:
    warnings.warn(
        f"load_images: the range {text} does not fit these images: {found}; if they were measured in "
        "another way than the images of this range, give a range for them (--range LOW:HIGH, auto or "
        "percentile)",
        stacklevel=2,
    )
