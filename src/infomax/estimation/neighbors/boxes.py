"""Information from boxes: pointwise values from counts of rows, and how much each row moves their mean.

    I(X;Y|Z) = ⟨ψ(k) − ψ(n_xz) − ψ(n_yz) + ψ(n_z)⟩

Neighbouring rows share neighbours, so that pointwise values are not independent, and the standard deviation
of their mean is larger than that of independent ones. The infinitesimal jackknife counts this in. It takes
the mean as a function of weights of the rows, with every box as it stands, and differentiates: row j has its
own value, and a share 1/count of every box and of every range in which it lies,

    influence_j = local_j + Σ_i [j in box i]/k − Σ_i [j in xz-range of i]/n_xz(i) − …,

and the variance of the mean is that of the influences, divided by n.

Reference: Jaeckel (1972); Efron (1982), The jackknife, the bootstrap and other resampling plans, chapter 6.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import digamma

from infomax.errors import refuse
from infomax.estimation.estimate import Estimate
from infomax.estimation.neighbors.ranges import Within, sample_of_rows
from infomax.estimation.neighbors.search import Neighbors

MAX_SATURATED = 0.15
"""The share of rows at the ceiling above which an estimate is called saturated."""


@dataclass(frozen=True, eq=False)
class Margin:
    """The counts of one projection of the boxes: xz, yz or z.

    Args:
        sign: of ψ(count): −1 for xz and yz, 1 for z.
        ranges: the rows within the projection.
        counts: what is counted: the ranges' counts, or others that replace some of them.
    """

    sign: int
    ranges: Within
    counts: np.ndarray


@dataclass(frozen=True, eq=False)
class Boxes:
    """The boxes around all rows.

    Args:
        neighbors: the rows in each box.
        num_joint: k of each box: [n].
        margins: xz, yz and, given Z, z.
        num_rows: n of each box, if nothing is given: [n], or one number.
        equal: how many rows equal the row, itself included, where the box has no size; else 0.
        weights: of the rows, of mean 1; None for equal ones.
        offset: what is added to every pointwise value.
        groups: a code for each row; rows of a group share one box. None where no rows do.
    """

    neighbors: Neighbors
    num_joint: np.ndarray
    margins: Sequence[Margin]
    num_rows: np.ndarray | int
    equal: np.ndarray | None = None
    weights: np.ndarray | None = None
    offset: float = 0.0
    groups: np.ndarray | None = None

    def estimate(self, method: str, cautions: tuple[str, ...] = ()) -> Estimate:
        """Return the mean of the pointwise values, with its standard error by the infinitesimal jackknife."""
        local = self.local()
        mean = float(np.average(local, weights=self.weights))
        error = self._standard_error(local - mean)
        return Estimate(mean, error, len(local), method=method, local=local, cautions=cautions)

    def local(self) -> np.ndarray:
        """Return ψ(k) − ψ(n_x) − ψ(n_y) + ψ(n), or ψ(k) − ψ(n_xz) − ψ(n_yz) + ψ(n_z), of each row."""
        local = digamma(self.num_joint) + self.offset
        for margin in self.margins:
            local = local + margin.sign * digamma(margin.counts)
        if len(self.margins) == 2:
            local = local + digamma(self.num_rows)
        return local if self.weights is None else local + self._log_densities_of_weights(self.weights)

    def _standard_error(self, deviations: np.ndarray) -> float:
        rows = sample_of_rows(len(deviations), *(margin.ranges for margin in self.margins))
        weights = np.ones(len(deviations)) if self.weights is None else self.weights
        influence = (deviations + self._shares(weights, np.arange(len(deviations))))[rows]
        for margin in self.margins:
            mass = margin.ranges.counts if self.weights is None else margin.ranges.sums(weights)
            influence = influence + margin.sign * margin.ranges.totals(weights / mass, rows)
        first = self._of_groups(weights[rows] * influence, rows) / len(deviations)
        return math.sqrt(first + self._second_order() / len(deviations) ** 2)

    def _of_groups(self, influence: np.ndarray, rows: np.ndarray) -> float:
        """Return the variance of influences, where rows that share one box count as one."""
        if self.groups is None or len(rows) < len(self.groups):
            return float(influence.var(ddof=1))
        sums = np.bincount(self.groups, influence - influence.mean())
        return float((sums**2).sum() / len(rows) * len(sums) / max(len(sums) - 1, 1))

    def _shares(self, weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return Σᵢ [j in box i] / k; rows that are equal share their boxes evenly."""
        if self.weights is None:
            mass = self.num_joint
        else:
            mass = self.num_joint * _mean_of_neighbors(self.neighbors, weights)[0]
        values = weights / mass
        if self.equal is None:
            return self.neighbors.totals(values)[rows]
        tied = self.equal > 0
        return (self.neighbors.totals(np.where(tied, 0.0, values)) + tied)[rows]

    def _second_order(self) -> float:
        """Return half the trace of M² of `counting.counts`, from rows that equal others."""
        if self.equal is None or not self.equal.any():
            return 0.0
        tied = self.equal > 0
        joint = self.equal[tied]
        xz, yz = (margin.counts[tied] for margin in self.margins[:2])
        z = self.margins[2].counts[tied] if len(self.margins) > 2 else len(tied)
        trace = (1 / joint - 1 / xz - 1 / yz - 1 / z + 2 * joint / (xz * yz)).sum()
        return max(float(trace), 0.0) / 2

    def _log_densities_of_weights(self, weights: np.ndarray) -> np.ndarray:
        """Return log w̄ of the box − log w̄ of its projections + log w̄ of all rows."""
        total = _log_mean(*_mean_of_neighbors(self.neighbors, weights))
        for margin in self.margins:
            total = total + margin.sign * _log_mean(*_mean_of_others(margin.ranges, weights))
        return total  # the mean of all weights is 1

    def share_at_ceiling(self, num_neighbors: int) -> float:
        """Return the share of rows whose ranges hold hardly more rows than their boxes.

        That is n_xz n_yz ≤ 4k², and a value of at least half of the ceiling log n/k.

        Such a row says that the dependence is finer than the distance between neighbours, not how fine.
        """
        xz, yz = (margin.counts for margin in self.margins[:2])
        room = self.margins[2].counts if len(self.margins) > 2 else self.num_rows
        most = num_neighbors**2 * np.minimum(4, np.sqrt(room / num_neighbors))
        full = (xz * yz <= most) & (room > 2 * np.maximum(xz, yz))
        return float(full.mean()) if self.equal is None else float((full & (self.equal == 0)).mean())


