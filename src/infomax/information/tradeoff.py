"""Information at a price: rate–distortion, and the information bottleneck.

Both ask for the best channel out of a given source. Rate–distortion: the least I(X;Y) with which Y may stand
for X at mean distortion D. Bottleneck: the least I(X;T) with which T may still tell of Y.

Inputs of any kind are taken as float64 NumPy arrays, and results are NumPy.
Reference: Shannon (1959); Blahut (1972); Tishby, Pereira and Bialek (1999); Strouse and Schwab (2017).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
from jaxtyping import Float

from infomax.information.channel import Channel
from infomax.information.measures import entropy, mutual_information
from infomax.information.simplex import Objective, maximize_on_simplex
from infomax.information.tables import Array, Number, as_probabilities, in_base, to_numpy

Matrix = Float[np.ndarray, "x y"]

# ------------------------------------------------------------------------------------- rate–distortion


@dataclass(frozen=True, eq=False)
class RateDistortion:
    """Points of the curve R(D), from the largest slope to zero rate; lower ≤ R(distortions) ≤ upper.

    `slopes` are −dR/dD; the first is ∞ (least distortion), the last is 0 (zero rate).
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
        """The channel P(y|x) of one point of the curve: no other has less information at its distortion."""
        return Channel(_tilted(self.outputs[index], _kernel(self.distortion, self._nats(index))))

    def _nats(self, index: int) -> float:
        return self.slopes[index] * math.log(self.base)

    def bracket(self, distortion: Number) -> tuple[float, float]:
        """Certified bounds of R at any distortion: tangents below, chords (time-sharing) above.

        Raises: ValueError: less distortion than any channel can have.
        """
        if distortion < self.distortions[0] * (1 - 1e-12):
            raise ValueError(
                f"RateDistortion.bracket: no channel has distortion {distortion:g}; the least is "
                f"{self.distortions[0]:g}"
            )
        if distortion >= self.distortions[-1]:
            return 0.0, 0.0
        tangents = self.lower[1:] + self.slopes[1:] * (self.distortions[1:] - distortion)
        points = sorted(zip(self.distortions, self.upper, strict=True))
        chords = (_chord(a, b, distortion) for k, a in enumerate(points) for b in points[k + 1 :])
        return max(0.0, float(tangents.max())), float(min(c for c in chords if c is not None))

    def refined(self, distortion: Number, *, tolerance: float = 1e-7) -> "RateDistortion":
        """The curve with points added around one distortion until the bracket there is as narrow as asked."""
        curve = self
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
        unit = math.log(self.base)
        point = _point(self.source, self.distortion, slope * unit, tolerance * unit / 4)
        columns = (self.distortions, self.lower * unit, self.upper * unit, self.outputs)
        d, lower, upper, outputs = (np.insert(c, k, v, axis=0) for c, v in zip(columns, point, strict=True))
        slopes = np.insert(self.slopes, k, slope)
        return replace(
            self, slopes=slopes, distortions=d, lower=lower / unit, upper=upper / unit, outputs=outputs
        )


def _chord(left: tuple, right: tuple, x: Number) -> float | None:
    (x0, y0), (x1, y1) = left, right
    if not x0 <= x <= x1:
        return None
    return min(y0, y1) if x0 == x1 else y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def rate_distortion(
    p_x: Array,
    distortion: Array,
    *,
    slopes: Array | None = None,
    base: Number = math.e,
    tolerance: float = 1e-9,
) -> RateDistortion:
    """R(D) = min I(X;Y) over channels P(y|x) with E d(X,Y) ≤ D: the whole curve, certified.

    At slope s it is −sD − max_q Σₓ p(x) log Σ_y q(y) e^{−s d(x,y)}, found as capacity is.

    Args:
        p_x: the source.
        distortion: [x, y], the cost of receiving y for x; ∞ forbids a pair.
        slopes: positive values of −dR/dD at which to compute points; by default 50 that suit the
            distortions. The two ends of the curve are always added.
        base: of the logarithm, for rates and slopes.
        tolerance: the largest width of a bracket, in the same unit.
    Raises: ValueError: mismatched shapes, NaN, a letter all of whose pairs are forbidden, or slopes ≤ 0.
    Example:
        A fair bit with one error in ten allowed: R = 1 − h₂(0.1).

        >>> curve = rate_distortion([1/2, 1/2], [[0, 1], [1, 0]], base=2)
        >>> [round(bound, 6) for bound in curve.refined(0.1).bracket(0.1)]
        [0.531004, 0.531004]
    """
    source, d = _source_and_distortion(p_x, distortion)
    unit = math.log(base)
    finite = _default_slopes(source, d, unit) if slopes is None else np.sort(to_numpy(slopes).ravel())[::-1]
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
    d = to_numpy(distortion)
    if d.ndim != 2 or source.shape != d.shape[:1]:
        raise ValueError(
            f"rate_distortion: expected a source [x] and distortions [x, y], got {source.shape} and {d.shape}"
        )
    if np.isnan(d).any() or (d == -math.inf).any() or not np.isfinite(d.min(axis=1)).all():
        raise ValueError("rate_distortion: every x needs a finite distortion for some y, and none may be NaN")
    return source / source.sum(), d


