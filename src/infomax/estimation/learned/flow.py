"""Gaussianising flows: invertible maps of x and of y to variables that are jointly normal, pair by pair.

    (ξ, η) = (f(X), g(Y)),      (ξ_i, η_i) normal with correlation ρ_i, all else independent
    I(X;Y) = I(ξ;η) = −½ Σ_i log(1 − ρ_i²)

f, g and ρ maximise the likelihood of the training rows, log N(ξ, η; ρ) + log |det f'| + log |det g'|. What is
reported is the mean over other rows of log N(ξ, η; ρ)/N(ξ)N(η), which is the formula above where the model
holds. Invertible maps change no information.

f and g are the normal scores of the columns, then the canonical variables of these, then affine couplings:
half of the columns are scaled and shifted by functions of the other half. They begin as the identity, so that
the first value is that of a Gaussian copula. A variable of one column has no couplings.

Cost: a pass through both flows a step, in each fold. Assumes that such maps exist and are smooth; those of
heavy common scales (Student's t) are not reached.

Reference: Butakov, Tolmachev, Malanchuk, Neopryatnaya and Frolov (2024), Mutual information estimation via
normalizing flows, with the base of section 4.2; Dinh, Sohl-Dickstein and Bengio (2017) for the couplings.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from infomax.errors import naming_extras, refuse
from infomax.estimation.estimate import Estimate, mean_estimate
from infomax.estimation.learned.training import Fold, Training, smooth_perceptron
from infomax.estimation.samples import as_rows
from infomax.ranges import Depth, Size, check_ranges

with naming_extras("infomax.estimation.learned.flow"):
    import torch
    from torch import Tensor, nn

MAX_LOG_SCALE = 2.0
"""Largest size of the logarithm of a coupling's scale."""


