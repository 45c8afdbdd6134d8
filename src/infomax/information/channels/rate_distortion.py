"""Rate–distortion: the least I(X;Y) with which Y represents X at mean distortion D.

Inputs of any kind become float64 NumPy arrays, and results are NumPy.

Reference: Shannon (1959); Blahut (1972).
"""

import math
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from infomax.information.channels.channel import Channel
from infomax.information.channels.simplex import ConcaveFunction, Values, maximize_on_simplex
from infomax.information.measures import mutual_information
from infomax.information.tables import (
    Array,
    Number,
    as_number,
    as_positive,
    as_probabilities,
    as_real,
    in_base,
    log_of_base,
    to_numpy,
)

Point: TypeAlias = tuple[Number, Number, Number, np.ndarray]
"""A distortion, the bounds on the rate there, and the distribution of the output."""


@dataclass(frozen=True, eq=False)
class RateDistortion:
    """Points of the curve R(D), from the largest slope to zero rate.

    Args:
        source: p(x).
        distortion: [x, y].
        slopes: −dR/dD of each point; the first is ∞ (least distortion), the last is 0 (zero rate).
        distortions: D of each point.
        lower: ≤ R(D).
        upper: ≥ R(D).
        outputs: p(y) of each point.
        base: of the logarithm.
    """

    source: np.ndarray
    distortion: np.ndarray
    slopes: np.ndarray
    distortions: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    outputs: np.ndarray
    base: float

    def channel(self, index: int) -> Channel:
        """Return the channel P(y|x) of one point of the curve: the least information at its distortion."""
        return Channel(_tilted(self.outputs[index], _kernel(self.distortion, self._nats(index))))

    def _nats(self, index: int) -> float:
        return self.slopes[index] * log_of_base(self.base)

    def bracket(self, distortion: Number) -> tuple[float, float]:
        """Return certified bounds of R at any distortion: by tangents from below, by chords from above.

        The least distortion of the curve is a rounded number: less than it by a part in 10¹² is taken as it.

        Raises:
            ValueError: less distortion than any channel can have.
        """
        distortion, least = as_number("RateDistortion.bracket", "distortion", distortion), self.distortions[0]
        if distortion < least - 1e-12 * abs(least):
            raise ValueError(
                f"RateDistortion.bracket: no channel has distortion {distortion:g}; the least is {least:g}"
            )
        if distortion >= self.distortions[-1]:
            return 0.0, 0.0
        distortion = max(distortion, self.distortions.min())
        nearer = self.distortions[1:-1] - distortion
        rounding = 8 * np.finfo(float).eps * np.abs(self.distortions[1:-1])
        tangents = self.lower[1:-1] + self.slopes[1:-1] * (nearer - rounding)
        return float(np.max(tangents, initial=0.0)), self._least_chord(distortion)

    def _least_chord(self, distortion: float) -> float:
        """Return the least upper bound at a distortion on the line between any two points about it."""
        left, right = self.distortions <= distortion, self.distortions >= distortion
        x0, y0 = self.distortions[left][:, None], self.upper[left][:, None]
        width = self.distortions[right] - x0
        share = (distortion - x0) / np.where(width > 0, width, 1)
        return float(np.min(y0 + (self.upper[right] - y0) * share))

    def refined(self, distortion: Number, *, tolerance: float = 1e-7) -> "RateDistortion":
        """Return the curve with points added around one distortion, until the bracket there is narrow enough.

        Raises:
            RuntimeError: it does not become so narrow.
        """
        curve, lower, upper = self, 0.0, math.inf
        for _ in range(100):
            lower, upper = curve.bracket(distortion)
            if upper - lower <= tolerance:
                return curve
            curve = curve._with_slope_near(distortion, tolerance)
        raise RuntimeError(
            f"RateDistortion.refined: R({distortion:g}) lies in [{lower:.12g}, {upper:.12g}], wider than "
            f"{tolerance:.3g}; ask for a larger tolerance"
        )

    def _with_slope_near(self, distortion: Number, tolerance: float) -> "RateDistortion":
        k = int(np.searchsorted(self.distortions, distortion, side="right").clip(1, len(self.slopes) - 1))
        steep, flat = self.slopes[k - 1], self.slopes[k]
        slope = {math.inf: 4 * flat}.get(steep, steep / 4 if flat == 0 else math.sqrt(steep * flat))
        unit = log_of_base(self.base)
        point = _point(self.source, self.distortion, slope * unit, tolerance * unit / 4)
        columns = (self.distortions, self.lower * unit, self.upper * unit, self.outputs)
        d, lower, upper, outputs = (np.insert(c, k, v, axis=0) for c, v in zip(columns, point, strict=True))
        slopes = np.insert(self.slopes, k, slope)
        return replace(
            self, slopes=slopes, distortions=d, lower=lower / unit, upper=upper / unit, outputs=outputs
        )


