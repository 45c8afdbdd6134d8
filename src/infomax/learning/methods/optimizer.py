"""Adam or Muon, with a linear warm-up and a decay scaled to the run's number of steps."""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from infomax.ranges import Count, Ordered, Positive, Range, Share, Weight, check_ranges

if TYPE_CHECKING:
    import torch
    from torch import nn


Decay = Annotated[float, Range(0, below=1)]
"""The share of a running mean that a step keeps."""


@dataclass(frozen=True)
class OptimizerConfig:
    """How parameters are updated.

    rule: ``adam``; or ``muon``, for weights that are matrices, with Adam for the rest (see `Muon`).
    lr: learning rate of Adam, or of Muon.
    betas: betas of Adam.
    adam_share: learning rate of Adam beside Muon, as a share of lr.
    weight_decay: weight decay; part of the gradient for Adam, separate from it for Muon's matrices.
    momentum: momentum of Muon.
    max_side: smaller side (rows or columns) up to which Muon moves a matrix; null for any side.
    warmup_steps: steps of linear warm-up, at most a tenth of the run.
    decay: ``steps`` multiplies the learning rate by `factor` at each of `milestones`; ``cosine`` lowers it to
    zero along half a cosine, ``linear`` along a straight line.
    milestones: shares of the run, for ``steps``.
    factor: factor of the learning rate at each milestone.
    restarts: steps at which warm-up and decay start again, each for its own stage of the run; a lengthened
    run has one for each further stage.
    """

    rule: Literal["adam", "muon"] = "adam"
    lr: Positive = 2e-4
    betas: tuple[Decay, Decay] = (0.8, 0.999)
    weight_decay: Weight = 1e-5
    momentum: Decay = 0.95
    adam_share: Positive = 0.2
    max_side: Count | None = None
    warmup_steps: Annotated[int, Range(0)] = 500
    decay: Literal["steps", "cosine", "linear"] = "steps"
    milestones: tuple[Share, ...] = (250 / 300, 280 / 300)
    factor: Weight = 0.2
    restarts: Annotated[tuple[Count, ...], Ordered(strictly=True)] = ()

    def __post_init__(self) -> None:
        check_ranges(self, "optimizer")

    @property
    def without_effect(self) -> dict[str, str]:
        """Return the fields that have no effect beside the others, each with the reason."""
        of_muon = ["momentum", "adam_share", "max_side"] if self.rule == "adam" else []
        of_steps = ["milestones", "factor"] if self.decay != "steps" else []
        return dict.fromkeys(of_muon, "it is of rule muon") | dict.fromkeys(of_steps, "it is of decay steps")


def new_optimizer(
    config: OptimizerConfig,
    parameters: "Iterable[nn.Parameter]",
    *,
    bf16: bool = False,
    by_adam: "Iterable[nn.Parameter]" = (),
) -> "torch.optim.Optimizer":
    """Return what updates the parameters: Adam, fused, or Muon.

    Args:
        config: which, and how.
        parameters: what is updated.
        bf16: whether products of matrices are made in bfloat16.
        by_adam: those of the parameters that Adam moves by either rule.
    """
    import torch

    if config.rule == "muon":
        from infomax.learning.methods.muon import Muon

        return Muon(
            parameters,
            config.lr,
            adam_share=config.adam_share,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            betas=config.betas,
            max_side=config.max_side,
            dtype=torch.bfloat16 if bf16 else torch.float32,
            by_adam=by_adam,
        )
    return torch.optim.Adam(
        parameters, lr=config.lr, betas=config.betas, weight_decay=config.weight_decay, fused=True
    )


def lr_share(config: OptimizerConfig, num_steps: int) -> Callable[[int], float]:
    """Return a function: step to the share of the full rate, for a run of num_steps.

    Example:
        >>> share = lr_share(OptimizerConfig(warmup_steps=10), num_steps=300)
        >>> [round(share(step), 3) for step in (0, 4, 9, 249, 250, 280)]
        [0.1, 0.5, 1.0, 1.0, 0.2, 0.04]
        >>> share = lr_share(OptimizerConfig(warmup_steps=1, decay="linear"), num_steps=100)
        >>> [round(share(step), 3) for step in (0, 50, 99)]
        [1.0, 0.5, 0.01]
        >>> share = lr_share(OptimizerConfig(warmup_steps=10, restarts=(300,)), num_steps=400)
        >>> [round(share(step), 3) for step in (299, 300, 309, 350)]
        [0.04, 0.1, 1.0, 1.0]
    """
    bounds = (0, *(step for step in config.restarts if step < num_steps), num_steps)

    def share(step: int) -> float:
        stage = min(bisect_right(bounds, step), len(bounds) - 1)
        first, last = bounds[stage - 1], bounds[stage]
        warmup = max(1, min(config.warmup_steps, (last - first) // 10))
        progress = (step - first) / (last - first)
        if config.decay == "cosine":
            decayed = (1 + math.cos(math.pi * min(progress, 1.0))) / 2
        elif config.decay == "linear":
            decayed = max(0.0, 1 - progress)
        else:
            decayed = config.factor ** sum(progress >= m - 1e-9 for m in config.milestones)
        return min(1.0, (step - first + 1) / warmup) * decayed

    return share
