"""Gaussian channels and what they can carry: water-filling, Linsker's best linear channel, the bottleneck.

Computed in NumPy, except for `awgn_capacity`, which also takes Torch tensors and is differentiable.

Reference: Cover and Thomas (2006), chapters 9 and 10.
"""

import math
from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace

from infomax.errors import refuse
from infomax.information.channels.bottleneck import Beta
from infomax.information.gaussian import canonical_correlations, check_covariance
from infomax.information.tables import Array, Number, as_positive, as_real, in_base, to_numpy
from infomax.ranges import Positive, Size, Weight, check_numbers


def awgn_capacity(snr: Array, *, base: Number = math.e) -> Array:
    """Return ½ log(1 + SNR) a use, the capacity of y = x + Gaussian noise, by signal-to-noise power.

    Args:
        snr: the ratio, not in decibels.
        base: 2 for bits.
    Raises:
        ValueError: a negative ratio.
    Example:
        >>> float(awgn_capacity(15.0, base=2))
        2.0
    """
    snr = as_real("awgn_capacity", snr)
    xp = array_namespace(snr)
    if not bool(xp.all(snr >= 0)):
        raise ValueError(
            f"awgn_capacity: the signal-to-noise ratio must be at least 0, got {snr}; is it in dB?"
        )
    return in_base(xp.log1p(snr) / 2, base)


@dataclass(frozen=True, eq=False)
class WaterFilling:
    """The powers of parallel channels that share a budget, the water's level, and the information carried."""

    powers: np.ndarray
    level: float
    capacity: float


def parallel_gaussian_capacity(
    noise_variances: Array, power: Number, *, base: Number = math.e
) -> WaterFilling:
    """Return the best powers of parallel Gaussian channels: Pᵢ = max(0, level − Nᵢ), C = Σ ½ log(1 + Pᵢ/Nᵢ).

    Args:
        noise_variances: Nᵢ.
        power: the total Σ Pᵢ.
        base: 2 for bits.
    Raises:
        ValueError: variances that are not positive, or a negative power.
    Example:
        >>> parallel_gaussian_capacity([1.0, 2.0, 10.0], power=5).powers
        array([3., 2., 0.])
    """
    noise = np.atleast_1d(to_numpy(as_real("parallel_gaussian_capacity", noise_variances)))
    check_numbers("parallel_gaussian_capacity", Weight, power=power)
    refuse(
        not (_are_variances(noise) and np.isfinite(noise).all()),
        "parallel_gaussian_capacity: noise variances must be positive and finite, in one list, "
        f"got {noise_variances}",
    )
    rising = np.sort(noise)
    levels = (power + np.cumsum(rising)) / np.arange(1, len(noise) + 1)
    level = levels[levels >= rising][-1]  # the last channel that the water reaches
    powers = np.maximum(0, level - noise)
    return WaterFilling(powers, float(level), float(in_base(np.log1p(powers / noise).sum() / 2, base)))


def gaussian_rate_distortion(variances: Array, distortion: Number, *, base: Number = math.e) -> float:
    """Return R(D) of independent Gaussians under total squared error: Σ ½ log(σᵢ²/Dᵢ), Dᵢ = min(level, σᵢ²).

    Args:
        variances: σᵢ².
        distortion: D = Σ Dᵢ.
        base: 2 for bits.
    Raises:
        ValueError: variances or a distortion that are not positive.
    Example:
        >>> gaussian_rate_distortion([1.0], 1/4, base=2)
        1.0
    """
    sigma2 = np.atleast_1d(to_numpy(as_real("gaussian_rate_distortion", variances)))
    distortion = as_positive("gaussian_rate_distortion", "distortion", distortion)
    refuse(
        not _are_variances(sigma2),
        f"gaussian_rate_distortion: variances must be positive, in one list, got {variances}",
    )
    if distortion >= sigma2.sum():
        return 0.0
    rising = np.sort(sigma2)
    below = np.concatenate([[0.0], np.cumsum(rising)[:-1]])
    levels = (distortion - below) / np.arange(len(rising), 0, -1)
    level = levels[levels <= rising][0]
    return float(in_base(np.log(np.maximum(sigma2 / level, 1)).sum() / 2, base))


def _are_variances(values: np.ndarray) -> bool:
    return values.ndim == 1 and values.size > 0 and bool((values > 0).all())


@dataclass(frozen=True, eq=False)
class LinearChannel:
    """y = W (x + input noise) + output noise: the weights [outputs, d] and the information I(x;y)."""

    weights: np.ndarray
    powers: np.ndarray
    information: float


