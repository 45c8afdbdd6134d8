"""The configuration of Augmented Multiscale Deep InfoMax."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from infomax.errors import refuse
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.methods.method import MethodConfig
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.objectives.scoring import AMDIM_SCALES, Scales, Scoring
from infomax.learning.views.kinds import Views
from infomax.registry import loaded

if TYPE_CHECKING:
    from torch import nn

    from infomax.learning.methods.learner import Learner


@dataclass(frozen=True)
class AMDIMConfig(MethodConfig):
    """Objective and encoder of AMDIM.

    encoder: its capacity (the same for both, where there are two). clip, penalty_weight, temperature: of the
    objective, see `Scoring`; clip null for none.
    scales: (side of the source map, side of the target map) of each prediction; 1 is the global feature.
    num_components: vectors of the mixture as which the global feature predicts, see `Mixture`; 1 for none.
    """

    kind: ClassVar[str] = "amdim"
    learns: ClassVar[str] = (
        "the features of one view of {thing} tell as much as possible about those of another view"
    )
    bounds: ClassVar[str] = (
        "a source feature of one view of {thing} and a target feature, at a random location, of another view "
        "of the same {noun}"
    )
    num_views: ClassVar[int] = 2
    one_device: ClassVar[bool] = False

    name: Literal["amdim"] = "amdim"
    encoder: AMDIMEncoderConfig = field(default_factory=AMDIMEncoderConfig)
    clip: float | None = Scoring.clip
    penalty_weight: float = Scoring.penalty_weight
    scales: Scales = AMDIM_SCALES
    num_components: int = 1
    temperature: float = Scoring.temperature

    def __post_init__(self):
        refuse(
            self.num_components < 1, f"amdim: num_components must be at least 1, got {self.num_components}"
        )
        refuse(
            not self.scales or any(len(scale) != 2 or min(scale) < 1 for scale in self.scales),
            f"amdim: scales must be pairs of sides, such as [[1, 5], [1, 7], [5, 5]], got {self.scales}",
        )
        _ = self.scoring

    @property
    def scoring(self) -> Scoring:
        """The options of scores, checked."""
        return Scoring(self.clip, self.penalty_weight, self.temperature)

    def learner(
        self,
        views: Views,
        optimizer: OptimizerConfig,
        num_classes: int,
        encoder: "nn.Module | Mapping[str, nn.Module] | None" = None,
    ) -> "Learner":
        """Return `AMDIM`, ready to learn; arguments as of `MethodConfig.learner`."""
        learner = loaded("infomax.learning.methods.amdim_learner:AMDIM")
        return learner(self, views, optimizer, num_classes, encoder)
