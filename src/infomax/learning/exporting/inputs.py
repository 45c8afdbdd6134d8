"""Input of an exported encoder, and how that becomes what its plain view takes."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from infomax.learning.data.pixels.ranges import STORED, Limits, limits_of, per_channel, scaled
from infomax.learning.views.kinds import SingleViews


@dataclass(frozen=True)
class Port:
    """A batch of tensors that goes into an exported encoder, or comes out of it.

    name: in the file. dtype: as NumPy calls it. shape: of one batch; "b", its size, comes first.
    values: what it holds, in words.
    """

    name: str
    dtype: str
    shape: tuple[str | int, ...]
    values: str

    def __str__(self) -> str:
        return f"{self.dtype} [{', '.join(map(str, self.shape))}], {self.values}"


class Input(nn.Module, ABC):
    """Reads what goes into an encoder.

    port: what that is.
    """

    port: Port

    @abstractmethod
    def forward(self, seen: Tensor) -> Tensor:
        """Return what the plain view takes."""

    @abstractmethod
    def as_loaded(self, seen: np.ndarray) -> np.ndarray:
        """Return what `load_images` makes of the same values, by its own code."""

    @abstractmethod
    def drawn(self, draws: np.ndarray) -> np.ndarray:
        """Return values that could go in, made of random numbers in [0, 1)."""


class AsLoaded(Input):
    """Images or signals as `load_images` or `load_signals` gives them."""

    def __init__(self, views: SingleViews):
        super().__init__()
        shape = ("b", *views.stored_shape)
        name, how = f"{views.noun}s", f"as {views.noun}s are loaded, before normalisation"
        if views.before:
            how = f"{how}: 0 to 255{_range_in_words(views)}"
        deep = bool(views.before) and _bits(views) == 16
        if deep:
            how = how.replace("255", "1")
        self.port: Port = Port(name, "uint8" if views.before and not deep else "float32", shape, how)

    def forward(self, seen: Tensor) -> Tensor:
        """Return it as it is."""
        return seen

    def as_loaded(self, seen: np.ndarray) -> np.ndarray:
        """Return it as it is."""
        return seen

    def drawn(self, draws: np.ndarray) -> np.ndarray:
        """Return pixels, or numbers in [0, 1)."""
        return (draws * 256 if self.port.dtype == "uint8" else draws).astype(self.port.dtype)


class FullRange(Input):
    """Pixels that have the range of their data type: 0 to 255, or to 65535 where they are kept so."""

    def __init__(self, views: SingleViews):
        super().__init__()
        dtype = f"uint{_bits(views)}"
        self.top: int = int(np.iinfo(dtype).max)
        shape = ("b", *views.stored_shape)
        self.port: Port = Port(
            f"{views.noun}s", dtype, shape, f"pixels from 0 to {self.top}, before normalisation"
        )

    def forward(self, seen: Tensor) -> Tensor:
        """Return 8 bits as they are, 16 bits in [0, 1]."""
        return seen.float() / self.top if seen.dtype == torch.uint16 else seen

    def as_loaded(self, seen: np.ndarray) -> np.ndarray:
        """Return 8 bits as they are, 16 bits in [0, 1]."""
        return seen / np.float32(65535) if seen.dtype == np.uint16 else seen

    def drawn(self, draws: np.ndarray) -> np.ndarray:
        """Return pixels."""
        return (draws * (self.top + 1)).astype(self.port.dtype)


class Measured(Input):
    """Values as they were measured: their range, and the steps in which they are stored, are applied."""

    low: Tensor
    high: Tensor
    factor: Tensor

    def __init__(self, views: SingleViews, limits: Limits):
        super().__init__()
        self.limits: Limits = limits
        self.bits: int = _bits(views)
        self.top: int = int(np.iinfo(STORED[self.bits]).max)
        ends = np.array(per_channel(limits, views.stored_shape[0]), np.float64)
        low, high = ends.T[..., None, None]
        for name, value in {"low": low, "high": high, "factor": self.top / (high - low)}.items():
            self.register_buffer(name, torch.from_numpy(value.copy()), persistent=False)
        how = f"values as measured{_range_in_words(views)}"
        self.port: Port = Port(f"{views.noun}s", "float32", ("b", *views.stored_shape), how)

    def forward(self, seen: Tensor) -> Tensor:
        """Return pixels in [0, 1], as `ranges.scaled`; values outside the range become 0 or 1."""
        from_zero = seen.double().clamp(self.low, self.high) - self.low
        return torch.round(from_zero * self.factor).float() / self.top

    def as_loaded(self, seen: np.ndarray) -> np.ndarray:
        """Return pixels in [0, 1]."""
        stored = scaled(np.moveaxis(seen, 1, -1), self.limits, self.bits)
        return np.moveaxis(stored, -1, 1) / np.float32(self.top)

    def drawn(self, draws: np.ndarray) -> np.ndarray:
        """Return values, some of them outside the range."""
        low, high = self.low.cpu().numpy(), self.high.cpu().numpy()
        return (low + (1.2 * draws - 0.1) * (high - low)).astype(np.float32)


def input_of(views: SingleViews) -> Input:
    """Return what goes into an encoder that sees by these views: pixels or values as files hold them."""
    if not views.before:
        return AsLoaded(views)
    limits = _limits(views)
    return Measured(views, limits) if limits else FullRange(views)


def _limits(views: Any) -> Limits:
    return limits_of(views.range)


def _bits(views: Any) -> int:
    """Return the bits of a stored pixel."""
    return views.bits or 8


def _range_in_words(views: Any) -> str:
    return f", of the range {views.range}" if limits_of(views.range) else ""
