"""The prediction on a GPU: products by the library, and one kernel for all else; equal to `dense`.

A GPU spends its time on the passes over n·n·l scores, each of which moves them through memory; its three
products are soon done. Here a block of rows is scored, ⟨x_i, y_jp⟩ in float32 whatever the features are. One
program of the kernel, `_to_gradient`, takes an image's row. It reads the row once for log Z_i and the mean
square, which give V, P and the bound. It reads the row again, now mostly from cache, to write g in the type
of the features. Formulas and names are those of `streamed`.

The backward pass makes the two other products of g, two bytes a score in bfloat16, which is kept for it; the
incoming gradient scales a source rather than all of y. Beyond `MAX_DENSE_SCORES` scores nothing is kept and
blocks of rows are scored again: memory does not grow, and there are four products instead of three.

The module can be imported, but not used, without Triton.
"""

import math
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any, no_type_check

import torch
from jaxtyping import Float
from torch import Tensor

from infomax.learning.objectives.contrastive.blocks import MAX_DENSE_SCORES, rows_of, slices
from infomax.learning.objectives.contrastive.prediction import Prediction, check_features, components
from infomax.learning.objectives.scoring import Scoring

jit: Any = no_type_check  # leaves a function as it is
constexpr: Any = int
next_power_of_2: Any = None
if find_spec("triton"):
    import triton  # pyright: ignore[reportMissingImports]
    from triton import language as tl  # pyright: ignore[reportMissingImports]

    jit, constexpr, next_power_of_2 = triton.jit, tl.constexpr, triton.next_power_of_2

TILE = 1024
"""Scores of an image that a program holds at a time, over all components."""

NUM_WARPS = 8
"""Warps of 32 threads. At four numbers a thread, four programs fit a multiprocessor: 528 rows on 132."""


def fused_prediction(
    source: Float[Tensor, "m *k d"],
    target: Float[Tensor, "n l d"],
    scoring: Scoring,
    first: int | None = None,
) -> Prediction:
    """Return what `dense_prediction` returns, by one kernel between the products; differentiable once.

    Features in bfloat16 are multiplied as they are, with sums in float32, and so are g and features in the
    backward pass: gradients are of relative error 2⁻⁸ or so. Any other type is computed in float32, with
    products in TF32 where PyTorch is told to use it.

    Args:
        source: x, one vector an image, or the k components of a mixture.
        target: y, the places of the same images, in the same order.
        scoring: c, λ and T.
        first: the sources are of the images from this one on; default: of all of them.

    Raises:
        ValueError: shapes that do not fit, or n < 2.
    """
    check_features(source, target, first)
    differentiate = torch.is_grad_enabled() and (source.requires_grad or target.requires_grad)
    both = {source.dtype, target.dtype}
    dtype = torch.bfloat16 if both == {torch.bfloat16} else torch.float32
    with torch.autocast(source.device.type, enabled=False):
        x, y = (features.to(dtype).contiguous() for features in (components(source), target))
        return Prediction(*_Fused.apply(x, y, scoring, first or 0, differentiate))


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, y: Tensor, scoring: Scoring, first: int, differentiate: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        ctx.scoring, ctx.first = scoring, first
        keep = differentiate and _rows_at_a_time(x, y) == len(x)
        blocks = [(of_sources, g) for _, of_sources, g in _blocks(x, y, scoring, first, keep)]
        of_sources, gradients = zip(*blocks, strict=True)
        ctx.save_for_backward(x, y, gradients[0] if keep else None)
        log_probability, mean_square, bound = torch.cat(of_sources).mean(0)
        ctx.mark_non_differentiable(log_probability, mean_square, bound)
        return log_probability - scoring.penalty_weight * mean_square, log_probability, mean_square, bound

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        grad_value = grad_outputs[0]
        x, y, kept = ctx.saved_tensors
        whole = [(slice(0, len(x)), None, kept)]
        blocks = _blocks(x, y, ctx.scoring, ctx.first, True) if kept is None else whole
        scale = grad_value / math.sqrt(x.shape[-1])
        grad_x, grad_y = torch.empty_like(x), torch.empty_like(y)
        with torch.autocast(x.device.type, enabled=False):
            for rows, _, g in blocks:
                sources = x[rows].flatten(0, 1)
                grad_x[rows] = (_product(g, y.flatten(0, 1)) * scale).view_as(x[rows])
                grad_y.view(-1, y.shape[2]).addmm_(
                    g.T, (sources * scale).to(x.dtype), beta=float(rows.start > 0)
                )
        return grad_x, grad_y, None, None, None


