"""Features of two views to an objective to maximise: scores are formed here, `bounds` makes nats of them."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from infomax.estimation.bounds import infonce, infonce_by_image
from infomax.learning.encoders import Features

SCALES = {"1to5": (1, 5), "1to7": (1, 7), "5to5": (5, 5)}
"""Term -> (side of the source map, side of the target map); a side of 1 is the global feature."""


@dataclass(frozen=True)
class Objective:
    """An objective and its parts, as scalars in nats.

    value: what training maximises, Σ terms − penalty. terms: for each prediction the mean log-probability of
    the positives, at most 0. penalty: weighted mean square of the raw scores, summed over terms. bounds: for
    each term a lower bound on the mutual information between its source and a target at a random location, at
    most `ceiling` = log n (see `bounds.infonce_by_image`); detached, for watching.
    """

    value: Float[Tensor, ""]
    terms: Mapping[str, Float[Tensor, ""]]
    penalty: Float[Tensor, ""]
    bounds: Mapping[str, Float[Tensor, ""]]
    ceiling: float


def amdim_objective(
    view1: Features,
    view2: Features,
    *,
    clip: float = 20.0,
    penalty_weight: float = 0.05,
    source_locations: Int[Tensor, "2 b"] | None = None,
    generator: Generator | None = None,
) -> Objective:
    """Σ over 1→5, 1→7, 5→5 of E log [ e^{s⁺} / (e^{s⁺} + Σ_{other images} e^s) ] − penalty · E s².

    Features of one view predict those of the other at several scales; each term is the mean of both
    directions. The source of 5→5 is one location an image, drawn at random.

    Args:
        view1: features of one view of b images: global_ [b, d], local {5: [b, d, 5, 5], 7: [b, d, 7, 7]}.
        view2: features of the second view of the same images, in the same order.
        clip: scores s become clip · tanh(s / clip); the penalty is taken before.
        penalty_weight: weight of the mean square of the scores.
        source_locations: flat 5×5 location read as the 5→5 source, in view 1 and in view 2; default: random.
        generator: where their randomness comes from; default: torch's global one.

    Returns:
        The objective, to be maximised, with its parts.

    Raises:
        ValueError: views of different numbers of images, or fewer than two images; features that lack a map.

    Reference: Bachman, Hjelm, Buchwalter (2019), sections 4.1-4.3.
    """
    _check_views(view1, view2)
    if source_locations is None:
        source_locations = _random_locations(view1, generator)
    directions = ((view1, view2, source_locations[0]), (view2, view1, source_locations[1]))
    terms, penalties, bounds = {}, [], {}
    log_n = math.log(len(view1.global_))
    for name, (source_side, target_side) in SCALES.items():
        raw = [
            prediction_scores(_source(a, source_side, at), b.local[target_side]) for a, b, at in directions
        ]
        scores = [soft_clip(s, clip) for s in raw]
        terms[name] = _mean(infonce(s) for s in scores) - log_n
        penalties.append(penalty_weight * _mean(s.square().mean() for s in raw))
        with torch.no_grad():
            bounds[name] = _mean(infonce_by_image(s) for s in scores)
    penalty = torch.stack(penalties).sum()
    return Objective(torch.stack([*terms.values()]).sum() - penalty, terms, penalty, bounds, log_n)


def prediction_scores(
    source: Float[Tensor, "n d"], target: Float[Tensor, "m d h w"]
) -> Float[Tensor, "n m h w"]:
    """s[i, j, h, w] = ⟨source_i, target_j[:, h, w]⟩ / √d, computed in float32."""
    m, d, h, w = target.shape
    with torch.autocast(source.device.type, enabled=False):
        locations = target.float().permute(0, 2, 3, 1).reshape(-1, d)  # [m·h·w, d]
        scores = (source.float() / math.sqrt(d)) @ locations.T  # [n, m·h·w]
    return scores.view(-1, m, h, w)


def soft_clip(scores: Float[Tensor, "*shape"], clip: float) -> Float[Tensor, "*shape"]:
    """c · tanh(s / c): the identity near 0, within ±c everywhere."""
    return clip * torch.tanh(scores / clip)


def _source(features: Features, side: int, locations: Int[Tensor, " b"]) -> Float[Tensor, "b d"]:
    """The predicting feature of each image: the global one, or one location of a local map."""
    if side == 1:
        return features.global_
    cells = features.local[side].permute(0, 2, 3, 1).flatten(1, 2)  # [b, side·side, d]
    return cells[torch.arange(len(cells), device=cells.device), locations.to(cells.device)]


def _random_locations(features: Features, generator: Generator | None) -> Int[Tensor, "2 b"]:
    device = features.global_.device if generator is None else generator.device
    return torch.randint(5 * 5, (2, len(features.global_)), generator=generator, device=device)


def _mean(values: Iterable[Tensor]) -> Tensor:
    return torch.stack([*values]).mean()


def _check_views(view1: Features, view2: Features) -> None:
    if view1.global_.shape != view2.global_.shape:
        raise ValueError(
            "amdim_objective: the two views must hold the same images in the same dimension, got global "
            f"features {list(view1.global_.shape)} and {list(view2.global_.shape)}"
        )
    missing = {5, 7} - (view1.local.keys() & view2.local.keys())
    if missing:
        raise ValueError(
            f"amdim_objective: both views need local maps of sides 5 and 7, got {sorted(view1.local)} and "
            f"{sorted(view2.local)}; use an encoder that gives both"
        )
