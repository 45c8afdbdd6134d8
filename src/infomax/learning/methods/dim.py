"""The configuration of Deep InfoMax."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from infomax.errors import refuse
from infomax.learning.encoders.config import DIMEncoderConfig
from infomax.learning.methods.method import MethodConfig
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.objectives.choices import BOUNDS, CRITICS, PRIORS, Negatives
from infomax.learning.objectives.prior_config import PriorConfig
from infomax.learning.views.kinds import Views
from infomax.ranges import Count, Range, Size, Weight, check_ranges
from infomax.registry import Registry, loaded

if TYPE_CHECKING:
    from torch import nn

    from infomax.learning.methods.learner import Learner


@dataclass(frozen=True)
class DIMConfig(MethodConfig):
    """Objective and encoder of Deep InfoMax.

    encoder: kind and capacity of the encoder.
    bound: function that turns scores into a value, by name or as package.module:function of your own.
    critic: network that computes the scores, by name or as package.module:function of your own.
    critic_units: width of the critic.
    global_weight: weight α of the global term; 0 leaves it out.
    local_weight: weight β of the local term; 0 leaves it out.
    prior: distribution that the global feature Y should match, and its weight γ.
    num_globals: number of vectors that Y is cut into; each vector predicts the map alone.
    num_places: number of locations of a map to score, drawn again each step; null for all.
    absolute_coordinates: weight of the task that predicts the location of a local feature on the map.
    relative_coordinates: weight of the task that predicts the relative location of two local features.
    occlusion: side of a square that is hidden from Y, as a share of the image's side; the map sees the whole
    image.
    negatives: with several processes, whose images are negatives; all of them, those on the same host, or
    those of the same process (device). Fewer negatives cost less to send, but lower the ceiling.
    """

    kind: ClassVar[str] = "dim"
    learns: ClassVar[str] = (
        "the global feature of {thing} tell as much as possible about what is at each place of it"
    )
    bounds: ClassVar[str] = (
        "the global feature of {thing} and its whole map of local features (global), or one of them at a "
        "random place (local), whichever objective is maximised"
    )
    num_views: ClassVar[int] = 1
    choices: ClassVar[Mapping[str, Registry[Any]]] = {
        "bound": BOUNDS,
        "critic": CRITICS,
        "prior.kind": PRIORS,
    }

    name: Literal["dim"] = "dim"
    encoder: DIMEncoderConfig = field(default_factory=DIMEncoderConfig)
    bound: str | Callable[..., Any] = "infonce"
    critic: str | Callable[[int, int, int], Any] = "encode-and-dot"
    critic_units: Size = 2048
    global_weight: Weight = 0.0
    local_weight: Weight = 1.0
    prior: PriorConfig = field(default_factory=PriorConfig)
    num_globals: Size = 1
    num_places: Count | None = None
    absolute_coordinates: Weight = 0.0
    relative_coordinates: Weight = 0.0
    occlusion: Annotated[float, Range(0, below=1)] = 0.0
    negatives: Negatives = "all"

    def __post_init__(self) -> None:
        object.__setattr__(self, "bound", BOUNDS.name_of(self.bound, "dim"))
        object.__setattr__(self, "critic", CRITICS.name_of(self.critic, "dim"))
        check_ranges(self, "dim")
        refuse(
            not (self.global_weight or self.local_weight),
            "dim: global_weight or local_weight must be above 0, got 0 and 0; set method.local_weight to 1",
        )

    @property
    def without_effect(self) -> dict[str, str]:
        """Return the fields that have no effect beside the others, each with the reason."""
        return {} if self.local_weight else {"num_places": "local_weight is 0"}

    def learner(
        self,
        views: Views,
        optimizer: OptimizerConfig,
        num_classes: int,
        encoder: "nn.Module | Mapping[str, nn.Module] | None" = None,
    ) -> "Learner":
        """Return `DIM`, ready to learn; arguments as of `MethodConfig.learner`."""
        learner = loaded("infomax.learning.methods.dim_learner:DIM")
        return learner(self, views, optimizer, num_classes, encoder)
