"""The result of every estimator: a value in nats, its standard error, and what kind of number it is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from infomax.errors import refuse

Kind = Literal["estimate", "model estimate", "lower bound", "upper bound", "neither"]

KINDS: Mapping[Kind, str] = {
    "estimate": "converges to the truth as samples grow, whatever the distribution",
    "model estimate": "converges to the truth where the distribution has the assumed form; else elsewhere",
    "lower bound": "its expectation, for this number of independent samples, is at most the truth",
    "upper bound": "its expectation, for this number of independent samples, is at least the truth",
    "neither": "promises none of these",
}
"""What the kind of a number promises."""

CAUTIONS: Mapping[str, str] = {
    "undersampled": "too few samples for the number of labels or columns: a bias may exceed the error bar",
    "saturated": "these samples cannot show more: the truth may be anything above",
    "biased": "a known bias exceeds the error bar",
    "disputed": "an estimator of another family finds another value, beyond both error bars",
}
"""What can be doubtful about a value; each caution of an estimate begins with one of these words."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """A quantity of information computed from samples.

    The value is never clipped: an estimate of zero information scatters around 0, below it half of the time.

    Args:
        value: nats.
        standard_error: nats; the standard deviation of `value` over repeated samples.
        num_samples: the number of samples behind it.
        kind: what the number promises, see `KINDS`.
        method: the estimator and its settings, in a few words.
        local: pointwise values in nats, one for each sample, where the method has them; their mean is
            `value`, except for a correction of bias.
        cautions: doubts about the value and its error bar. Each begins with a word of `CAUTIONS`, perhaps
            followed by a colon and the details. They are printed with the value.
        second: the estimate of an estimator from another family, if one was asked.
        alternatives: estimates that are as credible as the value, such as one extrapolated to more samples;
            the confidence interval reaches to the far ends of their intervals.
        reasons: facts about the samples, and why this estimator was picked, if it was picked; see `explain`.

    Raises:
        ValueError: a value or a standard error that is not finite, or a standard error below 0; an unknown
            caution.

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
    cautions: tuple[str, ...] = ()
    second: "Estimate | None" = field(default=None, repr=False)
    reasons: tuple[str, ...] = field(default=(), repr=False)
    alternatives: "tuple[Estimate, ...]" = field(default=(), repr=False)

    def __post_init__(self) -> None:
        refuse(
            not (math.isfinite(self.value) and 0 <= self.standard_error < math.inf),
            f"{self.method or 'Estimate'}: no finite value from {self.num_samples} samples, got "
            f"{self.value} ± {self.standard_error}; are the samples constant, too few, or too large?",
        )
        for caution in self.cautions:
            refuse(
                _word(caution) not in CAUTIONS,
                f"Estimate: a caution must begin with one of {', '.join(CAUTIONS)}, got {caution!r}",
            )

    def has_caution(self, word: str) -> bool:
        """Return whether one of the cautions begins with this word of `CAUTIONS`."""
        return word in map(_word, self.cautions)

    @property
    def bits(self) -> float:
        """The value in bits: nats / log 2."""
        return self.value / math.log(2)

    def confidence_interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return value ± z·standard error, in nats, widened to the far end of each alternative's interval.

        The far end is the upper one of an alternative above the value, the lower one of one below.

        It contains E[value] with probability `level` if the value is normally distributed. Without
        alternatives it knows nothing of a bias: that of a bound, or of an estimator with too few samples,
        which the cautions name. The upper end of a saturated value is ∞.

        Raises:
            ValueError: a level that is not between 0 and 1.

        Example:
            >>> tuple(round(end, 3) for end in Estimate(1.0, 0.1, 100).confidence_interval(0.95))
            (0.804, 1.196)
            >>> doubted = Estimate(1.0, 0.1, 100, alternatives=(Estimate(1.5, 0.1, 100),))
            >>> tuple(round(end, 3) for end in doubted.confidence_interval(0.95))
            (0.804, 1.696)
        """
        refuse(
            not 0 < level < 1,
            f"confidence_interval: level must be between 0 and 1, got {level}; 0.95 is usual",
        )
        half = NormalDist().inv_cdf((1 + level) / 2) * self.standard_error
        high = math.inf if self.has_caution("saturated") else self.value + half
        others = [(one.value > self.value, *one.confidence_interval(level)) for one in self.alternatives]
        lower = min([self.value - half, *(low for above, low, _ in others if not above)])
        return lower, max([high, *(end for above, _, end in others if above)])

    def explain(self) -> str:
        """Return the value, what was seen of the samples, what was picked and why, the check, and all doubts.

        Example:
            >>> print(Estimate(1.0, 0.1, 100, method="KSG").explain())
            kind: estimate; it converges to the truth as samples grow, whatever the distribution
            value: 1.00 ± 0.10 nats (KSG, n=100)
        """
        lines = [
            *self.reasons,
            f"kind: {self.kind}; it {KINDS[self.kind]}",
            f"value: {self._without_doubts()!r}",
        ]
        if self.second is not None:
            lines.append(f"checked by: {self.second!r}")
        return "\n".join([*lines, *(f"caution: {caution}" for caution in self.cautions)])

    def _without_doubts(self) -> "Estimate":
        return replace(self, cautions=tuple(c for c in self.cautions if _word(c) == "saturated"))

    def __float__(self) -> float:
        return self.value

    def __repr__(self) -> str:
        digits = _digits(self.standard_error if self.standard_error > 0 else abs(self.value) / 1e3)
        kind = "" if self.kind == "estimate" else f"{self.kind}, "
        about = f"{self.method}, {kind}n={self.num_samples}"
        value = f"{self.value:.{digits}f}"
        if self.has_caution("saturated"):
            value = f"at least {value}"
        elif self.standard_error > 0 or not self.cautions:
            value = f"{value} ± {self.standard_error:.{digits}f}"
        return f"{value} nats ({'; '.join((about, *self.cautions, *self._widened(digits)))})"

    def _widened(self, digits: int) -> list[str]:
        """Return the 95 % interval in words, where alternatives make it wider."""
        interval = self.confidence_interval()
        if interval == replace(self, alternatives=()).confidence_interval():
            return []
        return ["95 % interval {:.{d}f} to {:.{d}f}".format(*interval, d=digits)]


def _word(caution: str) -> str:
    return caution.partition(":")[0]


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


def mean_estimate(
    method: str, local: np.ndarray, *, kind: Kind = "estimate", cautions: tuple[str, ...] = ()
) -> Estimate:
    """Return the mean of pointwise values as an estimate; its standard error is as in `mean_with_error`."""
    value, error = mean_with_error(local)
    return Estimate(value, error, len(local), kind=kind, method=method, cautions=cautions, local=local)
