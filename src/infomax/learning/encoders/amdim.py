"""Images to features: the AMDIM encoder of Bachman et al. (2019)."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import cast

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Features:
    """What an encoder says of b images.

    global_: one vector each. local: maps of local vectors, by the length of their sides: square maps of
    images, rows of signals. layers: outputs of layers between, by name, for probes.
    """

    global_: Float[Tensor, "b d"]
    local: Mapping[int, Float[Tensor, "b _ *places"]]
    layers: Mapping[str, Float[Tensor, "b *_"]] = field(default_factory=dict)


def example_features(encoder: nn.Module, num_images: int = 2) -> Features:
    """What an encoder makes of blank images: the sizes of its features. The encoder stays as it is.

    Args:
        encoder: with `input_shape`, (c, h, w) of an image or (c, t) of a signal.
    """
    input_shape = cast(tuple[int, ...], encoder.input_shape)
    device = next(encoder.parameters()).device
    with evaluating(encoder):
        return encoder(torch.zeros(num_images, *input_shape, device=device))


def encoders_in(encoder: nn.Module) -> tuple[nn.Module, ...]:
    """The encoder; or, of a `ModuleDict`, those of several views, in its order."""
    return (*encoder.values(),) if isinstance(encoder, nn.ModuleDict) else (encoder,)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards modes and random numbers are as if nothing had been."""
    modes = {part: part.training for part in module.modules()}
    devices = {p.device for p in module.parameters() if p.device.type == "cuda"}
    try:
        with torch.random.fork_rng(devices), torch.no_grad():
            module.eval()
            yield
    finally:
        for part, mode in modes.items():
            part.training = mode


@dataclass(frozen=True)
class AMDIMEncoderConfig:
    """Capacity of an AMDIM encoder.

    width: channels of the first layer (``ndf`` in the authors' code). embedding_dim: d of all features
    (``n_rkhs``). depth: residual units a block. batch_norm: normalise inside the residual units, too.
    """

    width: int = 128
    embedding_dim: int = 1024
    depth: int = 8
    batch_norm: bool = False


class AMDIMEncoder(nn.Module):
    """Convolutions without padding: cells of the 7×7 and 5×5 maps see patches, the 1×1 sees the image.

    The trunk shrinks an image of any shape to maps of 7×7, 5×5, 3×3 and 1×1; the 1×1 is the global feature,
    and the last 7×7 and 5×5 maps pass an embedding of their own into the same d dimensions. A cell of the 7×7
    map sees 8, 16 or 35 pixels a side of images of 32, 64 or 128; a cell of the 5×5 map 16, 32 or 67.

    Height and width shrink each by itself. (1) More than 96 pixels are halved by a 5×5 convolution first.
    (2) A 3×3 convolution takes one pixel off either end; a side that misses 32, 64, 128, … by an eighth or
    less is first reflected up to it: 28 pixels give the map of 32. (3) Stages shrink the rest to 7 as
    `shrinking` says, the axis that needs fewer of them waiting for the last ones. They have 2, 4, 8, 8, 8, …
    times `width` channels; where there are fewer than three, a residual unit of the first width comes before
    them. Images of 32, 64 and 128 pixels get the networks of the paper.

    Args:
        image_size: side of square images, or (height, width), each at least 16.
        width: channels of the first layer.
        embedding_dim: dimension d of every feature.
        depth: residual units in each block.
        batch_norm: batch norm inside residual units (the norms of the outputs are always there).
        channels: channels of the images.

    Raises:
        ValueError: a side below 16 pixels; a width, dimension or depth below 1.

    Example:
        >>> features = AMDIMEncoder((48, 64), width=4, embedding_dim=8, depth=1)(torch.zeros(2, 3, 48, 64))
        >>> [tuple(part.shape) for part in (features.global_, features.local[7], features.local[5])]
        [(2, 8), (2, 8, 7, 7), (2, 8, 5, 5)]

    Reference: Bachman, Hjelm, Buchwalter (2019), section 4.4 and their public code.
    """

    def __init__(
        self,
        image_size: int | tuple[int, int],
        width: int,
        embedding_dim: int,
        depth: int,
        batch_norm: bool = False,
        channels: int = 3,
    ):
        super().__init__()
        size = image_size if isinstance(image_size, tuple) else (image_size, image_size)
        _check_sizes(size, width=width, embedding_dim=embedding_dim, depth=depth, channels=channels)
        self.input_shape = (channels, *size)
        self.config = AMDIMEncoderConfig(width, embedding_dim, depth, batch_norm)
        self.arguments = {"image_size": image_size, "channels": channels, **asdict(self.config)}
        stem, left = _stem(channels, width, size)
        self.layers, top_width = trunk(self.config, stem, _stages(*left), (3, 3))
        self.embed = nn.ModuleDict(
            {str(side): Embedding(top_width, embedding_dim, batch_norm) for side in (5, 7)}
        )
        nn.utils.convert_conv2d_weight_memory_format(self, torch.channels_last)

    def forward(self, images: Float[Tensor, "b c h w"]) -> Features:
        """Features of normalised images: global_ [b, d], local {7: [b, d, 7, 7], 5: [b, d, 5, 5]}."""
        if tuple(images.shape[1:]) != self.input_shape:
            raise ValueError(
                f"AMDIMEncoder: expected images [b, {', '.join(map(str, self.input_shape))}], "
                f"got {list(images.shape)}; resize them, or build the encoder for this size"
            )
        last = {}  # side of a map -> the last map of that side
        for layer in self.layers:
            images = layer(images)
            last[images.shape[-1]] = images
        local = {side: self.embed[str(side)](last[side]) for side in (7, 5)}
        return Features(images.flatten(1), local)


