"""Signals to features: the AMDIM encoder in one dimension.

The layers are those of images, with windows of height 1: a signal is an image of one row.
"""

from dataclasses import asdict
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from infomax.learning.encoders import AMDIMEncoderConfig, Convolution, Embedding, Features, ResidualUnit

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
        self.layers, top_width = _trunk(self.config, length, channels)
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


def shrinking(side: int) -> list[tuple[int, int]]:
    """(kernel, stride) of each stage that shrinks a row of `side` ≥ 7 cells to 7, without leaving any out.

    While there are more than 17, windows of 4 halve them, or windows of 5 where their number is odd; the last
    stage makes 7 of 7 to 17, at stride 2 from 14 cells on.

    >>> shrinking(30), shrinking(62), shrinking(14)
    ([(4, 2), (2, 2)], [(4, 2), (4, 2), (2, 2)], [(2, 2)])
    """
    stages = []
    while side > 17:
        kernel = 4 + side % 2
        stages.append((kernel, 2))
        side = (side - kernel) // 2 + 1
    return [*stages, (side - 12, 2) if side >= 14 else (side - 6, 1)]


def _trunk(config: AMDIMEncoderConfig, length: int, channels: int) -> tuple[nn.ModuleList, int]:
    """Layers from signals to the normalised global feature, and the width of rows of 7 cells or fewer."""
    w, norm, d = config.width, config.batch_norm, config.embedding_dim

    def block(num_in: int, num_out: int, kernel: int, stride: int) -> nn.Sequential:
        first = ResidualUnit(num_in, num_out, (1, kernel), (1, stride), norm)
        return nn.Sequential(
            first, *(ResidualUnit(num_out, num_out, 1, 1, norm) for _ in range(1, config.depth))
        )

    stem, side = _stem(w, length, channels)
    stages = shrinking(side)
    if len(stages) < 3:
        stem.append(ResidualUnit(w, w, 1, 1, norm))
    widths = [w * min(2**stage, 8) for stage in range(len(stages) + 1)]
    down = [block(*sizes, *stage) for sizes, stage in zip(pairwise(widths), stages, strict=True)]
    top = widths[-1]
    middle = nn.BatchNorm2d(top) if norm else nn.Identity()
    up = [block(top, top, 3, 1), block(top, top, 3, 1), ResidualUnit(top, d, (1, 3), 1, norm)]
    return nn.ModuleList([*stem, *down, middle, *up, nn.BatchNorm2d(d)]), top


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
