"""Capacity: the most information a channel can carry, max over p(x) of I(X;Y), with or without input costs.

Reference: Shannon (1948), section 12; Blahut (1972), Computation of channel capacity and rate–distortion
functions, for the bracket I(p) ≤ C ≤ max_x D(P(·|x)‖q).
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from infomax.information.simplex import Maximum, Objective, maximize_on_simplex
from infomax.information.tables import Array


@dataclass(frozen=True, eq=False)
class Capacity:
    """A certified bracket of the capacity and the input distribution that attains `lower`.

    For the gradient of capacity with respect to a Torch transition matrix, differentiate
    ``channel.mutual_information(capacity.input)``: at the best input that is the same (envelope theorem).
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
    """The maximum over p(x) of I(X;Y), in nats, where the mean of `costs` may not exceed `budget`."""
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


def _information(transition: np.ndarray) -> Objective:
    """I(p) = p·D with D_x = D(P(·|x)‖q), its gradient too, and the curvature Σ_y P(y|x) P(y|x')/q(y)."""
    negative_entropies = np.sum(transition * np.log(np.where(transition > 0, transition, 1)), axis=1)

    def objective(p):
        q = p @ transition
        divergences = negative_entropies - transition @ np.log(q)
        scaled = transition / np.sqrt(q)  # a product with its own transpose takes half the work
        return p @ divergences, divergences, scaled @ scaled.T

    return objective


def _among_cheapest(transition: np.ndarray, cheapest: np.ndarray, tolerance: float) -> Maximum:
    best = maximize_information(transition[cheapest], tolerance=tolerance)
    point = np.zeros(len(transition))
    point[cheapest] = best.point
    return best._replace(point=point)


def _affordable_start(costs: np.ndarray, budget: float) -> np.ndarray:
    """Between uniform and uniform over the cheapest, half as far below the budget as it can be."""
    cheapest = (costs == costs.min()) / np.sum(costs == costs.min())
    share = min(1.0, (budget - costs.min()) / (costs.mean() - costs.min()) / 2)
    return share / len(costs) + (1 - share) * cheapest
