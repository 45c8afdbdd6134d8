"""Null values that many tests share, because shuffling forgets who was whose partner."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from hashlib import blake2b
from threading import Lock
from typing import Any

import numpy as np

from infomax.estimation.estimate import Estimator
from infomax.estimation.resampling.nulls import WholeGroup
from infomax.estimation.resampling.permutation import (
    NullValues,
    PermutationTest,
    check_numbers,
    test_against,
)
from infomax.estimation.resampling.replicates import JointSamples
from infomax.estimation.resampling.series import serial_dependence


@dataclass(frozen=True, eq=False)
class SharedNulls:
    """Permutation tests of I(X;Y) for many pairs, which compute the null values of like pairs once.

    The distribution of the estimate under all permutations depends on the values of x and on those of y,
    without their order. All pairs of columns that are ranks, or normal scores, of n numbers have the same
    one; so has a column of labels with all of these; so have two columns of labels with those of equally
    frequent labels. Null values are kept by estimator and values, grow as tests ask for more, and depend
    neither on threads nor on which pair asked first. p-values of single tests are as exact as those of
    `permutation_test`; those of tests that share null values err together.

    Args:
        seed: of the shuffles.

    Example:
        >>> from infomax.estimation.counting.counts import PlugIn
        >>> shared, coin = SharedNulls(), np.arange(100) % 2
        >>> [shared.test(coin, y, PlugIn(), num_permutations=99).p_value for y in (coin, 1 - coin)]
        [0.01, 0.01]
    """

    seed: int = 0
    _kept: dict[Hashable, NullValues] = field(default_factory=dict, init=False, repr=False)
    _lock: Any = field(default_factory=Lock, init=False, repr=False)

    def test(
        self,
        x: Any,
        y: Any,
        estimator: Estimator,
        *,
        num_permutations: int = 999,
        stop_after: int | None = None,
        num_workers: int = 1,
    ) -> PermutationTest:
        """Return the test of I(X;Y) = 0 by all permutations, as `permutation_test` does without a condition.

        Raises:
            ValueError: fewer than 1 permutation, fewer than 2 samples, different numbers of rows.
        """
        check_numbers("SharedNulls.test", num_permutations, stop_after, self.seed)
        samples = JointSamples.of("SharedNulls.test", x, y, None)
        estimate = estimator.estimate(samples.x, samples.y)
        test = test_against(
            estimate,
            self._null_of(samples, estimator),
            caution=serial_dependence(samples.x, samples.y),
            stop_after=stop_after,
        )
        return test.extended(num_permutations, num_workers=num_workers)

    def _null_of(self, samples: JointSamples, estimator: Estimator) -> NullValues:
        x, y = _in_order(samples.x), _in_order(samples.y)
        key = (_known(estimator), _digest(x), _digest(y))
        with self._lock:
            if key not in self._kept:
                shuffling = WholeGroup().shuffling(JointSamples(x, y, None), self.seed)
                self._kept[key] = NullValues(shuffling, estimator)
            return self._kept[key]


def _in_order(values: np.ndarray) -> np.ndarray:
    return np.sort(values) if values.ndim == 1 else values[np.lexsort(values.reshape(len(values), -1).T)]


def _digest(values: np.ndarray) -> Hashable:
    return values.dtype.str, values.shape, blake2b(values.tobytes(), digest_size=16).digest()


def _known(estimator: Estimator) -> Hashable:
    """Return the estimator where equal ones are known to be alike, else this very object."""
    return estimator if isinstance(estimator, Hashable) and estimator == estimator else id(estimator)
