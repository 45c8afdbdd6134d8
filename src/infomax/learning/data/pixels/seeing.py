"""An item of any kind to a picture of 8 bits, or to the values that were measured."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor

from infomax.learning.data.pixels.formats import OtherChannels, channels_remedy, num_pages, read_file
from infomax.learning.data.sources.files import unpacked

Seen = Image.Image | np.ndarray
"""A picture of 8 bits, or values [h, w, c] of any type."""


def see(image: Any, *, channels: int, pages: str, whole: bool, at_least: int) -> Seen:
    """Return what an item holds: a picture of 8 bits, upright, or values [h, w, c].

    Args:
        image: a file or its bytes, a picture, an array [h, w], [h, w, c] or [c, h, w], or a tensor.
        channels, pages, whole, at_least: as of `read_file`.

    Raises:
        ValueError: it is no image, or has other channels.
        OSError: the file cannot be read.
    """
    given = _given(image)
    if isinstance(given, bytes):
        given = read_file(given, channels, pages, whole=whole, at_least=at_least)
        return _upright(given, channels) if isinstance(given, Image.Image) else given
    if isinstance(given, Image.Image):
        return _upright(given, channels)
    return _with_channels(given, channels)


def pages_in(image: Any) -> int:
    """Return how many pages the file of an item has; 1 for what is no file.

    Args:
        image: as of `see`.

    Raises:
        ValueError, OSError: it cannot be read.
    """
    given = _given(image)
    return num_pages(given) if isinstance(given, bytes) else 1


def _given(image: Any) -> bytes | Image.Image | Tensor | np.ndarray:
    """Return what an item holds, files read: the bytes of a picture, a picture, or an array."""
    match image:
        case Exception():
            raise image
        case None:
            raise ValueError("there is no image (null)")
        case dict():
            return _given(image["path"] if image.get("bytes") is None else image["bytes"])
        case str() | Path():
            return _given(Path(image).read_bytes())
        case bytes():
            return unpacked(image)
        case Image.Image() | Tensor():
            return image
        case _:
            return np.asarray(image)


def _upright(picture: Image.Image, channels: int) -> Seen:
    """Return a picture as it was held; its values where these are deeper than 8 bits, or no colours."""
    upright = ImageOps.exif_transpose(picture)
    if upright.mode in ("I", "F") or upright.mode.startswith("I;16"):
        values = np.asarray(upright)
        whole = values.astype(np.uint16) if upright.mode == "I" and _fits_uint16(values) else values
        return _with_channels(whole, channels)
    if channels in (1, 3):
        return upright
    return _with_channels(np.atleast_3d(np.asarray(upright)), channels)


def _fits_uint16(values: np.ndarray) -> bool:
    """Return whether Pillow's 32-bit integers are what a file of 16 bits holds."""
    return bool(values.min() >= 0 and values.max() <= 65535)


def _with_channels(array: Tensor | np.ndarray, channels: int) -> np.ndarray:
    """Return [h, w, c] of an array [h, w], [h, w, c] or [c, h, w].

    Raises:
        OtherChannels: it has other channels than those that are wanted.
    """
    counts = (1, 3, 4) if channels in (1, 3) else (channels,)
    values = _channels_last(array, counts)
    if values.ndim == 2 and 1 in counts:
        values = values[..., None]
    if values.ndim != 3 or values.shape[-1] not in counts:
        raise OtherChannels(_other_channels(values.shape, channels))
    return values


def _other_channels(shape: tuple[int, ...], channels: int) -> str:
    wanted = "[h, w], [h, w, c] or [c, h, w] with 1 (grey), 3 or 4 (colour) channels"
    if channels not in (1, 3):
        wanted = f"[h, w, {channels}] or [{channels}, h, w]"
    remedy = "give one image at a time"
    if len(shape) in (2, 3):
        remedy = channels_remedy(_likely_channels(shape))
    return f"received an array {list(shape)}, expected {wanted}; {remedy}"


def _likely_channels(shape: tuple[int, ...]) -> int:
    """Return the length of the axis that is likely the channels: beside a square, or the shorter end."""
    first, *_, last = shape
    if len(shape) == 2:
        return 1
    return last if shape[1] == first else first if shape[1] == last else min(first, last)


def _channels_last(array: Tensor | np.ndarray, counts: tuple[int, ...]) -> np.ndarray:
    """Return [h, w, c] of an array [h, w, c] or [c, h, w], where c is one of `counts`.

    Where both fit, an array is taken for [h, w, c], a tensor for [c, h, w].
    """
    axes = (0, -1) if isinstance(array, Tensor) else (-1, 0)
    pixels = array.detach().cpu().numpy() if isinstance(array, Tensor) else array
    if pixels.ndim != 3:
        return pixels
    return np.moveaxis(pixels, next((axis for axis in axes if pixels.shape[axis] in counts), -1), -1)
