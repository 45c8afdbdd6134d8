"""Images to features: the AMDIM encoder of Bachman et al. (2019)."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
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

    The trunk shrinks an image to maps of 7×7, 5×5, 3×3 and 1×1; the 1×1 is the global feature, and the last
    7×7 and 5×5 maps pass an embedding of their own into the same d dimensions. A cell of the 7×7 map sees 8,
    16 or 35 pixels a side of images of 32, 64 or 128; a cell of the 5×5 map 16, 32 or 67.

    Args:
        image_size: side of the (square) images, 32, 64 or 128.
        width: channels of the first layer.
        embedding_dim: dimension d of every feature.
        depth: residual units in each block.
        batch_norm: batch norm inside residual units (the norms of the outputs are always there).
        channels: channels of the images.

    Raises:
        ValueError: an image size other than 32, 64, 128; a width, dimension or depth below 1.

    Reference: Bachman, Hjelm, Buchwalter (2019), section 4.4 and their public code.
    """

    def __init__(
        self,
        image_size: int,
        width: int,
        embedding_dim: int,
        depth: int,
        batch_norm: bool = False,
        channels: int = 3,
    ):
        super().__init__()
        _check_sizes(image_size, width=width, embedding_dim=embedding_dim, depth=depth, channels=channels)
        self.input_shape = (channels, image_size, image_size)
        self.config = AMDIMEncoderConfig(width, embedding_dim, depth, batch_norm)
        self.arguments = {"image_size": image_size, "channels": channels, **asdict(self.config)}
        self.layers, top_width = _trunk(self.config, image_size, channels)
        self.embed = nn.ModuleDict(
            {str(side): Embedding(top_width, embedding_dim, batch_norm) for side in (5, 7)}
        )
        nn.utils.convert_conv2d_weight_memory_format(self, torch.channels_last)

    def forward(self, images: Float[Tensor, "b c s s"]) -> Features:
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

    def __init__(self, num_in: int, num_out: int, kernel: Window, stride: Window = 1, reflect: int = 0):
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
        self.window = (kernel, stride)
        self.num_new = num_out - num_in
        nn.init.kaiming_uniform_(self.spatial.weight, a=math.sqrt(5))
        nn.init.zeros_(self.pointwise.weight)

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h2 w2"]:
        """The sum, with no ReLU after it."""
        shortcut = x if self.window == (1, 1) else average_pool(x, *self.window)
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
    if (kernel, stride) == (4, 2):
        return F.avg_pool2d(F.avg_pool2d(x, 2, 2), 2, 1)
    return F.avg_pool2d(x, kernel, stride)


def windowed(x: Float[Tensor, "b i h w"], conv: nn.Conv2d) -> Float[Tensor, "b o h2 w2"]:
    """conv(x), for a convolution without bias and padding; as a matrix product where windows do not overlap.

    The values are the same; the gradient is several times quicker on CPUs, where the library's convolutions
    have no good path for maps of a few cells (measured in docs/lab-notebook.md).
    """
    (kernel, _), (stride, _), side = conv.kernel_size, conv.stride, x.shape[-1]
    apart = kernel == side or (kernel == stride and side % kernel == 0)
    if kernel == 1 or not apart:
        return conv(x)
    cells = x.permute(0, 2, 3, 1)  # channels last, so that the gradient comes back so, too
    windows = rearrange(cells, "b (h u) (w v) i -> b h w (u v i)", u=kernel, v=kernel)
    weight = rearrange(conv.weight, "o i u v -> o (u v i)")
    return F.linear(windows, weight).permute(0, 3, 1, 2)


def _trunk(config: AMDIMEncoderConfig, image_size: int, channels: int) -> tuple[nn.ModuleList, int]:
    """Layers from images to the normalised global feature, and the width of the maps of 7×7 and smaller."""
    w, norm = config.width, config.batch_norm

    def block(num_in: int, num_out: int, kernel: int, stride: int) -> nn.Sequential:
        first = ResidualUnit(num_in, num_out, kernel, stride, norm)
        return nn.Sequential(
            first, *(ResidualUnit(num_out, num_out, 1, 1, norm) for _ in range(1, config.depth))
        )

    if image_size == 32:
        top = 4 * w
        down = [Convolution(channels, w, 3), ResidualUnit(w, w, 1, 1, norm), block(w, 2 * w, 4, 2)]
        down += [block(2 * w, top, 2, 2)]
    else:
        top = 8 * w
        down = [Convolution(channels, w, 3)]
        if image_size == 128:
            down = [Convolution(channels, w, 5, stride=2, reflect=2), Convolution(w, w, 3)]
        down += [block(w, 2 * w, 4, 2), block(2 * w, 4 * w, 4, 2), block(4 * w, top, 2, 2)]
    middle = nn.BatchNorm2d(top) if norm else nn.Identity()
    up = [block(top, top, 3, 1), block(top, top, 3, 1), ResidualUnit(top, config.embedding_dim, 3, 1, norm)]
    return nn.ModuleList([*down, middle, *up, nn.BatchNorm2d(config.embedding_dim)]), top


def _check_sizes(image_size: int, **counts: int) -> None:
    if image_size not in (32, 64, 128):
        raise ValueError(
            f"AMDIMEncoder: image_size must be 32, 64 or 128, got {image_size}; resize the images"
        )
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"AMDIMEncoder: {name} must be at least 1, got {count}")
