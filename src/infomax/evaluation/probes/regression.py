"""Linear classifiers by their exact optimum.

    argmin over W, b of  mean_i loss(z_i W + b, y_i) + |W|² / 2Cn

The loss is any convex one: the cross-entropy of logistic regression (`linear`), or the squared hinge of
support vector machines (`svm`).

L-BFGS runs in coordinates in which the Hessian at W = 0 is the identity. A fit then takes some 25 evaluations
even for strongly correlated features, where plain L-BFGS takes hundreds. With d > n the fit runs in the span
of the rows, where the optimum lies.

Memory: about three float32 copies of the features (scaled, rotated, and without the validation part). Those
of `StoredRows` are stored; every evaluation reads them, and memory does not grow with their number.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn import functional as F

from infomax.evaluation.probes.rows import SCALINGS, Device, Scaling
from infomax.evaluation.probes.stored import Rows, StoredRows, blocks, mapped

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
        features: [n, d], in memory or stored.
        targets: number of each row's class, 0 … k − 1.
        tolerance: of the largest component of the gradient, in the coordinates of L-BFGS.
    """

    features: Rows
    targets: Int[np.ndarray, " n"]
    loss: Loss
    tolerance: float
    device: Device

    def scaled(self, scaling: str) -> "Regression":
        """Return the problem in scaled features, rotated to their principal axes."""
        scale = SCALINGS[scaling](self.features)
        z = mapped(self.features, lambda rows: scale(rows, self.device))
        basis, y = _principal_axes(z, self.device), torch.from_numpy(self.targets).to(self.device)
        rotated = z if basis is None else mapped(z, lambda rows: torch.as_tensor(rows).to(basis) @ basis)
        return Regression(scale, rotated, basis, y, int(self.targets.max()) + 1, self.loss, self.tolerance)


@dataclass(frozen=True)
class Regression:
    """Scaled rows and their classes, in rotated coordinates.

    Attributes:
        rotated: scaled features · basis, [n, r], in memory or stored.
        basis: orthonormal columns that span the rows; None for the identity.
    """

    scaling: Scaling
    rotated: Float[Tensor, "n r"] | StoredRows
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

    def blocks(self) -> Iterator[tuple[Float[Tensor, "b r"], Int[Tensor, " b"]]]:
        """Yield the rows with their targets, a block at a time."""
        start = 0
        for block in blocks(self.rotated):
            yield torch.as_tensor(block).to(self.targets.device), self.targets[start : start + len(block)]
            start += len(block)

    def only(self, mask: Bool[Tensor, " n"]) -> "Regression":
        """Return some of the rows, in the same coordinates."""
        return replace(self, rotated=self.rotated[mask], targets=self.targets[mask])

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
        others = self.only(~held)
        tested = self.only(held & torch.isin(self.targets, others.targets))
        weights, losses = None, []
        for variance in variances:
            weights, _ = others.fit(variance, start=weights)
            losses.append(tested.total_loss(weights))
        return losses

    def total_loss(self, weights: Float[Tensor, "k r1"]) -> float:
        """Return the loss of all rows, without the penalty."""
        each = (self.loss.of_rows(affine(z, weights), y)[0].sum().item() for z, y in self.blocks())
        return sum(each)

    def fit(
        self, variance: float, start: Float[Tensor, "k r1"] | None = None
    ) -> tuple[Float[Tensor, "k r1"], bool]:
        """Return the argmin of mean loss + |W|² / 2Cn, b its last column, and whether L-BFGS converged."""
        device, num = self.targets.device, len(self.targets)
        strength = self.scaling.num_varying / variance / num
        squares = _sum(z.square().sum(0) for z, _ in self.blocks()) / num
        hessian = squares * self.loss.curvature(self.num_classes) + strength
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
        value, gradients = strength / 2 * weights[:, :-1].square().sum(), torch.zeros_like(weights)
        for z, y in self.blocks():
            losses, slopes = self.loss.of_rows(affine(z, weights), y)
            slopes = slopes / len(self.targets)
            value = value + losses.sum() / len(self.targets)
            gradients += torch.cat([slopes.T @ z, slopes.sum(0)[:, None]], dim=1)
        gradients[:, :-1] += strength * weights[:, :-1]
        return value.item(), gradients


def _principal_axes(
    features: Float[Tensor, "n d"] | StoredRows, device: Device
) -> Float[Tensor, "d r"] | None:
    """Orthonormal axes [d, min(n, d)] that span and decorrelate the rows; None where there are too many."""
    n, d = features.shape
    if min(n, d) > MAX_ROTATED:
        return None
    rows = (torch.as_tensor(block).to(device) for block in blocks(features))
    if n >= d:
        return _eigenvectors(_sum(block.T @ block for block in rows) / n)
    whole = torch.cat([*rows])
    span = torch.linalg.qr(whole.T).Q  # [d, n]
    inside = whole @ span
    return span @ _eigenvectors(inside.T @ inside)


def _sum(terms: Iterator[Tensor]) -> Tensor:
    return reduce(torch.add, terms)


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
