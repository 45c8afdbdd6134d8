"""Pictures of a page: all of a kind on one sheet, of which the page shows parts."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from infomax.pages.templates import data_uri

NUM_COLUMNS, NUM_VIEWS = 40, 12  # of a sheet; of images whose views are shown
GREY = (128, 128, 128)
VIEW_SIDE = 128  # pixels, the most for views and similarity maps


@dataclass(frozen=True)
class Sprites:
    """Pictures on one sheet, row by row.

    Args:
        uri: the address of the sheet, which holds it.
        side: of a picture, in pixels.
        columns: of the sheet.
        rows: of the sheet.
        num_pictures: on it.
    """

    uri: str
    side: int
    columns: int
    rows: int
    num_pictures: int


def sprites(pictures: Sequence[UInt8[np.ndarray, "_ _ _"]] | np.ndarray, max_side: int) -> Sprites:
    """Return all pictures on one JPEG sheet, scaled to one largest side, at most `max_side`."""
    m = len(pictures)
    side = min(max_side, 8 * -(-max(max(picture.shape[:2]) for picture in pictures) // 8))
    columns = min(m, NUM_COLUMNS)
    rows = -(-m // columns)
    sheet = Image.new("RGB", (columns * side, rows * side), GREY)
    for i, picture in enumerate(pictures):
        row, column = divmod(i, columns)
        scaled = _scaled(picture, side)
        left, top = (side - scaled.width) // 2, (side - scaled.height) // 2
        sheet.paste(scaled, (column * side + left, row * side + top))
    data = io.BytesIO()
    sheet.save(data, "JPEG", quality=90, subsampling=0)
    return Sprites(data_uri("image/jpeg", data.getvalue()), side, columns, rows, m)


def _scaled(picture: UInt8[np.ndarray, "h w c"], side: int) -> Image.Image:
    height, width = (round(side * length / max(picture.shape[:2])) for length in picture.shape[:2])
    return Image.fromarray(_in_colour(picture)).resize((width, height))


def _in_colour(picture: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w 3"]:
    """Grey as it is; else the first three channels as red, green, blue; a missing one black."""
    if picture.shape[-1] == 1:
        return picture.repeat(3, axis=-1)
    return np.pad(picture[..., :3], ((0, 0), (0, 0), (0, max(0, 3 - picture.shape[-1]))))


def words_of_channels(channels: int) -> str:
    """Return which channels of an image a picture shows; "" where it shows the image as it is.

    Example:
        >>> words_of_channels(3), words_of_channels(13)
        ('', 'Pictures show the first three of 13 channels, as red, green and blue.')
    """
    if channels in (1, 3):
        return ""
    shown = (
        "two channels, as red and green" if channels == 2 else f"first three of {channels} channels, as red"
    )
    return f"Pictures show the {shown}{'' if channels == 2 else ', green and blue'}."


def views_sheet(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return what was seen and views of it, image by image, in the order of the file."""
    rows = [*zip(*(pictures[:NUM_VIEWS] for pictures in arrays.values()), strict=True)]
    return {
        "sprites": sprites([picture for row in rows for picture in row], VIEW_SIDE),
        "num_seen": 1 if "original" in arrays else len(arrays) // 2,
        "captions": [re.sub(r"view(?=\d)", "view ", name) for name in arrays],
        "num_images": len(rows),
    }


def similarity_sheet(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return similarity maps, a row for each source, with the names of the images."""
    pictures = arrays["pictures"]
    rows, columns = pictures.shape[:2]
    return {
        "sprites": sprites(pictures.reshape(-1, *pictures.shape[2:]), VIEW_SIDE),
        "columns": columns,
        "rows": [(str(arrays["sources"][i]), [str(n) for n in arrays["names"][i]]) for i in range(rows)],
    }
