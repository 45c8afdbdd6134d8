"""Pairs of columns measured: on the rows where both are present, by the estimator that suits their kinds.

===============================  ==============  ========================
columns, condition included      estimator       p-value
===============================  ==============  ========================
labels alone                     `MillerMadow`   G-test, or permutations
continuous alone                 `KSG`           permutations
one label and one continuous     `Ross`          permutations
labels and continuous, others    `MixedKSG`      permutations
===============================  ==============  ========================

Numbers become normal scores with ties broken at random (`Column.normal_scores`), so that rounded, repeated
and censored ones are measured by `KSG` and `Ross` as well.

The G-test, 2n times the plug-in information against χ², is for two columns of labels without a condition, and
only where independence lets one expect 5 rows in every cell; it costs nothing, and goes below 1 / (1 + number
of permutations), the least that permutations can show. `Ross` needs every label twice; where one occurs once
it is `MixedKSG`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from joblib import Parallel, parallel_config
from scipy.stats import chi2_contingency, false_discovery_control
from scipy.stats.contingency import crosstab, expected_freq

from infomax.estimation.columns import Column
from infomax.estimation.counts import Counting, MillerMadow
from infomax.estimation.estimate import Estimate, Estimator
from infomax.estimation.mixed_neighbors import MixedKSG, Ross
from infomax.estimation.nearest_neighbors import KSG
from infomax.estimation.resampling import on_one_core
from infomax.estimation.significance import permutation_test

FEWEST_ROWS = 10
FEWEST_EXPECTED = 5  # rows in every cell, for a G-test (Cochran's rule)
LABEL_SPACING = 100.0  # between codes of labels beside normal scores, which lie within ±10

_SCHEMA = {
    "value": pl.Float64,
    "standard_error": pl.Float64,
    "num_samples": pl.Int64,
    "p_value": pl.Float64,
    "adjusted_p_value": pl.Float64,
    "kind": pl.String,
    "method": pl.String,
    "refused": pl.String,
}


@dataclass(frozen=True)
class Measuring:
    """How pairs of columns are measured.

    Args:
        estimator: one for all pairs, which gets numbers as they are and labels as codes; None: by their
            kinds, numbers being turned into normal scores.
        num_permutations: behind a p-value; 0 for no p-values.
        seed: of the permutations and of broken ties.
    """

    estimator: Estimator | None = None
    num_permutations: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num_permutations < 0:
            raise ValueError(
                f"measure: num_permutations must be at least 0, got {self.num_permutations}; "
                "0 leaves p-values out"
            )

    def prepared(self, column: Column) -> Column:
        """What is done once for a column and shared by all of its pairs."""
        return column.normal_scores(self.seed) if self.estimator is None else column

    def pair(self, x: Column, y: Column, given: Sequence[Column] = ()) -> dict[str, Any]:
        """I(X;Y), or I(X;Y|given), of prepared columns: a row of the result."""
        present = np.logical_and.reduce([column.present for column in (x, y, *given)])
        columns = [replace(column, values=column.values[present]) for column in (x, y, *given)]
        num_samples = int(present.sum())
        try:
            self._check(num_samples, columns)
            return self._measured(*self._suited(columns))
        except ValueError as error:
            return _refused(num_samples, error)

    def counts(self, x: Column, y: Column, table: np.ndarray) -> dict[str, Any]:
        """I(X;Y) of two columns of labels, from the counts of their pairs."""
        table = table[table.any(axis=1)][:, table.any(axis=0)]
        p_value = _g_test(table) if self.num_permutations else None
        if self.num_permutations and p_value is None:
            return self.pair(x, y)
        num_samples, counting = int(table.sum()), self.estimator or MillerMadow()
        assert isinstance(counting, Counting)
        try:
            self._check(num_samples, [x, y])
            return _row(counting.information_of_counts(table), p_value)
        except ValueError as error:
            return _refused(num_samples, error)

    def _check(self, num_samples: int, columns: Sequence[Column]) -> None:
        if self.estimator is not None:
            return
        names = [column.name for column in columns]
        for column in columns:
            if column.kind == "identifiers":
                raise ValueError(
                    f"{column.name} holds identifiers, labels that mostly occur once, which tell nothing of "
                    "other rows; set its kind to labels to count them all the same"
                )
        if num_samples < FEWEST_ROWS:
            raise ValueError(
                f"{num_samples} rows have values of {' and '.join(names)}, expected at least {FEWEST_ROWS}"
            )

    def _suited(self, columns: Sequence[Column]) -> tuple[Estimator, list[np.ndarray]]:
        """The estimator, and the columns as it takes them."""
        values = [column.values for column in columns]
        if self.estimator is not None:
            return on_one_core(self.estimator), values
        kinds = {column.kind for column in columns}
        if kinds == {"labels"}:
            return MillerMadow(), values
        if kinds == {"continuous"}:
            return KSG(num_workers=1), values
        if kinds == {"labels", "continuous"} and len(columns) == 2 and _all_labels_repeat(columns):
            return Ross(labels="x" if columns[0].has_labels else "y", num_workers=1), values
        apart = [LABEL_SPACING * c.values if c.has_labels else c.values for c in columns]
        return MixedKSG(num_workers=1), apart

    def _measured(self, estimator: Estimator, values: list[np.ndarray]) -> dict[str, Any]:
        x, y, *rest = values
        given = np.column_stack(rest) if rest else None
        if not self.num_permutations:
            return _row(estimator.estimate(x, y, given=given), None)
        if isinstance(estimator, Counting) and given is None:
            p_value = _g_test_of_labels(x, y)
            if p_value is not None:
                return _row(estimator.estimate(x, y), p_value)
        test = permutation_test(
            x,
            y,
            estimator,
            given=given,
            num_permutations=self.num_permutations,
            seed=self.seed,
            num_workers=1,  # the pairs share the cores already
        )
        return _row(test.estimate, test.p_value)


def measure_all(
    operation: str, tasks: Iterable[Any], num_tasks: int, num_workers: int, progress: bool
) -> pl.DataFrame:
    """Rows of `joblib` tasks that return a key and a row each, with p-values adjusted for their number.

    Raises: ValueError: every task was refused.
    """
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    parallel: Any = Parallel(n_jobs=num_workers, prefer="threads", return_as="generator")
    results = track(
        parallel(tasks),
        description=operation,
        total=num_tasks,
        console=console,
        transient=True,
        disable=not (progress and console.is_terminal),
    )
    rows = [{**key, **row} for key, row in results]
    if all(row["refused"] for row in rows):
        more = f" (and so on, for all {len(rows)})" if len(rows) > 1 else ""
        raise ValueError(f"{operation}: {rows[0]['refused']}{more}")
    return _adjusted(pl.DataFrame(rows, schema_overrides=_SCHEMA, infer_schema_length=None))


def task(function: Any, key: Mapping[str, Any], *arguments: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The key of a row, and the row; on one core, as rows share the cores already."""
    with parallel_config(backend="sequential"):
        return dict(key), function(*arguments)


