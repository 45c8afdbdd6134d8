"""Augmented Multiscale Deep InfoMax: features of one view predict those of another, at several scales.

Bachman, Hjelm, Buchwalter (2019), "Learning Representations by Maximizing Mutual Information Across Views".
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import torch
from lightning import LightningModule
from torch import Tensor

from infomax.learning.encoders import AMDIMEncoder, AMDIMEncoderConfig
from infomax.learning.objectives import Objective, amdim_objective
from infomax.learning.online import OnlineClassifiers, OnlineResult
from infomax.learning.optimization import OptimizerConfig, adam, learning_rate_share
from infomax.learning.public_amdim import load_public_checkpoint
from infomax.learning.views import AugmentedViews, ViewsConfig

__all__ = ["AMDIM", "AMDIMConfig", "load_public_checkpoint"]


@dataclass(frozen=True)
class AMDIMConfig:
    """encoder: its capacity. clip, penalty_weight: of the objective, see `amdim_objective`."""

    encoder: AMDIMEncoderConfig = field(default_factory=AMDIMEncoderConfig)
    clip: float = 20.0
    penalty_weight: float = 0.05


class AMDIM(LightningModule):
    """An encoder that learns by maximising information between two augmented views of each image.

    Args:
        config: encoder and objective.
        views: how the two views are made.
        optimizer: Adam and its schedule.
        num_classes: of the labels, for the online classifiers; 0 without labels.
    """

    def __init__(self, config: AMDIMConfig, views: ViewsConfig, optimizer: OptimizerConfig, num_classes: int):
        super().__init__()
        self.config = config
        self.optimizer_config = optimizer
        self.encoder = AMDIMEncoder(
            image_size=views.image_size, channels=views.channels, **asdict(config.encoder)
        )
        self.views = AugmentedViews(views)
        self.classifiers = (
            OnlineClassifiers(config.encoder.embedding_dim, num_classes) if num_classes else None
        )

    def training_step(self, batch: Sequence[Tensor], _: int) -> Tensor:
        """Minus the objective (and the online classifiers' own loss), for uint8 images and their labels."""
        images, labels = batch
        view1, view2 = (self.encoder(view) for view in self.views(images))
        objective = amdim_objective(
            view1, view2, clip=self.config.clip, penalty_weight=self.config.penalty_weight
        )
        self._watch(objective)
        loss = -objective.value
        if self.classifiers is not None:
            features = torch.cat([view1.global_, view2.global_])
            online = self.classifiers(features, torch.cat([labels, labels]))
            self._watch_online(online)
            loss = loss + online.loss
        return loss

    def configure_optimizers(self):
        """Adam, its rate a function of the step."""
        optimizer = adam(self.optimizer_config, self.parameters())
        share = learning_rate_share(self.optimizer_config, int(self.trainer.max_steps))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _watch(self, objective: Objective) -> None:
        self.log("value", objective.value)
        self.log("penalty", objective.penalty)
        for name, bound in objective.bounds.items():
            self.log(f"bits_{name}", bound / math.log(2))
            self.log(f"ceiling_{name}", objective.ceiling / math.log(2))

    def _watch_online(self, online: OnlineResult) -> None:
        for name, accuracy in online.accuracies.items():
            self.log(f"online_{name}", accuracy)
