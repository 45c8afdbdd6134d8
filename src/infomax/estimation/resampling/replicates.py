"""JointSamples from which rows are drawn again, and estimates of many such draws, computed in parallel."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed

from infomax.estimation.estimate import Estimator
from infomax.estimation.samples import as_codes, to_array


@dataclass(frozen=True, eq=False)
class JointSamples:
    """Rows of x, y and what is given, of which parts can be taken: numbers as they are, labels as codes."""

    x: np.ndarray
    y: np.ndarray
    given: np.ndarray | None

    @classmethod
    def of(cls, operation: str, x: Any, y: Any, given: Any) -> "JointSamples":
        """Raises:
        ValueError: unequal lengths, or missing labels.
        """
        named = {"x": x, "y": y, "given": given}
        arrays = {name: indexable(operation, name, v) for name, v in named.items() if v is not None}
        lengths = {name: len(array) for name, array in arrays.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"{operation}: variables must have equally many samples, got {lengths}")
        return cls(arrays["x"], arrays["y"], arrays.get("given"))

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: np.ndarray) -> "JointSamples":
        """The samples of these rows."""
        return JointSamples(self.x[rows], self.y[rows], None if self.given is None else self.given[rows])

    def value(self, estimator: Estimator) -> float:
        """The estimate, in nats."""
        return estimator.estimate(self.x, self.y, given=self.given).value


def indexable(operation: str, name: str, value: Any) -> np.ndarray:
    """An array, so that rows can be taken; what cannot be read as numbers becomes codes, once for all."""
    with contextlib.suppress(ValueError, TypeError):
        array = to_array(value)
        array.astype(np.float64)
        return array
    return as_codes(operation, **{name: value})[0]


def replicates(
    value_of: Callable[[np.random.Generator], float], num: int, seed: Sequence[int], num_workers: int
) -> np.ndarray:
    """value_of(rng) for generators that depend on the seed and on their number alone, in threads: [num]."""
    parallel = Parallel(n_jobs=num_workers, prefer="threads")
    rngs = (np.random.default_rng([*seed, index]) for index in range(num))
    return np.array(parallel(delayed(value_of)(rng) for rng in rngs))


def on_one_core(estimator: Any) -> Estimator:
    """The estimator without threads of its own, where its calls share the cores."""
    return replace(estimator, num_workers=1) if hasattr(estimator, "num_workers") else estimator


def check_number(operation: str, name: str, num: int) -> None:
    """Raises:
    ValueError: fewer than 2.
    """
    if num < 2:
        raise ValueError(f"{operation}: {name} must be at least 2, got {num}; scatter needs more")


def part_size(operation: str, fraction: float, num_samples: int) -> int:
    """How many rows a fraction of the samples is.

    Raises:
        ValueError: a fraction that is not between 0 and 1, or one of fewer than 2 rows, or of all.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"{operation}: fraction must be between 0 and 1, got {fraction}; 0.25 is usual")
    size = round(fraction * num_samples)
    if not 2 <= size < num_samples:
        raise ValueError(
            f"{operation}: a fraction of {fraction} of {num_samples} samples is {size}, expected at least 2 "
            "and not all; give more samples"
        )
    return size
