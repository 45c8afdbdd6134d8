"""Information of pairs of columns, on the rows where both have values, by the estimator for their kinds.

===============================  ==============  ========================
columns, condition included      estimator       p-value
===============================  ==============  ========================
labels alone                     `MillerMadow`   G-test, or permutations
continuous alone                 `KSG`           permutations
one label and one continuous     `Ross`          permutations
labels and continuous, others    `MixedKSG`      permutations
===============================  ==============  ========================

Numbers become normal scores with ties in random order (`Column.normal_scores`): `KSG` and `Ross` then measure
rounded, repeated and censored numbers as well.

The G-test compares 2n times the plug-in information with χ². It is used for two columns of labels without a
condition, where independence would put at least 5 rows into every cell. It takes no time, and its p-values
can be below 1 / (1 + number of permutations), the lowest that permutations can give. `Ross` needs every label
at least twice; where a label occurs once, the estimator is `MixedKSG`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import polars as pl
from joblib import Parallel, parallel_config
from scipy.stats import chi2, false_discovery_control
from scipy.stats.contingency import crosstab

from infomax.errors import refuse
from infomax.estimation.counting.counts import Counting, MillerMadow, PlugIn
from infomax.estimation.estimate import Estimate, Estimator
from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neighbors.mixed import MixedKSG, Ross
from infomax.estimation.resampling.permutation import permutation_test
from infomax.estimation.resampling.replicates import on_one_core
from infomax.estimation.tables.columns import Column

MIN_ROWS = 10
MIN_EXPECTED = 5  # rows in every cell under independence, for a G-test (Cochran's rule)
LABEL_SPACING = 100.0  # between codes of labels; normal scores lie within ±10

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
        estimator: one for all pairs, which gets numbers unchanged and labels as codes; None: by the kinds of
            the columns, with numbers turned into normal scores.
        num_permutations: behind a p-value; 0 for no p-values.
        seed: of the permutations, and of the order of ties.
    """

    estimator: Estimator | None = None
    num_permutations: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        refuse(
            self.num_permutations < 0,
            f"measure: num_permutations must be at least 0, got {self.num_permutations}; "
            "0 leaves p-values out",
        )

    def prepared(self, column: Column) -> Column:
        """Return the column as estimators get it; done once for a column, for all of its pairs."""
        return column.normal_scores(self.seed) if self.estimator is None else column

    def pair(self, x: Column, y: Column, given: Sequence[Column] = ()) -> dict[str, Any]:
        """Return I(X;Y), or I(X;Y|given), of prepared columns as a row of the result."""
        present = np.logical_and.reduce([column.present for column in (x, y, *given)])
        columns = [replace(column, values=column.values[present]) for column in (x, y, *given)]
        num_samples = int(present.sum())
        try:
            self._check(num_samples, columns)
            return self._measured(*self._suited(columns))
        except ValueError as error:
            return _refused(num_samples, error)

    def in_stacks(self, tables: np.ndarray) -> np.ndarray:
        """Return which of these tables [m, x, y] need no permutations, and are for `tables`: [m]."""
        return _suits_g_test(tables) if self.num_permutations else np.ones(len(tables), dtype=bool)

    def tables(self, pairs: Sequence[tuple[Column, Column]], tables: np.ndarray) -> list[dict[str, Any]]:
        """Return I(X;Y) of pairs of label columns, from counts [pairs, x, y], as rows of the result.

        The values of the columns are not read, only their names and kinds.
        """
        p_values = _g_test(tables) if self.num_permutations else [None] * len(pairs)
        try:
            estimates = self._counting.information_of_tables(tables)
        except ValueError:  # at least one pair is refused; measured one by one, each says why
            estimates = [None] * len(pairs)
        found = zip(pairs, tables, estimates, p_values, strict=True)
        return [self._table(pair, table, estimate, p_value) for pair, table, estimate, p_value in found]

    def _table(
        self,
        pair: tuple[Column, Column],
        table: np.ndarray,
        estimate: Estimate | None,
        p_value: float | None,
    ) -> dict[str, Any]:
        num_samples = int(table.sum())
        try:
            self._check(num_samples, pair)
            return _row(estimate or self._counting.information_of_counts(_of_labels_seen(table)), p_value)
        except ValueError as error:
            return _refused(num_samples, error)

    @property
    def _counting(self) -> Counting:
        counting = self.estimator or MillerMadow()
        assert isinstance(counting, Counting)
        return counting

    def _check(self, num_samples: int, columns: Sequence[Column]) -> None:
        if self.estimator is not None:
            return
        names = [column.name for column in columns]
        for column in columns:
            refuse(
                column.kind == "identifiers",
                f"{column.name} holds identifiers: most of its labels occur once, and say nothing about "
                "other rows; set its kind to labels to count them all the same",
            )
        refuse(
            num_samples < MIN_ROWS,
            f"{num_samples} rows have values of {' and '.join(names)}, expected at least {MIN_ROWS}",
        )

    def _suited(self, columns: Sequence[Column]) -> tuple[Estimator, list[np.ndarray]]:
        """Return the estimator, and the values of the columns as it takes them."""
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
            num_workers=1,  # pairs share the cores already
        )
        return _row(test.estimate, test.p_value)


