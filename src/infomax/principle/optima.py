"""The linear units that convey most, in closed form, under a limit on their power or on their weights.

Noise hides only what is small beside it, so W needs a limit: on the power tr W R Wᵀ, or on the norm tr W Wᵀ.
Both optima have a closed form: principal axes, with gains found by water-filling. A rotation of the outputs
does not change I(L; M), so a limit on all units together can also be met by each unit for itself.

Reference: Linsker (1988), Self-organization in a perceptual network; van Hateren (1992), A theory of
maximizing sensory information.
"""

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from infomax.information.channels.gaussian import best_linear_channel, powers_at_common_price
from infomax.information.tables import Array, Number
from infomax.principle.linear import LinearUnits, as_covariance, as_input_noise, check_variance, symmetric
from infomax.ranges import Positive, Size, check_numbers


def best_units_of_power(
    signal: Array, power: Number, num_units: int, *, input_noise: Array = 0.0, output_noise: Number = 1.0
) -> LinearUnits:
    """Return the W that conveys most about x while the units' power, tr W R Wᵀ, is at most `power`.

    Rows are leading principal axes of the signal, once the input noise is white. Axis i, where a share a of
    what it receives is noise, gets the power u that maximises Σ ½ log((u + σ²)/(a u + σ²)); without input
    noise, all axes get the same. Units beyond the d inputs are silent: see `share_power_equally`.

    Args:
        signal: Σ [d, d], the covariance of the inputs.
        power: the limit.
        num_units: how many rows W has.
        input_noise: N [d, d], or the variance of independent noise on each input.
        output_noise: σ², the variance of each unit's own noise.
    Raises:
        ValueError: power or output noise not positive; no units; a matrix that is no covariance.
    Example:
        >>> units = best_units_of_power(np.diag([4.0, 1.0]), power=2, num_units=2, input_noise=1)
        >>> np.diagonal(units.responses).round(3)
        array([1.45, 0.55])
    """
    operation = "best_units_of_power"
    check_numbers(operation, Positive, power=power)
    signal, noise = _checked(operation, signal, num_units, input_noise, output_noise)
    if _is_multiple_of_identity(noise):
        whiten, variance = np.eye(len(signal)), float(noise[0, 0])
    else:
        whiten, variance = _whitening(operation, noise), 1.0
    channel = best_linear_channel(
        symmetric(whiten @ signal @ whiten.T),
        power,
        num_units,
        input_noise=variance,
        output_noise=output_noise,
    )
    return LinearUnits(channel.weights @ whiten, signal, noise, output_noise)


def best_units_of_norm(
    signal: Array, norm: Number, num_units: int, *, input_noise: Array = 0.0, output_noise: Number = 1.0
) -> LinearUnits:
    """Return the W that conveys most about x while its squared norm, tr W Wᵀ, is at most `norm`.

    Rows are leading principal axes; axis i, with variance λ, gets the gain g that maximises
    Σ ½ log(1 + g λ/(g ν + σ²)). Units beyond the d inputs are silent: see `share_norm_equally`.

    Args:
        signal: Σ [d, d], the covariance of the inputs.
        norm: the limit.
        num_units: how many rows W has.
        input_noise: ν, one variance for all inputs. Principal axes of the signal are best only where no
            direction has more noise than another.
        output_noise: σ², the variance of each unit's own noise.
    Raises:
        ValueError: norm or output noise not positive; no units; input noise that differs among inputs.
    Example:
        >>> units = best_units_of_norm(np.diag([4.0, 1.0]), norm=2, num_units=2)
        >>> np.diagonal(units.weights @ units.weights.T)  # the water reaches up to 13/8
        array([1.375, 0.625])
    """
    operation = "best_units_of_norm"
    check_numbers(operation, Positive, norm=norm)
    signal, noise = _checked(operation, signal, num_units, input_noise, output_noise)
    if not _is_multiple_of_identity(noise):
        raise ValueError(
            f"{operation}: there is no closed form when inputs differ in noise; give one variance for all, "
            "limit the power instead, or use climb_with_norms"
        )
    variances, axes = np.linalg.eigh(signal)
    leading = np.argsort(-variances, kind="stable")[:num_units]
    received = np.maximum(variances[leading], 0) + noise[0, 0]
    reached = np.where(received > 0, received, 1.0)
    share = np.where(received > 0, noise[0, 0] / reached, 1.0)
    gains = powers_at_common_price(share, float(norm), output_noise / reached)
    weights = np.zeros((num_units, len(signal)))
    weights[: len(leading)] = np.sqrt(gains)[:, None] * axes[:, leading].T
    return LinearUnits(weights, signal, noise, output_noise)


def share_power_equally(units: LinearUnits) -> LinearUnits:
    """Return the outputs rotated so that all units have the same power; I(L; M) does not change.

    The best k units of a power P therefore also give the best units with a power of at most P/k each.
    """
    return replace(units, weights=_equalizing_rotation(units.responses) @ units.weights)


def share_norm_equally(units: LinearUnits) -> LinearUnits:
    """Return the outputs rotated so that all units have weights of the same norm; I(L; M) does not change."""
    return replace(units, weights=_equalizing_rotation(units.weights @ units.weights.T) @ units.weights)


def _equalizing_rotation(gram: Float[np.ndarray, "k k"]) -> Float[np.ndarray, "k k"]:
    """Orthogonal U such that U G Uᵀ has an equal diagonal: plane rotations, each of which sets one entry.

    Reference: Bendel and Mickey (1978), Population correlation matrices for sampling experiments.
    """
    k, mean = len(gram), float(np.trace(gram)) / len(gram)
    rotation = np.eye(k)
    for _ in range(k - 1):
        turned = rotation @ gram @ rotation.T
        low, high = int(np.argmin(np.diagonal(turned))), int(np.argmax(np.diagonal(turned)))
        above, below, across = turned[high, high] - mean, mean - turned[low, low], turned[low, high]
        if above <= 1e-15 * mean or low == high:
            break
        tangent = (math.sqrt(across**2 + above * below) - across) / above
        cosine = 1 / math.hypot(1, tangent)
        plane = cosine * np.array([[1, tangent], [-tangent, 1]])
        rotation[[low, high]] = plane @ rotation[[low, high]]
    return rotation


def _checked(
    operation: str, signal: Array, num_units: int, input_noise: Array, output_noise: Number
) -> tuple[np.ndarray, np.ndarray]:
    """Σ and N [d, d], once all arguments of an optimum are known to be valid."""
    signal = as_covariance(operation, "signal", signal)
    noise = as_input_noise(operation, input_noise, len(signal))
    check_numbers(operation, Size, num_units=num_units)
    check_variance(operation, "output_noise", output_noise)
    if output_noise == 0:
        raise ValueError(
            f"{operation}: output_noise must be positive, got 0: without it the limit does not matter, "
            "and any invertible weights convey all there is"
        )
    return signal, noise


def _whitening(operation: str, noise: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    """N^(−½)."""
    variances, axes = np.linalg.eigh(noise)
    if variances[0] <= 1e-12 * variances[-1]:
        raise ValueError(
            f"{operation}: input_noise is a singular covariance: some directions are free of noise; "
            "add a little noise to every input, or give one variance for all"
        )
    return (axes / np.sqrt(variances)) @ axes.T


def _is_multiple_of_identity(matrix: Float[np.ndarray, "d d"]) -> bool:
    return bool(np.abs(matrix - matrix[0, 0] * np.eye(len(matrix))).max() <= 1e-12 * np.abs(matrix).max())
