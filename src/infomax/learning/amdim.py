"""Augmented Multiscale Deep InfoMax: features of one view predict those of another, at several scales.

Bachman, Hjelm, Buchwalter (2019), "Learning Representations by Maximizing Mutual Information Across Views".
"""

from dataclasses import asdict, dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.learning.encoders import AMDIMEncoder, AMDIMEncoderConfig
from infomax.learning.learner import Learner
from infomax.learning.objectives import AMDIM_SCALES, Objective, Scales, amdim_objective
from infomax.learning.optimization import OptimizerConfig
from infomax.learning.public_amdim import load_public_checkpoint
from infomax.learning.views import ViewsConfig

__all__ = ["AMDIM", "AMDIMConfig", "load_public_checkpoint"]


@dataclass(frozen=True)
class AMDIMConfig:
    """encoder: its capacity. clip, penalty_weight: of the objective, see `amdim_objective`.

    scales: (side of the source map, side of the target map) of each prediction; 1 is the global feature.
    """

    name: Literal["amdim"] = "amdim"
    encoder: AMDIMEncoderConfig = field(default_factory=AMDIMEncoderConfig)
    clip: float = 20.0
    penalty_weight: float = 0.05
    scales: Scales = AMDIM_SCALES


class AMDIM(Learner):
    """An encoder that learns by maximising information between two augmented views of each image.

    Args:
        config: encoder and objective.
        views: how the two views are made.
        optimizer: Adam and its schedule.
        num_classes: of the labels, for the online classifiers; 0 without labels.
        encoder: in place of the one in `config`; its features all of one dimension.
    """

    num_views = 2

    def __init__(
        self,
        config: AMDIMConfig,
        views: ViewsConfig,
        optimizer: OptimizerConfig,
        num_classes: int,
        encoder: nn.Module | None = None,
    ):
        if encoder is None:
            encoder = AMDIMEncoder(
                image_size=views.image_size, channels=views.channels, **asdict(config.encoder)
            )
        super().__init__(encoder, views, optimizer, num_classes)
        self.config = config

    def objective(
        self, views: tuple[Float[Tensor, "b c s s"], ...]
    ) -> tuple[Objective, Float[Tensor, "m d"]]:
        """`amdim_objective` of both views, and their global features one after another."""
        view1, view2 = (self.encoder(view) for view in views)
        objective = amdim_objective(
            view1,
            view2,
            clip=self.config.clip,
            penalty_weight=self.config.penalty_weight,
            scales=self.config.scales,
        )
        return objective, torch.cat([view1.global_, view2.global_])