def _default_slopes(source: np.ndarray, d: np.ndarray, unit: float) -> np.ndarray:
    """From where a row's nearest alternative has weight e⁻²⁰ to where its mean one has e⁻⁰·¹."""
    excess = d - d.min(axis=1, keepdims=True)
    positive = (excess > 0) & np.isfinite(excess)
    if not positive.any():
        return np.array([1.0])
    nearest = np.min(excess, axis=1, where=positive, initial=excess[positive].max())
    return np.geomspace(20 / (source @ nearest), 0.1 / excess[positive].mean(), 50) / unit


def _kernel(d: np.ndarray, slope: float) -> np.ndarray:
    """e^{−s d(x,y)}, each row divided by its largest entry so that nothing underflows that matters."""
    excess = d - d.min(axis=1, keepdims=True)
    return (excess == 0).astype(float) if slope == math.inf else np.exp(-slope * excess)


def _tilted(q: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    weights = q * kernel
    return weights / weights.sum(axis=1, keepdims=True)


def _point(source: np.ndarray, d: np.ndarray, slope: float, tolerance: float) -> tuple:
    """(D, lower bound, upper bound, q) at a slope, in nats."""
    kernel = _kernel(d, slope)
    start = np.full(d.shape[1], 1 / d.shape[1])
    objective = _log_likelihood(source[source > 0], kernel[source > 0])
    best = maximize_on_simplex("rate_distortion", objective, start, tolerance=tolerance)
    table = source[:, None] * _tilted(best.point, kernel)
    excess = np.sum(table * np.where(table > 0, d - d.min(axis=1, keepdims=True), 0))
    tilt = 0.0 if slope == math.inf else slope * excess
    rate = float(mutual_information(table))
    return source @ d.min(axis=1) + excess, min(rate, -tilt - best.upper), rate, best.point


def _log_likelihood(source: np.ndarray, kernel: np.ndarray) -> Objective:
    """f(q) = Σₓ p(x) log (A q)ₓ, concave in q, with its gradient and minus its Hessian."""

    def objective(q):
        mixture = kernel @ q
        ratio = kernel / mixture[:, None]
        return source @ np.log(mixture), source @ ratio, (ratio.T * source) @ ratio

    return objective


def _zero_rate_point(source: np.ndarray, d: np.ndarray) -> tuple:
    with_letter = source > 0
    mean = source[with_letter] @ d[with_letter]
    output = np.zeros(d.shape[1])
    output[mean.argmin()] = 1.0
    return mean.min(), 0.0, 0.0, output


# ------------------------------------------------------------------------------------- bottleneck


@dataclass(frozen=True, eq=False)
class Bottleneck:
    """An encoder P(t|x), its `rate`, its `relevance` I(T;Y), and the `objective` it maximises, in nats.

    The problem is not concave: the objective is a lower bound of the best, whose upper bound is `upper`.
    """

    encoder: Channel
    rate: float
    relevance: float
    objective: float
    upper: float


def information_bottleneck(
    p_xy: Array, beta: Number, *, num_clusters: int | None = None, num_steps: int = 16
) -> Bottleneck:
    """Maximise β I(T;Y) − I(X;T) over encoders P(t|x): keep what tells of Y, forget the rest of X.

    Solutions obey P(t|x) ∝ p(t) exp(−β D(p(y|x)‖p(y|t))). They are followed from large β, where T = X is
    best, down to `beta` (reverse annealing); no randomness is involved.

    Args:
        p_xy: joint probabilities [x, y].
        beta: what a nat about Y is worth in nats about X; up to 1 nothing is worth keeping.
        num_clusters: how many values T may take; by default as many as X.
        num_steps: of annealing.
    Returns: a Bottleneck; its `rate` is I(X;T).
    Raises: ValueError: not a joint table, β ≤ 0, or a number of clusters outside 1 … |X|.
    Example:
        >>> p_xy = [[.2, .05], [.2, .05], [.05, .2], [.05, .2]]
        >>> bottleneck = information_bottleneck(p_xy, beta=20, num_clusters=2)
        >>> bottleneck.encoder.transition.round(3)
        array([[1., 0.],
               [1., 0.],
               [0., 1.],
               [0., 1.]])
    """
    p_xy = _bottleneck_table("information_bottleneck", p_xy, beta, num_clusters)
    start = _partition(p_xy, num_clusters or len(p_xy), lambda gain, _: gain)
    annealed = start
    for step in np.geomspace(8 * beta, beta, num_steps):
        annealed = _fixed_point(p_xy, step, annealed, _soft)
    direct = _fixed_point(p_xy, beta, start, _soft)
    nothing = np.eye(start.shape[1])[np.zeros(len(p_xy), dtype=int)]
    results = (_bottleneck(p_xy, beta, encoder, _rate) for encoder in (annealed, direct, nothing))
    return max(results, key=lambda result: result.objective)


def deterministic_information_bottleneck(
    p_xy: Array, beta: Number, *, num_clusters: int | None = None
) -> Bottleneck:
    """Maximise β I(T;Y) − H(T) over partitions t(x): clusters as few and as telling as can be.

    Clusters are merged greedily while that gains, then single values move to t(x) = argmax_t
    log p(t) − β D(p(y|x)‖p(y|t)) until none does.

    Returns: a Bottleneck; its `rate` is H(T). Arguments and errors as in `information_bottleneck`.
    Example:
        >>> p_xy = [[.2, .05], [.2, .05], [.05, .2], [.05, .2]]
        >>> deterministic_information_bottleneck(p_xy, beta=10).encoder.transition
        array([[1., 0.],
               [1., 0.],
               [0., 1.],
               [0., 1.]])

    Reference: Strouse and Schwab (2017), The deterministic information bottleneck.
    """
    p_xy = _bottleneck_table("deterministic_information_bottleneck", p_xy, beta, num_clusters)

    def gain(relevance: float, cost: float) -> float:
        return float(beta * relevance - cost)

    merged = _partition(p_xy, num_clusters or len(p_xy), gain, while_gaining=True)
    moved = _fixed_point(p_xy, beta, merged, _hard)
    results = (_bottleneck(p_xy, beta, encoder, _cluster_entropy) for encoder in (merged, moved))
    return max(results, key=lambda result: result.objective)


def _bottleneck_table(operation: str, p_xy: Array, beta: Number, num_clusters: int | None) -> np.ndarray:
    table = to_numpy(as_probabilities(operation, p_xy, axis=(-2, -1), num_axes=2))
    if table.ndim != 2:
        raise ValueError(f"{operation}: expected one table [x, y], got shape {table.shape}; loop over them")
    if not 0 < beta < math.inf:
        raise ValueError(
            f"{operation}: beta must be positive and finite, got {beta}; above 1 to keep anything"
        )
    if num_clusters is not None and not 1 <= num_clusters <= len(table):
        raise ValueError(f"{operation}: num_clusters must be from 1 to {len(table)}, got {num_clusters}")
    return table / table.sum()


def _bottleneck(p_xy: np.ndarray, beta: Number, encoder: np.ndarray, rate: Callable) -> Bottleneck:
    relevance, cost = float(mutual_information(encoder.T @ p_xy)), rate(p_xy, encoder)
    upper = max(0.0, (beta - 1) * float(mutual_information(p_xy)))  # since I(T;Y) ≤ I(X;T), I(X;Y)
    return Bottleneck(Channel(encoder), cost, relevance, float(beta * relevance - cost), float(upper))


def _rate(p_xy: np.ndarray, encoder: np.ndarray) -> float:
    return float(mutual_information(p_xy.sum(axis=1, keepdims=True) * encoder))


def _cluster_entropy(p_xy: np.ndarray, encoder: np.ndarray) -> float:
    return float(entropy(p_xy.sum(axis=1) @ encoder))


def _fixed_point(
    p_xy: np.ndarray, beta: Number, encoder: np.ndarray, assign: Callable, *, max_iterations: int = 3000
) -> np.ndarray:
    """Alternate p(t), p(y|t) and P(t|x) until the encoder stays; every turn raises the objective."""
    for _ in range(max_iterations):
        updated = assign(_log_fit(p_xy, encoder, beta))
        change = np.abs(updated - encoder).max()
        encoder = updated
        if change < 1e-11:
            break
    return encoder


def _log_fit(p_xy: np.ndarray, encoder: np.ndarray, beta: Number) -> np.ndarray:
    """log p(t) + β Σ_y p(y|x) log p(y|t), up to a constant of x; −∞ for empty or impossible clusters."""
    p_x = p_xy.sum(axis=1, keepdims=True)
    y_given_x = p_xy / np.where(p_x > 0, p_x, 1)
    p_ty = encoder.T @ p_xy
    p_t = p_ty.sum(axis=1, keepdims=True)
    y_given_t = p_ty / np.where(p_t > 0, p_t, 1)
    fit = y_given_x @ np.log(np.where(y_given_t > 0, y_given_t, 1)).T
    possible = (p_t[:, 0] > 0) & (y_given_x @ (y_given_t == 0).T == 0)
    return np.where(possible, np.log(np.where(p_t > 0, p_t, 1))[:, 0] + beta * fit, -math.inf)


def _soft(log_fit: np.ndarray) -> np.ndarray:
    weights = np.exp(log_fit - log_fit.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _hard(log_fit: np.ndarray) -> np.ndarray:
    return np.eye(log_fit.shape[1])[log_fit.argmax(axis=1)]


def _partition(
    p_xy: np.ndarray, num_clusters: int, value: Callable, *, while_gaining: bool = False
) -> np.ndarray:
    """Merge values of x two by two, each time the pair that leaves the greatest value(I(T;Y), H(T)).

    Until `num_clusters` remain and, with `while_gaining`, for as long as merging raises the value.
    """
    gain_of = cache(partial(_merge_gain, p_xy, value))  # most pairs stay as they were
    clusters: list[tuple[int, ...]] = [(x,) for x in range(len(p_xy))]
    while len(clusters) > 1:
        gains = {(a, b): gain_of(clusters[a], clusters[b]) for a, b in _pairs(len(clusters))}
        (a, b), gain = max(gains.items(), key=lambda item: item[1])
        if len(clusters) <= num_clusters and not (while_gaining and gain > 0):
            break
        clusters[a] = clusters[a] + clusters.pop(b)
    return _encoder_of(clusters, len(p_xy))


def _pairs(num: int) -> list[tuple[int, int]]:
    return [(a, b) for a in range(num) for b in range(a + 1, num)]


def _merge_gain(p_xy: np.ndarray, value: Callable, *clusters: tuple[int, ...]) -> float:
    """What value(I(T;Y), H(T)) gains when two clusters become one."""
    rows = np.stack([p_xy[list(members)].sum(axis=0) for members in clusters])
    both = rows.sum()
    if both == 0:
        return 0.0
    return value(
        -both * float(mutual_information(rows / both)), -both * float(entropy(rows.sum(axis=1) / both))
    )


def _encoder_of(clusters: list[tuple[int, ...]], num_values: int) -> np.ndarray:
    encoder = np.zeros((num_values, len(clusters)))
    for t, members in enumerate(clusters):
        encoder[list(members), t] = 1.0
    return encoder
