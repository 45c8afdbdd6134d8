"""The table of encoders: by name, for files; by what a recipe says, for training."""

from dataclasses import asdict

from torch import nn

from infomax.errors import refuse
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.amdim_signals import SignalEncoder
from infomax.learning.encoders.config import AMDIMEncoderConfig, DIMEncoderConfig
from infomax.learning.encoders.dim import AlexNetEncoder, DCGANEncoder, ResNetEncoder, StridedCropEncoder
from infomax.learning.encoders.tapped import TappedEncoder
from infomax.registry import Registry

ARCHITECTURES: Registry[type[nn.Module]] = Registry(
    "architecture",
    {
        kind.__name__: kind
        for kind in (
            AMDIMEncoder,
            SignalEncoder,
            DCGANEncoder,
            AlexNetEncoder,
            StridedCropEncoder,
            ResNetEncoder,
            TappedEncoder,
        )
    },
)
"""Encoders by the name of their class, as ``encoder.json`` holds it.

Each has `input_shape`, and `arguments` that build it again; one that cannot be built from these alone has a
method `untrained` and names the missing part in `module_class`, as `TappedEncoder`.
"""

_DIM_ENCODERS: dict[str, type[nn.Module]] = {
    "dcgan": DCGANEncoder,
    "alexnet": AlexNetEncoder,
    "strided-crops": StridedCropEncoder,
    "resnet": ResNetEncoder,
}


def amdim_encoder(config: AMDIMEncoderConfig, input_shape: tuple[int, ...]) -> nn.Module:
    """Return an AMDIM encoder of this capacity.

    Args:
        config: its capacity.
        input_shape: of its views: (c, h, w) of images, (c, t) of signals.

    Raises:
        ValueError: views of another number of axes; a shape or capacity that the encoder refuses.
    """
    channels, *sides = input_shape
    match sides:
        case [length]:
            return SignalEncoder(length=length, channels=channels, **asdict(config))
        case [height, width]:
            size = height if height == width else (height, width)
            return AMDIMEncoder(image_size=size, channels=channels, **asdict(config))
        case _:
            raise ValueError(
                f"amdim_encoder: expected views (c, h, w) or (c, t), got {list(input_shape)}; "
                "bring an encoder of your own"
            )


def dim_encoder(config: DIMEncoderConfig, input_shape: tuple[int, ...]) -> nn.Module:
    """Return the Deep InfoMax encoder that a configuration describes.

    Args:
        config: its architecture and capacity.
        input_shape: of its views: (c, s, s) of square images.

    Raises:
        ValueError: views that are not square images, or not of a size that the architecture takes.
    """
    channels, *sides = input_shape
    refuse(
        len(sides) != 2 or sides[0] != sides[1],
        f"dim_encoder: the encoders of Deep InfoMax take square images, got {' x '.join(map(str, sides))}; "
        "set views.image_size to one number, or bring an encoder of your own",
    )
    arguments = asdict(config)
    kind = _DIM_ENCODERS[arguments.pop("architecture")]
    return kind(image_size=sides[0], channels=channels, **arguments)
