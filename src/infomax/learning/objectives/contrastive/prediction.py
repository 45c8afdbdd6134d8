"""The value of a prediction, and the small functions that all ways of computing it share."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

MAX_FAST_CLIP = 100.0
"""The largest clip for which scores may have an error of 10⁻⁷ of it."""


@dataclass(frozen=True)
class Prediction:
    """The value and its parts, as scalars; all but the value are without gradient.

    value: log_probability − penalty_weight · mean_square, to be maximised.
    log_probability: V, at most 0.
    mean_square: P, of the scores before clipping.
    bound: `bounds.infonce_by_image`, in nats.
    """

    value: Float[Tensor, ""]
    log_probability: Float[Tensor, ""]
    mean_square: Float[Tensor, ""]
    bound: Float[Tensor, ""]


def check_features(source: Tensor, target: Tensor, first: int | None) -> None:
    """Check that the sources can predict the targets; the arguments are those of `dense_prediction`.

    Raises:
        ValueError: shapes that do not fit, or n < 2.
    """
    m, n = len(source), len(target)
    fits = m == n if first is None else 0 <= first <= n - m
    if not fits or target.shape[2] != source.shape[-1]:
        raise ValueError(
            "prediction: sources [n, d] and targets [n, l, d] must be of the same images and dimension, got "
            f"{list(source.shape)} and {list(target.shape)}"
            + ("" if first is None else f", with sources of the images from {first} on")
        )
    if n < 2:
        raise ValueError(
            f"prediction: a positive needs at least one negative, n ≥ 2, got n = {n}; use a larger batch"
        )


def components(source: Float[Tensor, "n *k d"]) -> Float[Tensor, "n k d"]:
    """Return the sources as mixtures; a single vector is a mixture of one component."""
    return source[:, None] if source.ndim == 2 else source


def clipped(a: Tensor, clip: float | None) -> tuple[Tensor, Tensor]:
    """Return s = c tanh(a / c) and ds/da = 1 − tanh², as new tensors.

    tanh z = 2σ(2z) − 1 takes a tenth of the time on CPUs. In float32 it has an error of 10⁻⁷, in s of 10⁻⁷ c,
    wherever z is; so it serves only a clip of up to `MAX_FAST_CLIP`.
    """
    if clip is None:
        return a.clone(), a.new_ones(())
    t = torch.tanh(a / clip) if clip > MAX_FAST_CLIP else (a * (2 / clip)).sigmoid_().mul_(2).sub_(1)
    return clip * t, t.square_().neg_().add_(1)


def own_places(scores: Float[Tensor, "r k n l"], first: int) -> Float[Tensor, "r k l"]:
    """Return a view of the scores of r sources, from image `first` on, with the places of their own image."""
    return scores[:, :, first : first + len(scores)].diagonal(dim1=0, dim2=2).permute(2, 0, 1)


def soft_maximum(log_p: Float[Tensor, "r k l"], temperature: float) -> Float[Tensor, "r l"]:
    """Return T log mean_h p_h^{1/T}: between the mean of log p over components and the best of them."""
    return temperature * (torch.logsumexp(log_p / temperature, 1) - math.log(log_p.shape[1]))


def bound_by_image(odds: Float[Tensor, "r k l"], num_images: int) -> Float[Tensor, "r l"]:
    """Return the terms of `bounds.infonce_by_image`: log n + log of the mean probability over components.

    Args:
        odds: `bounds.log_odds` of each component.
        num_images: n.
    """
    return math.log(num_images) + soft_maximum(logsigmoid(odds + math.log(odds.shape[2])), 1.0)