def best_linear_channel(
    signal_covariance: Array,
    power: Number,
    num_outputs: int,
    *,
    input_noise: Number = 0.0,
    output_noise: Number = 1.0,
    base: Number = math.e,
) -> LinearChannel:
    """Return the W for which y = W (x + n) + m tells most of the Gaussian signal x: Linsker's case.

    The total variance of W (x + n) may not exceed `power`. The best W projects on the leading principal axes
    of the signal; axis i, with a = ν/(λᵢ+ν), gets the power u that maximises ½ log((u + σ²)/(a u + σ²)) at a
    common price. Directions of high signal-to-noise ratio are favoured, and weak ones left out.

    Args:
        signal_covariance: Σ [d, d] of x.
        power: the largest Σᵢ Var[(W (x + n))ᵢ].
        num_outputs: how many rows W has.
        input_noise: ν, the variance of each coordinate of n.
        output_noise: σ², the variance of each coordinate of m.
        base: 2 for bits.
    Raises:
        ValueError: no covariance, or a number out of range.
    Example:
        >>> best = best_linear_channel(np.diag([4.0, 1.0]), power=2, num_outputs=2, input_noise=1)
        >>> best.powers.round(3)
        array([1.45, 0.55])

    Reference: Linsker (1988); van Hateren (1992), A theory of maximizing sensory information.
    """
    sigma = to_numpy(check_covariance("best_linear_channel", signal_covariance))
    _check_linear(sigma, power, num_outputs, input_noise, output_noise)
    variances, axes = np.linalg.eigh(sigma)
    kept = np.argsort(-variances)[: min(num_outputs, len(sigma))]
    received = np.maximum(variances[kept], 0) + input_noise
    share = np.where(received > 0, input_noise / np.where(received > 0, received, 1), 1.0)
    powers = powers_at_common_price(share, float(power), float(output_noise))
    gains = np.sqrt(powers / np.where(received > 0, received, 1))
    weights = np.zeros((num_outputs, len(sigma)))
    weights[: len(kept)] = gains[:, None] * axes[:, kept].T
    nats = np.log((powers + output_noise) / (share * powers + output_noise)).sum() / 2
    return LinearChannel(
        weights, np.append(powers, np.zeros(num_outputs - len(kept))), float(in_base(nats, base))
    )


def _check_linear(
    sigma: np.ndarray, power: Number, num_outputs: int, input_noise: Number, output_noise: Number
) -> None:
    if sigma.ndim != 2 or np.linalg.eigvalsh(sigma).min() < -1e-9 * np.abs(sigma).max():
        raise ValueError(
            "best_linear_channel: the signal covariance must be one positive semi-definite matrix"
        )
    check_numbers("best_linear_channel", Positive, power=power, output_noise=output_noise)
    check_numbers("best_linear_channel", Weight, input_noise=input_noise)
    check_numbers("best_linear_channel", Size, num_outputs=num_outputs)


def powers_at_common_price(share: np.ndarray, power: float, noise: np.ndarray | float) -> np.ndarray:
    """Return the powers u of a given sum that maximise Σ ½ log((uᵢ+σᵢ²)/(aᵢuᵢ+σᵢ²)).

    This is water-filling with input noise. The slopes ½ σ²(1−a) / ((u+σ²)(au+σ²)) all have the same value,
    the price, where u > 0, and are lower where u = 0.

    Args:
        share: a, the share of noise in what an axis receives, from 0 to 1.
        power: the sum of all u.
        noise: σ², one for all axes or one each.
    """
    from scipy.optimize import brentq

    def powers(log_price: float) -> np.ndarray:
        excess = np.maximum(0, noise * (1 - share) * math.exp(-log_price) / 2 - noise**2)
        linear = (1 + share) * noise
        return 2 * excess / (linear + np.sqrt(linear**2 + 4 * share * excess))

    if not (share < 1).any():
        return np.zeros_like(share)
    highest = math.log(((1 - share) / (2 * noise)).max())  # at this price every axis gets no power
    lowest = highest - 1.0
    while powers(lowest).sum() < power:
        lowest -= 2.0
    log_price = brentq(lambda t: powers(t).sum() - power, lowest, highest, xtol=1e-14)
    found = powers(log_price)  # pyright: ignore[reportArgumentType]
    if not found.any():  # so little power that rounding hides it: the axes of the highest price get it
        slopes = (1 - share) / (2 * noise)
        found = (slopes >= slopes.max() * (1 - 1e-15)) * 1.0
    return found * (power / found.sum())


@dataclass(frozen=True, eq=False)
class GaussianBottleneck:
    """I(X;T) and I(T;Y) of the best Gaussian T, in nats, and the β at which each direction appears."""

    rate: float
    relevance: float
    transitions: np.ndarray


def gaussian_information_bottleneck(covariance: Array, dim_x: int, beta: Number) -> GaussianBottleneck:
    """Return the maximum of β I(T;Y) − I(X;T) over T = A X + noise, in closed form.

    A direction of canonical correlation ρ is kept if and only if β > 1/ρ². With λ = 1 − ρ² it costs
    ½ log((β−1)(1−λ)/λ) nats about X and brings ½ log((β−1)/(βλ)) nats about Y.

    Args:
        covariance: of (X, Y) together, X in the first `dim_x` coordinates.
        dim_x: how many coordinates X has.
        beta: what a nat about Y is worth in nats about X.
    Raises:
        ValueError: no covariance, a dim_x that leaves X or Y empty, or a β that is not positive and finite.
    Example:
        >>> gaussian_information_bottleneck([[1, .5], [.5, 1]], 1, beta=2).transitions
        array([4.])

    Reference: Chechik, Globerson, Tishby and Weiss (2005), Information bottleneck for Gaussian variables.
    """
    check_numbers("gaussian_information_bottleneck", Beta, beta=beta)
    sigma = to_numpy(check_covariance("gaussian_information_bottleneck", covariance))
    squared = canonical_correlations(sigma, dim_x) ** 2
    with np.errstate(divide="ignore"):
        transitions = 1 / squared
    kept = squared[beta > transitions]
    rate = np.log((beta - 1) * kept / (1 - kept)).sum() / 2
    relevance = rate - np.log(beta * kept).sum() / 2
    return GaussianBottleneck(float(rate), float(relevance), transitions)
