"""Images to features: the encoders of Hjelm et al. (2018), "Deep InfoMax".

Convolutions shrink an image to a map, and fully connected layers summarise that map in a vector Y:

    image → … local map … → conv map → hidden → Y = output(W · hidden + b)

In `Features`, `global_` is Y, `local` one map whose cells see patches, and `layers` the conv map and the
hidden layer, for probes. Sizes with default widths follow; "conv 4/2/1" has kernel 4, stride 2 and padding 1,
and batch norm and ReLU follow each layer except Y:

DCGANEncoder, 32 px
    conv 4/2/1 to 64, 128 and 256 channels of 16×16, *8×8 (local)* and 4×4; hidden 1024; Y 64.
AlexNetEncoder, 64 px
    conv 3/1/1 to 96, 192, 384, 384 and 192 channels; the first, second and last are followed by a maximum
    over 3×3 cells, stride 2: 31×31, 15×15, *15×15 (local)*, 15×15 and 7×7; hidden 4096, twice; Y 64.
StridedCropEncoder, 32 px
    7×7 crops of 8 px that overlap by half, each encoded by itself with conv 4/2/1, 4/2/1 and 2/1/0 to 64, 128
    and 256 channels of 4×4, 2×2 and 1×1: together the *local* map, 7×7; conv 3/1/0 to 5×5; hidden 1024; Y 64.
ResNetEncoder, 32 px
    stages of two residual blocks of 64, 128, 256 and 512 channels: 32×32, 16×16, *8×8 (local)* and 4×4;
    hidden 1024; Y 64.
"""

from itertools import pairwise
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from infomax.errors import refuse
from infomax.learning.encoders.config import ALEXNET, DIMEncoderConfig
from infomax.learning.encoders.dim_layers import Body, Crops, Head, ResidualBlock, convolution
from infomax.learning.encoders.features import Features, of_shape
from infomax.ranges import Side, Size, check_numbers


