"""Published augmentation policies, by kornia."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.errors import needs


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
        self.policy = policy.requires_grad_(False)

    def forward(self, images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Return the images after the operations, in [0, 1]."""
        return torch.cat([self.policy(group) for group in images.split(self.group)]).clamp(0, 1)


def policy_layers(name: str | None) -> list[nn.Module]:
    """Return the layer of a policy; for None no layer.

    Raises:
        MissingExtra: kornia is not installed.
    """
    if name is None:
        return []
    needs("kornia", extra="policies", operation=f"views: policy {name}")
    from kornia.augmentation.auto import AutoAugment, RandAugment, TrivialAugment

    policies: dict[str, Callable[[], nn.Module]] = {
        "autoaugment-cifar10": lambda: AutoAugment("cifar10"),
        "autoaugment-imagenet": lambda: AutoAugment("imagenet"),
        "randaugment": lambda: RandAugment(n=2, m=9),
        "trivialaugment": TrivialAugment,
    }
    return [Policy(policies[name]())]
