"""Linear units of Gaussian inputs: what they convey, exactly, and the weights that convey most.

    y = W (x + n) + m,    I(L; M) = H(M) − H(M|L) = ½ log det(W R Wᵀ + σ²) − ½ log det(W N Wᵀ + σ²)

The inputs L are x, of covariance Σ; n is noise on them, of covariance N; m is noise of variance σ² on each
unit; the outputs M are y, and R = Σ + N is the covariance of what the units receive. To convey as much as
possible is to raise H(M), and to convey nothing to one who already knows the input is to lower H(M|L).

Noise only hides what is small beside it, so W needs a limit: on the power tr W R Wᵀ or on the norm tr W Wᵀ.
Both optima have a closed form: principal axes, with gains found by water-filling. As no rotation of the
outputs changes I(L; M), a limit on all units together can as well be met by each unit for itself.

Reference: Linsker (1988), Self-organization in a perceptual network; van Hateren (1992), A theory of
maximizing sensory information.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from infomax.information.gaussian import best_linear_channel, gaussian_entropy, powers_at_common_price
from infomax.information.tables import Array, Number, in_base, to_numpy


@dataclass(frozen=True, eq=False)
class LinearUnits:
    """y = W (x + n) + m, one row of W a unit; entropies and information in nats unless a base is given.

    Args:
        weights: W [k, d], of k units of d inputs.
        signal: Σ [d, d], the covariance of the inputs; it may be singular.
        input_noise: N [d, d], or the variance of independent noise on each input.
        output_noise: σ², the variance of each unit's own noise.
    Raises:
        ValueError: shapes that do not fit, a covariance that is none, or a singular noise covariance.
    Example:
        >>> units = LinearUnits([[1.0, 1.0]], signal=np.eye(2), output_noise=2 / 3)
        >>> round(float(units.information(base=2)), 6)  # ½ log₂(1 + signal / noise)
        1.0
    """

    weights: Array
    signal: Array
    input_noise: Array = 0.0
    output_noise: Number = 1.0

    def __post_init__(self) -> None:
        signal = _covariance("LinearUnits", "signal", self.signal)
        object.__setattr__(self, "signal", signal)
        object.__setattr__(self, "input_noise", _input_noise("LinearUnits", self.input_noise, len(signal)))
        object.__setattr__(self, "weights", to_numpy(self.weights))
        self._check()

    @property
    def received(self) -> Float[np.ndarray, "d d"]:
        """R = Σ + N, the covariance of what arrives at the weights."""
        return self.signal + self.input_noise

    @property
    def responses(self) -> Float[np.ndarray, "k k"]:
        """W R Wᵀ, the covariance of the outputs before the units' own noise; its diagonal is their power."""
        return self.weights @ self.received @ self.weights.T

    @property
    def output_covariance(self) -> Float[np.ndarray, "k k"]:
        """Of y: W R Wᵀ + σ²."""
        return self.responses + self.output_noise * np.eye(len(self.weights))

    @property
    def noise_covariance(self) -> Float[np.ndarray, "k k"]:
        """Of y once x is known: W N Wᵀ + σ²."""
        return self.weights @ self.input_noise @ self.weights.T + self.output_noise * np.eye(
            len(self.weights)
        )

    def output_entropy(self, *, base: Number = math.e) -> float:
        """H(M), the total information conveyed by the outputs; a differential entropy, it may be negative."""
        return float(gaussian_entropy(_symmetric(self.output_covariance), base=base))

    def conditional_entropy(self, *, base: Number = math.e) -> float:
        """H(M|L), what the outputs convey to one who already knows the input: noise."""
        return float(gaussian_entropy(_symmetric(self.noise_covariance), base=base))

    def information(self, *, base: Number = math.e) -> float:
        """I(L; M) = H(M) − H(M|L)."""
        return self.output_entropy(base=base) - self.conditional_entropy(base=base)

    def gradient(self) -> Float[np.ndarray, "k d"]:
        """∂I/∂W = (W R Wᵀ + σ²)⁻¹ W R − (W N Wᵀ + σ²)⁻¹ W N, in nats: of H(M) and of H(M|L)."""
        conveyed = np.linalg.solve(self.output_covariance, self.weights @ self.received)
        return conveyed - np.linalg.solve(self.noise_covariance, self.weights @ self.input_noise)

    def redundancy(self, *, base: Number = math.e) -> float:
        """Σ H(Mᵢ) − H(M), the total correlation of the outputs: what they tell more than once."""
        single = np.log(np.diagonal(self.output_covariance)).sum()
        return float(in_base((single - np.linalg.slogdet(self.output_covariance)[1]) / 2, base))

    def correlations(self) -> Float[np.ndarray, "k k"]:
        """Of the units' responses, without their own noise: ±1 where two units do the same.

        Raises: ValueError: a unit that never responds.
        """
        power = np.diagonal(self.responses)
        if not (power > 0).all():
            raise ValueError(
                f"correlations: unit {int(np.argmin(power))} does not respond to anything, so that it has no "
                "correlation; leave it out"
            )
        return self.responses / np.sqrt(np.outer(power, power))

    def _check(self) -> None:
        d = len(self.signal)
        if self.weights.ndim != 2 or self.weights.shape[1] != d or not self.weights.size:
            raise ValueError(
                f"LinearUnits: weights must be [units, {d}], a row a unit of {d} inputs, "
                f"got shape {self.weights.shape}"
            )
        _check_variance("LinearUnits", "output_noise", self.output_noise)
        if not _positive_definite(self.noise_covariance):
            raise ValueError(
                f"LinearUnits: the noise of the {len(self.weights)} outputs has a singular covariance, "
                "so that H(M|L) has no value; give output_noise > 0, or noise on every input and "
                f"independent units, no more than the {d} inputs"
            )


