"""Linear classifiers on cached features: exact optimum, regularisation chosen on validation.

    argmin over W, b of  mean_i loss(z_i W + b, y_i) + |W|² / 2Cn

The loss is the cross-entropy of multinomial logistic regression, or another convex one, as `svm` has.

Memory: about three float32 copies of the features (standardised, rotated, and without the validation part).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn import functional as F

from infomax.evaluation.probes.classifiers import (
    SCALINGS,
    Array,
    Classifier,
    Device,
    Scaling,
    labelled,
    validation_parts,
    validation_settings,
)

LOGIT_VARIANCES = (0.1, 1.0, 10.0, 100.0, 1000.0)
_MAX_ROTATED = 4096  # features beyond which finding the principal axes costs more than it saves


@dataclass(frozen=True)
class Loss:
    """A convex loss of the scores of a row.

    of_rows: scores [n, k], targets [n] -> the loss of each row [n], its gradient by the scores [n, k].
    curvature: k -> about the second derivative of the mean loss by one score, where all scores are 0.
    """

    of_rows: Callable[[Float[Tensor, "n k"], Int[Tensor, " n"]], tuple[Tensor, Tensor]]
    curvature: Callable[[int], float]


def _cross_entropy(
    scores: Float[Tensor, "n k"], targets: Int[Tensor, " n"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n k"]]:
    """−log softmax(s)[y] and softmax(s) − one-hot(y)."""
    log_p, own = scores.log_softmax(1), targets[:, None]
    return -log_p.gather(1, own)[:, 0], log_p.exp().scatter_add(1, own, -torch.ones_like(log_p[:, :1]))


CROSS_ENTROPY = Loss(_cross_entropy, lambda num_classes: 1 / num_classes)
"""Of multinomial logistic regression: scores are log-probabilities, but for a constant a row."""


def fit_linear(
    features: Array,
    labels: Array,
    *,
    seed: int = 0,
    logit_variances: Sequence[float] = LOGIT_VARIANCES,
    loss: Loss = CROSS_ENTROPY,
    tolerance: float = 1e-4,
    device: Device = "cpu",
) -> Classifier:
    """argmin over W, b of mean_i loss(z_i W + b, y_i) + |W|² / 2Cn, z the standardised features.

    C = v/d for d features that are not constant. The penalty is a Gaussian prior, and v the variance it gives
    to a logit; so the same few v suit any number of features and labels. z has variance 1 in each feature, or
    on average over features (better for pixels with few labels: nothing blows up those that hardly vary).
    Scaling and v are those with the smallest loss on the validation parts (see `validation_parts`), which
    decides more surely than accuracy where there are few labels. Where nothing can be validated: each feature
    scaled, the middle v. W and b are then fitted to all labels.

    L-BFGS in coordinates in which the Hessian at W = 0 is the identity: some 25 evaluations a fit even for
    strongly correlated features, where plain L-BFGS needs hundreds. With d > n the fit runs in the span of
    the rows, where the optimum lies.

    Args:
        features: [n, d]. labels: [n], integers, −1 for none (left out).
        seed: of the validation parts.
        logit_variances: the v to choose from.
        loss: the cross-entropy of logistic regression, or another.
        tolerance: on the largest component of the gradient in those coordinates.

    Returns:
        Classifier; its settings name C, the logit variance, the validation, and whether L-BFGS converged.

    Raises:
        ValueError: shapes that do not fit, NaN or infinity, no labels, a variance that is not positive.

    Example:
        >>> classifier = fit_linear(np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([5, 5, 8, 8]))
        >>> classifier.predict(np.array([[0.5], [9.0]]))
        array([5, 8])
    """
    features, labels, _ = labelled("fit_linear", "train", features, labels)
    variances = sorted(float(variance) for variance in logit_variances)
    if not variances or not 0 < variances[0] <= variances[-1] < np.inf:
        raise ValueError(f"fit_linear: logit_variances must be positive, at least one, got {logit_variances}")
    classes, targets = np.unique(labels, return_inverse=True)
    parts = validation_parts(targets, seed)
    scaling, variance = "each", variances[len(variances) // 2]
    with _few_threads(features.size):
        if parts:
            held_out = {
                (name, v): value
                for name in SCALINGS
                for v, value in _Regression.of(name, features, targets, loss, tolerance, device).path(
                    parts, variances
                )
            }
            scaling, variance = min(held_out, key=lambda choice: held_out[choice])
        regression = _Regression.of(scaling, features, targets, loss, tolerance, device)
        weights, converged = regression.fit(variance)
        weights = regression.unrotated(weights)
    settings = {
        "C": variance / regression.scaling.num_varying,
        "logit_variance": variance,
        "scaling": scaling,
        "logit_variances": variances,
        "converged": converged,
        "seed": seed,
        **validation_settings(parts),
    }
    scale = regression.scaling
    return Classifier(
        classes, features.shape[1], lambda rows: _affine(scale(rows, device), weights), settings
    )


@contextmanager
def _few_threads(num_values: int) -> Iterator[None]:
    """One thread where a step is too small to share, and one for the vectors of L-BFGS in any case.

    Threads of two libraries that wait for each other's share of the cores made small fits 20 times slower.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1 if num_values < 2**22 else before)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class _Regression:
    """Rows and their classes, in rotated coordinates.

    rotated: [n, r], scaled features · basis.
    basis: [d, r], orthonormal columns that span the rows; None: identity.
    """

    scaling: Scaling
    rotated: Float[Tensor, "n r"]
    basis: Float[Tensor, "d r"] | None
    targets: Int[Tensor, " n"]
    num_classes: int
    loss: Loss
    tolerance: float

    @staticmethod
    def of(
        name: str,
        features: Float[np.ndarray, "n d"],
        targets: Int[np.ndarray, " n"],
        loss: Loss,
        tolerance: float,
        device: Device,
    ) -> "_Regression":
        """Scale the features and rotate them to their principal axes."""
        scaling = SCALINGS[name](features)
        z, y = scaling(features, device), torch.from_numpy(targets).to(device)
        basis = _principal_axes(z)
        rotated = z if basis is None else z @ basis
        return _Regression(scaling, rotated, basis, y, int(targets.max()) + 1, loss, tolerance)

    def unrotated(self, weights: Float[Tensor, "k r1"]) -> Float[Tensor, "k d1"]:
        """Weights that act on the scaled features; the last column is b."""
        if self.basis is None:
            return weights
        return torch.cat([weights[:, :-1] @ self.basis.T, weights[:, -1:]], dim=1)

    def path(
        self, parts: Sequence[Bool[np.ndarray, " n"]], variances: Sequence[float]
    ) -> list[tuple[float, float]]:
        """Each variance with the loss of held-out rows, summed over parts, fitted to the others."""
        losses = np.sum([self._validate(part, variances) for part in parts], axis=0)
        return list(zip(variances, losses.tolist(), strict=True))

    def _validate(self, held_out: Bool[np.ndarray, " n"], variances: Sequence[float]) -> list[float]:
        """Held-out rows whose class is among the others count; each fit starts from the one before."""
        held = torch.from_numpy(held_out).to(self.targets.device)
        others = replace(self, rotated=self.rotated[~held], targets=self.targets[~held])
        held &= torch.isin(self.targets, others.targets)
        weights, losses = None, []
        for variance in variances:
            weights, _ = others.fit(variance, start=weights)
            scores = _affine(self.rotated[held], weights)
            losses.append(self.loss.of_rows(scores, self.targets[held])[0].sum().item())
        return losses

    def fit(
        self, variance: float, start: Float[Tensor, "k r1"] | None = None
    ) -> tuple[Float[Tensor, "k r1"], bool]:
        """argmin of the mean loss + |W|² / 2Cn, b its last column; whether L-BFGS converged."""
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
        """Mean loss + λ|W|²/2, λ = strength; its gradient mean (∂loss/∂score) zᵀ + λW."""
        losses, slopes = self.loss.of_rows(_affine(self.rotated, weights), self.targets)
        value = losses.mean() + strength / 2 * weights[:, :-1].square().sum()
        slopes = slopes / len(losses)
        gradient = slopes.T @ self.rotated + strength * weights[:, :-1]
        return value.item(), torch.cat([gradient, slopes.sum(0)[:, None]], dim=1)


def _principal_axes(features: Float[Tensor, "n d"]) -> Float[Tensor, "d r"] | None:
    """Orthonormal axes [d, min(n, d)] that span the rows and decorrelate them; None if too many to find."""
    n, d = features.shape
    if min(n, d) > _MAX_ROTATED:
        return None
    if n < d:
        span = torch.linalg.qr(features.T).Q  # [d, n]
        inside = features @ span
        return span @ torch.linalg.eigh(inside.T @ inside).eigenvectors
    return torch.linalg.eigh(features.T @ features / n).eigenvectors


def _affine(features: Float[Tensor, "n r"], weights: Float[Tensor, "k r1"]) -> Float[Tensor, "n k"]:
    """features · Wᵀ + b, b the last column of weights. (W lies as [k, r] since Zᵀ·residual would be slow.)"""
    return F.linear(features, weights[:, :-1], weights[:, -1])
