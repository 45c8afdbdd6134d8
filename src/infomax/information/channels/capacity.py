"""Capacity: the most information that a channel can carry, max over p(x) of I(X;Y); inputs may have costs.

Reference: Shannon (1948), section 12; Blahut (1972), Computation of channel capacity and rate–distortion
functions, for the bracket I(p) ≤ C ≤ max_x D(P(·|x)‖q).
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from infomax.information.channels.simplex import ConcaveFunction, Maximum, maximize_on_simplex
from infomax.information.tables import Array


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
    if budget == costs.min():
        return _among_cheapest(transition, costs == budget, tolerance)
    start = _affordable_start(costs, budget)
    return maximize_on_simplex(
        "capacity",
        _information(transition),
        start,
        tolerance=tolerance,
        costs=costs[None, :],
        budgets=np.array([budget]),
    )


def _information(transition: np.ndarray) -> ConcaveFunction:
    """I(p) = p·D, its gradient D with D_x = D(P(·|x)‖q), and its curvature Σ_y P(y|x) P(y|x')/q(y)."""
    negative_entropies = np.sum(transition * np.log(np.where(transition > 0, transition, 1)), axis=1)

    def objective(p):
        q = p @ transition
        divergences = negative_entropies - transition @ np.log(q)
        scaled = transition / np.sqrt(q)  # a product of a matrix and its own transpose is half the work
        return p @ divergences, divergences, scaled @ scaled.T

    return objective


def _among_cheapest(transition: np.ndarray, cheapest: np.ndarray, tolerance: float) -> Maximum:
    best = maximize_information(transition[cheapest], tolerance=tolerance)
    point = np.zeros(len(transition))
    point[cheapest] = best.point
    return best._replace(point=point)


def _affordable_start(costs: np.ndarray, budget: float) -> np.ndarray:
    """A mixture of uniform, and uniform over the cheapest inputs, that costs less than the budget."""
    cheapest = (costs == costs.min()) / np.sum(costs == costs.min())
    share = min(1.0, (budget - costs.min()) / (costs.mean() - costs.min()) / 2)
    return share / len(costs) + (1 - share) * cheapest
