"""Pictures to features: the AMDIM encoder of Bachman et al. (2019)."""

from dataclasses import asdict, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.errors import refuse
from infomax.learning.encoders.amdim_layers import Convolution, Embedding, Readout, all_scales, trunk
from infomax.learning.encoders.config import AMDIMEncoderConfig, ReadoutKind
from infomax.learning.encoders.features import Features, of_shape
from infomax.learning.encoders.shrinking import missing, stages_of
from infomax.ranges import Side, Size, check_numbers

MIN_SIDE = 16
"""Pixels of the shortest side that an image may have."""


class AMDIMEncoder(nn.Module):
    """Convolutions without padding: cells of the 7×7 and 5×5 maps see patches, the 1×1 map sees the image.

    The trunk shrinks an image of any shape to maps of 7×7, 5×5, 3×3 and 1×1. The 1×1 map is the global
    feature; the last 7×7 and 5×5 maps each pass an embedding into the same d dimensions, and so does a global
    feature of another dimension before it predicts. In images of 32, 64
    or 128 pixels a side, a cell of the 7×7 map sees 8, 16 or 35 of them, a cell of the 5×5 map 16, 32 or 67.

    Height and width shrink independently:

    1. A side of more than `max_fine_side` pixels is halved by a 5×5 convolution.
    2. A 3×3 convolution takes one pixel off each end. A side that is at most an eighth short of 32, 64,
       128, … is first extended to it by reflection: 28 pixels give the same map as 32.
    3. Stages shrink the rest to 7 cells (see `shrinking`). An axis that needs fewer stages joins in the last
       ones. The stages have 2, 4, 8, 8, 8, … times `width` channels. If there are fewer than three, a
       residual unit of the first width precedes them.

    By default, images of 32, 64 and 128 pixels get the networks of the paper.

    needed_maps: sides of the maps that training must use, so that every parameter gets a gradient.

    Args:
        image_size: side of square images, or (height, width), each at least 16.
        width: channels of the first layer.
        embedding_dim: dimension d of the features.
        depth: residual units in each block.
        batch_norm: batch norm inside residual units (the norms of the outputs are always there).
        global_dim: dimension of the global feature; default: d.
        whitened: whether training began with a first layer that whitens; kept, without effect here.
        max_fine_side: the longest side, px, that is not halved.
        readout: ``joined`` for one vector of all scales in evaluation mode, beside the other features;
            ``mirrored`` for the mean of those of an image and its mirror image.
        channels: channels of the images.

    Raises:
        ValueError: a side below 16 pixels; a width, dimension or depth below 1.

    Example:
        >>> features = AMDIMEncoder((48, 64), width=4, embedding_dim=8, depth=1)(torch.zeros(2, 3, 48, 64))
        >>> [tuple(part.shape) for part in (features.global_, features.local[7], features.local[5])]
        [(2, 8), (2, 8, 7, 7), (2, 8, 5, 5)]

    Reference: Bachman, Hjelm, Buchwalter (2019), section 4.4 and their public code.
    """

    needed_maps: frozenset[int] = frozenset({5, 7})

    def __init__(
        self,
        image_size: int | tuple[int, int],
        width: int,
        embedding_dim: int,
        depth: int,
        batch_norm: bool = False,
        channels: int = 3,
        global_dim: int | None = None,
        whitened: bool = False,
        max_fine_side: int = AMDIMEncoderConfig.max_fine_side,
        readout: ReadoutKind = "global",
    ):
        super().__init__()
        size = image_size if isinstance(image_size, tuple) else (image_size, image_size)
        check_numbers("AMDIMEncoder", Side | tuple[Side, Side], image_size=image_size)
        check_numbers("AMDIMEncoder", Size, channels=channels)
        refuse(
            min(size) < MIN_SIDE,
            f"AMDIMEncoder: image_size must be at least {MIN_SIDE} pixels a side, "
            f"got {size[0]} x {size[1]}; enlarge the images",
        )
        self.input_shape: tuple[int, int, int] = (channels, *size)
        self.config: AMDIMEncoderConfig = AMDIMEncoderConfig(
            width, embedding_dim, depth, batch_norm, global_dim, whitened, max_fine_side, readout
        )
        self.arguments: dict[str, Any] = {
            "image_size": image_size,
            "channels": channels,
            **asdict(self.config),
        }
        stem, left = _stem(channels, width, size, max_fine_side)
        layers, top_width = trunk(self.config, stem, stages_of(*left), (3, 3))
        self.layers: nn.ModuleList = layers
        self.embed: nn.ModuleDict = nn.ModuleDict(
            {str(side): Embedding(top_width, embedding_dim, batch_norm) for side in (5, 7)}
        )
        if global_dim not in (None, embedding_dim):
            self.embed["1"] = Embedding(global_dim, embedding_dim, batch_norm)
            self.needed_maps = frozenset({1, 5, 7})
        self.readout: Readout | None = None
        if readout != "global":
            self.readout = Readout((global_dim or embedding_dim) + 2 * embedding_dim)
        nn.utils.convert_conv2d_weight_memory_format(self, torch.channels_last)

    def forward(self, images: Float[Tensor, "b c h w"]) -> Features:
        """Return features of normalised images: global_ [b, d], local {7: [b, d, 7, 7], 5: [b, d, 5, 5]}."""
        images = of_shape("AMDIMEncoder", images, self.input_shape)
        features = self._features(images)
        if self.readout is None or self.training:
            return features
        rows = all_scales(features)
        if self.config.readout == "mirrored":
            rows = (rows + all_scales(self._features(images.flip(-1)))) / 2
        return replace(features, joined=self.readout(rows))

    def _features(self, images: Float[Tensor, "b c h w"]) -> Features:
        last = {}  # side of a map -> the last map of that side
        for layer in self.layers:
            images = layer(images)
            last[images.shape[-1]] = images
        local = {side: self.embed[str(side)](last[side]) for side in (7, 5)}
        embedded = self.embed["1"](images).flatten(1) if "1" in self.embed else None
        return Features(images.flatten(1), local, embedded=embedded)


def _stem(
    channels: int, width: int, size: tuple[int, int], max_fine_side: int
) -> tuple[list[nn.Module], tuple[int, int]]:
    """Return the first convolutions, and height and width of the map that they give."""
    halved = (2 if size[0] > max_fine_side else 1, 2 if size[1] > max_fine_side else 1)
    rows, columns = (-(-side // stride) for side, stride in zip(size, halved, strict=True))
    reflected = (missing(rows), missing(columns))
    layers: list[nn.Module] = []
    if max(halved) == 2:
        layers.append(Convolution(channels, width, 5, halved, reflect=2))
    layers.append(Convolution(width if layers else channels, width, 3, reflect=reflected))
    return layers, (rows + 2 * reflected[0] - 2, columns + 2 * reflected[1] - 2)
