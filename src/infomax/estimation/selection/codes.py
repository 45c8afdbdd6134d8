"""Features as codes of few labels, and what tables of three of them tell.

Numbers become bins of nearly equal mass. Bins keep less information than the numbers have, and at most log of
their number; for the choice among features they are counted in a small part of the time that nearest
neighbours take.
"""

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.stats import chi2

from infomax.estimation.counting.counts import Counting, MillerMadow, PlugIn

MAX_BINS = 16
MIN_EXPECTED = 5  # rows in a cell of three columns of equally frequent labels (Cochran's rule)


def suited_num_bins(num_rows: int, num_classes: int | None) -> int:
    """Return the number of bins for which a table of two features and the target has 5 rows in a cell.

    Args:
        num_rows: n.
        num_classes: labels of the target; None for a target of numbers, which gets as many bins.
    """
    cells = num_rows / MIN_EXPECTED
    bins = cells ** (1 / 3) if num_classes is None else (cells / num_classes) ** 0.5
    return int(np.clip(bins, 2, MAX_BINS))


def binned(values: Float[np.ndarray, " n"], num_bins: int) -> Int[np.ndarray, " n"]:
    """Return bins of nearly equal mass, as codes [n]; equal values share a bin, and NaN has one of its own.

    Few different values are their own bins.

    Example:
        >>> binned(np.array([3.0, 1.0, 2.0, 4.0, np.nan]), 2)
        array([1, 0, 0, 1, 2])
    """
    present = ~np.isnan(values)
    distinct, which, counts = np.unique(values[present], return_inverse=True, return_counts=True)
    middle = (np.cumsum(counts) - counts / 2) / counts.sum()  # of the ranks that equal values take up
    bins = np.arange(len(distinct)) if len(distinct) <= num_bins else (middle * num_bins).astype(np.intp)
    codes = np.full(len(values), num_bins)
    codes[present] = bins[which]
    return np.unique(codes, return_inverse=True)[1]


def merged(values: Shaped[np.ndarray, " n"], num_labels: int) -> Int[np.ndarray, " n"]:
    """Return labels as codes [n], the most frequent first; all beyond `num_labels` − 1 share the last code.

    Example:
        >>> merged(np.array([7.0, 7.0, 5.0, 9.0]), 2)
        array([0, 0, 1, 1])
    """
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    rank = np.empty(len(counts), dtype=np.intp)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return np.minimum(rank, num_labels - 1)[codes]


def tables_with(
    features: Int[np.ndarray, "m n"], other: Int[np.ndarray, " n"], num_labels: int
) -> Shaped[np.ndarray, "m x y"]:
    """Return the contingency table of every feature and one other column: [m, labels, labels of other].

    Args:
        features: codes [m, n].
        other: codes [n].
        num_labels: of the other column.
    """
    height, width = int(features.max(initial=0)) + 1, num_labels
    counts = [np.bincount(feature * width + other, minlength=height * width) for feature in features]
    return np.reshape(counts, (len(features), height, width))


def information(counting: Counting, tables: Shaped[np.ndarray, "m x y"]) -> Float[np.ndarray, " m"]:
    """Return I(X;Y) of every table [m, x, y], in nats: [m]."""
    return np.array([found.value for found in counting.information_of_tables(tables)])


def conditional_information(
    counting: Counting, tables: Shaped[np.ndarray, "m x y z"]
) -> Float[np.ndarray, " m"]:
    """Return I(X;Y|Z) = I(X;Y,Z) − I(X;Z) of every table [m, x, y, z], in nats: [m]."""
    together = tables.reshape(*tables.shape[:2], -1)  # [m, x, y·z]
    return information(counting, together) - information(counting, tables.sum(axis=2))


def bias_corrected(tables: Shaped[np.ndarray, "m x y z"]) -> Float[np.ndarray, " m"]:
    """Return I(X;Y|Z) of every table [m, x, y, z], with the first-order bias removed, in nats: [m]."""
    return conditional_information(MillerMadow(), tables)


def log_p_values(tables: Shaped[np.ndarray, "m x y z"]) -> Float[np.ndarray, " m"]:
    """Return log p of G-tests of X ⟂ Y given Z, from tables [m, x, y, z]: [m].

    2n times the plug-in information is χ² with Σ_z (k_x − 1)(k_y − 1) degrees of freedom, k the labels seen
    together with z. A feature that is constant wherever Y varies has p = 1.
    """
    num_rows = tables.sum(axis=(1, 2, 3))
    num_x, num_y = (np.count_nonzero(tables.any(axis=axis), axis=1) for axis in (2, 1))  # [m, z]
    degrees = (np.maximum(num_x - 1, 0) * np.maximum(num_y - 1, 0)).sum(axis=1)
    statistics = 2 * num_rows * conditional_information(PlugIn(), tables)
    return np.where(degrees > 0, chi2.logsf(statistics, np.maximum(degrees, 1)), 0.0)
