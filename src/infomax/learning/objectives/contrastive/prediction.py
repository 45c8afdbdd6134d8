"""How well a vector of one view predicts each place of the other: one direction of one term of AMDIM.

Sources x_i and targets y_jk, the l places of n images, all of d features::

    a_ijk = ⟨x_i, y_jk⟩ / √d         s = c tanh(a / c)        Z_i = Σ_{j≠i,k} e^{s_ijk}
    V = mean_ik log[ e^{s_iik} / (e^{s_iik} + Z_i) ]          P = mean_ijk a²
    value = V − λ P

The image's own other places are left out of Z_i. `bounds.infonce_by_image` counts an image once, by the mean
over its places: Σ_{j≠i} mean_k e^s = Z_i / l, so that the same Z_i gives it too.

**Mixtures.** A source may be k vectors x_i1 … x_ik, the components of a mixture, each of which predicts by
itself, with its own Z: with p_ijk the probability above under component j, a place takes the component that
tells most about it, softly, at a temperature 1/τ::

    V = mean_ik (1/τ) log mean_j p_ijk^τ
      = mean_ik max_q [ Σ_j q_j log p_ijk − KL(q ‖ uniform) / τ ]

The second form is the paper's entropy-regularised posterior, up to the constant log k / τ; at τ = 1, V is the
log-likelihood of a mixture of k equal parts, and the bound counts images as that mixture does, whatever τ is.

**Streamed.** The scores are n·n·l numbers, needed only on the way to a scalar, and a source meets no scores
but those of its own row. With q_ik = σ(log Z_i − s_iik), the probability that a positive is missed (in a
mixture, times the posterior of its component)::

    ∂V/∂s_iik = q_ik / nl             ∂V/∂s_ijk = −(Σ_m q_im / nl) · e^{s_ijk} / Z_i       (j ≠ i)
    g = ∂value/∂a = ∂V/∂s · (1 − tanh²(a / c)) − 2λ a / nnl
    ∂value/∂x = g y / √d              ∂value/∂y = gᵀ x / √d

So blocks of rows are scored, turned into g in place, and multiplied into both gradients, already in the
forward pass; the backward pass scales them. Nothing is computed twice: attention has to, since its value is
no scalar. Three products of 2nnld operations, as without streaming. Memory: a block, and the gradients.

**Some of the rows.** The sources may be of a few of the images, those from `first` on: i then runs over them,
j over all n, and means over i are over those few. `distributed` divides the rows among processes in this way.

References: Bachman, Hjelm, Buchwalter (2019), sections 4.1-4.3, and what they say of mixtures; Dao et al.
(2022), FlashAttention, for softmax by tiles; Hsu et al. (2024), Liger Kernel, for gradients made in the
forward pass.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from infomax.estimation.bounds import log_odds

BLOCK = 12 * 2**20
"""Scores at a time: enough rows that the products run at full speed, in 48 MiB of float32."""

IN_CACHE = 2**18
"""Scores at a time, on a CPU, between two products."""

MOST_DENSE = 2**28
"""Scores held at once where memory is not on a CPU: 1 GiB of float32, of which the dense path needs six."""


@dataclass(frozen=True)
class Prediction:
    """The value and its parts, as scalars.

    value: log_probability − penalty_weight · mean_square, to be maximised. log_probability: V, at most 0.
    mean_square: P, of the scores before clipping. bound: `bounds.infonce_by_image`, nats. All but the value
    are detached.
    """

    value: Float[Tensor, ""]
    log_probability: Float[Tensor, ""]
    mean_square: Float[Tensor, ""]
    bound: Float[Tensor, ""]


def prediction(
    source: Float[Tensor, "m *k d"],
    target: Float[Tensor, "n l d"],
    clip: float | None = None,
    penalty_weight: float = 0.0,
    temperature: float = 1.0,
    first: int | None = None,
) -> Prediction:
    """`fused_prediction`, `streamed_prediction` or `dense_prediction`, whichever costs least.

    Fused on a GPU that can. Streamed on a CPU, where it takes less time than dense at every size measured
    (`benchmarks/objective.py`), and for more than `MOST_DENSE` scores anywhere else. Otherwise dense, and
    within `torch.compile`, too, which then fuses it.

    Args:
        source: x, one vector an image, or the k components of a mixture.
        target: y, the places of the same images, in the same order.
        clip: c; None leaves scores as they are.
        penalty_weight: λ.
        temperature: 1/τ, of a mixture's posterior; small: the best component alone learns.
        first: the sources are of the images from this one on; default: of all of them.

    Raises:
        ValueError: shapes that do not fit, or n < 2.
    """
    compute = _cheapest(source, target)
    return compute(source, target, clip, penalty_weight, temperature, first)


def _cheapest(source: Tensor, target: Tensor) -> Callable[..., Prediction]:
    if not torch.compiler.is_compiling() and source.dtype != torch.float64 and can_fuse(source.device):
        from infomax.learning.objectives.contrastive.fused import fused_prediction

        return fused_prediction
    many = len(source) * target.shape[:2].numel() > MOST_DENSE
    return streamed_prediction if many or source.device.type == "cpu" else dense_prediction


def can_fuse(device: torch.device) -> bool:
    """Whether `fused_prediction` runs there: on NVIDIA's GPUs from Ampere on, with Triton installed."""
    return (
        device.type == "cuda"
        and torch.version.hip is None
        and find_spec("triton") is not None
        and torch.cuda.get_device_capability(device) >= (8, 0)
    )


