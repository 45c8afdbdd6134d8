"""Linear units of Gaussian inputs, and the information they convey, exactly.

    y = W (x + n) + m,    I(L; M) = H(M) − H(M|L) = ½ log det(W R Wᵀ + σ²) − ½ log det(W N Wᵀ + σ²)

The inputs L are x, with covariance Σ; n is noise on the inputs, with covariance N; m is noise of variance σ²
on each unit; the outputs M are y, and R = Σ + N is the covariance of what the units receive. Two things raise
the information: a larger H(M), and a smaller H(M|L), which is what the outputs convey to one who already
knows the input.

Reference: Linsker (1988), Self-organization in a perceptual network; van Hateren (1992), A theory of
maximizing sensory information.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from infomax.information.gaussian import gaussian_entropy
from infomax.information.tables import Array, Number, in_base, to_numpy
from infomax.ranges import Weight, check_numbers


@dataclass(frozen=True, eq=False)
class LinearUnits:
    """y = W (x + n) + m, one row of W a unit; results are in nats unless a base is given.

    Args:
        weights: W [k, d], of k units with d inputs.
        signal: Σ [d, d], the covariance of the inputs; it may be singular.
        input_noise: N [d, d], or the variance of independent noise on each input.
        output_noise: σ², the variance of each unit's own noise.
    Raises:
        ValueError: shapes that do not fit, a matrix that is no covariance, or a singular noise covariance.
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
        signal = as_covariance("LinearUnits", "signal", self.signal)
        object.__setattr__(self, "signal", signal)
        object.__setattr__(self, "input_noise", as_input_noise("LinearUnits", self.input_noise, len(signal)))
        object.__setattr__(self, "weights", to_numpy(self.weights))
        self._check()

    @property
    def received(self) -> Float[np.ndarray, "d d"]:
        """R = Σ + N, the covariance of what arrives at the weights."""
        return self.signal + self.input_noise

    @property
    def responses(self) -> Float[np.ndarray, "k k"]:
        """W R Wᵀ, the covariance of the outputs without the units' own noise; its diagonal is their power."""
        return self.weights @ self.received @ self.weights.T

    @property
    def output_covariance(self) -> Float[np.ndarray, "k k"]:
        """W R Wᵀ + σ², the covariance of y."""
        return self.responses + self.output_noise * np.eye(len(self.weights))

    @property
    def noise_covariance(self) -> Float[np.ndarray, "k k"]:
        """W N Wᵀ + σ², the covariance of y when x is known."""
        return self.weights @ self.input_noise @ self.weights.T + self.output_noise * np.eye(
            len(self.weights)
        )

    def output_entropy(self, *, base: Number = math.e) -> float:
        """Return H(M), the total information conveyed by the outputs: a differential entropy, of any sign."""
        return float(gaussian_entropy(symmetric(self.output_covariance), base=base))

    def conditional_entropy(self, *, base: Number = math.e) -> float:
        """Return H(M|L), what the outputs convey to one who already knows the input: noise."""
        return float(gaussian_entropy(symmetric(self.noise_covariance), base=base))

    def information(self, *, base: Number = math.e) -> float:
        """Return I(L; M) = H(M) − H(M|L)."""
        return self.output_entropy(base=base) - self.conditional_entropy(base=base)

    def gradient(self) -> Float[np.ndarray, "k d"]:
        """Return ∂I/∂W = (W R Wᵀ + σ²)⁻¹ W R − (W N Wᵀ + σ²)⁻¹ W N, in nats: the parts of H(M) and H(M|L)."""
        conveyed = np.linalg.solve(self.output_covariance, self.weights @ self.received)
        return conveyed - np.linalg.solve(self.noise_covariance, self.weights @ self.input_noise)

    def redundancy(self, *, base: Number = math.e) -> float:
        """Return Σ H(Mᵢ) − H(M), the total correlation of the outputs: what they tell more than once."""
        single = np.log(np.diagonal(self.output_covariance)).sum()
        return float(in_base((single - np.linalg.slogdet(self.output_covariance)[1]) / 2, base))

    def correlations(self) -> Float[np.ndarray, "k k"]:
        """Return the correlations of the units' responses, without their own noise: ±1 where two do the same.

        Raises:
            ValueError: a unit that never responds.
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
                f"LinearUnits: weights must be [units, {d}], one row for each unit of {d} inputs, "
                f"got shape {self.weights.shape}"
            )
        check_variance("LinearUnits", "output_noise", self.output_noise)
        if not _positive_definite(self.noise_covariance):
            raise ValueError(
                f"LinearUnits: the noise of the {len(self.weights)} outputs has a singular covariance, "
                "so that H(M|L) has no value; give output_noise > 0, or noise on every input and "
                f"independent units, no more than the {d} inputs"
            )


# ---------------------------------------------------------------------------------------- covariances


def as_input_noise(operation: str, noise: Array, d: int) -> Float[np.ndarray, "d d"]:
    """Return N [d, d] of a variance or of a covariance.

    Raises:
        ValueError: a negative variance, no covariance, or one of another size.
    """
    if np.ndim(noise) == 0:
        check_variance(operation, "input_noise", noise)
        return float(noise) * np.eye(d)
    covariance = as_covariance(operation, "input_noise", noise)
    if len(covariance) != d:
        raise ValueError(
            f"{operation}: input_noise must be a variance, or a covariance [{d}, {d}] like the signal's, "
            f"got shape {covariance.shape}"
        )
    return covariance


def as_covariance(operation: str, name: str, values: Array) -> Float[np.ndarray, "d d"]:
    """Return a matrix, once it is known to be symmetric, finite and positive semi-definite, to rounding.

    Raises:
        ValueError: it is not.
    """
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
    return symmetric(matrix)


def check_variance(operation: str, name: str, variance: Number) -> None:
    """Make sure that a variance is at least 0 and finite.

    Raises:
        ValueError: it is not.
    """
    check_numbers(operation, Weight, **{name: variance})


def symmetric(matrix: Float[np.ndarray, "k k"]) -> Float[np.ndarray, "k k"]:
    """Return (A + Aᵀ)/2, without the asymmetry of rounding."""
    return (matrix + matrix.T) / 2


def _positive_definite(matrix: Float[np.ndarray, "k k"]) -> bool:
    variances = np.linalg.eigvalsh(matrix)
    return bool(variances[0] > 1e-14 * variances[-1])
