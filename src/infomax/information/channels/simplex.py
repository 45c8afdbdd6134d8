"""The largest value of a concave function over probability vectors, between two certified bounds.

Capacity and rate–distortion are both of this kind. The classical Blahut–Arimoto iteration needs thousands of
steps to certify nine digits where some probabilities go to zero. Here Newton's method follows the central
path of the same problem (a primal–dual interior point method with a predictor and a corrector) and needs
about ten.

The bounds hold without convergence: with gradient g at any p, concavity gives for every p'

    f(p) ≤ f* ≤ f(p) + max_i g_i − g·p,

and with linear costs C p' ≤ b, for any prices λ ≥ 0, f* ≤ f(p) − g·p + max_i (g − Cᵀλ)_i + λ·b. The lower
bound then is f at a point that meets the costs: rounding may carry p a little beyond them, and such a p is
moved back towards the start.

Reference: Mehrotra (1992), On the implementation of a primal–dual interior point method.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

Vector: TypeAlias = Float[np.ndarray, "n"]
Values: TypeAlias = tuple[float, np.ndarray, np.ndarray]
ConcaveFunction: TypeAlias = Callable[[np.ndarray], Values]
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


class _Limits(NamedTuple):
    """The costs C and budgets b of C p ≤ b, and a point that strictly meets them."""

    start: np.ndarray
    costs: np.ndarray
    budgets: np.ndarray


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
        RuntimeError: the bounds are further apart after `max_iterations`, or where rounding stops the search;
            the message gives them.
    """
    costs = np.zeros((0, len(start))) if costs is None else costs
    limits = _Limits(start, costs, np.zeros(0) if budgets is None else budgets)
    best = Maximum(start, -np.inf, np.inf, 0, np.zeros(len(costs)))
    state = _State(start, np.append(start, limits.budgets - costs @ start), np.zeros(len(start) + len(costs)))
    values = objective(start)
    for iteration in range(max_iterations):
        best = _improve(best, state, values, limits)._replace(iterations=iteration)
        if best.upper - best.lower > tolerance:
            best = _with_affordable_point(best, objective, state.p, limits)
        if best.upper - best.lower <= tolerance:
            return best
        if iteration == 0:
            state = state._replace(multipliers=(best.upper - best.lower) / len(start) / state.room)
        least = tolerance / 10 / len(state.room)  # of w z: more precision is not asked for, and hard to reach
        try:
            move = _newton_step(state, values, limits, least)
        except np.linalg.LinAlgError:  # so close to the boundary that rounding decides; the bounds still hold
            break
        state, values = _advance(state, move, objective, values)
    raise RuntimeError(
        f"{operation}: after {best.iterations + 1} iterations the value lies in [{best.lower:.12g}, "
        f"{best.upper:.12g}], wider than the tolerance {tolerance:.3g}; ask for a larger tolerance"
    )


def _advance(
    state: _State, move: _State, objective: ConcaveFunction, values: Values
) -> tuple[_State, Values]:
    """Make the move, or the half, the quarter … of it if f falls by more than what is left to gain."""
    before, left = values[0], state.room @ state.multipliers
    p, room, z = state
    for _ in range(40):
        p, room, z = (x + dx for x, dx in zip(state, move, strict=True))
        p = p / p.sum()
        values = objective(p)
        if values[0] >= before - left:
            break
        move = _State(*(dx / 2 for dx in move))
    return _State(p, np.append(p, room[len(p) :]), z), values


def _improve(best: Maximum, state: _State, values: Values, limits: _Limits) -> Maximum:
    p, prices, (value, gradient, _) = state.p, state.multipliers[len(state.p) :], values
    slack = _rounding(p, gradient)
    upper = value - gradient @ p + np.max(gradient - prices @ limits.costs) + prices @ limits.budgets + slack
    if value - slack > best.lower and np.all(limits.costs @ p <= limits.budgets):
        best = best._replace(point=p, lower=float(value - slack), prices=prices)
    return best._replace(upper=min(best.upper, float(upper)))


