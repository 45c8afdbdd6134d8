"""Near-duplicates: images whose features are almost the same, and images of equal pixels.

A pair is near if 1 − its cosine is at most 0.1 · m, where m is the median over images of 1 − the cosine with
the nearest other, and at most 0.25 · (1 − the cosine of one of the two with its 20th nearest): ten times as
close as is usual in this collection, and four times as close as is usual where the pair lies. What counts as
close depends on the encoder and on the images, so a fixed cosine would not do.

Of 40 planted copies of each kind among 1,300 photographs, features of an encoder of 40 steps found all equal
ones, 72 % of JPEG quality 70, 72 to 78 % shifted by a pixel, and 20 % mirrored or brighter; of digits, a
trained one found 98 % of JPEG quality 70 and 25 % shifted.

At most 20 others of each image are looked at, so that memory grows with the images, not with pairs; images
that are near through others are in one set all the same. More than 20 copies of an image are found only where
their values or their features are equal.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SHARE_OF_USUAL = 0.1
"""How close near-duplicates are, as a share of the usual distance between neighbours."""
SHARE_OF_FAR = 0.25
"""How close they are, as a share of the distance to the 20th nearest."""
MIN_USUAL = 1e-5
"""The least usual distance that float32 features tell; at less, only equal pixels count."""
ROUNDING = 1e-6
"""Cosines of equal features differ from 1 by no more."""

MORE_THAN_ANY = 2.0
"""A limit that no cosine reaches."""

Ints = Int[np.ndarray, " n"]
Pairs = tuple[Int[np.ndarray, "p 2"], Float[np.ndarray, " p"]]
Neighbors = Iterable[tuple[Int[np.ndarray, "_ k"], Float[np.ndarray, "_ k"]]]
"""Nearest others of each row, but not itself, and cosines: blocks of rows that can be gone through again."""


@dataclass(frozen=True)
class Duplicates:
    """Pairs of near-duplicates, and the sets that they make.

    Attributes:
        pairs: two rows each, the first the smaller.
        cosines: of the pairs.
        equal: whether the pixels of a pair are equal.
        sets: number of each row's set, from 0; −1 where it has no duplicate.
        threshold: the cosine from which a pair is near; None where only equal pixels count.
        words: how many there are and what counts, in a sentence.
    """

    pairs: Int[np.ndarray, "p 2"]
    cosines: Float[np.ndarray, " p"]
    equal: Bool[np.ndarray, " p"]
    sets: Ints
    threshold: float | None
    words: str

    @property
    def num_sets(self) -> int:
        """Number of sets."""
        return int(self.sets.max(initial=-1)) + 1

    def members(self, one: int) -> Ints:
        """Return the rows of a set."""
        return np.flatnonzero(self.sets == one)


def near_duplicates(
    neighbors: Neighbors,
    same_pixels: Ints,
    *,
    threshold: float | None = None,
    noun: str = "image",
) -> Duplicates:
    """Return pairs with a high cosine, and pairs of equal pixels.

    Args:
        neighbors: the nearest others of each row, block by block; gone through twice.
        same_pixels: a number of each row, equal for equal pixels; −1 where a row is the only one.
        threshold: cosine; None for that of the collection.
        noun: one of the things.
    """
    first, far = (np.concatenate([1 - cosines[:, place] for _, cosines in neighbors]) for place in (0, -1))
    usual = float(np.median(first))
    told = usual >= MIN_USUAL
    limit = threshold if threshold is not None else 1 - SHARE_OF_USUAL * usual if told else None
    least = MORE_THAN_ANY if limit is None else limit
    near, cosines = _near(neighbors, least, far if threshold is None else None)
    both = np.concatenate([near, _pairs_of_equal(same_pixels)])
    pairs, at = np.unique(both, axis=0, return_index=True) if len(both) else (both, np.zeros(0, int))
    values = np.concatenate([cosines, np.ones(len(both) - len(near))])[at]
    equal = (same_pixels[pairs[:, 0]] == same_pixels[pairs[:, 1]]) & (same_pixels[pairs[:, 0]] >= 0)
    sets = _sets(pairs, len(first))
    words = _words(sets, equal, limit, threshold is not None, usual, noun)
    return Duplicates(pairs, values.astype(np.float64), equal, sets, limit, words)


def _near(neighbors: Neighbors, limit: float, far: Float[np.ndarray, " n"] | None) -> Pairs:
    """Return pairs, the smaller row first, with a cosine of at least `limit`, and near by `far`."""
    pairs, values = [np.zeros((0, 2), np.int64)], [np.zeros(0, np.float32)]
    start = 0
    for nearest, cosines in neighbors:
        most = 1 - limit
        if far is not None:
            own = far[start : start + len(nearest), None]
            most = np.minimum(most, SHARE_OF_FAR * np.maximum(own, far[nearest]))
        rows, places = np.nonzero(1 - cosines <= most + ROUNDING)
        pairs.append(np.sort(np.stack([rows + start, nearest[rows, places]], axis=1), axis=1))
        values.append(cosines[rows, places])
        start += len(nearest)
    return np.concatenate(pairs), np.concatenate(values)


def _pairs_of_equal(same: Ints) -> Int[np.ndarray, "p 2"]:
    """Each row with the first of equal pixels."""
    rows = np.flatnonzero(same >= 0)
    _, first, which = np.unique(same[rows], return_index=True, return_inverse=True)
    pairs = np.stack([rows[first][which], rows], axis=1)
    return pairs[pairs[:, 0] != pairs[:, 1]]


def _sets(pairs: Int[np.ndarray, "p 2"], n: int) -> Ints:
    """Numbers of connected rows, in the order of their first rows; −1 for rows alone."""
    rows, ends = np.unique(pairs, return_inverse=True)
    graph = coo_array((np.ones(len(pairs), bool), ends.reshape(-1, 2).T), shape=(len(rows), len(rows)))
    _, parts = connected_components(graph, directed=False)
    _, first, which = np.unique(parts, return_index=True, return_inverse=True)
    sets = np.full(n, -1)
    sets[rows] = np.argsort(np.argsort(first))[which]
    return sets


def _words(
    sets: Ints, equal: Bool[np.ndarray, " p"], limit: float | None, given: bool, usual: float, noun: str
) -> str:
    num, inside = int(sets.max(initial=-1)) + 1, int((sets >= 0).sum())
    found = f"{inside:,} {noun}s in {num:,} set{'s' * (num != 1)} of near-duplicates" if num else ""
    found = found or "no near-duplicates"
    if num:
        num_equal = int(equal.sum())
        found += f" ({num_equal:,} pair{'s' * (num_equal != 1)} of equal values)"
    if limit is None:
        return f"{found}: only equal values count, since features of most {noun}s are the same."
    why = "That is ten times as close as neighbours usually are here, "
    why += "and four times as close as the 20th nearest"
    why = "That is the limit that was asked for" if given else why
    return f"{found}: pairs with a cosine of at least {limit:.5f}. {why}."
