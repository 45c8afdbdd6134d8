"""Local non-uniformity: nearest neighbours in boxes that are turned to follow the rows.

    I(X;Y) = I_KSG − ⟨log V̄/V⟩        over the rows with V̄/V < α

V is the volume of the box that holds the k nearest rows, with its sides along the columns. V̄ is the volume of
the box around the same rows with its sides along their principal axes. Where dependence is strong the rows
lie in a thin slanting strip, V̄ is much less than V, and V says that the density is lower than it is. Where
rows are uniform in their box, V̄ < V happens by chance; α is so small that this is rare.

Cost: that of `KSG`, and n eigenvalue problems of d columns. Assumes that the density is uniform within the
turned box.

Reference: Gao, Ver Steeg and Galstyan (2015), Efficient estimation of mutual information for strongly
dependent variables, algorithm 1.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from infomax.errors import refuse
from infomax.estimation.estimate import Estimate
from infomax.estimation.neighbors.boxes import MAX_SATURATED
from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neighbors.search import NumNeighbors, NumWorkers, nearest, scale_cautions
from infomax.estimation.samples import as_rows
from infomax.ranges import check_ranges

NUM_SIMULATED = 20_000
"""Boxes of uniform rows from which α is computed."""
SHARE_BY_CHANCE = 0.005
"""Share of uniform boxes that are turned by mistake: α is this quantile of V̄/V."""
LOG_ROUNDING = math.log(1e-10)
"""Logarithm of V̄/V below which a box is thin by rounding alone."""


@dataclass(frozen=True)
class LocalNonuniformity:
    """I(X;Y) = I_KSG − ⟨log V̄/V⟩: `KSG`, variant 2, in boxes turned along the rows where these are thin.

    For dependence so strong that `KSG` is too low: a Gaussian pair of 7 nats, of which `KSG` finds 6.6 at n =
    5,000. Nothing is found at a row whose k neighbours lie on a line finer than their distance. Curved
    strips, and more than about four columns, leave a bias. The standard error is that of `KSG` and the
    scatter of the correction.

    Args:
        num_neighbors: k; more than the columns of x and y together.
        num_workers: threads, −1 for all cores.

    Example:
        >>> from infomax.information.distributions import correlated_gaussians
        >>> pair = correlated_gaussians(np.sqrt(1 - np.exp(-14)))  # 7 nats
        >>> x, y = pair.sample(2000, np.random.default_rng(0))
        >>> found = LocalNonuniformity().estimate(x, y).value
        >>> abs(found - 7) < 0.3, KSG().estimate(x, y).value < 6.5
        (True, True)
    """

    num_neighbors: NumNeighbors = 8
    num_workers: NumWorkers = -1

    def __post_init__(self) -> None:
        check_ranges(self, "LocalNonuniformity")

    def estimate(self, x: Any, y: Any, *, given: Any = None) -> Estimate:
        """Return I(X;Y) in nats, from samples [n] or [n, d].

        Raises:
            ValueError: a condition; as many columns as neighbours; columns that determine each other, as
                copies do, or repeated rows; anything that `KSG` refuses.
        """
        refuse(
            given is not None,
            "LocalNonuniformity: the method has no conditional form; use KSG, or ResidualKSG",
        )
        x, y = as_rows("LocalNonuniformity", x=x, y=y)
        dims, k = (x.shape[1], y.shape[1]), self.num_neighbors
        refuse(
            k <= sum(dims),
            f"LocalNonuniformity: num_neighbors must exceed the columns of x and y together, {sum(dims)}, "
            f"got {k}; raise num_neighbors",
        )
        found = KSG(k, variant=2, num_workers=self.num_workers).estimate(x, y)
        points = np.hstack([x, y])
        around = nearest(points, k, num_workers=self.num_workers).indices
        excess = log_excess(points, around, dims)
        share = float((excess > -LOG_ROUNDING).mean())
        refuse(
            share > MAX_SATURATED,
            f"LocalNonuniformity: the neighbours of {share:.0%} of the rows lie on a line, apart from "
            "rounding: x and y determine each other, or rows are repeated; leave repeated rows out",
        )
        return replace(
            found,
            value=found.value + float(excess.mean()),
            standard_error=math.hypot(found.standard_error, excess.std() / math.sqrt(len(excess))),
            method=f"LocalNonuniformity, k={k}",
            local=None if found.local is None else found.local + excess,
            cautions=scale_cautions(points),
        )


def log_excess(
    points: Float[np.ndarray, "n d"], around: Int[np.ndarray, "n k"], dims: tuple[int, int]
) -> Float[np.ndarray, " n"]:
    """Return log V/V̄ of each row where V̄/V < α, else 0.

    Args:
        points: rows of x and y side by side.
        around: the numbers of each row's neighbours.
        dims: columns of x and of y; V has one side for x and one for y.

    Example:
        >>> line = np.linspace(-1, 1, 9)[:, None] * [1.0, 1.0] + 1e-3 * np.eye(9)[:, :2]
        >>> bool(log_excess(line, np.arange(1, 9)[None].repeat(9, axis=0), (1, 1))[0] > 3)
        True
    """
    from_row = points[around] - points[:, None]  # [n, k, d]
    ratio = _log_ratio(from_row, dims)
    return np.where(ratio < log_alpha(around.shape[1], dims), -ratio, 0.0)


@lru_cache(maxsize=64)
def log_alpha(num_neighbors: int, dims: tuple[int, int]) -> float:
    """Return the logarithm of α: V̄/V of rows uniform in a box is below α in `SHARE_BY_CHANCE` of all boxes.

    It is a quantile over simulated boxes, the same in every call.
    """
    rng = np.random.default_rng(0)
    uniform = rng.uniform(-1, 1, (NUM_SIMULATED, num_neighbors, sum(dims)))
    return float(np.quantile(_log_ratio(uniform, dims), SHARE_BY_CHANCE))


def _log_ratio(from_row: Float[np.ndarray, "n k d"], dims: tuple[int, int]) -> Float[np.ndarray, " n"]:
    """Return log V̄/V of the boxes around neighbours, given by their differences from the row."""
    _, axes = np.linalg.eigh(from_row.transpose(0, 2, 1) @ from_row)
    turned = np.abs(from_row @ axes).max(axis=1)  # [n, d]
    sides = np.abs(from_row).max(axis=1)
    of_x, of_y = sides[:, : dims[0]].max(axis=1), sides[:, dims[0] :].max(axis=1)
    tiny = np.finfo(float).tiny
    along_columns = dims[0] * np.log(of_x) + dims[1] * np.log(of_y)
    return np.log(np.maximum(turned, tiny)).sum(axis=1) - along_columns
