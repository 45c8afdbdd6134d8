"""How many groups there are: the smallest number whose silhouette is as good as the highest.

A row's silhouette is (b − a) / max(a, b): a is its mean distance to the others of its group, b to those of
the next group. Its mean is 1 for small groups far apart, and about 0 where groups shade into one another. The
number is the smallest whose mean is at least the highest mean less two standard errors (of the mean over
rows), since the mean hardly falls where true groups are cut into parts.

What else was tried, on features of 60 to 1,347 images of ten digits (13 draws, with known classes that took
no part) and on made groups of 3, 5 and 12 kinds: this rule chose 6 to 16, median 10, and every made number
but one (11 of 12, from 200 rows). The highest silhouette chose 12 to 20. The highest Calinski–Harabasz index
chose 8 to 10 but for 3 draws, where it chose 2, as it did of raw digits and of 12 noisy groups. The agreement
of halves (stability) chose 5 to 13, and 2 of 5 made groups, since halves agree on two clear groups, too. The
gap statistic rose up to the largest number. Groups of an encoder that has learned little are few by any of
them: two, such as light and dark.

Reference: Rousseeuw (1987), "Silhouettes: a graphical aid to the interpretation and validation of cluster
analysis".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_samples

MAX_GROUPS = 20
"""The largest number that is tried."""
MIN_A_GROUP = 5
"""Rows a group, on average, in the largest number that is tried; of fewer than 20 rows two."""
MAX_COMPARED = 3000
"""Rows that are compared, drawn at random."""
NUM_ERRORS = 2
"""Standard errors within which a silhouette is as good as the highest."""
STARTS: Any = 5
"""Starts of k-means for each number, of which the best counts."""
WEAK = 0.1
"""Silhouette below which groups are said to be weak; rows of one Gaussian in 20 dimensions have 0.04."""


@dataclass(frozen=True)
class Criterion:
    """How a number of groups was chosen.

    Attributes:
        number: the number chosen.
        values: the mean silhouette for each number that was tried; empty where there was no choice.
        words: the same in a sentence.
    """

    number: int
    values: Mapping[int, float]
    words: str


def chosen_number(places: Float[np.ndarray, "n k"], *, seed: int = 0) -> Criterion:
    """Return how many groups rows make by k-means: the smallest number with as good a silhouette as any.

    Args:
        places: rows, in an order of their own if that shall not matter.
        seed: of the rows that are compared and of first centres.
    """
    sample = np.sort(np.random.default_rng(seed).permutation(len(places))[:MAX_COMPARED])
    rows = places[sample]
    num, different = len(rows), len(np.unique(rows, axis=0))
    most = min(MAX_GROUPS, num // (MIN_A_GROUP if num >= 20 else 2), different)
    if most < 2 or num < 4:
        return Criterion(1, {}, f"{different} different images are too few to look for more")
    mean, error = {}, {}
    for k in range(2, most + 1):
        labels = KMeans(k, n_init=STARTS, random_state=seed).fit_predict(rows)
        each = np.asarray(silhouette_samples(rows, labels))
        mean[k], error[k] = float(each.mean()), float(each.std()) / num**0.5
    best = max(mean, key=lambda k: (mean[k], -k))
    number = min(k for k in mean if mean[k] >= mean[best] - NUM_ERRORS * error[best])
    return Criterion(number, mean, _words(number, mean[number], most, num < len(places) and num))


def _words(number: int, value: float, most: int, drawn: int) -> str:
    on = f", on {drawn:,} drawn images" if drawn else ""
    weak = ": weak, the groups shade into one another" if value < WEAK else ""
    tried = f"of 2 to {most} groups, {number} is the smallest number" if most > 2 else "2 groups were tried"
    with_what = (
        f" with a silhouette as good as the highest within {NUM_ERRORS} standard errors" if most > 2 else ""
    )
    return f"{tried}{with_what} ({value:.2f}, at most 1{on}){weak}"
