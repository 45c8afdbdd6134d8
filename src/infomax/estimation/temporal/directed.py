"""Directed information between two series, as a rate: what flows from source to target in each row.

    I(X→Y) = lim 1/n Σₜ I(X₁, …, Xₜ; Yₜ | Y₁, …, Yₜ₋₁)

For stationary series each term tends to I(past and present of X; Yₜ | past of Y). Without the present of X it
is the transfer entropy. The rate of I(Xⁿ;Yⁿ) is the sum of this one and of the one back, that without the
present (Massey's conservation law).

Two estimators: any estimator of conditional information, with a history of fixed length; and, for labels,
predictions from weighted context trees, which weight all shorter histories by how well they predict.

Reference: Massey (1990), Causality, feedback and directed information; Jiao, Permuter, Zhao, Kim and Weissman
(2013), Universal estimation of directed information.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from infomax.errors import refuse
from infomax.estimation.counting.doubt import MAX_ALONE
from infomax.estimation.estimate import Estimate, Estimator, mean_with_error
from infomax.estimation.lags import equal_lengths, transfer_entropy
from infomax.estimation.samples import as_codes, check_whole
from infomax.estimation.temporal.context_trees import predictions


def directed_information_rate(
    source: Any,
    target: Any,
    estimator: Estimator,
    history: int,
    *,
    instantaneous: bool = True,
    groups: Any = None,
) -> Estimate:
    """Return I(X_{t−h}, …, X_t; Y_t | Y_{t−h}, …, Y_{t−1}) in nats a row.

    Too short a history of the target makes it too high, too short a history of the source too low.

    Args:
        source: X, [n] or [n, d], in order of time.
        target: Y, [n] or [n, d].
        estimator: of conditional information.
        history: h, in rows.
        instantaneous: whether X_t is counted: X comes before Y within a row.
        groups: labels [n] of the series that rows belong to; None for one series.

    Raises:
        ValueError: a history below 1, series of different lengths, or too few rows.

    Example:
        >>> from infomax.estimation.gaussian import Gaussian
        >>> x, noise = np.random.default_rng(0).standard_normal((2, 5000))
        >>> found = directed_information_rate(x, x + noise, Gaussian(), history=2)
        >>> abs(found.value - 0.3466) < 3 * found.standard_error  # ½ log 2
        True
    """
    check_whole("directed_information_rate", "history", history, least=1, remedy="it counts rows")
    past = range(1, history + 1)
    lags = [0, *past] if instantaneous else [*past]
    found = transfer_entropy(source, target, estimator, source_lags=lags, target_lags=[*past], groups=groups)
    return replace(found, method=f"{found.method}, history={history}")


def directed_information_by_context_trees(
    source: Any, target: Any, depth: int, *, instantaneous: bool = True
) -> Estimate:
    """Return the mean of log q(Y_t | X^t, Y^{t−1}) / q(Y_t | Y^{t−1}) in nats a row, for labels.

    q are sequential predictions from weighted context trees of the given depth (Jiao et al., Î₁). `kind` is
    "estimate": consistent for stationary ergodic Markov chains of order up to the depth. Each prediction is
    learned as it goes, which costs about (contexts · log n) / 2n nats more for the larger alphabet, so that
    the value is low for short series. The standard error holds the scatter, and the distance to the mean
    divergence of the two predictions (Î₃). Labels that hardly repeat, as numbers do, show nothing: a caution
    says so.

    Cost: n · depth steps in Python, some 30 µs each.

    Args:
        source: X, labels of any kind [n], in order of time.
        target: Y, labels [n].
        depth: of the trees, in rows of the past.
        instantaneous: whether X_t is counted: X comes before Y within a row.

    Raises:
        ValueError: a depth below 1, series of different lengths, or no more rows than the depth.

    Example:
        >>> x = np.random.default_rng(0).integers(2, size=2000)
        >>> round(directed_information_by_context_trees(x, np.roll(x, 1), 2).bits, 1)
        1.0
    """
    operation = "directed_information_by_context_trees"
    check_whole(operation, "depth", depth, least=1, remedy="it counts rows of the past")
    n = equal_lengths(operation, source=source, target=target)
    x, y = as_codes(operation, source=source, target=target)
    refuse(
        n <= depth + 1,
        f"{operation}: a depth of {depth} needs more than {depth + 1} rows, got {n}; lower depth",
    )
    num_y = int(y.max()) + 1
    together = x * num_y + y
    own = np.column_stack([y[depth - lag : n - lag] for lag in range(1, depth + 1)])
    both = [together[depth - lag : n - lag] for lag in range(1, depth + 1)]
    both = np.column_stack([x[depth:], *both] if instantaneous else both)
    of_both, of_own = (predictions(y[depth:], contexts, num_y) for contexts in (both, own))
    log_ratio = np.log(of_both) - np.log(of_own)
    local = log_ratio[np.arange(n - depth), y[depth:]]
    value, error = mean_with_error(local)
    divergence = float((of_both * log_ratio).sum(axis=1).mean())
    error = math.hypot(error, divergence - value)
    method = f"context trees, depth={depth}"
    return Estimate(value, error, len(local), method=method, local=local, cautions=_rare(together))


def _rare(together: np.ndarray) -> tuple[str, ...]:
    """Return the caution that most rows have labels, of source and target together, that no other has."""
    alone = float((np.unique(together, return_counts=True)[1] == 1).sum() / len(together))
    if alone <= MAX_ALONE:
        return ()
    return (
        f"undersampled: {alone:.0%} of the rows are the only ones with their labels; cut numbers into few",
    )
