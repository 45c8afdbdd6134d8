"""Deep InfoMax: scores of critics to an objective, by the bounds that neural estimators use, too."""

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from infomax.estimation.bounds import infonce_by_image
from infomax.learning.objectives.objective import Objective


def dim_objective(
    scores: Mapping[str, Float[Tensor, "g n n *locations"]],
    bound: Callable[[Tensor], Tensor],
    weights: Mapping[str, float],
) -> Objective:
    """Return Σ over terms of weight · bound( f(y_i, m_j) ), the objective of Deep InfoMax.

    Args:
        scores: f of each term, by name: global vectors y of image i against places m of image j, positives
            on the diagonal. A term is the mean of the bounds of the g global vectors of an image. In a
            group of processes n counts the images of all of them, see `map_critics.score_together`.
        bound: scores to a scalar, a function of `infomax.estimation.bounds`.
        weights: of the terms, by name.

    Raises:
        ValueError: scores that are not finite, not square, or of a single image.

    Example:
        >>> from infomax.estimation.bounds import jensen_shannon
        >>> objective = dim_objective({"local": torch.zeros(1, 8, 8, 4, 4)}, jensen_shannon, {"local": 1.0})
        >>> round(objective.value.item(), 6) + 0.0
        0.0

    Reference: Hjelm et al. (2018), eq. 4, 5, 6 and 8.
    """
    _check_finite(scores)
    terms = {name: _mean_over_globals(bound, s) for name, s in scores.items()}
    with torch.no_grad():
        bounds = {name: _mean_over_globals(infonce_by_image, s) for name, s in scores.items()}
    value = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
    return Objective(value, terms, bounds, math.log(next(iter(scores.values())).shape[1]))


def _mean_over_globals(
    bound: Callable[[Tensor], Tensor], scores: Float[Tensor, "g n n *locations"]
) -> Float[Tensor, ""]:
    return torch.stack([bound(of_global) for of_global in scores]).mean()


def _check_finite(scores: Mapping[str, Tensor]) -> None:
    for name, s in scores.items():
        num_bad = int((~torch.isfinite(s)).sum())
        if num_bad:
            raise ValueError(
                f"dim_objective: the scores of the {name} term are not finite ({num_bad} of {s.numel()}); "
                "did training diverge? lower the learning rate"
            )
