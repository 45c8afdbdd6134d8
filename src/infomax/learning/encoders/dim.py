"""Images to features: the encoders of Hjelm et al. (2018), "Deep InfoMax".

Convolutions shrink an image to a map, and fully connected layers summarise that map in a vector Y:

    image → … local map … → conv map → hidden → Y = output(W · hidden + b)

`Features` of them all: `global_` is Y, `local` one map, whose cells see patches, and `layers` the conv map
and the hidden layer, for probes. Their sizes with default widths, where "conv 4/2/1" has kernel 4, stride 2
and padding 1, and batch norm and ReLU follow each layer but Y:

DCGANEncoder, 32 px
    conv 4/2/1 to 64, 128 and 256 channels of 16×16, *8×8 (local)* and 4×4; hidden 1024; Y 64.
AlexNetEncoder, 64 px
    conv 3/1/1 to 96, 192, 384, 384 and 192 channels, after the first, second and last of which stands a
    maximum over 3×3 cells, stride 2: 31×31, 15×15, *15×15 (local)*, 15×15 and 7×7; hidden 4096, twice; Y 64.
StridedCropEncoder, 32 px
    7×7 crops of 8 px that overlap by half, each by itself through conv 4/2/1, 4/2/1 and 2/1/0 to 64, 128 and
    256 channels of 4×4, 2×2 and 1×1: together the *local* map, 7×7; conv 3/1/0 to 5×5; hidden 1024; Y 64.
ResNetEncoder, 32 px
    stages of two residual blocks of 64, 128, 256 and 512 channels: 32×32, 16×16, *8×8 (local)* and 4×4;
    hidden 1024; Y 64.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from infomax.learning.encoders.amdim import Features


@dataclass(frozen=True)
class DIMEncoderConfig:
    """Kind and capacity of an encoder of Deep InfoMax.

    architecture: ``dcgan`` or ``resnet``, for any images; ``alexnet``, for 64 px and more; ``strided-crops``,
    where no local feature sees more than its crop. width: channels of the first layer; of the others,
    multiples. num_hidden: units of a hidden layer. num_units: d of the global feature. output: where that
    feature lies: anywhere (``linear``), between 0 and 1 (``sigmoid``, for a uniform prior) or at length 1
    (``unit``, for a spherical prior).
    """

    architecture: Literal["dcgan", "alexnet", "strided-crops", "resnet"] = "dcgan"
    width: int = 64
    num_hidden: int = 1024
    num_units: int = 64
    output: Literal["linear", "sigmoid", "unit"] = "linear"


def dim_encoder(config: DIMEncoderConfig, image_size: int | tuple[int, int], channels: int) -> nn.Module:
    """The encoder that a configuration describes, for square images of that many channels.

    Raises:
        ValueError: the images are not square, or not of a size that the architecture takes.
    """
    height, width = image_size if isinstance(image_size, tuple) else (image_size, image_size)
    if height != width:
        raise ValueError(
            f"dim_encoder: the encoders of Deep InfoMax take square images, got {height} x {width}; "
            "set views.image_size to one number, or bring an encoder of your own"
        )
    arguments = asdict(config)
    kind = _ARCHITECTURES[arguments.pop("architecture")]
    return kind(image_size=height, channels=channels, **arguments)


class DCGANEncoder(nn.Module):
    """Strided convolutions down to 4×4: the encoder of the paper for small images.

    Each convolution halves the side, so that there are as many as it takes, three at 32 px and four at 64,
    and doubles the channels, up to 8 times the width. The local map is the one of 8×8, before the last
    convolution; at 32 px it is the second's, and its cells see 10 pixels a side, 4 apart.

    Args:
        image_size: side of the (square) images: 16, 32, 64, 128 or so on.
        channels: of the images.
        width: channels of the first convolution.
        num_hidden: units of the hidden layer.
        num_units: of the global feature.
        output: of the global feature, see `Output`.

    Raises:
        ValueError: an image size that does not halve to 4; a count below 1; an unknown output.

    Reference: Hjelm et al. (2018); for 64 px, their public code.
    """

    def __init__(
        self,
        image_size: int,
        channels: int = 3,
        width: int = 64,
        num_hidden: int = 1024,
        num_units: int = 64,
        output: str = "linear",
    ):
        super().__init__()
        self.arguments = _arguments(self, image_size, channels, width, num_hidden, num_units, output)
        self.input_shape = (channels, image_size, image_size)
        widths = _halving_widths(self, image_size, width)
        stages = [convolution(i, o, 4, 2, 1) for i, o in pairwise([channels, *widths])]
        head = Head(4 * 4 * widths[-1], [num_hidden], num_units, output)
        self.body = Body(stages, len(stages) - 1, head)

    def forward(self, images: Float[Tensor, "b c s s"]) -> Features:
        """Features of normalised images: `global_` [b, units], local {8: …}, layers conv and fc."""
        return self.body(of_shape(images, self.input_shape, "DCGANEncoder"))


class AlexNetEncoder(nn.Module):
    """Five convolutions and two hidden layers: the encoder of the paper for images of 64 px.

    The local map is the third convolution's: 15×15 at 64 px, its cells seeing 21 pixels a side, 4 apart.

    Args:
        image_size: side of the (square) images, 15 or more.
        channels: of the images.
        width: channels of the first convolution; the others have 2, 4, 4 and 2 times as many.
        num_hidden: units of each of the two hidden layers.
        num_units: of the global feature.
        output: of the global feature, see `Output`.

    Raises:
        ValueError: an image size that is too small; a count below 1; an unknown output.

    Reference: Hjelm et al. (2018), and their public code.
    """

    def __init__(
        self,
        image_size: int = 64,
        channels: int = 3,
        width: int = 96,
        num_hidden: int = 4096,
        num_units: int = 64,
        output: str = "linear",
    ):
        super().__init__()
        self.arguments = _arguments(self, image_size, channels, width, num_hidden, num_units, output)
        self.input_shape = (channels, image_size, image_size)
        side = image_size
        for _ in range(3):
            side = (side - 3) // 2 + 1
        if side < 1:
            raise ValueError(
                f"AlexNetEncoder: image_size must be at least 15, got {image_size}; resize the images"
            )
        widths = [width * multiple for multiple in (1, 2, 4, 4, 2)]
        stages = [convolution(i, o, 3, 1, 1) for i, o in pairwise([channels, *widths])]
        for i in (0, 1, 4):
            stages[i].append(nn.MaxPool2d(3, 2))
        head = Head(side * side * widths[-1], [num_hidden, num_hidden], num_units, output)
        self.body = Body(stages, 3, head)

    def forward(self, images: Float[Tensor, "b c s s"]) -> Features:
        """Features of normalised images: `global_` [b, units], local {15: …} of 64 px, layers conv, fc."""
        return self.body(of_shape(images, self.input_shape, "AlexNetEncoder"))


class StridedCropEncoder(nn.Module):
    """Overlapping crops, each encoded by itself: no cell of the local map sees beyond its crop.

    There are 7×7 crops, a quarter of the image a side and half of that apart: 8 px, 4 apart, of images of
    32 px; 16 px, 8 apart, of images of 64. Strided convolutions make one vector of each, one convolution
    looks at 3×3 neighbours of the map of these vectors, and the hidden layer at all of what it says. (In
    training, batch norm still tells each crop how bright the others of the batch are.)

    Args:
        image_size: side of the (square) images: 16, 32, 64, 128 or so on.
        channels: of the images.
        width: channels of the first convolution; they double from one to the next, up to 8 times.
        num_hidden: units of the hidden layer.
        num_units: of the global feature.
        output: of the global feature, see `Output`.

    Raises:
        ValueError: an image size that does not halve to 4; a count below 1; an unknown output.

    Reference: Hjelm et al. (2018), where they compare with CPC; "folded" encoders in their public code.
    """

    def __init__(
        self,
        image_size: int,
        channels: int = 3,
        width: int = 64,
        num_hidden: int = 1024,
        num_units: int = 64,
        output: str = "linear",
    ):
        super().__init__()
        self.arguments = _arguments(self, image_size, channels, width, num_hidden, num_units, output)
        self.input_shape = (channels, image_size, image_size)
        widths = _halving_widths(self, image_size, width)
        halving = [convolution(i, o, 4, 2, 1) for i, o in pairwise([channels, *widths[:-1]])]
        last = convolution(widths[-2], widths[-1], 2, 1, 0)
        crops = Crops(nn.Sequential(*halving, last), image_size // 4)
        head = Head(5 * 5 * widths[-1], [num_hidden], num_units, output)
        self.body = Body([crops, convolution(widths[-1], widths[-1], 3, 1, 0)], 1, head)

    def forward(self, images: Float[Tensor, "b c s s"]) -> Features:
        """Features of normalised images: `global_` [b, units], local {7: …}, layers conv and fc."""
        return self.body(of_shape(images, self.input_shape, "StridedCropEncoder"))


class ResNetEncoder(nn.Module):
    """Residual blocks in stages, each of half the side and twice the channels of the one before.

    Images of at most 32 px start with one 3×3 convolution, larger ones with a 7×7 and a maximum, each of
    stride 2. The local map is that of the last stage whose side is at least 7: 8×8 of images of 32, 64 and
    128 px, 7×7 of images of 224.

    Args:
        image_size: side of the (square) images, 7 or more.
        channels: of the images.
        width: channels of the first stage.
        num_hidden: units of the hidden layer.
        num_units: of the global feature.
        output: of the global feature, see `Output`.
        blocks: of each stage; (2, 2, 2, 2) is a ResNet-18, (3, 4, 6, 3) a ResNet-34.

    Raises:
        ValueError: an image size that is too small; a count below 1; no stage; an unknown output.

    Reference: He, Zhang, Ren, Sun (2016), "Deep residual learning for image recognition".
    """

    def __init__(
        self,
        image_size: int,
        channels: int = 3,
        width: int = 64,
        num_hidden: int = 1024,
        num_units: int = 64,
        output: str = "linear",
        blocks: tuple[int, ...] = (2, 2, 2, 2),
    ):
        super().__init__()
        arguments = _arguments(self, image_size, channels, width, num_hidden, num_units, output)
        if not blocks or min(blocks) < 1:
            raise ValueError(
                f"ResNetEncoder: blocks must be a count of each stage, got {blocks}; try (2, 2, 2, 2)"
            )
        self.arguments = {**arguments, "blocks": blocks}
        self.input_shape = (channels, image_size, image_size)
        widths = [width * 2**i for i in range(len(blocks))]
        stem, side = _stem(image_size, channels, width)
        sides = [-(-side // 2**i) for i in range(len(blocks))]
        num_large = sum(side >= 7 for side in sides)
        if num_large == 0:
            raise ValueError(
                f"ResNetEncoder: image_size must be at least 7, got {image_size}; resize the images"
            )
        first = nn.Sequential(stem, _stage(width, width, blocks[0], 1))
        others = [_stage(*pair, num, 2) for pair, num in zip(pairwise(widths), blocks[1:], strict=True)]
        head = Head(sides[-1] ** 2 * widths[-1], [num_hidden], num_units, output)
        self.body = Body([first, *others], num_large, head)

    def forward(self, images: Float[Tensor, "b c s s"]) -> Features:
        """Features of normalised images: `global_` [b, units], one local map, layers conv and fc."""
        return self.body(of_shape(images, self.input_shape, "ResNetEncoder"))


class ResidualBlock(nn.Module):
    """relu(BN(W₂ ∗ relu(BN(W₁ ∗ x))) + S x); S is the identity, or BN(1×1 convolution) where sizes change."""

    def __init__(self, num_in: int, num_out: int, stride: int):
        super().__init__()
        self.first = convolution(num_in, num_out, 3, stride, 1)
        self.second = convolution(num_out, num_out, 3, 1, 1)[:2]
        self.shortcut: nn.Module = nn.Identity()
        if (num_in, stride) != (num_out, 1):
            self.shortcut = convolution(num_in, num_out, 1, stride, 0)[:2]

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h2 w2"]:
        """The block's map."""
        return F.relu(self.second(self.first(x)) + self.shortcut(x))


