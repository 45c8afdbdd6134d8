"""Score matrices to nats: lower bounds on mutual information as functions of scores.

A critic scores pairs: ``scores[i, j, ...] = f(x_i, y_j)``, higher = more compatible. Pairs on the diagonal of
the first two axes are drawn together (positives); pairs off it come from different samples (negatives). Axes
after the second are *locations* of the target: y_j may be a map whose cells are each scored.

Memory: one array the size of the scores. Everything here is a pure, differentiable function.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid


def infonce(scores: Float[Tensor, "n n *locations"]) -> Float[Tensor, ""]:
    """log n + E[ s⁺ − log(e^{s⁺} + Σ_negatives e^s) ]: InfoNCE, as Deep InfoMax and AMDIM maximise it.

    Each positive stands against every location of every *other* sample; a sample's own other locations are
    left out. Without locations this is InfoNCE, tight when f is the log density ratio and I ≪ log n. With L
    locations it remains a lower bound on I(x; y at a random location), but a loose one: negatives are summed
    over locations and outweigh the positive L-fold; `infonce_by_image` makes more of the same scores.

    Args:
        scores: f(x_i, y_j), positives on the diagonal of the first two axes.

    Returns:
        Scalar, nats, at most log n.

    Raises:
        ValueError: scores not square in the first two axes, or n < 2.

    Example:
        >>> abs(infonce(torch.zeros(8, 8)).item()) < 1e-5
        True

    Reference: van den Oord et al. (2018), eq. 4 and 5; Bachman et al. (2019), eq. 4.
    """
    return math.log(len(scores)) + logsigmoid(_log_odds("infonce", scores)).mean()


def infonce_by_image(scores: Float[Tensor, "n n *locations"]) -> Float[Tensor, ""]:
    """log n + E[ s⁺ − log(e^{s⁺} + Σ_{j≠i} mean_l e^{s_ijl}) ]: InfoNCE whose candidates are the n samples.

    Each negative sample counts once, by the mean over its L locations. A lower bound on I(x; y at a random
    location): with S_j = mean_l e^{s_jl}, concavity in the positive's location and exchangeability of the
    samples give E[n e^{s⁺} / (e^{s⁺} + Σ S_j)] ≤ E[n S_i / Σ S_j] = 1 under independence, which is all that
    the bound needs. (Counting 1 + (n−1)L candidates, and adding its logarithm to the mean log-probability,
    would *not* give a bound: the L locations of one image are not independent draws.) Equal scores give 0;
    scores that single out the positive give log n.

    Args:
        scores: f(x_i, y_j), positives on the diagonal of the first two axes.

    Returns:
        Scalar, nats, at most log n. Equal to `infonce` when there are no locations.

    Raises:
        ValueError: scores not square in the first two axes, or n < 2.

    Example:
        >>> abs(infonce_by_image(torch.zeros(8, 8, 5, 5)).item()) < 1e-5
        True
    """
    num_locations = scores[0, 0].numel() if scores.ndim > 2 and len(scores) else 1
    log_odds = _log_odds("infonce_by_image", scores) + math.log(num_locations)
    return math.log(len(scores)) + logsigmoid(log_odds).mean()


def _log_odds(operation: str, scores: Tensor) -> Tensor:
    """Log-odds of each positive against all its negatives, [n, locations]: s⁺ − log Σ_negatives e^s."""
    _check(operation, scores)
    n = len(scores)
    scores = scores.reshape(n, n, -1)  # [n, n, l]
    positives = scores.diagonal().T  # [n, l]
    own = torch.eye(n, dtype=torch.bool, device=scores.device)[:, :, None]
    log_sum_negatives = scores.masked_fill(own, -torch.inf).flatten(1).logsumexp(1)  # [n]
    return positives - log_sum_negatives[:, None]


def _check(operation: str, scores: Tensor) -> None:
    shape = list(scores.shape)
    if scores.ndim < 2 or shape[0] != shape[1]:
        raise ValueError(
            f"{operation}: scores must be square [n, n, *locations], got {shape}; "
            "were x and y batches of different sizes?"
        )
    if shape[0] < 2:
        raise ValueError(
            f"{operation}: a positive needs at least one negative, n ≥ 2, got n = {shape[0]}; "
            "use a larger batch"
        )