# ---------------------------------------------------------------------------------------- optima


def best_units_of_power(
    signal: Array, power: Number, num_units: int, *, input_noise: Array = 0.0, output_noise: Number = 1.0
) -> LinearUnits:
    """The W that conveys most about x while the units' power, tr W R Wᵀ, is at most `power`.

    Rows are leading principal axes of the signal, once the input noise is white. Axis i, with a share a of
    noise in what it receives, gets the power u that maximises Σ ½ log((u + σ²)/(a u + σ²)); where there is no
    input noise, all get the same. Units beyond the d inputs are silent: see `share_power_equally`.

    Raises: ValueError: power or output noise not positive; no units; a covariance that is none.
    Example:
        >>> units = best_units_of_power(np.diag([4.0, 1.0]), power=2, num_units=2, input_noise=1)
        >>> np.diagonal(units.responses).round(3)
        array([1.45, 0.55])
    """
    operation = "best_units_of_power"
    signal, noise = _check_limit(operation, signal, power, num_units, input_noise, output_noise)
    if _is_multiple_of_identity(noise):
        whiten, variance = np.eye(len(signal)), float(noise[0, 0])
    else:
        whiten, variance = _whitening(operation, noise), 1.0
    channel = best_linear_channel(
        _symmetric(whiten @ signal @ whiten.T),
        power,
        num_units,
        input_noise=variance,
        output_noise=output_noise,
    )
    return LinearUnits(channel.weights @ whiten, signal, noise, output_noise)


def best_units_of_norm(
    signal: Array, norm: Number, num_units: int, *, input_noise: Array = 0.0, output_noise: Number = 1.0
) -> LinearUnits:
    """The W that conveys most about x while the squared norm of all weights, tr W Wᵀ, is at most `norm`.

    Rows are leading principal axes; axis i, with variance λ, gets the gain g that maximises
    Σ ½ log(1 + g λ/(g ν + σ²)). Units beyond the d inputs are silent: see `share_norm_equally`.

    Args:
        input_noise: ν, one variance for all inputs: principal axes are best only where the noise has none.
    Raises: ValueError: norm or output noise not positive; no units; input noise that differs among inputs.
    Example:
        >>> units = best_units_of_norm(np.diag([4.0, 1.0]), norm=2, num_units=2)
        >>> np.diagonal(units.weights @ units.weights.T)  # the water reaches up to 13/8
        array([1.375, 0.625])
    """
    operation = "best_units_of_norm"
    signal, noise = _check_limit(operation, signal, norm, num_units, input_noise, output_noise)
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
    """The outputs rotated so that all units have the same power; I(L; M) stays what it was.

    So the best units of a power P are also the best whose own powers are at most P/k.
    """
    return replace(units, weights=_equalizing_rotation(units.responses) @ units.weights)


def share_norm_equally(units: LinearUnits) -> LinearUnits:
    """The outputs rotated so that all units have weights of the same norm; I(L; M) stays what it was."""
    return replace(units, weights=_equalizing_rotation(units.weights @ units.weights.T) @ units.weights)


def climb_with_powers(units: LinearUnits, powers: Float[np.ndarray, " k"]) -> LinearUnits:
    """Where gradient ascent of I(L; M) leads from `units`, each kept at a power of its own, w R wᵀ.

    For limits that differ from unit to unit, for which there is no closed form. What is found is a maximum
    near the start, which need not be the highest.

    Raises:
        ValueError: not one positive power for each unit, or a unit that does not respond.
        RuntimeError: no convergence.
    """
    return _climb("climb_with_powers", units, units.received, powers)


def climb_with_norms(units: LinearUnits, norms: Float[np.ndarray, " k"]) -> LinearUnits:
    """Where gradient ascent of I(L; M) leads from `units`, each kept at a squared norm of its own, w wᵀ.

    See `climb_with_powers`.

    Example:
        >>> start = LinearUnits([[0.1, 1.0], [0.3, 0.2]], signal=np.diag([4.0, 1.0]))
        >>> units = climb_with_norms(start, np.array([1.5, 0.5]))
        >>> units.information() <= best_units_of_norm(start.signal, norm=2, num_units=2).information()
        True
    """
    return _climb("climb_with_norms", units, np.eye(len(units.signal)), norms)


