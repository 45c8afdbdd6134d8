"""Rows that follow each other in time: whether they do, how long their memory is, and what it costs.

If x and y are independent of each other, the covariance of n rows varies by

    (1/n) Σ_k ρ_x(k) ρ_y(k)

over all lags k: the sum, the inflation, is 1 for independent rows. A permutation test of single rows takes it
to be 1. Blocks of b rows lose Σ_k |k| ρ_x(k) ρ_y(k) / b of it. Autocorrelations are of ranks, and of ranks of
the distance from the median, in which changes of scale show; of these and of several columns, the one with
the strongest correlation at lag 1 counts.

Reference: Bartlett (1935), for the sum; Künsch (1989), for what blocks lose; Politis and White (2004), for
the lags that are taken into it.
"""

from typing import Any

import numpy as np
from scipy.stats import norm, rankdata

from infomax.estimation.samples import as_codes

MAX_INFLATION = 1.1
"""At this inflation, a test of the level 5 % finds something in 6.2 % of independent pairs."""
MAX_LOST = (0.04, 0.1)
"""Shares of the inflation that blocks may lose: the first where it leaves `MIN_BLOCKS`, else the last."""
MIN_BLOCKS = 20
SIGNIFICANCE = 0.01
"""Of the correlation at lag 1, for each of x and y, over all of their columns."""
MIN_ROWS = 10
IF_IN_TIME = "; if they are in the order of time, p is too small; "
USE_SHIFTS = "use CircularShifts"
FURTHER_APART = "shifts do not allow for a condition, so keep only rows that are further apart"


def serial_dependence(x: Any, y: Any, *, groups: Any = None, has_condition: bool = False) -> str | None:
    """Return a sentence that says that rows follow each other, with numbers; None where they do not.

    Rows follow each other where both x and y correlate with themselves one row before (at 1 %), and together
    this makes a correlation of x and y vary by more than a tenth. One of them alone does no harm. With fewer
    than 10 rows the answer is None.

    Args:
        x: samples [n] or [n, d], numbers or codes of labels.
        y: samples.
        groups: the label of each row's series, [n], rows of a series in the order of time. What differs from
            group to group is no dependence: rows are compared with the others of their group.
        has_condition: whether I(X;Y|Z) is tested, for which series cannot be shifted.

    Example:
        >>> x, y = np.random.default_rng(0).standard_normal((2, 500))
        >>> serial_dependence(x, y) is None
        True
        >>> serial_dependence(np.cumsum(x), np.cumsum(y))
        'rows follow each other: ...; if they are in the order of time, p is too small; use CircularShifts'
    """
    n = len(x)
    if n < MIN_ROWS:
        return None
    order, codes, within = *_in_order(groups, n), groups is not None
    scores = [_scores(rows)[:, order] for rows in (x, y)]
    scores = [_within_groups(one, codes) for one in scores] if within else scores
    chosen = [_most_persistent(one, codes, within) for one in scores]
    if any(abs(first) * np.sqrt(n) < norm.isf(SIGNIFICANCE / 2 / num) for _, first, num in chosen):
        return None
    inflation = 1 + 2 * float(_common_autocorrelation(chosen[0][0], chosen[1][0], codes, within).sum())
    if inflation <= MAX_INFLATION:
        return None
    first_x, first_y = (first for _, first, _ in chosen)
    remedy = FURTHER_APART if has_condition else USE_SHIFTS
    return (
        f"rows follow each other: rank correlation with the row before {first_x:.2f} in x and {first_y:.2f} "
        f"in y, so that {n} rows count as about {max(n / inflation, 1):.0f}{IF_IN_TIME}"
        f"{remedy}"
    )


