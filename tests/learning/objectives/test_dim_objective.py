"""The objective of Deep InfoMax against a loop over pairs and places."""

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from infomax.learning.objectives.choices import BOUNDS
from infomax.learning.objectives.dim import dim_objective


def softplus(s):
    return np.logaddexp(0, s)


DUALS = {  # of a positive, of a negative: to be averaged over pairs and places, and subtracted
    "jensen_shannon": (lambda s: np.log(2) - softplus(-s), lambda s: softplus(s) - np.log(2)),
    "nwj": (lambda s: s, lambda s: np.exp(s - 1)),
    "kl": (lambda s: s, lambda s: np.exp(s - 1)),
    "reverse_kl": (lambda s: -np.exp(-s), lambda s: s - 1),
    "squared_hellinger": (lambda s: 1 - np.exp(-s), lambda s: np.exp(s) - 1),
}


def slow_bound(name, scores):
    """A bound of scores [n, n, l] by a loop over pairs and places."""
    n, _, num_places = scores.shape
    positives = [scores[i, i, k] for i in range(n) for k in range(num_places)]
    negatives = [scores[i, j, k] for i in range(n) for j in range(n) if i != j for k in range(num_places)]
    if name == "donsker_varadhan":
        return np.mean(positives) - np.log(np.mean(np.exp(negatives)))
    if name == "infonce":
        values = []
        for i in range(n):
            others = [scores[i, j, k] for j in range(n) if j != i for k in range(num_places)]
            values += [s - logsumexp([s, *others]) for s in scores[i, i]]
        return np.log(n) + np.mean(values)
    of_positive, of_negative = DUALS[name]
    return np.mean([of_positive(s) for s in positives]) - np.mean([of_negative(s) for s in negatives])


def critic_scores(g=2, n=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(g, n, n, 3, 2, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("name", BOUNDS)
def test_dim_equals_the_slow_loop(name):
    scores = {"global": critic_scores(seed=1)[..., :1, :1], "local": critic_scores(seed=2)}
    objective = dim_objective(scores, BOUNDS[name], {"global": 0.5, "local": 2.0})
    expected = {
        term: np.mean([slow_bound(name, of_global.flatten(2).numpy()) for of_global in s])
        for term, s in scores.items()
    }
    assert {term: float(value) for term, value in objective.terms.items()} == pytest.approx(expected)
    assert float(objective.value) == pytest.approx(0.5 * expected["global"] + 2 * expected["local"])
    assert objective.ceiling == pytest.approx(math.log(4))
    assert all(float(bound) <= objective.ceiling for bound in objective.bounds.values())


@pytest.mark.parametrize("name", BOUNDS)
def test_dim_gradients(name):
    scores = critic_scores(n=3).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda s: dim_objective({"local": s}, BOUNDS[name], {"local": 1.5}).value, (scores,)
    )


def test_dim_refuses_scores_that_are_not_finite():
    scores = critic_scores()
    scores[0, 1, 2] = torch.inf
    with pytest.raises(
        ValueError,
        match=r"of the local term are not finite \(6 of 192\).*\? lower the learning rate$",
    ):
        dim_objective({"local": scores}, BOUNDS["infonce"], {"local": 1.0})


def test_dim_refuses_a_single_image():
    with pytest.raises(ValueError, match="a larger batch"):
        dim_objective({"local": torch.zeros(1, 1, 1, 4, 4)}, BOUNDS["infonce"], {"local": 1.0})
