"""Gaussian variables and channels, whose information is a matter of determinants.

The measures take covariance matrices [..., d, d], NumPy or Torch, and are differentiable. The maximisations
(water-filling, Linsker's best linear channel, the Gaussian bottleneck) are computed in NumPy.

Reference: Cover and Thomas (2006), chapters 8–10.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace, device

from infomax.information.tables import Array, Number, as_real, in_base, same_namespace, to_numpy

# ------------------------------------------------------------------------------------- measures


def gaussian_entropy(covariance: Array, *, base: Number = math.e) -> Array:
    """h(X) = ½ log det(2πe Σ), the differential entropy; unlike a discrete one it may be negative.

    Args:
        covariance: [..., d, d], symmetric and positive definite.
    Raises: ValueError: not square, not symmetric, or not positive definite.
    Example:
        >>> round(float(gaussian_entropy([[1.0]])), 6)  # ½ log 2πe
        1.418939
    """
    covariance = _covariance("gaussian_entropy", covariance)
    d = covariance.shape[-1]
    return in_base((_log_det("gaussian_entropy", covariance) + d * math.log(2 * math.pi * math.e)) / 2, base)


def gaussian_mutual_information(covariance: Array, dim_x: int, *, base: Number = math.e) -> Array:
    """I(X;Y) = ½ log( det Σ_x det Σ_y / det Σ ) = −½ Σ log(1 − ρᵢ²), ρᵢ being canonical correlations.

    Args:
        covariance: of (X, Y) together, X in the first `dim_x` coordinates.
    Example:
        >>> round(float(gaussian_mutual_information([[1, .75], [.75, 1]], 1)), 4)
        0.4133
    """
    covariance = _covariance("gaussian_mutual_information", covariance)
    d = covariance.shape[-1]
    if not 0 < dim_x < d:
        raise ValueError(f"gaussian_mutual_information: dim_x must be from 1 to {d - 1}, got {dim_x}")
    parts = (covariance[..., :dim_x, :dim_x], covariance[..., dim_x:, dim_x:], covariance)
    x, y, xy = (_log_det("gaussian_mutual_information", part) for part in parts)
    return in_base((x + y - xy) / 2, base)


def gaussian_conditional_mutual_information(
    covariance: Array, x: Sequence[int], y: Sequence[int], given: Sequence[int], *, base: Number = math.e
) -> Array:
    """I(X;Y|Z) of jointly Gaussian variables, each a list of coordinates.

    With X the past of one series, Y the present and Z the past of another, this is the transfer entropy.
    """
    covariance = _covariance("gaussian_conditional_mutual_information", covariance)
    groups = ([*x, *given], [*y, *given], [*x, *y, *given], list(given))
    xz, yz, xyz, z = (_log_det_of("gaussian_conditional_mutual_information", covariance, g) for g in groups)
    return in_base((xz + yz - xyz - z) / 2, base)


def gaussian_kl_divergence(
    mean_p: Array, covariance_p: Array, mean_q: Array, covariance_q: Array, *, base: Number = math.e
) -> Array:
    """D(p‖q) = ½ [ tr(Σ_q⁻¹Σ_p) + δᵀΣ_q⁻¹δ − d + log(det Σ_q / det Σ_p) ], δ = μ_q − μ_p.

    Example:
        >>> round(float(gaussian_kl_divergence([0.0], [[1.0]], [1.0], [[1.0]])), 6)
        0.5
    """
    name = "gaussian_kl_divergence"
    covariance_p, covariance_q = _covariance(name, covariance_p), _covariance(name, covariance_q)
    mean_p, mean_q = as_real(name, mean_p, like=covariance_p), as_real(name, mean_q, like=covariance_p)
    xp = same_namespace(name, mean_p, covariance_p, mean_q, covariance_q)
    if {mean_p.shape[-1], mean_q.shape[-1], covariance_p.shape[-1]} != {covariance_q.shape[-1]}:
        raise ValueError(
            f"{name}: means and covariances must have one dimension, got {mean_p.shape[-1]}, ..."
        )
    shift = (mean_q - mean_p)[..., None]
    second_moment = covariance_p + shift @ xp.linalg.matrix_transpose(shift)
    trace = xp.linalg.trace(xp.linalg.solve(covariance_q, second_moment))
    log_ratio = _log_det(name, covariance_q) - _log_det(name, covariance_p)
    return in_base((trace - covariance_p.shape[-1] + log_ratio) / 2, base)


def _covariance(operation: str, covariance: Array) -> Array:
    covariance = as_real(operation, covariance)
    if covariance.ndim < 2 or covariance.shape[-1] != covariance.shape[-2]:
        raise ValueError(
            f"{operation}: a covariance must be square [..., d, d], got shape {tuple(covariance.shape)}"
        )
    xp = array_namespace(covariance)
    asymmetry = xp.max(xp.abs(covariance - xp.linalg.matrix_transpose(covariance))).item()
    if not asymmetry <= 1e3 * xp.finfo(covariance.dtype).eps * xp.max(xp.abs(covariance)).item():
        raise ValueError(
            f"{operation}: a covariance must be symmetric and finite, got asymmetry {asymmetry:.3g}"
        )
    return covariance


def _log_det(operation: str, covariance: Array) -> Array:
    xp = array_namespace(covariance)
    try:
        factor = xp.linalg.cholesky(covariance)
    except (np.linalg.LinAlgError, RuntimeError) as error:  # NumPy's, Torch's
        raise ValueError(
            f"{operation}: the covariance must be positive definite; are some coordinates copies of others?"
        ) from error
    return 2 * xp.sum(xp.log(xp.linalg.diagonal(factor)), axis=-1)


def _log_det_of(operation: str, covariance: Array, group: list[int]) -> Array:
    xp = array_namespace(covariance)
    if not group:
        return xp.zeros(covariance.shape[:-2], dtype=covariance.dtype, device=device(covariance))
    index = xp.asarray(group, device=device(covariance))
    return _log_det(operation, xp.take(xp.take(covariance, index, axis=-2), index, axis=-1))


# ------------------------------------------------------------------------------------- channels


def awgn_capacity(snr: Array, *, base: Number = math.e) -> Array:
    """½ log(1 + SNR) a use: the capacity of y = x + Gaussian noise at a ratio of signal to noise power.

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
    """How a budget of power is shared out among channels, the water's level, and the information carried."""

    powers: np.ndarray
    level: float
    capacity: float


