"""Outliers: images that are far even from those nearest to them.

The distance of an image is 1 − the cosine with its 5th nearest other. An outlier is further than
Q3 + 3 · (Q3 − Q1) of all these distances, which Tukey (1977, "Exploratory Data Analysis") calls far out.
Duplicates of an image are no neighbours, so that two copies of a strange image are both strange.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from infomax.evaluation.grouping.duplicates import Neighbors

NTH = 5
"""The neighbour whose distance counts; of few images the last."""
MIN_IMAGES = 10
"""Images from which there can be outliers."""
NUM_RANGES = 3
"""Ranges between the quartiles by which an outlier is above the third."""


@dataclass(frozen=True)
class Outliers:
    """Rows that are far from all others.

    Attributes:
        rows: those of outliers, the furthest first.
        distance: of every row to its 5th nearest.
        threshold: distance from which a row is an outlier; None for very few rows.
        words: how many there are and what counts, in a sentence.
    """

    rows: Int[np.ndarray, " m"]
    distance: Float[np.ndarray, " n"]
    threshold: float | None
    words: str

    @property
    def furthest(self) -> Int[np.ndarray, " n"]:
        """Return all rows, the furthest first."""
        return np.argsort(-self.distance, kind="stable")


def outliers(
    neighbors: Neighbors,
    sets: Int[np.ndarray, " n"],
    *,
    noun: str = "image",
) -> Outliers:
    """Return the rows that are further from their 5th nearest than is usual.

    Args:
        neighbors: the nearest others of each row, the nearest first, block by block.
        sets: of duplicates, −1 for none; neighbours of a row's own set are passed over.
        noun: one of the things.
    """
    distance = _distances(neighbors, sets)
    if len(distance) < MIN_IMAGES:
        words = f"no outliers are named among fewer than {MIN_IMAGES} {noun}s."
        return Outliers(np.zeros(0, int), distance, None, words)
    first, third = np.quantile(distance, [0.25, 0.75])
    threshold = float(third + NUM_RANGES * (third - first))
    rows = np.argsort(-distance, kind="stable")
    rows = rows[distance[rows] > threshold + 1e-6]
    num = len(rows)
    words = (
        f"{num:,} outlier{'s' * (num != 1)}. Outliers are {noun}s whose {NTH}th nearest {noun} is further "
        f"away (1 − cosine) than {threshold:.3g}. This limit is the third quartile of these distances plus "
        f"{NUM_RANGES} times the range between their quartiles."
    )
    return Outliers(rows, distance, threshold, words)


def _distances(neighbors: Neighbors, sets: Int[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """1 − cosine of the 5th nearest that is no duplicate; of the last where there are fewer."""
    distance, start = np.zeros(len(sets)), 0
    for nearest, cosines in neighbors:
        rows = slice(start, start + len(nearest))
        own = sets[rows, None]
        count = np.cumsum((sets[nearest] != own) | (own < 0), axis=1)
        reached = count >= np.minimum(NTH, np.maximum(count[:, -1:], 1))
        place = np.where(reached.any(1), reached.argmax(1), nearest.shape[1] - 1)
        distance[rows] = 1 - cosines[np.arange(len(nearest)), place].astype(np.float64)
        start += len(nearest)
    return distance