def rate_distortion(
    p_x: Array,
    distortion: Array,
    *,
    slopes: Array | None = None,
    base: Number = math.e,
    tolerance: float = 1e-9,
) -> RateDistortion:
    """Return the curve R(D) = min I(X;Y) over channels P(y|x) with E d(X,Y) ≤ D, with certified bounds.

    At slope s it is −sD − max_q Σₓ p(x) log Σ_y q(y) e^{−s d(x,y)}, found as capacity is.

    Args:
        p_x: the source.
        distortion: [x, y], the cost of receiving y for x; ∞ forbids a pair.
        slopes: positive values of −dR/dD at which to compute points; by default 50, chosen by the
            distortions. The two ends of the curve are always added.
        base: of the logarithm, for rates and slopes.
        tolerance: the largest width of a bracket, in the same unit.
    Raises:
        ValueError: shapes that do not fit, NaN, a letter all of whose pairs are forbidden, slopes ≤ 0, or
            a tolerance that is not positive.
    Example:
        A fair bit, of which one in ten may be wrong: R = 1 − h₂(0.1).

        >>> curve = rate_distortion([1/2, 1/2], [[0, 1], [1, 0]], base=2)
        >>> [round(bound, 6) for bound in curve.refined(0.1).bracket(0.1)]
        [0.531004, 0.531004]
    """
    source, d = _source_and_distortion(p_x, distortion)
    tolerance = as_positive("rate_distortion", "tolerance", tolerance)
    unit = log_of_base(base)
    finite = _default_slopes(source, d, unit) if slopes is None else _rising(slopes)[::-1]
    if not (np.isfinite(finite).all() and (finite > 0).all()):
        raise ValueError(f"rate_distortion: slopes must be positive and finite, got {slopes}")
    all_slopes = np.concatenate([[math.inf], finite])
    points = [_point(source, d, slope * unit, tolerance * unit) for slope in all_slopes]
    points.append(_zero_rate_point(source, d))
    distortions, lower, upper, outputs = (np.array(column) for column in zip(*points, strict=True))
    rates = (in_base(lower, base), in_base(upper, base))
    return RateDistortion(source, d, np.append(all_slopes, 0.0), distortions, *rates, outputs, float(base))


def _source_and_distortion(p_x: Array, distortion: Array) -> tuple[np.ndarray, np.ndarray]:
    source = to_numpy(as_probabilities("rate_distortion", p_x))
    d = to_numpy(as_real("rate_distortion", distortion))
    if d.ndim != 2 or source.shape != d.shape[:1]:
        raise ValueError(
            f"rate_distortion: expected a source [x] and distortions [x, y], got {source.shape} and {d.shape}"
        )
    if np.isnan(d).any() or (d == -math.inf).any() or not np.isfinite(d.min(axis=1)).all():
        raise ValueError("rate_distortion: every x needs a finite distortion for some y, and none may be NaN")
    return source / source.sum(), d


def _default_slopes(source: np.ndarray, d: np.ndarray, unit: float) -> np.ndarray:
    """Slopes from where a row's nearest alternative has weight e⁻²⁰ to where its mean one has e⁻⁰·¹."""
    excess = d - d.min(axis=1, keepdims=True)
    positive = (excess > 0) & np.isfinite(excess)
    if not positive.any():
        return np.array([1.0])
    nearest = np.min(excess, axis=1, where=positive, initial=excess[positive].max())
    return np.geomspace(20 / (source @ nearest), 0.1 / excess[positive].mean(), 50) / unit


def _rising(slopes: Array) -> np.ndarray:
    return np.sort(to_numpy(as_real("rate_distortion", slopes)).ravel())


def _kernel(d: np.ndarray, slope: float) -> np.ndarray:
    """e^{−s d(x,y)}, each row divided by its largest entry so that it does not underflow."""
    if slope == 0:
        return np.ones_like(d)  # also where d is ∞: at zero rate the output does not depend on x
    excess = d - d.min(axis=1, keepdims=True)
    return (excess == 0).astype(float) if slope == math.inf else np.exp(-slope * excess)


def _tilted(q: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    weights = q * kernel
    return weights / weights.sum(axis=1, keepdims=True)


def _point(source: np.ndarray, d: np.ndarray, slope: float, tolerance: float) -> Point:
    """(D, lower bound, upper bound, q) at a slope, in nats."""
    kernel = _kernel(d, slope)
    start = np.full(d.shape[1], 1 / d.shape[1])
    objective = _log_likelihood(source[source > 0], kernel[source > 0])
    best = maximize_on_simplex("rate_distortion", objective, start, tolerance=tolerance)
    table = source[:, None] * _tilted(best.point, kernel)
    excess = np.sum(table * np.where(table > 0, d - d.min(axis=1, keepdims=True), 0))
    tilt = 0.0 if slope == math.inf else slope * excess
    rounding = np.finfo(float).eps * (8 + 4 * math.log(table.size))
    rate = max(0.0, float(mutual_information(table))) + rounding
    return source @ d.min(axis=1) + excess, min(rate, -tilt - best.upper), rate, best.point


def _log_likelihood(source: np.ndarray, kernel: np.ndarray) -> ConcaveFunction:
    """f(q) = Σₓ p(x) log (A q)ₓ, concave in q, with its gradient and minus its Hessian."""

    def objective(q: np.ndarray) -> Values:
        mixture = kernel @ q
        ratio = kernel / mixture[:, None]
        return float(source @ np.log(mixture)), source @ ratio, (ratio.T * source) @ ratio

    return objective


def _zero_rate_point(source: np.ndarray, d: np.ndarray) -> Point:
    with_letter = source > 0
    mean = source[with_letter] @ d[with_letter]
    output = np.zeros(d.shape[1])
    output[mean.argmin()] = 1.0
    return mean.min(), 0.0, 0.0, output