def _rounding(p: np.ndarray, gradient: np.ndarray) -> float:
    return np.finfo(float).eps * (8 + np.log2(len(p))) * (1 + np.max(np.abs(gradient)))


def _with_affordable_point(
    best: Maximum, objective: ConcaveFunction, p: np.ndarray, limits: _Limits
) -> Maximum:
    """The better of `best` and of the point nearest to p, on the line to the start, that meets the costs."""
    spent, at_start = limits.costs @ p, limits.costs @ limits.start
    over = spent > limits.budgets
    if not over.any():
        return best
    share = np.min((limits.budgets - at_start)[over] / (spent - at_start)[over]) * (1 - 1e-15)
    point = share * p + (1 - share) * limits.start
    point = point / point.sum()
    value, gradient, _ = objective(point)
    lower = float(value - _rounding(point, gradient))
    affordable = np.all(limits.costs @ point <= limits.budgets)
    return best._replace(point=point, lower=lower) if affordable and lower > best.lower else best


def _newton_step(state: _State, values: Values, limits: _Limits, least: float) -> _State:
    """Return a predictor–corrector step to gradient − ν + z_p − Cᵀz_c = 0, w z = `least`, w_c = b − C p."""
    p, room, z = state
    n, (_, gradient, curvature) = len(p), values
    solve = _solver(curvature, limits.costs, room, z, n)
    missing = limits.budgets - limits.costs @ p - room[n:]  # 0 but for rounding
    gradient = gradient - z[n:] @ limits.costs
    gradient = gradient - gradient @ p  # what is small is computed as something small, or rounding would win

    def direction(target: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        dp, d_prices = solve(gradient + target[:n] / p, target[n:] / z[n:] - room[n:] - missing)
        d_room = target[n:] / z[n:] - room[n:] * (1 + d_prices / z[n:])
        dz = np.append((target[:n] - z[:n] * dp) / p - z[:n], d_prices)
        return dp, np.append(dp, d_room), dz

    _, d_room, dz = direction(np.zeros_like(z))
    gap = room @ z
    predicted = (room + _longest(room, d_room) * d_room) @ (z + _longest(z, dz) * dz)
    dp, d_room, dz = direction(max((predicted / gap) ** 3 * gap / len(z), least) - d_room * dz)
    step = 0.99 * min(_longest(room, d_room), _longest(z, dz))  # of both, which the curvature couples
    return _State(step * dp, step * d_room, step * dz)


def _solver(
    curvature: np.ndarray, costs: np.ndarray, room: np.ndarray, z: np.ndarray, n: int
) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """A function that solves M dp + 1ν + Cᵀy = force, 1·dp = 0, C dp − D y = −shift for dp and y.

    M = curvature + diag(z_p/p), D = diag(w_c/z_c). The mean of each row of C in the metric of M⁻¹ is taken
    away first, which changes only ν: then the equations of ν and of y do not mix, and no matrix is singular.
    """
    from scipy.linalg import cho_factor, cho_solve

    matrix = curvature.copy()
    ridge = 1e-15 * n * np.diagonal(curvature)  # against rounding
    matrix.flat[:: n + 1] += z[:n] / room[:n] + ridge
    factor = cho_factor(matrix, overwrite_a=True, check_finite=False)
    of_ones = cho_solve(factor, np.ones(n))
    centred = costs - (costs @ of_ones / of_ones.sum())[:, None]
    of_costs = cho_solve(factor, centred.T)
    schur = centred @ of_costs + np.diag(room[n:] / z[n:])

    def solve(force: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        free = cho_solve(factor, force)
        free = free - of_ones * (free.sum() / of_ones.sum())
        y = np.linalg.solve(schur, centred @ free + shift)
        return free - of_costs @ y, y

    return solve


def _longest(x: np.ndarray, dx: np.ndarray) -> float:
    """The longest step, at most 1, that keeps x + step·dx ≥ 0."""
    shrinking = dx < 0
    return min(1.0, float(np.min(-x[shrinking] / dx[shrinking]))) if shrinking.any() else 1.0