def parallel_gaussian_capacity(
    noise_variances: Array, power: Number, *, base: Number = math.e
) -> WaterFilling:
    """Parallel Gaussian channels under a total power: Pᵢ = max(0, level − Nᵢ), C = Σ ½ log(1 + Pᵢ/Nᵢ).

    Example:
        >>> parallel_gaussian_capacity([1.0, 2.0, 10.0], power=5).powers
        array([3., 2., 0.])
    """
    noise = to_numpy(noise_variances).ravel()
    if not (noise.size and (noise > 0).all() and np.isfinite(noise).all() and 0 <= power < math.inf):
        raise ValueError(
            "parallel_gaussian_capacity: noise variances must be positive and power at least 0, "
            f"got {noise_variances} and {power}"
        )
    rising = np.sort(noise)
    levels = (power + np.cumsum(rising)) / np.arange(1, len(noise) + 1)
    level = levels[levels >= rising][-1]  # the last channel that the water reaches
    powers = np.maximum(0, level - noise)
    return WaterFilling(powers, float(level), float(in_base(np.log1p(powers / noise).sum() / 2, base)))


def gaussian_rate_distortion(variances: Array, distortion: Number, *, base: Number = math.e) -> float:
    """R(D) of independent Gaussians under total squared error: Σ ½ log(σᵢ²/Dᵢ), Dᵢ = min(level, σᵢ²).

    Example:
        >>> gaussian_rate_distortion([1.0], 1/4, base=2)
        1.0
    """
    sigma2 = to_numpy(variances).ravel()
    if not (sigma2.size and (sigma2 > 0).all() and distortion > 0):
        raise ValueError(
            "gaussian_rate_distortion: variances and distortion must be positive, "
            f"got {variances} and {distortion}"
        )
    if distortion >= sigma2.sum():
        return 0.0
    rising = np.sort(sigma2)
    below = np.concatenate([[0.0], np.cumsum(rising)[:-1]])
    levels = (distortion - below) / np.arange(len(rising), 0, -1)
    level = levels[levels <= rising][0]
    return float(in_base(np.log(np.maximum(sigma2 / level, 1)).sum() / 2, base))


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
    """Linsker's case: the W for which y = W (x + n) + m tells most of the Gaussian signal x.

    The total variance of W (x + n) may not exceed `power`. The best W projects on the leading principal axes
    of the signal; axis i, with a = ν/(λᵢ+ν), gets the power u that maximises ½ log((u + σ²)/(a u + σ²)) at a
    common price, so that directions of high signal-to-noise ratio are favoured, and weak ones left out.

    Args:
        signal_covariance: Σ [d, d] of x.
        power: the largest Σᵢ Var[(W (x + n))ᵢ].
        num_outputs: how many rows W has.
        input_noise: ν, the variance of each coordinate of n.
        output_noise: σ², the variance of each coordinate of m.
    Example:
        >>> best = best_linear_channel(np.diag([4.0, 1.0]), power=2, num_outputs=2, input_noise=1)
        >>> best.powers.round(3)
        array([1.45, 0.55])

    Reference: Linsker (1988); van Hateren (1992), A theory of maximizing sensory information.
    """
    sigma = to_numpy(_covariance("best_linear_channel", signal_covariance))
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


