"""Augmented Multiscale Deep InfoMax: features of one view predict those of another, at several scales.

The two views may be augmented copies of one image, or come from two places, times or senses (`pairing`);
views of two kinds have an encoder each, with features of one dimension.

Bachman, Hjelm, Buchwalter (2019), "Learning Representations by Maximizing Mutual Information Across Views".
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.learning.encoders.amdim import AMDIMEncoder, AMDIMEncoderConfig, encoders_in, example_features
from infomax.learning.encoders.public_amdim import load_public_checkpoint
from infomax.learning.encoders.signals import SignalEncoder
from infomax.learning.methods.learner import Learner
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.objectives.amdim import amdim_objective, check_views
from infomax.learning.objectives.objective import Objective
from infomax.learning.objectives.scoring import AMDIM_SCALES, Scales
from infomax.learning.views.contexts import AnyViewsConfig, encoders_of
from infomax.learning.views.pairing import SingleViewsConfig
from infomax.learning.views.signals import SignalViewsConfig

__all__ = ["AMDIM", "AMDIMConfig", "load_public_checkpoint"]


@dataclass(frozen=True)
class AMDIMConfig:
    """What AMDIM maximises, and with what.

    encoder: its capacity (of each encoder, where there are two). clip, penalty_weight: of the objective, see
    `amdim_objective`; clip null for none.
    scales: (side of the source map, side of the target map) of each prediction; 1 is the global feature.
    num_components, temperature: the global feature predicts as a mixture of so many vectors, see `Mixture`
    and `prediction`; 1: by itself.
    """

    name: Literal["amdim"] = "amdim"
    encoder: AMDIMEncoderConfig = field(default_factory=AMDIMEncoderConfig)
    clip: float | None = 20.0
    penalty_weight: float = 0.05
    scales: Scales = AMDIM_SCALES
    num_components: int = 1
    temperature: float = 1.0

    def __post_init__(self):
        if self.num_components < 1 or not self.temperature > 0:
            raise ValueError(
                "amdim: num_components must be at least 1 and temperature above 0, got "
                f"{self.num_components} and {self.temperature}"
            )
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"amdim: clip must be above 0, got {self.clip}; null leaves scores unclipped")
        if not self.scales or any(len(scale) != 2 or min(scale) < 1 for scale in self.scales):
            raise ValueError(
                f"amdim: scales must be pairs of sides, such as [[1, 5], [1, 7], [5, 5]], got {self.scales}"
            )


class AMDIM(Learner):
    """An encoder that learns by maximising information between two views; or two encoders, one of each.

    Args:
        config: encoder and objective.
        views: how the two views are made.
        optimizer: Adam and its schedule.
        num_classes: of the labels, for the online classifiers; 0 without labels.
        encoder: in place of the one in `config`; or encoders by the names of the columns, where each has its
            own. Their features are all of one dimension.

    Raises:
        ValueError: encoders by other names than those of the columns, or of different dimensions; a scale
            that they have no map of.
    """

    num_views = 2

    def __init__(
        self,
        config: AMDIMConfig,
        views: AnyViewsConfig,
        optimizer: OptimizerConfig,
        num_classes: int,
        encoder: nn.Module | Mapping[str, nn.Module] | None = None,
    ):
        if encoder is None:
            made = {name: amdim_encoder(config.encoder, one) for name, one in encoders_of(views).items()}
            encoder = made.get("", made)
        super().__init__(_one_or_each(encoder, views), views, optimizer, num_classes)
        self.config = config
        examples = [example_features(one) for one in encoders_in(self.encoder)]
        check_views(examples[0], examples[-1], config.scales)
        self.mixture = None
        if config.num_components > 1:
            self.mixture = Mixture(examples[0].global_.shape[1], config.num_components)

    def objective(self, views: tuple[Float[Tensor, "b c *_"], ...]) -> tuple[Objective, Float[Tensor, "m d"]]:
        """`amdim_objective` of both views, and their global features one after another."""
        encoders = encoders_in(self.encoder)
        view1, view2 = (
            encoder(view) for encoder, view in zip((encoders[0], encoders[-1]), views, strict=True)
        )
        objective = amdim_objective(
            view1,
            view2,
            clip=self.config.clip,
            penalty_weight=self.config.penalty_weight,
            scales=self.config.scales,
            components=self.mixture,
            temperature=self.config.temperature,
        )
        return objective, torch.cat([view1.global_, view2.global_])


class Mixture(nn.Module):
    """A global feature f as a mixture of k vectors, f + W_j relu(V f), that divide what it predicts.

    Args:
        dim: d of the feature.
        num_components: k.

    Reference: Bachman et al. (2019), "Mixture-based representations".
    """

    def __init__(self, dim: int, num_components: int):
        super().__init__()
        self.hidden = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, num_components * dim)

    def forward(self, features: Float[Tensor, "b d"]) -> Float[Tensor, "b k d"]:
        """The components."""
        moves = self.out(torch.relu(self.hidden(features))).unflatten(1, (-1, features.shape[1]))
        return features[:, None] + moves


def amdim_encoder(config: AMDIMEncoderConfig, views: SingleViewsConfig) -> nn.Module:
    """The encoder of that capacity, for pictures or for signals."""
    if isinstance(views, SignalViewsConfig):
        return SignalEncoder(length=views.length, channels=views.channels, **asdict(config))
    return AMDIMEncoder(image_size=views.image_size, channels=views.channels, **asdict(config))


def _one_or_each(encoder: nn.Module | Mapping[str, nn.Module], views: AnyViewsConfig) -> nn.Module:
    """The encoder, or a `ModuleDict` of one for each column, in the order of the columns."""
    names = [name for name in encoders_of(views) if name]
    if isinstance(encoder, nn.ModuleDict):
        encoder = dict(encoder.items())
    given = sorted(encoder) if isinstance(encoder, Mapping) else []
    if given != sorted(names):
        expected = f"one each for {' and '.join(names)}" if names else "one for both"
        raise ValueError(f"amdim: these views need {expected}, got encoders {given or 'without names'}")
    if not isinstance(encoder, Mapping):
        return encoder
    dimensions = {name: example_features(encoder[name]).global_.shape[1] for name in names}
    if len(set(dimensions.values())) > 1:
        raise ValueError(f"amdim: encoders of two views need features of one dimension, got {dimensions}")
    return nn.ModuleDict({name: encoder[name] for name in names})
