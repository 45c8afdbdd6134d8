"""Adam with a linear warm-up and a decay scaled to the run's number of steps."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class OptimizerConfig:
    """How parameters are updated.

    lr, betas, weight_decay: of Adam. warmup_steps: steps of linear warm-up, at most a tenth of the run.
    decay: ``steps`` multiplies the rate by `factor` at each of `milestones` (shares of the run); ``cosine``
    lets it fall to zero along half a cosine.
    """

    lr: float = 2e-4
    betas: tuple[float, float] = (0.8, 0.999)
    weight_decay: float = 1e-5
    warmup_steps: int = 500
    decay: Literal["steps", "cosine"] = "steps"
    milestones: tuple[float, ...] = (250 / 300, 280 / 300)
    factor: float = 0.2


def adam(config: OptimizerConfig, parameters: "Iterable[nn.Parameter]") -> "torch.optim.Adam":
    """Return Adam with fused updates."""
    import torch

    return torch.optim.Adam(
        parameters, lr=config.lr, betas=config.betas, weight_decay=config.weight_decay, fused=True
    )


def lr_share(config: OptimizerConfig, num_steps: int) -> Callable[[int], float]:
    """Return a function: step to the share of the full rate, for a run of num_steps.

    Example:
        >>> share = lr_share(OptimizerConfig(warmup_steps=10), num_steps=300)
        >>> [round(share(step), 3) for step in (0, 4, 9, 249, 250, 280)]
        [0.1, 0.5, 1.0, 1.0, 0.2, 0.04]
    """
    warmup = max(1, min(config.warmup_steps, num_steps // 10))

    def share(step: int) -> float:
        progress = step / num_steps
        if config.decay == "cosine":
            decayed = (1 + math.cos(math.pi * min(progress, 1.0))) / 2
        else:
            decayed = config.factor ** sum(progress >= m - 1e-9 for m in config.milestones)
        return min(1.0, (step + 1) / warmup) * decayed

    return share
