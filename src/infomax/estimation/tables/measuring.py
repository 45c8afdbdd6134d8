"""Information of pairs of columns, on the rows where both have values, by the estimator for their kinds.

===============================  ================  ==========  ========================
columns, condition included      estimator         of kind     p-value
===============================  ================  ==========  ========================
labels alone                     `SuitedCounting`  labels      G-test, or permutations
continuous alone                 `KSG`             continuous  permutations
label and continuous, condition  `Ross`            mixed       permutations
labels and continuous, others    `MixedKSG`        mixed       permutations
===============================  ================  ==========  ========================

Numbers become normal scores with ties in random order (`Column.normal_scores`): `KSG` and `Ross` then measure
rounded, repeated and censored numbers as well. `SuitedCounting` chooses for each table of counts by how well
it is sampled. What is doubtful about a value is said by its cautions. p-values are those of `testing`.
"""

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped
from scipy.special import ndtri

from infomax.errors import refuse
from infomax.estimation.counting.counts import Counting
from infomax.estimation.counting.suited import SuitedCounting
from infomax.estimation.estimate import Estimate, Estimator
from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neighbors.mixed import MixedKSG, Ross
from infomax.estimation.resampling.replicates import on_one_core
from infomax.estimation.samples import joint_codes
from infomax.estimation.tables.columns import Column, known
from infomax.estimation.tables.parts.counting import Cells
from infomax.estimation.tables.reading.cells import counted
from infomax.estimation.tables.testing import (
    Testing,
    g_test,
    g_test_of_cells,
    g_test_of_labels,
    suits_g_test,
)

MIN_ROWS = 10
LABEL_SPACING = 100.0  # between codes of labels; normal scores lie within ±10
CELL_OFFSET = 1e-6  # of the scores of different cells, so that equal ranks are no equal numbers
PAIR_KINDS = ("labels", "continuous", "mixed")

Values = list[np.ndarray]