@dataclass(frozen=True)
class GaussianFlow:
    """I(X;Y) = −½ Σ log(1 − ρ²) of learned maps to paired normal variables (MIENF). For smooth dependence.

    A model estimate, and more than a Gaussian copula: columns of x may be turned, bent and sheared before
    they pair with those of y. The standard error is the scatter over rows, and does not include what was not
    learned.

    Args:
        num_couplings: couplings of each flow.
        hidden: width of the hidden layer of a coupling.
        training: how the flows are trained.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x, noise = rng.standard_normal((2, 1000, 2))
        >>> y = x + noise  # two pairs of ½ log 2
        >>> y[:, 1] += y[:, 0] ** 2
        >>> found = GaussianFlow(training=Training(max_steps=150, weight_decay=0.01)).estimate(x, y)
        >>> found.kind, abs(found.value - 0.693) < 0.15
        ('model estimate', True)
    """

    num_couplings: Depth = 6
    hidden: Size = 64
    training: Training = Training(max_steps=500, weight_decay=0.01, num_folds=3)  # noqa: RUF009  frozen

    def __post_init__(self) -> None:
        check_ranges(self, "GaussianFlow")

    def estimate(self, x: Any, y: Any, *, given: Any = None) -> Estimate:
        """Return I(X;Y) in nats, from samples [n] or [n, d].

        Raises:
            ValueError: a condition; too few rows for the folds; constant or collinear columns.
        """
        name = "GaussianFlow"
        refuse(given is not None, f"{name}: the method has no conditional form; use DifferenceOfEntropies")
        x, y = as_rows(name, x=x, y=y)
        local = np.empty(len(x))
        for fold in self.training.folds(name, len(x)):
            local[fold.reported] = self._log_ratios(fold, x, y)
        return mean_estimate(f"{name}, {self.num_couplings} couplings", local, kind="model estimate")

    def _log_ratios(self, fold: Fold, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return log N(ξ, η; ρ)/N(ξ)N(η) of the reported rows."""
        variables, rho = canonical_variables(fold.scores(x), fold.scores(y), fold.train)
        train, stopping, reported = fold.parts(*(self.training.tensor(rows) for rows in variables))
        flows = self.training.fit(
            "GaussianFlow",
            lambda: PairedFlows(x.shape[1], y.shape[1], rho, self.num_couplings, self.hidden),
            lambda module, *rows: module(*rows).mean(),
            train,
            stopping,
        )
        assert isinstance(flows, PairedFlows)
        return flows.log_ratio(*reported).double().cpu().numpy()


def canonical_variables(
    x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "n e"], train: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray], Float[np.ndarray, " k"]]:
    """Return linear maps of all rows, whose i-th columns are correlated by ρ_i in the training rows, and ρ.

    Raises:
        ValueError: constant or collinear columns.
    """
    whitened, factors = [], []
    for name, rows in (("x", x), ("y", y)):
        covariance = np.atleast_2d(np.cov(rows[train].T))
        spread, axes = np.linalg.eigh(covariance)
        refuse(
            spread[0] <= 1e-10 * len(spread),
            f"GaussianFlow: {name} has columns that are constant or combinations of others; leave those out",
        )
        factors.append(axes / np.sqrt(spread))
        whitened.append((rows - rows[train].mean(axis=0)) @ factors[-1])
    cross = whitened[0][train].T @ whitened[1][train] / len(train)
    left, rho, right = np.linalg.svd(cross)
    return (whitened[0] @ left, whitened[1] @ right.T), np.clip(rho, 0, 0.999)


class PairedFlows(nn.Module):
    """Flows of x and of y, and the correlations of what they return."""

    def __init__(self, dim_x: int, dim_y: int, rho: np.ndarray, num_couplings: int = 6, hidden: int = 64):
        super().__init__()
        self.of_x: nn.ModuleList = couplings(dim_x, num_couplings, hidden)
        self.of_y: nn.ModuleList = couplings(dim_y, num_couplings, hidden)
        self.inverse_tanh_rho: nn.Parameter = nn.Parameter(torch.tensor(np.arctanh(rho), dtype=torch.float32))

    def forward(self, x: Float[Tensor, "b d"], y: Float[Tensor, "b e"]) -> Float[Tensor, " b"]:
        """Return the log density of each row."""
        (xi, log_det_x), (eta, log_det_y) = passed(self.of_x, x), passed(self.of_y, y)
        normal = -(xi.square().sum(dim=1) + eta.square().sum(dim=1)) / 2
        constant = (xi.shape[1] + eta.shape[1]) * math.log(2 * math.pi) / 2
        return self._log_ratio(xi, eta) + normal - constant + log_det_x + log_det_y

    def log_ratio(self, x: Float[Tensor, "b d"], y: Float[Tensor, "b e"]) -> Float[Tensor, " b"]:
        """Return log N(ξ, η; ρ)/N(ξ)N(η) of each row."""
        return self._log_ratio(passed(self.of_x, x)[0], passed(self.of_y, y)[0])

    def _log_ratio(self, xi: Tensor, eta: Tensor) -> Tensor:
        rho = torch.tanh(self.inverse_tanh_rho)
        xi, eta = xi[:, : len(rho)], eta[:, : len(rho)]
        rest = 1 - rho**2
        exponent = rho * (2 * xi * eta - rho * (xi.square() + eta.square())) / (2 * rest)
        return (exponent - torch.log(rest) / 2).sum(dim=1)


class Coupling(nn.Module):
    """v_a = u_a,  v_b = e^{s(u_a)} u_b + t(u_a): columns b of u, moved by columns a."""

    def __init__(self, columns: list[int], others: list[int], hidden: int):
        super().__init__()
        self.columns, self.others = columns, others
        self.of_others: nn.Sequential = smooth_perceptron([len(others), hidden, 2 * len(columns)])
        for parameter in list(self.of_others.children())[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, u: Float[Tensor, "b d"]) -> tuple[Float[Tensor, "b d"], Float[Tensor, " b"]]:
        """Return v, and log |det v'(u)| of each row."""
        log_scale, shift = self.of_others(u[:, self.others]).chunk(2, dim=1)
        log_scale = MAX_LOG_SCALE * torch.tanh(log_scale / MAX_LOG_SCALE)
        moved = u.clone()
        moved[:, self.columns] = torch.exp(log_scale) * u[:, self.columns] + shift
        return moved, log_scale.sum(dim=1)


def couplings(dim: int, num_couplings: int, hidden: int) -> nn.ModuleList:
    """Return couplings that move even and odd columns in turn; none for one column."""
    halves = list(range(0, dim, 2)), list(range(1, dim, 2))
    turns = [halves[i % 2 :] + halves[: i % 2] for i in range(num_couplings)] if dim > 1 else []
    return nn.ModuleList(Coupling(moved, others, hidden) for moved, others in turns)


def passed(
    flow: nn.ModuleList, rows: Float[Tensor, "b d"]
) -> tuple[Float[Tensor, "b d"], Float[Tensor, " b"]]:
    """Return what a flow makes of rows, and the log determinant of each."""
    log_det = torch.zeros_like(rows[:, 0])
    for coupling in flow:
        rows, added = coupling(rows)
        log_det = log_det + added
    return rows, log_det
