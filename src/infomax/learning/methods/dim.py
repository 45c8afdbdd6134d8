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

    encoder: its kind and capacity. bound: the function that turns scores into a value. critic: what makes the
    network that gives the scores. Either is a name, or package.module:function of one's own.
    critic_units: width of that network.
    global_weight, local_weight: α and β; a term of weight 0 is left out.
    prior: distribution that the global feature Y is to match, and its weight γ.
    num_globals: number of vectors that Y is cut into; each predicts the map by itself.
    num_places: places of a map that are scored, drawn anew each step; null for all of them.
    absolute_coordinates, relative_coordinates: weights of the tasks that predict where on the map a local
    feature lies, and how two of them lie to each other.
    occlusion: side of a square hidden from Y, as a share of the image's side; the map sees the whole image.
    negatives: where several processes train together, whose images are negatives: of all, of those on the
    same host, or of the same process alone (device). Fewer of them cost less to send, and tell less at most.
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
