"""The result of every estimator: a value in nats, its standard error, and what kind of number it is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from infomax.errors import refuse

Kind = Literal["estimate", "lower bound", "upper bound", "neither"]


@dataclass(frozen=True, eq=False)
class Estimate:
    """A quantity of information computed from samples.

    The value is never clipped: an estimate of zero information scatters around 0, below it half of the time.

    Args:
        value: nats.
        standard_error: nats; the standard deviation of `value` over repeated samples.
        num_samples: the number of samples behind it.
        kind: "estimate" of the quantity itself; "lower bound" or "upper bound" on it, up to sampling error;
            "neither", for a number that is none of these.
        method: the estimator and its settings, in a few words.
        local: pointwise values in nats, one for each sample, where the method has them; their mean is
            `value`, except for a correction of bias.

    Raises:
        ValueError: a value or a standard error that is not finite, or a standard error below 0.

    Example:
        >>> estimate = Estimate(0.41234, 0.01256, 5000, method="KSG")
        >>> estimate
        0.412 ± 0.013 nats (KSG, n=5000)
        >>> round(estimate.bits, 3)
        0.595
    """

    value: float
    standard_error: float
    num_samples: int
    kind: Kind = "estimate"
    method: str = ""
    local: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        refuse(
            not (math.isfinite(self.value) and 0 <= self.standard_error < math.inf),
            f"{self.method or 'Estimate'}: no finite value from {self.num_samples} samples, got "
            f"{self.value} ± {self.standard_error}; are the samples constant, too few, or too large?",
        )

    @property
    def bits(self) -> float:
        """The value in bits: nats / log 2."""
        return self.value / math.log(2)

    def confidence_interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return value ± z·standard error, in nats.

        It contains E[value] with probability `level` if the value is normally distributed. It knows nothing
        of a bias: that of a bound, or of an estimator with too few samples.

        Raises:
            ValueError: a level that is not between 0 and 1.

        Example:
            >>> tuple(round(end, 3) for end in Estimate(1.0, 0.1, 100).confidence_interval(0.95))
            (0.804, 1.196)
        """
        refuse(
            not 0 < level < 1,
            f"confidence_interval: level must be between 0 and 1, got {level}; 0.95 is usual",
        )
        half = NormalDist().inv_cdf((1 + level) / 2) * self.standard_error
        return self.value - half, self.value + half

    def __float__(self) -> float:
        return self.value

    def __repr__(self) -> str:
        digits = _digits(self.standard_error if self.standard_error > 0 else abs(self.value) / 1e3)
        kind = "" if self.kind == "estimate" else f"{self.kind}, "
        return (
            f"{self.value:.{digits}f} ± {self.standard_error:.{digits}f} nats "
            f"({self.method}, {kind}n={self.num_samples})"
        )


def _digits(error: float) -> int:
    """Return the decimals that show `error` to two significant digits."""
    return 3 if error <= 0 else min(max(1 - math.floor(math.log10(error)), 0), 12)


@runtime_checkable
class Estimator(Protocol):
    """Anything that estimates I(X;Y), or I(X;Y|Z), from samples."""

    def estimate(self, x: Any, y: Any, *, given: Any = None) -> Estimate:
        """Return I(X;Y), or I(X;Y|given), from samples in rows."""
        ...


def mean_with_error(local: np.ndarray | Sequence[float]) -> tuple[float, float]:
    """Return mean and standard error of pointwise values, taken to be independent."""
    values = np.asarray(local, dtype=float)
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))


def mean_estimate(method: str, local: np.ndarray) -> Estimate:
    """Return the mean of pointwise values as an estimate; its standard error is as in `mean_with_error`."""
    value, error = mean_with_error(local)
    return Estimate(value, error, len(local), method=method, local=local)
