"""One image of any kind -> uint8 [h, w, c] of a wanted size, or uint16 where that is asked for."""

from functools import partial
from typing import Any

import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image, ImageOps

from infomax.errors import refuse
from infomax.learning.data.decoder import Decoder
from infomax.learning.data.pixels.ranges import STORED, Pixels, full_scaled, limits_of, scaled
from infomax.learning.data.pixels.seeing import see
from infomax.learning.data.pixels.sizing import cut_away, suited_size
from infomax.learning.data.pixels.surveying import decided
from infomax.learning.data.sources.files import IMAGE_FILES
from infomax.learning.data.sources.source import Source

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey."""


def image_decoder(size: int | tuple[int, int] | None, channels: int, pixels: Pixels | None = None) -> Decoder:
    """Return the decoder of images of a size, a side or (height, width), and a number of channels.

    Where the size is None, the source decides it (`suited_size`); the decoder then waits for `for_source`.

    Args:
        size, channels: as of `load_images`.
        pixels: how values become stored pixels; None for the full range of each data type in 8 bits.

    Raises:
        ValueError: a size or number of channels below 1.
    """
    height_width = (size, size) if isinstance(size, int) else size
    refuse(
        height_width is not None and min(height_width) < 1,
        f"load_images: size must be at least 1 pixel, got {size}; give a side or (height, width)",
    )
    refuse(
        channels < 1,
        f"load_images: channels must be at least 1, got {channels}; give 3 (colour), 1 (grey), or as many as "
        "your images have",
    )
    return _decoder(height_width, channels, pixels or Pixels())


def _decoder(
    size: tuple[int, int] | None, channels: int, pixels: Pixels, notes: tuple[str, ...] = ()
) -> Decoder:
    usual = Pixels()
    how: dict[str, Any] = {"range": pixels.range, "bits": pixels.depth, "pages": pixels.pages}
    others = {key: value for key, value in how.items() if value != getattr(usual, key)}
    decode = partial(decode_image, size=size, channels=channels, **others)

    def adapt(source: Source, *where: Any) -> Decoder:
        found = decided(pixels, channels, source, *where)
        kept, notes = (size, ()) if size is not None else suited_size(source, channels, pixels.pages)
        return _decoder(kept, channels, found, (*notes, *cut_away(source, kept, channels, pixels.pages)))

    expected = "a whole image in a format that Pillow or a package of infomax[formats] reads"
    return Decoder(IMAGE_FILES, decode, STORED[pixels.depth], expected, pixels, notes, adapt)


def decode_image(
    image: Any,
    *,
    size: tuple[int, int],
    channels: int = 3,
    range: str = "full",
    bits: int = 8,
    pages: str = "first",
) -> UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"]:
    """Return one image scaled to cover a size and cropped in the centre.

    Args:
        image: a file or its bytes, a PIL image, an array [h, w], [h, w, c] or [c, h, w], or a tensor.
        size: (height, width).
        channels: 3 (colour), 1 (grey), or any other number, of images with exactly so many channels.
        range, bits, pages: as of `Pixels`; the range cannot be one that only a set decides.

    Raises:
        ValueError: it is no image, or has other channels.
        OSError: the file cannot be read.

    Example:
        >>> decode_image(np.full((8, 8), 7, np.uint8), size=(2, 2), channels=1)[..., 0].tolist()
        [[7, 7], [7, 7]]
        >>> decode_image(np.full((8, 8), 600, np.uint16), size=(1, 1), channels=1, range="0:1200").item()
        128
    """
    pixels = Pixels(range, bits, pages)
    refuse(
        not pixels.is_fixed,
        f"decode_image: the range {range} is found from all images of a set, got one; use load_images",
    )
    whole = range != "full" or bits != 8
    seen = see(image, channels=channels, pages=pages, whole=whole, at_least=3 * max(size))
    if isinstance(seen, Image.Image):
        picture = _convert(seen, "RGB" if channels == 3 else "L")
        if not whole:
            return _fit(picture, size).reshape(*size, channels)
        seen = np.asarray(_convert(seen, _own_mode(seen))).reshape(*seen.size[::-1], -1)
    stored = _stored(seen, pixels, opaque=channels in (1, 3))
    if channels in (1, 3) and bits == 8:
        picture = Image.fromarray(stored[..., 0] if stored.shape[-1] == 1 else stored)
        return _fit(_convert(picture, "RGB" if channels == 3 else "L"), size).reshape(*size, channels)
    return _fit_planes(_with_colours(stored, channels), size)


def _fit(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(ImageOps.fit(image, (size[1], size[0]), Image.Resampling.BICUBIC))


def _fit_planes(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the channels, each scaled by itself; more than 8 bits in floats."""
    planes = [np.ascontiguousarray(plane) for plane in np.moveaxis(values, -1, 0)]
    if values.dtype == np.uint8:
        return np.stack([_fit(Image.fromarray(plane), size) for plane in planes], axis=-1)
    fitted = np.stack([_fit(Image.fromarray(plane.astype(np.float32)), size) for plane in planes], axis=-1)
    return fitted.clip(0, np.iinfo(values.dtype).max).round().astype(values.dtype)


def _stored(values: np.ndarray, pixels: Pixels, opaque: bool) -> np.ndarray:
    """Return measured values as stored ones; transparency, a fourth channel of colours, by its full range."""
    limits = limits_of(pixels.range)
    if not limits:
        return full_scaled(values, pixels.depth)
    if opaque and values.shape[-1] == 4:
        colours, alpha = values[..., :3], full_scaled(values[..., 3:], pixels.depth)
        return np.concatenate([scaled(colours, limits, pixels.depth), alpha], axis=-1)
    return scaled(values, limits, pixels.depth)


def _with_colours(stored: np.ndarray, channels: int) -> np.ndarray:
    """Return values of `channels` channels: grey for colours, or the reverse; transparency on white."""
    if channels not in (1, 3) or stored.shape[-1] == channels:
        return stored
    top = np.iinfo(stored.dtype).max
    values = stored.astype(np.float64)
    if values.shape[-1] == 4:
        opacity = values[..., 3:] / top
        values = values[..., :3] * opacity + top * (1 - opacity)
    if values.shape[-1] > channels:
        values = (values @ np.array(LUMA))[..., None]
    return np.broadcast_to(values, (*values.shape[:2], channels)).round().astype(stored.dtype)


def _own_mode(image: Image.Image) -> str:
    """Return L for a picture without colours, else RGB."""
    return "L" if image.mode in ("1", "L", "LA", "La") else "RGB"


def _convert(image: Image.Image, mode: str) -> Image.Image:
    """Return a picture of 8 bits in `mode` (L or RGB), transparency laid on white."""
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    if image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    return image.convert(mode)
