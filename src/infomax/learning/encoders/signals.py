"""Signals to features: the AMDIM encoder in one dimension.

The layers are those of images, with windows of height 1: a signal is an image of one row.
"""

from dataclasses import asdict

from jaxtyping import Float
from torch import Tensor, nn

from infomax.learning.encoders.amdim import (
    AMDIMEncoderConfig,
    Convolution,
    Embedding,
    Features,
    shrinking,
    trunk,
)

SHORTEST = 16
"""Samples that a signal must have at least."""
LONGEST_FINE = 512
"""Samples, or windows of samples, that the first layer keeps at most."""


class SignalEncoder(nn.Module):
    """Convolutions without padding: cells of the rows of 7 and 5 hear a stretch, the last one the signal.

    The trunk shrinks a signal of any length to rows of 7, 5, 3 and 1 cells; the last is the global feature,
    and the last rows of 7 and 5 pass an embedding of their own into the same d dimensions. How a length
    shrinks is the rule of `shrinking`; its stages have 2, 4, 8, 8, 8, ... times `width` channels. Signals
    longer than 512 samples begin with a convolution of kernel 2r + length mod r, stride r = ⌈length / 512⌉,
    so that memory does not grow with length. No sample is left out.

    Args:
        length: samples of a signal, at least 16.
        channels: of a signal.
        width: channels of the first layer.
        embedding_dim: dimension d of every feature.
        depth: residual units in each block.
        batch_norm: batch norm inside residual units (the norms of the outputs are always there).

    Raises:
        ValueError: a length below 16; another number below 1.

    Example:
        >>> import torch
        >>> encoder = SignalEncoder(length=100, channels=2, width=4, embedding_dim=8, depth=1)
        >>> features = encoder(torch.zeros(3, 2, 100))
        >>> [tuple(row.shape) for row in (features.global_, features.local[7], features.local[5])]
        [(3, 8), (3, 8, 7), (3, 8, 5)]
    """

    def __init__(
        self,
        length: int,
        channels: int,
        width: int,
        embedding_dim: int,
        depth: int,
        batch_norm: bool = False,
    ):
        super().__init__()
        sizes = {"channels": channels, "width": width, "embedding_dim": embedding_dim, "depth": depth}
        _check_sizes(length, **sizes)
        self.input_shape = (channels, length)
        self.config = AMDIMEncoderConfig(width, embedding_dim, depth, batch_norm)
        self.arguments = {"length": length, "channels": channels, **asdict(self.config)}
        stem, cells = _stem(width, length, channels)
        stages = [((1, kernel), (1, stride)) for kernel, stride in shrinking(cells)]
        self.layers, top_width = trunk(self.config, stem, stages, (1, 3))
        self.embed = nn.ModuleDict(
            {str(cells): Embedding(top_width, embedding_dim, batch_norm) for cells in (5, 7)}
        )

    def forward(self, signals: Float[Tensor, "b c t"]) -> Features:
        """Features of normalised signals: global_ [b, d], local {7: [b, d, 7], 5: [b, d, 5]}."""
        if tuple(signals.shape[1:]) != self.input_shape:
            raise ValueError(
                f"SignalEncoder: expected signals [b, {', '.join(map(str, self.input_shape))}], "
                f"got {list(signals.shape)}; cut them to this length, or build the encoder for theirs"
            )
        row = signals.unsqueeze(2)  # [b, c, 1, t]
        last = {}  # cells of a row -> the last row of so many cells
        for layer in self.layers:
            row = layer(row)
            last[row.shape[-1]] = row
        local = {cells: self.embed[str(cells)](last[cells]).squeeze(2) for cells in (7, 5)}
        return Features(row.flatten(1), local)


def _stem(width: int, length: int, channels: int) -> tuple[list[nn.Module], int]:
    """The first convolutions, and how many cells they leave."""
    stride = -(-length // LONGEST_FINE)
    if stride == 1:
        return [Convolution(channels, width, (1, 3))], length - 2
    windows = Convolution(channels, width, (1, 2 * stride + length % stride), (1, stride))
    return [windows, Convolution(width, width, (1, 3))], length // stride - 3


def _check_sizes(length: int, **counts: int) -> None:
    if length < SHORTEST:
        raise ValueError(
            f"SignalEncoder: length must be at least {SHORTEST} samples, got {length}; record longer signals"
        )
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"SignalEncoder: {name} must be at least 1, got {count}")
