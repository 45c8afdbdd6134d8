"""Permutation tests: is there any information at all?

Shuffling y against x leaves both distributions as they are, and makes x and y independent. If they were
independent from the start, the estimate is one more of the same kind as the m estimates of shuffled samples,
and

    p = (1 + number of shuffled estimates ≥ estimate) / (1 + m)

is at most α with probability at most α, for any estimator and any number of samples: orders are drawn from
all that the null allows, the rows' own among them. Where there are no more than m others, each is used once,
and p is that of an enumeration. For several tests, `scipy.stats.false_discovery_control` adjusts the p-values
for their number.
"""

import math
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any

import numpy as np

from infomax.errors import refuse
from infomax.estimation.estimate import Estimate, Estimator
from infomax.estimation.resampling.conditional import null_given
from infomax.estimation.resampling.nulls import Null, Shuffling, WholeGroup
from infomax.estimation.resampling.replicates import (
    JointSamples,
    check_seed,
    indexed_replicates,
    on_one_core,
)
from infomax.estimation.resampling.series import serial_dependence
from infomax.estimation.samples import check_whole

DEFAULT_NUM_PERMUTATIONS = 999
FEW_ORDERS = 20
"""With fewer, no p-value is below 5 %, and a caution says so."""
FIRST_BATCH = 32
"""Shuffles after which a test that may stop looks for the first time; then after twice as many, and so on."""


class NullValues:
    """Estimates of shuffled samples, computed when they are asked for, and kept.

    Args:
        shuffling: the samples and the orders of y.
        estimator: of the information.
    """

    def __init__(self, shuffling: Shuffling, estimator: Estimator) -> None:
        self.shuffling = shuffling
        self.estimator: Estimator = on_one_core(estimator)
        self._values = np.empty(0)
        self._lock = Lock()

    @property
    def num_most(self) -> float:
        """How many there can be: the number of orders besides the rows' own."""
        return self.shuffling.orders.num - 1

    def first(self, num: int, num_workers: int = 1) -> np.ndarray:
        """Return the first `num` values of the stream, or all if there are fewer."""
        num = int(min(num, self.num_most))
        with self._lock:
            if num > len(self._values):
                more = indexed_replicates(self._value, range(len(self._values), num), num_workers)
                self._values = np.append(self._values, more)
            return self._values[:num]

    def _value(self, index: int) -> float:
        return self.shuffling.shuffled(index).value(self.estimator)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=Lock())


@dataclass(frozen=True, eq=False)
class PermutationTest:
    """An estimate, and the estimates of shuffled samples.

    Args:
        estimate: of the samples as they are.
        null: values in nats under permutation, [m].
        statistic: the value that is compared with the null values, in nats; None: that of the estimate. Given
            numbers, it is the estimate from residuals.
        stop_after: h, where shuffling stops at the h-th null value that is as large.
        method: how y was shuffled, in a few words.
        cautions: why p may be doubtful.
    """

    estimate: Estimate
    null: np.ndarray = field(repr=False)
    statistic: float | None = None
    stop_after: int | None = None
    method: str = ""
    cautions: tuple[str, ...] = ()
    _stream: NullValues | None = field(default=None, repr=False)

    @property
    def p_value(self) -> float:
        """(1 + number of null values ≥ the statistic) / (1 + m), or h / m if shuffling stopped at the h-th.

        Values equal up to rounding count as ≥.
        """
        as_large = int(self._as_large(self.null).sum())
        if self._has_stopped(as_large):
            return as_large / len(self.null)
        return (1 + as_large) / (1 + len(self.null))

    @property
    def lowest_p_value(self) -> float:
        """1 / (1 + m), the least that m null values allow."""
        return 1 / (1 + len(self.null))

    @property
    def is_at_floor(self) -> bool:
        """True where p is the lowest that so many shuffles allow, and more shuffles could make it smaller."""
        most = math.inf if self._stream is None else self._stream.num_most
        return len(self.null) < most and not self._as_large(self.null).any()

    @property
    def null_mean(self) -> float:
        """Mean of the null values: the bias of the estimator at independence."""
        return float(self.null.mean())

    @property
    def null_standard_deviation(self) -> float:
        """Standard deviation of the null values."""
        return float(self.null.std(ddof=1))

    @property
    def z_score(self) -> float:
        """(statistic − mean of null) / standard deviation of null.

        Raises:
            ValueError: one permutation, or null values that are all equal.
        """
        refuse(
            len(self.null) < 2 or np.ptp(self.null) == 0,
            f"z_score: needs null values that differ, got {len(self.null)} of the same value; "
            "take more permutations, or see whether a variable is constant",
        )
        return (self._statistic - self.null_mean) / self.null_standard_deviation

    def extended(self, num_permutations: int, *, num_workers: int = 1) -> "PermutationTest":
        """Return the test with more shuffles, `num_permutations` in all, as if they were drawn at once.

        A test that has stopped, or has as many shuffles, is returned as it is.

        Raises:
            ValueError: a test that was not made by `permutation_test` or `SharedNulls`.
        """
        refuse(
            self._stream is None,
            "PermutationTest.extended: this test holds null values alone, and not the samples; "
            "make it by permutation_test",
        )
        check_whole(
            "PermutationTest.extended", "num_permutations", num_permutations, least=1, remedy="999 is usual"
        )
        assert self._stream is not None
        null, num = self.null, len(self.null)
        most = int(min(num_permutations, self._stream.num_most))
        while len(null) < most and not self._has_stopped(int(self._as_large(null).sum())):
            num = most if self.stop_after is None else min(most, max(2 * num, FIRST_BATCH))
            null = self._until_stop(self._stream.first(num, num_workers))
        return replace(self, null=null)

    @property
    def _statistic(self) -> float:
        return self.estimate.value if self.statistic is None else self.statistic

    def _as_large(self, null: np.ndarray) -> np.ndarray:
        return null >= self._statistic - 1e-12 * max(1.0, abs(self._statistic))

    def _has_stopped(self, as_large: int) -> bool:
        return self.stop_after is not None and as_large >= self.stop_after

    def _until_stop(self, null: np.ndarray) -> np.ndarray:
        """Return the null values up to the h-th that is as large."""
        if self.stop_after is None:
            return null
        found = np.flatnonzero(self._as_large(null))
        return null[: found[self.stop_after - 1] + 1] if len(found) >= self.stop_after else null


