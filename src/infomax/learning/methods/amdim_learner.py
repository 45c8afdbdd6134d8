"""Augmented Multiscale Deep InfoMax: features of one view predict those of another, at several scales.

The two views may be augmented copies of one image, or come from two places, times or senses. Views of two
kinds have an encoder each, with features of one dimension.

Bachman, Hjelm, Buchwalter (2019), "Learning Representations by Maximizing Mutual Information Across Views".
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.errors import refuse
from infomax.learning.encoders.architectures import amdim_encoder
from infomax.learning.encoders.features import Features, example_features
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.learner import Learner
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.objectives.amdim import amdim_objective, check_views
from infomax.learning.objectives.choices import BOUNDS
from infomax.learning.objectives.objective import Objective
from infomax.learning.objectives.scoring import Scales
from infomax.learning.views.kinds import Views


class AMDIM(Learner):
    """An encoder that learns by maximising information between two views; or two encoders, one for each.

    Args:
        config: encoder and objective.
        views: how the two views are made.
        optimizer: how parameters are updated.
        num_classes: of the labels, for the online classifiers; 0 without labels.
        encoder: in place of the one in `config`; or encoders by the names of the columns, where each column
            has its own. Their features have one dimension.

    Raises:
        ValueError: encoders by other names than those of the columns, or with features of different
            dimensions; a scale that they have no map of; a map of another dimension than the global feature.
    """

    def __init__(
        self,
        config: AMDIMConfig,
        views: Views,
        optimizer: OptimizerConfig,
        num_classes: int,
        encoder: nn.Module | Mapping[str, nn.Module] | None = None,
    ):
        if encoder is None:
            made = {
                place.folder.name: amdim_encoder(config.encoder, place.views.input_shape)
                for place in views.encoders
            }
            encoder = made if len(made) > 1 else next(iter(made.values()))
        super().__init__(
            _joined(encoder, views), views, config.num_views, optimizer, num_classes, config.negatives
        )
        self.config = config
        examples = [example_features(one) for one in self.encoders]
        check_views(examples[0], examples[-1], config.scales)
        for example in examples:
            _check_dimensions(example, config.scales)
        self.mixture: Mixture | None = None
        if config.num_components > 1:
            self.mixture = Mixture(examples[0].predicting.shape[1], config.num_components)

    @property
    def capturable(self) -> bool:
        """As its views are, with AMDIM's own bound; another one might ask the CPU."""
        return bool(self.views.capturable) and self.config.bound is None

    @property
    def uses_all_parameters(self) -> bool:
        """Where the scales use every map of every encoder."""
        used = {side for scale in self.config.scales for side in scale}
        needed = [getattr(encoder, "needed_maps", None) for encoder in self.encoders]
        return all(maps is not None and maps <= used for maps in needed)

    def objective(self, views: tuple[Float[Tensor, "b c *_"], ...]) -> tuple[Objective, Float[Tensor, "m d"]]:
        """Return `amdim_objective` of both views, and their global features one after another."""
        first, last = self.encoders[0], self.encoders[-1]
        view1, view2 = (encoder(view) for encoder, view in zip((first, last), views, strict=True))
        objective = amdim_objective(
            view1,
            view2,
            scoring=self.config.scoring,
            scales=self.config.scales,
            components=self.mixture,
            bound=None if self.config.bound is None else BOUNDS[str(self.config.bound)],
            among=self.among,
        )
        return objective, torch.cat([view1.global_, view2.global_])


class Mixture(nn.Module):
    """A global feature f as a mixture of k vectors, f + W_j relu(V f), which share out what it predicts.

    Args:
        dim: d of the feature.
        num_components: k.

    Reference: Bachman et al. (2019), "Mixture-based representations".
    """

    def __init__(self, dim: int, num_components: int):
        super().__init__()
        self.hidden: nn.Linear = nn.Linear(dim, dim)
        self.out: nn.Linear = nn.Linear(dim, num_components * dim)

    def forward(self, features: Float[Tensor, "b d"]) -> Float[Tensor, "b k d"]:
        """Return the components."""
        moves = self.out(torch.relu(self.hidden(features))).unflatten(1, (-1, features.shape[1]))
        return features[:, None] + moves


def _check_dimensions(features: Features, scales: Scales) -> None:
    """Check that the features that predict each other have one dimension."""
    sides = sorted({side for scale in scales for side in scale} - {1})
    dimensions = {"global": features.predicting.shape[1]}
    dimensions |= {f"map of side {side}": features.local[side].shape[1] for side in sides}
    refuse(
        len(set(dimensions.values())) > 1,
        "amdim: features that predict each other need one dimension, got "
        f"{', '.join(f'{name} {number}' for name, number in dimensions.items())}; set embedding_dim of the "
        "encoder",
    )


def _joined(encoder: nn.Module | Mapping[str, nn.Module], views: Views) -> nn.Module:
    """Return the encoder; several as a `ModuleDict`, in the order of the views."""
    names = [place.folder.name for place in views.encoders] if len(views.encoders) > 1 else []
    given = dict(encoder.items()) if isinstance(encoder, Mapping | nn.ModuleDict) else {}
    if sorted(given) != sorted(names):
        expected = f"one each for {' and '.join(names)}" if names else "one for both"
        raise ValueError(
            f"amdim: these views need {expected}, got encoders {sorted(given) or 'without names'}"
        )
    if not names:
        assert isinstance(encoder, nn.Module)
        return encoder
    dimensions = {name: example_features(given[name]).global_.shape[1] for name in names}
    refuse(
        len(set(dimensions.values())) > 1,
        f"amdim: encoders of two views need features of one dimension, got {dimensions}",
    )
    return nn.ModuleDict({name: given[name] for name in names})
