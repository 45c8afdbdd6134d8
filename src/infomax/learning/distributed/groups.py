"""AMDIM's objective when the images of a batch are divided among processes, its ranks.

Rank r holds the sources x_i of its own share of the images, i ∈ r, and needs the targets of all of them, as
negatives. With V_i what `prediction` averages over i, rank r computes the mean of V_i over i ∈ r, so that the
value of the whole batch is the mean over ranks of theirs: shares are of one size.

**Gradients.** Rank s has the parameters θ in its features φ_s, sources and targets. In the backward pass it
takes in what all ranks say of its targets, and so computes

    g_s = Σ_r ∂V_r/∂φ_s · ∂φ_s/∂θ,        mean_s g_s = (1/R) Σ_r dV_r/dθ = d(mean_r V_r)/dθ

DDP averages the gradients of ranks, which is that mean: the gradient of one process with the whole batch.

**Two ways.** Gathered: every rank holds all targets. Ring: blocks of targets pass from rank to rank; the
first round adds up log Z_i and the mean square, the second, in the backward pass, the gradients, those of the
targets travelling with their block. A rank then holds two blocks of targets, and of their gradients, however
many ranks there are; the scores are computed twice.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from lightning.pytorch.plugins.layer_sync import LayerSync, TorchSyncBatchNorm
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from infomax.learning.objectives.contrastive import prediction as of_one

MOST_GATHERED = 2**28
"""Numbers of targets that are gathered on each rank: 1 GiB of float32, and as much of their gradients."""


def num_ranks() -> int:
    """How many processes train together; 1 outside of a process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is."""
    return dist.get_rank() if num_ranks() > 1 else 0


def predictor(target: Float[Tensor, "b l d"]) -> Callable[..., of_one.Prediction]:
    """What predicts the targets of all ranks from sources of this one; called as `prediction` is.

    With one rank, `prediction`. With more, targets are gathered, or pass round a ring where that would be
    more than `MOST_GATHERED` numbers.

    Args:
        target: of the images of this rank, as many as of each other.
    """
    if num_ranks() == 1:
        return partial(of_one.prediction, target=target)
    if num_ranks() * target.numel() > MOST_GATHERED:
        return partial(ring_prediction, target=target)
    return partial(of_one.prediction, target=gather(target), first=rank() * len(target))


def gather(x: Float[Tensor, "b *_"]) -> Float[Tensor, "n *_"]:
    """x of all ranks, rank after rank; the gradients of all ranks flow back, summed in at least float32."""
    return _Gather.apply(x)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return all_of(x)

    @staticmethod
    def backward(ctx, gradient):
        exact = of_one.at_least_float32(gradient).contiguous()
        own = exact.new_empty(len(exact) // num_ranks(), *exact.shape[1:])
        dist.reduce_scatter(own, [*exact.chunk(num_ranks())])
        return own.to(gradient.dtype)


@torch.no_grad()
def all_of(x: Tensor) -> Tensor:
    """x of all ranks, rank after rank, without gradients."""
    if num_ranks() == 1:
        return x.detach()
    whole = x.new_empty(num_ranks() * len(x), *x.shape[1:])
    dist.all_gather([*whole.chunk(num_ranks())], x.detach().contiguous())
    return whole


@torch.no_grad()
def block_of(owner: int, own: Tensor, num_rows: int) -> Tensor:
    """x of the rank `owner`, [num_rows, …]; every rank calls this with its own, of other rows than that."""
    if num_ranks() == 1:
        return own
    block = own if rank() == owner else own.new_empty(num_rows, *own.shape[1:])
    dist.broadcast(block, owner)
    return block


def objects_of_all(x: Any) -> list[Any]:
    """Any picklable x of all ranks, rank after rank."""
    found = [x] * num_ranks()
    if num_ranks() > 1:
        dist.all_gather_object(found, x)
    return found


def wait_for_all() -> None:
    """Until all ranks are here."""
    if num_ranks() > 1:
        dist.barrier()


@torch.no_grad()
def mean_over_ranks(values: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Scalars, the same names on all ranks, each averaged over them."""
    if num_ranks() == 1 or not values:
        return values
    stacked = torch.stack([value.detach().double() for value in values.values()])
    dist.all_reduce(stacked)
    return dict(zip(values, stacked / num_ranks(), strict=True))


def ring_prediction(
    source: Float[Tensor, "b *k d"],
    target: Float[Tensor, "b l d"],
    clip: float | None = None,
    penalty_weight: float = 0.0,
    temperature: float = 1.0,
) -> of_one.Prediction:
    """`prediction` of the sources of this rank among the targets of all, by blocks that pass round a ring.

    Args:
        source: x, one vector an image of this rank, or the k components of a mixture.
        target: y, the places of the same images.
        clip: c; None leaves scores as they are.
        penalty_weight: λ.
        temperature: 1/τ, of a mixture's posterior.
    """
    with torch.autocast(source.device.type, enabled=False):
        x = of_one.at_least_float32(of_one.components(source))
        y = of_one.at_least_float32(target)
        return of_one.Prediction(*_Ring.apply(x, y, clip, penalty_weight, temperature))


