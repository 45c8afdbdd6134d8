"""The configuration of Augmented Multiscale Deep InfoMax."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from infomax.errors import refuse
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.methods.method import MethodConfig
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.objectives.choices import BOUNDS, Negatives
from infomax.learning.objectives.scoring import AMDIM_SCALES, Scales, Scoring, usual_scales
from infomax.learning.views.kinds import Views
from infomax.ranges import Positive, Size, Weight, check_ranges
from infomax.registry import Registry, loaded

if TYPE_CHECKING:
    from torch import nn

    from infomax.learning.data.streaming.stream import Trainable
    from infomax.learning.methods.learner import Learner


NUM_WHITENED = 1000
"""Images whose patches tell how first layers are whitened."""
NUM_READ = 10_000
"""Images, of those learned from, whose features a readout is fitted to."""
READ_AT_ONCE = 500
"""Images of these that are in memory at a time."""


@dataclass(frozen=True)
class AMDIMConfig(MethodConfig):
    """Objective and encoder of AMDIM.

    encoder: capacity of the encoder (the same for both, if there are two).
    clip: limit c of the scores, c·tanh(s/c); null for no clip (see `Scoring`).
    penalty_weight: weight of the mean squared score, which is subtracted (see `Scoring`).
    temperature: temperature T of mixtures (see `Scoring`).
    scales: (side of the source map, side of the target map) of each prediction; 1 is the global feature. If
    your own encoder has no maps of the default sides, its maps replace them; this is said and recorded.
    num_components: vectors of a mixture that predict in place of the global feature (see `Mixture`); 1 for no
    mixture.
    bound: function that turns the scores of a prediction into a value, by name or as package.module:function
    of your own; null for AMDIM's log-probability of the right image. Other functions hold all scores in
    memory.
    negatives: with several processes, whose images are negatives; all of them, those on the same host, or
    those of the same process (device). Fewer negatives cost less to send, but lower the ceiling.
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
    choices: ClassVar[Mapping[str, Registry[Any]]] = {"bound": BOUNDS}

    name: Literal["amdim"] = "amdim"
    encoder: AMDIMEncoderConfig = field(default_factory=AMDIMEncoderConfig)
    clip: Positive | None = Scoring.clip
    penalty_weight: Weight = Scoring.penalty_weight
    scales: Scales = AMDIM_SCALES
    num_components: Size = 1
    temperature: Positive = Scoring.temperature
    bound: str | Callable[..., Any] | None = None
    negatives: Negatives = "all"

    def __post_init__(self) -> None:
        check_ranges(self, "amdim")
        if self.bound is not None:
            object.__setattr__(self, "bound", BOUNDS.name_of(self.bound, "amdim"))
        refuse(
            self.bound is not None and self.num_components > 1,
            f"amdim: a mixture predicts by its own log-probability, got num_components {self.num_components} "
            f"and the bound {self.bound}; leave one of them out",
        )

    @property
    def without_effect(self) -> dict[str, str]:
        """Return the fields that have no effect beside the others, each with the reason."""
        return {"temperature": "there is no mixture (num_components)"} if self.num_components == 1 else {}

    @property
    def scoring(self) -> Scoring:
        """The options of scores."""
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

    def begun(self, learner: "Learner", views: Views, dataset: "Trainable", seed: int) -> "Learner":
        """Return the learner, its first layers whitening patches of some images, if that is wanted.

        Raises:
            ValueError: mirror images are to be read, and the views never mirror.
        """
        for encoder, place in zip(learner.encoders, views.encoders, strict=False):
            refuse(
                self.encoder.readout == "mirrored"
                and getattr(encoder, "readout", None) is not None
                and not getattr(place.views, "flip", 0),
                "amdim: the readout mirrored expects views that mirror images, and these never do; set "
                "--method.encoder.readout joined, or --views.flip 0.5 if mirror images mean the same",
            )
        if not self.encoder.whitened:
            return learner
        whiten = loaded("infomax.learning.encoders.amdim_layers:whiten")
        for encoder, place, part in zip(learner.encoders, views.encoders, dataset.parts, strict=False):
            seen = place.views.plain_view()(part.examples(NUM_WHITENED, seed))
            whiten(encoder.get_submodule("layers.0"), seen if seen.ndim == 4 else seen.unsqueeze(2))
        return learner

    def ended(self, learner: "Learner", views: Views, dataset: "Trainable", seed: int) -> "Learner":
        """Return the learner, the readouts of its encoders fitted, where they have one."""
        fit_readout = loaded("infomax.learning.encoders.amdim_layers:fit_readout")
        for encoder, place, part in zip(learner.encoders, views.encoders, dataset.parts, strict=False):
            fit_readout(encoder, place.views.plain_view(), part.example_batches(NUM_READ, seed, READ_AT_ONCE))
        return learner

    def suited_to(
        self, encoder: "nn.Module | Mapping[str, nn.Module] | None"
    ) -> "tuple[AMDIMConfig, str | None]":
        """Return AMDIM with scales that an encoder of one's own has, where it has none of the default's."""
        between_globals = tuple(scale for scale in self.scales if scale == (1, 1))
        if encoder is None or self.scales != (*between_globals, *AMDIM_SCALES):
            return self, None
        example_features = loaded("infomax.learning.encoders.features:example_features")
        encoders = encoder.values() if isinstance(encoder, Mapping) else [encoder]
        sides = set.intersection(*({*example_features(one).local} for one in encoders))
        if {side for scale in self.scales for side in scale} - {1} <= sides:
            return self, None
        chosen = (*between_globals, *usual_scales(sides))
        maps = ("no map", "a map of side ", "maps of sides ")[min(len(sides), 2)]
        maps += ", ".join(map(str, sorted(sides)))
        line = f"scales {_listed(chosen)}, not {_listed(self.scales)}: the encoder has {maps} (method.scales)"
        return replace(self, scales=chosen), line


def _listed(scales: Scales) -> str:
    return ", ".join(f"{source}→{target}" for source, target in scales)
