"""InfoNCE of critics of all rows and of half of them, extrapolated to rows without end.

    I ≈ G(n) + (G(n) − G(n/2)),        G(m): InfoNCE on other rows, of critics trained on m

A critic that is trained on few rows finds too little. What it lacks goes about as 1/m, and the difference
between m = n/2 and m = n is then as large as what is lacking at n. G is a lower bound; the sum is not. Where
it goes as 1/√m, 2.4 times the difference is lacking: this value is an alternative that the interval takes in.

    f(x, y) = ⟨g(φ(x)), h(φ(y))⟩ + a(φ(x)) + b(φ(y)),     φ(u) = (u, (u² − 1)/√2, |u|/√d)

g and h are smooth perceptrons of normal scores u. Squares and the norm are what dependence of scales needs,
as that of Student's t.

Cost: two critics a fold. Assumes nothing of the distribution; labels and constants may be among the columns.

Reference: van den Oord et al. (2018) for InfoNCE; Strong et al. (1998), Entropy and information in neural
spike trains, for the extrapolation.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from infomax.errors import naming_extras, refuse
from infomax.estimation.estimate import Estimate, mean_estimate
from infomax.estimation.learned.training import Fold, Training, smooth_perceptron
from infomax.estimation.samples import as_rows
from infomax.ranges import Size, check_ranges

with naming_extras("infomax.estimation.learned.extrapolated"):
    import torch
    from torch import Tensor, nn

SATURATION_MARGIN = 1.0
"""Nats below the ceiling from which on a value counts as saturated."""
MAX_REPORTED = 2048
"""Rows that are scored at a time."""


@dataclass(frozen=True)
class ExtrapolatedCritic:
    """I ≈ 2 G(n) − G(n/2), G the InfoNCE of critics on rows they have not seen. For many columns.

    Less biased than a bound on the same rows, and of kind "neither"; without `extrapolated` a lower bound.
    The standard error includes the scatter over rows and the size of the extrapolation; the interval reaches
    to what a slower law of learning would add. At most the logarithm of the rows of a fold: values within a
    nat of it have the caution "saturated".

    Args:
        extrapolated: whether critics of half of the rows are trained as well.
        hidden: width of the two hidden layers.
        embedding: width of g and h.
        training: how the critics are trained.

    Example:
        >>> from infomax.information.distributions import correlated_gaussians
        >>> x, y = correlated_gaussians(0.8).sample(1000, np.random.default_rng(0))  # 0.511 nats
        >>> found = ExtrapolatedCritic(training=Training(max_steps=150)).estimate(x, y)
        >>> found.kind, 0.4 < found.value < 0.65
        ('neither', True)
    """

    extrapolated: bool = True
    hidden: Size = 128
    embedding: Size = 16
    training: Training = Training(max_steps=300, num_folds=5)  # noqa: RUF009  frozen

    def __post_init__(self) -> None:
        check_ranges(self, "ExtrapolatedCritic")

    def estimate(self, x: Any, y: Any, *, given: Any = None) -> Estimate:
        """Return I(X;Y) in nats, from samples [n] or [n, d].

        Raises:
            ValueError: a condition; too few rows for the folds.
        """
        name = "ExtrapolatedCritic"
        refuse(given is not None, f"{name}: I(X;Y|Z) is not supported; use CCMI, or DifferenceOfEntropies")
        x, y = as_rows(name, x=x, y=y)
        folds = self.training.folds(name, len(x))
        whole = self._held_out(folds, x, y)
        found = mean_estimate(name, whole, kind="lower bound", cautions=_ceiling(whole, folds))
        if not self.extrapolated:
            return found
        half = self._held_out([replace(f, train=f.train[: len(f.train) // 2]) for f in folds], x, y)
        lacking = float((whole - half).mean())
        extrapolated = replace(
            found,
            value=found.value + lacking,
            standard_error=math.hypot(found.standard_error, lacking),
            kind="neither",
            local=None,
        )
        slower = replace(extrapolated, value=found.value + lacking / (math.sqrt(2) - 1))
        return replace(extrapolated, alternatives=(slower,)) if lacking > 0 else extrapolated

    def _held_out(self, folds: list[Fold], x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return each row's share of InfoNCE, by critics that have not seen it: [n]."""
        local = np.empty(len(x))
        for fold in folds:
            rows = [self.training.tensor(fold.scores(part)) for part in (x, y)]
            train, stopping, reported = fold.parts(*rows)
            critic = self.training.fit(
                "ExtrapolatedCritic",
                lambda: SmoothCritic(x.shape[1], y.shape[1], self.hidden, self.embedding),
                lambda module, *some: symmetric_infonce(module(*some)).mean(),
                train,
                stopping,
            )
            local[fold.reported] = _local(critic, *reported)
        return local


class SmoothCritic(nn.Module):
    """f(x, y) = ⟨g(φ(x)), h(φ(y))⟩ + a(φ(x)) + b(φ(y)), φ the columns, their squares and the norm."""

    def __init__(self, dim_x: int, dim_y: int, hidden: int = 128, embedding: int = 16):
        super().__init__()
        self.of_x: nn.Sequential = smooth_perceptron([2 * dim_x + 1, hidden, hidden, embedding + 1])
        self.of_y: nn.Sequential = smooth_perceptron([2 * dim_y + 1, hidden, hidden, embedding + 1])

    def forward(self, x: Float[Tensor, "m dx"], y: Float[Tensor, "n dy"]) -> Float[Tensor, "m n"]:
        """Return the scores of all pairs."""
        of_x, of_y = self.of_x(_features(x)), self.of_y(_features(y))
        return of_x[:, :-1] @ of_y[:, :-1].T + of_x[:, -1:] + of_y[:, -1]


def symmetric_infonce(scores: Float[Tensor, "n n"]) -> Float[Tensor, " n"]:
    """Return log n + ½ (s⁺ − log Σ e^s over the row) + ½ (s⁺ − log Σ e^s over the column), of each positive.

    The mean is that of the InfoNCE that picks y for x and of the one that picks x for y, a lower bound.

    Example:
        >>> symmetric_infonce(torch.zeros(3, 3)).abs().max() < 1e-6
        tensor(True)
    """
    by_row, by_column = (torch.log_softmax(scores, dim=dim).diagonal() for dim in (1, 0))
    return (by_row + by_column) / 2 + math.log(len(scores))


def _features(scores: Float[Tensor, "n d"]) -> Float[Tensor, "n f"]:
    norm = scores.square().mean(dim=1, keepdim=True).sqrt()
    return torch.cat([scores, (scores.square() - 1) / math.sqrt(2), norm], dim=1)


def _local(critic: nn.Module, x: Tensor, y: Tensor) -> np.ndarray:
    """Return what each row adds to the symmetric InfoNCE of its block."""
    num_blocks = math.ceil(len(x) / MAX_REPORTED)
    blocks = zip(x.tensor_split(num_blocks), y.tensor_split(num_blocks), strict=True)
    local = [symmetric_infonce(critic(*block)) for block in blocks]
    return torch.cat(local).double().cpu().numpy()


def _ceiling(local: np.ndarray, folds: list[Fold]) -> tuple[str, ...]:
    most = math.log(min(len(folds[-1].reported), MAX_REPORTED))
    room = most - float(local.mean())
    return (
        (f"saturated: within {room:.2f} of the ceiling {most:.2f} nats",) if room < SATURATION_MARGIN else ()
    )