def block_length(x: Any, y: Any, *, groups: Any = None) -> int:
    """Return how long blocks must be; 1 for independent rows.

    They lose at most a twenty-fifth of the inflation, or as little as leaves 20 blocks, but never more than a
    tenth, by which the level 5 % becomes 6.3 %.

    Args:
        x: samples [n] or [n, d], numbers or codes of labels.
        y: samples.
        groups: the label of each row's series, [n].

    Example:
        >>> x, y = np.random.default_rng(0).standard_normal((2, 500))
        >>> block_length(x, y)
        1
    """
    n = len(x)
    if n < MIN_ROWS:
        return 1
    order, codes = _in_order(groups, n)
    (x_scores, *_), (y_scores, *_) = (_most_persistent(_scores(rows)[:, order], codes) for rows in (x, y))
    common = _common_autocorrelation(x_scores, y_scores, codes)
    lost, inflation = 2 * float(np.arange(1, len(common) + 1) @ common), 1 + 2 * float(common.sum())
    longest, shortest = (int(np.ceil(lost / max(inflation, 1.0) / share)) for share in MAX_LOST)
    return max(1, shortest, min(longest, n // MIN_BLOCKS))


def _in_order(groups: Any, num_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows group by group, in their order within each, and their groups' codes."""
    if groups is None:
        return np.arange(num_rows), np.zeros(num_rows, dtype=np.intp)
    (codes,) = as_codes("blocks", groups=groups)
    order = np.argsort(codes, kind="stable")
    return order, codes[order]


def _scores(value: Any) -> np.ndarray:
    """Return ranks of each column, and ranks of the distance from its median, standardised: [2d, n]."""
    rows = np.asarray(value, dtype=float).reshape(len(value), -1).T
    ranks = rankdata(rows, axis=1)
    folded = rankdata(np.abs(ranks - ranks.mean(axis=1, keepdims=True)), axis=1)
    return _standardised(np.vstack([ranks, folded]))


def _within_groups(scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return scores less the mean of their group, standardised again: [2d, n]."""
    means = np.array([np.bincount(codes, weights=one) for one in scores]) / np.bincount(codes)
    return _standardised(scores - means[:, codes])


def _standardised(scores: np.ndarray) -> np.ndarray:
    scores = scores - scores.mean(axis=1, keepdims=True)
    spread = scores.std(axis=1, keepdims=True)
    return np.divide(scores, spread, out=np.zeros_like(scores), where=spread > 0)


def _most_persistent(
    scores: np.ndarray, codes: np.ndarray, within: bool = False
) -> tuple[np.ndarray, float, int]:
    """Return the scores with the strongest correlation at lag 1, that correlation, and their number."""
    first = np.array([_autocorrelation(one, codes, 1, within) for one in scores])
    best = int(np.argmax(np.abs(first)))
    return scores[best], float(first[best]), len(scores)


def _autocorrelation(scores: np.ndarray, codes: np.ndarray, lag: int, within: bool = False) -> float:
    """Return the mean of s(t) s(t + lag) over all n rows, pairs of one group alone.

    Two of the m scores of a group whose mean is 0 have a product of −Σ s² / m (m − 1) on average. Where
    scores are taken `within` groups, products are counted from there.
    """
    together, expected = codes[lag:] == codes[:-lag], 0.0
    if within:
        sizes = np.bincount(codes)
        expected = (-np.bincount(codes, weights=scores**2) / np.maximum(sizes * (sizes - 1), 1))[codes[lag:]]
    return float(((scores[lag:] * scores[:-lag] - expected) * together).sum() / len(scores))


def _common_autocorrelation(
    x: np.ndarray, y: np.ndarray, codes: np.ndarray, within: bool = False
) -> np.ndarray:
    """Return ρ_x(k) ρ_y(k) for k = 1, 2, …, tapered, up to twice the lag at which one of the two vanishes.

    It vanishes where it stays below 2 √(log₁₀ n / n) for some lags.
    """
    n = len(x)
    few = max(5, round(np.sqrt(np.log10(n))))
    longest = min(n // 2, int(np.ceil(np.sqrt(n))) + few)
    limit = 2 * np.sqrt(np.log10(n) / n)
    products: list[float] = []
    last = 0  # the last lag that counts
    while len(products) < longest and len(products) < max(2 * last, last + few):
        lag = len(products) + 1
        pair = _autocorrelation(x, codes, lag, within), _autocorrelation(y, codes, lag, within)
        products.append(pair[0] * pair[1])
        last = lag if min(map(abs, pair)) >= limit else last
    width = max(2 * last, 1)
    lags = np.arange(1, len(products) + 1)
    taper = np.clip(2 * (1 - lags / width), 0, 1)
    return taper * np.array(products)
