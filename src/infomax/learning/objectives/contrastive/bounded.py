"""A prediction by any bound: all scores at once, a function of the score matrix.

    a_ijp = ⟨x_i, y_jp⟩ / √d         s = c tanh(a / c)         value = bound(s) − λ mean a²

The bound of `dense` is E log of the positive's share of e^s; here it may be any function of the scores.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from infomax.errors import refuse
from infomax.estimation.bounds import infonce_by_image
from infomax.learning.distributed.groups import ALL, Ranks, at_least_float32, gather
from infomax.learning.objectives.contrastive.prediction import Prediction, check_features
from infomax.learning.objectives.scoring import Scoring


def bounded(
    bound: Callable[[Tensor], Tensor], target: Float[Tensor, "b l d"], among: Ranks = ALL
) -> Callable[..., Prediction]:
    """Return a function (source, scoring=…), as `choose.predictor`, that predicts by a bound.

    In a process group every rank scores the things of all these ranks and returns the same value as they do.

    Args:
        bound: scores [n, n, l] to a scalar.
        target: of the images of this rank.
        among: the ranks whose images are negatives of each other.
    """
    return partial(bounded_prediction, bound, target=gather(target, among), among=among)


def bounded_prediction(
    bound: Callable[[Tensor], Tensor],
    source: Float[Tensor, "b d"],
    *,
    target: Float[Tensor, "n l d"],
    scoring: Scoring,
    among: Ranks = ALL,
) -> Prediction:
    """Return bound(s) − λ P of sources and targets of these ranks; its `log_probability` is bound(s).

    Args:
        bound: scores [n, n, l] to a scalar.
        source: x, one vector an image, of this rank.
        target: y, the places of the images of all these ranks.
        scoring: c and λ.
        among: these ranks.

    Raises:
        ValueError: shapes that do not fit, or n < 2; a bound that returns no scalar.

    Example:
        >>> from infomax.estimation.bounds import jensen_shannon
        >>> x, y = torch.zeros(4, 3), torch.zeros(4, 5, 3)
        >>> found = bounded_prediction(jensen_shannon, x, target=y, scoring=Scoring())
        >>> round(found.value.item(), 6) + 0.0
        0.0
    """
    source = gather(source, among)
    check_features(source, target, None)
    with torch.autocast(source.device.type, enabled=False):
        x, y = at_least_float32(source), at_least_float32(target)
        raw = torch.einsum("id,jld->ijl", x / math.sqrt(x.shape[1]), y)
        scores = raw if scoring.clip is None else scoring.clip * torch.tanh(raw / scoring.clip)
        value = bound(scores)
    refuse(value.ndim, f"prediction: the bound must return a scalar, got {list(value.shape)}; take its mean")
    mean_square = raw.square().mean()
    with torch.no_grad():
        by_image = infonce_by_image(scores)
    whole = value - scoring.penalty_weight * mean_square
    return Prediction(whole, value.detach(), mean_square.detach(), by_image)
