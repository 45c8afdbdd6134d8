"""Batch norm over the images of all ranks."""

from collections.abc import Callable
from typing import Any, cast

import torch
from jaxtyping import Float
from lightning.pytorch.plugins.layer_sync import LayerSync, TorchSyncBatchNorm
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]

from infomax.learning.distributed.groups import at_least_float32, num_ranks, sum_over_ranks


class SyncSharesBatchNorm(LayerSync):
    """Batch norm over the images of all ranks; on a CPU by `SharedBatchNorm`, elsewhere by torch's.

    Only in the parts of a learner that see the images of one rank, its `parts_in_shares`. The online
    classifiers, for instance, see the features of all ranks.
    """

    def apply(self, model: nn.Module) -> nn.Module:
        """Replace the batch norms of these parts."""
        on_cpu = next(model.parameters()).device.type == "cpu"
        return _with_parts(model, share_batch_norm if on_cpu else TorchSyncBatchNorm().apply)

    def revert(self, model: nn.Module) -> nn.Module:
        """Put batch norms of one process back in their place."""
        return _with_parts(model, _of_one_process)


def _with_parts(model: nn.Module, convert: Callable[[nn.Module], nn.Module]) -> nn.Module:
    for name in cast(tuple[str, ...], model.parts_in_shares):
        model.set_submodule(name, convert(model.get_submodule(name)))
    return model


def _of_one_process(module: nn.Module) -> nn.Module:
    module = TorchSyncBatchNorm().revert(module)
    return _replaced(module, SharedBatchNorm, SharedBatchNorm.norm_of_one)


def share_batch_norm(module: nn.Module) -> nn.Module:
    """Return the module with its batch norms over all ranks; parameters and buffers keep their names."""
    return _replaced(module, _BatchNorm, SharedBatchNorm)


def _replaced(module: nn.Module, kind: type, make: Callable[..., nn.Module]) -> nn.Module:
    if isinstance(module, kind):
        return make(module)
    for name, child in module.named_children():
        setattr(module, name, _replaced(child, kind, make))
    return module


class SharedBatchNorm(nn.Module):
    """Batch norm whose mean and variance are those of the images of all ranks, on any device.

    Args:
        norm: the batch norm of one process, whose parameters and buffers it takes over.
    """

    def __init__(self, norm: _BatchNorm):
        super().__init__()
        self._norm_of_one = (norm,)  # in a tuple it is no submodule, and names stay
        for name, parameter in norm.named_parameters():
            self.register_parameter(name, parameter)
        for name, buffer in norm.named_buffers():
            self.register_buffer(name, buffer)

    def norm_of_one(self) -> _BatchNorm:
        """Return the batch norm that this one has replaced, with what has been learned."""
        (norm,) = self._norm_of_one
        norm._parameters.update(self._parameters)
        norm._buffers.update(self._buffers)
        return norm.train(self.training)

    def forward(self, x: Float[Tensor, "b c *_"]) -> Float[Tensor, "b c *_"]:
        """Normalise: in training over places and images of all ranks, in evaluation by running statistics."""
        norm = self.norm_of_one()
        if not self.training and norm.running_mean is not None:
            return norm(x)
        axes = [axis for axis in range(x.ndim) if axis != 1]
        shape = [1, -1, *[1] * (x.ndim - 2)]
        count = num_ranks() * x.numel() // x.shape[1]
        values = at_least_float32(x)
        mean = sum_over_ranks(values.sum(axes)) / count
        centred = values - mean.view(shape)
        variance = sum_over_ranks(centred.square().sum(axes)) / count
        self._remember(norm, mean.detach(), variance.detach() * (count / (count - 1)))
        y = centred * (variance + norm.eps).rsqrt().view(shape)
        if norm.weight is not None:  # pyright: ignore[reportUnnecessaryComparison]
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
