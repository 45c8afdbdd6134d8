"""The largest value of a concave function over probability vectors, between two certified bounds.

Capacity and rate–distortion are both of this kind. The classical Blahut–Arimoto iteration needs thousands of
steps to certify nine digits where some probabilities go to zero. Here Newton's method follows the central
path of the same problem (a primal–dual interior point method with a predictor and a corrector) and needs
about ten.

The bounds hold without convergence: with gradient g at any p, concavity gives for every p'

    f(p) ≤ f* ≤ f(p) + max_i g_i − g·p,

and with linear costs C p' ≤ b, for any prices λ ≥ 0, f* ≤ f(p) − g·p + max_i (g − Cᵀλ)_i + λ·b.

Reference: Mehrotra (1992), On the implementation of a primal–dual interior point method.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

Vector: TypeAlias = Float[np.ndarray, "n"]
ConcaveFunction: TypeAlias = Callable[[np.ndarray], tuple[float, np.ndarray, np.ndarray]]
"""p to f(p), its gradient, and minus its Hessian, which is positive semi-definite."""


class Maximum(NamedTuple):
    """`lower` = f(point) ≤ max f ≤ `upper`, rounding errors included; `prices` of the cost constraints."""

    point: np.ndarray
    lower: float
    upper: float
    iterations: int
    prices: np.ndarray


class _State(NamedTuple):
    """A point p, the room w = (p, b − C p) that each inequality leaves, and its multipliers z."""

    p: np.ndarray
    room: np.ndarray
    multipliers: np.ndarray


def maximize_on_simplex(
    operation: str,
    objective: ConcaveFunction,
    start: Vector,
    *,
    tolerance: float,
    costs: Float[np.ndarray, "m n"] | None = None,
    budgets: Float[np.ndarray, "m"] | None = None,
    max_iterations: int = 100,
) -> Maximum:
    """Return the maximum of concave f over p ≥ 0, Σp = 1, C p ≤ b, once upper − lower ≤ tolerance.

    Args:
        operation: what asks for it, for the message.
        objective: f, with its gradient and minus its Hessian.
        start: a strictly feasible point: all p > 0 and C p < b.
        tolerance: the largest distance of the bounds.
        costs: C.
        budgets: b.
        max_iterations: the most iterations.
    Raises:
        RuntimeError: the bounds are further apart after `max_iterations`; the message gives them.
    """
    costs = np.zeros((0, len(start))) if costs is None else costs
    budgets = np.zeros(0) if budgets is None else budgets
    p, room, multipliers = start, np.append(start, budgets - costs @ start), None
    best = Maximum(start, -np.inf, np.inf, 0, np.zeros(len(budgets)))
    for iteration in range(max_iterations):
        value, gradient, curvature = objective(p)
        prices = np.zeros(len(budgets)) if multipliers is None else multipliers[len(p) :]
        best = _improve(best, p, value, gradient, prices, costs, budgets)._replace(iterations=iteration)
        if best.upper - best.lower <= tolerance:
            return best
        if multipliers is None:
            multipliers = (best.upper - best.lower) / len(p) / room
        state = _newton_step(_State(p, room, multipliers), gradient, curvature, costs)
        p, multipliers = state.p / state.p.sum(), state.multipliers
        room = np.append(p, state.room[len(p) :])
    raise RuntimeError(
        f"{operation}: after {max_iterations} iterations the value lies in [{best.lower:.12g}, "
        f"{best.upper:.12g}], wider than the tolerance {tolerance:.3g}; ask for a larger tolerance"
    )


def _improve(best: Maximum, p, value, gradient, prices, costs, budgets) -> Maximum:
    slack = np.finfo(float).eps * (8 + np.log2(len(p))) * (1 + np.max(np.abs(gradient)))
    lower = value - slack
    upper = value - gradient @ p + np.max(gradient - prices @ costs) + prices @ budgets + slack
    if lower > best.lower:
        best = best._replace(point=p, lower=float(lower), prices=prices)
    return best._replace(upper=min(best.upper, float(upper)))


def _newton_step(state: _State, gradient, curvature, costs) -> _State:
    """Make one predictor–corrector step towards gradient − ν + z_p − Cᵀz_c = 0 and w z = 0."""
    p, room, z = state
    n = len(p)
    solve = _solver(curvature, costs, room, z, n)

    def direction(target):
        dp, prices = solve(gradient + target[:n] / p, target[n:] / z[n:])
        dz = np.append((target[:n] - z[:n] * dp) / p, prices) - z
        return dp, np.append(dp, (target[n:] - room[n:] * prices) / z[n:]), dz

    _, d_room, dz = direction(np.zeros_like(z))
    gap = room @ z
    predicted = (room + _longest(room, d_room) * d_room) @ (z + _longest(z, dz) * dz)
    dp, d_room, dz = direction((predicted / gap) ** 3 * gap / len(z) - d_room * dz)
    step = 0.99 * min(_longest(room, d_room), _longest(z, dz))  # of both, which the curvature couples
    return _State(p + step * dp, room + step * d_room, z + step * dz)


def _solver(curvature, costs, room, z, n: int) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """A function that solves M dp + Aᵀy = force, A dp − D y = −(0, shift) for dp, and y but its first entry.

    M = curvature + diag(z_p/p), A = (1; C), D = diag(0, w_c/z_c).
    """
    from scipy.linalg import cho_factor, cho_solve

    matrix = curvature.copy()
    ridge = 1e-15 * np.trace(curvature)  # against rounding
    matrix.flat[:: n + 1] += z[:n] / room[:n] + ridge
    factor = cho_factor(matrix, overwrite_a=True, check_finite=False)
    rows = np.vstack([np.ones(n), costs])
    responses = cho_solve(factor, rows.T)
    schur = rows @ responses + np.diag(np.append(0.0, room[n:] / z[n:]))

    def solve(force, shift):
        free = cho_solve(factor, force)
        y = np.linalg.solve(schur, rows @ free + np.append(0.0, shift))
        return free - responses @ y, y[1:]

    return solve


def _longest(x: np.ndarray, dx: np.ndarray) -> float:
    """The longest step, at most 1, that keeps x + step·dx ≥ 0."""
    shrinking = dx < 0
    return min(1.0, float(np.min(-x[shrinking] / dx[shrinking]))) if shrinking.any() else 1.0
