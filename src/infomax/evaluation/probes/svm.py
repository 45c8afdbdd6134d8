"""Linear support vector machines on cached features, one for each class: the SVM probe of Deep InfoMax.

    argmin over w, b of  mean_i max(0, 1 − t_i (w·z_i + b))² + |w|² / 2Cn,  t_i = ±1

This is the problem of scikit-learn's LinearSVC, except that the intercept is not penalised. It is solved as
logistic regression is (`fit_linear`): the squared hinge has a gradient, and at w = 0 the Hessian 2 E[z zᵀ].
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from infomax.evaluation.probes.linear import fit_linear
from infomax.evaluation.probes.probe import ProbeResult, tested
from infomax.evaluation.probes.regression import Loss
from infomax.evaluation.probes.rows import Array, Device, Features, ProbeData

SCORE_VARIANCES = (0.01, 0.1, 1.0, 10.0, 100.0)
"""Variances of a score, C·d, that validation chooses from."""


def _squared_hinge(
    scores: Float[Tensor, "n k"], targets: Int[Tensor, " n"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, "n k"]]:
    """Σ_k max(0, 1 − t_k s_k)², and its gradient −2 t_k max(0, 1 − t_k s_k)."""
    signs = torch.full_like(scores, -1).scatter_(1, targets[:, None], 1)
    short = (1 - signs * scores).clamp_min(0)
    return short.square().sum(1), -2 * signs * short


SQUARED_HINGE = Loss(_squared_hinge, lambda _: 2.0)
"""The loss of support vector machines, one class against the rest, summed over classes."""


def svm_probe(
    train_features: Features,
    train_labels: Array,
    test_features: Features,
    test_labels: Array,
    *,
    seed: int = 0,
    score_variances: Sequence[float] = SCORE_VARIANCES,
    device: Device = "cpu",
) -> ProbeResult:
    """Return the test accuracy of linear support vector machines; the highest score names the class.

    Features are standardised and C is chosen as in `fit_linear`, by the squared hinge of validation parts.

    Args:
        train_features: [n, d], NumPy or torch.
        train_labels: [n], integers, −1 for none.
        test_features: [m, d].
        test_labels: [m].
        seed: of the validation parts.
        score_variances: C·d to choose from.
        device: where they are fitted.

    Returns:
        The fit is deterministic, so `std` is None. Settings name C, how it was validated, ….

    Raises:
        ValueError: shapes that do not fit, NaN or infinity, no labels, a variance that is not positive.

    Example:
        >>> import numpy as np
        >>> features, labels = np.eye(4)[[0, 1] * 8], np.array([3, 7] * 8)
        >>> svm_probe(features, labels, features, labels).accuracy
        1.0
    """
    data = ProbeData.of("svm_probe", train_features, train_labels, test_features, test_labels)
    classifier = fit_linear(
        data.train_features,
        data.train_labels,
        seed=seed,
        logit_variances=score_variances,
        loss=SQUARED_HINGE,
        device=device,
    )
    return tested("svm", [classifier], data)
