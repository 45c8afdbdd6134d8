"""Mutual information of continuous variables from nearest neighbours: Kraskov's estimators.

The k nearest rows define a box around each row in the joint space. The numbers of rows inside the projections
of this box on x and on y say how much denser the pairs lie than independent ones would:

    I(X;Y)   = ψ(k) + ψ(n) − ⟨ψ(n_x) + ψ(n_y)⟩
    I(X;Y|Z) = ψ(k) − ⟨ψ(n_xz) + ψ(n_yz) − ψ(n_z)⟩

Counts include the row itself, and ψ is the digamma function. Distances are in the max norm, across the
variables and within a variable with several columns: the box is a cube, and so are its projections.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from scipy.spatial import KDTree
from scipy.special import digamma

from infomax.errors import refuse
from infomax.estimation.estimate import Estimate, mean_with_error
from infomax.estimation.neighbors.boxes import Boxes, Margin, check_weights, saturation
from infomax.estimation.neighbors.ranges import within, within_each
from infomax.estimation.neighbors.search import (
    NumNeighbors,
    NumWorkers,
    check_num_samples,
    most_repeats,
    nearest,
    scale_cautions,
)
from infomax.estimation.samples import as_rows, as_weights
from infomax.ranges import check_ranges

MAX_RATIO = 8  # of the larger k, with which the estimate is compared in several columns
MIN_ROWS, MAX_PAIRS = 500, 2**20  # rows that are compared, and pairs of these with all rows
BIAS_OF_BOXES = 0.06  # of the value, times (k/n)^¼
WIDE_LEAF = 64  # rows of a leaf of trees that count many rows
MAX_ROWS_A_NEIGHBOR = 25  # up to which half of k is tried as well


@dataclass(frozen=True)
class KSG:
    """I(X;Y) = ψ(k) + ψ(n) − ⟨ψ(n_x) + ψ(n_y)⟩: Kraskov's estimator for continuous variables.

    The value is nearly unbiased if the density hardly varies over k neighbours; at independence there is no
    bias. It is too low if dependence is strong for the number of samples, because a square box does not fit a
    line. At n = 5,000, a 1-D Gaussian pair of 10 nats gives about 7.2, and a 3-D pair of 5 nats about 4.4.
    Such values have the caution "saturated", or "biased" with more than two columns if a larger k shows the
    bias. `ResidualKSG` is made for such pairs. Values below 0 are scatter around 0.

    Distances are compared across all columns (in variant 2, across the columns of a variable): give columns
    the same spread. If one column has more than ten times the spread of another, the value has the caution
    "biased".

    The standard error is the infinitesimal jackknife's, which counts that rows share neighbours (`boxes`). It
    is up to a quarter too large at independence. Share of 200 repeats (100 in 3-D) in which the 95 % interval
    contained the truth, for Gaussians and k = 3, and in brackets the share with a caution, where there were
    any:

    =============  ===========  ===========  ===========  =========
    ρ              n = 50       n = 300      n = 1,000    n = 3,000
    =============  ===========  ===========  ===========  =========
    0              0.97         0.97         0.98         0.99
    0.3            0.95         0.97         0.98         0.98
    0.75           0.95 (0.09)  0.97         0.97         0.98
    0.95           0.86 (0.98)  0.92         0.94         0.95
    0.3 in 3-D                  0.94 (0.12)  0.98 (0.12)
    0.5 in 3-D                  0.79 (0.78)  0.88 (0.93)
    0.75 in 3-D                 0.16 (1.00)  0.21 (1.00)
    =============  ===========  ===========  ===========  =========

    For k of 4 or more the error counts a bias as well: 0.06 (k/n)^¼ of the value, as measured for Gaussians,
    and up to twice what k/2 gives more where k is more than a 25th of the rows. For k = 10, n = 50; 100;
    1,000; 3,000 the interval contained the truth in 0.99; 0.98; 0.99; 0.98 at ρ = 0, 0.89; 0.94; 0.96; 0.99
    at 0.5, 0.85; 0.93; 0.93; 0.96 at 0.8 (200 repeats, 100 from n = 1,000). At 0.95 a caution stands at n =
    50 and 100, and it was 0.99; 0.98 at 1,000 and 3,000.

    Weighted values take log w̄ of the neighbours for the density of the weights. That is good where weights
    vary little from neighbour to neighbour, as they do where they are a smooth function of x and y. Weights
    that are pure noise (exponential, n = 2,000, k = 3) lowered the value by 0.05, within the standard error.

    Args:
        num_neighbors: k; 3 to 5 for the least bias, more for less scatter.
        variant: Kraskov's algorithm 1 (cubes) or 2 (boxes with different sides for x and y, which subtracts
            1/k and counts rows on the boundary). Conditional estimates exist for variant 1 only.
        num_workers: threads, −1 for all cores.

    Example:
        >>> from infomax.information.distributions import correlated_gaussians
        >>> x, y = correlated_gaussians(0.75).sample(2000, np.random.default_rng(0))  # 0.413 nats
        >>> abs(KSG().estimate(x, y).value - 0.413) < 0.06
        True

    Reference: Kraskov, Stögbauer and Grassberger (2004), equations 8 and 9; Frenzel and Pompe (2007).
    """

    num_neighbors: NumNeighbors = 3
    variant: Literal[1, 2] = 1
    num_workers: NumWorkers = -1

    def __post_init__(self) -> None:
        check_ranges(self, "KSG")
        refuse(
            self.variant not in (1, 2) or isinstance(self.variant, bool | float),
            f"KSG: variant must be 1 or 2, got {self.variant!r}; 1 is the usual one",
        )

    def estimate(self, x: Any, y: Any, *, given: Any = None, weights: Any = None) -> Estimate:
        """Return I(X;Y), or I(X;Y|given), in nats.

        Args:
            x: samples [n] or [n, d].
            y: samples [n] or [n, d].
            given: samples [n] or [n, d] of what is known already.
            weights: how many rows of the population each row stands for, up to a factor: [n]. For variant 1,
                x and y of one column each, nothing given. Rows of weight 0 are left out.

        Raises:
            ValueError: n ≤ k; a variable that repeats a value more than k times, and is therefore not
                continuous.
        """
        variables = as_rows("KSG", x=x, y=y, given=given)
        variables, weights = as_weights("KSG", variables, weights)
        check_num_samples("KSG", len(variables[0]), self.num_neighbors)
        _check_continuous(self.num_neighbors, *variables)
        boxes = self._cubes(*variables) if self.variant == 1 else self._boxes(*variables)
        if weights is not None:
            refuse(self.variant == 2, "KSG: weights need variant=1, got variant=2; use KSG(variant=1)")
            boxes = _weighted(boxes, weights)
        method = f"KSG, k={self.num_neighbors}{'' if weights is None else ', weighted'}"
        found = boxes.estimate(method)
        cautions = saturation(boxes, self.num_neighbors) or self._bias(found, *variables)
        if weights is None and not cautions:
            error = math.hypot(found.standard_error, self._bias_of_wide_boxes(found, *variables))
            found = replace(found, standard_error=error)
        compared = [np.hstack(variables)] if self.variant == 1 else variables
        return replace(found, cautions=(*cautions, *scale_cautions(*compared)))

    def _cubes(self, *variables: np.ndarray) -> Boxes:
        k = self.num_neighbors
        neighbors = nearest(np.hstack(variables), k, num_workers=self.num_workers)
        return Boxes(
            neighbors,
            neighbors.num,
            _margins(neighbors.radii, self.num_workers, *variables),
            len(variables[0]),
        )

    def _boxes(self, x: np.ndarray, y: np.ndarray, *given: np.ndarray) -> Boxes:
        """Return boxes with a side for each variable, counted up to it, boundary included."""
        refuse(given, "KSG: conditional information needs variant=1, got variant=2; use KSG(variant=1)")
        neighbors = nearest(np.hstack([x, y]), self.num_neighbors, num_workers=self.num_workers)
        margins = []
        for rows in (x, y):
            sides = np.abs(rows[neighbors.indices] - rows[:, None]).max(axis=(1, 2))
            ranges = within(rows, sides, strictly=False)
            margins.append(Margin(-1, ranges, ranges.counts - 1))
        return Boxes(neighbors, neighbors.num, margins, len(x), offset=-1 / self.num_neighbors)

    def _bias_of_wide_boxes(self, found: Estimate, *variables: np.ndarray) -> float:
        """Return the bias of 4 neighbours or more, as a part of the error.

        It is a share of the value, as measured for Gaussians; and, where k is a large share of the rows, what
        k/2 neighbours give more, times 1 + 10 k/n, at most 2: the bias grows faster the larger k/n.
        """
        k, n = self.num_neighbors, len(variables[0])
        if k < 4 or self.variant == 2:
            return 0.0
        share = BIAS_OF_BOXES * (k / n) ** 0.25 * max(found.value, 0.0)
        if n > MAX_ROWS_A_NEIGHBOR * k:
            return share
        half = replace(self, num_neighbors=k // 2)._cubes(*variables)
        return math.hypot(share, min(1 + 10 * k / n, 2) * max(float(half.local().mean()) - found.value, 0.0))

    def _bias(self, found: Estimate, *variables: np.ndarray) -> tuple[str, ...]:
        """Return the caution that the value is too low, where other k show it.

        Boxes in which the density varies hold more rows than they should. The bias grows about as (k/n)^{2/d}
        in d columns, so that the difference between k and a larger k shows it. Where all boxes are much too
        wide it hardly grows any more, but the nearest row alone finds more.
        """
        n, dim, k = len(variables[0]), sum(rows.shape[1] for rows in variables), self.num_neighbors
        larger = min(MAX_RATIO * k, n // 4)
        if dim <= 2 or self.variant == 2 or larger < 2 * k or found.local is None:
            return ()
        rows = np.linspace(0, n - 1, min(n, max(MIN_ROWS, MAX_PAIRS // n))).astype(np.intp)
        nearest_alone, wide = _local_at(rows, (1, larger), self.num_workers, *variables)
        bias_seen = 0.75 * found.standard_error
        drop, error = mean_with_error(found.local[rows] - wide)
        bias = drop / ((larger / k) ** (2 / dim) - 1)
        if drop >= 2.5 * error and bias >= bias_seen:
            return (f"biased: too low by about {bias:.2g} nats, as the {drop:.2g} less at k={larger} show",)
        rise, error = mean_with_error(nearest_alone - found.local[rows])
        if k > 1 and rise >= 3 * error and rise >= bias_seen:
            return (f"biased: too low by more than {rise:.2g} nats, as the {rise:.2g} more at k=1 show",)
        return ()


def _local_at(
    rows: np.ndarray, num_neighbors: tuple[int, ...], num_workers: int, *variables: np.ndarray
) -> np.ndarray:
    """Return the pointwise values of some rows for each k: [k, rows]."""
    x, y, *given = variables
    points = np.hstack(variables)
    tree: Any = KDTree(points, balanced_tree=False)
    others = [k + 1 for k in num_neighbors]  # the row itself is one of them
    radii = np.nextafter(tree.query(points[rows], k=others, p=math.inf, workers=num_workers)[0].T, 0)
    n_xz, n_yz = (_counts_at(rows, radii, np.hstack([part, *given]), num_workers) for part in (x, y))
    whole = _counts_at(rows, radii, np.hstack(given), num_workers) if given else len(points)
    ks = np.array(num_neighbors)[:, None]
    return digamma(ks) - digamma(n_xz) - digamma(n_yz) + digamma(whole)


def _counts_at(rows: np.ndarray, radii: np.ndarray, points: np.ndarray, num_workers: int) -> np.ndarray:
    """Return how many points lie within each radius, boundary included, of some of them: [k, rows]."""
    tree = KDTree(points, leafsize=WIDE_LEAF, balanced_tree=False)
    how: dict[str, Any] = {"p": math.inf, "return_length": True, "workers": num_workers}
    return np.array([tree.query_ball_point(points[rows], reach, **how) for reach in radii])


def _margins(
    radii: np.ndarray, num_workers: int, x: np.ndarray, y: np.ndarray, *given: np.ndarray
) -> list[Margin]:
    """Return the margins xz, yz and z of cubes: counts are of rows strictly within the radii."""
    parts = [(-1, (x, *given)), (-1, (y, *given)), *([(1, given)] if given else [])]
    ranges = within_each([np.hstack(part) for _, part in parts], radii, num_workers)
    return [Margin(sign, one, one.counts) for (sign, _), one in zip(parts, ranges, strict=True)]


def _weighted(boxes: Boxes, weights: np.ndarray) -> Boxes:
    check_weights("KSG", weights, [margin.ranges for margin in boxes.margins], boxes.neighbors.num)
    return replace(boxes, weights=weights)


def _check_continuous(num_neighbors: int, *variables: np.ndarray) -> None:
    for name, rows in zip(("x", "y", "given"), variables, strict=False):
        most = most_repeats(rows, num_neighbors)
        refuse(
            most > num_neighbors,
            f"KSG: {name} must be continuous, but one of its values occurs {most} times, more than "
            f"num_neighbors = {num_neighbors}, and the distance to the k-th neighbour is 0; use "
            "MixedKSG, which allows ties, or Ross if one variable is a label",
        )
