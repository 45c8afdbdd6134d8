"""The learner that all methods share: an encoder, views, an objective to maximise, online classifiers."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from lightning import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from infomax.learning.distributed.groups import ALL, Ranks, all_of, num_ranks, parted
from infomax.learning.encoders.features import encoders_in, example_features
from infomax.learning.methods.online import OnlineClassifiers
from infomax.learning.methods.optimizer import OptimizerConfig, lr_share, new_optimizer
from infomax.learning.objectives.choices import Negatives
from infomax.learning.objectives.objective import Objective
from infomax.learning.views.kinds import Views


class Learner(LightningModule, ABC):
    """An encoder that learns by maximising information; methods differ in their `objective`.

    Args:
        encoder: views to `Features`; or several encoders by name, as a `ModuleDict`.
        views: how the views are made.
        num_views: of each thing.
        optimizer: of what kind, and its schedule, for all parameters that require a gradient; Adam always
            moves the online classifiers.
        num_classes: of the labels, for the online classifiers; 0 without labels.
        negatives: whose things are negatives, where several processes train together.

    Attributes:
        among: the ranks whose things are negatives of each other.
        num_first: parameters in the first group of the optimizer of a run that goes on; in runs of earlier
            versions, Muon moved the online classifiers, too.
    """

    def __init__(
        self,
        encoder: nn.Module,
        views: Views,
        num_views: int,
        optimizer: OptimizerConfig,
        num_classes: int,
        negatives: Negatives = "all",
    ):
        super().__init__()
        self.negatives: Negatives = negatives
        self.among: Ranks = ALL
        self.encoder = encoder
        self.views: nn.Module = views.random_views(num_views)
        self.optimizer_config = optimizer
        self.watched: dict[str, Tensor] = {}
        self.num_first: int | None = None
        num_features = example_features(self.encoders[0]).global_.shape[1]
        self.classifiers: OnlineClassifiers | None = (
            OnlineClassifiers(num_features, num_classes) if num_classes else None
        )

    def setup(self, stage: str) -> None:
        """Find the ranks whose things are negatives of those of this one."""
        num_together = {"all": num_ranks(), "host": self.trainer.num_devices, "device": 1}
        self.among = parted(num_together[self.negatives])

    @property
    def encoders(self) -> tuple[nn.Module, ...]:
        """The encoder, or the encoders in the order of the views."""
        return encoders_in(self.encoder)

    @property
    @abstractmethod
    def capturable(self) -> bool:
        """True if CUDA graphs can hold a step: it never waits for the device or for numbers of the CPU."""

    @property
    @abstractmethod
    def uses_all_parameters(self) -> bool:
        """True if every parameter gets a gradient in every step."""

    @property
    def parts_in_shares(self) -> tuple[str, ...]:
        """Names of the parts that see the things of one process only: their batch norms are over all."""
        return ("encoder",)

    @abstractmethod
    def objective(self, views: tuple[Float[Tensor, "b c *_"], ...]) -> tuple[Objective, Float[Tensor, "m d"]]:
        """Return the objective of a batch, and global features of its things, once or several times over."""

    def forward(self, seen: Any, labels: Int[Tensor, " b"]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return minus the objective, plus the online classifiers' loss; and scalars to watch, by name."""
        objective, features = self.objective(self.views(seen))
        loss, watched = -objective.value, _watched(objective)
        if self.classifiers is not None:
            labels = labels.repeat(len(features) // len(labels))
            online = self.classifiers(all_of(features), all_of(labels))
            loss = loss + online.loss
            watched |= {f"online_{name}": accuracy for name, accuracy in online.accuracies.items()}
        return loss, {name: value.detach() for name, value in watched.items()}

    def training_step(self, batch: Sequence[Any], _: int) -> Tensor:
        """Return the loss of a batch and its labels; `watched` keeps the scalars to watch."""
        loss, watched = self(*batch)
        self.watched = {name: value.detach() for name, value in watched.items()}
        return loss

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        """Note what the optimizer held, so that a run goes on as it began; see `num_first`."""
        self.num_first = len(checkpoint["optimizer_states"][0]["param_groups"][0]["params"])

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return the optimizer, with a rate that is a function of the step."""
        bf16 = self.trainer.precision == "bf16-mixed"
        learned = [one for one in self.parameters() if one.requires_grad]
        beside = () if self.classifiers is None else self.classifiers.parameters()
        optimizer = new_optimizer(self.optimizer_config, learned, bf16=bf16, by_adam=beside)
        if self.num_first not in (None, len(optimizer.param_groups[0]["params"])):
            optimizer = new_optimizer(self.optimizer_config, learned, bf16=bf16)
        share = lr_share(self.optimizer_config, int(self.trainer.max_steps))
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _watched(objective: Objective) -> dict[str, Tensor]:
    """Return the scalars to watch: the value, bounds and ceilings in bits, and the objective's own."""
    scalars = {"value": objective.value}
    for name, bound in objective.bounds.items():
        scalars[f"bits_{name}"] = bound / math.log(2)
        scalars[f"ceiling_{name}"] = torch.full_like(bound, objective.ceiling / math.log(2))
    return {**scalars, **objective.watched}
