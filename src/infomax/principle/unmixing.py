"""The unmixing matrix W under which white samples z are likeliest, their sources y = W z being independent.

    L(W) = log |det W| + Σᵢ E log pᵢ(yᵢ)

A relative step W ← (I + E) W changes L by ⟨G, E⟩ + …, with the natural gradient

    G = I − E[ψ(y) yᵀ],   ψᵢ = −(log pᵢ)′.

Where sources are independent, the curvature −∂²L/∂E² couples only Eᵢⱼ and Eⱼᵢ, through

    [ E ψᵢ′ E yⱼ²        1      ]
    [      1        E ψⱼ′ E yᵢ² ],   on the diagonal 1 + E[ψᵢ′ yᵢ²].

Its inverse times G is the quasi-Newton step; what the model leaves out, L-BFGS learns from the latest steps.
Mixtures of many sources are near Gaussian, where the curvature vanishes: quasi-Newton steps begin at a fixed
point of rotations instead, as FastICA's do.

Cost of one evaluation: two products of [d, d] and [d, n], one tanh, exp and log of every source. Blocks of
samples stay in cache and are shared among the threads that BLAS may use; sums do not depend on how many.
Ascent begins on few samples, and goes on with more where a step is smaller than their sampling error.

Reference: Amari, Cichocki and Yang (1996), A new learning algorithm for blind signal separation, for the
natural gradient; Ablin, Cardoso and Gramfort (2018), Faster independent component analysis by preconditioning
with Hessian approximations, for the curvature; Hyvärinen (1999), Fast and robust fixed-point algorithms for
independent component analysis, for the start.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from threadpoolctl import ThreadpoolController

from infomax.principle.densities import Density, Values

_BLOCK = 2**15  # values of y at a time: they and what is made of them stay in a core's cache
_SHARE = 2**18  # values of y that a thread takes at a time
_FEWEST = 2**12  # samples to begin with, or as many as W has elements: on fewer, noise hides the sources
_GROWTH = 4
_BETWEEN_CHOICES = 4  # steps after which densities are chosen anew
_SMALLEST_CURVATURE = 0.03
_LARGEST_STEP = 0.3  # of an element of E
_HALVINGS = 12
_MEMORY = 8
_MOST_TURNS = 50
_STILL = 1e-3  # of 1 − |cos| of what a source turns by, on average
_FEW_FOR_PAIRS = 2**10  # samples that tell whether two sources are mixed half and half,
_WORTH_TURNING = 0.03  # and the nats that then make it worth turning them

Map = Callable[[Callable[..., Any], Sequence[Any]], Iterator[Any]]


class Moments(NamedTuple):
    """Means over samples at some W.

    value: L(W), nats. gradient: G. slope: E ψᵢ′. power: E yᵢ². curvature: 1 + E[ψᵢ′ yᵢ²].
    """

    value: float
    gradient: Float[np.ndarray, "d d"]
    slope: Float[np.ndarray, " d"]
    power: Float[np.ndarray, " d"]
    curvature: Float[np.ndarray, " d"]

    @property
    def steepest(self) -> float:
        """The largest |Gᵢⱼ|."""
        return float(np.abs(self.gradient).max())

    def newton(self, gradient: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
        """The inverse of the curvature at independence, kept positive, times `gradient`."""
        a = np.outer(self.slope, self.power)
        smallest = (a + a.T - np.sqrt((a - a.T) ** 2 + 4)) / 2  # eigenvalue of [[a_ij, 1], [1, a_ji]]
        a += np.maximum(_SMALLEST_CURVATURE - smallest, 0)
        np.fill_diagonal(a, 0)  # so that a_ij a_ji − 1 is not 0 there
        step = (a.T * gradient - gradient.T) / (a * a.T - 1)
        np.fill_diagonal(step, np.diag(gradient) / np.maximum(self.curvature, _SMALLEST_CURVATURE))
        return step


@dataclass(frozen=True)
class Samples:
    """White samples, and what their sources may be distributed like."""

    rows: Float[np.ndarray, "n d"]
    densities: Sequence[Density]
    map: Map = map

    def first(self, num_samples: int) -> "Samples":
        """The first few."""
        return replace(self, rows=self.rows[:num_samples])

    def moments(self, unmixing: Float[np.ndarray, "d d"], chosen: Int[np.ndarray, " d"]) -> Moments:
        """L, its gradient and curvature where source i has density `chosen[i]`."""

        def sums(y: Values) -> tuple[Values, Values]:
            score = np.empty_like(y)
            each = np.empty((5, len(y)))
            for k in np.unique(chosen):
                own = slice(None) if np.all(chosen == k) else chosen == k
                score[own], each[:, own] = _sums(self.densities[k], y[own])
            return each, score @ y.T

        (log_p, _, slope, curved, power), score_y = self._mean(sums, unmixing)
        gradient = np.eye(len(unmixing)) - score_y
        value = np.linalg.slogdet(unmixing)[1] + log_p.sum()
        return Moments(float(value), gradient, slope, power, 1 + curved)

    def likeliest(self, unmixing: Float[np.ndarray, "d d"]) -> Int[np.ndarray, " d"]:
        """For each source the likeliest of the densities under which L has a maximum there, not a saddle.

        That is, those with E ψ′ E y² > E ψ y, or else the one that comes closest to it; for two densities,
        super- and sub-Gaussian, this is the rule of extended InfoMax. Likelihoods are compared at the best
        scale, the maximum over t of t + E log p(eᵗ y), to second order in t.
        """

        def sums(y: Values) -> tuple[Values]:
            return (np.stack([_sums(density, y)[1] for density in self.densities]),)

        ((log_p, score_y, slope, curved, power),) = (np.moveaxis(s, 1, 0) for s in self._mean(sums, unmixing))
        margin = slope * power - score_y
        at_best_scale = log_p + (1 - score_y) ** 2 / (2 * (score_y + curved))
        likeliest = np.where(margin > 0, at_best_scale, -np.inf).argmax(axis=0)
        return np.where(np.any(margin > 0, axis=0), likeliest, margin.argmax(axis=0))

    def _mean(
        self, sums: Callable[[Values], tuple[Values, ...]], unmixing: Float[np.ndarray, "d d"]
    ) -> list[Values]:
        """Each of `sums` of blocks of y [d, b], added up over all samples and divided by their number."""
        num_samples, dim = self.rows.shape
        weights = unmixing.astype(self.rows.dtype)
        block, share = (max(size // dim, 1) for size in (_BLOCK, _SHARE))

        def of_share(start: int) -> Sequence[Values]:
            rows = self.rows[start : start + share]
            blocks = (rows[first : first + block] for first in range(0, len(rows), block))
            return reduce(_added, (sums(weights @ part.T) for part in blocks))

        over_threads = self.map if share < num_samples else map
        shares = over_threads(of_share, range(0, num_samples, share))
        return [total / num_samples for total in reduce(_added, shares)]


def _sums(density: Density, y: Float[np.ndarray, "d b"]) -> tuple[Values, Values]:
    """ψ(y); and for each source Σ log p, Σ ψ y, Σ ψ′, Σ ψ′ y², Σ y² over samples."""
    log_p, score, slope = density(y)
    squares = y * y
    each = [log_p.sum(1), _dot(score, y), slope.sum(1), _dot(slope, squares), squares.sum(1)]
    return score, np.stack(each)


def _added(one: Sequence[Values], other: Sequence[Values]) -> list[Values]:
    return [a + b for a, b in zip(one, other, strict=True)]


def _dot(a: Values, b: Values) -> Values:
    return np.einsum("db,db->d", a, b)


# ------------------------------------------------------------------------------------- which way to step


@dataclass
class NaturalGradient:
    """Steps E = rate · G, the rate doubled from step to step and halved until a step leads uphill."""

    rate: float = 0.5

    def start(self, samples: Samples, max_steps: int) -> tuple[Float[np.ndarray, "d d"], int]:
        """W = I, in no steps."""
        return np.eye(samples.rows.shape[1]), 0

    def direction(self, here: Moments) -> Float[np.ndarray, "d d"]:
        """rate · G."""
        return self.rate * here.gradient

    def learn(self, step: Float[np.ndarray, "d d"], before: Moments, after: Moments) -> None:
        """The rate that was good, doubled."""
        self.rate = 2 * float(np.linalg.norm(step) / np.linalg.norm(before.gradient))

    def forget(self) -> None:
        """Nothing: the rate will still do."""


@dataclass
class QuasiNewton:
    """Steps E = H⁻¹ G, H the curvature at independence, corrected by L-BFGS for the latest steps."""

    pairs: deque[tuple[Values, Values]] = field(default_factory=lambda: deque(maxlen=_MEMORY))

    def start(self, samples: Samples, max_steps: int) -> tuple[Float[np.ndarray, "d d"], int]:
        """The fixed point of W ← (E[ψ(y) yᵀ] − E ψ′) W made orthonormal, whichever tails the sources have.

        Until they hardly turn any more; and the number of steps.
        """
        dim = samples.rows.shape[1]
        covariance = (samples.rows.T @ samples.rows / len(samples.rows)).astype(float)
        unmixing, same = _orthonormal(np.eye(dim), covariance), np.zeros(dim, dtype=int)
        for num_steps in range(min(max_steps, _MOST_TURNS)):
            here = samples.moments(unmixing, same)
            turned = (np.eye(dim) - here.gradient - np.diag(here.slope)) @ unmixing
            turned = _orthonormal(turned, covariance)
            cosines = np.abs(np.sum(turned @ covariance * unmixing, axis=1))
            unmixing = turned
            if np.mean(1 - cosines) < _STILL:
                return unmixing, num_steps + 1
        return unmixing, min(max_steps, _MOST_TURNS)

    def direction(self, here: Moments) -> Float[np.ndarray, "d d"]:
        """The two loops of L-BFGS, with H⁻¹ between them."""
        direction, projections = here.gradient, []
        for step, change in reversed(self.pairs):
            projections.append(np.vdot(step, direction) / np.vdot(step, change))
            direction = direction - projections[-1] * change
        direction = here.newton(direction)
        for (step, change), projection in zip(self.pairs, reversed(projections), strict=True):
            excess = np.vdot(change, direction) / np.vdot(step, change)
            direction = direction + (projection - excess) * step
        return direction

    def learn(self, step: Float[np.ndarray, "d d"], before: Moments, after: Moments) -> None:
        """Remember how the gradient fell along a step, if it did."""
        change = before.gradient - after.gradient
        if np.vdot(step, change) > 0:
            self.pairs.append((step, change))

    def forget(self) -> None:
        """What was learned of another curvature."""
        self.pairs.clear()


def _orthonormal(
    unmixing: Float[np.ndarray, "d d"], covariance: Float[np.ndarray, "d d"]
) -> Float[np.ndarray, "d d"]:
    """(W C Wᵀ)^−½ W: the nearest for which the sources are white."""
    variances, axes = np.linalg.eigh(unmixing @ covariance @ unmixing.T)
    return (axes / np.sqrt(variances)) @ axes.T @ unmixing


# ------------------------------------------------------------------------------------- ascent


class Unmixing(NamedTuple):
    """W, the density of each source and E yᵢ² there, the largest |Gᵢⱼ| left, and the steps it took."""

    matrix: Float[np.ndarray, "d d"]
    chosen: Int[np.ndarray, " d"]
    power: Float[np.ndarray, " d"]
    steepest: float
    num_steps: int


def maximize_likelihood(
    samples: Samples, rule: NaturalGradient | QuasiNewton, *, tolerance: float, max_steps: int
) -> Unmixing:
    """Ascend L from where the rule begins: first on few of the samples, then on more, at last on all."""
    stages = list(_stages(samples, tolerance))
    unmixing, num_steps = rule.start(stages[0][0], max_steps)
    for part, goal in stages:
        ascent = _Ascent(part, rule, unmixing)
        num_steps += ascent.run(goal, max_steps - num_steps)
        if part is stages[0][0]:
            num_steps += ascent.untangle(goal, max_steps - num_steps)
        unmixing = ascent.unmixing
    here = ascent.here
    return Unmixing(unmixing, ascent.chosen, here.power, here.steepest, num_steps)


def _stages(samples: Samples, tolerance: float) -> Iterator[tuple[Samples, float]]:
    """Samples and the tolerance on them: the sampling error of G, and at last, on all, what is asked for."""
    total, dim = samples.rows.shape
    size = max(_FEWEST, dim**2)
    while size * 1.5 < total:
        yield samples.first(size), max(tolerance, size**-0.5)
        size *= _GROWTH
    yield samples, tolerance


class _Ascent:
    """Where an ascent on some samples has come to: W, the density of each source, and the moments there."""

    def __init__(
        self, samples: Samples, rule: NaturalGradient | QuasiNewton, unmixing: Float[np.ndarray, "d d"]
    ) -> None:
        self.samples, self.rule = samples, rule
        self.begin(unmixing, samples.likeliest(unmixing))

    def begin(self, unmixing: Float[np.ndarray, "d d"], chosen: Int[np.ndarray, " d"]) -> None:
        """Begin anew from W and densities of its sources."""
        self.unmixing, self.chosen = unmixing, chosen
        self.here = self.samples.moments(unmixing, chosen)
        self.rule.forget()

    def run(self, tolerance: float, max_steps: int) -> int:
        """Step until G is small and the densities chosen stay the same; how many steps it took."""
        for num_steps in range(max_steps):
            converged = self.here.steepest < tolerance
            due = converged or num_steps % _BETWEEN_CHOICES == _BETWEEN_CHOICES - 1
            changed = due and self.choose()
            if (converged and not changed) or not self.step():
                return num_steps
        return max_steps

    def choose(self) -> bool:
        """Choose the densities anew; whether any has changed."""
        better = self.samples.likeliest(self.unmixing)
        changed = not np.array_equal(better, self.chosen)
        if changed:
            self.begin(self.unmixing, better)
        return changed

    def step(self) -> bool:
        """Go where the rule says, or half as far and so on, until that is uphill; whether it ever was."""
        step = self.rule.direction(self.here)
        step = step * min(1, _LARGEST_STEP / np.abs(step).max())
        rounding = np.finfo(self.samples.rows.dtype).eps * abs(self.here.value)
        for _ in range(_HALVINGS):
            unmixing = self.unmixing + step @ self.unmixing
            there = self.samples.moments(unmixing, self.chosen)
            if there.value > self.here.value - rounding:
                self.rule.learn(step, self.here, there)
                self.unmixing, self.here = unmixing, there
                return True
            step = step / 2
        return False

    def untangle(self, tolerance: float, max_steps: int) -> int:
        """Turn pairs of sources by 45° and ascend again, for as long as L gains; how many steps it took.

        Half of one source and half of another is where L is flat, and ascent may end: with heavy tails of the
        one and light ones of the other, both mixtures may have heavy tails. (Tichavský, Koldovský and Oja,
        2006, test for this too.)
        """
        num_steps = 0
        while num_steps < max_steps:
            before = self.unmixing, self.chosen, self.here.value
            turned = self._turned()
            if turned is None:
                break
            self.begin(turned, self.samples.likeliest(turned))
            num_steps += self.run(tolerance, max_steps - num_steps)
            if self.here.value <= before[2]:
                self.begin(*before[:2])
                break
        return num_steps

    def _turned(self) -> Float[np.ndarray, "d d"] | None:
        """W with pairs turned where that makes them likelier, the first few samples say; None if nowhere."""
        rows = self.samples.rows[:_FEW_FOR_PAIRS]
        y = self.unmixing @ rows.T
        scale = np.sqrt(np.mean(y * y, axis=1, keepdims=True))
        unmixing, gains = self.unmixing / scale, self._gains_of_turning(y / scale)
        if gains.max() < _WORTH_TURNING:
            return None
        while gains.max() >= _WORTH_TURNING:
            i, j = np.unravel_index(gains.argmax(), gains.shape)
            unmixing[[i, j]] = [unmixing[i] + unmixing[j], unmixing[i] - unmixing[j]] / np.sqrt(2)
            gains[[i, j]] = gains[:, [i, j]] = -np.inf
        return unmixing

    def _gains_of_turning(self, y: Float[np.ndarray, "d n"]) -> Float[np.ndarray, "d d"]:
        """What E log p of each pair, at unit variance, gains by a turn of 45°; −∞ where j ≤ i."""

        def likelihood(sources: Float[np.ndarray, "k n"]) -> Float[np.ndarray, " k"]:
            return np.max([density(sources)[0].mean(axis=1) for density in self.samples.densities], axis=0)

        def of_row(i: int) -> Float[np.ndarray, " d"]:
            turned = [
                likelihood((y[i] + other) / np.sqrt(2)) + likelihood((y[i] - other) / np.sqrt(2))
                for other in others
            ]
            return np.concatenate(turned) - alone[i] - alone

        alone, others = likelihood(y), np.array_split(y, -(-y.size // _BLOCK))
        gains = np.stack(list(self.samples.map(of_row, range(len(y)))))
        gains[np.tril_indices(len(y))] = -np.inf
        return gains


@contextmanager
def threads() -> Iterator[Map]:
    """A map over as many threads as BLAS may use, each of them with a BLAS of one thread."""
    blas = ThreadpoolController().select(user_api="blas")
    workers = max((library["num_threads"] for library in blas.info()), default=1)
    with blas.limit(limits=1), ThreadPoolExecutor(workers) as pool:
        yield pool.map