def dense_prediction(
    source: Float[Tensor, "m *k d"],
    target: Float[Tensor, "n l d"],
    clip: float | None = None,
    penalty_weight: float = 0.0,
    temperature: float = 1.0,
    first: int | None = None,
) -> Prediction:
    """V − λ P from all n·n·l scores at once: the definition, differentiable any number of times.

    Args:
        source: x, one vector an image, or the k components of a mixture.
        target: y, the places of the same images, in the same order.
        clip: c; None leaves scores as they are.
        penalty_weight: λ.
        temperature: 1/τ, of a mixture's posterior; small: the best component alone learns.
        first: the sources are of the images from this one on; default: of all of them.

    Raises:
        ValueError: shapes that do not fit, or n < 2.
    """
    check_features(source, target, first)
    with torch.autocast(source.device.type, enabled=False):
        x, y = at_least_float32(components(source)), at_least_float32(target)
        raw = (x / math.sqrt(x.shape[-1])) @ y.flatten(0, 1).T  # [n, k, n·l]
    raw = raw.unflatten(2, target.shape[:2])
    scores = raw if clip is None else clip * torch.tanh(raw / clip)
    odds = torch.stack([log_odds(of_component, first) for of_component in scores.unbind(1)], dim=1)
    log_probability = soft_maximum(logsigmoid(odds), temperature).mean()
    mean_square = raw.square().mean()
    with torch.no_grad():
        bound = bound_by_image(odds, len(target)).mean()
    value = log_probability - penalty_weight * mean_square
    return Prediction(value, log_probability.detach(), mean_square.detach(), bound)


def streamed_prediction(
    source: Float[Tensor, "m *k d"],
    target: Float[Tensor, "n l d"],
    clip: float | None = None,
    penalty_weight: float = 0.0,
    temperature: float = 1.0,
    first: int | None = None,
) -> Prediction:
    """The same as `dense_prediction`, by blocks of rows; differentiable once.

    Beyond inputs and gradients it needs `BLOCK` scores (or one row of n·l, if that is more) and, for inputs
    that are not float32 with features last in memory, a copy that is.

    Args:
        source: x, one vector an image, or the k components of a mixture.
        target: y, the places of the same images, in the same order.
        clip: c; None leaves scores as they are.
        penalty_weight: λ.
        temperature: 1/τ, of a mixture's posterior; small: the best component alone learns.
        first: the sources are of the images from this one on; default: of all of them.

    Raises:
        ValueError: shapes that do not fit, or n < 2.
        RuntimeError: in backward, if it has run before: the gradients are handed out, not copied.

    Example:
        >>> x, y = torch.eye(4), torch.eye(4)[:, None]
        >>> streamed_prediction(x, y).value.item() == dense_prediction(x, y).value.item()
        True
    """
    check_features(source, target, first)
    differentiate = torch.is_grad_enabled() and (source.requires_grad or target.requires_grad)
    with torch.autocast(source.device.type, enabled=False):
        x, y = at_least_float32(components(source)), at_least_float32(target)
        return Prediction(
            *_Streamed.apply(x, y, clip, penalty_weight, temperature, first or 0, differentiate)
        )


class _Streamed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, source, target, clip, penalty_weight, temperature, first, differentiate):
        means, ctx.gradients = _stream(
            source, target, clip, penalty_weight, temperature, first, differentiate
        )
        log_probability, mean_square, bound = means
        ctx.mark_non_differentiable(log_probability, mean_square, bound)
        return log_probability - penalty_weight * mean_square, log_probability, mean_square, bound

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_value, *_):
        if ctx.gradients is None:
            raise RuntimeError(
                "streamed_prediction: backward has run before, and its gradients were handed out; "
                "compute the value again, or use dense_prediction"
            )
        grad_source, grad_target = (gradient.mul_(grad_value) for gradient in ctx.gradients)
        ctx.gradients = None
        return grad_source, grad_target, *[None] * 5