def saturation(boxes: Boxes, num_neighbors: int) -> tuple[str, ...]:
    """Return the caution that the value stands at its ceiling, where many rows do."""
    share = boxes.share_at_ceiling(num_neighbors)
    if share <= MAX_SATURATED:
        return ()
    return (f"saturated: in {share:.0%} of the rows dependence is finer than the distance to neighbours",)


def check_weights(operation: str, weights: np.ndarray, ranges: Sequence[Within], num: np.ndarray) -> None:
    """Check that weights can be used: positive sum, single columns, at least two neighbours.

    Raises:
        ValueError: they cannot.
    """
    several = [one.points.shape[1] for one in ranges if one.runs is None]
    refuse(
        several,
        f"{operation}: weights need x and y of one column each and no condition of numbers, got "
        f"{max(several, default=0)} columns in one range; give single columns",
    )
    refuse(
        int(num.min()) < 2,
        f"{operation}: weights need 2 neighbours or more of every row, got {int(num.min())}; "
        "raise num_neighbors, and leave out labels of fewer than 3 rows",
    )


def _mean_of_neighbors(
    neighbors: Neighbors, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean weight of each row's neighbours, its variance, and their number."""
    found = neighbors.indices >= 0
    values = np.where(found, weights[neighbors.indices], 0.0)
    mean = values.sum(axis=1) / neighbors.num
    squares = np.where(found, (values - mean[:, None]) ** 2, 0.0).sum(axis=1)
    return mean, squares / np.maximum(neighbors.num - 1, 1), neighbors.num


def _mean_of_others(ranges: Within, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean weight of the other rows in each range, its variance, and their number."""
    num = ranges.counts - 1
    mean = (ranges.sums(weights) - weights) / num
    squares = (ranges.sums(weights**2) - weights**2) / num - mean**2
    return mean, np.maximum(squares, 0) * num / np.maximum(num - 1, 1), num


def _log_mean(mean: np.ndarray, variance: np.ndarray, num: np.ndarray) -> np.ndarray:
    """Return the log of an expected weight: log mean + variance / (2 n mean²), without the first bias.

    Where all weights are 0, nothing is known of the density, and the row adds nothing.
    """
    positive = mean > 0
    safe = np.where(positive, mean, 1.0)
    return np.where(positive, np.log(safe) + variance / (2 * num * safe**2), 0.0)
