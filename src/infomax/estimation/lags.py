"""Information between time series: lagged mutual information and transfer entropy.

Series are arrays [n] or [n, d] in order of time, evenly spaced. Everything here lines samples up and hands
them to an estimator; a lag of 1 is one row. Rows may not be missing: dropping one would join times that are
apart.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from infomax.estimation.estimate import Estimate, Estimator
from infomax.estimation.samples import to_array


def lagged(series: Any, lags: Sequence[int], *, start: int | None = None) -> np.ndarray:
    """Row t holds series[t − l] for each lag l, in the order of `lags`: [n − start, d · number of lags].

    Args:
        series: [n] or [n, d].
        lags: at least 0 each.
        start: the first t, by default the longest lag; give a later one to line up with other series.

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
    if not max(lags) <= start < len(rows):
        raise ValueError(
            f"lagged: start must be from the longest lag, {max(lags)}, to {len(rows) - 1}, got {start}"
        )
    return np.column_stack([rows[start - lag : len(rows) - lag] for lag in lags])


def lagged_information(x: Any, y: Any, estimator: Estimator, lag: int, *, given: Any = None) -> Estimate:
    """I(X_{t−lag}; Y_t), or given Z_t: what x tells of y `lag` rows later.

    Args:
        lag: how much later y is; below 0, how much earlier: I(X_t; Y_{t+lag}).
        given: a series that is read at the time of Y.

    Example:
        >>> from infomax.estimation.gaussian import Gaussian
        >>> x = np.random.default_rng(0).standard_normal(1000)
        >>> y = np.roll(x, 2) + np.random.default_rng(1).standard_normal(1000)
        >>> [lagged_information(x, y, Gaussian(), lag).value > 0.1 for lag in (1, 2, 3)]
        [False, True, False]
    """
    n = _equal_lengths("lagged_information", x=x, y=y, given=given)
    _check_lags("lagged_information", [abs(lag)], n)
    start = abs(lag)
    delay_x, delay_y = max(lag, 0), max(-lag, 0)
    condition = None if given is None else lagged(given, [delay_y], start=start)
    return estimator.estimate(
        lagged(x, [delay_x], start=start), lagged(y, [delay_y], start=start), given=condition
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
) -> Estimate:
    """I(source_{t−l}; target_t | target_{t−m}, given_{t−g}): what the source's past adds to the target's own.

    Lags are named one by one, so a delay of 3 rows with a history of two is source_lags=(3, 4). A lag of 0 in
    the source allows for effects within a row. Too short a history of the target makes it read high.

    Args:
        source: [n] or [n, d].
        target: [n] or [n, d].
        estimator: one that takes a condition, such as KSG(), Gaussian(), or a counting one for labels.
        source_lags: l, at least 0.
        target_lags: m, at least 1.
        given: another series whose past is known, for what the source adds to it.
        given_lags: g, at least 0.

    Raises:
        ValueError: lags out of range, series of unequal lengths, or too few rows.

    Example:
        >>> from infomax.estimation.gaussian import Gaussian
        >>> rng = np.random.default_rng(0)
        >>> source = rng.standard_normal(5000)
        >>> target = np.append(0, source[:-1]) + rng.standard_normal(5000)  # ½ log 2 = 0.347
        >>> abs(transfer_entropy(source, target, Gaussian()).value - 0.347) < 0.03
        True

    Reference: Schreiber (2000).
    """
    n = _equal_lengths("transfer_entropy", source=source, target=target, given=given)
    used = [*source_lags, *target_lags, *(given_lags if given is not None else ())]
    _check_lags("transfer_entropy", used, n)
    if not source_lags or not target_lags or min(target_lags) < 1:
        raise ValueError(
            "transfer_entropy: needs a lag of the source, and of the target lags of at least 1, got "
            f"source_lags={tuple(source_lags)}, target_lags={tuple(target_lags)}; with no history of the "
            "target it is lagged_information"
        )
    start = max(used)
    past = [lagged(target, target_lags, start=start)]
    if given is not None:
        past.append(lagged(given, given_lags, start=start))
    return estimator.estimate(
        lagged(source, source_lags, start=start),
        lagged(target, [0], start=start),
        given=np.column_stack(past),
    )


def _equal_lengths(operation: str, **series: Any) -> int:
    lengths = {name: len(to_array(rows)) for name, rows in series.items() if rows is not None}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"{operation}: series must have equally many rows, got {lengths}; do they cover the same times?"
        )
    return next(iter(lengths.values()))


def _check_lags(operation: str, lags: Sequence[int], num_rows: int) -> None:
    if not len(lags) or min(lags) < 0:
        raise ValueError(f"{operation}: lags must be one or more numbers of rows ≥ 0, got {tuple(lags)}")
    if max(lags) >= num_rows:
        raise ValueError(
            f"{operation}: a lag of {max(lags)} needs more than {max(lags)} rows, got {num_rows}; "
            "lags are counted in rows"
        )
