"""Capacity of encoders: what a recipe says of them."""

from dataclasses import dataclass
from typing import Annotated, Literal

from infomax.ranges import MAX_SIDE, Depth, Range, Size, check_ranges

ReadoutKind = Literal["global", "joined", "mirrored"]
"""Names of the vectors that can stand for an image."""


@dataclass(frozen=True)
class AMDIMEncoderConfig:
    """Capacity of an AMDIM encoder.

    width: channels of the first layer (``ndf`` in the authors' code).
    embedding_dim: dimension of the features that predict each other (``n_rkhs``).
    depth: residual units in each block.
    batch_norm: also use batch norm inside the residual units.
    global_dim: dimension of the global feature; null for embedding_dim. With another dimension, the global
    feature passes an embedding before it predicts, as the maps do.
    whitened: start the first layer with filters that whiten patches of the training images (see `whiten`),
    not with random filters.
    max_fine_side: longest side of an image, in px, that the first layer does not halve; no effect on signals.
    readout: features that evaluation, `embed`, `search` and exports use; ``global`` is the global feature;
    ``joined`` adds the means of the embedded maps, scaled after training (see `Readout`); ``mirrored`` is the
    mean of the joined features of an image and its mirror image, which doubles the time.
    """

    width: Size = 128
    embedding_dim: Size = 1024
    depth: Depth = 8
    batch_norm: bool = False
    global_dim: Size | None = None
    whitened: bool = False
    max_fine_side: Annotated[int, Range(16, MAX_SIDE)] = 96
    readout: ReadoutKind = "global"

    def __post_init__(self) -> None:
        check_ranges(self, "encoder")


@dataclass(frozen=True)
class DIMEncoderConfig:
    """Kind and capacity of an encoder of Deep InfoMax.

    architecture: ``dcgan`` or ``resnet``, for any images; ``alexnet``, for 64 px and more; ``strided-crops``,
    whose local features see only their crop.
    width: channels of the first layer; later layers have multiples.
    num_hidden: units of the hidden layer.
    num_units: dimension of the global feature.
    output: values of the global feature: any number (``linear``), 0 to 1 (``sigmoid``, for a uniform prior)
    or vectors of length 1 (``unit``, for a spherical prior).
    """

    architecture: Literal["dcgan", "alexnet", "strided-crops", "resnet"] = "dcgan"
    width: Size = 64
    num_hidden: Size = 1024
    num_units: Size = 64
    output: Literal["linear", "sigmoid", "unit"] = "linear"

    def __post_init__(self) -> None:
        check_ranges(self, "encoder")


ALEXNET = DIMEncoderConfig(architecture="alexnet", width=96, num_hidden=4096)
"""The encoder of the Deep InfoMax paper for images of 64 px."""