def _stream(
    source: Float[Tensor, "m k d"],
    target: Float[Tensor, "n l d"],
    clip: float | None,
    penalty_weight: float,
    temperature: float,
    first: int,
    differentiate: bool,
) -> tuple[Float[Tensor, "3"], tuple[Tensor, Tensor] | None]:
    """V, P and the bound; the gradients of the value."""
    m, k, d = source.shape
    y = target.flatten(0, 1)  # [n·l, d]
    gradients = (torch.zeros_like(source), torch.zeros_like(y)) if differentiate else None
    block = rows_of(BLOCK, m, k * len(y))
    few = rows_of(IN_CACHE, block, k * len(y)) if y.device.type == "cpu" else block
    scores, of_sources = y.new_empty(block * k, len(y)), y.new_empty(m, 3)
    for rows in slices(m, block):
        x = source[rows].flatten(0, 1) / math.sqrt(d)
        a = torch.mm(x, y.T, out=scores[: len(x)])
        by_image = a.view(-1, k, *target.shape[:2])
        for part in slices(len(by_image), few):
            at = slice(rows.start + part.start, rows.start + part.stop)
            of_sources[at] = _to_gradient(by_image[part], at, m, clip, penalty_weight, temperature, first)
        if gradients is not None:
            gradients[0][rows].view_as(x).addmm_(a, y, alpha=1 / math.sqrt(d))
            gradients[1].addmm_(a.T, x)
    if gradients is not None:
        gradients = gradients[0], gradients[1].unflatten(0, target.shape[:2])
    return of_sources.mean(0), gradients


def _to_gradient(
    a: Float[Tensor, "r k n l"],
    at: slice,
    num_sources: int,
    clip: float | None,
    penalty_weight: float,
    temperature: float,
    first: int,
) -> Float[Tensor, "r 3"]:
    """Raw scores of some images become g, in place; V, P and the bound of each are returned."""
    _, k, n, num_places = a.shape
    mean_square = a.square().mean((1, 2, 3))
    s, slope = clipped(a, clip)
    own = own_places(s, first + at.start)
    positives = own.clone()
    own.fill_(-torch.inf)
    peak = s.amax((2, 3))
    e = s.sub_(peak[..., None, None]).exp_()
    partition = e.sum((2, 3))  # Z e^{−peak}
    odds = positives - (partition.log() + peak)[..., None]
    log_p = logsigmoid(odds)

    posterior = torch.softmax(log_p / temperature, dim=1)
    missed = posterior * torch.sigmoid(-odds) / (num_sources * num_places)  # q / nl
    e.mul_(-(missed.sum(2) / partition)[..., None, None])
    own.copy_(missed)  # e is ∂V/∂s
    a.mul_(-2 * penalty_weight / (k * num_sources * n * num_places)).addcmul_(e, slope)

    log_probability = soft_maximum(log_p, temperature).mean(1)
    return torch.stack([log_probability, mean_square, bound_by_image(odds, n).mean(1)], 1)


def own_places(scores: Float[Tensor, "r k n l"], first: int) -> Float[Tensor, "r k l"]:
    """A view of the scores of r sources, of images `first` and on, with places of their own image."""
    return scores[:, :, first : first + len(scores)].diagonal(dim1=0, dim2=2).permute(2, 0, 1)


def soft_maximum(log_p: Float[Tensor, "r k l"], temperature: float) -> Float[Tensor, "r l"]:
    """(1/τ) log mean_j e^{τ log p_j}: between the mean over components and the best of them."""
    return temperature * (torch.logsumexp(log_p / temperature, 1) - math.log(log_p.shape[1]))


def bound_by_image(odds: Float[Tensor, "r k l"], num_images: int) -> Float[Tensor, "r l"]:
    """log n + log of the mean probability over components, where each other image counts once."""
    return math.log(num_images) + soft_maximum(logsigmoid(odds + math.log(odds.shape[2])), 1.0)


def clipped(a: Tensor, clip: float | None) -> tuple[Tensor, Tensor]:
    """s = c tanh(a / c) and ds/da = 1 − tanh², as new tensors."""
    if clip is None:
        return a.clone(), a.new_ones(())
    t = torch.tanh(a / clip)
    return clip * t, t.square_().neg_().add_(1)


def rows_of(num_scores: int, num_rows: int, row: int) -> int:
    """Rows a block: as many as give `num_scores`, at least one, in blocks of nearly equal size."""
    most = max(1, num_scores // row)
    return math.ceil(num_rows / math.ceil(num_rows / most))


def slices(size: int, step: int) -> Iterator[slice]:
    """All of 0 … size − 1, at most `step` at a time."""
    return (slice(start, min(start + step, size)) for start in range(0, size, step))


def at_least_float32(x: Tensor) -> Tensor:
    """x, in float32 if it was in less."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def components(source: Float[Tensor, "n *k d"]) -> Float[Tensor, "n k d"]:
    """A single vector as a mixture of one."""
    return source[:, None] if source.ndim == 2 else source


def check_features(source: Tensor, target: Tensor, first: int | None) -> None:
    """Make sure that the sources can predict the targets; arguments as of `prediction`.

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