def _check_linear(sigma: np.ndarray, power, num_outputs, input_noise, output_noise) -> None:
    if sigma.ndim != 2 or np.linalg.eigvalsh(sigma).min() < -1e-9 * np.abs(sigma).max():
        raise ValueError(
            "best_linear_channel: the signal covariance must be one positive semi-definite matrix"
        )
    if not (power > 0 and output_noise > 0 and input_noise >= 0 and num_outputs >= 1):
        raise ValueError(
            "best_linear_channel: expected power > 0, output_noise > 0, input_noise ≥ 0, num_outputs ≥ 1; "
            f"got {power}, {output_noise}, {input_noise}, {num_outputs}"
        )


def powers_at_common_price(share: np.ndarray, power: float, noise: np.ndarray | float) -> np.ndarray:
    """The powers u of a given sum that maximise Σ ½ log((uᵢ+σᵢ²)/(aᵢuᵢ+σᵢ²)): water-filling with input noise.

    Slopes ½ σ²(1−a) / ((u+σ²)(au+σ²)) are the same, the price, where u > 0, and lower where u = 0.

    Args:
        share: a, how much of what an axis receives is noise, from 0 to 1.
        noise: σ², one for all axes or one each.
    """
    from scipy.optimize import brentq

    def powers(log_price: float) -> np.ndarray:
        excess = np.maximum(0, noise * (1 - share) * math.exp(-log_price) / 2 - noise**2)
        linear = (1 + share) * noise
        return 2 * excess / (linear + np.sqrt(linear**2 + 4 * share * excess))

    if not (share < 1).any():
        return np.zeros_like(share)
    highest = math.log(((1 - share) / (2 * noise)).max())  # at this price no axis is worth any power
    lowest = highest - 1.0
    while powers(lowest).sum() < power:
        lowest -= 2.0
    log_price = brentq(lambda t: powers(t).sum() - power, lowest, highest, xtol=1e-14)
    found = powers(log_price)  # pyright: ignore[reportArgumentType]
    return found * (power / found.sum())


@dataclass(frozen=True, eq=False)
class GaussianBottleneck:
    """I(X;T) and I(T;Y) of the best Gaussian T, in nats, and the β at which each direction appears."""

    rate: float
    relevance: float
    transitions: np.ndarray


def gaussian_information_bottleneck(covariance: Array, dim_x: int, beta: Number) -> GaussianBottleneck:
    """Maximise β I(T;Y) − I(X;T) over T = A X + noise, in closed form.

    A direction of canonical correlation ρ is kept just when β > 1/ρ²; with λ = 1 − ρ² it then costs
    ½ log((β−1)(1−λ)/λ) nats about X and brings ½ log((β−1)/(βλ)) nats about Y.

    Example:
        >>> gaussian_information_bottleneck([[1, .5], [.5, 1]], 1, beta=2).transitions
        array([4.])

    Reference: Chechik, Globerson, Tishby and Weiss (2005), Information bottleneck for Gaussian variables.
    """
    sigma = to_numpy(_covariance("gaussian_information_bottleneck", covariance))
    squared = canonical_correlations(sigma, dim_x) ** 2
    with np.errstate(divide="ignore"):
        transitions = 1 / squared
    kept = squared[beta > transitions]
    rate = np.log((beta - 1) * kept / (1 - kept)).sum() / 2
    relevance = rate - np.log(beta * kept).sum() / 2
    return GaussianBottleneck(float(rate), float(relevance), transitions)


def canonical_correlations(covariance: Array, dim_x: int) -> np.ndarray:
    """The correlations ρ₁ ≥ ρ₂ ≥ … of the directions in X and in Y that tell most of one another.

    Example:
        >>> canonical_correlations([[1, 0, .5], [0, 1, 0], [.5, 0, 1]], 2)
        array([0.5])

    Reference: Hotelling (1936).
    """
    sigma = to_numpy(_covariance("canonical_correlations", covariance))
    if not 0 < dim_x < len(sigma):
        raise ValueError(f"canonical_correlations: dim_x must be from 1 to {len(sigma) - 1}, got {dim_x}")
    x, y = (np.linalg.cholesky(part) for part in (sigma[:dim_x, :dim_x], sigma[dim_x:, dim_x:]))
    coupled = np.linalg.solve(y, np.linalg.solve(x, sigma[:dim_x, dim_x:]).T)
    return np.linalg.svd(coupled, compute_uv=False)
