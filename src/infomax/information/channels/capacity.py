"""Capacity: the most information that a channel can carry, max over p(x) of I(X;Y); inputs may have costs.

Reference: Shannon (1948), section 12; Blahut (1972), Computation of channel capacity and rate–distortion
functions, for the bracket I(p) ≤ C ≤ max_x D(P(·|x)‖q).
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from infomax.information.channels.simplex import ConcaveFunction, Maximum, Values, maximize_on_simplex
from infomax.information.tables import Array

MAX_EXCESS = 1e13  # inputs whose cost allows them less than this share of the probability are left out


@dataclass(frozen=True, eq=False)
class Capacity:
    """A certified bracket of the capacity, and the input distribution that reaches `lower`.

    The gradient of the capacity with respect to a Torch transition matrix is that of
    ``channel.mutual_information(capacity.input)`` (envelope theorem).
    """

    lower: float
    upper: float
    input: Array
    iterations: int


def maximize_information(
    transition: Float[np.ndarray, "x y"],
    *,
    tolerance: float,
    costs: Float[np.ndarray, "x"] | None = None,
    budget: float = math.inf,
) -> Maximum:
    """Return the maximum over p(x) of I(X;Y), in nats, where the mean of `costs` may not exceed `budget`.

    Args:
        transition: P(y|x).
        tolerance: the largest width of the bracket, in nats.
        costs: of each input.
        budget: the largest mean cost.
    Raises:
        ValueError: a budget below the cost of the cheapest input.
        RuntimeError: a tolerance finer than float64 can certify.
    """
    transition = transition[:, transition.sum(axis=0) > 0]  # outputs that no input reaches carry nothing
    if costs is None or budget >= costs.max():
        start = np.full(len(transition), 1 / len(transition))
        return maximize_on_simplex("capacity", _information(transition), start, tolerance=tolerance)
    if budget < costs.min():
        raise ValueError(
            f"capacity: the budget {budget:g} is below the cheapest input's cost {costs.min():g}; "
            "no input can meet it, so raise the budget"
        )
    excess = _excess(costs, budget)
    affordable = excess <= MAX_EXCESS
    others = _gain_by_others(int(np.sum(np.isfinite(excess) & ~affordable)))
    if others >= tolerance:
        raise RuntimeError(
            f"capacity: some costs exceed the cheapest by more than {MAX_EXCESS:g} times what the budget "
            f"allows; these inputs add up to {others:.3g} nats, more than the tolerance {tolerance:.3g}; "
            "raise it"
        )
    best = _within_budget(transition[affordable], excess[affordable], tolerance - others)
    point = np.zeros(len(costs))
    point[affordable] = best.point
    return best._replace(point=point, upper=best.upper + others)


def _excess(costs: np.ndarray, budget: float) -> np.ndarray:
    """The costs beyond the cheapest, in units of what the budget allows of them: Σ p(x) excess(x) ≤ 1."""
    scale = 2.0 ** max(0, np.frexp(np.abs(costs).max())[1] - 1000)  # so that differences are finite
    above, allowed = costs / scale - costs.min() / scale, budget / scale - costs.min() / scale
    with np.errstate(over="ignore", divide="ignore"):
        return np.where(above > 0, above / np.where(above > 0, allowed, 1), 0.0)


def _within_budget(transition: np.ndarray, excess: np.ndarray, tolerance: float) -> Maximum:
    transition = transition[:, transition.sum(axis=0) > 0]
    cheapest = (excess == 0) / np.sum(excess == 0)
    start = np.full(len(excess), 1 / len(excess))
    if excess.max() <= 1:
        return maximize_on_simplex("capacity", _information(transition), start, tolerance=tolerance)
    shares = 1 / np.maximum(excess, 1) / len(excess) / 2  # what they cost is at most half the budget
    return maximize_on_simplex(
        "capacity",
        _information(transition),
        shares + (1 - shares.sum()) * cheapest,
        tolerance=tolerance,
        costs=excess[None, :],
        budgets=np.ones(1),
    )


def _gain_by_others(num_others: int) -> float:
    """Return a bound on what k inputs whose excess is above MAX_EXCESS can add to the capacity.

    Give them a share δ = 1/MAX_EXCESS of the output's distribution. Then each has a divergence of at most
    log(k/δ), which a price of δ log(k/δ) outweighs, and those of the affordable inputs rise by −log(1 − δ).
    """
    return (2 + math.log(num_others * MAX_EXCESS)) / MAX_EXCESS if num_others else 0.0


def _information(transition: np.ndarray) -> ConcaveFunction:
    """I(p) = p·D, its gradient D with D_x = D(P(·|x)‖q), and its curvature Σ_y P(y|x) P(y|x')/q(y)."""
    negative_entropies = np.sum(transition * np.log(np.where(transition > 0, transition, 1)), axis=1)

    def objective(p: np.ndarray) -> Values:
        q = p @ transition
        divergences = negative_entropies - transition @ np.log(q)
        scaled = transition / np.sqrt(q)  # a product of a matrix and its own transpose is half the work
        return p @ divergences, divergences, scaled @ scaled.T

    return objective
