"""Groups of rows that are too many for memory, as `grouped` finds them in memory, a block at a time.

    rows of length 1 → incremental principal components, at most 20 → mini-batch k-means, or HDBSCAN

The rows are read three times: for the components, for the centres, and for the group of each row. Three
things are approximations, and said: the components, which blocks update; the centres, which one pass of
blocks moves from those of drawn rows; and the number of groups, which is chosen on drawn rows.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.cluster import KMeans, MiniBatchKMeans
from sklearn.decomposition import IncrementalPCA
from sklearn.neighbors import KNeighborsClassifier

from infomax.evaluation.grouping.groups import (
    MAX_FULL_BATCH,
    MAX_HDBSCAN,
    METHODS,
    NUM_COMPONENTS,
    STARTS,
    Clustering,
    Groups,
    Places,
    check_method,
    distances_to_centers,
    hdbscan,
    words_of_groups,
)
from infomax.evaluation.grouping.number import chosen_number
from infomax.evaluation.probes.stored import StoredRows
from infomax.progress import Stages

Centers = Float[np.ndarray, "g k"]
Ints = Int[np.ndarray, " n"]
Assign = Callable[[Places], Ints]
"""Returns a label for each place, −1 for none."""


def grouped_in_blocks(
    unit: StoredRows,
    *,
    num_groups: int | None = None,
    method: str | Clustering = "kmeans",
    seed: int = 0,
    stage: Stages,
) -> Groups:
    """Return groups of rows that lie close together, as `grouped` does; `places` are those of drawn rows.

    Args:
        unit: the directions of rows.
        num_groups, method, seed: as of `grouped`; a function as method needs all rows, and is refused.
        stage: is told how far the work is.

    Raises:
        ValueError: as `grouped`.
    """
    check_method(method, num_groups)
    if not isinstance(method, str):
        raise ValueError(
            f"groups: a clustering of your own needs all rows in memory, got {len(unit):,} rows in a file; "
            f"expected {' or '.join(METHODS)}"
        )
    components, drawn = _components(unit, seed, stage)
    criterion = None
    if method == "kmeans":
        criterion = None if num_groups else chosen_number(drawn, seed=seed)
        number = num_groups or (criterion.number if criterion else 1)
        assign, centers = _by_kmeans(unit, components, drawn, number, seed, stage)
    else:
        assign, centers = _by_hdbscan(drawn, seed)
    labels, own, others = _assigned(unit, components, assign, centers, stage)
    order = np.argsort(-np.bincount(labels[labels >= 0], minlength=len(centers)), kind="stable")
    number = np.append(np.argsort(order), -1)  # the last for no group
    group, name = number[labels], METHODS[method]
    words = words_of_groups(group, len(centers), name, criterion, num_groups is not None)
    return Groups(group, drawn, centers[order], own, number[others], name, criterion, words)


def approximated(num_rows: int, method: str) -> list[str]:
    """Return what is not what `grouped` computes from rows in memory, in lines."""
    drawn = f"{min(num_rows, MAX_FULL_BATCH):,} of {num_rows:,} rows"
    moved = f"centres: those of {drawn}, moved by mini-batch k-means, one pass"
    return ["principal components: incremental, block by block", *([moved] if method == "kmeans" else [])]


def _components(unit: StoredRows, seed: int, stage: Stages) -> tuple[IncrementalPCA, Places]:
    """Return the principal components of all rows, and those of drawn rows."""
    stage.begin("components", len(unit), "rows")
    n, d = unit.shape
    model = IncrementalPCA(min(NUM_COMPONENTS, d, n, unit.most_at_once))
    for block in unit.blocks():
        model.partial_fit(block)
        stage.advance(len(block))
    some = np.random.default_rng(seed).choice(n, min(n, MAX_FULL_BATCH), replace=False, shuffle=False)
    return model, model.transform(unit.take(np.sort(some)))


def _by_kmeans(
    unit: StoredRows, components: IncrementalPCA, drawn: Places, number: int, seed: int, stage: Stages
) -> tuple[Assign, Centers]:
    """Return k-means whose centres begin at those of drawn rows, and are moved by all rows in one pass."""
    stage.begin("centres", len(unit), "rows")
    begun = KMeans(number, n_init=STARTS, random_state=seed).fit(drawn)
    how: Any = {"init": begun.cluster_centers_, "n_init": 1}
    model: Any = MiniBatchKMeans(number, random_state=seed, **how)
    for block in unit.blocks():
        model.partial_fit(components.transform(block))
        stage.advance(len(block))
    return model.predict, model.cluster_centers_


def _by_hdbscan(drawn: Places, seed: int) -> tuple[Assign, Centers]:
    """Return the groups of HDBSCAN among some of the drawn rows, which all rows join by their nearest."""
    some = drawn[np.random.default_rng(seed).permutation(len(drawn))[:MAX_HDBSCAN]]
    labels = hdbscan(some, seed)
    means = [some[labels == one].mean(0) for one in range(labels.max() + 1)]
    joining: Any = KNeighborsClassifier(1).fit(some, labels)
    return joining.predict, np.array(means).reshape(-1, drawn.shape[1])


def _assigned(
    unit: StoredRows, components: IncrementalPCA, assign: Assign, centers: Centers, stage: Stages
) -> tuple[Ints, Float[np.ndarray, " n"], Ints]:
    """Return the group of every row, the distance to its centre, and the group whose centre is the next."""
    stage.begin("groups", len(unit), "rows")
    found = []
    for block in unit.blocks():
        places = components.transform(block)
        labels = np.asarray(assign(places))
        found.append((labels, *distances_to_centers(places, centers, labels)))
        stage.advance(len(block))
    labels, own, others = (np.concatenate(each) for each in zip(*found, strict=True))
    return labels, own, others
