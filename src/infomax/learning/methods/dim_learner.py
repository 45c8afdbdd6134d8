"""Deep InfoMax: an encoder's summary of an image tells as much as it can of what is where in it.

    maximise  α Î(Y; whole map) + β mean over places Î(Y; place) + γ E log D(Y) + coordinate tasks

Y is the global feature, the map an earlier layer of the same encoder. Î is any bound of `estimation.bounds`,
of the scores that a critic gives to (Y of image i, map of image j). D tells Y from samples of its prior, and
is trained against it.

In a group of processes the scores are those of the images of all ranks, or of the ranks of one part (see
`negatives`). The objective is the mean of what the ranks return: Î is the same on each rank of a part, the
other terms are means over the images of a rank.

Hjelm, Fedorov, Lavoie-Marchildon, Grewal, Bachman, Trischler, Bengio (2018), "Learning deep representations
by mutual information estimation and maximization".
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn

from infomax.errors import refuse
from infomax.learning.distributed.groups import gather
from infomax.learning.encoders.architectures import dim_encoder
from infomax.learning.encoders.features import Features, example_features
from infomax.learning.methods.dim import DIMConfig
from infomax.learning.methods.learner import Learner
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.objectives.choices import BOUNDS, CRITICS
from infomax.learning.objectives.coordinates import AbsoluteCoordinates, RelativeCoordinates
from infomax.learning.objectives.dim import dim_objective
from infomax.learning.objectives.map_critics import MapCritic, MapSummary, sample_places, score_together
from infomax.learning.objectives.objective import Objective
from infomax.learning.objectives.prior_matching import PriorMatching
from infomax.learning.views.image_views import occlude
from infomax.learning.views.kinds import Views
from infomax.registry import own_parts


class DIM(Learner):
    """An encoder that learns by maximising information between its input and its output.

    Args:
        config: encoder, objective and what goes with it.
        views: how the one view of each image is made.
        optimizer: how parameters are updated.
        num_classes: of the labels, for the online classifiers; 0 without labels.
        encoder: in place of the one in `config`.

    Raises:
        ValueError: views of several things or of signals; an encoder without a map, or with a map of a single
            place where places are to be told apart; a Y that cannot be cut into `num_globals`.
    """

    def __init__(
        self,
        config: DIMConfig,
        views: Views,
        optimizer: OptimizerConfig,
        num_classes: int,
        encoder: nn.Module | Mapping[str, nn.Module] | None = None,
    ):
        shape = views.parts[0].input_shape
        refuse(
            len(views.parts) != 1 or len(shape) != 3,
            f"dim: learns from one picture of each thing, got {views.kind} views; use augmented views, "
            "or AMDIM",
        )
        made_here = encoder is None
        if encoder is None:
            encoder = dim_encoder(config.encoder, shape)
        if not isinstance(encoder, nn.Module):
            raise ValueError(f"dim: expected one encoder, got encoders {sorted(encoder)}")
        super().__init__(encoder, views, config.num_views, optimizer, num_classes, config.negatives)
        self.config: DIMConfig = config
        self.made_here: bool = made_here
        shapes = example_features(encoder)
        _check(config, shapes)
        dim_global = shapes.global_.shape[1]
        self.critics: nn.ModuleDict = nn.ModuleDict(
            _critics(config, dim_global // config.num_globals, shapes.local)
        )
        self.tasks: nn.ModuleDict = nn.ModuleDict(_tasks(config, dim_global, shapes.local))
        self.prior: PriorMatching | None = (
            PriorMatching(config.prior, dim_global) if config.prior.weight else None
        )

    @property
    def capturable(self) -> bool:
        """No: its prior and its tasks look at values on the way."""
        return False

    @property
    def uses_all_parameters(self) -> bool:
        """Where encoder, critic and bound are infomax's; of a user's own it is unknown."""
        return self.made_here and not own_parts(self.config, self.config.choices)

    @property
    def parts_in_shares(self) -> tuple[str, ...]:
        """The encoder, and what a critic does with maps; it sees the global features of all ranks."""
        critics = {name: cast(MapCritic, critic) for name, critic in self.critics.items()}
        of_critics = [f"critics.{name}.{part}" for name, one in critics.items() for part in one.parts_of_maps]
        return ("encoder", *of_critics)

    def objective(
        self, views: tuple[Float[Tensor, "b c h w"], ...]
    ) -> tuple[Objective, Float[Tensor, "b d"]]:
        """Return the weighted terms of a batch, with the scalars to watch, and Y."""
        (images,) = views
        features = self.encoder(images)
        if self.config.occlusion:
            hidden = self.encoder(occlude(images, self.config.occlusion))
            features = replace(features, global_=hidden.global_)
        weights = {"global": self.config.global_weight, "local": self.config.local_weight}
        objective = dim_objective(self.scores(features), BOUNDS[str(self.config.bound)], weights)
        return self._with_tasks(objective, features), features.global_

    def scores(self, features: Features) -> Mapping[str, Float[Tensor, "g n n h w"]]:
        """Return the scores of each term, f(y_i, m_j), i and j among the n images of the ranks `among`.

        Args:
            features: of the images of this rank.
        """
        whole = gather(features.global_, self.among)
        n, d = whole.shape
        g = self.config.num_globals
        globals_ = whole.view(n * g, d // g)
        (local,) = features.local.values()
        places = self.config.num_places
        partners = {"global": local, "local": sample_places(local, places) if places else local}
        return {
            name: score_together(critic, globals_, partners[name], self.among)
            .unflatten(0, (n, g))
            .transpose(0, 1)
            for name, critic in self.critics.items()
        }

    def _with_tasks(self, objective: Objective, features: Features) -> Objective:
        """Return the objective with the coordinate tasks and the prior added."""
        value, terms, watched = objective.value, dict(objective.terms), dict(objective.watched)
        (local,) = features.local.values()
        for name, task in self.tasks.items():
            told = task(features.global_, local)
            terms[name] = told.log_likelihood
            value = value + getattr(self.config, name) * told.log_likelihood
            watched |= {f"accuracy_{name}": told.accuracy}
        if self.prior is not None:
            matched = self.prior(features.global_)
            terms["prior"] = matched.term
            value = value + self.config.prior.weight * matched.term
            watched |= {
                "prior_divergence": matched.divergence,
                "prior_marginal_distance": matched.marginal_distance,
            }
        return replace(objective, value=value, terms=terms, watched=watched)


def _check(config: DIMConfig, features: Features) -> None:
    if len(features.local) != 1:
        raise ValueError(
            f"dim: expected an encoder with one local map, got sides {sorted(features.local)}; "
            "tap one layer alone"
        )
    num_places = next(iter(features.local.values()))[0, 0].numel()
    if num_places < 2 and (config.local_weight or config.absolute_coordinates or config.relative_coordinates):
        raise ValueError(
            "dim: the encoder's local map has a single place (1×1), so that there is nothing local to tell; "
            "tap an earlier layer, or set method.local_weight to 0 and method.global_weight to 1"
        )
    if config.num_places is not None and not 1 <= config.num_places <= num_places:
        raise ValueError(
            f"dim: num_places must be from 1 to the {num_places} of the map, got {config.num_places}; "
            "null scores all of them"
        )
    dim_global = features.global_.shape[1]
    if config.num_globals < 1 or dim_global % config.num_globals:
        raise ValueError(
            f"dim: num_globals must divide the {dim_global} units of the global feature, "
            f"got {config.num_globals}"
        )


def _critics(config: DIMConfig, dim_global: int, local: Mapping[int, Tensor]) -> dict[str, nn.Module]:
    """Return the critics of the terms that have a weight."""
    (example,) = local.values()
    make, num_channels = CRITICS[str(config.critic)], example.shape[1]
    critics: dict[str, nn.Module] = {}
    if config.global_weight:
        summary = MapSummary(num_channels, (example.shape[2], example.shape[3]))
        critics["global"] = MapCritic(make(dim_global, summary.num_out, config.critic_units), summary)
    if config.local_weight:
        critics["local"] = MapCritic(make(dim_global, num_channels, config.critic_units))
    return critics


def _tasks(config: DIMConfig, dim_global: int, local: Mapping[int, Tensor]) -> dict[str, nn.Module]:
    (example,) = local.values()
    kinds = {"absolute_coordinates": AbsoluteCoordinates, "relative_coordinates": RelativeCoordinates}
    return {
        name: kind(dim_global, example.shape[1], (example.shape[2], example.shape[3]))
        for name, kind in kinds.items()
        if getattr(config, name)
    }
