"""Signed sums of entropies of variables taken to be jointly Gaussian, from determinants of covariances.

    Σ c_S H(X_S) = ½ Σ c_S log det R_S

R is the correlation matrix of the n samples, of ν = n − 1 degrees of freedom. E log det of Wishart's law is
known, and so is the bias, ½ Σ c_S Σ_{i<d_S} ψ((ν − i)/2), which is subtracted: terms that are linear in d_S
cancel, as every variable is balanced.

Reference: Misra, Singh and Demchuk (2005), for the bias; Bartlett (1933), for draws of Wishart's law.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from infomax.estimation.estimate import Estimate
from infomax.estimation.gaussian import log_det_bias, standardised
from infomax.estimation.many.quantities import Terms
from infomax.estimation.samples import as_rows

NUM_DRAWS = 400
"""Covariances drawn for a standard error."""


@dataclass(frozen=True)
class SumsOfCovariances:
    """Σ c_S H(X_S) = ½ Σ c_S log det R_S, of variables taken to be jointly Gaussian.

    A "model estimate": it assumes joint Gaussians, for which it has no bias, and is blind to dependence
    without correlation. The standard error is the spread of the same sum over 400 samples of Gaussians
    with these correlations.

    Cost: a determinant for each set, 400 times.
    """

    def estimate_sum(self, variables: Sequence[Any], terms: Terms) -> Estimate:
        """Return Σ c_S H(X_S) in nats, from variables [n] or [n, d].

        Raises:
            ValueError: no more samples than columns; constant, copied or collinear columns.
        """
        rows = as_rows("SumsOfCovariances", **{f"variable {i}": v for i, v in enumerate(variables)})
        scores, _ = standardised("SumsOfCovariances", np.hstack(rows))
        ends = np.cumsum([one.shape[1] for one in rows])
        of_variable = [np.arange(end - one.shape[1], end) for end, one in zip(ends, rows, strict=True)]
        groups = [(sign, np.concatenate([of_variable[i] for i in group])) for group, sign in terms.items()]
        dof = len(scores) - 1
        correlations = scores.T @ scores / dof
        bias = sum(sign * log_det_bias(len(group), dof) for sign, group in groups) / 2
        error = _sums(_draws(correlations, dof), groups).std(ddof=1)
        value = float(_sums(correlations, groups)) - bias
        return Estimate(
            value, float(error), len(scores), kind="model estimate", method="sum of Gaussian entropies"
        )


def _sums(matrices: np.ndarray, groups: list[tuple[int, np.ndarray]]) -> Any:
    """Return ½ Σ c_S log det R_S of each matrix [..., d, d]."""
    signed = (sign * np.linalg.slogdet(matrices[..., group[:, None], group])[1] for sign, group in groups)
    return np.sum(list(signed), axis=0) / 2


def _draws(correlations: np.ndarray, dof: int) -> np.ndarray:
    """Return covariances of samples with these correlations: L A Aᵀ Lᵀ, A by Bartlett's decomposition."""
    dim, rng = len(correlations), np.random.default_rng(0)
    a = np.tril(rng.standard_normal((NUM_DRAWS, dim, dim)), -1)
    i = np.arange(dim)
    a[:, i, i] = np.sqrt(rng.chisquare(dof - i, size=(NUM_DRAWS, dim)))
    factors = np.linalg.cholesky(correlations) @ a / np.sqrt(dof)
    return factors @ factors.swapaxes(1, 2)
