"""Signed sums of entropies of numbers from nearest neighbours, all in one box around each row.

The k nearest rows in all columns define a cube around each row, of the same side for every set S of
variables. With n_S rows in the projection on S,

    Σ c_S H(X_S) = ψ(n) Σ c_S − c_all ψ(k) − ⟨Σ_{S ≠ all} c_S ψ(n_S)⟩

The logs of the side cancel, as every variable is balanced, and so do most of the errors of the entropies.
Counts include the row itself; distances are in the max norm.

Reference: Kraskov, Stögbauer and Grassberger (2004), equation 23, for TC; Frenzel and Pompe (2007), for
further sums in the same box.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import digamma

from infomax.errors import refuse
from infomax.estimation.estimate import Estimate
from infomax.estimation.many.quantities import Terms
from infomax.estimation.neighbors.ranges import Within, sample_of_rows, within_each
from infomax.estimation.neighbors.search import (
    Neighbors,
    check_num_neighbors,
    check_num_samples,
    most_repeats,
    nearest,
    unequal_spread,
)
from infomax.estimation.samples import as_rows

LARGER = 4  # times k, with which the value is compared


@dataclass(frozen=True)
class SumsOfNeighbors:
    """Σ c_S H(X_S) of continuous variables, from the k nearest neighbours.

    `kind` is "estimate": consistent for any density. The bias grows with the number of columns, as
    (k/n)^{2/d}, and is part of the error: it is extrapolated from 4k neighbours, and a caution
    stands where it exceeds the scatter. Distances are compared across the variables: give all the same
    spread.

    Cost: a search in all columns, and n²/64 steps for each set of several columns.

    Args:
        num_neighbors: k.
        num_workers: threads, −1 for all cores.
    """

    num_neighbors: int = 3
    num_workers: int = -1

    def __post_init__(self) -> None:
        check_num_neighbors("SumsOfNeighbors", self.num_neighbors, self.num_workers)

    def estimate_sum(self, variables: Sequence[Any], terms: Terms) -> Estimate:
        """Return Σ c_S H(X_S) in nats, from variables [n] or [n, d].

        Raises:
            ValueError: n ≤ k; a variable that repeats a value more than k times.
        """
        rows = as_rows("SumsOfNeighbors", **{f"variable {i}": v for i, v in enumerate(variables)})
        k, n = self.num_neighbors, len(rows[0])
        check_num_samples("SumsOfNeighbors", n, k)
        for i, one in enumerate(rows):
            most = most_repeats(one, k)
            refuse(
                most > k,
                f"SumsOfNeighbors: variable {i} must be continuous, but one of its values occurs {most} "
                f"times, more than num_neighbors = {k}; use SumsOfCounts for labels",
            )
        found = self._boxes(rows, terms).estimate(f"sum of neighbours, k={k}")
        found = self._with_bias(found, rows, terms)
        return replace(found, cautions=(*found.cautions, *unequal_spread(np.hstack(rows))))

    def _boxes(self, rows: list[np.ndarray], terms: Terms) -> "_Boxes":
        neighbors = nearest(np.hstack(rows), self.num_neighbors, num_workers=self.num_workers)
        groups = [group for group in terms if len(group) < len(rows)]
        parts = [np.hstack([rows[i] for i in group]) for group in groups]
        ranges = within_each(parts, neighbors.radii, self.num_workers)
        whole = terms.get(tuple(range(len(rows))), 0)
        return _Boxes(neighbors, [terms[group] for group in groups], ranges, whole)

    def _with_bias(self, found: Estimate, rows: list[np.ndarray], terms: Terms) -> Estimate:
        """Return the estimate with the bias that more neighbours show, as a part of its error."""
        n, dim = len(rows[0]), sum(one.shape[1] for one in rows)
        larger = min(LARGER * self.num_neighbors, n // 4)
        if larger <= self.num_neighbors:
            return found
        wide = float(replace(self, num_neighbors=larger)._boxes(rows, terms).local().mean())
        bias = (found.value - wide) / ((larger / self.num_neighbors) ** (2 / dim) - 1)
        side = "low" if bias > 0 else "high"
        cautions = (f"biased: too {side} by about {abs(bias):.2g} nats, as k={larger} shows",)
        return replace(
            found,
            standard_error=math.hypot(found.standard_error, bias),
            cautions=cautions if abs(bias) > found.standard_error else (),
        )


@dataclass(frozen=True, eq=False)
class _Boxes:
    """The rows in the box around each row, and in its projections with their signs c_S."""

    neighbors: Neighbors
    signs: list[int]
    ranges: list[Within]
    whole: int

    def local(self) -> np.ndarray:
        """Return the pointwise values."""
        local = -self.whole * digamma(self.neighbors.num)
        local = local + (sum(self.signs) + self.whole) * digamma(len(local))
        for sign, one in zip(self.signs, self.ranges, strict=True):
            local = local - sign * digamma(one.counts)
        return local

    def estimate(self, method: str) -> Estimate:
        """Return the mean, with its error by the infinitesimal jackknife, as in `neighbors.boxes`."""
        local, num = self.local(), self.neighbors.num
        rows = sample_of_rows(len(local), *self.ranges)
        influence = (local - self.whole * self.neighbors.totals(1 / num))[rows]
        for sign, one in zip(self.signs, self.ranges, strict=True):
            influence = influence - sign * one.totals(1 / one.counts, rows)
        error = influence.std(ddof=1) / math.sqrt(len(local))
        return Estimate(float(local.mean()), float(error), len(local), method=method, local=local)
