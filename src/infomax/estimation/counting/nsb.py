"""Entropy by Bayes' rule, with a prior that is nearly flat over entropy (Nemenman, Shafee and Bialek 2001).

Given β, the probabilities of K labels are drawn from Dirichlet(β, …, β). The entropy of such a draw is near
ξ(β) = ψ(Kβ+1) − ψ(β+1): any single β fixes the answer before the first sample. NSB mixes over β with the
weight dξ/dβ, which makes ξ uniform between 0 and log K. With ν = c + β, A = Σ ν = n + Kβ, sums over all K,

    p(counts | β) = Γ(Kβ) / Γ(A) · Π Γ(ν) / Γ(β)
    E[H | β]      = ψ(A+1) − Σ (ν/A) ψ(ν+1)
    Var[H | β]    = ( Σ ν d² + Σ ν(ν+1) ψ′(ν+1) − A(A+1) ψ′(A+1) ) / A(A+1),  d = ψ(A+1) − ψ(ν+1) − E[H | β],

and the answer averages over u = log β with weight p(counts | β) · dξ/dβ · β, by the trapezoidal rule. Its
error falls exponentially with the number of nodes, because the weight falls like e^−|u| at both ends.

Reference: Nemenman, Shafee and Bialek (2001), Entropy and inference, revisited. Moments: Wolpert and Wolf
(1995), the variance in a form without differences of squares.
"""

import math

import numpy as np
from scipy.special import betaln, digamma, gammaln, polygamma

NUM_NODES = 129, 129, 513  # of the two grids that find where the weight is, and of the one that is summed
NEGLIGIBLE = 45.0  # weights below e^−45 of the largest are left out
MAX_LOG_BETA = 30.0  # at β = 10¹³ the entropy is within 10⁻¹³ of its limit, log K


def posterior_entropy(counts: np.ndarray, num_labels: int) -> tuple[float, float]:
    """Return posterior mean and standard deviation of the entropy, in nats.

    Args:
        counts: c > 0 of the labels seen, [k].
        num_labels: K ≥ k.

    Example:
        >>> counts = [4, 12, 4, 5, 3, 1, 5, 1, 2, 2, 2, 2, 11, 3, 4, 12, 12, 1, 2]
        >>> mean, deviation = posterior_entropy(np.array(counts), 100)
        >>> round(mean, 4), round(deviation, 4)
        (2.8061, 0.1195)
    """
    if num_labels == 1:
        return 0.0, 0.0
    values, repeats = _distinct(counts, num_labels)
    beta, weights = _posterior(values, repeats, num_labels)
    means, variances = _dirichlet_moments(values, repeats, beta)
    mean = weights @ means
    return float(mean), math.sqrt(weights @ (variances + (means - mean) ** 2))


def _distinct(counts: np.ndarray, num_labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct counts, 0 the last, and how many labels have each: two columns [m, 1]."""
    values, repeats = np.unique(counts, return_counts=True)
    values, repeats = np.append(values, 0.0), np.append(repeats, float(num_labels - len(counts)))
    return values[:, None], repeats[:, None]


def _posterior(values: np.ndarray, repeats: np.ndarray, num_labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes β and their weights, which sum to 1, by narrowing the range to where the weight is."""
    low, high = -math.log(num_labels) - NEGLIGIBLE, MAX_LOG_BETA
    log_beta, log_weights = np.empty(0), np.empty(0)
    for num_nodes in NUM_NODES:
        log_beta = np.linspace(low, high, num_nodes)
        log_weights = _log_weights(values, repeats, num_labels, log_beta)
        heavy = np.flatnonzero(log_weights > log_weights.max() - NEGLIGIBLE)
        low, high = log_beta[max(heavy[0] - 1, 0)], log_beta[min(heavy[-1] + 1, num_nodes - 1)]
    weights = np.exp(log_weights - log_weights.max())
    return np.exp(log_beta), weights / weights.sum()


def _log_weights(
    values: np.ndarray, repeats: np.ndarray, num_labels: int, log_beta: np.ndarray
) -> np.ndarray:
    """Return the log of p(counts | β) · dξ/dβ · β, up to a constant."""
    beta, total = np.exp(log_beta), float((values * repeats).sum())
    rising = (repeats[:-1] * _log_rising(beta, values[:-1])).sum(axis=0)  # the last count, 0, adds none
    slope = num_labels * polygamma(1, num_labels * beta + 1) - polygamma(1, beta + 1)
    return rising - _log_rising(num_labels * beta, total) + np.log(slope) + log_beta


def _log_rising(z: np.ndarray, n: np.ndarray | float) -> np.ndarray:
    """Return log Γ(z + n) / Γ(z), by the beta function, which keeps its digits where z ≫ n."""
    return gammaln(n) - betaln(z, n)


def _dirichlet_moments(
    values: np.ndarray, repeats: np.ndarray, beta: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance of the entropy of a draw from Dirichlet(counts + β), for each β."""
    nu = values + beta  # [m, nodes]
    total = (repeats * nu).sum(axis=0)
    surprise = digamma(total + 1) - digamma(nu + 1)
    mean = (repeats * nu * surprise).sum(axis=0) / total
    spread = (repeats * nu * (surprise - mean) ** 2).sum(axis=0)
    curvature = (repeats * _curvature(nu)).sum(axis=0) - _curvature(total)
    return mean, (spread + curvature) / (total * (total + 1))


def _curvature(nu: np.ndarray) -> np.ndarray:
    """Return ν (ν+1) ψ′(ν+1)."""
    return nu * (nu + 1) * polygamma(1, nu + 1)
