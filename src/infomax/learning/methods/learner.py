"""What all methods have in common: an encoder, views, an objective to maximise, classifiers that look on."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from lightning import LightningModule
from torch import Tensor, nn

from infomax.learning.distributed.groups import all_of
from infomax.learning.encoders.amdim import encoders_in, example_features
from infomax.learning.methods.online import OnlineClassifiers
from infomax.learning.methods.optimizer import OptimizerConfig, adam, learning_rate_share
from infomax.learning.objectives.objective import Objective
from infomax.learning.views.contexts import AnyViewsConfig, view_maker


class Learner(LightningModule, ABC):
    """An encoder that learns by maximising information; methods differ in `objective` and in its views.

    Args:
        encoder: views to `Features`; or several, by name, as a `ModuleDict`.
        views: how the views are made.
        optimizer: Adam and its schedule, for all parameters that require a gradient.
        num_classes: of the labels, for the online classifiers; 0 without labels.
    """

    num_views: ClassVar[int]
    """Of each image, or of each thing that is seen."""

    def __init__(
        self,
        encoder: nn.Module,
        views: AnyViewsConfig,
        optimizer: OptimizerConfig,
        num_classes: int,
    ):
        super().__init__()
        self.encoder = encoder
        self.views = view_maker(views, self.num_views)
        self.optimizer_config = optimizer
        self.watched: dict[str, Tensor] = {}
        num_features = example_features(encoders_in(encoder)[0]).global_.shape[1]
        self.classifiers = OnlineClassifiers(num_features, num_classes) if num_classes else None

    @abstractmethod
    def objective(self, views: tuple[Float[Tensor, "b c *_"], ...]) -> tuple[Objective, Float[Tensor, "m d"]]:
        """The objective of a batch, and global features of its images, once or several times over."""

    def forward(self, seen: Any, labels: Int[Tensor, " b"]) -> tuple[Tensor, dict[str, Tensor]]:
        """Minus the objective (and the online classifiers' own loss); by name, scalars to watch, detached."""
        objective, features = self.objective(self.views(seen))
        loss, watched = -objective.value, _watched(objective)
        if self.classifiers is not None:
            labels = labels.repeat(len(features) // len(labels))
            online = self.classifiers(all_of(features), all_of(labels))
            loss = loss + online.loss
            watched |= {f"online_{name}": accuracy for name, accuracy in online.accuracies.items()}
        return loss, {name: value.detach() for name, value in watched.items()}

    def training_step(self, batch: Sequence[Any], _: int) -> Tensor:
        """The loss of what was seen and its labels; what is to be watched is left in `watched`."""
        loss, watched = self(*batch)
        self.watched = {name: value.detach() for name, value in watched.items()}
        return loss

    def configure_optimizers(self):
        """Adam, its rate a function of the step."""
        optimizer = adam(self.optimizer_config, (p for p in self.parameters() if p.requires_grad))
        share = learning_rate_share(self.optimizer_config, int(self.trainer.max_steps))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _watched(objective: Objective) -> dict[str, Tensor]:
    """The value, bounds in bits with their ceilings, and what the objective says is to be watched."""
    scalars = {"value": objective.value}
    for name, bound in objective.bounds.items():
        scalars[f"bits_{name}"] = bound / math.log(2)
        scalars[f"ceiling_{name}"] = torch.full_like(bound, objective.ceiling / math.log(2))
    return {**scalars, **objective.watched}
