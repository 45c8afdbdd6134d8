"""Information between time series: lagged mutual information and transfer entropy.

Series are arrays [n] or [n, d] in order of time, evenly spaced; a lag of 1 is one row. Each function aligns
the series and passes them to an estimator. No row may be missing: dropping one would join times that are
apart.

Rows of several series (a panel: one for each person, animal or recording) have their labels in `groups`. A
lag then counts the rows of the same group, wherever these stand. The first rows of each group, whose past is
not known, are left out, and `method` says how many.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from infomax.errors import refuse
from infomax.estimation.estimate import Estimate, Estimator
from infomax.estimation.samples import as_codes, to_array


def lagged(series: Any, lags: Sequence[int], *, start: int | None = None) -> np.ndarray:
    """Return rows t that hold series[t − l] for each lag l, in the order of `lags`.

    Args:
        series: [n] or [n, d].
        lags: each at least 0.
        start: the first t, by default the longest lag; a later one aligns the result with other series.

    Returns:
        [n − start, d · number of lags].

    Raises:
        ValueError: no lag, a lag below 0, or too few rows.

    Example:
        >>> lagged([10, 11, 12, 13], [1, 2])
        array([[11, 10],
               [12, 11]])
    """
    rows = to_array(series)
    _check_lags("lagged", lags, len(rows))
    rows = rows.reshape(len(rows), -1)  # [n, d]
    start = max(lags) if start is None else start
    refuse(
        not max(lags) <= start < len(rows),
        f"lagged: start must be from the longest lag, {max(lags)}, to {len(rows) - 1}, got {start}",
    )
    return np.column_stack([rows[start - lag : len(rows) - lag] for lag in lags])


def lagged_information(
    x: Any, y: Any, estimator: Estimator, lag: int, *, given: Any = None, groups: Any = None
) -> Estimate:
    """Return I(X_{t−lag}; Y_t), or the same given Z_t: what x tells about y `lag` rows later.

    Args:
        lag: how many rows y is later; if negative, how many rows it is earlier: I(X_t; Y_{t+lag}).
        given: a series that is read at the time of Y.
        groups: labels [n] of the series that rows belong to; None for one series.

    Example:
        >>> from infomax.estimation.gaussian import Gaussian
        >>> x = np.random.default_rng(0).standard_normal(1000)
        >>> y = np.roll(x, 2) + np.random.default_rng(1).standard_normal(1000)
        >>> [lagged_information(x, y, Gaussian(), lag).value > 0.1 for lag in (1, 2, 3)]
        [False, True, False]
    """
    n = equal_lengths("lagged_information", x=x, y=y, given=given, groups=groups)
    _check_lags("lagged_information", [abs(lag)], n)
    aligned = Aligned("lagged_information", abs(lag), n, groups)
    delay_x, delay_y = max(lag, 0), max(-lag, 0)
    condition = None if given is None else aligned.rows(given, [delay_y])
    return aligned.told(
        estimator.estimate(aligned.rows(x, [delay_x]), aligned.rows(y, [delay_y]), given=condition)
    )


def transfer_entropy(
    source: Any,
    target: Any,
    estimator: Estimator,
    *,
    source_lags: Sequence[int] = (1,),
    target_lags: Sequence[int] = (1,),
    given: Any = None,
    given_lags: Sequence[int] = (1,),
    groups: Any = None,
) -> Estimate:
    """Return I(source_{t−l}; target_t | target_{t−m}, given_{t−g}): what the source adds.

    Lags are listed one by one: a delay of 3 rows with a history of two is source_lags=(3, 4). A source lag of
    0 allows for effects within a row. With too short a history of the target, the value is too high.

    Args:
        source: [n] or [n, d].
        target: [n] or [n, d].
        estimator: one that takes a condition, such as KSG(), Gaussian(), or a counting one for labels.
        source_lags: l, at least 0.
        target_lags: m, at least 1.
        given: another series whose past is known.
        given_lags: g, at least 0.
        groups: labels [n] of the series that rows belong to; None for one series.

    Raises:
        ValueError: lags out of range, series of different lengths, or too few rows.

    Example:
        >>> from infomax.estimation.gaussian import Gaussian
        >>> rng = np.random.default_rng(0)
        >>> source = rng.standard_normal(5000)
        >>> target = np.append(0, source[:-1]) + rng.standard_normal(5000)  # ½ log 2 = 0.347
        >>> abs(transfer_entropy(source, target, Gaussian()).value - 0.347) < 0.03
        True

    Reference: Schreiber (2000).
    """
    n = equal_lengths("transfer_entropy", source=source, target=target, given=given, groups=groups)
    used = [*source_lags, *target_lags, *(given_lags if given is not None else ())]
    _check_lags("transfer_entropy", used, n)
    refuse(
        not source_lags or not target_lags or min(target_lags) < 1,
        "transfer_entropy: needs a lag of the source, and lags of at least 1 of the target, got "
        f"source_lags={tuple(source_lags)}, target_lags={tuple(target_lags)}; without a history of the "
        "target, use lagged_information",
    )
    aligned = Aligned("transfer_entropy", max(used), n, groups)
    past = [aligned.rows(target, target_lags)]
    if given is not None:
        past.append(aligned.rows(given, given_lags))
    x, y = aligned.rows(source, source_lags), aligned.rows(target, [0])
    return aligned.told(estimator.estimate(x, y, given=np.column_stack(past)))


class Aligned:
    """Rows with a past of `start` rows of their own group, in order of the groups' first appearance."""

    def __init__(self, operation: str, start: int, num_rows: int, groups: Any) -> None:
        self._start, self._num_rows, self._order = start, num_rows, None
        self._kept = np.ones(num_rows - start, dtype=bool)
        if groups is None:
            return
        (codes,) = as_codes(operation, groups=groups)
        refuse(
            len(codes) != num_rows,
            f"{operation}: groups must have one label for each of {num_rows} rows, got {len(codes)}",
        )
        firsts = np.unique(codes, return_index=True)[1]
        self._order = np.argsort(firsts[codes], kind="stable")
        codes = codes[self._order]
        self._kept = codes[start:] == codes[: num_rows - start]
        refuse(
            not self._kept.any(),
            f"{operation}: lags of up to {start} rows need a group with more rows, got "
            f"{len(firsts)} groups of at most {np.bincount(codes).max()}; lags count the rows of a group",
        )

    def rows(self, series: Any, lags: Sequence[int]) -> np.ndarray:
        """Return the rows of `lagged`, without those whose past lies in another group."""
        series = to_array(series)
        series = series if self._order is None else series[self._order]
        return lagged(series, lags, start=self._start)[self._kept]

    def told(self, estimate: Estimate) -> Estimate:
        """Return the estimate; with groups, its method says how many rows have no past."""
        if self._order is None:
            return estimate
        left_out = self._num_rows - int(self._kept.sum())
        about = f"{left_out:,} of {self._num_rows:,} rows without a past in their group left out"
        return replace(estimate, method=f"{estimate.method}, {about}")


def equal_lengths(operation: str, **series: Any) -> int:
    """Return how many rows all series have.

    Raises:
        ValueError: they have different numbers of rows.
    """
    lengths = {name: len(to_array(rows)) for name, rows in series.items() if rows is not None}
    refuse(
        len(set(lengths.values())) > 1,
        f"{operation}: series must have equally many rows, got {lengths}; do they cover the same times?",
    )
    return next(iter(lengths.values()))


def _check_lags(operation: str, lags: Sequence[int], num_rows: int) -> None:
    refuse(
        not len(lags) or min(lags) < 0,
        f"{operation}: lags must be one or more numbers of rows ≥ 0, got {tuple(lags)}",
    )
    refuse(
        max(lags) >= num_rows,
        f"{operation}: a lag of {max(lags)} needs more than {max(lags)} rows, got {num_rows}; "
        "lags are counted in rows",
    )