class Crops(nn.Module):
    """A map of what a module makes, by itself, of each crop of the images; crops overlap by half.

    Args:
        module: crops [n, c, size, size] to vectors [n, d, 1, 1].
        size: side of a crop, px.
    """

    def __init__(self, module: nn.Module, size: int):
        super().__init__()
        self.module = module
        self.size = size

    def forward(self, images: Float[Tensor, "b c s s"]) -> Float[Tensor, "b d t t"]:
        """The map: cell (i, j) is of the crop whose corner is at (i, j) · size/2."""
        crops = images.unfold(2, self.size, self.size // 2).unfold(3, self.size, self.size // 2)
        vectors = self.module(rearrange(crops, "b c i j h w -> (b i j) c h w"))
        return rearrange(vectors, "(b i j) d 1 1 -> b d i j", b=len(images), i=crops.shape[2])


class Body(nn.Module):
    """Stages, each making a map of the one before, and a head that summarises the last.

    Args:
        stages: in their order.
        num_to_local: so many stages lead to the local map.
        head: to the hidden layer and Y.
    """

    def __init__(self, stages: Iterable[nn.Module], num_to_local: int, head: nn.Module):
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.num_to_local = num_to_local
        self.head = head
        nn.utils.convert_conv2d_weight_memory_format(self, torch.channels_last)

    def forward(self, images: Float[Tensor, "b c s s"]) -> Features:
        """Features, the last map and the hidden layer among them."""
        maps = [images]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        local = maps[self.num_to_local]
        hidden, y = self.head(maps[-1])
        return Features(y, {local.shape[-1]: local}, {"conv": maps[-1], "fc": hidden})


class Head(nn.Module):
    """A map x to a hidden layer relu(BN(W x)), or several in a row, and to y = output(V · hidden + b).

    Args:
        num_in: numbers in a map.
        num_hidden: units of each hidden layer.
        num_units: of y.
        output: of y, see `Output`.
    """

    def __init__(self, num_in: int, num_hidden: Sequence[int], num_units: int, output: str):
        super().__init__()
        layers = [
            nn.Sequential(nn.Linear(i, o, bias=False), nn.BatchNorm1d(o), nn.ReLU())
            for i, o in pairwise([num_in, *num_hidden])
        ]
        self.hidden = nn.Sequential(nn.Flatten(), *layers)
        self.last = nn.Linear(num_hidden[-1], num_units)
        self.output = Output(output)

    def forward(
        self, x: Float[Tensor, "b c h w"]
    ) -> tuple[Float[Tensor, "b hidden"], Float[Tensor, "b units"]]:
        """The last hidden layer, and y."""
        hidden = self.hidden(x)
        return hidden, self.output(self.last(hidden))


class Output(nn.Module):
    """Where a global feature lies: anywhere (linear), in (0, 1) each (sigmoid) or at length 1 (unit).

    Raises:
        ValueError: another kind.
    """

    def __init__(self, kind: str):
        super().__init__()
        if kind not in _OUTPUTS:
            raise ValueError(f"Output: the output must be one of {', '.join(_OUTPUTS)}, got {kind!r}")
        self.kind = kind

    def forward(self, y: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """y, 1 / (1 + e^{−y}) or y / ‖y‖, in float32."""
        return _OUTPUTS[self.kind](y.float())


def convolution(num_in: int, num_out: int, kernel: int, stride: int, padding: int) -> nn.Sequential:
    """relu(BN(W ∗ x))."""
    return nn.Sequential(
        nn.Conv2d(num_in, num_out, kernel, stride, padding, bias=False), nn.BatchNorm2d(num_out), nn.ReLU()
    )


_OUTPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda y: y,
    "sigmoid": torch.sigmoid,
    "unit": F.normalize,
}
_ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "dcgan": DCGANEncoder,
    "alexnet": AlexNetEncoder,
    "strided-crops": StridedCropEncoder,
    "resnet": ResNetEncoder,
}


