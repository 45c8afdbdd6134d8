"""Groups of features without labels: k-means or HDBSCAN on their directions, and how many groups there are.

    features [n, d] → rows of length 1 → their principal components, at most 20 → clusters

Only directions count, as for the cosine that neighbours and duplicates are found by. Rows are first put into
an order that their values give, so the order in which they come changes nothing.

Memory: [n, 20] besides the features; the number of groups and HDBSCAN are found on a sample where n is large.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.cluster import HDBSCAN, KMeans, MiniBatchKMeans
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits

from infomax.errors import did_you_mean, refuse
from infomax.evaluation.grouping.number import Criterion, chosen_number

NUM_COMPONENTS = 20
"""Principal components that are clustered, at most."""
SAME = 1e-6
"""Directions that differ by no more are the same: float32 holds no finer ones."""
MAX_FULL_BATCH = 100_000
"""Rows up to which k-means takes all at once; of more it takes batches."""
MAX_HDBSCAN = 10_000
"""Rows that HDBSCAN clusters; of more it clusters so many, and the others join the nearest of these."""
STARTS: Any = 10
"""Starts of k-means, of which the best counts."""
MIN_SHARE = 100
"""HDBSCAN: a group has at least n / 100 rows, and at least 5 where there are 10."""
_BLOCK = 4096

Places = Float[np.ndarray, "n k"]
Labels = Int[np.ndarray, " n"]
Clustering = Callable[[Places, int], Labels]
"""Returns a label for each row of places, −1 for none, by a seed."""


@dataclass(frozen=True)
class Groups:
    """Groups of the rows of features, the largest first.

    Attributes:
        group: number of each row's group, from 0; −1 for none.
        places: what was clustered: principal components of the directions.
        centers: mean place of each group.
        distance: from each row to the centre of its group; NaN for none.
        nearest_other: the group whose centre is nearest to each row, but its own; −1 where there is none.
        method: the name of the clustering.
        criterion: how the number of groups was chosen; None where it was given or the method finds it.
        words: how many groups there are and how they were found, in a sentence or two.
    """

    group: Labels
    places: Places
    centers: Float[np.ndarray, "g k"]
    distance: Float[np.ndarray, " n"]
    nearest_other: Labels
    method: str
    criterion: Criterion | None
    words: str

    @property
    def num_groups(self) -> int:
        """Number of groups."""
        return len(self.centers)

    @property
    def sizes(self) -> Int[np.ndarray, " g"]:
        """Number of rows in each group."""
        return np.bincount(self.group[self.group >= 0], minlength=self.num_groups)

    @property
    def num_without(self) -> int:
        """Number of rows in no group."""
        return int((self.group < 0).sum())

    def by_typicality(self, group: int) -> Int[np.ndarray, " m"]:
        """Return the rows of a group, the nearest to its centre first; of group −1 in their order."""
        rows = np.flatnonzero(self.group == group)
        return rows[np.argsort(self.distance[rows], kind="stable")]


def grouped(
    features: Float[np.ndarray, "n d"],
    *,
    num_groups: int | None = None,
    method: str | Clustering = "kmeans",
    seed: int = 0,
) -> Groups:
    """Return groups of rows that lie close together, by their directions; no labels are used.

    Args:
        features: from an encoder, or any rows of numbers.
        num_groups: for k-means; None chooses it by `chosen_number`.
        method: "kmeans" gives every row a group; "hdbscan" finds dense groups, how many there are, and rows
            in none; or a function of (places, seed).
        seed: of samples and first centres. The result is a function of (features, seed).

    Raises:
        ValueError: fewer than 2 rows, NaN or infinity; an unknown method; `num_groups` out of range, or given
            to a method that finds it.

    Example:
        >>> rows = np.repeat(np.eye(3), 20, axis=0) + np.random.default_rng(0).normal(0, 0.05, (60, 3))
        >>> found = grouped(rows)
        >>> found.num_groups, found.sizes.tolist()
        (3, [20, 20, 20])
    """
    features = _checked(features, num_groups, method)
    order = _own_order(features)
    with threadpool_limits(1, "blas"):  # sums in one order
        places = principal_components(features[order], NUM_COMPONENTS)
        if method == "kmeans":
            labels, criterion = _by_kmeans(places, num_groups, seed)
        else:
            cluster = hdbscan if isinstance(method, str) else method
            labels, criterion = cluster(places, seed), None
        found = _described(places, labels, method, criterion, num_groups is not None)
    back = np.argsort(order)
    rows = {name: getattr(found, name)[back] for name in ("group", "places", "distance", "nearest_other")}
    return replace(found, **rows)


def directions(features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Return rows scaled to length 1, float32; rows of zeros stay zero."""
    lengths = np.sqrt(np.einsum("nd,nd->n", features, features, dtype=np.float64))[:, None]
    unit = np.divide(features, lengths, out=np.zeros(features.shape), where=lengths > 0)
    return unit.astype(np.float32)


def principal_components(features: Float[np.ndarray, "n d"], at_most: int) -> Places:
    """Return the first principal components of the directions of rows, float64."""
    rows = directions(features)
    if np.ptp(rows, axis=0).max(initial=0) <= SAME:
        return np.zeros((len(rows), 1))
    with np.errstate(invalid="ignore"):  # shares of the variance, where all rows are equal
        return PCA(min(at_most, *rows.shape), random_state=0).fit_transform(rows).astype(np.float64)