Window = int | tuple[int, int]
"""Cells of a window: of its side, or (height, width)."""


class Convolution(nn.Module):
    """Convolution with bias, then ReLU."""

    def __init__(self, num_in: int, num_out: int, kernel: Window, stride: Window = 1, reflect: Window = 0):
        super().__init__()
        self.conv = nn.Conv2d(num_in, num_out, kernel, stride, reflect, padding_mode="reflect")

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h2 w2"]:
        """relu(W ∗ x + bias)."""
        return F.relu(self.conv(x))


class ResidualUnit(nn.Module):
    """y = W₂ relu(W₁ ∗ x) + pool(x): the shortcut averages each window and pads channels with zeros.

    W₁ starts Kaiming-uniform and W₂ at zero, so that the unit starts as its shortcut.
    """

    def __init__(self, num_in: int, num_out: int, kernel: Window, stride: Window, batch_norm: bool):
        super().__init__()
        self.spatial = nn.Conv2d(num_in, num_out, kernel, stride, bias=False)
        self.norm = nn.BatchNorm2d(num_out) if batch_norm else nn.Identity()
        self.pointwise = nn.Conv2d(num_out, num_out, 1, bias=False)
        self.window = (_pair(kernel), _pair(stride))
        self.num_new = num_out - num_in
        nn.init.kaiming_uniform_(self.spatial.weight, a=math.sqrt(5))
        nn.init.zeros_(self.pointwise.weight)

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h2 w2"]:
        """The sum, with no ReLU after it."""
        shortcut = x if self.window == ((1, 1), (1, 1)) else average_pool(x, *self.window)
        if self.num_new:
            shortcut = F.pad(shortcut, (0, 0, 0, 0, 0, self.num_new))
        return self.pointwise(F.relu(self.norm(windowed(x, self.spatial)))) + shortcut


class Embedding(nn.Module):
    """Local features into the shared d dimensions: norm(W₂ relu(W₁ x) + S x); S starts near the identity."""

    def __init__(self, num_in: int, num_out: int, batch_norm: bool):
        super().__init__()
        self.hidden = nn.Conv2d(num_in, num_out, 1, bias=False)
        self.hidden_norm = nn.BatchNorm2d(num_out) if batch_norm else nn.Identity()
        self.out = nn.Conv2d(num_out, num_out, 1, bias=False)
        self.shortcut = nn.Conv2d(num_in, num_out, 1)
        self.norm = nn.BatchNorm2d(num_out)
        nn.init.kaiming_uniform_(self.hidden.weight, a=math.sqrt(5))
        nn.init.zeros_(self.out.weight)
        nn.init.uniform_(self.shortcut.weight, -0.01, 0.01)
        if num_out >= num_in:
            with torch.no_grad():
                self.shortcut.weight[range(num_in), range(num_in), 0, 0] = 1.0

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h w"]:
        """The embedded map."""
        return self.norm(self.out(F.relu(self.hidden_norm(self.hidden(x)))) + self.shortcut(x))


def average_pool(x: Float[Tensor, "b i h w"], kernel: Window, stride: Window) -> Float[Tensor, "b i h2 w2"]:
    """The mean of each window; of 4×4 windows that overlap by half, in two steps: quicker on CPUs."""
    if (_pair(kernel), _pair(stride)) == ((4, 4), (2, 2)):
        return F.avg_pool2d(F.avg_pool2d(x, 2, 2), 2, 1)
    return F.avg_pool2d(x, kernel, stride)


def windowed(x: Float[Tensor, "b i h w"], conv: nn.Conv2d) -> Float[Tensor, "b o h2 w2"]:
    """conv(x), for a convolution without bias and padding; as a matrix product where windows do not overlap.

    The values are the same; the gradient is several times quicker on CPUs, where the library's convolutions
    have no good path for maps of a few cells (measured in docs/lab-notebook.md).
    """
    height, width = conv.kernel_size
    if (height, width) == (1, 1) or not all(map(_apart, conv.kernel_size, conv.stride, x.shape[-2:])):
        return conv(x)
    cells = x.permute(0, 2, 3, 1)  # channels last, so that the gradient comes back so, too
    windows = rearrange(cells, "b (h u) (w v) i -> b h w (u v i)", u=height, v=width)
    weight = rearrange(conv.weight, "o i u v -> o (u v i)")
    return F.linear(windows, weight).permute(0, 3, 1, 2)


