"""Differential entropy of continuous samples from nearest neighbours: Kozachenko and Leonenko's estimator.

    h(X) = ψ(n) − ψ(k) + log V + d ⟨log ε⟩

ε is the distance to the k-th neighbour, and V the volume of the unit ball in the norm that measures ε.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import digamma, gammaln

from infomax.errors import refuse
from infomax.estimation.estimate import Estimate
from infomax.estimation.neighbors.search import (
    NumNeighbors,
    NumWorkers,
    check_num_samples,
    nearest,
)
from infomax.estimation.samples import as_rows, rescaled
from infomax.ranges import check_ranges


@dataclass(frozen=True)
class KozachenkoLeonenko:
    """h(X) = ψ(n) − ψ(k) + log V + d ⟨log ε⟩, in nats; may be negative, as every differential entropy may.

    Good in few dimensions; high where the density varies over the k neighbours. Differences of three such
    estimates are a poor measure of mutual information, because their errors do not cancel: use `KSG`.

    The standard error is the infinitesimal jackknife's (`boxes`). Share of 200 repeats in which the 95 %
    interval contained the truth, n = 50; 300; 3,000: normal 0.95; 0.98; 0.94, uniform 0.96; 0.98; 0.97,
    exponential 0.97; 0.94; 0.97, two normal columns 0.92; 0.95; 0.94.

    Args:
        num_neighbors: k.
        norm: the order of the norm, 1 to ∞: `math.inf` is the largest difference of a column, 2 is Euclid's.
        num_workers: threads for the tree, −1 for all cores.

    Example:
        >>> uniform = np.random.default_rng(0).uniform(0, 2, 5000)  # log 2 = 0.693
        >>> abs(KozachenkoLeonenko().entropy(uniform).value - math.log(2)) < 0.05
        True

    Reference: Kozachenko and Leonenko (1987); Kraskov, Stögbauer and Grassberger (2004), equation 20.
    """

    num_neighbors: NumNeighbors = 3
    norm: int | float = math.inf
    num_workers: NumWorkers = -1

    def __post_init__(self) -> None:
        check_ranges(self, "KozachenkoLeonenko")
        refuse(
            not self.norm >= 1,
            f"KozachenkoLeonenko: norm must be an order from 1 to math.inf, got {self.norm}; 2 is Euclid's",
        )

    def entropy(self, x: Any) -> Estimate:
        """Return h(X) of samples [n] or [n, d], in nats.

        Raises:
            ValueError: n ≤ k, or a row that occurs more than k times, with which the entropy would be −∞.
        """
        (rows,) = as_rows("KozachenkoLeonenko", x=x)
        check_num_samples("KozachenkoLeonenko", len(rows), self.num_neighbors)
        _, exponents = rescaled(rows)
        rows = np.ldexp(rows, -exponents.max())  # whose squares neither overflow nor vanish
        neighbors = nearest(rows, self.num_neighbors, norm=self.norm, num_workers=self.num_workers)
        radii = neighbors.radii
        refuse(
            not radii.all(),
            f"KozachenkoLeonenko: x must be continuous, but {int((radii == 0).sum())} of {len(rows)} rows "
            f"occur more than {self.num_neighbors} times; a variable that repeats values has no differential "
            "entropy: use a counting estimator",
        )
        k, d = self.num_neighbors, rows.shape[1]
        local = digamma(len(rows)) - digamma(k) + _log_volume(d, self.norm) + d * np.log(radii)
        local += d * exponents.max() * math.log(2)
        influence = local - neighbors.totals(np.full(len(rows), 1 / k))
        error = influence.std(ddof=1) / math.sqrt(len(rows))
        return Estimate(
            float(local.mean()), float(error), len(rows), method=f"Kozachenko–Leonenko, k={k}", local=local
        )


def _log_volume(dim: int, norm: int | float) -> float:
    """Return the log of the volume of the unit ball Σ|x|^p ≤ 1: d log 2Γ(1 + 1/p) − log Γ(1 + d/p)."""
    return float(dim * (math.log(2) + gammaln(1 + 1 / norm)) - gammaln(1 + dim / norm))
