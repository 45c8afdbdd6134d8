"""One image of any kind -> uint8 [h, w, c] of a wanted size."""

import io
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from infomax.errors import refuse
from infomax.learning.data.decoder import Decoder
from infomax.learning.data.sources.files import IMAGE_FILES, unpacked


def image_decoder(size: int | tuple[int, int], channels: int) -> Decoder:
    """Return the decoder of images of a size, a side or (height, width), and a number of channels.

    Raises:
        ValueError: a size or number of channels below 1.
    """
    height_width = size if isinstance(size, tuple) else (size, size)
    refuse(
        min(height_width) < 1,
        f"load_images: size must be at least 1 pixel, got {size}; give a side or (height, width)",
    )
    refuse(
        channels < 1,
        f"load_images: channels must be at least 1, got {channels}; give 3 (colour), 1 (grey), or as many as "
        "your arrays have",
    )
    decode = partial(decode_image, size=height_width, channels=channels)
    return Decoder(IMAGE_FILES, decode, np.uint8, "a whole image in a format that Pillow reads")


def decode_image(image: Any, *, size: tuple[int, int], channels: int = 3) -> UInt8[np.ndarray, "h w c"]:
    """Return one image scaled to cover a size and cropped in the centre.

    Args:
        image: a file or its bytes, a PIL image, an array [h, w], [h, w, c] or [c, h, w], or a tensor.
        size: (height, width).
        channels: 3 (colour), 1 (grey), or any other number, of arrays with exactly so many channels.

    Raises:
        ValueError: it is no image, or has other channels.
        OSError: the file cannot be read.

    Example:
        >>> decode_image(np.full((8, 8), 7, np.uint8), size=(2, 2), channels=1)[..., 0].tolist()
        [[7, 7], [7, 7]]
    """
    height, width = size
    if channels not in (1, 3):
        planes = [_fit(Image.fromarray(plane), size) for plane in _planes(image, channels)]
        return np.stack(planes, axis=-1)
    upright = ImageOps.exif_transpose(_open(image, at_least=3 * max(size)))
    converted = _convert(upright, "RGB" if channels == 3 else "L")
    return _fit(converted, size).reshape(height, width, channels)


def _fit(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(ImageOps.fit(image, (size[1], size[0]), Image.Resampling.BICUBIC))


def _planes(image: Any, channels: int) -> UInt8[np.ndarray, "c h w"]:
    """Return the channels of an array that has exactly `channels` of them.

    Raises:
        ValueError: it has another number, or is a picture, which has 1 or 3.
    """
    given = _given(image)
    if isinstance(given, bytes | Image.Image):
        raise ValueError(
            f"received a picture, which has 1 or 3 channels, expected an array [h, w, {channels}]; "
            "load pictures as colour (3 channels) or grey (1)"
        )
    array = _channels_last(given, (channels,))
    if array.ndim != 3 or array.shape[-1] != channels:
        raise ValueError(
            f"received an array {list(array.shape)}, expected [h, w, {channels}] or [{channels}, h, w]"
        )
    return np.ascontiguousarray(np.moveaxis(_to_uint8(array), -1, 0))


def _open(image: Any, at_least: int) -> Image.Image:
    match _given(image):
        case bytes() as data:
            return _open_bytes(data, at_least)
        case Image.Image() as opened:
            return opened
        case array:
            return _from_array(_channels_last(array, (1, 3, 4)))


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


def _channels_last(array: Tensor | np.ndarray, counts: tuple[int, ...]) -> np.ndarray:
    """Return [h, w, c] of an array [h, w, c] or [c, h, w], where c is one of `counts`.

    Where both fit, an array is taken for [h, w, c], a tensor for [c, h, w].
    """
    axes = (0, -1) if isinstance(array, Tensor) else (-1, 0)
    pixels = array.detach().cpu().numpy() if isinstance(array, Tensor) else array
    if pixels.ndim != 3:
        return pixels
    return np.moveaxis(pixels, next((axis for axis in axes if pixels.shape[axis] in counts), -1), -1)


def _open_bytes(data: bytes, at_least: int) -> Image.Image:
    if not data:
        raise ValueError("the file is empty (0 bytes)")
    try:
        image = Image.open(io.BytesIO(data), formats=_formats())
    except UnidentifiedImageError:
        raise ValueError("it is not an image in a format that Pillow reads") from None
    image.draft(None, (at_least, at_least))  # decode a large JPEG at 1/2, 1/4 or 1/8, still 3 times too large
    return image


@cache
def _formats() -> list[str]:
    Image.init()
    return [name for name in Image.OPEN if name != "EPS"]  # EPS would run Ghostscript


def _from_array(array: np.ndarray) -> Image.Image:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[-1] not in (1, 3, 4)):
        raise ValueError(
            f"received an array {list(array.shape)}, expected [h, w], [h, w, c] or [c, h, w]; c = 1, 3, 4"
        )
    pixels = _to_uint8(array)
    return Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels)


def _to_uint8(array: np.ndarray) -> np.ndarray:
    """Return values from 0 to 255: booleans and floats scaled from [0, 1], uint16 from [0, 65535].

    Raises:
        ValueError: values outside these ranges, or other integers outside [0, 255].
    """
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    top = 65535 if array.dtype == np.uint16 else 255 if array.dtype.kind in "iu" else 1
    if not (array.min() >= 0 and array.max() <= top):
        raise ValueError(
            f"received {array.dtype} values from {array.min()} to {array.max()}, expected 0 to {top}; "
            "give the pixels before normalisation"
        )
    return np.round(array.astype(np.float64) * (255 / top)).astype(np.uint8)


def _convert(image: Image.Image, mode: str) -> Image.Image:
    """Return `image` in `mode` (L or RGB): transparency laid on white, 16 bits scaled rather than clipped."""
    if image.mode == "I":
        image = Image.fromarray(_to_uint8(_as_uint16(np.asarray(image))))
    elif image.mode == "F" or image.mode.startswith("I;16"):
        image = Image.fromarray(_to_uint8(np.asarray(image)))
    elif image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    if image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    return image.convert(mode)


def _as_uint16(array: np.ndarray) -> np.ndarray:
    if array.min() < 0 or array.max() > 65535:
        raise ValueError(
            f"received 32-bit values from {array.min()} to {array.max()}, expected 0 to 65535; rescale it"
        )
    return array.astype(np.uint16)
