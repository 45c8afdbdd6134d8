"""Which way to compute a prediction: dense, streamed or fused; on one rank, gathered, or round a ring.

Rank r of a process group holds the sources x_i of its own share of the images, i ∈ r, and needs the targets
of all of them, as negatives; or those of some of the ranks, itself among them. Let V_i be what `dense`
averages over i. Rank r computes the mean of V_i over its share. Shares are of one size; the value of the
whole batch is the mean of the values of all ranks.

**Gradients.** The features φ_s of rank s, its sources and targets, depend on the parameters θ. In the
backward pass rank s collects the gradients that all ranks have for its targets, and computes::

    g_s = Σ_r ∂V_r/∂φ_s · ∂φ_s/∂θ,        mean_s g_s = (1/R) Σ_r dV_r/dθ = d(mean_r V_r)/dθ

DDP averages the gradients of ranks. The result is the gradient of one process with the whole batch.
"""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

import torch
from jaxtyping import Float
from torch import Tensor

from infomax.learning.distributed.groups import ALL, Ranks, gather
from infomax.learning.objectives.contrastive.blocks import MAX_DENSE_SCORES
from infomax.learning.objectives.contrastive.dense import dense_prediction
from infomax.learning.objectives.contrastive.prediction import Prediction
from infomax.learning.objectives.contrastive.ring import ring_prediction
from infomax.learning.objectives.contrastive.streamed import streamed_prediction
from infomax.learning.objectives.scoring import Scoring

MAX_GATHERED = 2**28
"""Numbers of targets that each rank gathers: 1 GiB of float32, and as much of their gradients."""


def predictor(target: Float[Tensor, "b l d"], among: Ranks = ALL) -> Callable[..., Prediction]:
    """Return a function (source, scoring=…): it predicts the targets of these ranks from sources of this one.

    In one process it is what `cheapest` returns. In a process group all targets are gathered on each rank, or
    pass round a ring where that would be more than `MAX_GATHERED` numbers.

    Args:
        target: of the images of this rank; all ranks have the same number of images.
        among: the ranks whose images are negatives of each other.
    """
    if among.size > 1 and among.size * target.numel() > MAX_GATHERED:
        return partial(ring_prediction, target=target, among=among)
    if among.size == 1:
        return partial(cheapest(len(target), target), target=target)
    targets = gather(target, among)
    return partial(cheapest(len(target), targets), target=targets, first=among.place * len(target))


def predict(
    source: Float[Tensor, "m *k d"],
    target: Float[Tensor, "n l d"],
    scoring: Scoring,
    first: int | None = None,
) -> Prediction:
    """Return the prediction in one process, in the way that costs least.

    Args:
        source: x, one vector an image, or the k components of a mixture.
        target: y, the places of the same images, in the same order.
        scoring: c, λ and T.
        first: the sources are of the images from this one on; default: of all of them.

    Raises:
        ValueError: shapes that do not fit, or n < 2.
    """
    return cheapest(len(source), target)(source, target, scoring, first)


def cheapest(num_sources: int, target: Float[Tensor, "n l d"]) -> Callable[..., Prediction]:
    """Return `fused_prediction`, `streamed_prediction` or `dense_prediction`, whichever costs least.

    Fused on a GPU that can. Streamed on a CPU, where it takes less time than dense at every size measured
    (`benchmarks/objective.py`), and for more than `MAX_DENSE_SCORES` scores anywhere else. Otherwise dense,
    and within `torch.compile`, which fuses it.
    """
    if not torch.compiler.is_compiling() and target.dtype != torch.float64 and can_fuse(target.device):
        from infomax.learning.objectives.contrastive.fused import fused_prediction  # imports Triton

        return fused_prediction
    many = num_sources * target.shape[:2].numel() > MAX_DENSE_SCORES
    return streamed_prediction if many or target.device.type == "cpu" else dense_prediction


def can_fuse(device: torch.device) -> bool:
    """Return true where `fused_prediction` runs: on NVIDIA's GPUs from Ampere on, with Triton installed."""
    return (
        device.type == "cuda"
        and torch.version.hip is None
        and find_spec("triton") is not None
        and torch.cuda.get_device_capability(device) >= (8, 0)
    )
