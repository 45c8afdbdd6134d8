"""Files of pictures: what Pillow reads without loss by Pillow, others by the package that reads them."""

import io
import logging
import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from infomax.errors import needs, refuse
from infomax.files import most_bytes, sized
from infomax.learning.data.pixels.stacks import Stack

EXTRA = "formats"
"""The extra of infomax that installs the packages named here."""


logging.getLogger("PIL").addHandler(logging.NullHandler())
"""A file that Pillow cannot read is named by an error, once; a line of its log for each would be too much."""


class OtherChannels(ValueError):
    """An image is whole, and has other channels than those that are wanted."""


class Format(NamedTuple):
    """A format that a package other than Pillow reads.

    Attributes:
        name: for people.
        package: the name by which the reader is imported.
        signature: of a file's first bytes.
        at: where the signature stands.
        read: the content of a file to its planes; they are read while the file is open.
    """

    name: str
    package: str
    signature: bytes
    at: int
    read: "Callable[[bytes], Any]"


@contextmanager
def opened_stack(data: bytes, kind: Format) -> Generator[Stack]:
    """Open the planes of a file.

    Raises:
        MissingExtra: the package that reads the format is not installed; the message names it.
    """
    needs(kind.package, extra=EXTRA, operation=f"a file of {kind.name}")
    with kind.read(data) as stack:
        yield stack


@contextmanager
def _tiff(data: bytes) -> Generator[Stack]:
    from tifffile import TiffFile

    with TiffFile(io.BytesIO(data)) as file:
        series: Any = file.series[0]
        within = series.keyframe.axes
        lead = len(series.axes) - len(within)
        if len(series.pages) == np.prod(series.shape[:lead]) and set(within) <= set("YXS"):

            def read(numbers: Any) -> np.ndarray:
                _check_size((len(numbers), *series.keyframe.shape), series.dtype)
                planes = series.asarray(key=[*map(int, numbers)]).reshape(
                    len(numbers), *series.keyframe.shape
                )
                return np.moveaxis(planes, 1 + within.index("S"), -1) if "S" in within else planes[..., None]

            yield Stack(series.axes[:lead], series.shape[:lead], read)
        else:
            _check_size(series.shape, series.dtype)
            yield Stack.of(series.asarray(), series.axes)


def _check_size(shape: Any, dtype: Any) -> None:
    """Check that values which the head of a file names fit into half of the memory.

    Raises:
        ValueError: they do not.
    """
    named = math.prod(map(int, shape)) * np.dtype(dtype).itemsize
    refuse(
        named > most_bytes(), f"its header promises {sized(named)}, expected at most {sized(most_bytes())}"
    )


@contextmanager
def _dicom(data: bytes) -> Generator[Stack]:
    """Values after the modality transform, such as Hounsfield units."""
    import pydicom
    from pydicom.pixels.processing import apply_modality_lut

    file: Any = pydicom.dcmread(io.BytesIO(data))
    sizes = [int(file.get(name) or 1) for name in ("NumberOfFrames", "Rows", "Columns", "SamplesPerPixel")]
    _check_size(sizes, np.dtype(np.float32))
    values: Any = file.pixel_array
    is_colour = int(file.get("SamplesPerPixel", 1)) > 1
    measured = values if is_colour else apply_modality_lut(values, file)
    axes = "YXS" if is_colour else "YX"
    yield Stack.of(measured, axes if measured.ndim == len(axes) else f"Z{axes}")


@contextmanager
def _czi(data: bytes) -> Generator[Stack]:
    from czifile import CziFile

    with CziFile(io.BytesIO(data)) as file:
        _check_size(file.shape, file.dtype)
        scenes_and_samples = str(file.axes).replace("S", "Q").replace("0", "S")
        yield Stack.of(file.asarray(), scenes_and_samples)


TIFF = Format("TIFF with several pages, channels or more than 8 bits of colour", "tifffile", b"", 0, _tiff)
FORMATS = (
    Format("DICOM", "pydicom", b"DICM", 128, _dicom),
    Format("CZI", "czifile", b"ZISRAWFILE", 0, _czi),
)
_TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def read_file(
    data: bytes, channels: int, pages: str, *, whole: bool, at_least: int
) -> Image.Image | np.ndarray:
    """Return the content of a file: a picture where Pillow suffices, else its values [h, w, c].

    Args:
        data: the content.
        channels: how many are wanted.
        pages: which, see `Pixels`.
        whole: whether all bits of a colour are wanted; otherwise the upper 8 will do.
        at_least: side, px, that is enough; a large JPEG is then decoded at 1/2, 1/4 or 1/8.

    Raises:
        ValueError: it is no image, or a page is not there.
        MissingExtra: it needs a package that is not installed.
    """
    if not data:
        raise ValueError("the file is empty (0 bytes)")
    kind = next((one for one in FORMATS if data.startswith(one.signature, one.at)), None)
    if data.startswith(_TIFF_SIGNATURES) and channels not in (1, 3, 4):
        kind = TIFF
    picture = _pictured(data) if kind is None else None
    if picture is not None and _suffices(picture, channels, pages, whole):
        picture.draft(None, (at_least, at_least))
        return picture
    if kind is None and data.startswith(_TIFF_SIGNATURES):
        kind = TIFF
    if kind is not None:
        with opened_stack(data, kind) as stack:
            return _checked(stack, channels, pages)
    if picture is None:
        raise ValueError("it is not an image in a format that Pillow reads")
    return _checked(_deep_png(data) if _is_deep_colour(picture) else _frames(picture), channels, pages)


