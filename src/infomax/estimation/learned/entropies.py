"""Difference of entropies: two learned densities, each scored by its cross-entropy on other rows.

    I(X;Y)   = H(Y) − H(Y|X)      ≈ ⟨log q(y|x)⟩ − ⟨log q(y)⟩
    I(X;Y|Z) = H(Y|Z) − H(Y|X,Z)  ≈ ⟨log q(y|x,z)⟩ − ⟨log q(y|z)⟩

A cross-entropy is at least the entropy, and so both terms are too large; what they have in common cancels.
The difference has no ceiling of log n, as a critic's bounds have. Densities are products over the columns of
y, each a mixture of normal distributions with weights, means and scales that are a perceptron of what comes
before:

    q(y|x) = Π_j Σ_k w_k N(y_j; μ_k, σ_k²),      (w, μ, σ) = perceptron_j(x, y_1 … y_{j−1})

Cost: two perceptrons a column of y, in each fold. Assumes that y is continuous.

Reference: McAllester and Stratos (2020), Formal limitations on the measurement of mutual information,
section 6.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from infomax.errors import naming_extras, refuse
from infomax.estimation.estimate import Estimate, mean_estimate
from infomax.estimation.learned.training import Fold, Training, smooth_perceptron
from infomax.estimation.neighbors.search import most_repeats
from infomax.estimation.samples import as_rows
from infomax.ranges import Size, check_ranges

with naming_extras("infomax.estimation.learned.entropies"):
    import torch
    from torch import Tensor, nn

LOG_ROOT_2_PI = math.log(2 * math.pi) / 2
MAX_LOG_SCALE = 7.0
"""Largest size of the logarithm of a scale, in normal scores."""
MAX_TIES = 0.02
"""Share of the rows that may have one value of a column; of more, a density would grow without end."""


@dataclass(frozen=True)
class DifferenceOfEntropies:
    """I(X;Y) = H(Y) − H(Y|X), from two learned densities of Y. For strong dependence, and given a condition.

    Columns are replaced by normal scores. The value is of kind "neither": the mean over rows of log q(y|x) −
    log q(y) is too low where the first density is learned worse, and too high where the second is. The
    standard error is the scatter over rows, and does not include what was not learned.

    Args:
        num_components: normal distributions in each mixture.
        hidden: width of the two hidden layers of a perceptron.
        training: how the densities are trained.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x = rng.standard_normal(1000)
        >>> y = x + rng.standard_normal(1000)
        >>> found = DifferenceOfEntropies(training=Training(max_steps=200)).estimate(x, y)
        >>> found.kind, abs(found.value - 0.347) < 0.1  # ½ log 2
        ('neither', True)
    """

    num_components: Size = 8
    hidden: Size = 64
    training: Training = Training(max_steps=500, weight_decay=0.01, num_folds=3)  # noqa: RUF009  frozen

    def __post_init__(self) -> None:
        check_ranges(self, "DifferenceOfEntropies")

    def estimate(self, x: Any, y: Any, *, given: Any = None) -> Estimate:
        """Return I(X;Y), or I(X;Y|given), in nats, from samples [n] or [n, d].

        Raises:
            ValueError: too few rows for the folds; a column of y in which one value is frequent.
        """
        name = "DifferenceOfEntropies"
        x, y, *rest = as_rows(name, x=x, y=y, given=given)
        known = rest[0] if rest else np.empty((len(x), 0))
        _check_continuous(y)
        local = np.empty(len(y))
        for fold in self.training.folds(name, len(y)):
            with_x, without = (self._log_density(fold, given, y) for given in (np.hstack([x, known]), known))
            local[fold.reported] = with_x - without
        return mean_estimate(name, local, kind="neither")

    def _log_density(self, fold: Fold, given: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return log q(y|given) of the reported rows, in normal scores of y."""
        rows = [self.training.tensor(fold.scores(part)) for part in (given, y)]
        train, stopping, reported = fold.parts(*rows)
        dims = given.shape[1], y.shape[1]
        density = self.training.fit(
            "DifferenceOfEntropies",
            lambda: MixtureDensity(*dims, num_components=self.num_components, hidden=self.hidden),
            lambda module, *some: module(*some).mean(),
            train,
            stopping,
        )
        return density(*reported).double().cpu().numpy()


class MixtureDensity(nn.Module):
    """log q(y|x) = Σ_j log Σ_k w_k N(y_j; μ_k, σ_k²), w, μ and σ perceptrons of x and of the columns before.

    Args:
        dim_given: columns of x, 0 or more.
        dim: columns of y.
        num_components: normal distributions in each mixture.
        hidden: width of the two hidden layers.
    """

    def __init__(self, dim_given: int, dim: int, *, num_components: int = 8, hidden: int = 64):
        super().__init__()
        widths = [hidden, hidden, 3 * num_components]
        self.of_columns: nn.ModuleList = nn.ModuleList(
            smooth_perceptron([1 + dim_given + j, *widths]) for j in range(dim)
        )
        for perceptron in self.of_columns:
            _spread_means(list(perceptron.children())[-1], num_components)

    def forward(self, given: Float[Tensor, "b g"], y: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
        """Return the log density of each row."""
        before = torch.cat([torch.ones_like(y[:, :1]), given, y], dim=1)
        first = before.shape[1] - y.shape[1]
        columns = [
            _log_mixture(perceptron(before[:, : first + j]), y[:, j])
            for j, perceptron in enumerate(self.of_columns)
        ]
        return torch.stack(columns).sum(dim=0)


def _log_mixture(parameters: Float[Tensor, "b p"], y: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    log_weights, means, log_scales = parameters.chunk(3, dim=1)
    log_scales = MAX_LOG_SCALE * torch.tanh(log_scales / MAX_LOG_SCALE)
    standardised = (y[:, None] - means) * torch.exp(-log_scales)
    log_normal = -(standardised**2) / 2 - log_scales - LOG_ROOT_2_PI
    return torch.logsumexp(torch.log_softmax(log_weights, dim=1) + log_normal, dim=1)


def _spread_means(last: Any, num_components: int) -> None:
    """Begin with means from −1.5 to 1.5, which different components need in order to become different."""
    with torch.no_grad():
        last.bias.zero_()
        last.bias[num_components : 2 * num_components] = torch.linspace(-1.5, 1.5, num_components)


def _check_continuous(y: np.ndarray) -> None:
    allowed = max(int(MAX_TIES * len(y)), 1)
    most = max(most_repeats(column[:, None], allowed) for column in y.T)
    refuse(
        most > allowed,
        f"DifferenceOfEntropies: y must be continuous, but a column has one value in {most} of {len(y)} "
        "rows, and a density there has no limit; exchange x and y, or use MixedKSG",
    )
