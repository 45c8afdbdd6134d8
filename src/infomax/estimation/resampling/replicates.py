"""Samples of which rows are drawn again and again, and the estimates of those draws, computed in parallel."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from infomax.errors import refuse
from infomax.estimation.estimate import Estimator
from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.resampling.statistic import ksg_value
from infomax.estimation.samples import as_codes, check_whole, to_array


@dataclass(frozen=True, eq=False)
class JointSamples:
    """Rows of x, y and a condition, of which some can be taken: numbers unchanged, labels as codes."""

    x: np.ndarray
    y: np.ndarray
    given: np.ndarray | None

    @classmethod
    def of(cls, operation: str, x: Any, y: Any, given: Any) -> "JointSamples":
        """Return samples as arrays with rows.

        Raises:
            ValueError: different numbers of rows, or missing labels.
        """
        named = {"x": x, "y": y, "given": given}
        arrays = {name: indexable(operation, name, v) for name, v in named.items() if v is not None}
        lengths = {name: len(array) for name, array in arrays.items()}
        refuse(
            len(set(lengths.values())) > 1,
            f"{operation}: variables must have equally many samples, got {lengths}",
        )
        return cls(arrays["x"], arrays["y"], arrays.get("given"))

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: np.ndarray) -> "JointSamples":
        """Return the samples of these rows."""
        return JointSamples(self.x[rows], self.y[rows], None if self.given is None else self.given[rows])

    def value(self, estimator: Estimator) -> float:
        """Return the estimate, in nats; of KSG without error and cautions, which cost more."""
        if isinstance(estimator, KSG):
            return ksg_value(estimator, self.x, self.y, self.given)
        return estimator.estimate(self.x, self.y, given=self.given).value


def indexable(operation: str, name: str, value: Any) -> np.ndarray:
    """Return an array, so that rows can be taken; labels that are not numbers become codes."""
    with contextlib.suppress(ValueError, TypeError):
        array = to_array(value)
        array.astype(np.float64)
        return array
    return as_codes(operation, **{name: value})[0]


def replicates(
    value_of: Callable[[np.random.Generator], float], num: int, seed: Sequence[int], num_workers: int
) -> np.ndarray:
    """Return value_of(rng) for `num` generators, computed in threads: [num].

    Each generator depends on the seed and its number alone; the values do not depend on the number of
    threads.
    """

    def value(index: int) -> float:
        return value_of(np.random.default_rng([*seed, index]))

    return indexed_replicates(value, range(num), num_workers)


def indexed_replicates(value_of: Callable[[int], float], indices: range, num_workers: int) -> np.ndarray:
    """Return value_of(index) for each index, computed in threads: [number of indices]."""
    if num_workers == 1:
        return np.array([value_of(index) for index in indices])
    parallel = Parallel(n_jobs=num_workers, prefer="threads")
    return np.array(parallel(delayed(value_of)(index) for index in indices))


def on_one_core(estimator: Any) -> Estimator:
    """Return the estimator without threads of its own, for calls that share the cores."""
    return replace(estimator, num_workers=1) if hasattr(estimator, "num_workers") else estimator


def check_seed(operation: str, seed: Any) -> None:
    """Check the seed of random numbers.

    Raises:
        ValueError: not a whole number, or below 0.
    """
    check_whole(operation, "seed", seed, least=0, remedy="the same seed gives the same shuffles")


def check_number(operation: str, name: str, num: int) -> None:
    """Check that a scatter can be computed from so many values.

    Raises:
        ValueError: not an integer, or fewer than 2.
    """
    check_whole(operation, name, num, least=2, remedy="one value has no scatter")


def part_size(operation: str, fraction: float, num: int, what: str = "samples") -> int:
    """Return how many a fraction of the samples, groups or blocks is.

    Raises:
        ValueError: a fraction that is not between 0 and 1, or that is fewer than 2 of them, or all.
    """
    refuse(
        not 0 < fraction < 1, f"{operation}: fraction must be between 0 and 1, got {fraction}; 0.25 is usual"
    )
    size = round(fraction * num)
    refuse(
        not 2 <= size < num,
        f"{operation}: a fraction of {fraction} of {num} {what} is {size}, expected at least 2 and not all; "
        f"give more {what}",
    )
    return size