def num_pages(data: bytes) -> int:
    """Return how many pages a file has; 1 for a photograph that has others of itself, as those of phones.

    Raises:
        ValueError, OSError: it is no image.
        MissingExtra: it needs a package that is not installed.
    """
    kind = next((one for one in FORMATS if data.startswith(one.signature, one.at)), None)
    kind = TIFF if data.startswith(_TIFF_SIGNATURES) else kind
    if kind is not None:
        with opened_stack(data, kind) as stack:
            return stack.num_pages
    picture = _pictured(data)
    return 1 if picture is None or picture.format in ("MPO", "HEIF") else getattr(picture, "n_frames", 1)


def _pictured(data: bytes) -> Image.Image | None:
    """Return a picture; None where Pillow knows no such format.

    Raises:
        MissingExtra: it is HEIC, and pillow-heif is not installed.
    """
    if data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS:
        needs("pillow_heif", extra=EXTRA, operation="a file of HEIC")
    try:
        return Image.open(io.BytesIO(data), formats=_pillow_formats())
    except UnidentifiedImageError:
        return None


@cache
def _pillow_formats() -> list[str]:
    if find_spec("pillow_heif"):
        from pillow_heif import register_heif_opener

        register_heif_opener()
    Image.init()
    return [name for name in Image.OPEN if name != "EPS"]  # EPS would run Ghostscript


def _suffices(picture: Any, channels: int, pages: str, whole: bool) -> bool:
    """Return whether what Pillow reads of the first page holds all that is wanted."""
    is_tiff, several = picture.format == "TIFF", getattr(picture, "n_frames", 1) > 1
    if (several and pages != "first") or (whole and _is_deep_colour(picture)):
        return False
    if is_tiff and (picture.tag_v2.get(277, 1) > 4 or (several and _has_named_axes(picture))):
        return False
    return channels in (1, 3) or (channels == len(picture.getbands()) and picture.mode != "P")


def _has_named_axes(picture: Any) -> bool:
    """Return whether a TIFF says what its pages are: as OME, ImageJ or tifffile write it."""
    description = str(picture.tag_v2.get(270, ""))
    by_tifffile = description.startswith("{") and '"axes"' in description
    return by_tifffile or "<OME" in description or description.startswith("ImageJ=")


def _is_deep_colour(picture: Any) -> bool:
    """Return whether Pillow would keep 8 of 16 bits of a colour."""
    if picture.mode in ("1", "L", "P", "I", "F") or picture.mode.startswith("I;16"):
        return False
    if picture.format == "TIFF":
        return max(picture.tag_v2.get(258, (8,))) > 8
    return picture.format == "PNG" and any("16" in str(tile[3]) for tile in picture.tile)


def _deep_png(data: bytes) -> Stack:
    """Return the values of a colour PNG of 16 bits.

    Raises:
        MissingExtra: imagecodecs is not installed.
    """
    needs(
        "imagecodecs", extra=EXTRA, operation="all 16 bits of a colour PNG (--range full takes the upper 8)"
    )
    from imagecodecs import png_decode

    return Stack.of(np.asarray(png_decode(data)), "YXS")


def _frames(picture: Any) -> Stack:
    def read(numbers: Any) -> np.ndarray:
        frames = []
        for number in numbers:
            picture.seek(int(number))
            frame = picture.convert("RGB") if picture.mode == "P" else picture
            frames.append(np.atleast_3d(np.asarray(frame)))
        return np.stack(frames)

    return Stack("I", (getattr(picture, "n_frames", 1),), read)


def _checked(stack: Stack, channels: int, pages: str) -> np.ndarray:
    """Return the image of a stack.

    Raises:
        OtherChannels: it has other channels than those that are wanted.
    """
    image = stack.image(pages)
    found = image.shape[-1]
    if found == channels or (channels in (1, 3) and found in (1, 3, 4)):
        return image
    if pages == "first" and stack.num_pages * found == channels:
        remedy = "take its pages as channels (--pages channels)"
    else:
        remedy = channels_remedy(found)
    where = f" (of {stack})" if stack.num_pages > 1 else ""
    noun = "channel" if found == 1 else "channels"
    raise OtherChannels(f"received {found} {noun}{where}, expected {channels}; {remedy}")


def channels_remedy(channels: int) -> str:
    """Return how to read images of so many channels.

    Example:
        >>> channels_remedy(2)
        'ask for 2 channels, here with --views.mean 0.5,0.5 --views.std 0.25,0.25 (in Python: channels=2)'
    """
    mean, std = (",".join([value] * channels) for value in ("0.5", "0.25"))
    return (
        f"ask for {channels} channel{'s' * (channels > 1)}, here with --views.mean {mean} --views.std {std} "
        f"(in Python: channels={channels})"
    )
