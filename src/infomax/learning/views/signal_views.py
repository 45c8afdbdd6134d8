"""Signals to views: random stretches, louder, noisier, partly silent; and the plain view.

Random numbers come from torch's global generator, which the training step seeds with (seed, step, rank).
"""

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from torch import Tensor, nn

from infomax.learning.views.signals import SignalViewsConfig
from infomax.learning.views.traces import traces


class AugmentedSignals(nn.Module):
    """Signals to augmented, normalised views of each; every view has random numbers of its own.

    capturable: whether a CUDA graph can hold it; it draws some of its numbers on the CPU.
    """

    capturable = False

    def __init__(self, config: SignalViewsConfig, num_views: int = 2):
        super().__init__()
        self.config = config
        self.num_views = num_views
        self.normalize: NormalizeSignal = NormalizeSignal(config)

    @torch.no_grad()
    def forward(self, signals: Float[Tensor, "b c t"]) -> tuple[Float[Tensor, "b c t2"], ...]:
        """Return `num_views` views of each signal, float32."""
        config, num = self.config, len(signals) * self.num_views
        _check_length("AugmentedSignals", signals, config.length)
        start = torch.randint(signals.shape[-1] - config.length + 1, (num,))
        views = _stretches(torch.cat([signals] * self.num_views), start, config.length)
        views = self.normalize(views.float()) * _factors(config, num).to(views.device)
        if config.noise:
            views = views + config.noise * torch.randn_like(views)
        if config.mask:
            views = views.masked_fill(_silence(config, num).to(views.device), 0.0)
        return views.chunk(self.num_views)


class SignalView(nn.Module):
    """Signals to the one plain view of each: the middle, normalised."""

    def __init__(self, config: SignalViewsConfig):
        super().__init__()
        self.config = config
        self.normalize: NormalizeSignal = NormalizeSignal(config)

    @torch.no_grad()
    def forward(self, signals: Float[Tensor, "b c t"]) -> Float[Tensor, "b c t2"]:
        """Return the view, float32."""
        _check_length("SignalView", signals, self.config.length)
        start = (signals.shape[-1] - self.config.length) // 2
        return self.normalize(signals[..., start : start + self.config.length].float())


class NormalizeSignal(nn.Module):
    """(x − mean) / std for each channel; `inverse` gives the samples back."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: SignalViewsConfig):
        super().__init__()
        self.register_buffer("mean", torch.tensor(config.mean).view(-1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.std).view(-1, 1), persistent=False)

    def forward(self, signals: Float[Tensor, "b c t"]) -> Float[Tensor, "b c t"]:
        """Return normalised signals."""
        return (signals - self.mean) / self.std

    def inverse(self, views: Float[Tensor, "b c t"]) -> Float[Tensor, "b c t"]:
        """Return the samples that normalise to `views`."""
        return views * self.std + self.mean


def _stretches(
    signals: Float[Tensor, "n c t"], start: Int[Tensor, " n"], length: int
) -> Float[Tensor, "n c t2"]:
    at = start.to(signals.device)[:, None] + torch.arange(length, device=signals.device)  # [n, t2]
    return signals.gather(2, at[:, None].expand(-1, signals.shape[1], -1))


def _factors(config: SignalViewsConfig, num: int) -> Float32[Tensor, "n 1 1"]:
    lowest, highest = config.gain
    gain = lowest + (highest - lowest) * torch.rand(num, 1, 1)
    flipped = torch.rand(num, 1, 1) < config.flip_sign
    return torch.where(flipped, -gain, gain)


def _silence(config: SignalViewsConfig, num: int) -> Tensor:
    """Return which samples of each view are silenced: bool [n, 1, t]."""
    silent = (torch.rand(num, 1, 1) * (config.mask * config.length + 1)).long()
    start = (torch.rand(num, 1, 1) * (config.length - silent + 1)).long()
    offset = torch.arange(config.length) - start
    return (offset >= 0) & (offset < silent)


def _check_length(operation: str, signals: Tensor, length: int) -> None:
    if signals.shape[-1] < length:
        raise ValueError(
            f"{operation}: signals have {signals.shape[-1]} samples, expected at least {length}; load longer "
            "ones, or set views.length"
        )


def view_pictures(config: SignalViewsConfig, views: Float[Tensor, "m c t"]) -> UInt8[np.ndarray, "m h w 3"]:
    """Return traces of views: their samples before normalisation."""
    return traces(NormalizeSignal(config).inverse(views.cpu()).numpy())
