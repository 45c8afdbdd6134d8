"""The value of the neighbour estimate alone, for hundreds of shuffles: no error, no cautions."""

from typing import Any

import numpy as np
from scipy.special import digamma

from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neighbors.ranges import within
from infomax.estimation.neighbors.search import most_repeats, nearest
from infomax.estimation.samples import as_rows

MAX_ROWS_COMPARED = 100
"""Rows up to which each is compared with all others, which costs less than a tree."""


def ksg_value(estimator: KSG, x: Any, y: Any, given: Any = None) -> float:
    """Return the value of ``estimator.estimate(x, y, given=given)``, in nats.

    Raises:
        ValueError: as the estimate itself.

    Example:
        >>> x, y, z = np.random.default_rng(0).standard_normal((3, 59))
        >>> bool(np.isclose(ksg_value(KSG(), x, y, z), KSG().estimate(x, y, given=z).value))
        True
    """
    variables, k = as_rows("KSG", x=x, y=y, given=given), estimator.num_neighbors
    num_rows = len(variables[0])
    usual = estimator.variant == 1 and num_rows > k
    if not usual or any(most_repeats(rows, k) > k for rows in variables):
        return estimator.estimate(x, y, given=given).value
    counted = _compared if num_rows <= MAX_ROWS_COMPARED else _searched
    num, n_xz, n_yz, n_z = counted(k, *variables)
    return float((digamma(num) - digamma(n_xz) - digamma(n_yz) + digamma(n_z)).mean())


def _compared(num_neighbors: int, *variables: np.ndarray) -> tuple[Any, ...]:
    """Return k, and how many rows are nearer than the k-th in x and z, in y and z, and in z."""
    x, y, *given = (np.abs(rows[:, None] - rows).max(axis=2) for rows in variables)
    xz, yz = (np.maximum(part, given[0]) if given else part for part in (x, y))
    radii = np.partition(np.maximum(xz, yz), num_neighbors, axis=1)[:, num_neighbors, None]
    n_z = (given[0] < radii).sum(axis=1) if given else len(x)
    return num_neighbors, (xz < radii).sum(axis=1), (yz < radii).sum(axis=1), n_z


def _searched(num_neighbors: int, x: np.ndarray, y: np.ndarray, *given: np.ndarray) -> tuple[Any, ...]:
    neighbors = nearest(np.hstack([x, y, *given]), num_neighbors, num_workers=1)
    n_xz, n_yz = (within(np.hstack([part, *given]), neighbors.radii).counts for part in (x, y))
    n_z = within(given[0], neighbors.radii).counts if given else len(x)
    return neighbors.num, n_xz, n_yz, n_z
