"""Pairs to views: one random view of each of two things that belong together."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from infomax.learning.views.image_views import AugmentedViews
from infomax.learning.views.paired import PairedViewsConfig
from infomax.learning.views.temporal import TemporalViewsConfig


class PairedViews(nn.Module):
    """Both columns of a batch to an augmented, normalised view of each.

    capturable: whether a CUDA graph can hold it; it draws some of its numbers on the CPU.
    """

    capturable = False

    def __init__(self, config: PairedViewsConfig):
        super().__init__()
        self.config = config
        self.augment: nn.ModuleList = nn.ModuleList(part.random_views(1) for part in config.parts)

    @torch.no_grad()
    def forward(self, seen: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the two views, float32."""
        if self.config.flip:
            flip = (torch.rand(len(seen[0]), 1, 1, 1) < self.config.flip).to(seen[0].device)
            seen = [torch.where(flip, pictures.flip(-1), pictures) for pictures in seen]
        return tuple(augment(one)[0] for augment, one in zip(self.augment, seen, strict=True))


class TemporalViews(nn.Module):
    """Two frames of each sequence to an augmented, normalised view of each; both are flipped, or neither.

    capturable: whether a CUDA graph can hold it; it has not been tried.
    """

    capturable = False

    def __init__(self, config: TemporalViewsConfig):
        super().__init__()
        self.config = config
        self.augment: AugmentedViews = AugmentedViews(config.frames, 2)

    def forward(self, seen: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the two views, float32."""
        return self.augment.of_each(seen)
