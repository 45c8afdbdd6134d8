"""Logistic regression on cached features: the linear probe.

Regularisation and scaling are chosen on validation; the fit is the exact optimum (see `regression`).
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from infomax.errors import refuse
from infomax.evaluation.probes.classifiers import FittedClassifier, validation_parts, validation_settings
from infomax.evaluation.probes.probe import ProbeResult, tested
from infomax.evaluation.probes.regression import Loss, Problem, affine, few_threads
from infomax.evaluation.probes.rows import SCALINGS, Array, Device, Features, ProbeData, labelled

LOGIT_VARIANCES = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Variances of a logit that validation chooses from."""


def _cross_entropy(
    scores: Float[Tensor, "n k"], targets: Int[Tensor, " n"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n k"]]:
    """−log softmax(s)[y], and its gradient softmax(s) − one-hot(y)."""
    log_p, own = scores.log_softmax(1), targets[:, None]
    return -log_p.gather(1, own)[:, 0], log_p.exp().scatter_add(1, own, -torch.ones_like(log_p[:, :1]))


CROSS_ENTROPY = Loss(_cross_entropy, lambda num_classes: 1 / num_classes)
"""The loss of multinomial logistic regression; scores are log-probabilities up to a constant a row."""


def linear_probe(
    train_features: Features,
    train_labels: Array,
    test_features: Features,
    test_labels: Array,
    *,
    seed: int = 0,
    logit_variances: Sequence[float] = LOGIT_VARIANCES,
    device: Device = "cpu",
) -> ProbeResult:
    """Return the test accuracy of multinomial logistic regression on standardised features; see `fit_linear`.

    Args:
        train_features: [n, d], NumPy, torch or `StoredRows`.
        train_labels: [n], integers, −1 for none.
        test_features: [m, d].
        test_labels: [m].
        seed: of the validation parts.
        logit_variances: as of `fit_linear`.
        device: where it is fitted.

    Returns:
        The fit is deterministic, so `std` is None. Settings name C, how it was validated, ….

    Raises:
        ValueError: shapes that do not fit, NaN or infinity, no labels.

    Example:
        >>> features, labels = np.eye(4)[[0, 1] * 8], np.array([3, 7] * 8)
        >>> linear_probe(features, labels, features, labels).accuracy
        1.0
    """
    data = ProbeData.of("linear_probe", train_features, train_labels, test_features, test_labels)
    classifier = fit_linear(
        data.train_features, data.train_labels, seed=seed, logit_variances=logit_variances, device=device
    )
    return tested("linear", [classifier], data)


def fit_linear(
    features: Features,
    labels: Array,
    *,
    seed: int = 0,
    logit_variances: Sequence[float] = LOGIT_VARIANCES,
    loss: Loss = CROSS_ENTROPY,
    tolerance: float = 1e-4,
    device: Device = "cpu",
) -> FittedClassifier:
    """Return argmin over W, b of mean_i loss(z_i W + b, y_i) + |W|² / 2Cn, where z are standardised features.

    C = v/d for d features that are not constant. The penalty is a Gaussian prior, and v is the variance that
    it gives to a logit, so the same few v suit any number of features and labels. z has variance 1 in each
    feature, or on average over features; the latter suits pixels with few labels, because pixels that hardly
    vary stay small. The scaling and v are those with the smallest loss on the validation parts (see
    `validation_parts`); with few labels the loss decides more surely than the accuracy. Where nothing can be
    validated, each feature is scaled and v is the middle one. W and b are then fitted to all labels.

    Args:
        features: [n, d].
        labels: [n], integers; rows with −1 (none) are left out.
        seed: of the validation parts.
        logit_variances: the v to choose from.
        loss: the cross-entropy of logistic regression, or another convex loss.
        tolerance: of the largest component of the gradient in the coordinates of the solver.
        device: where it is fitted.

    Returns:
        A classifier; its settings name C, the logit variance, the validation, and whether L-BFGS converged.

    Raises:
        ValueError: shapes that do not fit, NaN or infinity, no labels, a variance that is not positive.

    Example:
        >>> classifier = fit_linear(np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([5, 5, 8, 8]))
        >>> classifier.predict(np.array([[0.5], [9.0]]))
        array([5, 8])
    """
    features, labels, _ = labelled("fit_linear", "train", features, labels)
    variances = _checked(logit_variances)
    classes, targets = np.unique(labels, return_inverse=True)
    parts = validation_parts(targets, seed)
    problem = Problem(features, targets, loss, tolerance, device)
    with few_threads(features.size):
        scaling, variance = _chosen(problem, parts, variances)
        regression = problem.scaled(scaling)
        weights, converged = regression.fit(variance)
        weights = regression.unrotated(weights)
    scale = regression.scaling
    settings = {
        "C": variance / scale.num_varying,
        "logit_variance": variance,
        "scaling": scaling,
        "logit_variances": variances,
        "converged": converged,
        "seed": seed,
        **validation_settings(parts),
    }
    return FittedClassifier(
        classes, features.shape[1], lambda rows: affine(scale(rows, device), weights), settings
    )


def _checked(logit_variances: Sequence[float]) -> list[float]:
    variances = sorted(float(variance) for variance in logit_variances)
    refuse(
        not variances or not 0 < variances[0] <= variances[-1] < np.inf,
        f"fit_linear: logit_variances must be positive, at least one, got {logit_variances}",
    )
    return variances


def _chosen(
    problem: Problem, parts: Sequence[Bool[np.ndarray, " n"]], variances: Sequence[float]
) -> tuple[str, float]:
    """The scaling and the variance with the smallest loss on the validation parts."""
    if not parts:
        return "each", variances[len(variances) // 2]
    losses = {
        (name, variance): loss
        for name in SCALINGS
        for variance, loss in problem.scaled(name).path(parts, variances)
    }
    return min(losses, key=lambda choice: losses[choice])