def _climb(operation: str, units: LinearUnits, gram: np.ndarray, limits: np.ndarray) -> LinearUnits:
    """Ascent over all rows v, of which w = v √(limit / v G vᵀ) counts: what is louder never tells less."""
    from scipy.optimize import minimize

    sizes = np.einsum("kd,de,ke->k", units.weights, gram, units.weights)
    _check_climb(operation, sizes, limits)

    def scaled(flat: np.ndarray) -> tuple[LinearUnits, np.ndarray]:
        rows = flat.reshape(units.weights.shape)
        scale = np.sqrt(limits / np.einsum("kd,de,ke->k", rows, gram, rows))[:, None]
        return replace(units, weights=scale * rows), scale

    def downhill(flat: np.ndarray) -> tuple[float, np.ndarray]:
        here, scale = scaled(flat)
        slope = here.gradient()
        outward = (slope * here.weights).sum(axis=1, keepdims=True) / limits[:, None]
        return -here.information(), -(scale * (slope - outward * (here.weights @ gram))).ravel()

    options = {"maxiter": 5000, "ftol": 1e-15, "gtol": 1e-9}
    found = minimize(downhill, units.weights.ravel(), jac=True, method="L-BFGS-B", options=options)
    steepest = float(np.abs(found.jac).max())
    if not steepest < 1e-4:
        raise RuntimeError(f"{operation}: no convergence, the slope is still {steepest:.2g}; start elsewhere")
    return scaled(found.x)[0]


def _check_climb(operation: str, sizes: np.ndarray, limits: np.ndarray) -> None:
    if limits.shape != sizes.shape or not (limits > 0).all() or not np.isfinite(limits).all():
        raise ValueError(
            f"{operation}: expected one positive limit for each of {len(sizes)} units, got {limits}"
        )
    if not (sizes > 0).all():
        raise ValueError(
            f"{operation}: unit {int(np.argmin(sizes))} has no power to scale; start from random weights"
        )


# ---------------------------------------------------------------------------------------- matrices


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


def _check_limit(
    operation: str, signal: Array, limit: Number, num_units: int, input_noise: Array, output_noise: Number
) -> tuple[np.ndarray, np.ndarray]:
    """Σ and N [d, d], once all arguments of an optimum are known to make sense."""
    signal = _covariance(operation, "signal", signal)
    noise = _input_noise(operation, input_noise, len(signal))
    if not 0 < limit < math.inf:
        raise ValueError(f"{operation}: the limit must be positive and finite, got {limit}")
    if num_units < 1:
        raise ValueError(f"{operation}: num_units must be at least 1, got {num_units}")
    _check_variance(operation, "output_noise", output_noise)
    if output_noise == 0:
        raise ValueError(
            f"{operation}: output_noise must be positive, got 0: without it the limit does not matter, "
            "and any invertible weights convey all there is"
        )
    return signal, noise


def _input_noise(operation: str, noise: Array, d: int) -> Float[np.ndarray, "d d"]:
    if np.ndim(noise) == 0:
        _check_variance(operation, "input_noise", noise)
        return float(noise) * np.eye(d)
    covariance = _covariance(operation, "input_noise", noise)
    if len(covariance) != d:
        raise ValueError(
            f"{operation}: input_noise must be a variance or a covariance [{d}, {d}] as the signal's, "
            f"got shape {covariance.shape}"
        )
    return covariance


def _covariance(operation: str, name: str, values: Array) -> Float[np.ndarray, "d d"]:
    """Symmetric, finite and positive semi-definite, to rounding."""
    matrix = to_numpy(values)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ValueError(f"{operation}: {name} must be a covariance [d, d], got shape {matrix.shape}")
    largest = np.abs(matrix).max()
    if not np.isfinite(largest) or np.abs(matrix - matrix.T).max() > 1e-9 * largest:
        raise ValueError(
            f"{operation}: {name} must be symmetric and finite, as a covariance np.cov(rows, rowvar=False) is"
        )
    smallest = np.linalg.eigvalsh(matrix)[0]
    if smallest < -1e-9 * largest:
        raise ValueError(
            f"{operation}: {name} must be positive semi-definite, got the eigenvalue {smallest:.3g}; "
            "no variables have this covariance"
        )
    return _symmetric(matrix)


def _check_variance(operation: str, name: str, variance: Number) -> None:
    if not 0 <= variance < math.inf:
        raise ValueError(f"{operation}: {name} must be a variance, at least 0 and finite, got {variance}")


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


def _positive_definite(matrix: Float[np.ndarray, "k k"]) -> bool:
    variances = np.linalg.eigvalsh(matrix)
    return bool(variances[0] > 1e-14 * variances[-1])


def _symmetric(matrix: Float[np.ndarray, "k k"]) -> Float[np.ndarray, "k k"]:
    return (matrix + matrix.T) / 2
