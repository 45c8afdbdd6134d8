"""The prediction among ranks that pass blocks of targets round a ring; equal to `dense` of the whole batch.

The first round adds up log Z_i and the mean square. The second, in the backward pass, adds up the gradients;
those of the targets travel with their block. A rank holds two blocks of targets, and of their gradients,
however many ranks there are. The scores are computed twice. Formulas and names are those of `streamed`.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from infomax.learning.distributed.groups import ALL, Ranks, at_least_float32
from infomax.learning.objectives.contrastive.blocks import MAX_BLOCK_SCORES, rows_of, slices
from infomax.learning.objectives.contrastive.prediction import (
    Prediction,
    bound_by_image,
    clipped,
    components,
    own_places,
    soft_maximum,
)
from infomax.learning.objectives.scoring import Scoring


def ring_prediction(
    source: Float[Tensor, "b *k d"], target: Float[Tensor, "b l d"], scoring: Scoring, among: Ranks = ALL
) -> Prediction:
    """Return the prediction of the targets of these ranks from the sources of this one; differentiable once.

    Args:
        source: x, one vector an image of this rank, or the k components of a mixture.
        target: y, the places of the same images.
        scoring: c, λ and T.
        among: the ranks whose images are negatives of each other.
    """
    with torch.autocast(source.device.type, enabled=False):
        x, y = at_least_float32(components(source)), at_least_float32(target)
        return Prediction(*_Ring.apply(x, y, scoring, among))


class _Ring(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, y: Tensor, scoring: Scoring, among: Ranks
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        positives, log_z, mean_square = _first_round(x, y, scoring.clip, among)
        odds = positives - log_z[..., None]
        ctx.save_for_backward(x, y, odds, log_z)
        ctx.scoring, ctx.among = scoring, among
        log_probability = soft_maximum(logsigmoid(odds), scoring.temperature).mean()
        bound = bound_by_image(odds, among.size * len(x)).mean()
        ctx.mark_non_differentiable(log_probability, mean_square, bound)
        return log_probability - scoring.penalty_weight * mean_square, log_probability, mean_square, bound

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        grad_value = grad_outputs[0]
        x, y, odds, log_z = ctx.saved_tensors
        return *_second_round(x, y, odds, log_z, grad_value, ctx.scoring, ctx.among), None, None


def _first_round(
    x: Float[Tensor, "b k d"], y: Float[Tensor, "b l d"], clip: float | None, among: Ranks
) -> tuple[Float[Tensor, "b k l"], Float[Tensor, "b k"], Float[Tensor, ""]]:
    """Return scores of positives, log Z of each source, and the mean square of its scores before clipping."""
    (b, k, _), num_places = x.shape, y.shape[1]
    positives, log_z = x.new_empty(b, k, num_places), x.new_full((b, k), -torch.inf)
    squares = x.new_zeros(())
    for owner, (block,) in _blocks(among, y):
        for rows, a in _scored(x, block):
            squares += a.square().sum()
            s, _ = clipped(a, clip)
            if owner == among.place:
                own = own_places(s, rows.start)
                positives[rows] = own
                own.fill_(-torch.inf)
            log_z[rows] = torch.logaddexp(log_z[rows], s.flatten(2).logsumexp(2))
    return positives, log_z, squares / (among.size * b * b * k * num_places)


def _second_round(
    x: Float[Tensor, "b k d"],
    y: Float[Tensor, "b l d"],
    odds: Float[Tensor, "b k l"],
    log_z: Float[Tensor, "b k"],
    scale: Float[Tensor, ""],
    scoring: Scoring,
    among: Ranks,
) -> tuple[Float[Tensor, "b k d"], Float[Tensor, "b l d"]]:
    """Return the gradients of Σ_r scale_r · value_r by this rank's sources and targets."""
    b, k, d = x.shape
    posterior = torch.softmax(logsigmoid(odds) / scoring.temperature, dim=1)
    missed = posterior * torch.sigmoid(-odds) / (b * y.shape[1])  # q / bl
    pull = -2 * scoring.penalty_weight / (among.size * b * b * k * y.shape[1])
    grad_x, grad_y = torch.zeros_like(x), torch.zeros_like(y)
    for owner, (block, grad_block) in _blocks(among, y, grad_y):
        for rows, a in _scored(x, block):
            s, slope = clipped(a, scoring.clip)
            by_score = (s - log_z[rows][..., None, None]).exp_()
            by_score.mul_(-missed[rows].sum(2)[..., None, None])
            if owner == among.place:
                own_places(by_score, rows.start).copy_(missed[rows])  # by_score is ∂V/∂s
            g = a.mul_(pull).addcmul_(by_score, slope).mul_(scale).flatten(2).flatten(0, 1)  # [r·k, b·l]
            flat = x[rows].flatten(0, 1)
            grad_x[rows].view_as(flat).addmm_(g, block.flatten(0, 1), alpha=1 / math.sqrt(d))
            grad_block.flatten(0, 1).addmm_(g.T, flat, alpha=1 / math.sqrt(d))
    return grad_x, grad_y


def _scored(
    x: Float[Tensor, "b k d"], block: Float[Tensor, "b l d"]
) -> Iterator[tuple[slice, Float[Tensor, "r k b l"]]]:
    """Yield some rows at a time, with their scores before clipping."""
    y = block.flatten(0, 1)
    k, d = x.shape[1:]
    for rows in slices(len(x), rows_of(MAX_BLOCK_SCORES, len(x), k * len(y))):
        a = (x[rows].flatten(0, 1) / math.sqrt(d)) @ y.T
        yield rows, a.view(-1, k, *block.shape[:2])


def _blocks(among: Ranks, *own: Tensor) -> Iterator[tuple[int, tuple[Tensor, ...]]]:
    """Yield the place of the rank that owns a block, and the block, for these ranks; this rank's comes first.

    Changes of the tensors after the first travel on with their block, and are copied into this rank's own at
    the end.
    """
    size = among.size
    here = tuple(tensor.contiguous() for tensor in own)
    for step in range(size):
        yield (among.place - step) % size, here
        if step < size - 1:
            here = _passed_on(among, here)
    if len(own) > 1:
        for home, arrived in zip(own[1:], _passed_on(among, here[1:]), strict=True):
            home.copy_(arrived)


def _passed_on(among: Ranks, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Send these tensors to the next rank; return those of the rank before."""
    after, before = (among.place + 1) % among.size, (among.place - 1) % among.size
    arriving = tuple(torch.empty_like(tensor) for tensor in tensors)
    operations = [dist.P2POp(dist.isend, one, group=among.group, group_peer=after) for one in tensors]
    operations += [dist.P2POp(dist.irecv, one, group=among.group, group_peer=before) for one in arriving]
    for request in dist.batch_isend_irecv(operations):
        request.wait()
    return arriving
