"""What all methods have in common: an encoder, views, an objective to maximise, classifiers that look on."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Float
from lightning import LightningModule
from torch import Tensor, nn

from infomax.learning.encoders import example_features
from infomax.learning.objectives import Objective
from infomax.learning.online import OnlineClassifiers, OnlineResult
from infomax.learning.optimization import OptimizerConfig, adam, learning_rate_share
from infomax.learning.views import AugmentedViews, ViewsConfig


class Learner(LightningModule, ABC):
    """An encoder that learns by maximising information; methods differ in `objective` and in its views.

    Args:
        encoder: images to `Features`.
        views: how the views of an image are made.
        optimizer: Adam and its schedule, for all parameters that require a gradient.
        num_classes: of the labels, for the online classifiers; 0 without labels.
    """

    num_views: ClassVar[int]
    """Of each image."""

    def __init__(
        self,
        encoder: nn.Module,
        views: ViewsConfig,
        optimizer: OptimizerConfig,
        num_classes: int,
    ):
        super().__init__()
        self.encoder = encoder
        self.views = AugmentedViews(views, self.num_views)
        self.optimizer_config = optimizer
        num_features = example_features(encoder).global_.shape[1]
        self.classifiers = OnlineClassifiers(num_features, num_classes) if num_classes else None

    @abstractmethod
    def objective(
        self, views: tuple[Float[Tensor, "b c s s"], ...]
    ) -> tuple[Objective, Float[Tensor, "m d"]]:
        """The objective of a batch, and global features of its images, once or several times over."""

    def training_step(self, batch: Sequence[Tensor], _: int) -> Tensor:
        """Minus the objective (and the online classifiers' own loss), for uint8 images and their labels."""
        images, labels = batch
        objective, features = self.objective(self.views(images))
        self._watch(objective)
        loss = -objective.value
        if self.classifiers is not None:
            online = self.classifiers(features, labels.repeat(len(features) // len(labels)))
            self._watch_online(online)
            loss = loss + online.loss
        return loss

    def configure_optimizers(self):
        """Adam, its rate a function of the step."""
        optimizer = adam(self.optimizer_config, (p for p in self.parameters() if p.requires_grad))
        share = learning_rate_share(self.optimizer_config, int(self.trainer.max_steps))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _watch(self, objective: Objective) -> None:
        self.log("value", objective.value)
        for name, bound in objective.bounds.items():
            self.log(f"bits_{name}", bound / math.log(2))
            self.log(f"ceiling_{name}", objective.ceiling / math.log(2))
        for name, value in objective.watched.items():
            self.log(name, value)

    def _watch_online(self, online: OnlineResult) -> None:
        for name, accuracy in online.accuracies.items():
            self.log(f"online_{name}", accuracy)
