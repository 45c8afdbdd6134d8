"""The rows and the result of a probe of one target, and intervals by resampled test rows."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import DegenerateDataWarning, bootstrap

from infomax.errors import refuse
from infomax.evaluation.probes.rows import Array, as_features, as_numbers

NUM_RESAMPLES = 500
"""Bootstrap resamples of the test rows."""


@dataclass(frozen=True)
class Measured:
    """One measure of the answers to the test rows.

    Attributes:
        value: None where it is not defined: a rank correlation with answers that are all equal.
        interval: 95 % bootstrap interval over the test rows; None where none is made.
        constant: what the best constant answer would get.
    """

    value: float | None
    interval: tuple[float, float] | None
    constant: float


@dataclass(frozen=True)
class TargetResult:
    """Result of a probe of one target.

    Attributes:
        kind: of the target, ``number`` or ``tag``.
        target: its name.
        measures: by name: ``r2`` and ``spearman`` of numbers, ``average_precision`` and ``auroc`` of tags.
        num_labels, num_test: rows it was fitted to, and tested on.
        num_missing_train, num_missing_test: rows that were left out since their value is missing.
        settings: everything that the caller, the seed or validation chose; fit for JSON.
    """

    probe: str
    kind: str
    target: str
    measures: Mapping[str, Measured]
    num_labels: int
    num_test: int
    num_missing_train: int
    num_missing_test: int
    settings: dict[str, Any]


@dataclass(frozen=True)
class TargetRows:
    """Rows whose value is known, to fit to and to test on, and how many were left out of each."""

    train_features: Float[np.ndarray, "n d"]
    train_values: Float[np.ndarray, " n"]
    test_features: Float[np.ndarray, "m d"]
    test_values: Float[np.ndarray, " m"]
    num_missing: tuple[int, int]

    @staticmethod
    def of(
        operation: str, train_features: Array, train_values: Array, test_features: Array, test_values: Array
    ) -> "TargetRows":
        """Return the rows whose value is known, as NumPy arrays, checked.

        Raises:
            ValueError: features are not [n, d] and finite; values are not n numbers; none is known.
        """
        train, y, missing = _known(operation, "train", train_features, train_values)
        test, test_y, test_missing = _known(operation, "test", test_features, test_values)
        refuse(
            train.shape[1] != test.shape[1],
            f"{operation}: train_features are {list(train.shape)}, test_features {list(test.shape)}; "
            "both must come from the same encoder",
        )
        return TargetRows(train, y, test, test_y, (missing, test_missing))

    def result(
        self, probe: str, kind: str, target: str, measures: Mapping[str, Measured], settings: dict[str, Any]
    ) -> TargetResult:
        """Return the result of a probe that was fitted to these rows and had these measures on them."""
        num_labels, num_test = len(self.train_values), len(self.test_values)
        return TargetResult(probe, kind, target, measures, num_labels, num_test, *self.num_missing, settings)


def _known(
    operation: str, part: str, features: Array, values: Array
) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"], int]:
    features = as_features(operation, f"{part}_features", features)
    values = as_numbers(operation, f"{part}_values", values, len(features))
    known = ~np.isnan(values)
    refuse(not known.any(), f"{operation}: {part}_values are all missing (NaN), [{len(values)}]")
    return features[known], values[known], int(np.sum(~known))


def bootstrap_interval(
    statistic: Callable[..., Any], columns: Sequence[Float[np.ndarray, " m"]], seed: int
) -> tuple[float, float] | None:
    """Return the 95 % percentile interval of a statistic over resampled rows.

    Args:
        statistic: of arrays of the columns' values, along ``axis=``; NaN where it is not defined.
        columns: values of the same rows.
        seed: of the resamples.

    Returns:
        None where the statistic is not defined for any resample.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)  # resamples without a value are left out below
        found = bootstrap(
            columns,
            statistic,
            method="percentile",
            paired=True,
            vectorized=True,
            n_resamples=NUM_RESAMPLES,
            batch=50,
            rng=np.random.default_rng(seed),
        ).bootstrap_distribution
    defined = found[np.isfinite(found)]
    if not len(defined):
        return None
    low, high = np.quantile(defined, [0.025, 0.975])
    return float(low), float(high)
