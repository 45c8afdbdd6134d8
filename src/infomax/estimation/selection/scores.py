"""Score functions for scikit-learn's selectors: ``SelectKBest(information_classif, k=10)``.

They take the place of `mutual_info_classif` and `mutual_info_regression`, and differ in four ways: columns of
labels are recognised; values are not clipped at 0; missing values (NaN) are allowed; and with
``num_permutations`` there are p-values, which `SelectFdr` and its relatives need.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from infomax.estimation.tables.preparing import with_target
from infomax.estimation.tables.rank import rank_columns
from infomax.estimation.tables.reading.frames import ReadFrame, as_frame

Scores = np.ndarray | tuple[np.ndarray, np.ndarray]


def information_classif(X: Any, y: Any, *, num_permutations: int = 0, seed: int = 0) -> Scores:
    """Return I(X;Y) of every column with a target of labels, in nats: [m].

    Args:
        X: columns, [n, m] or a frame; their kinds are those that `columns_of` finds.
        y: labels, [n].
        num_permutations: behind every p-value; 0 for none.
        seed: of the permutations, and of the order of ties.

    Returns:
        Values, NaN for a column that cannot be measured; with permutations also p-values, not adjusted.

    Raises:
        ValueError: X is no table; y is constant, or of another length.

    Example:
        >>> from sklearn.datasets import load_wine
        >>> from sklearn.feature_selection import SelectKBest
        >>> X, y = load_wine(return_X_y=True)
        >>> SelectKBest(information_classif, k=2).fit(X, y).get_support(indices=True)
        array([ 6, 12])
    """
    return _scores(X, y, "labels", num_permutations, seed)


def information_regression(X: Any, y: Any, *, num_permutations: int = 0, seed: int = 0) -> Scores:
    """Return I(X;Y) of every column with a target of numbers, in nats: [m]; else as `information_classif`."""
    return _scores(X, y, "continuous", num_permutations, seed)


def _scores(X: Any, y: Any, kind: str, num_permutations: int, seed: int) -> Scores:
    table, target = with_target("rank_columns", _apart_from(str(getattr(y, "name", None) or "target"), X), y)
    ranking = rank_columns(table, target, kinds={target: kind}, num_permutations=num_permutations, seed=seed)
    names = [name for name in table.frame.columns if name != target]
    rows = dict(zip(ranking.frame["column"], ranking.frame.select("value", "p_value").rows(), strict=True))
    values, p_values = np.array([rows.get(name, (None, None)) for name in names], dtype=float).T
    return (values, p_values) if num_permutations else values


def _apart_from(name: str, X: Any) -> ReadFrame:
    """Return X as a frame in which no column has the name of the target, so that each has a score."""
    read = as_frame("rank_columns", X)
    names = {name: f"{name} of X"} if name in read.frame.columns else {}
    return replace(read, frame=read.frame.rename(names))