def _adjusted(frame: pl.DataFrame) -> pl.DataFrame:
    """With p-values adjusted for the false discovery rate among them (Benjamini and Hochberg, 1995)."""
    tested = frame["p_value"].is_not_null().to_numpy()
    adjusted = np.full(len(frame), np.nan)
    if tested.any():
        adjusted[tested] = false_discovery_control(frame["p_value"].to_numpy()[tested])
    return frame.with_columns(adjusted_p_value=pl.Series(adjusted).fill_nan(None)).select(
        *(name for name in frame.columns if name not in _SCHEMA), *_SCHEMA
    )


def _row(estimate: Estimate, p_value: float | None) -> dict[str, Any]:
    return {
        "value": estimate.value,
        "standard_error": estimate.standard_error,
        "num_samples": estimate.num_samples,
        "p_value": p_value,
        "kind": estimate.kind,
        "method": estimate.method,
        "refused": None,
    }


def _refused(num_samples: int, error: ValueError) -> dict[str, Any]:
    nothing = dict.fromkeys(("value", "standard_error", "p_value", "kind", "method"))
    return {**nothing, "num_samples": num_samples, "refused": str(error)}


def _g_test(table: np.ndarray) -> float | None:
    """p-value of 2n·Î against χ², or None where some cell can expect too few rows for that."""
    if table.size == 0 or min(table.shape) < 2 or expected_freq(table).min() < FEWEST_EXPECTED:
        return None
    test: Any = chi2_contingency(table, correction=False, lambda_="log-likelihood")
    return float(test.pvalue)


def _g_test_of_labels(x: np.ndarray, y: np.ndarray) -> float | None:
    num_cells = len(np.unique(x)) * len(np.unique(y))
    if FEWEST_EXPECTED * num_cells > len(x):
        return None
    table: Any = crosstab(x, y).count
    return _g_test(table)


def _all_labels_repeat(columns: Sequence[Column]) -> bool:
    codes = columns[0].values if columns[0].has_labels else columns[1].values
    counts = np.bincount(codes)
    return bool((counts[counts > 0] > 1).all())
