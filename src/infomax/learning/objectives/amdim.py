"""Features or scores to an objective to maximise; `bounds` makes nats of scores, here as in rung 2."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from infomax.estimation.bounds import infonce_by_image
from infomax.learning.distributed.groups import num_ranks, predictor
from infomax.learning.encoders.amdim import Features

Scales = tuple[tuple[int, int], ...]
Bound = Callable[[Tensor], Tensor]

AMDIM_SCALES: Scales = ((1, 5), (1, 7), (5, 5))
"""(side of the source map, side of the target map) of each prediction; a side of 1 is the global feature."""


@dataclass(frozen=True)
class Objective:
    """An objective and its parts, as scalars.

    value: what training maximises, in all. terms: its parts, before their weights. bounds: by name, lower
    bounds in nats on mutual information between a source and a target at a random location, at most `ceiling`
    = log n (see `bounds.infonce_by_image`); detached, for watching. watched: more to watch, by name.
    """

    value: Float[Tensor, ""]
    terms: Mapping[str, Float[Tensor, ""]]
    bounds: Mapping[str, Float[Tensor, ""]]
    ceiling: float
    watched: Mapping[str, Float[Tensor, ""]] = field(default_factory=dict)


def amdim_objective(
    view1: Features,
    view2: Features,
    *,
    clip: float | None = 20.0,
    penalty_weight: float = 0.05,
    scales: Scales = AMDIM_SCALES,
    components: Callable[[Tensor], Tensor] | None = None,
    temperature: float = 1.0,
    source_locations: Int[Tensor, "2 b"] | None = None,
    generator: Generator | None = None,
) -> Objective:
    """Σ over scales, 1→5, 1→7, 5→5, of E log [ e^{s⁺} / (e^{s⁺} + Σ_{other images} e^s) ] − penalty · E s².

    Features of one view predict those of the other at several scales; each term, in nats and at most 0, is
    the mean of both directions. Where the source is a map, such as in 5→5, it is one location an image, drawn
    at random. "Images" may be anything seen twice, and the two views of different kinds: what counts are
    features of one dimension. In a process group each rank gives features of its own images, as many as any
    other; the negatives are those of all ranks, and the objective is the mean of what the ranks return, see
    `distributed`.

    Args:
        view1: features of one view of b images: global_ [b, d], local {5: [b, d, 5, 5], 7: [b, d, 7, 7]}.
        view2: features of the second view of the same images, in the same order.
        clip: scores s become clip · tanh(s / clip); the penalty is taken before. None: they stay.
        penalty_weight: weight of the mean square of the scores.
        scales: which scale predicts which.
        components: global features [b, d] to the components [b, k, d] of the mixtures that predict in their
            place; default: they predict themselves.
        temperature: of a mixture's posterior, see `prediction`.
        source_locations: flat location read from a source that is a map, in view 1 and in view 2; default:
            random.
        generator: where their randomness comes from; default: torch's global one.

    Returns:
        The objective, to be maximised, with its parts. It watches the weighted penalty.

    Raises:
        ValueError: views of different numbers of images, or fewer than two images; features that lack a map.

    Reference: Bachman, Hjelm, Buchwalter (2019), sections 4.1-4.3.
    """
    check_views(view1, view2, scales)
    values, penalties, terms, bounds = [], [], {}, {}
    predict = {
        side: [predictor(_places(view.local[side])) for view in (view2, view1)]
        for side in sorted({target_side for _, target_side in scales})
    }
    for source_side, target_side in scales:
        at = source_locations
        if at is None:
            at = _random_locations((view1, view2), source_side, generator)
        both = [
            predict_other(
                _source(view, source_side, where, components),
                clip=clip,
                penalty_weight=penalty_weight,
                temperature=temperature,
            )
            for view, where, predict_other in zip((view1, view2), at, predict[target_side], strict=True)
        ]
        name = f"{source_side}to{target_side}"
        values.append(_mean(p.value for p in both))
        penalties.append(penalty_weight * _mean(p.mean_square for p in both))
        terms[name] = _mean(p.log_probability for p in both)
        bounds[name] = _mean(p.bound for p in both)
    value, penalty = torch.stack(values).sum(), torch.stack(penalties).sum()
    return Objective(value, terms, bounds, math.log(num_ranks() * len(view1.global_)), {"penalty": penalty})


def dim_objective(
    scores: Mapping[str, Float[Tensor, "g n n *locations"]],
    bound: Bound,
    weights: Mapping[str, float],
) -> Objective:
    """Σ over terms of weight · bound( f(y_i, m_j) ): Deep InfoMax, of what its critics say.

    Args:
        scores: of each term; global vectors y of image i against places m of image j, positives on the
            diagonal. The bound is that of each of the g global vectors of an image, averaged.
        bound: scores to a scalar, a function of `infomax.estimation.bounds`.
        weights: of the terms.

    Raises:
        ValueError: scores that are not finite, not square, or of a single image.
    Example:
        >>> from infomax.estimation.bounds import jensen_shannon
        >>> objective = dim_objective({"local": torch.zeros(1, 8, 8, 4, 4)}, jensen_shannon, {"local": 1.0})
        >>> round(objective.value.item(), 6) + 0.0
        0.0

    Reference: Hjelm et al. (2018), eq. 4, 5, 6 and 8.
    """
    _check_finite(scores)
    terms = {name: _mean(bound(of_global) for of_global in s) for name, s in scores.items()}
    with torch.no_grad():
        bounds = {name: _mean(infonce_by_image(one) for one in s) for name, s in scores.items()}
    value = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
    return Objective(value, terms, bounds, math.log(next(iter(scores.values())).shape[1]))


def _source(
    features: Features,
    side: int,
    locations: Int[Tensor, " b"],
    components: Callable[[Tensor], Tensor] | None,
) -> Float[Tensor, "b *k d"]:
    """What predicts of each image: the global feature, or its components, or one location of a local map."""
    if side == 1:
        return features.global_ if components is None else components(features.global_)
    cells = _places(features.local[side])
    return cells[torch.arange(len(cells), device=cells.device), locations.to(cells.device)]


def _places(local: Float[Tensor, "b d *places"]) -> Float[Tensor, "b l d"]:
    return local.movedim(1, -1).flatten(1, -2)


def _random_locations(
    views: tuple[Features, Features], side: int, generator: Generator | None
) -> Int[Tensor, "2 b"]:
    device = views[0].global_.device if generator is None else generator.device
    num_places = [1 if side == 1 else view.local[side][0, 0].numel() for view in views]
    num_images = len(views[0].global_)
    return torch.stack(
        [torch.randint(num, (num_images,), generator=generator, device=device) for num in num_places]
    )


def _mean(values: Iterable[Tensor]) -> Tensor:
    return torch.stack([*values]).mean()


def check_views(view1: Features, view2: Features, scales: Scales) -> None:
    """Make sure that features of two views can predict each other.

    Raises:
        ValueError: different numbers of images or dimensions; a scale whose map is missing.
    """
    if view1.global_.shape != view2.global_.shape:
        raise ValueError(
            "amdim_objective: the two views must hold the same images in the same dimension, got global "
            f"features {list(view1.global_.shape)} and {list(view2.global_.shape)}"
        )
    needed = {side for scale in scales for side in scale} - {1}
    if needed - (view1.local.keys() & view2.local.keys()):
        raise ValueError(
            f"amdim_objective: both views need local maps of sides {sorted(needed)}, got "
            f"{sorted(view1.local)} and {sorted(view2.local)}; use another encoder, or other scales"
        )


def _check_finite(scores: Mapping[str, Tensor]) -> None:
    for name, s in scores.items():
        num_bad = int((~torch.isfinite(s)).sum())
        if num_bad:
            raise ValueError(
                f"dim_objective: the scores of the {name} term are not finite ({num_bad} of {s.numel()}); "
                "did training diverge? lower the learning rate"
            )
