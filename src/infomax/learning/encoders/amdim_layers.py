"""Layers of AMDIM encoders, of pictures and, with windows of height 1, of signals."""

import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.encoders.features import Features, evaluating
from infomax.learning.encoders.shrinking import Stage, Window


class Convolution(nn.Module):
    """Convolution with bias, then ReLU."""

    def __init__(self, num_in: int, num_out: int, kernel: Window, stride: Window = 1, reflect: Window = 0):
        super().__init__()
        self.conv: nn.Conv2d = nn.Conv2d(num_in, num_out, kernel, stride, reflect, padding_mode="reflect")

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h2 w2"]:
        """Return relu(W ∗ x + bias)."""
        return F.relu(self.conv(x))


MIN_VARIANCE = 1e-9
"""Smallest variance, as a share of the largest or of 1; anything below is rounding."""
NOISE = 5e-4
"""Added to the variances of patches, of normalised pixels, before they are made equal."""


@torch.no_grad()
def whiten(layer: Convolution, seen: Float[Tensor, "b i h w"]) -> None:
    """Set the filters of a first layer to pairs ±w that whiten patches of what is seen, and its bias to 0.

    Patches x have the second moments E x xᵀ = V S Vᵀ. The filters w are the columns of V (S + ε)^(−1/2),
    those of the largest moments first, as many as half of the layer has place for; others stay as they are.
    Linear units with little noise pass the most information when their outputs are white (see
    `principle.optima`). A pair keeps both signs of an output through the ReLU.

    Args:
        layer: the first one.
        seen: normalised views.
    """
    weight, bias = layer.conv.weight, layer.conv.bias
    assert bias is not None
    patches = F.unfold(seen.contiguous(), layer.conv.kernel_size, stride=layer.conv.stride)
    patches = rearrange(patches, "b p l -> (b l) p").double()
    moments, axes = torch.linalg.eigh(patches.T @ patches / len(patches))  # from the smallest on
    filters = (axes * (moments + NOISE).rsqrt()).T.flip(0)[: len(weight) // 2]
    pairs = torch.cat([filters, -filters])
    weight[: len(pairs)] = pairs.view(-1, *weight.shape[1:]).to(weight.dtype)
    bias.zero_()


class ResidualUnit(nn.Module):
    """y = W₂ relu(W₁ ∗ x) + pool(x): the shortcut averages each window and pads channels with zeros.

    W₁ is initialised Kaiming-uniform and W₂ with zeros, so that at first the unit equals its shortcut.
    """

    def __init__(self, num_in: int, num_out: int, kernel: Window, stride: Window, batch_norm: bool):
        super().__init__()
        self.spatial: nn.Conv2d = nn.Conv2d(num_in, num_out, kernel, stride, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(num_out) if batch_norm else nn.Identity()
        self.pointwise: nn.Conv2d = nn.Conv2d(num_out, num_out, 1, bias=False)
        self.window: Stage = (_pair(kernel), _pair(stride))
        self.num_new: int = num_out - num_in
        nn.init.kaiming_uniform_(self.spatial.weight, a=math.sqrt(5))
        nn.init.zeros_(self.pointwise.weight)

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h2 w2"]:
        """Return the sum, without a ReLU after it."""
        shortcut = x if self.window == ((1, 1), (1, 1)) else average_pool(x, *self.window)
        if self.num_new:
            shortcut = F.pad(shortcut, (0, 0, 0, 0, 0, self.num_new))
        return self.pointwise(F.relu(self.norm(windowed(x, self.spatial)))) + shortcut


class Embedding(nn.Module):
    """Local features into d dimensions: norm(W₂ relu(W₁ x) + S x), with S near the identity at first."""

    def __init__(self, num_in: int, num_out: int, batch_norm: bool):
        super().__init__()
        self.hidden: nn.Conv2d = nn.Conv2d(num_in, num_out, 1, bias=False)
        self.hidden_norm: nn.Module = nn.BatchNorm2d(num_out) if batch_norm else nn.Identity()
        self.out: nn.Conv2d = nn.Conv2d(num_out, num_out, 1, bias=False)
        self.shortcut: nn.Conv2d = nn.Conv2d(num_in, num_out, 1)
        self.norm: nn.BatchNorm2d = nn.BatchNorm2d(num_out)
        nn.init.kaiming_uniform_(self.hidden.weight, a=math.sqrt(5))
        nn.init.zeros_(self.out.weight)
        nn.init.uniform_(self.shortcut.weight, -0.01, 0.01)
        if num_out >= num_in:
            with torch.no_grad():
                self.shortcut.weight[range(num_in), range(num_in), 0, 0] = 1.0

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h w"]:
        """Return the embedded map."""
        return self.norm(self.out(F.relu(self.hidden_norm(self.hidden(x)))) + self.shortcut(x))


class Readout(nn.Module):
    """All scales as one vector, half made white: (u − m) W, u the global feature and the mean of each map.

    `fit` takes m, the means of u, and s, their standard deviations, from images. With the covariance of
    (u − m)/s, which is V S Vᵀ as Ledoit and Wolf estimate it, W = diag(1/s) V S^(−1/4). A direction of
    standard deviation r then has √r. Cosine similarity hears directions that vary little, too, and with many
    labels they tell much. S^(−1/2) would make all of them alike, and S⁰ leave them as they are: there
    accuracy with a few labels, here accuracy with many is lower (docs/lab-notebook.md). Before `fit`, W is
    the identity and m is zero.

    Reference: Ledoit, Wolf (2004), "A well-conditioned estimator for large-dimensional covariance matrices".

    Args:
        dim: of u, and of what comes out.
    """

    mean: Tensor
    matrix: Tensor

    def __init__(self, dim: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("matrix", torch.eye(dim))

    def forward(self, rows: Float[Tensor, "b f"]) -> Float[Tensor, "b f"]:
        """Return (u − m) W for rows u."""
        return (rows - self.mean) @ self.matrix

    @torch.no_grad()
    def fit(self, rows: Float[Tensor, "n f"]) -> None:
        """Take m and W from the rows u of n images, at least two."""
        from sklearn.covariance import ledoit_wolf  # takes half a second to import

        rows = rows.cpu().double()  # not every device has float64
        mean, scale = rows.mean(0), rows.std(0, correction=0)
        scale = torch.where(scale > 0, scale, 1.0)
        covariance, _ = ledoit_wolf(((rows - mean) / scale).numpy(), assume_centered=True)
        variances, axes = torch.linalg.eigh(torch.from_numpy(covariance).nan_to_num())  # NaN of no variance
        variances = variances.clamp_min(MIN_VARIANCE * variances[-1].clamp_min(1.0))
        self.mean.copy_(mean)
        self.matrix.copy_(axes / scale[:, None] * variances**-0.25)

    def reset(self) -> None:
        """Take W and m as before `fit`."""
        self.mean.zero_()
        nn.init.eye_(self.matrix)


def all_scales(features: Features) -> Float[Tensor, "b f"]:
    """Return u: the global feature, then the mean over the places of each map, smallest map first."""
    means = [features.local[side].flatten(2).mean(2) for side in sorted(features.local)]
    return torch.cat([features.global_, *means], dim=1).float()


def fit_readout(encoder: nn.Module, view: nn.Module, seen: Iterable[Tensor]) -> None:
    """Fit the readout of an encoder to what is seen; one without a `Readout` stays as it is.

    Args:
        encoder: after training.
        view: its plain view.
        seen: batches of images or signals as datasets hold them, two things or more in all.
    """
    readout = getattr(encoder, "readout", None)
    if readout is None:
        return
    device = readout.mean.device
    view = view.to(device)
    readout.reset()
    with evaluating(encoder):
        rows = [encoder(view(some.to(device))).joined for some in seen]
    readout.fit(torch.cat(rows))


def without_readout(encoder: nn.Module) -> nn.Module:
    """Return an encoder whose representation is its global feature again; it is changed itself."""
    given: Any = encoder
    if getattr(encoder, "readout", None) is not None:
        given.config = replace(given.config, readout="global")
        given.arguments["readout"], given.readout = "global", None
    return encoder


def average_pool(x: Float[Tensor, "b i h w"], kernel: Window, stride: Window) -> Float[Tensor, "b i h2 w2"]:
    """Return the mean of each window; for 4×4 windows with stride 2 in two steps, which is faster on CPUs."""
    if (_pair(kernel), _pair(stride)) == ((4, 4), (2, 2)):
        return F.avg_pool2d(F.avg_pool2d(x, 2, 2), 2, 1)
    return F.avg_pool2d(x, kernel, stride)


def windowed(x: Float[Tensor, "b i h w"], conv: nn.Conv2d) -> Float[Tensor, "b o h2 w2"]:
    """Return conv(x) of a convolution without bias and padding, as a matrix product if no windows overlap.

    The values are the same. The gradient is several times faster on CPUs, where the library's convolutions
    are slow for maps of a few cells (measured in docs/lab-notebook.md).
    """
    height, width = conv.kernel_size
    if (height, width) == (1, 1) or not all(map(_apart, conv.kernel_size, conv.stride, x.shape[-2:])):
        return conv(x)
    cells = x.permute(0, 2, 3, 1)  # channels last, so that the gradient has the same layout
    windows = rearrange(cells, "b (h u) (w v) i -> b h w (u v i)", u=height, v=width)
    weight = rearrange(conv.weight, "o i u v -> o (u v i)")
    return F.linear(windows, weight).permute(0, 3, 1, 2)


def _apart(kernel: int, stride: int, side: int) -> bool:
    """Return whether windows along a side neither overlap nor leave cells out."""
    return kernel == side or (kernel == stride and side % kernel == 0)


def _pair(window: Window) -> tuple[int, int]:
    return window if isinstance(window, tuple) else (window, window)


def trunk(
    config: AMDIMEncoderConfig, stem: list[nn.Module], stages: list[Stage], window: tuple[int, int]
) -> tuple[nn.ModuleList, int]:
    """Return the layers from images to the normalised global feature, and the width of maps of 7×7 and below.

    Args:
        config: capacity of the encoder.
        stem: first layers, which give `config.width` channels.
        stages: kernel and stride of each stage that leads to 7 cells a side.
        window: of the layers that make 5, 3 and 1 cells of 7.
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
    global_dim = config.global_dim or config.embedding_dim
    up += [ResidualUnit(top, global_dim, window, 1, norm), nn.BatchNorm2d(global_dim)]
    return nn.ModuleList([*stem, *start, *down, middle, *up]), top
