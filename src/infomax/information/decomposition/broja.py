"""The decomposition of Bertschinger, Rauh, Olbrich, Jost and Ay (BROJA), by the least joint information.

Unique information shall depend on p(x₁, y) and p(x₂, y) alone. Among the joints q with these marginals, the
one that tells least of Y has no synergy; what p tells beyond it is synergy:

    I* = min_q I_q(X₁, X₂; Y),     q(x₁, y) = p(x₁, y),  q(x₂, y) = p(x₂, y)
    synergy = I(X₁, X₂; Y) − I*,   unique₁ = I* − I(X₂; Y),   unique₂ = I* − I(X₁; Y)
    redundancy = I(X₁; Y) + I(X₂; Y) − I*

The problem is convex. With Q the sum of q over y, Newton steps minimise Σ q log(q / Q) − μ Σ log q for a
falling μ, among the q with the same marginals. Multipliers λ(x₁, x₂, y) = α(x₁, y) + β(x₂, y) with
Σ_y exp λ ≤ 1 give Σ p λ, a lower bound; the distance of the value found from it is the `error` of the result.

Cost: about 30 to 60 steps, each a linear system in |Y| (|X₁| − 1)(|X₂| − 1) unknowns.

Reference: Bertschinger, Rauh, Olbrich, Jost and Ay (2014), Quantifying unique information; Makkeh, Theis and
Vicente (2018), for the dual problem.
"""

import math
from typing import Any

import numpy as np
from scipy.linalg import qr

from infomax.information.decomposition.lattice import Decomposition, checked_table
from infomax.information.measures import mutual_information
from infomax.information.tables import Array, Number, in_base

MAX_GAP = 1e-8
"""Nats between the bounds at which the optimisation ends."""
MAX_STEPS = 200
STEP_TO_WALL = 0.95
"""Largest share of the way to a zero of q that one step takes."""


def broja_decomposition(p: Array, *, base: Number = math.e) -> Decomposition:
    """Return redundancy {1}{2}, unique {1} and {2}, and synergy {12} of I(X₁, X₂; Y), by BROJA.

    Args:
        p: joint probabilities [x₁, x₂, y], the target last. Two sources alone: the measure has no more.
        base: 2 for bits.
    Raises:
        ValueError: not probabilities, or not 3 axes.
    Example:
        Two bits, copied into Y as a pair: each is unique.

        >>> pair = [[[1/4, 0, 0, 0], [0, 1/4, 0, 0]], [[0, 0, 1/4, 0], [0, 0, 0, 1/4]]]
        >>> found = broja_decomposition(pair, base=2)
        >>> {name: round(abs(amount), 4) for name, amount in found.atoms.items()}
        {'{1}{2}': 0.0, '{1}': 1.0, '{2}': 1.0, '{12}': 0.0}
    """
    table = checked_table("broja_decomposition", p, base, max_sources=2)
    least, gap = least_information(table)
    first, second = (float(mutual_information(table.sum(axis=other))) for other in (1, 0))
    both = float(mutual_information(table.reshape(-1, table.shape[2])))
    nats = {
        "{1}{2}": first + second - least,
        "{1}": least - second,
        "{2}": least - first,
        "{12}": both - least,
    }
    amounts = {name: float(in_base(value, base)) for name, value in nats.items()}
    return Decomposition(amounts, "BROJA", error=float(in_base(gap, base)))


def least_information(p: np.ndarray) -> tuple[float, float]:
    """Return min_q I_q(X₁, X₂; Y) over the joints with the marginals of p, and how far it may be too high.

    Args:
        p: [x₁, x₂, y].
    """
    p_1y, p_2y, p_y = p.sum(axis=1), p.sum(axis=0), p.sum(axis=(0, 1))
    start = np.divide(p_1y[:, None] * p_2y, p_y, out=np.zeros_like(p), where=p_y > 0)
    program = _Program(start)
    q, barrier, bound, gap = start[start > 0], 0.1, -math.inf, math.inf
    for _ in range(MAX_STEPS):
        step, multipliers, decrement = program.newton(q, barrier)
        bound = max(bound, program.lower_bound(multipliers))
        gap = program.value(q) - bound
        if gap <= MAX_GAP:
            break
        q = program.moved(q, step, barrier)
        if decrement <= barrier:
            barrier = max(barrier / 5, MAX_GAP / (2 * len(q)))
    h_y = -float((p_y[p_y > 0] * np.log(p_y[p_y > 0])).sum())
    return h_y + program.value(q), max(gap, 0.0)


