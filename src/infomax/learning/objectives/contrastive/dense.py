"""The definition of a prediction, in terms of `bounds`.

Sources x_i and targets y_jp, the l places p of n images, all of d features::

    a_ijp = ⟨x_i, y_jp⟩ / √d         s = c tanh(a / c)        Z_i = Σ_{j≠i} Σ_p e^{s_ijp}
    π_ip = e^{s_iip} / (e^{s_iip} + Z_i)
    V = mean_ip log π_ip             P = mean_ijp a²          value = V − λ P

The image's own other places are left out of Z_i. V is `bounds.infonce` − log n. `bounds.infonce_by_image`
counts an image once, by the mean over its places: Σ_{j≠i} mean_p e^s = Z_i / l, from the same Z_i.

**Mixtures.** A source may be k vectors x_i1 … x_ik, the components of a mixture. Component h predicts by
itself, with its own Z and probability π_ihp. At the temperature T::

    V = mean_ip T log mean_h π_ihp^{1/T}
      = mean_ip max_w [ Σ_h w_h log π_ihp − T KL(w ‖ uniform) ]

Each place takes, softly, the component that predicts it best. The second form is the paper's
entropy-regularised posterior, up to the constant T log k. At T = 1, V is the log-likelihood of a mixture of k
equal parts. The bound counts images as that mixture does, whatever T is.

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
        scoring: c, λ and T.
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