def permutation_test(
    x: Any,
    y: Any,
    estimator: Estimator,
    *,
    given: Any = None,
    null: Null | None = None,
    num_permutations: int = DEFAULT_NUM_PERMUTATIONS,
    stop_after: int | None = None,
    seed: int = 0,
    num_workers: int = -1,
) -> PermutationTest:
    """Return the test of I(X;Y) = 0, or of I(X;Y|given) = 0, by shuffling y.

    By default a shuffle is any permutation of the rows, for rows that are independent of each other. Series,
    panels and repeated measurements need another `null`: `CircularShifts`, `Blocks` or `WithinGroups`. Where
    rows follow each other and the null ignores it, the test has a caution.

    Given labels, y is shuffled among rows of equal labels, and the test is exact. Given numbers, see
    `Residuals`.

    Args:
        x: samples, as `estimator` takes them.
        y: samples.
        estimator: any object with ``estimate(x, y, given=…)``.
        given: samples of what is known already.
        null: how y is shuffled; None: `WholeGroup` without a condition, `WithinGroups` given labels,
            `Residuals` given numbers.
        num_permutations: m; the lowest possible p-value is 1 / (1 + m). Where there are fewer orders, all are
            taken.
        stop_after: h; stop at the h-th null value that is as large as the estimate, with p = h / (number of
            shuffles so far), which is as valid and saves time where there is nothing to find. 10 to 20 are
            usual; None takes all shuffles.
        seed: of the shuffles.
        num_workers: threads, −1 for all cores. The values do not depend on it.

    Raises:
        ValueError: fewer than 1 permutation, fewer than 2 samples, different numbers of rows, or samples that
            the null does not suit.

    Example:
        >>> from infomax.estimation.counting.counts import PlugIn
        >>> coin = np.random.default_rng(0).integers(2, size=100)
        >>> permutation_test(coin, 1 - coin, PlugIn(), num_permutations=99).p_value
        0.01

    Reference: Phipson and Smyth (2010), for p > 0; Besag and Clifford (1991), for stopping.
    """
    check_numbers("permutation_test", num_permutations, stop_after, seed)
    samples = JointSamples.of("permutation_test", x, y, given)
    refuse(len(samples) < 2, f"permutation_test: shuffling needs at least 2 samples, got {len(samples)}")
    refuse(
        null is not None and not isinstance(null, Null),
        f"permutation_test: null must be an object such as CircularShifts(), got {null!r}",
    )
    estimate = estimator.estimate(samples.x, samples.y, given=samples.given)
    chosen = null or (WholeGroup() if given is None else null_given(given))
    shuffling = chosen.shuffling(samples, seed)
    caution = None
    if shuffling.independent_rows:
        caution = serial_dependence(
            samples.x, samples.y, groups=shuffling.groups, has_condition=given is not None
        )
    test = test_against(estimate, NullValues(shuffling, estimator), caution=caution, stop_after=stop_after)
    return test.extended(num_permutations, num_workers=num_workers)


def test_against(
    estimate: Estimate, null: NullValues, *, caution: str | None = None, stop_after: int | None = None
) -> PermutationTest:
    """Return a test that has no null values yet, and gets them by `extended`."""
    shuffling, num = null.shuffling, null.num_most + 1
    cautions = () if caution is None else (caution,)
    if num < FEW_ORDERS:
        cautions += (f"there are {num:.0f} orders to shuffle into: p is at least {1 / num:.2g}",)
    return PermutationTest(
        estimate,
        np.empty(0),
        statistic=shuffling.samples.value(null.estimator) if shuffling.transformed else None,
        stop_after=stop_after,
        method=shuffling.method + (f", {num:,.0f} in all" if num < math.inf else ""),
        cautions=cautions,
        _stream=null,
    )


def check_numbers(operation: str, num_permutations: int, stop_after: int | None, seed: int) -> None:
    """Check the numbers that a test is made with.

    Raises:
        ValueError: not whole, or fewer than 1 shuffle.
    """
    check_whole(operation, "num_permutations", num_permutations, least=1, remedy="999 is usual")
    if stop_after is not None:
        check_whole(
            operation, "stop_after", stop_after, least=1, remedy="10 to 20 are usual, None takes all shuffles"
        )
    check_seed(operation, seed)