class _Program:
    """The minimum of Σ q log(q / Q) where sums over x₂ and over x₁ are fixed.

    Cells are those that may be above 0, in a vector.
    """

    def __init__(self, start: np.ndarray) -> None:
        one, two, y = np.nonzero(start)
        self._start, self._one, self._two = start[one, two, y], one, two
        self._pair = np.unique(one * start.shape[1] + two, return_inverse=True)[1]  # (x₁, x₂) of each cell
        fixed = [code * start.shape[2] + y for code in (one, two)]
        sums = [code == np.unique(code)[:, None] for code in fixed]
        self._sums = np.vstack(sums).astype(float)  # A: A q are the sums that are fixed
        self._rank = int(np.linalg.matrix_rank(self._sums))

    def _over_y(self, values: np.ndarray) -> np.ndarray:
        """Return the sum over y at each cell."""
        return np.bincount(self._pair, weights=values)[self._pair]

    def value(self, q: np.ndarray) -> float:
        """Return Σ q log(q / Q) = −H(Y | X₁, X₂)."""
        return float(q @ np.log(q / self._over_y(q)))

    def lower_bound(self, multipliers: np.ndarray) -> float:
        """Return Σ p λ − Σ p(x₁) max log Σ_y exp λ over x₂, or the same for x₂, whichever is more."""
        largest = _largest_of(self._pair, multipliers)
        excess = np.log(self._over_y(np.exp(multipliers - largest))) + largest
        return float(self._start @ multipliers) - min(
            float(self._start @ _largest_of(source, excess)) for source in (self._one, self._two)
        )

    def newton(self, q: np.ndarray, barrier: float) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the Newton step, the multipliers λ, and the squared length of the step.

        Steps are measured in units of q, in which the Hessian 1/q + μ/q² − 1/Q stays below 1 + μ/q.
        """
        total = self._over_y(q)
        gradient = q * np.log(q / total) - barrier
        hessian = np.diag(q + barrier) - (self._pair[:, None] == self._pair) * np.outer(q, q) / total
        sums = self._sums * q
        sums /= np.linalg.norm(sums, axis=1, keepdims=True)
        basis: Any = qr(sums.T, pivoting=True)[0]
        free = basis[:, self._rank :]  # directions that leave the sums as they are
        step = -free @ np.linalg.solve(free.T @ hessian @ free, free.T @ gradient)
        multipliers = np.linalg.lstsq(sums.T, gradient + hessian @ step, rcond=None)[0]
        return q * step, sums.T @ multipliers / q, float(-step @ gradient)

    def moved(self, q: np.ndarray, step: np.ndarray, barrier: float) -> np.ndarray:
        """Return q + t·step, where t keeps q above 0 and does not raise the function minimised."""
        falling = step < 0
        wall = float((-q[falling] / step[falling]).min()) if falling.any() else math.inf
        t, now = min(1.0, STEP_TO_WALL * wall), self._with_barrier(q, barrier)
        while t > 1e-12 and self._with_barrier(q + t * step, barrier) > now:
            t /= 2
        return q + t * step

    def _with_barrier(self, q: np.ndarray, barrier: float) -> float:
        return self.value(q) - barrier * float(np.log(q).sum())


def _largest_of(source: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return at each cell the largest value among the cells of the same x."""
    largest = np.full(int(source.max()) + 1, -np.inf)
    np.maximum.at(largest, source, values)
    return largest[source]