def hdbscan(places: Places, seed: int) -> Labels:
    """Return the groups of HDBSCAN; of many rows those of a sample, which the others join by their nearest.

    A group has at least n / 100 rows and at least 5, of fewer than 10 rows half of them.
    """
    n = len(places)
    sample = np.sort(np.random.default_rng(seed).permutation(n)[:MAX_HDBSCAN])
    smallest = max(2, min(5, n // 2), len(sample) // MIN_SHARE)
    how: dict[str, Any] = {"min_cluster_size": smallest, "copy": True}
    labels = HDBSCAN(**how).fit_predict(places[sample])
    if len(sample) == n:
        return labels
    return KNeighborsClassifier(1).fit(places[sample], labels).predict(places)


def kmeans(places: Places, num_groups: int, seed: int) -> Labels:
    """Return the groups of k-means, the best of ten starts."""
    make = KMeans if len(places) <= MAX_FULL_BATCH else MiniBatchKMeans
    return make(num_groups, n_init=STARTS, random_state=seed).fit_predict(places)


METHODS: Mapping[str, str] = {"kmeans": "k-means", "hdbscan": "HDBSCAN"}
"""The clusterings by name, with what they are called."""


def check_method(method: Any, num_groups: int | None) -> None:
    """Check that there is such a method, and that it takes a number of groups where one is given.

    Raises:
        ValueError: there is not, or it does not.
    """
    known = callable(method) or method in METHODS
    refuse(not known, f"groups: no method {method!r}; {did_you_mean(str(method), METHODS)}")
    if num_groups is not None:
        refuse(method != "kmeans", f"groups: {method} finds the number of groups itself; leave it out")
        refuse(num_groups < 1, f"groups: the number of groups must be at least 1, got {num_groups}")


def _checked(features: Any, num_groups: int | None, method: Any) -> Float[np.ndarray, "n d"]:
    rows = np.ascontiguousarray(features, np.float32)
    refuse(
        rows.ndim != 2 or len(rows) < 2,
        f"groups: features must be rows [n, d] of at least 2 images, got {list(rows.shape)}",
    )
    refuse(not np.isfinite(rows).all(), "groups: features hold NaN or infinity; did training diverge?")
    check_method(method, num_groups)
    if num_groups is not None:
        most = len(np.unique(rows, axis=0)) if len(rows) <= _BLOCK else len(rows)
        refuse(
            num_groups > most,
            f"groups: the number of groups must be from 1 to {most}, the different images, got {num_groups}",
        )
    return rows + np.float32(0)  # no −0, which equals 0 and has other bytes


def _own_order(features: Float[np.ndarray, "n d"]) -> Int[np.ndarray, " n"]:
    """An order of rows that their bytes give, the same however they come."""
    keys = features.view(f"S{features.shape[1] * features.itemsize}")[:, 0]
    return np.argsort(keys, kind="stable")


def _by_kmeans(places: Places, num_groups: int | None, seed: int) -> tuple[Labels, Criterion | None]:
    criterion = None if num_groups else chosen_number(places, seed=seed)
    number = num_groups or (criterion.number if criterion else 1)
    return kmeans(places, number, seed), criterion


def _described(
    places: Places, labels: Labels, method: str | Clustering, criterion: Criterion | None, given: bool
) -> Groups:
    labels = _largest_first(labels)
    num = int(labels.max(initial=-1)) + 1
    centers = np.array([places[labels == one].mean(0) for one in range(num)]).reshape(num, places.shape[1])
    own, others = distances_to_centers(places, centers, labels)
    name = METHODS[method] if isinstance(method, str) else getattr(method, "__name__", "own function")
    words = words_of_groups(labels, num, name, criterion, given)
    return Groups(labels, places, centers, own, others, name, criterion, words)


def _largest_first(labels: Labels) -> Labels:
    """Numbers from 0 by falling size; of equal ones the group of the first row first."""
    found, first, counts = np.unique(labels[labels >= 0], return_index=True, return_counts=True)
    order = found[np.lexsort((first, -counts))]
    number = {int(label): place for place, label in enumerate(order)}
    return np.array([number.get(int(label), -1) for label in labels], np.int64)


def distances_to_centers(
    places: Places, centers: Float[np.ndarray, "g k"], labels: Labels
) -> tuple[Float[np.ndarray, " n"], Labels]:
    """Return the distance to the own centre, NaN for none; and the nearest other group, −1 for none."""
    own, others = np.full(len(places), np.nan), np.full(len(places), -1)
    for start in range(0, len(places) if len(centers) else 0, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(places)))
        far = np.stack([np.linalg.norm(places[rows] - center, axis=1) for center in centers], axis=1)
        grouped_rows = labels[rows] >= 0
        mine = rows[grouped_rows]
        own[mine] = far[grouped_rows, labels[mine]]
        far[grouped_rows, labels[mine]] = np.inf
        others[rows] = np.where(np.isfinite(far.min(1)), far.argmin(1), -1)
    return own, others


def words_of_groups(labels: Labels, num: int, name: str, criterion: Criterion | None, given: bool) -> str:
    """Return how many groups there are and how they were found, in a sentence or two."""
    none = int((labels < 0).sum())
    groups = f"{num} group{'s' * (num != 1)} by {name}"
    without = f", {none:,} of {len(labels):,} in none" if none else ""
    how = " as asked for" if given else ""
    sample = (
        f"; found on {MAX_HDBSCAN:,} drawn images, which the others join with the nearest of these"
        if name == METHODS["hdbscan"] and len(labels) > MAX_HDBSCAN
        else ""
    )
    return f"{groups}{how}{without}{sample}" + (f"; {criterion.words}" if criterion else "") + "."
