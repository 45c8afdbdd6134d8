"""The prediction by blocks of rows, with the gradients made in the forward pass; equal to `dense`.

The scores are n·n·l numbers, needed only on the way to a scalar, and a source meets no scores but those of
its own row. In the names of `dense`, with q_ip = σ(log Z_i − s_iip) the probability that a positive is missed
(in a mixture, times the posterior of its component)::

    ∂V/∂s_iip = q_ip / nl             ∂V/∂s_ijp = −(Σ_r q_ir / nl) · e^{s_ijp} / Z_i       (j ≠ i)
    g = ∂value/∂a = ∂V/∂s · (1 − tanh²(a / c)) − 2λ a / nnl
    ∂value/∂x = g y / √d              ∂value/∂y = gᵀ x / √d

A block of rows is scored, turned into g in place, and multiplied into both gradients, in the forward pass;
the backward pass scales them. Nothing is computed twice. Attention has to compute its scores twice, because
its value is no scalar. The cost is three products of 2nnld operations, as in `dense`; the memory, a block and
the gradients.

Features in bfloat16 are multiplied as they are: scores and gradients are then of relative error 2⁻⁸ or so,
and sums over scores are in float32.

References: Dao et al. (2022), FlashAttention, for softmax by tiles; Hsu et al. (2024), Liger Kernel, for
gradients made in the forward pass.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from infomax.learning.distributed.groups import at_least_float32
from infomax.learning.objectives.contrastive.blocks import (
    MAX_BLOCK_SCORES,
    MAX_CACHED_SCORES,
    rows_of,
    slices,
)
from infomax.learning.objectives.contrastive.prediction import (
    Prediction,
    bound_by_image,
    check_features,
    clipped,
    components,
    own_places,
    soft_maximum,
)
from infomax.learning.objectives.scoring import Scoring


def streamed_prediction(
    source: Float[Tensor, "m *k d"],
    target: Float[Tensor, "n l d"],
    scoring: Scoring,
    first: int | None = None,
) -> Prediction:
    """Return what `dense_prediction` returns, computed by blocks of rows; differentiable once.

    Beyond inputs and gradients it needs `MAX_BLOCK_SCORES` scores (or one row of n·l, if that is more), and a
    copy of inputs that are not float32 with features last in memory.

    Args:
        source: x, one vector an image, or the k components of a mixture.
        target: y, the places of the same images, in the same order.
        scoring: c, λ and T.
        first: the sources are of the images from this one on; default: of all of them.

    Raises:
        ValueError: shapes that do not fit, or n < 2.
        RuntimeError: in a second backward pass, because the gradients are handed out, not copied.

    Example:
        >>> from infomax.learning.objectives.contrastive.dense import dense_prediction
        >>> x, y = torch.eye(4), torch.eye(4)[:, None]
        >>> streamed, dense = (way(x, y, Scoring()) for way in (streamed_prediction, dense_prediction))
        >>> abs(streamed.value.item() - dense.value.item()) < 1e-5
        True
    """
    check_features(source, target, first)
    differentiate = torch.is_grad_enabled() and (source.requires_grad or target.requires_grad)
    with torch.autocast(source.device.type, enabled=False):
        x, y = as_multiplied(components(source), target)
        return Prediction(*_Streamed.apply(x, y, scoring, first or 0, differentiate))


def as_multiplied(
    source: Float[Tensor, "m k d"], target: Float[Tensor, "n l d"]
) -> tuple[Float[Tensor, "m k d"], Float[Tensor, "n l d"]]:
    """Return features as they are multiplied: in bfloat16 if all are in it, else in float32 or more."""
    if source.dtype == target.dtype == torch.bfloat16:
        return source, target
    return at_least_float32(source), at_least_float32(target)


class _Streamed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, source: Tensor, target: Tensor, scoring: Scoring, first: int, differentiate: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        y = target.flatten(0, 1)  # [n·l, d]
        numbers = torch.promote_types(y.dtype, torch.float32)  # of all but the products
        gradients = tuple(torch.zeros_like(z, dtype=numbers) for z in (source, y)) if differentiate else None
        of_sources = y.new_empty(len(source), 3, dtype=numbers)  # V, P and the bound of each
        for rows, x, a in _scored(source, y):
            for at, scores in _in_cache(rows, a, source.shape[1], target.shape):
                mean_square = scores.square().mean((1, 2, 3))
                odds = _to_gradient(scores, first + at.start, len(source), scoring)
                log_probability = soft_maximum(logsigmoid(odds), scoring.temperature).mean(1)
                bound = bound_by_image(odds, len(target)).mean(1)
                of_sources[at] = torch.stack([log_probability, mean_square, bound], 1)
            if gradients is not None:
                _add_to_gradients(gradients, rows, a, x, y)
        ctx.gradients = gradients and (gradients[0], gradients[1].view_as(target))
        log_probability, mean_square, bound = of_sources.mean(0)
        ctx.mark_non_differentiable(log_probability, mean_square, bound)
        return log_probability - scoring.penalty_weight * mean_square, log_probability, mean_square, bound

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        grad_value = grad_outputs[0]
        if ctx.gradients is None:
            raise RuntimeError(
                "streamed_prediction: backward has run before, and its gradients were handed out; "
                "compute the value again, or use dense_prediction"
            )
        grad_source, grad_target = (gradient.mul_(grad_value) for gradient in ctx.gradients)
        ctx.gradients = None
        return grad_source, grad_target, None, None, None


def _scored(
    source: Float[Tensor, "m k d"], y: Float[Tensor, "targets d"]
) -> Iterator[tuple[slice, Float[Tensor, "scored d"], Float[Tensor, "scored targets"]]]:
    """Yield rows, their sources, and their scores before clipping; the next overwrite them."""
    m, k, d = source.shape
    block = rows_of(MAX_BLOCK_SCORES, m, k * len(y))
    scores = y.new_empty(block * k, len(y), dtype=torch.promote_types(y.dtype, torch.float32))
    for rows in slices(m, block):
        x = source[rows].flatten(0, 1)
        raw = scores[: len(x)]
        raw = raw.copy_(x @ y.T) if x.dtype != raw.dtype else torch.mm(x, y.T, out=raw)
        yield rows, x, raw.mul_(1 / math.sqrt(d))


def _in_cache(
    rows: slice, a: Float[Tensor, "scored targets"], k: int, target_shape: torch.Size
) -> Iterator[tuple[slice, Float[Tensor, "r k n l"]]]:
    """Yield parts of a block of scores, with their rows; on a CPU parts that fit its cache."""
    by_image = a.view(-1, k, *target_shape[:2])
    few = len(by_image)
    if a.device.type == "cpu":
        few = rows_of(MAX_CACHED_SCORES, few, k * a.shape[1])
    for part in slices(len(by_image), few):
        yield slice(rows.start + part.start, rows.start + part.stop), by_image[part]


def _to_gradient(
    a: Float[Tensor, "r k n l"], first: int, num_sources: int, scoring: Scoring
) -> Float[Tensor, "r k l"]:
    """Turn scores before clipping into g, in place; return the log-odds of the positives."""
    _, k, n, num_places = a.shape
    s, slope = clipped(a, scoring.clip)
    own = own_places(s, first)
    positives = own.clone()
    own.fill_(-torch.inf)
    peak = s.amax((2, 3))
    e = s.sub_(peak[..., None, None]).exp_()
    partition = e.sum((2, 3))  # Z e^{−peak}
    odds = positives - (partition.log() + peak)[..., None]

    posterior = torch.softmax(logsigmoid(odds) / scoring.temperature, dim=1)
    missed = posterior * torch.sigmoid(-odds) / (num_sources * num_places)  # q / nl
    e.mul_(-(missed.sum(2) / partition)[..., None, None])
    own.copy_(missed)  # e is ∂V/∂s
    a.mul_(-2 * scoring.penalty_weight / (k * num_sources * n * num_places)).addcmul_(e, slope)
    return odds


def _add_to_gradients(gradients: tuple[Tensor, ...], rows: slice, a: Tensor, x: Tensor, y: Tensor) -> None:
    """Add g y / √d to the gradient of the sources of these rows, gᵀ x / √d to that of the targets; a is g."""
    of_sources, of_targets = gradients
    g = a.mul_(1 / math.sqrt(y.shape[1])).to(y.dtype)
    _add_product(of_sources[rows].view_as(x), g, y)
    _add_product(of_targets, g.T, x)


def _add_product(total: Tensor, a: Tensor, b: Tensor) -> None:
    """Add a b, which may be of fewer digits than the total."""
    if a.dtype == total.dtype:
        total.addmm_(a, b)
    else:
        total.add_(a @ b)
