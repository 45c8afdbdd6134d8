"""Telescoping ratios: the log ratio of joint and product as a sum over bridges between them.

    log p(x,y)/p(x)p(y) = Σ_k log p_k/p_{k+1},      p_k the law of (x, √(1 − α_k²) y + α_k y'),  α_k = k/m

y' is the y of another row; p_0 is the joint distribution and p_m the product of the margins. One ratio of
distributions that hardly overlap is badly learned from few samples. Each bridge spans a short distance, and
its classifier, whose log odds are the log ratio, has an easy task. Mutual information is the mean of the sum
over rows of the joint distribution.

A bridge's score is a quadratic form of (x, y, 1), which is exact for Gaussians, and one output of a
perceptron that all bridges share.

Cost: m + 1 passes of a batch a step, in each fold.

Reference: Rhodes, Xu and Gutmann (2020), Telescoping density-ratio estimation, equations 5 to 9.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from infomax.errors import naming_extras, refuse
from infomax.estimation.estimate import Estimate, mean_estimate
from infomax.estimation.learned.training import Fold, Training, smooth_perceptron
from infomax.estimation.samples import as_rows
from infomax.ranges import Depth, Size, check_ranges

with naming_extras("infomax.estimation.learned.telescoping"):
    import torch
    from torch import Tensor, nn
    from torch.nn.functional import logsigmoid


@dataclass(frozen=True)
class TelescopingRatios:
    """I(X;Y) = ⟨Σ_k log p_k/p_{k+1}⟩, each ratio by a classifier. For strong dependence of several columns.

    Unlike the bounds of a critic it has no ceiling of log n. The value is of kind "neither": each classifier
    errs, in either direction. The standard error is the scatter over rows, and does not include what was not
    learned.

    Args:
        num_bridges: m.
        hidden: width of the two hidden layers of the perceptron.
        training: how the classifiers are trained.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x = rng.standard_normal(1000)
        >>> y = x + 0.05 * rng.standard_normal(1000)
        >>> found = TelescopingRatios(training=Training(max_steps=150, lr=1e-2, num_folds=2)).estimate(x, y)
        >>> found.kind, abs(found.value - 3.0) < 0.3
        ('neither', True)
    """

    num_bridges: Depth = 6
    hidden: Size = 128
    training: Training = Training(max_steps=500, lr=1e-2, weight_decay=0.01, num_folds=3)  # noqa: RUF009  frozen

    def __post_init__(self) -> None:
        check_ranges(self, "TelescopingRatios")

    def estimate(self, x: Any, y: Any, *, given: Any = None) -> Estimate:
        """Return I(X;Y) in nats, from samples [n] or [n, d].

        Raises:
            ValueError: a condition; too few rows for the folds.
        """
        name = "TelescopingRatios"
        refuse(given is not None, f"{name}: the method has no conditional form; use DifferenceOfEntropies")
        x, y = as_rows(name, x=x, y=y)
        local = np.empty(len(x))
        for fold in self.training.folds(name, len(x)):
            local[fold.reported] = self._log_ratios(fold, x, y)
        return mean_estimate(f"{name}, {self.num_bridges} bridges", local, kind="neither")

    def _log_ratios(self, fold: Fold, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the sum of the bridges' log ratios at the reported rows."""
        rows = [self.training.tensor(fold.scores(part)) for part in (x, y)]
        train, stopping, reported = fold.parts(*rows)
        bridges = self.training.fit(
            "TelescopingRatios",
            lambda: Bridges(x.shape[1] + y.shape[1], self.num_bridges, self.hidden),
            log_likelihood,
            train,
            stopping,
        )
        return bridges(torch.cat(reported, dim=1)).sum(dim=1).double().cpu().numpy()


class Bridges(nn.Module):
    """The log ratio of each bridge: zᵀ W_k z + perceptron_k(z), z = (x, y, 1)."""

    def __init__(self, dim: int, num_bridges: int, hidden: int = 128):
        super().__init__()
        self.quadratic: nn.Parameter = nn.Parameter(torch.zeros(num_bridges, dim + 1, dim + 1))
        self.perceptron: nn.Sequential = smooth_perceptron([dim, hidden, hidden, num_bridges])

    def forward(self, pairs: Float[Tensor, "b d"]) -> Float[Tensor, "b bridges"]:
        """Return log p_k/p_{k+1} at each pair."""
        z = torch.cat([pairs, torch.ones_like(pairs[:, :1])], dim=1)
        return torch.einsum("bi,kij,bj->bk", z, self.quadratic, z) + self.perceptron(pairs)


def log_likelihood(bridges: Bridges, x: Float[Tensor, "b dx"], y: Float[Tensor, "b dy"]) -> Float[Tensor, ""]:
    """Return the mean log-likelihood of the classifiers, each of samples of p_k and of p_{k+1}."""
    waypoints = [bridges(torch.cat([x, mixed], dim=1)) for mixed in _waypoints(y, len(bridges.quadratic))]
    of_bridges = [
        logsigmoid(nearer[:, k]).mean() + logsigmoid(-further[:, k]).mean()
        for k, (nearer, further) in enumerate(itertools.pairwise(waypoints))
    ]
    return torch.stack(of_bridges).sum()


def _waypoints(y: Float[Tensor, "b d"], num_bridges: int) -> list[Tensor]:
    """Return √(1 − α²) y + α y' for each α; y' is the next row's, and so never the row's own."""
    alphas = [k / num_bridges for k in range(num_bridges + 1)]
    return [(1 - a**2) ** 0.5 * y + a * y.roll(1, dims=0) for a in alphas]