def _rows_at_a_time(x: Float[Tensor, "m k d"], y: Float[Tensor, "n l d"]) -> int:
    """Return how many images are scored in a block."""
    return rows_of(MAX_DENSE_SCORES, len(x), x.shape[1] * y.shape[:2].numel())


def _blocks(
    x: Float[Tensor, "m k d"],
    y: Float[Tensor, "n l d"],
    scoring: Scoring,
    first: int,
    differentiate: bool,
) -> Iterator[tuple[slice, Float[Tensor, "r 3"], Float[Tensor, "scored targets"]]]:
    """Yield rows; V, P and the bound of each of their sources; g of their scores. The next overwrite g."""
    block, targets = _rows_at_a_time(x, y), y.flatten(0, 1)
    scores = x.new_empty(block * x.shape[1], len(targets), dtype=torch.float32)
    gradient = scores if x.dtype == scores.dtype else torch.empty_like(scores, dtype=x.dtype)
    for rows in slices(len(x), block):
        sources = x[rows].flatten(0, 1)
        a, g = scores[: len(sources)], gradient[: len(sources)]
        _product(sources, targets.T, out=a)
        yield rows, _launch(a, g, x.shape, y.shape, scoring, first + rows.start, differentiate), g


def _product(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """Return a b in float32; on a GPU without a copy of its factors."""
    if a.device.type == "cpu":
        return torch.mm(a.float(), b.float(), out=out)
    return torch.mm(a, b, out_dtype=torch.float32, out=out)


def _launch(
    a: Float[Tensor, "scored targets"],
    g: Float[Tensor, "scored targets"],
    x_shape: tuple[int, ...],
    y_shape: tuple[int, ...],
    scoring: Scoring,
    first: int,
    differentiate: bool,
) -> Float[Tensor, "r 3"]:
    """Run `_to_gradient` for all sources of a block; return V, P and the bound of each."""
    (m, k, d), (n, num_places, _) = x_shape, y_shape
    of_sources = a.new_empty(len(a) // k, 3)
    padded = next_power_of_2(k), next_power_of_2(num_places)
    kernel: Any = _to_gradient
    with torch.cuda.device_of(a):
        kernel[(len(of_sources),)](
            a, g, of_sources,
            m, k, n * num_places, num_places, first,
            1 / math.sqrt(d), scoring.clip, scoring.penalty_weight, scoring.temperature,
            math.log(n), math.log(num_places),
            differentiate, *padded, max(TILE // padded[0], 1), num_warps=NUM_WARPS,
        )  # fmt: skip
    return of_sources


@jit
@no_type_check
def _to_gradient(
    products, gradient, of_sources,
    num_sources, num_components, num_columns, num_places, first,
    scale, clip, penalty_weight, temperature, log_images, log_places,
    DIFFERENTIATE: constexpr, K: constexpr, L: constexpr, TILE: constexpr,
):  # fmt: skip
    """Turn products of one image's components with all targets into g; store V, P and the bound."""
    i = tl.program_id(0)
    component, place, within = tl.arange(0, K)[:, None], tl.arange(0, L)[None, :], tl.arange(0, TILE)[None, :]
    present = component < num_components
    row = (i.to(tl.int64) * num_components + component) * num_columns
    own = (first + i) * num_places
    at_own, is_own = row + own + place, present & (place < num_places)
    a_own = tl.load(products + at_own, mask=is_own, other=0.0) * scale
    positives, slope_own = _clipped(a_own, clip)

    peak = tl.full([K, TILE], -3e38, tl.float32)
    partition = tl.zeros([K, TILE], tl.float32)  # Z e^{−peak}, in as many parts as columns at a time
    squares = tl.zeros([K, TILE], tl.float32)
    for start in range(0, num_columns, TILE):
        column = start + within
        a = tl.load(products + row + column, mask=present & (column < num_columns), other=0.0) * scale
        s, _ = _clipped(a, clip)
        others = (column < own) | ((column >= own + num_places) & (column < num_columns))
        s = tl.where(others, s, float("-inf"))
        e = tl.exp(-tl.abs(s - peak))
        partition = tl.where(s > peak, partition * e + 1, partition + e)
        peak = tl.maximum(s, peak)
        squares += a * a
    highest = tl.max(peak, 1)[:, None]
    log_z = highest + tl.log(tl.sum(partition * tl.exp(peak - highest), 1)[:, None])

    odds = positives - log_z
    log_p = _soft_maximum(odds, present, num_components, temperature)
    by_image = log_images + _soft_maximum(odds + log_places, present, num_components, 1.0)
    counted = tl.arange(0, L) < num_places
    tl.store(of_sources + 3 * i, tl.sum(tl.where(counted, log_p, 0.0)) / num_places)
    tl.store(of_sources + 3 * i + 1, tl.sum(squares) / (1.0 * num_components * num_columns))
    tl.store(of_sources + 3 * i + 2, tl.sum(tl.where(counted, by_image, 0.0)) / num_places)

    if DIFFERENTIATE:
        posterior = tl.exp((_log_sigmoid(odds) - log_p[None, :]) / temperature) / num_components
        missed = posterior * tl.sigmoid(-odds) / (1.0 * num_sources * num_places)  # q / nl
        of_others = -tl.sum(tl.where(is_own, missed, 0.0), 1)[:, None]
        penalty = -2 * penalty_weight / (1.0 * num_components * num_sources * num_columns)
        for start in range(0, num_columns, TILE):
            column = start + within
            inside = present & (column < num_columns)
            a = tl.load(products + row + column, mask=inside, other=0.0) * scale
            s, slope = _clipped(a, clip)
            g = penalty * a + slope * of_others * tl.exp(s - log_z)
            tl.store(gradient + row + column, g, mask=inside)
        tl.debug_barrier()  # the loop has written the own places, too; they are written again
        tl.store(gradient + at_own, penalty * a_own + slope_own * missed, mask=is_own)


@jit
@no_type_check
def _clipped(a, clip):
    """Return s = c tanh(a / c) and ds/da = 1 − tanh²; tanh by its series where 1 − e^{−2u} would cancel."""
    s, slope = a, 1.0
    if clip is not None:
        u = a / clip
        v = u * u
        e = tl.exp(-2 * tl.abs(u))
        far = (1 - e) / (1 + e)
        near = u * (1 + v * (-1 / 3 + v * (2 / 15 + v * (-17 / 315 + v * (62 / 2835)))))
        t = tl.where(v < 0.06, near, tl.where(u < 0, -far, far))
        s, slope = clip * t, 1 - t * t
    return s, slope


@jit
@no_type_check
def _log_sigmoid(x):
    return tl.minimum(x, 0.0) - tl.log(1 + tl.exp(-tl.abs(x)))


@jit
@no_type_check
def _soft_maximum(odds, present, num_components, temperature):
    """Return T log mean_h σ(odds_h)^{1/T} over the components that are present."""
    log_p = tl.where(present, _log_sigmoid(odds), float("-inf"))
    best = tl.max(log_p, 0)
    total = tl.sum(tl.exp((log_p - best[None, :]) / temperature), 0)
    return best + temperature * tl.log(total / num_components)
