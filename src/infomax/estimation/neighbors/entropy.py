"""Differential entropy of continuous samples from nearest neighbours: Kozachenko and Leonenko's estimator.

    h(X) = ψ(n) − ψ(k) + log V + d ⟨log ε⟩

ε is the distance to the k-th neighbour and V the volume of the unit ball, of the norm in which ε is measured.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import digamma, gammaln

from infomax.estimation.estimate import Estimate
from infomax.estimation.neighbors.search import (
    check_num_neighbors,
    check_num_samples,
    kth_distances,
    pointwise_error,
)
from infomax.estimation.samples import as_rows


@dataclass(frozen=True)
class KozachenkoLeonenko:
    """h(X) = ψ(n) − ψ(k) + log V + d ⟨log ε⟩, in nats; may be negative, as differential entropies may.

    Good in few dimensions, high where the density varies over the k neighbours. Not a measure of mutual
    information by differences: errors of three such estimates do not cancel, which is why `KSG` exists.

    Args:
        num_neighbors: k.
        norm: the order of the norm, 1 to ∞: `math.inf` is the largest difference of a column, 2 Euclid's.
        num_workers: threads for the tree, −1 for all cores.

    Example:
        >>> uniform = np.random.default_rng(0).uniform(0, 2, 5000)  # log 2 = 0.693
        >>> abs(KozachenkoLeonenko().entropy(uniform).value - math.log(2)) < 0.05
        True

    Reference: Kozachenko and Leonenko (1987); Kraskov, Stögbauer and Grassberger (2004), equation 20.
    """

    num_neighbors: int = 3
    norm: int | float = math.inf
    num_workers: int = -1

    def __post_init__(self) -> None:
        check_num_neighbors("KozachenkoLeonenko", self.num_neighbors)
        if not self.norm >= 1:
            raise ValueError(
                f"KozachenkoLeonenko: norm must be an order from 1 to math.inf, got {self.norm}; "
                "2 is Euclid's"
            )

    def entropy(self, x: Any) -> Estimate:
        """h(X) of samples [n] or [n, d], in nats.

        Raises:
            ValueError: n ≤ k, or a row that occurs more than k times: the entropy would be −∞.
        """
        (rows,) = as_rows("KozachenkoLeonenko", x=x)
        check_num_samples("KozachenkoLeonenko", len(rows), self.num_neighbors)
        radii = kth_distances(rows, self.num_neighbors, norm=self.norm, num_workers=self.num_workers)
        if not radii.all():
            raise ValueError(
                f"KozachenkoLeonenko: x must be continuous, but {int((radii == 0).sum())} of {len(rows)} "
                f"rows occur more than {self.num_neighbors} times; a variable with atoms has no differential "
                "entropy: use a counting estimator"
            )
        k, d = self.num_neighbors, rows.shape[1]
        local = digamma(len(rows)) - digamma(k) + _log_volume(d, self.norm) + d * np.log(radii)
        return pointwise_error(f"Kozachenko–Leonenko, k={k}", local)


def _log_volume(dim: int, norm: int | float) -> float:
    """log of the volume of the unit ball Σ|x|^p ≤ 1: d log 2Γ(1 + 1/p) − log Γ(1 + d/p)."""
    return float(dim * (math.log(2) + gammaln(1 + 1 / norm)) - gammaln(1 + dim / norm))
