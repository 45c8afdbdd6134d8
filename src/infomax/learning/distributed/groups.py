"""Groups of processes that train together, one rank each: what they exchange.

Every function works in a single process, too, without a process group.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor


def num_ranks() -> int:
    """Return how many processes train together; 1 outside of a process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return the number of this process among them."""
    return dist.get_rank() if num_ranks() > 1 else 0


@dataclass(frozen=True)
class Ranks:
    """Ranks that follow one another and exchange what they hold, this one among them.

    group: of torch; None for all ranks.
    """

    group: Any = None

    @property
    def size(self) -> int:
        """Return how many they are."""
        return dist.get_world_size(self.group) if num_ranks() > 1 else 1

    @property
    def place(self) -> int:
        """Return the place of this rank among them, from 0 on."""
        return dist.get_rank(self.group) if num_ranks() > 1 else 0


ALL = Ranks()
"""All ranks."""


def parted(num: int) -> Ranks:
    """Return the `num` ranks among which this one is, cut from all ranks in turn; all call this at once."""
    return ALL if num == num_ranks() else Ranks(dist.new_subgroups(num)[0])


def gather(x: Float[Tensor, "b *_"], among: Ranks = ALL) -> Float[Tensor, "n *_"]:
    """Return x of these ranks, rank after rank; gradients are summed over them, in at least float32."""
    return _Gather.apply(x, among) if among.size > 1 else x


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, among: Ranks) -> Tensor:
        ctx.among = among
        return all_of(x, among)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        (gradient,), among = grad_outputs, ctx.among
        exact = at_least_float32(gradient).contiguous()
        own = exact.new_empty(len(exact) // among.size, *exact.shape[1:])
        dist.reduce_scatter(own, [*exact.chunk(among.size)], group=among.group)
        return own.to(gradient.dtype), None


@torch.no_grad()
def all_of(x: Tensor, among: Ranks = ALL) -> Tensor:
    """Return x of these ranks, rank after rank, without gradients."""
    if among.size == 1:
        return x.detach()
    whole = x.new_empty(among.size * len(x), *x.shape[1:])
    dist.all_gather([*whole.chunk(among.size)], x.detach().contiguous(), group=among.group)
    return whole


@torch.no_grad()
def block_of(owner: int, own: Tensor, num_rows: int) -> Tensor:
    """Return the tensor of the rank `owner`, [num_rows, …].

    Args:
        owner: the rank whose tensor all ranks get.
        own: the tensor of this rank; numbers of rows may differ between ranks.
        num_rows: rows of the owner's tensor.
    """
    if num_ranks() == 1:
        return own
    block = own if rank() == owner else own.new_empty(num_rows, *own.shape[1:])
    dist.broadcast(block, owner)
    return block


def objects_of_all(x: Any) -> list[Any]:
    """Return any picklable x of all ranks, rank after rank."""
    found = [x] * num_ranks()
    if num_ranks() > 1:
        dist.all_gather_object(found, x)
    return found


def wait_for_all() -> None:
    """Wait until all ranks are here."""
    if num_ranks() > 1:
        dist.barrier()


@torch.no_grad()
def mean_over_ranks(values: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return scalars, each averaged over ranks; all ranks have the same names."""
    if num_ranks() == 1 or not values:
        return values
    stacked = torch.stack([value.detach().double() for value in values.values()])
    dist.all_reduce(stacked)
    return dict(zip(values, stacked / num_ranks(), strict=True))


def sum_over_ranks(x: Tensor) -> Tensor:
    """Return Σ_r x_r; its gradient is the sum of the gradients that all ranks have for it."""
    return _SumOverRanks.apply(x)


class _SumOverRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _summed(x)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        (gradient,) = grad_outputs
        return _summed(gradient)


def _summed(x: Tensor) -> Tensor:
    total = x.clone()
    if num_ranks() > 1:
        dist.all_reduce(total)
    return total


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace the gradients of parameters by their means over ranks, which are the same to the last bit.

    Args:
        parameters: those that have a gradient, the same ones in the same order on all ranks.
    """
    if num_ranks() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    means = (flat / num_ranks()).split([gradient.numel() for gradient in gradients])
    for gradient, mean in zip(gradients, means, strict=True):
        gradient.copy_(mean.view_as(gradient))


def at_least_float32(x: Tensor) -> Tensor:
    """Return x, in float32 where its type has less precision."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
