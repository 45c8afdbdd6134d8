"""Linear classifiers by their exact optimum.

    argmin over W, b of  mean_i loss(z_i W + b, y_i) + |W|² / 2Cn

The loss is any convex one: the cross-entropy of logistic regression (`linear`), or the squared hinge of
support vector machines (`svm`).

L-BFGS runs in coordinates in which the Hessian at W = 0 is the identity. A fit then takes some 25 evaluations
even for strongly correlated features, where plain L-BFGS takes hundreds. With d > n the fit runs in the span
of the rows, where the optimum lies.

Memory: about three float32 copies of the features (scaled, rotated, and without the validation part).
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn import functional as F

from infomax.evaluation.probes.rows import SCALINGS, Device, Scaling

MAX_ROTATED = 4096
"""Features up to which principal axes are searched; beyond, finding them costs more than it saves."""


@dataclass(frozen=True)
class Loss:
    """A convex loss of the scores of a row.

    Attributes:
        of_rows: scores [n, k], targets [n] -> the loss of each row, and its gradient by the scores.
        curvature: k -> roughly the second derivative of the mean loss by one score, where all scores are 0.
    """

    of_rows: Callable[[Float[Tensor, "n k"], Int[Tensor, " n"]], tuple[Tensor, Tensor]]
    curvature: Callable[[int], float]


@dataclass(frozen=True)
class Problem:
    """Rows and targets of a fit.

    Attributes:
        features: [n, d].
        targets: number of each row's class, 0 … k − 1.
        tolerance: of the largest component of the gradient, in the coordinates of L-BFGS.
    """

    features: Float[np.ndarray, "n d"]
    targets: Int[np.ndarray, " n"]
    loss: Loss
    tolerance: float
    device: Device

    def scaled(self, scaling: str) -> "Regression":
        """Return the problem in scaled features, rotated to their principal axes."""
        scale = SCALINGS[scaling](self.features)
        z, y = scale(self.features, self.device), torch.from_numpy(self.targets).to(self.device)
        basis = _principal_axes(z)
        rotated = z if basis is None else z @ basis
        return Regression(scale, rotated, basis, y, int(self.targets.max()) + 1, self.loss, self.tolerance)


@dataclass(frozen=True)
class Regression:
    """Scaled rows and their classes, in rotated coordinates.

    Attributes:
        rotated: scaled features · basis.
        basis: orthonormal columns that span the rows; None for the identity.
    """

    scaling: Scaling
    rotated: Float[Tensor, "n r"]
    basis: Float[Tensor, "d r"] | None
    targets: Int[Tensor, " n"]
    num_classes: int
    loss: Loss
    tolerance: float

    def unrotated(self, weights: Float[Tensor, "k r1"]) -> Float[Tensor, "k d1"]:
        """Return weights that act on the scaled features; the last column is b."""
        if self.basis is None:
            return weights
        return torch.cat([weights[:, :-1] @ self.basis.T, weights[:, -1:]], dim=1)

    def path(
        self, parts: Sequence[Bool[np.ndarray, " n"]], variances: Sequence[float]
    ) -> list[tuple[float, float]]:
        """Return each variance with the loss of held-out rows, of fits to the others, summed over parts."""
        losses = np.sum([self._validate(part, variances) for part in parts], axis=0)
        return list(zip(variances, losses.tolist(), strict=True))

    def _validate(self, held_out: Bool[np.ndarray, " n"], variances: Sequence[float]) -> list[float]:
        """Loss of the held-out rows for each variance; a row counts if its class is among the others.

        Each fit starts from the one before.
        """
        held = torch.from_numpy(held_out).to(self.targets.device)
        others = replace(self, rotated=self.rotated[~held], targets=self.targets[~held])
        held &= torch.isin(self.targets, others.targets)
        weights, losses = None, []
        for variance in variances:
            weights, _ = others.fit(variance, start=weights)
            scores = affine(self.rotated[held], weights)
            losses.append(self.loss.of_rows(scores, self.targets[held])[0].sum().item())
        return losses

    def fit(
        self, variance: float, start: Float[Tensor, "k r1"] | None = None
    ) -> tuple[Float[Tensor, "k r1"], bool]:
        """Return the argmin of mean loss + |W|² / 2Cn, b its last column, and whether L-BFGS converged."""
        device = self.rotated.device
        strength = self.scaling.num_varying / variance / len(self.targets)
        hessian = self.rotated.square().mean(0) * self.loss.curvature(self.num_classes) + strength
        scale = torch.cat([hessian, hessian.new_ones(1)]).rsqrt()  # W = U · scale
        shape = (self.num_classes, len(scale))

        def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
            weights = torch.from_numpy(flat).to(device, torch.float32).reshape(shape) * scale
            value, gradient = self._objective(weights, strength)
            return value, (gradient * scale).double().flatten().cpu().numpy()

        u = torch.zeros(shape) if start is None else (start / scale).cpu()
        options = {"gtol": self.tolerance, "ftol": 0.0, "maxiter": 1000, "maxcor": 20}
        found = minimize(
            objective, u.double().flatten().numpy(), jac=True, method="L-BFGS-B", options=options
        )
        return torch.from_numpy(found.x).to(device, torch.float32).reshape(shape) * scale, bool(found.success)

    def _objective(self, weights: Float[Tensor, "k r1"], strength: float) -> tuple[float, Tensor]:
        """Mean loss + λ|W|²/2 with λ = strength, and its gradient, mean (∂loss/∂score) zᵀ + λW."""
        losses, slopes = self.loss.of_rows(affine(self.rotated, weights), self.targets)
        value = losses.mean() + strength / 2 * weights[:, :-1].square().sum()
        slopes = slopes / len(losses)
        gradient = slopes.T @ self.rotated + strength * weights[:, :-1]
        return value.item(), torch.cat([gradient, slopes.sum(0)[:, None]], dim=1)


def _principal_axes(features: Float[Tensor, "n d"]) -> Float[Tensor, "d r"] | None:
    """Orthonormal axes [d, min(n, d)] that span and decorrelate the rows; None where there are too many."""
    n, d = features.shape
    if min(n, d) > MAX_ROTATED:
        return None
    if n < d:
        span = torch.linalg.qr(features.T).Q  # [d, n]
        inside = features @ span
        return span @ _eigenvectors(inside.T @ inside)
    return _eigenvectors(features.T @ features / n)


def _eigenvectors(moments: Float[Tensor, "r r"]) -> Float[Tensor, "r r"]:
    """Return the eigenvectors; in float64 where float32 finds none, as of nearly one rank."""
    try:
        return torch.linalg.eigh(moments).eigenvectors
    except torch.linalg.LinAlgError:  # pyright: ignore[reportPrivateImportUsage]
        return torch.linalg.eigh(moments.double()).eigenvectors.to(moments.dtype)


def affine(features: Float[Tensor, "n r"], weights: Float[Tensor, "k r1"]) -> Float[Tensor, "n k"]:
    """Return features · Wᵀ + b, where b is the last column of weights; W is [k, r] because that is faster."""
    return F.linear(features, weights[:, :-1], weights[:, -1])


@contextmanager
def few_threads(num_values: int) -> Generator[None]:
    """Use one thread where a step is too small to share, and always one for the vectors of L-BFGS.

    Threads of two libraries that waited for each other's cores made small fits 20 times slower.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1 if num_values < 2**22 else before)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
