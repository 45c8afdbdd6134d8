"""The columns of a table ranked by the information that each has about one of them, at one lag or more."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from joblib import delayed

from infomax.errors import refuse
from infomax.estimation.estimate import Estimator
from infomax.estimation.tables import DEFAULT_PERMUTATIONS
from infomax.estimation.tables.columns import Column, columns_of, named
from infomax.estimation.tables.measuring import Measuring, measure_all, task


@dataclass(frozen=True, eq=False)
class Ranking:
    """The result of `rank_columns`.

    Args:
        target: the column that the others are ranked for.
        given: columns that are known already.
        kinds: of all columns, by name.
        frame: one row for each column and lag, from the most information to the least, refused ones last:
            column, lag, value and standard_error in nats, num_samples, p_value, adjusted_p_value, kind and
            method of the estimate; refused: why there is no estimate.
    """

    target: str
    given: tuple[str, ...]
    kinds: Mapping[str, str]
    frame: pl.DataFrame

    def to_frame(self) -> pl.DataFrame:
        """Return one row for each column and lag, in order; refused: why there is no estimate."""
        return self.frame


def rank_columns(
    table: Any,
    target: str,
    estimator: Estimator | None = None,
    *,
    given: str | Sequence[str] = (),
    lags: Sequence[int] = (0,),
    kinds: Mapping[str, str] | None = None,
    num_permutations: int = DEFAULT_PERMUTATIONS,
    seed: int = 0,
    num_workers: int = -1,
    progress: bool = False,
) -> Ranking:
    """Return I(X;Y), or I(X;Y|given), of every column X and the target Y, in descending order.

    Each value is measured on the rows where X, Y and the given columns have values. Lags are for rows in
    order of time: a lag measures I(X_{t−lag}; Y_t). With ``given="y@1"``, which is Y_{t−1}, I(X_{t−lag}; Y_t
    | Y_{t−1}) is the transfer entropy from X to Y. The target's own past is ranked with the other columns.

    p-values assume independent rows: two slowly varying series can look dependent without being so. The
    lowest p-value is 1 / (1 + num_permutations): the more columns, the more permutations are needed.

    Args:
        table: a Polars or pandas frame, a mapping of names to columns, or an array [n, d].
        target: name of Y.
        estimator: as in `pairwise`.
        given: name or names of the known columns; ``name@lag`` for a column `lag` rows earlier.
        lags: rows by which X is earlier than Y, each at least 0.
        kinds: as in `pairwise`.
        num_permutations: behind every p-value; 0 for none.
        seed: of the permutations, and of the order of ties.
        num_workers: cores, −1 for all.
        progress: show a progress bar on stderr.

    Raises:
        ValueError: no table; a column that is missing (the nearest name is suggested); a target that is also
            given, is constant, or holds identifiers; no column left, or none that can be measured.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x, noise = rng.standard_normal((2, 500))
        >>> y = np.append(0, x[:-1]) + 0.5 * noise  # x, one row earlier
        >>> ranking = rank_columns({"x": x, "y": y}, "y", lags=[1, 2], num_permutations=99)
        >>> ranking.to_frame()["column", "lag", "p_value"].row(0)
        ('x', 1, 0.01)
    """
    measuring = Measuring(estimator, num_permutations, seed)
    columns = [measuring.prepared(column) for column in columns_of("rank_columns", table, kinds)]
    known = [given] if isinstance(given, str) else list(given)
    y = named("rank_columns", columns, target)
    conditions = [named("rank_columns", columns, name) for name in known]
    _check_target(y, known)
    candidates = _candidates(columns, lags, {target, *known})
    tasks = _tasks(measuring, candidates, y, conditions)
    frame = measure_all("rank_columns", tasks, len(candidates), num_workers, progress)
    kinds = {column.name: column.kind for column in columns}
    return Ranking(target, tuple(known), kinds, frame.sort("value", descending=True, nulls_last=True))


def _tasks(
    measuring: Measuring, candidates: Sequence[tuple[Column, int]], y: Column, given: Sequence[Column]
) -> Iterator[Any]:
    for column, lag in candidates:
        key = {"column": column.name, "lag": lag}
        yield delayed(task)(measuring.pair, key, column.earlier(lag), y, given)


def _candidates(columns: Sequence[Column], lags: Sequence[int], taken: set[str]) -> list[tuple[Column, int]]:
    """Return columns with their lags, without the target and the given columns themselves."""
    candidates = [
        (column, lag)
        for column in columns
        for lag in dict.fromkeys(lags)
        if column.earlier(lag).name not in taken
    ]
    refuse(
        not candidates,
        f"rank_columns: no column is left to rank beside {', '.join(sorted(taken))}; "
        "expected a table with further columns, and one or more lags",
    )
    return candidates


def _check_target(y: Column, given: Sequence[str]) -> None:
    refuse(
        y.name in given,
        f"rank_columns: {y.name} is both the target and given, so that no information about it is left",
    )
    refuse(
        y.kind == "identifiers",
        f"rank_columns: the target {y.name} holds identifiers, labels most of which occur once; "
        "expected labels that repeat, or numbers",
    )
    values = y.values[y.present]
    what = "is constant" if len(values) else "has no values"
    refuse(
        len(np.unique(values)) < 2,
        f"rank_columns: the target {y.name} {what}, and no column can tell anything about it",
    )
