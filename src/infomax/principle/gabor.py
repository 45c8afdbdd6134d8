"""Gabor functions fitted to small pictures: place, orientation, frequency, and selectivity.

    g = exp( −u²/2σᵤ² − v²/2σᵥ² ) · (a cos 2πf u + b sin 2πf u)

u runs along the wave vector, across the bars, and v along the bars; both are 0 at the centre.

Reference: Daugman (1985), Uncertainty relation for resolution in space, spatial frequency, and orientation
optimized by two-dimensional visual cortical filters.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import OptimizeResult, least_squares

_HALF = math.sqrt(2 * math.log(2)) / (2 * math.pi)  # σ times the frequency at which a Gaussian has halved
_FIRST_WIDTHS = (1.5, 3.0)  # pixels, of the envelopes that fits begin with
_MIN_WIDTH = 0.6


@dataclass(frozen=True)
class Gabor:
    """A fitted Gabor function; lengths in pixels, frequency in cycles a pixel, angles in radians.

    Args:
        row: of the centre.
        column: of the centre.
        orientation: of the wave vector, from 0 to π, counted from the axis of columns towards that of rows.
        frequency: f.
        width_across: σᵤ.
        width_along: σᵥ.
        explained: 1 − |picture − g|²/|picture|².
    """

    row: float
    column: float
    orientation: float
    frequency: float
    width_across: float
    width_along: float
    explained: float

    @property
    def frequency_bandwidth(self) -> float:
        """Octaves between the frequencies of half the response; ∞ for a low pass."""
        spread = _HALF / self.width_across
        if spread >= self.frequency:
            return math.inf
        return math.log2((self.frequency + spread) / (self.frequency - spread))

    @property
    def orientation_bandwidth(self) -> float:
        """The angle between the wave vectors of half the response, at most π."""
        return 2 * math.atan2(_HALF / self.width_along, self.frequency)


def fit_gabor(picture: Float[np.ndarray, "h w"]) -> Gabor:
    """Return the Gabor function with the least squared error, from a few starts at the strongest wave.

    Raises:
        ValueError: a picture of zeros, or one smaller than 4 × 4.
    Example:
        >>> rows, columns = np.mgrid[:12, :12] - 5.5
        >>> bars = np.exp(-(rows**2 + columns**2) / 8) * np.cos(2 * np.pi * 0.2 * columns)
        >>> fit = fit_gabor(bars)
        >>> round(fit.frequency, 3), round(fit.width_along, 3), round(fit.explained, 3)
        (0.2, 2.0, 1.0)
    """
    if min(picture.shape) < 4 or not np.any(picture):
        raise ValueError(
            f"fit_gabor: picture must be at least 4 × 4 and not all zeros, got shape {list(picture.shape)}"
        )
    fits = [_fit_from(picture / np.linalg.norm(picture), width) for width in _FIRST_WIDTHS]
    best = min(fits, key=lambda fit: fit.cost)
    row, column, rise, run, log_across, log_along = best.x
    return Gabor(
        row=float(row),
        column=float(column),
        orientation=math.atan2(rise, run) % math.pi,
        frequency=math.hypot(rise, run),
        width_across=math.exp(log_across),
        width_along=math.exp(log_along),
        explained=1 - 2 * float(best.cost),
    )


def _fit_from(picture: Float[np.ndarray, "h w"], width: float) -> OptimizeResult:
    """The best fit near one start, of the centre, the wave vector, and the logs of both widths.

    The best a and b follow from these.
    """
    energy = picture**2
    centre = [float(np.sum(places * energy)) for places in np.indices(picture.shape)]
    lowest, widest = math.log(_MIN_WIDTH), math.log(4 * max(picture.shape))
    height, breadth = picture.shape
    bounds = [(-1, height), (-1, breadth), (-0.5, 0.5), (-0.5, 0.5), (lowest, widest), (lowest, widest)]
    start = [*centre, *_strongest_wave(picture), math.log(width), math.log(width)]
    below, above = zip(*bounds, strict=True)
    return least_squares(lambda x: _residual(picture, x), start, bounds=(below, above), max_nfev=60)


def _strongest_wave(picture: Float[np.ndarray, "h w"]) -> tuple[float, float]:
    """The wave vector of the largest Fourier coefficient, in steps of a quarter of the picture's own."""
    size = 4 * max(picture.shape)
    power = np.abs(np.fft.fft2(picture, (size, size)))
    row, column = np.unravel_index(power[:, : size // 2].argmax(), (size, size // 2))
    return float(np.fft.fftfreq(size)[row]), float(column / size)


def _residual(picture: Float[np.ndarray, "h w"], x: Float[np.ndarray, "6"]) -> Float[np.ndarray, " hw"]:
    """The picture minus the Gabor function with the best a and b."""
    row, column, rise, run, log_across, log_along = x
    rows, columns = np.indices(picture.shape)
    rows, columns = rows - row, columns - column
    frequency = max(math.hypot(rise, run), 1e-6)
    phase = rows * rise + columns * run  # f u
    across, along = phase / frequency, (columns * rise - rows * run) / frequency
    envelope = np.exp(-((across / math.exp(log_across)) ** 2 + (along / math.exp(log_along)) ** 2) / 2)
    waves = np.stack([envelope * np.cos(2 * math.pi * phase), envelope * np.sin(2 * math.pi * phase)])
    waves = waves.reshape(2, -1)
    a_and_b = np.linalg.lstsq(waves.T, picture.ravel(), rcond=None)[0]
    return picture.ravel() - a_and_b @ waves
