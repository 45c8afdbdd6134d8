"""Augmentation policies: the published ones, by kornia, and functions of a user's own."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.errors import needs, refuse
from infomax.learning.views.images import POLICIES


class Policy(nn.Module):
    """A published policy of random operations (rotate, posterize, solarize, …) on colour images in [0, 1].

    kornia draws the operations of a policy once for a batch; their signs, whether they are applied and (in
    TrivialAugment) their strengths it draws for each image. Here every group of 8 images is such a batch, so
    that the views of one image get different operations.

    Reference: Cubuk et al. (2019), AutoAugment; Cubuk et al. (2020), RandAugment (here 2 operations of
    strength 9 of 30); Müller, Hutter (2021), TrivialAugment. Bachman et al. (2019) used Fast AutoAugment.
    """

    group = 8

    def __init__(self, policy: nn.Module):
        super().__init__()
        self.policy: nn.Module = policy.requires_grad_(False)

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Return the images after the operations, in [0, 1]."""
        return torch.cat([self.policy(group) for group in images.split(self.group)]).clamp(0, 1)


class OwnPolicy(nn.Module):
    """A function of a user's own: images [b, c, h, w] in [0, 1] to as many of the same shape, cut to [0, 1].

    Its random numbers come from torch, whose generator the training step seeds.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], name: str):
        super().__init__()
        self.function: Callable[[Tensor], Tensor] = function
        self.name: str = name

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Return the images after the function.

        Raises:
            ValueError: it returns another shape.
        """
        made = self.function(images)
        refuse(
            made.shape != images.shape,
            f"views: policy {self.name} must return images {list(images.shape)}, got {list(made.shape)}",
        )
        return made.clamp(0, 1)


def policy_layers(name: Any) -> list[nn.Module]:
    """Return the layer of a policy, by its name or place; for None no layer.

    Raises:
        MissingExtra: kornia is not installed.
    """
    if name is None:
        return []
    policy = POLICIES[name]
    return [policy() if policy in _PUBLISHED else OwnPolicy(policy, name)]


def _by_kornia(name: str, *arguments: str | int) -> Policy:
    needs("kornia", extra="policies", operation=f"views: policy {name}")
    from kornia.augmentation import auto

    return Policy(getattr(auto, name)(*arguments))


def autoaugment_cifar10() -> Policy:
    """Return AutoAugment as it was found for CIFAR-10."""
    return _by_kornia("AutoAugment", "cifar10")


def autoaugment_imagenet() -> Policy:
    """Return AutoAugment as it was found for ImageNet."""
    return _by_kornia("AutoAugment", "imagenet")


def randaugment() -> Policy:
    """Return RandAugment: 2 operations of strength 9 of 30."""
    return _by_kornia("RandAugment", 2, 9)


def trivialaugment() -> Policy:
    """Return TrivialAugment: one operation of a random strength."""
    return _by_kornia("TrivialAugment")


_PUBLISHED = (autoaugment_cifar10, autoaugment_imagenet, randaugment, trivialaugment)