def measure_all(
    operation: str, tasks: Iterable[Any], num_rows: int, num_workers: int, progress: bool
) -> pl.DataFrame:
    """Run `joblib` tasks that return rows; return all rows as a frame, p-values adjusted for their number.

    Raises:
        ValueError: every row was refused.
    """
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    parallel: Any = Parallel(n_jobs=num_workers, prefer="threads", return_as="generator")
    found = track(
        chain.from_iterable(parallel(tasks)),
        description=operation,
        total=num_rows,
        console=console,
        transient=True,
        disable=not (progress and console.is_terminal),
    )
    rows = list(found)
    if all(row["refused"] for row in rows):
        more = f" (and so on, for all {len(rows)})" if len(rows) > 1 else ""
        raise ValueError(f"{operation}: {rows[0]['refused']}{more}")
    return _adjusted(pl.DataFrame(rows, schema_overrides=_SCHEMA, infer_schema_length=None))


def task(function: Any, key: Mapping[str, Any], *arguments: Any) -> list[dict[str, Any]]:
    """Return the row that a function returns, after its key; on one core, because tasks share the cores."""
    with parallel_config(backend="sequential"):
        return [{**key, **function(*arguments)}]


def stacked_task(function: Any, keys: Sequence[Mapping[str, Any]], *arguments: Any) -> list[dict[str, Any]]:
    """Return the rows that a function returns, each after its key; on one core, as in `task`."""
    with parallel_config(backend="sequential"):
        return [{**key, **row} for key, row in zip(keys, function(*arguments), strict=True)]


def _adjusted(frame: pl.DataFrame) -> pl.DataFrame:
    """Add p-values adjusted for the false discovery rate (Benjamini and Hochberg, 1995)."""
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


def _of_labels_seen(table: np.ndarray) -> np.ndarray:
    return table[table.any(axis=1)][:, table.any(axis=0)]


def _suits_g_test(tables: np.ndarray) -> np.ndarray:
    """Return which tables have two labels or more a side, and 5 rows expected in every cell: [m]."""
    n = tables.sum(axis=(1, 2))
    margins = tables.sum(axis=2), tables.sum(axis=1)
    vary = [np.count_nonzero(margin, axis=1) > 1 for margin in margins]
    rarest = [np.where(margin > 0, margin, n[:, None]).min(axis=1, initial=n.max()) for margin in margins]
    return vary[0] & vary[1] & (rarest[0] * rarest[1] >= MIN_EXPECTED * n)


def _g_test(tables: np.ndarray) -> list[float]:
    """Return p-values of 2n·Î against χ²."""
    found = PlugIn().information_of_tables(tables)
    statistics = [2 * estimate.num_samples * estimate.value for estimate in found]
    degrees = [np.count_nonzero(tables.any(axis=axis), axis=1) - 1 for axis in (1, 2)]
    return chi2.sf(statistics, degrees[0] * degrees[1]).tolist()


def _g_test_of_labels(x: np.ndarray, y: np.ndarray) -> float | None:
    """Return the p-value of a G-test; None where it does not suit."""
    num_cells = len(np.unique(x)) * len(np.unique(y))
    if MIN_EXPECTED * num_cells > len(x):
        return None
    table: Any = crosstab(x, y).count
    return _g_test(table[None])[0] if _suits_g_test(table[None])[0] else None


def _all_labels_repeat(columns: Sequence[Column]) -> bool:
    codes = columns[0].values if columns[0].has_labels else columns[1].values
    counts = np.bincount(codes)
    return bool((counts[counts > 0] > 1).all())
