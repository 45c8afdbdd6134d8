"""Signals to views: random stretches, louder, noisier, partly silent; the plain view; pictures of them.

All randomness comes from torch's global generator, which the training step seeds with (seed, step, rank).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from torch import Tensor, nn


@dataclass(frozen=True)
class SignalViewsConfig:
    """How views are made of signals.

    stored_length: samples of the signals that are kept. length: of a view, a random stretch of them.
    gain: range of the factor, drawn evenly, of each view. flip_sign: probability of −1 times a view.
    noise: standard deviation of the noise added to each sample, in units of `std`.
    mask: largest share of a view that falls silent, a stretch of random length at a random place.
    mean, std: normalisation, one value a channel, of the samples; gain and silence are about the mean.
    """

    name: Literal["signal"] = "signal"
    stored_length: int = 1024
    length: int = 896
    gain: tuple[float, float] = (0.7, 1.4)
    flip_sign: float = 0.0
    noise: float = 0.1
    mask: float = 0.2
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __post_init__(self):
        if not 1 <= self.length <= self.stored_length:
            raise ValueError(
                "views: length must be between 1 and stored_length, got length "
                f"{self.length} and stored_length {self.stored_length}"
            )
        if len(self.mean) != len(self.std) or not self.mean or min(self.std) <= 0:
            raise ValueError(
                "views: mean and std need one value a channel, and std above 0, "
                f"got mean {self.mean} and std {self.std}"
            )
        if not 0 < self.gain[0] <= self.gain[1]:
            raise ValueError(
                f"views: gain must be (lowest, highest) factor above 0, got {self.gain}; (1, 1) for none"
            )
        for name in ("flip_sign", "mask"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"views: {name} must be in [0, 1], got {getattr(self, name)}")
        if self.noise < 0:
            raise ValueError(f"views: noise must be at least 0, got {self.noise}")

    @property
    def channels(self) -> int:
        """Of a signal."""
        return len(self.mean)

    @property
    def signal_shape(self) -> tuple[int, int]:
        """(c, t) of a view."""
        return (self.channels, self.length)

    @property
    def stored_shape(self) -> tuple[int, int]:
        """(c, t) of a signal as it is kept."""
        return (self.channels, self.stored_length)


class AugmentedSignals(nn.Module):
    """Signals -> augmented, normalised views of each, every one with its own random numbers."""

    def __init__(self, config: SignalViewsConfig, num_views: int = 2):
        super().__init__()
        self.config = config
        self.num_views = num_views
        self.normalize = NormalizeSignal(config)

    @torch.no_grad()
    def forward(self, signals: Float[Tensor, "b c t"]) -> tuple[Float[Tensor, "b c t2"], ...]:
        """`num_views` of them, float32."""
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
    """Signals -> the one plain view of each: the middle, normalised."""

    def __init__(self, config: SignalViewsConfig):
        super().__init__()
        self.config = config
        self.normalize = NormalizeSignal(config)

    @torch.no_grad()
    def forward(self, signals: Float[Tensor, "b c t"]) -> Float[Tensor, "b c t2"]:
        """The view, float32."""
        _check_length("SignalView", signals, self.config.length)
        start = (signals.shape[-1] - self.config.length) // 2
        return self.normalize(signals[..., start : start + self.config.length].float())


class NormalizeSignal(nn.Module):
    """(x − mean) / std, a channel at a time; `inverse` gives the samples back."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: SignalViewsConfig):
        super().__init__()
        self.register_buffer("mean", torch.tensor(config.mean).view(-1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config.std).view(-1, 1), persistent=False)

    def forward(self, signals: Float[Tensor, "b c t"]) -> Float[Tensor, "b c t"]:
        """Normalised signals."""
        return (signals - self.mean) / self.std

    def inverse(self, views: Float[Tensor, "b c t"]) -> Float[Tensor, "b c t"]:
        """The samples that normalise to `views`."""
        return views * self.std + self.mean


def pictures(
    views: Float[np.ndarray, "m c t"], *, height: int = 64, width: int = 128, reach: float | None = None
) -> UInt8[np.ndarray, "m h w 3"]:
    """Signals drawn as traces on white, 0 in the middle; each column shows all between its extremes.

    Args:
        views: one or more channels each, which are drawn over one another: dark, blue, red, green.
        reach: the value at the upper edge; by default the largest magnitude of all views.

    Example:
        >>> picture = pictures(np.sin(np.linspace(0, 20, 500))[None, None])
        >>> picture.shape, int(picture.min())
        ((1, 64, 128, 3), 32)
    """
    reach = float(np.abs(views).max() or 1.0) if reach is None else reach
    low, high = _envelope(np.asarray(views, np.float64) / reach, width)  # [m, c, w]
    top, bottom = (((1 - edge).clip(0, 2) / 2 * (height - 1)).round() for edge in (high, low))
    rows = np.arange(height)[:, None]
    inked = (rows >= top[..., None, :]) & (rows <= bottom[..., None, :])  # [m, c, h, w]
    picture = np.full((len(views), height, width, 3), 255, np.uint8)
    for channel in range(views.shape[1]):
        picture[inked[:, channel]] = _INKS[channel % len(_INKS)]
    return picture


_INKS = ((32, 32, 32), (31, 119, 180), (214, 39, 40), (44, 160, 44))


def _envelope(
    values: Float[np.ndarray, "m c t"], width: int
) -> tuple[Float[np.ndarray, "m c w"], Float[np.ndarray, "m c w"]]:
    """The least and largest value in each of `width` columns, of lines from sample to sample."""
    num_points = 4 * -(-values.shape[-1] // width)  # a column; neighbours share the point between them
    at = np.linspace(0, values.shape[-1] - 1, width * num_points + 1)
    left = np.minimum(at.astype(int), max(values.shape[-1] - 2, 0))
    right = np.minimum(left + 1, values.shape[-1] - 1)
    lines = values[..., left] + (at - left) * (values[..., right] - values[..., left])
    columns = np.lib.stride_tricks.sliding_window_view(lines, num_points + 1, axis=-1)[..., ::num_points, :]
    return columns.min(-1), columns.max(-1)


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
    """Which samples of each view are hidden: bool [n, 1, t]."""
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
