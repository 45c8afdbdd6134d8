"""AMDIM: features of two views to an objective."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from infomax.learning.distributed.groups import ALL, Ranks
from infomax.learning.encoders.features import Features
from infomax.learning.objectives.contrastive.bounded import bounded
from infomax.learning.objectives.contrastive.choose import predictor
from infomax.learning.objectives.contrastive.prediction import Prediction
from infomax.learning.objectives.objective import Objective
from infomax.learning.objectives.scoring import AMDIM_SCALES, DEFAULT_SCORING, Scales, Scoring


def amdim_objective(
    view1: Features,
    view2: Features,
    *,
    scoring: Scoring = DEFAULT_SCORING,
    scales: Scales = AMDIM_SCALES,
    components: Callable[[Tensor], Tensor] | None = None,
    bound: Callable[[Tensor], Tensor] | None = None,
    among: Ranks = ALL,
    source_locations: Int[Tensor, "2 b"] | None = None,
    generator: Generator | None = None,
) -> Objective:
    """Return Σ over scales, 1→5, 1→7, 5→5, of E log [ e^{s⁺} / (e^{s⁺} + Σ_{other images} e^s) ] − λ E s².

    Features of one view predict those of the other at several scales. Side 1 is the global feature, as source
    and as target: the scales ((1, 1),) alone are what SimCLR-like methods maximise. Each term, in nats and at
    most 0, is the mean of both directions. Where the source is a map, as in 5→5, one location of each image
    is drawn at random. "Images" may be anything that was seen twice, and the two views may be of different
    kinds, with features of one dimension. In a process group each rank gives features of its own images, as
    many as every other. The negatives are those of all ranks, or of some, and the objective is the mean of
    what the ranks return (see `contrastive.choose`).

    Args:
        view1: features of one view of b images: global_ [b, d], local {5: [b, d, 5, 5], 7: [b, d, 7, 7]}.
        view2: features of the second view of the same images, in the same order.
        scoring: the clip and the penalty of scores, and the temperature of mixtures.
        scales: which scale predicts which.
        components: global features [b, d] to the components [b, k, d] of the mixtures that predict in their
            place; default: they predict themselves.
        bound: scores [n, n, places] to a scalar, in place of E log [ … ], such as a function of
            `infomax.estimation.bounds`; the terms are its values. All scores are then held at once, on each
            rank. Not with components.
        among: the ranks whose images are negatives of each other.
        source_locations: flat location that is read from a source that is a map, in view 1 and in view 2;
            default: random.
        generator: the source of random locations; default: torch's global one.

    Returns:
        The objective, to be maximised, with its parts. It watches the weighted penalty.

    Raises:
        ValueError: views of different numbers of images, or fewer than two images; features that lack a map.

    Reference: Bachman, Hjelm, Buchwalter (2019), sections 4.1-4.3.
    """
    check_views(view1, view2, scales)
    make = predictor if bound is None else partial(bounded, bound)
    predict = {
        side: (make(_targets(view2, side), among), make(_targets(view1, side), among))
        for side in sorted({target_side for _, target_side in scales})
    }
    predictions = {}
    for source_side, target_side in scales:
        from1, from2 = predict[target_side]
        at = source_locations
        if at is None:
            at = random_locations((view1, view2), source_side, generator)
        source1 = _source(view1, source_side, at[0], components)
        source2 = _source(view2, source_side, at[1], components)
        both = from1(source1, scoring=scoring), from2(source2, scoring=scoring)
        predictions[f"{source_side}to{target_side}"] = both
    return _summed(predictions, scoring.penalty_weight, among.size * len(view1.global_))


def _summed(
    predictions: Mapping[str, tuple[Prediction, Prediction]], penalty_weight: float, num_images: int
) -> Objective:
    """Return the sum over scales of the mean of both directions."""
    value = torch.stack([_mean(p.value for p in both) for both in predictions.values()]).sum()
    squares = [_mean(p.mean_square for p in both) for both in predictions.values()]
    penalty = torch.stack([penalty_weight * square for square in squares]).sum()
    terms = {name: _mean(p.log_probability for p in both) for name, both in predictions.items()}
    bounds = {name: _mean(p.bound for p in both) for name, both in predictions.items()}
    return Objective(value, terms, bounds, math.log(num_images), {"penalty": penalty})


def _source(
    features: Features,
    side: int,
    locations: Int[Tensor, " b"],
    components: Callable[[Tensor], Tensor] | None,
) -> Float[Tensor, "b *k d"]:
    """Return what predicts for each image: the global feature, its components, or one location of a map."""
    if side == 1:
        return features.predicting if components is None else components(features.predicting)
    cells = _places(features.local[side])
    return cells[torch.arange(len(cells), device=cells.device), locations.to(cells.device)]


def _targets(features: Features, side: int) -> Float[Tensor, "b l d"]:
    """Return what is predicted: the places of a map; the global feature is the only place of side 1."""
    return features.predicting[:, None] if side == 1 else _places(features.local[side])


def _places(local: Float[Tensor, "b d *places"]) -> Float[Tensor, "b l d"]:
    return local.movedim(1, -1).flatten(1, -2)


def random_locations(views: Sequence[Features], side: int, generator: Generator | None) -> Int[Tensor, "2 b"]:
    """Return a random flat location of the map of this side for each image, in view 1 and in view 2."""
    device = views[0].global_.device if generator is None else generator.device
    num_places = [1 if side == 1 else math.prod(view.local[side].shape[2:]) for view in views]
    num_images = len(views[0].global_)
    return torch.stack(
        [torch.randint(num, (num_images,), generator=generator, device=device) for num in num_places]
    )


def _mean(values: Iterable[Tensor]) -> Tensor:
    return torch.stack([*values]).mean()


def check_views(view1: Features, view2: Features, scales: Scales) -> None:
    """Check that features of two views can predict each other.

    Raises:
        ValueError: different numbers of images or dimensions; a scale whose map is missing.
    """
    if view1.predicting.shape != view2.predicting.shape:
        raise ValueError(
            "amdim_objective: the two views must hold the same images in the same dimension, got global "
            f"features {list(view1.predicting.shape)} and {list(view2.predicting.shape)}"
        )
    needed = {side for scale in scales for side in scale} - {1}
    if needed - (view1.local.keys() & view2.local.keys()):
        raise ValueError(
            f"amdim_objective: both views need local maps of sides {sorted(needed)}, got "
            f"{sorted(view1.local)} and {sorted(view2.local)}; use another encoder, or other scales"
        )
