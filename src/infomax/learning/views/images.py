"""Images to views: batched augmentation on the device, and the plain view that evaluation uses.

The two views of an image share one coin for the horizontal flip, unless told otherwise; everything else is
drawn independently. All randomness comes from torch's global generator, which the training step seeds with
(seed, step, rank).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from infomax.learning.views.augmentation import ColorJitter, Geometry, RandomCrop, RandomGrayscale


@dataclass(frozen=True)
class ViewsConfig:
    """How views are made of images.

    stored_size: side, px, or (height, width) at which images are decoded and kept. image_size: of a view.
    crop_scale, crop_ratio: area share and aspect ratio (as a multiple of the view's own) of a random resized
    crop (bicubic); null for none.
    translate: reach of a random shift, px, borders reflected, made with translate_probability.
    flip: probability of the horizontal flip. shared_flip: one coin for all views of an image, or one each.
    policy: the stronger augmentation of a published policy, after the crop; for colour images (see `Policy`).
    jitter: strength of brightness, contrast, saturation, hue (images that are not of 3 channels: the first
    two), made with jitter_probability. grayscale: probability of losing colour (3 channels).
    mean, std: normalisation, one value a channel, of pixels in [0, 1].
    evaluation_crop: share of the side that the centre crop for evaluation keeps.
    """

    stored_size: int | tuple[int, int] = 32
    image_size: int | tuple[int, int] = 32
    crop_scale: tuple[float, float] | None = (0.3, 1.0)
    crop_ratio: tuple[float, float] = (0.7, 1.4)
    translate: int = 0
    translate_probability: float = 0.8
    flip: float = 0.5
    shared_flip: bool = True
    policy: Literal[
        "none", "autoaugment-cifar10", "autoaugment-imagenet", "randaugment", "trivialaugment"
    ] = "none"
    jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.4, 0.2)
    jitter_probability: float = 0.8
    grayscale: float = 0.25
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    evaluation_crop: float = 1.0

    def __post_init__(self):
        if len(self.mean) != len(self.std) or not self.mean:
            raise ValueError(
                "views: mean and std need one value a channel, at least one, "
                f"got {len(self.mean)} and {len(self.std)}"
            )
        if self.policy != "none" and self.channels != 3:
            raise ValueError(
                f"views: policy {self.policy} is for images of 3 channels (colour), got {self.channels}; "
                "set views.policy none"
            )
        for name in ("stored_size", "image_size"):
            if min(_height_width(getattr(self, name))) < 1:
                raise ValueError(f"views: {name} must be at least 1 px, got {getattr(self, name)}")
        if not 0 <= self.translate < min(_height_width(self.stored_size)):
            raise ValueError(
                f"views: translate must be at least 0 and less than the sides of stored_size "
                f"{self.stored_size}, got {self.translate}"
            )
        for name in ("translate_probability", "flip", "jitter_probability", "grayscale"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"views: {name} must be a probability in [0, 1], got {getattr(self, name)}")
        if not 0 < self.evaluation_crop <= 1:
            raise ValueError(f"views: evaluation_crop must be in (0, 1], got {self.evaluation_crop}")

    @property
    def channels(self) -> int:
        """1 for grey images, 3 for colour."""
        return len(self.mean)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(c, h, w) of a view."""
        return self.channels, *_height_width(self.image_size)

    @property
    def stored_shape(self) -> tuple[int, int, int]:
        """(c, h, w) of an image as it is kept."""
        return self.channels, *_height_width(self.stored_size)


def _height_width(size: int | tuple[int, int]) -> tuple[int, int]:
    return size if isinstance(size, tuple) else (size, size)


CIFAR_VIEWS = ViewsConfig(
    crop_scale=None,
    translate=4,
    mean=(125.3 / 255, 123.0 / 255, 113.9 / 255),
    std=(63.0 / 255, 62.1 / 255, 66.7 / 255),
)
"""Views of the paper for CIFAR: reflected shifts of up to 4 px, colour jitter, grey."""

STL_VIEWS = ViewsConfig(stored_size=96, image_size=64, evaluation_crop=64 / 70)
"""Views of the paper for STL-10: random resized crops of 64 px."""

IMAGENET128_VIEWS = ViewsConfig(
    stored_size=146, image_size=128, jitter=(0.4, 0.4, 0.4, 0.1), evaluation_crop=128 / 146
)
"""Views of the paper for ImageNet at 128 px."""


PLAIN_VIEWS = ViewsConfig(
    crop_scale=None, flip=0.0, jitter=(0.0, 0.0, 0.0, 0.0), grayscale=0.0, mean=(0.5,) * 3, std=(0.5,) * 3
)
"""Images as they are, in [−1, 1]: what Deep InfoMax learns from."""


class AugmentedViews(nn.Module):
    """uint8 images -> augmented, normalised views of each."""

    def __init__(self, config: ViewsConfig, num_views: int = 2):
        super().__init__()
        self.config = config
        self.num_views = num_views
        self.geometry = _geometry(config)
        self.augment = nn.Sequential(*_policy(config), *_colour(config))
        self.normalize = Normalize(config)

    def forward(self, images: UInt8[Tensor, "b c h w"]) -> tuple[Float[Tensor, "b c h2 w2"], ...]:
        """`num_views` of them, float32, in the channels_last memory format."""
        return self._made(images, len(images), self.num_views)

    def of_each(self, images: Sequence[UInt8[Tensor, "b c h w"]]) -> tuple[Float[Tensor, "b c h2 w2"], ...]:
        """One view of each of several pictures of the same things, such as frames of a sequence."""
        return self._made(torch.cat([*images]), len(images[0]), len(images))

    @torch.no_grad()
    def _made(self, images: UInt8[Tensor, "n c h w"], num_things: int, num_views: int) -> tuple[Tensor, ...]:
        num_coins = 1 if self.config.shared_flip else num_views
        coins = torch.rand(num_coins, num_things, device=images.device)
        flip = (coins < self.config.flip).expand(num_views, -1).flatten()  # of all views of all things
        views = self.normalize(self.augment(self.geometry(images, flip)))
        return views.contiguous(memory_format=torch.channels_last).chunk(num_views)


class EvaluationView(nn.Module):
    """uint8 images -> the one plain view of each: centre crop, resize, normalise."""

    def __init__(self, config: ViewsConfig):
        super().__init__()
        self.config = config
        self.normalize = Normalize(config)

    @torch.no_grad()
    def forward(self, images: UInt8[Tensor, "b c h w"]) -> Float[Tensor, "b c h2 w2"]:
        """The view, float32, in the channels_last memory format."""
        size = self.config.image_shape[1:]
        height, width = (max(1, round(side * self.config.evaluation_crop)) for side in images.shape[-2:])
        top, left = (images.shape[-2] - height) // 2, (images.shape[-1] - width) // 2
        view = images[..., top : top + height, left : left + width].float() / 255
        if (height, width) != size:
            view = F.interpolate(view, size, mode="bicubic", antialias=True).clamp(0, 1)
        return self.normalize(view).contiguous(memory_format=torch.channels_last)


def occlude(
    views: Float[Tensor, "b c h w"], share: float, generator: torch.Generator | None = None
) -> Float[Tensor, "b c h w"]:
    """Views with a rectangle at a random place hidden: its normalised pixels are 0, the mean colour.

    Args:
        share: sides of the rectangle, as a share of the view's; at least one pixel is hidden.
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
    """Which of `side` places lie in the stretch of `length` that begins at `start`."""
    offset = torch.arange(side, device=start.device) - start[:, None]
    return (offset >= 0) & (offset < length)


class Normalize(nn.Module):
    """(x − mean) / std, a channel at a time; `inverse` gives uint8 pixels back."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: ViewsConfig):
        super().__init__()
        self.register_buffer("mean", torch.tensor(config.mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.std).view(-1, 1, 1), persistent=False)

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Normalised images."""
        return (images - self.mean).div_(self.std)

    def inverse(self, views: Float[Tensor, "b c h w"]) -> UInt8[Tensor, "b c h w"]:
        """The pixels that normalise to `views`."""
        return ((views * self.std + self.mean).clamp(0, 1) * 255).round().to(torch.uint8)


class Policy(nn.Module):
    """A published policy of random operations (rotate, posterize, solarize, …) on colour images in [0, 1].

    kornia draws the operations of such a policy once a batch, their signs, chances and (TrivialAugment) their
    strengths for each image. Here every group of 8 images is such a batch, so that operations differ between
    the views of an image.

    Reference: Cubuk et al. (2019), AutoAugment; Cubuk et al. (2020), RandAugment (here 2 operations of
    strength 9 of 30); Müller, Hutter (2021), TrivialAugment. Bachman et al. (2019) used Fast AutoAugment.
    """

    group = 8

    def __init__(self, policy: nn.Module):
        super().__init__()
        self.policy = policy.requires_grad_(False)

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Images after the operations, in [0, 1]."""
        return torch.cat([self.policy(group) for group in images.split(self.group)]).clamp(0, 1)


def _policy(config: ViewsConfig) -> list[nn.Module]:
    if config.policy == "none":
        return []
    from kornia.augmentation.auto import AutoAugment, RandAugment, TrivialAugment

    policies: dict[str, Callable[[], nn.Module]] = {
        "autoaugment-cifar10": lambda: AutoAugment("cifar10"),
        "autoaugment-imagenet": lambda: AutoAugment("imagenet"),
        "randaugment": lambda: RandAugment(n=2, m=9),
        "trivialaugment": TrivialAugment,
    }
    return [Policy(policies[config.policy]())]


def _geometry(config: ViewsConfig) -> Geometry:
    crop = None
    if config.crop_scale is not None:
        _, height, width = config.image_shape
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
