"""The interface of all methods, as their configurations implement it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.views.kinds import Views
from infomax.registry import Registry

if TYPE_CHECKING:
    from torch import nn

    from infomax.learning.data.streaming.stream import Trainable
    from infomax.learning.methods.learner import Learner


@dataclass(frozen=True)
class MethodConfig(ABC):
    """Objective and encoder of a method: the part of a recipe that `METHODS` finds by its name.

    kind: name of the method. num_views: views of each thing that it learns from. choices: fields, dotted,
    that name a part such as a bound, and the table that has it; they may hold one of a user's own. learns,
    bounds: for the report, what it makes the encoder do, and what its bits are between; {thing} and {noun}
    stand for what it learns from, with and without an article.
    """

    kind: ClassVar[str]
    learns: ClassVar[str] = "its features tell as much as possible about {thing}"
    bounds: ClassVar[str] = "features of {thing}"
    num_views: ClassVar[int]
    choices: ClassVar[Mapping[str, Registry[Any]]] = {}

    @abstractmethod
    def learner(
        self,
        views: Views,
        optimizer: OptimizerConfig,
        num_classes: int,
        encoder: "nn.Module | Mapping[str, nn.Module] | None" = None,
    ) -> "Learner":
        """Return the method ready to learn, with random weights from torch's generator.

        Args:
            views: how the views are made.
            optimizer: how parameters are updated.
            num_classes: of the labels, for the online classifiers; 0 without labels.
            encoder: in place of the one that the configuration describes; encoders by the names of their
                folders where the views have several.
        """

    def suited_to(
        self, encoder: "nn.Module | Mapping[str, nn.Module] | None"
    ) -> "tuple[MethodConfig, str | None]":
        """Return this method as an encoder of one's own can serve it, and a line on what that has changed.

        Where nothing has changed, that is the method itself, and None.
        """
        return self, None

    def begun(self, learner: "Learner", views: Views, dataset: "Trainable", seed: int) -> "Learner":
        """Return the learner with what the configuration's encoder takes from the data before the first step.

        Args:
            learner: with random weights.
            views: how the dataset is seen.
            dataset: what will be learned from.
            seed: of what is drawn from it.
        """
        return learner

    def ended(self, learner: "Learner", views: Views, dataset: "Trainable", seed: int) -> "Learner":
        """Return the learner with what the configuration's encoder takes from the data after the last step.

        Args:
            learner: after training.
            views: how the dataset is seen.
            dataset: what was learned from.
            seed: of what is drawn from it.
        """
        return learner
