"""The columns of a table ranked by the information that each has about one of them, at one lag or more."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl
from joblib import delayed

from infomax.errors import refuse
from infomax.estimation.estimate import Estimate, Estimator
from infomax.estimation.resampling.nulls import CircularShifts, Null
from infomax.estimation.samples import joint_codes
from infomax.estimation.tables import DEFAULT_PERMUTATIONS
from infomax.estimation.tables.columns import Column
from infomax.estimation.tables.measuring import Measuring
from infomax.estimation.tables.preparing import How, Prepared, prepared, rows_together, with_target
from infomax.estimation.tables.results.result import TableResult, in_order
from infomax.estimation.tables.results.show import in_bits
from infomax.estimation.tables.running import Measured, announce, measure_all, on_g_tests, task
from infomax.estimation.tables.testing import DEFAULT_TESTED_ROWS


@dataclass(frozen=True, eq=False, repr=False)
class Ranking(TableResult):
    """The result of `rank_columns`.

    ``ranking["age"]`` is the row of a column, ``ranking["age@2"]`` that of the column two rows earlier.

    Args:
        frame: one row for each column and lag, from the most information to the least; undersampled ones,
            whose values may be bias alone, after the others, and refused ones last.
        about: kinds of columns, guesses and settings.
        target: the column that the others are ranked for.
        given: columns that are known already.
        target_entropy: H(Y), or H(Y|given), in nats, where the target and the given columns are labels.
    """

    target: str = ""
    given: tuple[str, ...] = ()
    target_entropy: Estimate | None = None
    keys: ClassVar[tuple[str, ...]] = ("column", "lag")

    @property
    def title(self) -> str:
        """The title of the printed table."""
        given = f", given {', '.join(self.given)}" if self.given else ""
        kind = self.kinds.get(self.target)
        return f"Information about {self.target}{f' ({kind})' if kind else ''}{given}"

    def scale(self) -> str:
        """Return the entropy of the target, of which a column can tell a share."""
        if self.target_entropy is not None:
            known = f" given {', '.join(self.given)}" if self.given else ""
            return f"share: of the {in_bits(self.target_entropy)} of {self.target}{known}"
        if self.kinds.get(self.target) == "continuous":
            return "continuous target: no share"
        return "no share of what is left given numbers"

    def shown(self) -> pl.DataFrame:
        """Return the rows in order."""
        return self.frame

    def to_mapping(self) -> dict[str, Any]:
        """Return everything in bits, as values for JSON."""
        entropy = None if self.target_entropy is None else self.target_entropy.bits
        about = {"target": self.target, "given": list(self.given), "target_entropy": entropy}
        return {**about, **super().to_mapping()}

    def _named(self) -> dict[Any, int]:
        keys = zip(self.frame["column"], self.frame["lag"], strict=True)
        return {f"{column}@{lag}" if lag else column: place for place, (column, lag) in enumerate(keys)}


def rank_columns(
    table: Any,
    target: Any,
    estimator: Estimator | None = None,
    *,
    estimators: Mapping[str, Estimator] | None = None,
    given: str | Sequence[str] = (),
    lags: Sequence[int] = (0,),
    kinds: Mapping[str, str] | None = None,
    num_permutations: int = DEFAULT_PERMUTATIONS,
    null: Null | None = None,
    num_tested_rows: int | None = DEFAULT_TESTED_ROWS,
    weights: str | None = None,
    group: str | None = None,
    seed: int = 0,
    num_workers: int = -1,
    progress: bool = False,
) -> Ranking:
    """Return I(X;Y), or I(X;Y|given), of every column X and the target Y, in descending order.

    Each value is measured on the rows where X, Y and the given columns have values. Lags are for rows in
    order of time: a lag measures I(X_{t−lag}; Y_t). With ``given="y@1"``, which is Y_{t−1}, I(X_{t−lag}; Y_t
    | Y_{t−1}) is the transfer entropy from X to Y. The target's own past is ranked with the other columns.

    Undersampled values, which may be bias alone, stand after all others, whatever they are. p-values are for
    independent rows, or for series where there are lags (`null`); how they get small is told in `testing`.

    Args:
        table: a Polars or pandas frame, a mapping of names to columns, an array [n, d], or another table that
            `columns_of` reads; or one that does not fit into memory, from `open_parts`, without lags.
        target: Y: the name of a column, its place, or its values: a series, an array or a list.
        estimator: as in `pairwise`.
        estimators: as in `pairwise`.
        given: name or names of the known columns; ``name@lag`` for a column `lag` rows earlier.
        lags: rows by which X is earlier than Y, each at least 0.
        kinds: as in `pairwise`.
        num_permutations: behind every p-value, at first; 0 for no p-values.
        null: as in `pairwise`; None: `CircularShifts` where there are lags and nothing is given, else as for
            independent rows.
        num_tested_rows: as in `pairwise`.
        weights: as in `pairwise`.
        group: the column that holds the groups of the rows: lags do not cross them, and rows are shuffled
            within them. It can also be given: without that, what tells the groups apart is information too.
        seed: of the permutations, and of the order of ties.
        num_workers: cores, −1 for all.
        progress: as in `pairwise`.

    Raises:
        ValueError: no table; a column that is missing (the nearest name is suggested); a target that is also
            given, is constant, or holds identifiers; no column left, or none that can be measured.
        Interrupted: Ctrl-C was pressed; the exception's `result` holds what was measured until then.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> x, noise = rng.standard_normal((2, 500))
        >>> y = np.append(0, x[:-1]) + 0.5 * noise  # x, one row earlier
        >>> ranking = rank_columns({"x": x, "y": y}, "y", lags=[1, 2], num_permutations=99)
        >>> ranking[0]["column"], round(ranking["x@1"]["adjusted_p_value"], 2)
        ('x', 0.01)
    """
    table, name = with_target("rank_columns", table, target)
    known = [given] if isinstance(given, str) else list(given)
    null = CircularShifts() if null is None and any(lags) and not known else null
    tests = (num_permutations, null, num_tested_rows)
    have_lags = any(lags) or any("@" in one for one in known)
    how = How(estimator, estimators, kinds, *tests, weights, group, seed, have_lags)
    if known or any(lags):
        table = rows_together("rank_columns", table, how)
    ready = prepared("rank_columns", table, how, progress)
    y = ready.named("rank_columns", name)
    conditions = [ready.condition("rank_columns", given) for given in known]
    check_target("rank_columns", y, known)
    candidates = _candidates(ready, lags, {name, *known})
    pairs = [(column, y) for column, _ in candidates]
    announce(pairs, conditions, ready.measuring, num_workers, progress)
    measured = measure_all(
        "rank_columns",
        _tasks(ready, candidates, y, conditions),
        len(candidates),
        ready.measuring,
        num_rows=ready.num_tested,
        num_workers=num_workers,
        progress=progress,
    )
    entropy = entropy_of(ready, y, conditions)
    frame = in_order(with_share(measured.frame, entropy))
    notes = (*_about_groups(group, known), *_on_g_tests(ready, measured, y))
    about = ready.about_what_was(measured, notes)
    ranking = Ranking(frame, about, target=name, given=tuple(known), target_entropy=entropy)
    return measured.finish(ranking)


def _about_groups(group: str | None, given: Sequence[str]) -> list[str]:
    """Return a line that says what is within groups, where the groups are not given."""
    if group is None or group in given:
        return []
    return [f"bits also count differences between groups, p does not; --given {group} leaves them out"]


def _on_g_tests(ready: Prepared, measured: Measured, y: Column) -> list[str]:
    def pair_of(row: Mapping[str, Any]) -> tuple[Column, Column] | None:
        return ready.first_rows(ready.earlier(ready.named("rank_columns", row["column"]), row["lag"]), y)

    return on_g_tests(measured, pair_of)


def _tasks(
    ready: Prepared, candidates: Sequence[tuple[Column, int]], y: Column, given: Sequence[Column]
) -> Iterator[Any]:
    for column, lag in candidates:
        key, cells = {"column": column.name, "lag": lag}, ready.cells(column.name, y.name)
        if cells is not None:
            yield delayed(task)(ready.measuring.cells, key, column, y, cells)
            continue
        yield delayed(task)(ready.measuring.pair, key, ready.earlier(column, lag), y, given)


def _candidates(ready: Prepared, lags: Sequence[int], taken: set[str]) -> list[tuple[Column, int]]:
    """Return columns with their lags, without the target and the given columns themselves."""
    candidates = [
        (column, lag)
        for column in ready.columns
        for lag in dict.fromkeys(lags)
        if ready.earlier(column, lag).name not in taken
    ]
    refuse(
        not candidates,
        f"rank_columns: no column is left to rank beside {', '.join(sorted(taken))}; "
        "expected a table with further columns, and one or more lags",
    )
    return candidates


def check_target(operation: str, y: Column, given: Sequence[str] = ()) -> None:
    """Check that there can be information about a column.

    Raises:
        ValueError: a target that is also given, is constant, has no values, or holds identifiers.
    """
    refuse(
        y.name in given,
        f"{operation}: {y.name} is both the target and given, so that no information about it is left",
    )
    refuse(
        y.kind == "identifiers",
        f"{operation}: the target {y.name} holds identifiers, labels most of which occur once; "
        "expected labels that repeat, or numbers",
    )
    values = y.values[y.present]
    what = "is constant" if len(values) else "has no values"
    refuse(
        len(np.unique(values)) < 2,
        f"{operation}: the target {y.name} {what}, and no column can tell anything about it",
    )


def entropy_of(ready: Prepared, y: Column, given: Sequence[Column] = ()) -> Estimate | None:
    """Return what `entropy_left` returns, from the counts of all rows where there are such."""
    alone = ready.counts.alone.get(y.name) if ready.counts and ready.measuring.counts_labels else None
    if alone is None:
        return entropy_left(ready.measuring, y, given)
    return ready.measuring.counting.entropy_of_counts(alone)


def entropy_left(measuring: Measuring, y: Column, given: Sequence[Column] = ()) -> Estimate | None:
    """Return H(Y), or H(Y|given), in nats, where all have values; None where one holds numbers."""
    columns = (y, *given)
    if not all(column.has_labels for column in columns):
        return None
    rows = np.logical_and.reduce([column.present for column in columns])
    codes = [column.values[rows] for column in columns]
    if not given:
        return measuring.entropy(codes[0], rows)
    whole = measuring.entropy(joint_codes(*codes), rows)
    known = measuring.entropy(joint_codes(*codes[1:]), rows)
    assert whole.local is not None and known.local is not None
    scatter = _error_of_mean(whole.local - known.local, measuring.weights, rows)
    error = max(whole.standard_error, scatter)  # the first holds what the bias may be
    return Estimate(whole.value - known.value, error, whole.num_samples, method=whole.method)


def _error_of_mean(local: np.ndarray, weights: np.ndarray | None, rows: np.ndarray) -> float:
    """Return the standard error of the mean of values, by weight, of these rows of weight above 0."""
    weights = np.ones(len(local)) if weights is None else weights[rows & (weights > 0)]
    deviations = local - np.average(local, weights=weights)
    return float(np.linalg.norm(weights * deviations) / weights.sum())


def with_share(frame: pl.DataFrame, entropy: Estimate | None) -> pl.DataFrame:
    """Return rows with their share of an entropy, null where there is none."""
    whole = None if entropy is None or entropy.value <= 0 else entropy.value
    return frame.with_columns(share=(pl.col("value") / whole if whole else pl.lit(None, dtype=pl.Float64)))