@dataclass(frozen=True)
class Measuring:
    """How pairs of columns are measured.

    Args:
        estimator: one for all pairs, which gets numbers unchanged and labels as codes; None: by the kinds of
            the columns, with numbers turned into normal scores.
        estimators: by kind of pair, "labels", "continuous" or "mixed", in place of those above; they get
            normal scores.
        testing: how pairs are tested.
        weights: of the rows, [n].
        seed: of the order of ties.
    """

    estimator: Estimator | None = None
    estimators: Mapping[str, Estimator] = field(default_factory=dict)
    testing: Testing = field(default_factory=Testing)
    weights: np.ndarray | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for kind in self.estimators:
            known("measure", "kind of pair", PAIR_KINDS, kind)
        refuse(
            self.estimator is not None and self.estimators,
            "measure: got an estimator for all pairs and others by kind; give one of the two",
        )
        for estimator in [self.estimator, *self.estimators.values()]:
            refuse(
                estimator is not None and not hasattr(estimator, "estimate"),
                f"measure: an estimator is an object with estimate(x, y), such as KSG(), got {estimator!r}",
            )

    def without_tests(self) -> "Measuring":
        """Return the same measuring without p-values."""
        return replace(self, testing=Testing())

    def prepared(self, column: Column) -> Column:
        """Return the column as estimators get it; done once for a column, for all of its pairs."""
        return column.normal_scores(self.seed) if self.estimator is None else column

    def pair(self, x: Column, y: Column, given: Sequence[Column] = ()) -> dict[str, Any]:
        """Return I(X;Y), or I(X;Y|given), of prepared columns as a row of the result."""
        columns = (x, y, *given)
        present = np.logical_and.reduce([column.present for column in columns])
        num_samples = int(present.sum())
        try:
            self._check(num_samples, columns)
            estimator = self._suited([x], [y], given)
            estimate = self._estimate(estimator, self._values([x], [y], given, present), present)
        except ValueError as error:
            return refused_row(num_samples, error)
        return measured_row(estimate, **self._tested(x, y, given, estimator, present))

    def joint(self, x: Sequence[Column], y: Column, rows: np.ndarray) -> Estimate:
        """Return I(X1,X2,…;Y) of prepared columns, on rows where all have values.

        Labels L and numbers X together are measured by the chain rule, I(L;Y) + I(X;Y|L).

        Raises:
            ValueError: identifiers, too few rows, or what the estimator refuses.
        """
        self._check(int(rows.sum()), (*x, y))
        labels = [column for column in x if column.has_labels]
        numbers = [column for column in x if not column.has_labels]
        if self.estimator is not None or not (labels and numbers):
            return self._of_variables(x, y, (), rows)
        first, then = self._of_variables(labels, y, (), rows), self._of_variables(numbers, y, labels, rows)
        return Estimate(
            first.value + then.value,
            math.hypot(first.standard_error, then.standard_error),
            first.num_samples,
            kind=then.kind,
            method=f"{first.method} + {then.method}",
            cautions=tuple(dict.fromkeys(first.cautions + then.cautions)),
        )

    def _of_variables(
        self, x: Sequence[Column], y: Column, given: Sequence[Column], rows: np.ndarray
    ) -> Estimate:
        return self._estimate(self._suited(x, [y], given), self._values(x, [y], given, rows), rows)

    def entropy(self, codes: np.ndarray, rows: np.ndarray) -> Estimate:
        """Return the entropy of labels in these rows of the table, in nats.

        Args:
            codes: of the labels, [m].
            rows: True in the m rows they belong to, [n].
        """
        chosen = self._of_kind("labels")
        counting: Any = chosen if isinstance(chosen, Counting) else SuitedCounting()
        weighted = {} if self.weights is None else {"weights": self.weights[rows]}
        return counting.entropy(codes, **weighted)

    def in_stacks(self, tables: Shaped[np.ndarray, "m x y"]) -> Bool[np.ndarray, " m"]:
        """Return which of these tables [m, x, y] need no permutations, and are for `tables`: [m]."""
        if not self.testing:
            return np.ones(len(tables), dtype=bool)
        return suits_g_test(tables) & self.testing.by_g_test

    def tables(
        self, pairs: Sequence[tuple[Column, Column]], tables: Shaped[np.ndarray, "pairs x y"]
    ) -> list[dict[str, Any]]:
        """Return I(X;Y) of pairs of label columns, from counts [pairs, x, y], as rows of the result.

        The values of the columns are not read, only their names and kinds.
        """
        p_values = g_test(tables) if self.testing else [None] * len(pairs)
        try:
            estimates = self.counting.information_of_tables(tables)
        except ValueError:  # at least one pair is refused; measured one by one, each says why
            estimates = [None] * len(pairs)
        found = zip(pairs, tables, estimates, p_values, strict=True)
        return [self._table(pair, table, estimate, p_value) for pair, table, estimate, p_value in found]

    def cells(self, x: Column, y: Column, cells: Cells) -> dict[str, Any]:
        """Return I(X;Y) of two columns of labels, from the counts of all rows, as a row of the result.

        The values of the columns are read only where a test needs permutations.
        """
        num_samples = int(cells.counts.sum())
        try:
            self._check(num_samples, (x, y))
            estimate = self.counting.information_of_cells(cells.counts, cells.x, cells.y)
        except ValueError as error:
            return refused_row(num_samples, error)
        p_value = g_test_of_cells(cells) if self.testing and self.testing.by_g_test else None
        if p_value is not None:
            return measured_row(estimate, p_value=p_value)
        return measured_row(estimate, **self._tested(x, y, (), self.counting, x.present & y.present))

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
            found = estimate or self.counting.information_of_counts(_of_labels_seen(table))
            return measured_row(found, p_value=p_value)
        except ValueError as error:
            return refused_row(num_samples, error)

    @property
    def counting(self) -> Counting:
        """The estimator of columns of labels."""
        counting = self._of_kind("labels")
        assert isinstance(counting, Counting)
        return counting

    @property
    def counts_labels(self) -> bool:
        """True where columns of labels can be counted together."""
        return self.weights is None and isinstance(self._of_kind("labels"), Counting)

    def _of_kind(self, kind: str) -> Estimator:
        defaults = {"labels": SuitedCounting(), "continuous": KSG(), "mixed": MixedKSG()}
        return on_one_core(self.estimator or self.estimators.get(kind) or defaults[kind])

    def _check(self, num_samples: int, columns: Sequence[Column]) -> None:
        if self.estimator is not None:
            return
        names = [column.name for column in columns]
        for column in columns:
            refuse(
                column.kind == "identifiers",
                f"{column.name} holds identifiers: most of its labels occur once, and say nothing about "
                "other rows; set its kind to labels if they do",
            )
        refuse(
            num_samples < MIN_ROWS,
            f"{counted(num_samples, 'row')} with values of {' and '.join(names)}, "
            f"expected at least {MIN_ROWS}",
        )

    def _suited(self, x: Sequence[Column], y: Sequence[Column], given: Sequence[Column] = ()) -> Estimator:
        """Return the estimator for the kinds of these variables, of one column or several each."""
        kind = pair_kind([*x, *y, *given])
        estimator = self._of_kind(kind)
        if self.estimator is not None or kind != "mixed":
            return estimator
        variables = {"x": x, "y": y, "given": given}
        labels = tuple(name for name, columns in variables.items() if columns and _are_labels(columns))
        whole = all(_are_labels(v) or not any(c.has_labels for c in v) for v in variables.values())
        chosen = self.estimators.get("mixed", Ross())
        if isinstance(chosen, Ross) and whole and len({"x", "y"} & set(labels)) == 1:
            return replace(chosen, labels=labels, num_workers=1)
        if isinstance(estimator, Ross):
            estimator = MixedKSG(num_workers=1)
        return replace(estimator, labels=labels) if isinstance(estimator, MixedKSG) else estimator

    def _values(
        self, x: Sequence[Column], y: Sequence[Column], given: Sequence[Column], rows: np.ndarray
    ) -> Values:
        """Return x, y and given in these rows, as estimators take them."""
        labels = [column.values[rows] for column in given if column.has_labels]
        cells = joint_codes(*labels) if labels else None
        return [self._variable(columns, rows, cells) for columns in (x, y, given) if columns]

    def _variable(
        self, columns: Sequence[Column], rows: np.ndarray, cells: np.ndarray | None = None
    ) -> np.ndarray:
        """Return labels as codes, [n], or numbers [n] or [n, d], as scores among themselves.

        Codes among numbers are so far apart that no row has neighbours with other labels. Given labels,
        numbers are scored among the rows of equal labels: where these differ in level or spread, scores
        among all rows would leave no differences within a label to see.
        """
        values = [column.values if rows.all() else column.values[rows] for column in columns]
        if self.estimator is not None:
            return values[0] if len(values) == 1 else np.column_stack(values)
        if _are_labels(columns):
            return values[0] if len(values) == 1 else joint_codes(*values)
        if cells is not None or not rows.all():
            values = [v if c.has_labels else _scores(v, cells) for c, v in zip(columns, values, strict=True)]
        values = [LABEL_SPACING * v if c.has_labels else v for c, v in zip(columns, values, strict=True)]
        return values[0] if len(values) == 1 else np.column_stack(values)

    def _estimate(self, estimator: Estimator, values: Values, rows: np.ndarray) -> Estimate:
        x, y, *rest = values
        how: dict[str, Any] = {"given": rest[0]} if rest else {}
        if self.weights is not None:
            refuse(
                "weights" not in inspect.signature(estimator.estimate).parameters,
                f"{type(estimator).__name__} takes no weights; leave them out, or choose another "
                "estimator for this kind of pair: KSG, Ross and the counting ones take them",
            )
            how["weights"] = self.weights[rows]
        return estimator.estimate(x, y, **how)

    def _tested(
        self, x: Column, y: Column, given: Sequence[Column], estimator: Estimator, present: np.ndarray
    ) -> dict[str, Any]:
        """Return p-value, number of permutations and test; or why there is none."""
        testing = self.testing
        if not testing:
            return {}
        if isinstance(estimator, Counting) and not given and testing.by_g_test:
            p_value = g_test_of_labels(x.values[present], y.values[present])
            if p_value is not None:
                return {"p_value": p_value}
        if why := testing.untested(given):
            return {"untested": why}
        rows = present if testing.rows is None else present & testing.rows
        try:
            values = self._values([x], [y], given, rows)
            shared = self.shares_nulls(x, y, given)
            test = testing.test(*values, estimator=estimator, rows=np.flatnonzero(rows), shared=shared)
        except ValueError as error:
            return {"untested": str(error)}
        number = len(test.null)
        return {"p_value": test.p_value, "num_permutations": number, "test": test, "shared": shared}

    def shares_nulls(self, x: Column, y: Column, given: Sequence[Column]) -> bool:
        """Return whether other pairs have the same null values, because numbers are ranks."""
        ranks = self.estimator is None and not (x.has_labels and y.has_labels)
        return ranks and not given and self.testing.by_g_test