class DCGANEncoder(nn.Module):
    """Strided convolutions down to 4×4: the encoder of the paper for small images.

    Each convolution halves the side and doubles the channels, up to 8 times the width; there are three at
    32 px and four at 64. The local map is that of 8×8, before the last convolution. At 32 px its cells see
    10 pixels a side, 4 apart.

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
        width: int = DIMEncoderConfig.width,
        num_hidden: int = DIMEncoderConfig.num_hidden,
        num_units: int = DIMEncoderConfig.num_units,
        output: str = DIMEncoderConfig.output,
    ):
        super().__init__()
        self.arguments: dict[str, Any] = _arguments(
            self, image_size, channels, width, num_hidden, num_units, output
        )
        self.input_shape: tuple[int, int, int] = (channels, image_size, image_size)
        widths = _halving_widths(self, image_size, width)
        stages = [convolution(i, o, 4, 2, 1) for i, o in pairwise([channels, *widths])]
        head = Head(4 * 4 * widths[-1], [num_hidden], num_units, output)
        self.body: Body = Body(stages, len(stages) - 1, head)

    def forward(self, images: Float[Tensor, "b c s s"]) -> Features:
        """Return features of normalised images: `global_` [b, units], local {8: …}, layers conv and fc."""
        return self.body(of_shape("DCGANEncoder", images, self.input_shape))


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
        width: int = ALEXNET.width,
        num_hidden: int = ALEXNET.num_hidden,
        num_units: int = DIMEncoderConfig.num_units,
        output: str = DIMEncoderConfig.output,
    ):
        super().__init__()
        self.arguments: dict[str, Any] = _arguments(
            self, image_size, channels, width, num_hidden, num_units, output
        )
        self.input_shape: tuple[int, int, int] = (channels, image_size, image_size)
        side = image_size
        for _ in range(3):
            side = (side - 3) // 2 + 1
        refuse(
            side < 1, f"AlexNetEncoder: image_size must be at least 15, got {image_size}; resize the images"
        )
        widths = [width * multiple for multiple in (1, 2, 4, 4, 2)]
        stages = [convolution(i, o, 3, 1, 1) for i, o in pairwise([channels, *widths])]
        for i in (0, 1, 4):
            stages[i].append(nn.MaxPool2d(3, 2))
        head = Head(side * side * widths[-1], [num_hidden, num_hidden], num_units, output)
        self.body: Body = Body(stages, 3, head)

    def forward(self, images: Float[Tensor, "b c s s"]) -> Features:
        """Return features of normalised images: `global_` [b, units], local {15: …}, layers conv and fc."""
        return self.body(of_shape("AlexNetEncoder", images, self.input_shape))


class StridedCropEncoder(nn.Module):
    """Overlapping crops, each encoded by itself: no cell of the local map sees beyond its crop.

    The side of a crop is a quarter of the image's, and crops lie half a crop apart, so that there are 7×7
    crops: 8 px wide and 4 px apart in images of 32 px, 16 px wide and 8 px apart in images of 64 px. Strided
    convolutions make a vector of each crop, one convolution combines 3×3 neighbours of the map of these
    vectors, and the hidden layer sees all of its output. (In training, batch norm still tells each crop how
    bright the rest of the batch is.)

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
        width: int = DIMEncoderConfig.width,
        num_hidden: int = DIMEncoderConfig.num_hidden,
        num_units: int = DIMEncoderConfig.num_units,
        output: str = DIMEncoderConfig.output,
    ):
        super().__init__()
        self.arguments: dict[str, Any] = _arguments(
            self, image_size, channels, width, num_hidden, num_units, output
        )
        self.input_shape: tuple[int, int, int] = (channels, image_size, image_size)
        widths = _halving_widths(self, image_size, width)
        halving = [convolution(i, o, 4, 2, 1) for i, o in pairwise([channels, *widths[:-1]])]
        last = convolution(widths[-2], widths[-1], 2, 1, 0)
        crops = Crops(nn.Sequential(*halving, last), image_size // 4)
        head = Head(5 * 5 * widths[-1], [num_hidden], num_units, output)
        self.body: Body = Body([crops, convolution(widths[-1], widths[-1], 3, 1, 0)], 1, head)

    def forward(self, images: Float[Tensor, "b c s s"]) -> Features:
        """Return features of normalised images: `global_` [b, units], local {7: …}, layers conv and fc."""
        return self.body(of_shape("StridedCropEncoder", images, self.input_shape))


class ResNetEncoder(nn.Module):
    """Residual blocks in stages, each of half the side and twice the channels of the one before.

    Images of at most 32 px pass a 3×3 convolution first; larger ones a 7×7 convolution and a maximum, both of
    stride 2. The local map is that of the last stage whose side is at least 7: 8×8 for images of 32, 64 and
    128 px, 7×7 for images of 224.

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
        width: int = DIMEncoderConfig.width,
        num_hidden: int = DIMEncoderConfig.num_hidden,
        num_units: int = DIMEncoderConfig.num_units,
        output: str = DIMEncoderConfig.output,
        blocks: tuple[int, ...] = (2, 2, 2, 2),
    ):
        super().__init__()
        arguments = _arguments(self, image_size, channels, width, num_hidden, num_units, output)
        refuse(
            not blocks or min(blocks) < 1,
            f"ResNetEncoder: blocks must be a count of each stage, got {blocks}; try (2, 2, 2, 2)",
        )
        self.arguments: dict[str, Any] = {**arguments, "blocks": blocks}
        self.input_shape: tuple[int, int, int] = (channels, image_size, image_size)
        widths = [width * 2**i for i in range(len(blocks))]
        stem, side = _stem(image_size, channels, width)
        sides = [-(-side // 2**i) for i in range(len(blocks))]
        num_large = sum(side >= 7 for side in sides)
        refuse(
            num_large == 0,
            f"ResNetEncoder: image_size must be at least 7, got {image_size}; resize the images",
        )
        first = nn.Sequential(stem, _stage(width, width, blocks[0], 1))
        others = [_stage(*pair, num, 2) for pair, num in zip(pairwise(widths), blocks[1:], strict=True)]
        head = Head(sides[-1] ** 2 * widths[-1], [num_hidden], num_units, output)
        self.body: Body = Body([first, *others], num_large, head)

    def forward(self, images: Float[Tensor, "b c s s"]) -> Features:
        """Return features of normalised images: `global_` [b, units], one local map, layers conv and fc."""
        return self.body(of_shape("ResNetEncoder", images, self.input_shape))


def _halving_widths(encoder: nn.Module, image_size: int, width: int) -> list[int]:
    """Return the channels of each convolution that halves an image down to 4×4: doubling, up to 8 times."""
    num_halvings = max(image_size.bit_length() - 3, 2)
    refuse(
        image_size != 4 * 2**num_halvings,
        f"{type(encoder).__name__}: image_size must be 16, 32, 64, 128 or so on, got {image_size}; "
        "resize the images",
    )
    return [width * min(2**i, 8) for i in range(num_halvings)]


def _stem(image_size: int, channels: int, width: int) -> tuple[nn.Module, int]:
    """Return the layers before the stages of a ResNet, and the side of their map."""
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
    """Return the arguments that build an encoder again, after checking their ranges."""
    sizes = {"channels": channels, "width": width, "num_hidden": num_hidden, "num_units": num_units}
    check_numbers(type(encoder).__name__, Side, image_size=image_size)
    check_numbers(type(encoder).__name__, Size, **sizes)
    return {"image_size": image_size, **sizes, "output": output}
