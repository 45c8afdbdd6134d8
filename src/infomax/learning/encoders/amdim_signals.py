"""Signals to features: the AMDIM encoder in one dimension.

The layers are those for images, with windows of height 1: a signal is an image of one row.
"""

from dataclasses import asdict, replace
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from infomax.errors import refuse
from infomax.learning.encoders.amdim_layers import Convolution, Embedding, Readout, all_scales, trunk
from infomax.learning.encoders.config import AMDIMEncoderConfig, ReadoutKind
from infomax.learning.encoders.features import Features, of_shape
from infomax.learning.encoders.shrinking import shrinking
from infomax.ranges import Length, Size, check_numbers

MIN_LENGTH = 16
"""Samples of the shortest signal."""
MAX_FINE_LENGTH = 512
"""Samples, or windows of samples, that the first layer keeps at most."""


class SignalEncoder(nn.Module):
    """Convolutions without padding: cells of the rows of 7 and 5 see a stretch, the last cell the signal.

    The trunk shrinks a signal of any length to rows of 7, 5, 3 and 1 cells. The last is the global feature;
    the last rows of 7 and of 5 each pass an embedding into the same d dimensions, and so does a global
    feature of another dimension before it predicts. `shrinking` says how a
    length shrinks; the stages have 2, 4, 8, 8, 8, ... times `width` channels. Signals of more than 512
    samples begin with a convolution of kernel 2r + length mod r and stride r = ⌈length / 512⌉, so that memory
    does not grow with the length. No sample is left out.

    needed_maps: sides of the rows that training must use, so that every parameter gets a gradient.

    Args:
        length: samples of a signal, at least 16.
        channels: of a signal.
        width: channels of the first layer.
        embedding_dim: dimension d of the features.
        depth: residual units in each block.
        batch_norm: batch norm inside residual units (the norms of the outputs are always there).
        global_dim: dimension of the global feature; default: d.
        whitened, max_fine_side: of encoders of images; kept, without effect here.
        readout: ``joined`` for one vector of all scales in evaluation mode, beside the other features.

    Raises:
        ValueError: a length below 16; another number below 1.

    Example:
        >>> import torch
        >>> encoder = SignalEncoder(length=100, channels=2, width=4, embedding_dim=8, depth=1)
        >>> features = encoder(torch.zeros(3, 2, 100))
        >>> [tuple(row.shape) for row in (features.global_, features.local[7], features.local[5])]
        [(3, 8), (3, 8, 7), (3, 8, 5)]
    """

    needed_maps: frozenset[int] = frozenset({5, 7})

    def __init__(
        self,
        length: int,
        channels: int,
        width: int,
        embedding_dim: int,
        depth: int,
        batch_norm: bool = False,
        global_dim: int | None = None,
        whitened: bool = False,
        max_fine_side: int = AMDIMEncoderConfig.max_fine_side,
        readout: ReadoutKind = "global",
    ):
        super().__init__()
        check_numbers("SignalEncoder", Length, length=length)
        check_numbers("SignalEncoder", Size, channels=channels)
        refuse(
            length < MIN_LENGTH,
            f"SignalEncoder: length must be at least {MIN_LENGTH} samples, got {length}; "
            "record longer signals",
        )
        refuse(
            readout == "mirrored",
            "SignalEncoder: signals have no mirror image, got readout mirrored; choose joined or global",
        )
        self.input_shape: tuple[int, int] = (channels, length)
        self.config: AMDIMEncoderConfig = AMDIMEncoderConfig(
            width, embedding_dim, depth, batch_norm, global_dim, whitened, max_fine_side, readout
        )
        self.arguments: dict[str, Any] = {"length": length, "channels": channels, **asdict(self.config)}
        stem, cells = _stem(width, length, channels)
        stages = [((1, kernel), (1, stride)) for kernel, stride in shrinking(cells)]
        layers, top_width = trunk(self.config, stem, stages, (1, 3))
        self.layers: nn.ModuleList = layers
        self.embed: nn.ModuleDict = nn.ModuleDict(
            {str(cells): Embedding(top_width, embedding_dim, batch_norm) for cells in (5, 7)}
        )
        if global_dim not in (None, embedding_dim):
            self.embed["1"] = Embedding(global_dim, embedding_dim, batch_norm)
            self.needed_maps = frozenset({1, 5, 7})
        self.readout: Readout | None = None
        if readout != "global":
            self.readout = Readout((global_dim or embedding_dim) + 2 * embedding_dim)

    def forward(self, signals: Float[Tensor, "b c t"]) -> Features:
        """Return features of normalised signals: global_ [b, d], local {7: [b, d, 7], 5: [b, d, 5]}."""
        row = of_shape("SignalEncoder", signals, self.input_shape).unsqueeze(2)  # [b, c, 1, t]
        last = {}  # number of cells -> the last row of so many cells
        for layer in self.layers:
            row = layer(row)
            last[row.shape[-1]] = row
        local = {cells: self.embed[str(cells)](last[cells]).squeeze(2) for cells in (7, 5)}
        embedded = self.embed["1"](row).flatten(1) if "1" in self.embed else None
        features = Features(row.flatten(1), local, embedded=embedded)
        if self.readout is None or self.training:
            return features
        return replace(features, joined=self.readout(all_scales(features)))


def _stem(width: int, length: int, channels: int) -> tuple[list[nn.Module], int]:
    """Return the first convolutions, and how many cells they give."""
    stride = -(-length // MAX_FINE_LENGTH)
    if stride == 1:
        return [Convolution(channels, width, (1, 3))], length - 2
    windows = Convolution(channels, width, (1, 2 * stride + length % stride), (1, stride))
    return [windows, Convolution(width, width, (1, 3))], length // stride - 3