def _halving_widths(encoder: nn.Module, image_size: int, width: int) -> list[int]:
    """Channels of the convolutions that halve an image down to 4×4: one each, doubling up to 8 times."""
    num_halvings = max(image_size.bit_length() - 3, 2)
    if image_size != 4 * 2**num_halvings:
        raise ValueError(
            f"{type(encoder).__name__}: image_size must be 16, 32, 64, 128 or so on, got {image_size}; "
            "resize the images"
        )
    return [width * min(2**i, 8) for i in range(num_halvings)]


def _stem(image_size: int, channels: int, width: int) -> tuple[nn.Module, int]:
    """What stands before the stages of a ResNet, and the side of its map."""
    if image_size <= 32:
        return convolution(channels, width, 3, 1, 1), image_size
    return nn.Sequential(convolution(channels, width, 7, 2, 3), nn.MaxPool2d(3, 2, 1)), -(-image_size // 4)


def _stage(num_in: int, num_out: int, num_blocks: int, stride: int) -> nn.Sequential:
    blocks = [ResidualBlock(num_in, num_out, stride)]
    return nn.Sequential(*blocks, *(ResidualBlock(num_out, num_out, 1) for _ in range(1, num_blocks)))


def _arguments(
    encoder: nn.Module,
    image_size: int,
    channels: int,
    width: int,
    num_hidden: int,
    num_units: int,
    output: str,
) -> dict[str, Any]:
    """What builds an encoder again; its counts are at least 1."""
    counts = {
        "image_size": image_size,
        "channels": channels,
        "width": width,
        "num_hidden": num_hidden,
        "num_units": num_units,
    }
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{type(encoder).__name__}: {name} must be at least 1, got {count}")
    return {**counts, "output": output}


def of_shape(
    images: Float[Tensor, "b c h w"], image_shape: tuple[int, int, int], name: str
) -> Float[Tensor, "b c h w"]:
    """The images, if they are of the shape that the encoder of this name was built for."""
    if images.shape[1:] != image_shape:
        raise ValueError(
            f"{name}: expected images [b, {', '.join(map(str, image_shape))}], got {list(images.shape)}; "
            "resize them, or build the encoder for this size"
        )
    return images
