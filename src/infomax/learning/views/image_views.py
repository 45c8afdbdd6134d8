"""Pictures to views: random views made in batches on the device, and the plain view that evaluation uses.

The views of one picture share the decision to flip it, unless `shared_flip` is off; all else is drawn for
each view by itself. Random numbers come from torch's global generator, which the training step seeds with
(seed, step, rank).
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from infomax.errors import refuse
from infomax.learning.data.dataset import Dataset
from infomax.learning.views.colours import ColorJitter, RandomGrayscale
from infomax.learning.views.geometry import Geometry, RandomCrop
from infomax.learning.views.images import ViewsConfig
from infomax.learning.views.policies import policy_layers

Pixels = UInt8[Tensor, "b c h w"] | Float[Tensor, "b c h w"]
"""Stored pixels: uint8, or floats in [0, 1]."""
MAX_RAW_SIDE = 32
"""Raw pixels of larger images are shrunk to this side, px, which keeps their probes affordable."""


class AugmentedViews(nn.Module):
    """Images, uint8 or floats in [0, 1], to augmented, normalised views of each.

    capturable: whether a CUDA graph can hold it: nothing in it asks the CPU.
    """

    def __init__(self, config: ViewsConfig, num_views: int = 2):
        super().__init__()
        self.config = config
        self.num_views = num_views
        self.geometry: Geometry = _geometry(config)
        self.augment: nn.Sequential = nn.Sequential(*policy_layers(config.policy), *_colour(config))
        self.normalize: Normalize = Normalize(config)
        self.capturable: bool = config.policy is None

    def forward(self, images: Pixels) -> tuple[Float[Tensor, "b c h2 w2"], ...]:
        """Return `num_views` views of each image, float32, in the channels_last memory format."""
        return self._made(images, len(images), self.num_views)

    def of_each(self, images: Sequence[Pixels]) -> tuple[Float[Tensor, "b c h2 w2"], ...]:
        """Return one view of each of several pictures of the same things, such as frames of a sequence."""
        return self._made(torch.cat([*images]), len(images[0]), len(images))

    @torch.no_grad()
    def _made(self, images: Pixels, num_things: int, num_views: int) -> tuple[Tensor, ...]:
        num_draws = 1 if self.config.shared_flip else num_views
        draws = torch.rand(num_draws, num_things, device=images.device)
        flip = (draws < self.config.flip).expand(num_views, -1).flatten()  # [views · things]
        views = self.normalize(self.augment(self.geometry(images, flip)))
        return views.contiguous(memory_format=torch.channels_last).chunk(num_views)


class EvaluationView(nn.Module):
    """Images, uint8 or floats in [0, 1], to the one plain view of each: centre crop, resize, normalise."""

    def __init__(self, config: ViewsConfig):
        super().__init__()
        self.config = config
        self.normalize: Normalize = Normalize(config)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Float[Tensor, "b c h2 w2"]:
        """Return the view, float32, in the channels_last memory format.

        Raises:
            ValueError: images of another shape or type, or floats outside [0, 1].
        """
        check_pixels(images, self.config.channels)
        size = self.config.input_shape[1:]
        height, width = (max(1, round(side * self.config.evaluation_crop)) for side in images.shape[-2:])
        top, left = (images.shape[-2] - height) // 2, (images.shape[-1] - width) // 2
        view = images[..., top : top + height, left : left + width]
        view = in_unit_range(view)
        if (height, width) != size:
            view = F.interpolate(view, size, mode="bicubic", antialias=True).clamp(0, 1)
        return self.normalize(view).contiguous(memory_format=torch.channels_last)


def in_unit_range(images: Pixels) -> Float[Tensor, "b c h w"]:
    """Return pixels in [0, 1], float32: uint8 divided by 255, floats as they are."""
    return images.float() / 255 if images.dtype == torch.uint8 else images.float()


def check_pixels(images: Tensor, channels: int) -> None:
    """Check that a batch holds pixels as `load_images` stores them: uint8, or floats in [0, 1].

    While torch.export follows the encoder there are no values yet, which are then not looked at.

    Raises:
        ValueError: it holds something else; the message says how to bring it there.
    """
    refuse(
        images.ndim != 4 or images.shape[1] != channels,
        f"encoder: expected images [b, {channels}, h, w], got {list(images.shape)}; "
        f"{_layout(images, channels)}",
    )
    refuse(
        images.dtype != torch.uint8 and not images.is_floating_point(),
        f"encoder: expected images of uint8, or floats in [0, 1], got {images.dtype}; for values from 0 to "
        "255 give images.to(torch.uint8), for others load_images([...], range=encoder.views.range, ...)",
    )
    if images.is_floating_point() and images.numel() and not torch.compiler.is_exporting():
        low, high = images.amin().item(), images.amax().item()
        refuse(
            not (low >= 0 and high <= 1),
            f"encoder: expected images of uint8, or floats in [0, 1], got floats from {low:.4g} to "
            f"{high:.4g}; give the pixels before normalisation, divided by 255 where they reach that, or "
            "load_images([...], range=encoder.views.range, ...)",
        )


def _layout(images: Tensor, channels: int) -> str:
    """Return what brings a batch into the layout of images."""
    if images.ndim == 3 and images.shape[0] == channels:
        return "give a batch: images[None]"
    if images.ndim == 4 and images.shape[-1] == channels:
        return "channels come first: images.permute(0, 3, 1, 2)"
    return "load them with as many channels as the encoder was trained with"


class Normalize(nn.Module):
    """(x − mean) / std for each channel; `inverse` gives uint8 pixels back."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: ViewsConfig):
        super().__init__()
        self.register_buffer("mean", torch.tensor(config.mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.std).view(-1, 1, 1), persistent=False)

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Return normalised images."""
        return (images - self.mean).div_(self.std)

    def inverse(self, views: Float[Tensor, "b c h w"]) -> UInt8[Tensor, "b c h w"]:
        """Return the pixels that normalise to `views`."""
        return ((views * self.std + self.mean).clamp(0, 1) * 255).round().to(torch.uint8)


def occlude(
    views: Float[Tensor, "b c h w"], share: float, generator: torch.Generator | None = None
) -> Float[Tensor, "b c h w"]:
    """Return the views with a rectangle hidden at a random place: its pixels are 0, the mean colour.

    Args:
        share: sides of the rectangle, as a share of the view's; at least one pixel is hidden.
        generator: where the places come from; default: torch's global one.
    """
    sides = views.shape[-2:]
    hidden = [max(1, round(share * side)) for side in sides]
    places = [side - length + 1 for side, length in zip(sides, hidden, strict=True)]
    device = views.device if generator is None else generator.device
    corner = torch.randint(max(places), (len(views), 2), generator=generator, device=device).to(views.device)
    rows, columns = (
        _inside(corner[:, axis] * places[axis] // max(places), hidden[axis], sides[axis]) for axis in (0, 1)
    )
    return views.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)


def _inside(start: Int[Tensor, " b"], length: int, side: int) -> Bool[Tensor, "b s"]:
    """Return which of `side` places lie in the stretch of `length` that begins at `start`."""
    offset = torch.arange(side, device=start.device) - start[:, None]
    return (offset >= 0) & (offset < length)


def _geometry(config: ViewsConfig) -> Geometry:
    crop = None
    if config.crop_scale is not None:
        _, height, width = config.input_shape
        narrowest, widest = (ratio * width / height for ratio in config.crop_ratio)
        crop = RandomCrop((height, width), config.crop_scale, (narrowest, widest))
    return Geometry(crop, config.translate, config.translate_probability)


def _colour(config: ViewsConfig) -> list[nn.Module]:
    colourful = config.channels == 3
    brightness, contrast, saturation, hue = config.jitter
    strengths = (brightness, contrast, saturation * colourful, hue * colourful)
    layers: list[nn.Module] = []
    if any(strengths):
        layers.append(ColorJitter(strengths, config.jitter_probability))
    if config.grayscale and colourful:
        layers.append(RandomGrayscale(config.grayscale))
    return layers


def view_pictures(config: ViewsConfig, views: Float[Tensor, "m c h w"]) -> UInt8[np.ndarray, "m h w c"]:
    """Return views as pictures: their pixels before normalisation."""
    return Normalize(config).to(views.device).inverse(views).permute(0, 2, 3, 1).cpu().numpy()


def raw_pixels(dataset: Dataset) -> Float[np.ndarray, "n d"]:
    """Return pixels in [0, 1], flattened; a side above `MAX_RAW_SIDE` is first shrunk to it."""
    blocks = []
    for start in range(0, len(dataset), 1024):
        block = in_unit_range(dataset.batch(slice(start, start + 1024)))
        height, width = block.shape[-2:]
        if max(height, width) > MAX_RAW_SIDE:
            size = (min(height, MAX_RAW_SIDE), min(width, MAX_RAW_SIDE))
            block = F.interpolate(block, size, mode="bilinear", antialias=True)
        blocks.append(block.flatten(1).numpy())
    return np.concatenate(blocks)
