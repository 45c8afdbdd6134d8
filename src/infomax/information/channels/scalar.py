"""Scalar channels with Gaussian noise, by certified discretisation.

A discretised output can only lose information, which gives lower bounds. For Gaussian noise of variance σ²,
Hoeffding's lemma bounds what a bin of width δ can lose: within a bin the log likelihood ratio of inputs x and
x' spans at most δ|x−x'|/σ², and their divergence there is at most an eighth of its square. This gives upper
bounds that hold for every input.

Reference: Smith (1971), The information capacity of amplitude- and variance-constrained scalar Gaussian
channels.
"""

import math
from typing import NamedTuple

import numpy as np

from infomax.errors import refuse
from infomax.information.channels.capacity import maximize_information
from infomax.information.measures import mutual_information
from infomax.information.tables import (
    Array,
    Number,
    as_probabilities,
    as_real,
    in_base,
    log_of_base,
    to_numpy,
)
from infomax.ranges import Positive, check_numbers

_TAIL = 12.0  # standard deviations; less than 4e-33 of the probability lies beyond
MAX_POINTS = 100_000


class Bracket(NamedTuple):
    """lower ≤ the value ≤ upper."""

    lower: float
    upper: float


class ScalarCapacity(NamedTuple):
    """lower ≤ C ≤ upper, and the input distribution that reaches `lower`: its points and probabilities."""

    lower: float
    upper: float
    points: np.ndarray
    probabilities: np.ndarray


def information_through_gaussian_noise(
    points: Array, p_x: Array, *, noise_std: Number = 1.0, base: Number = math.e, tolerance: float = 1e-6
) -> Bracket:
    """Return I(X;Y) for Y = X + Gaussian noise and X on finitely many points, within a certified bracket.

    Args:
        points: the values of X, such as the constellation of a modulation.
        p_x: their probabilities.
        noise_std: σ.
        base: 2 for bits.
        tolerance: the largest width of the bracket, in the same unit as the result.
    Raises:
        ValueError: shapes that differ, points that are not finite, σ ≤ 0 or a tolerance ≤ 0.
    Example:
        One bit, sent as ±1 through noise of variance 1:

        >>> bracket = information_through_gaussian_noise([-1, 1], [1/2, 1/2], base=2)
        >>> round(bracket.lower, 3), round(bracket.upper, 3)
        (0.486, 0.486)
    """
    check_numbers("information_through_gaussian_noise", Positive, noise_std=noise_std, tolerance=tolerance)
    x = to_numpy(as_real("information_through_gaussian_noise", points)) / noise_std
    p = to_numpy(as_probabilities("information_through_gaussian_noise", p_x))
    if x.ndim != 1 or x.shape != p.shape or not np.isfinite(x).all():
        raise ValueError(
            "information_through_gaussian_noise: expected as many points as probabilities, all finite, got "
            f"shapes {x.shape} and {p.shape}, and {np.sum(~np.isfinite(x))} points of NaN or ∞"
        )
    width = math.sqrt(4 * tolerance * log_of_base(base) / max(1e-12, min(1.0, np.ptp(x) ** 2 / 4))) * 0.9
    table = p[:, None] * _binned(x, width)
    p_y = table.sum(axis=0)
    second, first = x**2 @ table, x @ table
    variances = second - first**2 / np.where(p_y > 0, p_y, 1)  # P(bin) Var(X | bin)
    hidden = width**2 / 4 * np.abs(variances).sum() + 1e-14
    lower = float(mutual_information(table))
    return Bracket(float(in_base(lower - 1e-14, base)), float(in_base(lower + hidden, base)))


def amplitude_limited_capacity(
    amplitude: Number, *, noise_std: Number = 1.0, base: Number = math.e, tolerance: float = 1e-3
) -> ScalarCapacity:
    """Return max I(X;Y) over all inputs with |X| ≤ A, for Y = X + Gaussian noise, within a certified bracket.

    It is also the capacity of a noisy neuron y = g(x) + noise with a response g from −A to A. The best input
    is discrete: for A ≤ 1.66 σ it is ±A alone.

    Args:
        amplitude: A.
        noise_std: σ.
        base: 2 for bits.
        tolerance: the largest width of the bracket; the cost grows as its power −3/2.
    Returns:
        Lower and upper bounds, and points and probabilities that reach the lower one.
    Raises:
        ValueError: A, σ or the tolerance not positive.
    Example:
        >>> capacity = amplitude_limited_capacity(1.0, base=2)
        >>> round(capacity.lower, 2), round(capacity.upper, 2), capacity.points[[0, -1]]
        (0.49, 0.49, array([-1.,  1.]))
    """
    numbers = {"amplitude": amplitude, "noise_std": noise_std, "tolerance": tolerance}
    check_numbers("amplitude_limited_capacity", Positive, **numbers)
    a, room = float(amplitude) / float(noise_std), tolerance * log_of_base(base) / 4
    num_points = 1 + math.ceil(2 * a * math.sqrt(max(a * a - 1, room) / (8 * room)))
    refuse(
        num_points > MAX_POINTS,
        f"amplitude_limited_capacity: an amplitude of {a:.3g} noise_std needs {num_points:,} points, more "
        f"than {MAX_POINTS:,}; give a larger tolerance",
    )
    x = np.linspace(-a, a, max(num_points, 3))
    width = math.sqrt(2 * room) / a
    best = maximize_information(_binned(x, width), tolerance=room)
    between_points = (x[1] - x[0]) ** 2 / 8 * max(0.0, a**2 - 1)  # D(P(·|x)‖q) may be larger there
    within_bins = width**2 * a**2 / 2
    upper = best.upper + between_points + within_bins + 1e-14
    return ScalarCapacity(
        float(in_base(best.lower, base)), float(in_base(upper, base)), x * noise_std, best.point
    )


def _binned(x: np.ndarray, width: float) -> np.ndarray:
    """P(bin | x) of unit Gaussian noise about each x, in bins of a width and two tails; rows sum to one."""
    from scipy.special import ndtr

    num_edges = 2 + math.ceil((np.ptp(x) + 2 * _TAIL) / width)
    edges = x.min() - _TAIL + width * np.arange(num_edges)
    z = edges - x[:, None]
    upper, lower = np.append(z, np.full((len(x), 1), np.inf), 1), np.insert(z, 0, -np.inf, axis=1)
    masses = np.where(lower > 0, ndtr(-lower) - ndtr(-upper), ndtr(upper) - ndtr(lower))
    return masses / masses.sum(axis=1, keepdims=True)