class _Ring(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, y, clip, penalty_weight, temperature):
        positives, log_z, mean_square = _first_round(x, y, clip)
        odds = positives - log_z[..., None]
        ctx.save_for_backward(x, y, odds, log_z)
        ctx.options = clip, penalty_weight, temperature
        v = of_one.soft_maximum(logsigmoid(odds), temperature).mean()
        bound = of_one.bound_by_image(odds, num_ranks() * len(x)).mean()
        ctx.mark_non_differentiable(v, mean_square, bound)
        return v - penalty_weight * mean_square, v, mean_square, bound

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad_value, *_):
        x, y, odds, log_z = ctx.saved_tensors
        return *_second_round(x, y, odds, log_z, grad_value, *ctx.options), None, None, None


def _first_round(
    x: Float[Tensor, "b k d"], y: Float[Tensor, "b l d"], clip: float | None
) -> tuple[Float[Tensor, "b k l"], Float[Tensor, "b k"], Float[Tensor, ""]]:
    """Scores of positives, log Z of each source, and the mean square of its scores before clipping."""
    (b, k, _), num_places = x.shape, y.shape[1]
    positives, log_z = x.new_empty(b, k, num_places), x.new_full((b, k), -torch.inf)
    squares = x.new_zeros(())
    for owner, (block,) in _blocks(y):
        for rows, a in _scores(x, block):
            squares += a.square().sum()
            s, _ = of_one.clipped(a, clip)
            if owner == rank():
                own = of_one.own_places(s, rows.start)
                positives[rows] = own
                own.fill_(-torch.inf)
            log_z[rows] = torch.logaddexp(log_z[rows], s.flatten(2).logsumexp(2))
    return positives, log_z, squares / (num_ranks() * b * b * k * num_places)


def _second_round(
    x: Float[Tensor, "b k d"],
    y: Float[Tensor, "b l d"],
    odds: Float[Tensor, "b k l"],
    log_z: Float[Tensor, "b k"],
    scale: Float[Tensor, ""],
    clip: float | None,
    penalty_weight: float,
    temperature: float,
) -> tuple[Float[Tensor, "b k d"], Float[Tensor, "b l d"]]:
    """Gradients by this rank's sources and targets of Σ_r scale_r · value_r."""
    b, k, d = x.shape
    posterior = torch.softmax(logsigmoid(odds) / temperature, dim=1)
    missed = posterior * torch.sigmoid(-odds) / (b * y.shape[1])  # q / bl
    pull = -2 * penalty_weight / (num_ranks() * b * b * k * y.shape[1])
    grad_x = torch.zeros_like(x)
    grad_y = torch.zeros_like(y)
    for owner, (block, grad_block) in _blocks(y, grad_y):
        for rows, a in _scores(x, block):
            s, slope = of_one.clipped(a, clip)
            of_negatives = (s - log_z[rows][..., None, None]).exp_()
            of_negatives.mul_(-missed[rows].sum(2)[..., None, None])
            if owner == rank():
                of_one.own_places(of_negatives, rows.start).copy_(missed[rows])
            g = a.mul_(pull).addcmul_(of_negatives, slope).mul_(scale).flatten(2).flatten(0, 1)  # [r·k, b·l]
            flat = x[rows].flatten(0, 1)
            grad_x[rows].view_as(flat).addmm_(g, block.flatten(0, 1), alpha=1 / math.sqrt(d))
            grad_block.flatten(0, 1).addmm_(g.T, flat, alpha=1 / math.sqrt(d))
    return grad_x, grad_y


def _scores(
    x: Float[Tensor, "b k d"], block: Float[Tensor, "b l d"]
) -> Iterator[tuple[slice, Float[Tensor, "r k b l"]]]:
    """Scores before clipping, some rows at a time."""
    y = block.flatten(0, 1)
    k, d = x.shape[1:]
    for rows in of_one.slices(len(x), of_one.rows_of(of_one.BLOCK, len(x), k * len(y))):
        a = (x[rows].flatten(0, 1) / math.sqrt(d)) @ y.T
        yield rows, a.view(-1, k, *block.shape[:2])


def _blocks(*own: Tensor) -> Iterator[tuple[int, tuple[Tensor, ...]]]:
    """Each rank's block with the rank that owns it, the own one first.

    What is changed in the tensors after the first travels on with its block, and in the end comes home.
    """
    size = num_ranks()
    here = tuple(tensor.contiguous() for tensor in own)
    for step in range(size):
        yield (rank() - step) % size, here
        if step < size - 1:
            here = _passed_on(here)
    if len(own) > 1:
        for home, arrived in zip(own[1:], _passed_on(here[1:]), strict=True):
            home.copy_(arrived)


