"""Nearest neighbours where values repeat: variables that are partly or wholly discrete, and labels.

`MixedKSG` differs from `KSG` in rows whose k-th neighbour lies at distance 0: there it counts equal rows, as
a plug-in estimate would. `Ross` is for a label and a continuous variable.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.special import digamma

from infomax.errors import refuse
from infomax.estimation.estimate import Estimate, mean_estimate
from infomax.estimation.neighbors.ksg import local_information
from infomax.estimation.neighbors.search import (
    check_num_neighbors,
    check_num_samples,
    count_within,
    kth_distances,
    most_repeats,
    repeats,
)
from infomax.estimation.samples import as_codes, as_rows


@dataclass(frozen=True)
class MixedKSG:
    """I = ⟨ψ(k̃) − ψ(n_x) − ψ(n_y)⟩ + ψ(n), for any mixture of continuous and discrete variables.

    k̃ is k, or the number of equal rows where at least k others equal the row. A single variable may be a
    mixture as well (rainfall, censored times). Equal to `KSG` where nothing repeats, near the plug-in
    estimate for labels alone, and exactly 0 for a constant. Labels must be coded as numbers, further apart
    than the continuous values of near neighbours. Labels in k rows or fewer are treated as continuous. Counts
    include the row itself, and ψ(n) replaces the paper's log n, so that a constant has no information.

    Too high for numbers rounded to a grid, whose neighbours lie at few different distances: independent
    Gaussian pairs (n = 2,000) rounded to 1/20 of their spread gave 0.206 nats. Break such ties at random, as
    `pairwise` does, and use `KSG`.

    Args:
        num_neighbors: k.
        num_workers: threads for the tree, −1 for all cores.

    Example:
        >>> labels = np.arange(400) % 4
        >>> round(MixedKSG().estimate(labels, labels).value, 3)  # log 4 = 1.386
        1.39

    Reference: Gao, Kannan, Oh and Viswanath (2017), algorithm 1; with `given`, Mesner and Shalizi (2020).
    """

    num_neighbors: int = 3
    num_workers: int = -1

    def __post_init__(self) -> None:
        check_num_neighbors("MixedKSG", self.num_neighbors)

    def estimate(self, x: Any, y: Any, *, given: Any = None) -> Estimate:
        """Return I(X;Y), or I(X;Y|given), in nats, from samples [n] or [n, d].

        Raises:
            ValueError: n ≤ k.
        """
        variables = as_rows("MixedKSG", x=x, y=y, given=given)
        check_num_samples("MixedKSG", len(variables[0]), self.num_neighbors)
        joint = np.hstack(variables)
        radii, equal = _distances_with_ties(joint, self.num_neighbors, self.num_workers)
        num_joint = np.where(radii == 0, equal, self.num_neighbors)
        local = local_information(num_joint, radii, *variables)
        return mean_estimate(f"MixedKSG, k={self.num_neighbors}", local)


def _distances_with_ties(
    points: np.ndarray, num_neighbors: int, num_workers: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance to each row's k-th neighbour, and how many rows equal it, itself included.

    A tree is slow at many equal points. It gets at most k + 1 copies of each, because more do not change a
    distance.
    """
    equal, before = repeats(points)
    kept = before <= num_neighbors
    radii = np.zeros(len(points))
    radii[kept] = kth_distances(points[kept], num_neighbors, num_workers=num_workers)
    return radii, equal


@dataclass(frozen=True)
class Ross:
    """I(X;Y) = ψ(n) + ⟨ψ(k) − ψ(n_label) − ψ(m)⟩, for a label X and a continuous Y.

    The k-th neighbour is searched among the rows with the same label, and m counts the rows of any label that
    are nearer. A label with k rows or fewer gets a smaller k: its number of rows less one.

    Args:
        num_neighbors: k.
        labels: which argument of `estimate` holds the labels, of any hashable type; the other one holds
            numbers.
        num_workers: threads for the tree, −1 for all cores.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> label = rng.choice(["low", "high"], 2000)  # far apart: log 2 = 0.693
        >>> value = rng.standard_normal(2000) + 20 * (label == "high")
        >>> abs(Ross().estimate(label, value).value - 0.693) < 0.02
        True

    Reference: Ross (2014), equation 2.
    """

    num_neighbors: int = 3
    labels: Literal["x", "y"] = "x"
    num_workers: int = -1

    def __post_init__(self) -> None:
        check_num_neighbors("Ross", self.num_neighbors)
        refuse(
            self.labels not in ("x", "y"),
            f"Ross: labels must be 'x' or 'y', got {self.labels!r}; which argument has them?",
        )

    def estimate(self, x: Any, y: Any, *, given: Any = None) -> Estimate:
        """Return I(X;Y) in nats.

        Raises:
            ValueError: a label that occurs once; numbers that repeat more than k times; a condition.
        """
        refuse(
            given is not None, "Ross: no conditional form is known; use MixedKSG with labels coded as numbers"
        )
        labels, values = (x, y) if self.labels == "x" else (y, x)
        (codes,) = as_codes("Ross", labels=labels)
        (rows,) = as_rows("Ross", values=values)
        _check_pairs(codes, rows, self)
        local = self._local(codes, rows)
        return mean_estimate(f"Ross, k={self.num_neighbors}", local)

    def _local(self, codes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        sizes = np.bincount(codes)
        radii = np.empty(len(rows))
        for members in np.split(np.argsort(codes, kind="stable"), np.cumsum(sizes)[:-1]):
            k = min(self.num_neighbors, len(members) - 1)
            radii[members] = kth_distances(rows[members], k, num_workers=self.num_workers)
        nearer = count_within(rows, radii)
        k = np.minimum(self.num_neighbors, sizes - 1)[codes]
        return digamma(len(rows)) + digamma(k) - digamma(sizes[codes]) - digamma(nearer)


def _check_pairs(codes: np.ndarray, rows: np.ndarray, ross: Ross) -> None:
    refuse(
        len(codes) != len(rows),
        f"Ross: variables must have equally many samples, got {len(codes)} and {len(rows)}",
    )
    sizes = np.bincount(codes)
    other = "y" if ross.labels == "x" else "x"
    refuse(
        sizes.min() < 2,
        f"Ross: every label needs at least 2 samples, got {int((sizes == 1).sum())} of {len(sizes)} with "
        f"one; merge or drop rare labels, or set labels={other!r} if the labels are in {other}",
    )
    most = most_repeats(rows, ross.num_neighbors)
    refuse(
        most > ross.num_neighbors,
        f"Ross: the numbers must be continuous, but one occurs {most} times, more than num_neighbors "
        f"= {ross.num_neighbors}; use MixedKSG, which allows ties",
    )
