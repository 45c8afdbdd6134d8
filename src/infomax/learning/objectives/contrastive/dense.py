"""The definition of a prediction, in terms of `bounds`.

Sources x_i and targets y_jk, the l places of n images, all of d features::

    a_ijk = ⟨x_i, y_jk⟩ / √d         s = c tanh(a / c)        Z_i = Σ_{j≠i,k} e^{s_ijk}
    V = mean_ik log[ e^{s_iik} / (e^{s_iik} + Z_i) ]          P = mean_ijk a²
    value = V − λ P

The image's own other places are left out of Z_i. V is `bounds.infonce` − log n. `bounds.infonce_by_image`
counts an image once, by the mean over its places: Σ_{j≠i} mean_k e^s = Z_i / l, and the same Z_i gives it
too.

**Mixtures.** A source may be k vectors x_i1 … x_ik, the components of a mixture, each of which predicts by
itself, with its own Z. With p_ijk the probability above under component j and a temperature 1/τ::

    V = mean_ik (1/τ) log mean_j p_ijk^τ
      = mean_ik max_q [ Σ_j q_j log p_ijk − KL(q ‖ uniform) / τ ]

Each place takes, softly, the component that tells most about it. The second form is the paper's
entropy-regularised posterior, up to the constant log k / τ. At τ = 1, V is the log-likelihood of a mixture of
k equal parts. The bound counts images as that mixture does, whatever τ is.

**Some of the rows.** The sources may be of a few of the images, those from `first` on: i then runs over them,
j over all n, and means over i are over those few. A process group divides its rows in this way (`choose`).

Reference: Bachman, Hjelm, Buchwalter (2019), sections 4.1-4.3, and "Mixture-based representations".
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from infomax.estimation.bounds import log_odds
from infomax.learning.distributed.groups import at_least_float32
from infomax.learning.objectives.contrastive.prediction import (
    Prediction,
    bound_by_image,
    check_features,
    components,
    soft_maximum,
)
from infomax.learning.objectives.scoring import Scoring


def dense_prediction(
    source: Float[Tensor, "m *k d"],
    target: Float[Tensor, "n l d"],
    scoring: Scoring,
    first: int | None = None,
) -> Prediction:
    """Return V − λ P from all n·n·l scores at once, differentiable any number of times.

    Args:
        source: x, one vector an image, or the k components of a mixture.
        target: y, the places of the same images, in the same order.
        scoring: c, λ and 1/τ.
        first: the sources are of the images from this one on; default: of all of them.

    Raises:
        ValueError: shapes that do not fit, or n < 2.

    Example:
        >>> x, y = torch.zeros(4, 3), torch.zeros(4, 5, 3)         # nothing to choose between
        >>> found = dense_prediction(x, y, Scoring())
        >>> round(found.log_probability.exp().item() * (1 + 3 * 5), 4), round(found.bound.item(), 4) + 0.0
        (1.0, 0.0)
    """
    check_features(source, target, first)
    with torch.autocast(source.device.type, enabled=False):
        x, y = at_least_float32(components(source)), at_least_float32(target)
        raw = (x / math.sqrt(x.shape[-1])) @ y.flatten(0, 1).T  # [n, k, n·l]
    raw = raw.unflatten(2, target.shape[:2])
    scores = raw if scoring.clip is None else scoring.clip * torch.tanh(raw / scoring.clip)
    odds = torch.stack([log_odds(of_component, first) for of_component in scores.unbind(1)], dim=1)
    log_probability = soft_maximum(logsigmoid(odds), scoring.temperature).mean()
    mean_square = raw.square().mean()
    with torch.no_grad():
        bound = bound_by_image(odds, len(target)).mean()
    value = log_probability - scoring.penalty_weight * mean_square
    return Prediction(value, log_probability.detach(), mean_square.detach(), bound)