def _passed_on(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The next rank gets these, and those of the rank before are returned."""
    after, before = (rank() + 1) % num_ranks(), (rank() - 1) % num_ranks()
    arriving = tuple(torch.empty_like(tensor) for tensor in tensors)
    operations = [dist.P2POp(dist.isend, tensor, after) for tensor in tensors]
    operations += [dist.P2POp(dist.irecv, tensor, before) for tensor in arriving]
    for request in dist.batch_isend_irecv(operations):
        request.wait()
    return arriving


class SyncEncoderBatchNorm(LayerSync):
    """Batch norm of the encoder over the images of all ranks; on a CPU by `SharedBatchNorm`, else by torch's.

    That of the online classifiers stays as it is: they see the features of all ranks anyway.
    """

    def apply(self, model: nn.Module) -> nn.Module:
        """Replace the encoder's batch norms."""
        on_cpu = next(model.parameters()).device.type == "cpu"
        convert = share_batch_norm if on_cpu else TorchSyncBatchNorm().apply
        model.encoder = convert(model.get_submodule("encoder"))
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        """Put batch norms of one process in their place again."""
        encoder = TorchSyncBatchNorm().revert(model.get_submodule("encoder"))
        model.encoder = _replaced(encoder, SharedBatchNorm, SharedBatchNorm.norm_of_one)
        return model


def share_batch_norm(module: nn.Module) -> nn.Module:
    """The module, its batch norms over all ranks; parameters and buffers keep their names."""
    return _replaced(module, nn.modules.batchnorm._BatchNorm, SharedBatchNorm)


def _replaced(module: nn.Module, kind: type, make: Callable[..., nn.Module]) -> nn.Module:
    if isinstance(module, kind):
        return make(module)
    for name, child in module.named_children():
        setattr(module, name, _replaced(child, kind, make))
    return module


class SharedBatchNorm(nn.Module):
    """Batch norm whose mean and variance are those of all ranks' images, on any device.

    Args:
        norm: whose parameters and buffers it takes over.
    """

    def __init__(self, norm: nn.modules.batchnorm._BatchNorm):
        super().__init__()
        self._norm_of_one = (norm,)  # in a tuple: no submodule, so that names stay
        for name, parameter in norm.named_parameters():
            self.register_parameter(name, parameter)
        for name, buffer in norm.named_buffers():
            self.register_buffer(name, buffer)

    def norm_of_one(self) -> nn.modules.batchnorm._BatchNorm:
        """The batch norm that this took the place of, with what has been learned."""
        (norm,) = self._norm_of_one
        norm._parameters.update(self._parameters)
        norm._buffers.update(self._buffers)
        return norm.train(self.training)

    def forward(self, x: Float[Tensor, "b c *_"]) -> Float[Tensor, "b c *_"]:
        """Normalised over images of all ranks and places in training; by running statistics in evaluation."""
        norm = self.norm_of_one()
        if not self.training and norm.running_mean is not None:
            return norm(x)
        axes = [axis for axis in range(x.ndim) if axis != 1]
        shape = [1, -1, *[1] * (x.ndim - 2)]
        count = num_ranks() * x.numel() // x.shape[1]
        values = of_one.at_least_float32(x)
        mean = _SumOverRanks.apply(values.sum(axes)) / count
        centred = values - mean.view(shape)
        variance = _SumOverRanks.apply(centred.square().sum(axes)) / count
        self._remember(norm, mean.detach(), variance.detach() * (count / (count - 1)))
        y = centred * (variance + norm.eps).rsqrt().view(shape)
        if norm.weight is not None:
            y = y * norm.weight.view(shape) + norm.bias.view(shape)
        return y.to(x.dtype)

    @torch.no_grad()
    def _remember(self, norm: Any, mean: Tensor, variance: Tensor) -> None:
        """Update the running statistics."""
        if norm.running_mean is None:
            return
        norm.num_batches_tracked.add_(1)
        share = 1 / norm.num_batches_tracked if norm.momentum is None else norm.momentum
        norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), share)
        norm.running_var.lerp_(variance.to(norm.running_var.dtype), share)


class _SumOverRanks(torch.autograd.Function):
    """Σ_r x_r, of which every rank makes its own value: its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx, x):
        return _sum_over_ranks(x)

    @staticmethod
    def backward(ctx, gradient):
        return _sum_over_ranks(gradient)


def _sum_over_ranks(x: Tensor) -> Tensor:
    total = x.clone()
    if num_ranks() > 1:
        dist.all_reduce(total)
    return total