def _are_labels(columns: Sequence[Column]) -> bool:
    return all(column.has_labels for column in columns)


def pair_kind(columns: Sequence[Column]) -> str:
    """Return the kind of a pair, with its condition: one of `PAIR_KINDS`."""
    kinds = {column.kind if column.kind == "continuous" else "labels" for column in columns}
    return kinds.pop() if len(kinds) == 1 else "mixed"


def measured_row(
    estimate: Estimate,
    *,
    p_value: float | None = None,
    num_permutations: int | None = None,
    untested: str | None = None,
    test: Any = None,
    shared: bool = False,
) -> dict[str, Any]:
    """Return a row of the result, and what its p-value needs to become lower."""
    return {
        "value": estimate.value,
        "standard_error": estimate.standard_error,
        "num_samples": estimate.num_samples,
        "p_value": p_value,
        "num_permutations": num_permutations,
        "kind": estimate.kind,
        "method": estimate.method,
        "cautions": "; ".join(estimate.cautions) or None,
        "refused": None,
        "untested": untested,
        "test": test,
        "shared": shared,
    }


def refused_row(num_samples: int, error: ValueError) -> dict[str, Any]:
    """Return a row without an estimate, with the reason."""
    nothing = ("value", "standard_error", "p_value", "num_permutations", "kind", "method", "cautions")
    more = {"untested": None, "test": None, "shared": False}
    return {**dict.fromkeys(nothing), "num_samples": num_samples, "refused": str(error), **more}


def _scores(values: np.ndarray, cells: np.ndarray | None = None) -> np.ndarray:
    """Return normal scores of numbers without ties, among the rows of each cell; those of cells differ."""
    if cells is None:
        cells = np.zeros(len(values), dtype=np.intp)
    sizes = np.bincount(cells)
    order = np.lexsort((values, cells))
    rank = np.arange(1, len(values) + 1) - (np.cumsum(sizes) - sizes)[cells[order]]
    scores = np.empty(len(values))
    scores[order] = ndtri(rank / (sizes[cells[order]] + 1))
    return scores + CELL_OFFSET * cells / len(sizes)


def _of_labels_seen(table: np.ndarray) -> np.ndarray:
    return table[table.any(axis=1)][:, table.any(axis=0)]
