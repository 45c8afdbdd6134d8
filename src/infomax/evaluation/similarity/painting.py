"""Maps laid over pictures, and fields framed in them."""

from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from matplotlib import colormaps
from PIL import Image, ImageDraw
from scipy.ndimage import map_coordinates
from torch import Tensor

from infomax.evaluation.similarity.fields import Field, cell_centers
from infomax.learning.encoders.saving import PretrainedEncoder

TILE = 128
"""Longer side of a picture in a panel, px."""
USUAL_SHARE = 0.9
"""Share of the cells whose score counts as usual; a map shows what is above."""


@dataclass(frozen=True)
class Painter:
    """Lays maps over pictures.

    Attributes:
        shape: of a view, px.
        centers: of the rows and of the columns of cells, px.
    """

    shape: tuple[int, int]
    centers: tuple[Float[np.ndarray, " rows"], Float[np.ndarray, " columns"]]

    @staticmethod
    def of(encoder: PretrainedEncoder, side: int) -> "Painter":
        """Return the painter for an encoder's maps of that side."""
        _, height, width = cast(tuple[int, int, int], encoder.encoder.input_shape)
        return Painter((height, width), cell_centers(encoder.encoder, side))

    def enlarged(self, values: Float[np.ndarray, "rows columns"], size: tuple[int, int]) -> np.ndarray:
        """Return a map at so many pixels, by cubic splines through the centres of cells, constant beyond."""
        places = []
        for length, px, centers in zip(size, self.shape, self.centers, strict=True):
            at = (np.arange(length) + 0.5) * px / length
            places.append(np.interp(at, centers, np.arange(len(centers))))
        return map_coordinates(values, np.meshgrid(*places, indexing="ij"), order=3, mode="nearest")

    def overlay(
        self,
        picture: UInt8[np.ndarray, "h w c"],
        weights: Float[np.ndarray, "rows columns"],
        side: int = TILE,
    ) -> UInt8[np.ndarray, "h2 w2 3"]:
        """Return a picture in grey with its map over it; weight 0 is grey, 1 the strongest colour."""
        large = enlarged_picture(picture, side)
        heat = self.enlarged(weights, large.shape[:2]).clip(0, 1)[..., None]
        grey = large.mean(-1, keepdims=True) * 0.75 + 20
        colours = 255 * colormaps["inferno"](0.25 + 0.7 * heat[..., 0])[..., :3]
        strength = 0.72 * heat
        return (grey * (1 - strength) + colours * strength).round().astype(np.uint8)


def enlarged_picture(picture: UInt8[np.ndarray, "h w c"], side: int) -> UInt8[np.ndarray, "h2 w2 3"]:
    """Return a picture whose longer side is `side`; of other than 3 channels the first, in grey."""
    height, width, channels = picture.shape
    image = Image.fromarray(picture if channels == 3 else picture[..., 0]).convert("RGB")
    scale = side / max(height, width)
    return np.asarray(image.resize((round(width * scale), round(height * scale)), Image.Resampling.BICUBIC))


def marked(
    picture: UInt8[np.ndarray, "h w c"], field: Field, side: int = TILE
) -> UInt8[np.ndarray, "h2 w2 3"]:
    """Return a picture with a field framed."""
    large = Image.fromarray(enlarged_picture(picture, side))
    scale = side / max(picture.shape[:2])
    corners = [scale * one for one in (field.left, field.top, field.right, field.bottom)]
    box = [corners[0], corners[1], corners[2] - 1, corners[3] - 1]
    draw = ImageDraw.Draw(large)
    draw.rectangle(box, outline="black", width=4)
    draw.rectangle([box[0] + 1, box[1] + 1, box[2] - 1, box[3] - 1], outline="#ffd23f", width=2)
    return np.asarray(large)


def plain_pictures(
    encoder: PretrainedEncoder, images: Shaped[Tensor, "b c stored_h stored_w"]
) -> UInt8[np.ndarray, "b h w c"]:
    """Return what the encoder sees of images."""
    return encoder.views.pictures(encoder.view(images))


def usual(scores: Float[Tensor, "n *places"]) -> float:
    """Return the score that nine in ten cells do not exceed."""
    return float(np.quantile(scores.numpy(), USUAL_SHARE))


def scaled(scores: Float[np.ndarray, "m *places"], low: float) -> Float[np.ndarray, "m *places"]:
    """Return scores as weights: 0 at the low score and below, 1 at the highest of these."""
    return ((scores - low) / max(float(scores.max()) - low, 1e-6)).clip(0, 1)
