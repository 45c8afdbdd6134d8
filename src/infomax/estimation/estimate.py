"""Estimate: what every estimator returns: a value in nats, how sure it is, and what kind of number it is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

Kind = Literal["estimate", "lower bound", "upper bound", "neither"]


@dataclass(frozen=True, eq=False)
class Estimate:
    """A quantity of information computed from samples.

    The value is never clipped: estimates of nothing scatter around 0, and half of them lie below it.

    Args:
        value: nats.
        standard_error: nats; the standard deviation that `value` would have over repeated samples.
        num_samples: the number of samples it rests on.
        kind: "estimate" of the quantity itself; "lower bound" or "upper bound" on it, up to sampling error;
            "neither", for a number that is none of these.
        method: its name and settings, in a few words.
        local: pointwise values in nats, one a sample, where the method has them; their mean is `value`,
            but for a correction of bias.

    Raises:
        ValueError: a value or an error that is not finite, or an error below 0.

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
        if not (
            math.isfinite(self.value) and math.isfinite(self.standard_error) and self.standard_error >= 0
        ):
            raise ValueError(
                f"{self.method or 'Estimate'}: no finite value from {self.num_samples} samples, got "
                f"{self.value} ± {self.standard_error}; are the samples constant, too few, or too large?"
            )

    @property
    def bits(self) -> float:
        """The value in bits: nats / log 2."""
        return self.value / math.log(2)

    def confidence_interval(self, level: float = 0.95) -> tuple[float, float]:
        """value ± z·standard error, in nats: covers E[value] with probability `level` if value is normal.

        It does not cover a bias: that of a bound, or of an estimator whose n is too small.

        Raises:
            ValueError: a level that is not between 0 and 1.

        Example:
            >>> tuple(round(end, 3) for end in Estimate(1.0, 0.1, 100).confidence_interval(0.95))
            (0.804, 1.196)
        """
        if not 0 < level < 1:
            raise ValueError(
                f"confidence_interval: level must be between 0 and 1, got {level}; 0.95 is usual"
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
    """Decimals that show `error` to two significant digits."""
    return 3 if error <= 0 else min(max(1 - math.floor(math.log10(error)), 0), 12)


@runtime_checkable
class Estimator(Protocol):
    """Whatever estimates I(X;Y), or I(X;Y|Z), from samples."""

    def estimate(self, x: Any, y: Any, *, given: Any = None) -> Estimate:
        """I(X;Y), or I(X;Y|given), from samples in rows."""
        ...


def mean_with_error(local: np.ndarray | Sequence[float]) -> tuple[float, float]:
    """Mean and standard error of pointwise values, as though these were independent."""
    values = np.asarray(local, dtype=float)
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))
