"""Permutation tests given numbers: y is shuffled among rows that are near."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import KDTree
from scipy.stats import rankdata

from infomax.estimation.resampling.nulls import Null, Shuffling, WithinGroups
from infomax.estimation.resampling.replicates import JointSamples, check_whole
from infomax.estimation.samples import as_rows


def null_given(given: Any) -> Null:
    """Return the null for a condition: within equal labels, or among near rows of numbers."""
    try:
        as_rows("permutation_test", given=given)
    except ValueError:  # labels
        return WithinGroups(given)
    return NearRows()


@dataclass(frozen=True)
class NearRows:
    """Shuffles of y within cells of nearby rows of the condition.

    Args:
        cell_size: rows of different Z that are shuffled together; 1 for equal rows only.
    """

    cell_size: int = 5

    def __post_init__(self) -> None:
        check_whole("NearRows", "cell_size", self.cell_size, usual="5 is usual")

    def shuffling(self, samples: JointSamples, seed: int) -> Shuffling:
        """Return shuffles within cells.

        Raises:
            ValueError: no numbers as a condition, or most rows alone in their cells.
        """
        (rows,) = as_rows("permutation_test", given=samples.given)
        cells = cells_of(rows, self.cell_size)
        shuffling = WithinGroups(cells).shuffling(samples, seed)
        return Shuffling(samples, shuffling.orders, f"permutations within {cells.max() + 1} cells of Z")


def cells_of(rows: np.ndarray, size: int) -> np.ndarray:
    """Return the number of each row's cell, of at most `size` rows that differ: [n]."""
    return _leaves(rankdata(rows, axis=0), size)


def _leaves(points: np.ndarray, size: int) -> np.ndarray:
    """Return the number of each row's leaf in a balanced tree: [n]."""
    tree = KDTree(points, leafsize=size)
    found, nodes = [], [tree.tree]
    while nodes:
        node: Any = nodes.pop()
        if isinstance(node, KDTree.leafnode):
            found.append(node.idx)
        else:
            nodes += [node.less, node.greater]
    leaf_of = np.empty(len(points), dtype=np.intp)
    leaf_of[np.concatenate(found)] = np.repeat(np.arange(len(found)), [len(leaf) for leaf in found])
    return leaf_of