def _apart(kernel: int, stride: int, side: int) -> bool:
    """Whether windows along a side neither overlap nor leave a rest."""
    return kernel == side or (kernel == stride and side % kernel == 0)


def _pair(window: Window) -> tuple[int, int]:
    return window if isinstance(window, tuple) else (window, window)


# --- from any size to 7, 5, 3, 1 --------------------------------------------------------------------------

SHORTEST = 16
"""Pixels that a side must have at least."""
_LONGEST_FINE = 96  # pixels a side; longer ones are halved at once


def shrinking(side: int) -> list[tuple[int, int]]:
    """(kernel, stride) of each stage that shrinks a side of at least 7 cells to 7, without leaving any out.

    While there are more than 17, windows of 4 halve them, or windows of 5 where their number is odd; the last
    stage makes 7 of 7 to 17, at stride 2 from 14 cells on.

    >>> shrinking(30), shrinking(62), shrinking(46)
    ([(4, 2), (2, 2)], [(4, 2), (4, 2), (2, 2)], [(4, 2), (4, 2), (4, 1)])
    """
    stages = []
    while side > 17:
        kernel = 4 + side % 2
        stages.append((kernel, 2))
        side = (side - kernel) // 2 + 1
    return [*stages, (side - 12, 2) if side >= 14 else (side - 6, 1)]


Stage = tuple[tuple[int, int], tuple[int, int]]
"""Kernel and stride of a stage, each (height, width)."""


def _stages(height: int, width: int) -> list[Stage]:
    """The stages of both axes side by side; the shorter list begins with stages that change nothing."""
    axes = shrinking(height), shrinking(width)
    num_stages = max(map(len, axes))
    rows, columns = ([(1, 1)] * (num_stages - len(axis)) + axis for axis in axes)
    return [((top[0], left[0]), (top[1], left[1])) for top, left in zip(rows, columns, strict=True)]


def _stem(channels: int, width: int, size: tuple[int, int]) -> tuple[list[nn.Module], tuple[int, int]]:
    """The first convolutions, and height and width of the map that they leave."""
    halved = (2 if size[0] > _LONGEST_FINE else 1, 2 if size[1] > _LONGEST_FINE else 1)
    rows, columns = (-(-side // stride) for side, stride in zip(size, halved, strict=True))
    missing = (_missing(rows), _missing(columns))
    layers: list[nn.Module] = []
    if max(halved) == 2:
        layers.append(Convolution(channels, width, 5, halved, reflect=2))
    layers.append(Convolution(width if layers else channels, width, 3, reflect=missing))
    return layers, (rows + 2 * missing[0] - 2, columns + 2 * missing[1] - 2)


def _missing(side: int) -> int:
    """Pixels to reflect at either end of a side that misses 32, 64, 128, … by an eighth or less.

    >>> [_missing(side) for side in (27, 28, 32, 55, 57, 64, 96)]
    [0, 2, 0, 0, 4, 0, 0]
    """
    full = max(32, 1 << (side - 1).bit_length())
    return (full - side + 1) // 2 if 8 * side >= 7 * full else 0


def trunk(
    config: AMDIMEncoderConfig, stem: list[nn.Module], stages: list[Stage], window: tuple[int, int]
) -> tuple[nn.ModuleList, int]:
    """Layers from images to the normalised global feature, and the width of the maps of 7×7 and smaller.

    Args:
        stem: first layers, which make `config.width` channels.
        stages: kernel and stride of each stage from there to 7 cells a side.
        window: of the layers that make 5, 3 and 1 of 7 cells.
    """
    w, norm = config.width, config.batch_norm

    def block(num_in: int, num_out: int, kernel: Window, stride: Window) -> nn.Sequential:
        first = ResidualUnit(num_in, num_out, kernel, stride, norm)
        return nn.Sequential(
            first, *(ResidualUnit(num_out, num_out, 1, 1, norm) for _ in range(1, config.depth))
        )

    start = [ResidualUnit(w, w, 1, 1, norm)] if len(stages) < 3 else []
    widths = [w * min(2**stage, 8) for stage in range(len(stages) + 1)]
    down = [block(*sizes, *stage) for sizes, stage in zip(pairwise(widths), stages, strict=True)]
    top = widths[-1]
    middle = nn.BatchNorm2d(top) if norm else nn.Identity()
    up = [block(top, top, window, 1), block(top, top, window, 1)]
    up += [ResidualUnit(top, config.embedding_dim, window, 1, norm), nn.BatchNorm2d(config.embedding_dim)]
    return nn.ModuleList([*stem, *start, *down, middle, *up]), top


def _check_sizes(size: tuple[int, int], **counts: int) -> None:
    if min(size) < SHORTEST:
        raise ValueError(
            f"AMDIMEncoder: image_size must be at least {SHORTEST} pixels a side, got {size[0]} x {size[1]}; "
            "enlarge the images"
        )
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"AMDIMEncoder: {name} must be at least 1, got {count}")
