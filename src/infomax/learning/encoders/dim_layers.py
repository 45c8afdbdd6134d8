"""Layers of the Deep InfoMax encoders."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from infomax.learning.encoders.features import Features


class ResidualBlock(nn.Module):
    """relu(BN(W₂ ∗ relu(BN(W₁ ∗ x))) + S x); S is the identity, or BN(1×1 convolution) where sizes change."""

    def __init__(self, num_in: int, num_out: int, stride: int):
        super().__init__()
        self.first: nn.Sequential = convolution(num_in, num_out, 3, stride, 1)
        self.second: nn.Module = convolution(num_out, num_out, 3, 1, 1)[:2]
        self.shortcut: nn.Module = nn.Identity()
        if (num_in, stride) != (num_out, 1):
            self.shortcut = convolution(num_in, num_out, 1, stride, 0)[:2]

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h2 w2"]:
        """Return the block's map."""
        return F.relu(self.second(self.first(x)) + self.shortcut(x))


class Crops(nn.Module):
    """A map of what a module makes of each crop of the images by itself; crops overlap by half.

    Args:
        module: crops [n, c, size, size] to vectors [n, d, 1, 1].
        size: side of a crop, px.
    """

    def __init__(self, module: nn.Module, size: int):
        super().__init__()
        self.module = module
        self.size = size

    def forward(self, images: Float[Tensor, "b c s s"]) -> Float[Tensor, "b d t t"]:
        """Return the map: cell (i, j) comes from the crop whose corner is at (i, j) · size/2."""
        crops = images.unfold(2, self.size, self.size // 2).unfold(3, self.size, self.size // 2)
        vectors = self.module(rearrange(crops, "b c i j h w -> (b i j) c h w"))
        return rearrange(vectors, "(b i j) d 1 1 -> b d i j", b=images.shape[0], i=crops.shape[2])


class Body(nn.Module):
    """Stages, each making a map of the one before, and a head that summarises the last.

    Args:
        stages: in their order.
        num_to_local: number of stages that lead to the local map.
        head: to the hidden layer and Y.
    """

    def __init__(self, stages: Iterable[nn.Module], num_to_local: int, head: nn.Module):
        super().__init__()
        self.stages: nn.ModuleList = nn.ModuleList(stages)
        self.num_to_local = num_to_local
        self.head = head
        nn.utils.convert_conv2d_weight_memory_format(self, torch.channels_last)

    def forward(self, images: Float[Tensor, "b c s s"]) -> Features:
        """Return the features, with the last map and the hidden layer among them."""
        maps = [images]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        local = maps[self.num_to_local]
        hidden, y = self.head(maps[-1])
        return Features(y, {local.shape[-1]: local}, {"conv": maps[-1], "fc": hidden})


class Head(nn.Module):
    """A map x to a hidden layer relu(BN(W x)), or several in a row, and to y = output(V · hidden + b).

    Args:
        num_in: numbers in a map.
        num_hidden: units of each hidden layer.
        num_units: of y.
        output: of y, see `Output`.
    """

    def __init__(self, num_in: int, num_hidden: Sequence[int], num_units: int, output: str):
        super().__init__()
        layers = [
            nn.Sequential(nn.Linear(i, o, bias=False), nn.BatchNorm1d(o), nn.ReLU())
            for i, o in pairwise([num_in, *num_hidden])
        ]
        self.hidden: nn.Sequential = nn.Sequential(nn.Flatten(), *layers)
        self.last: nn.Linear = nn.Linear(num_hidden[-1], num_units)
        self.output: Output = Output(output)

    def forward(
        self, x: Float[Tensor, "b c h w"]
    ) -> tuple[Float[Tensor, "b hidden"], Float[Tensor, "b units"]]:
        """Return the last hidden layer, and y."""
        hidden = self.hidden(x)
        return hidden, self.output(self.last(hidden))


class Output(nn.Module):
    """Range of a global feature: any numbers (linear), numbers in (0, 1) (sigmoid), or length 1 (unit).

    Raises:
        ValueError: another kind.
    """

    def __init__(self, kind: str):
        super().__init__()
        if kind not in _OUTPUTS:
            raise ValueError(f"Output: the output must be one of {', '.join(_OUTPUTS)}, got {kind!r}")
        self.kind = kind

    def forward(self, y: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """Return y, 1 / (1 + e^{−y}) or y / ‖y‖, in at least float32."""
        return _OUTPUTS[self.kind](y.to(torch.promote_types(y.dtype, torch.float32)))


def convolution(num_in: int, num_out: int, kernel: int, stride: int, padding: int) -> nn.Sequential:
    """Return the layers relu(BN(W ∗ x))."""
    return nn.Sequential(
        nn.Conv2d(num_in, num_out, kernel, stride, padding, bias=False), nn.BatchNorm2d(num_out), nn.ReLU()
    )


_OUTPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda y: y,
    "sigmoid": torch.sigmoid,
    "unit": F.normalize,
}
