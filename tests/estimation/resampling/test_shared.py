"""Shared null values: of one distribution for like pairs, computed once, and the same whoever asks."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import ks_2samp

from infomax.estimation.counting.counts import PlugIn
from infomax.estimation.estimate import Estimate
from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neighbors.mixed import Ross
from infomax.estimation.resampling.permutation import permutation_test
from infomax.estimation.resampling.shared import SharedNulls

KSG_ALONE = KSG(num_workers=1)
SCORES = ndtri(np.arange(1, 61) / 61)


class Counting:
    """An estimator that counts its calls; its objects differ, as those of unknown classes may."""

    def __init__(self):
        self.calls = 0

    def estimate(self, x, y, *, given=None):
        self.calls += 1
        return Estimate(float(np.mean(x * y)), 0.1, len(x))


def permuted(seed):
    return np.random.default_rng(seed).permutation(SCORES)


def test_like_pairs_share_and_others_do_not():
    shared, estimator = SharedNulls(), Counting()
    x, y, z = (permuted(seed) for seed in range(3))
    tests = [shared.test(*pair, estimator, num_permutations=50) for pair in ((x, y), (y, z), (z, x))]
    assert estimator.calls == 50 + 3
    assert all((test.null == tests[0].null).all() for test in tests)
    assert len({test.estimate.value for test in tests}) == 3
    shared.test(x, y + 1, estimator, num_permutations=50)
    shared.test(x[:-1], y[:-1], estimator, num_permutations=50)
    shared.test(x, y, Counting(), num_permutations=50)
    assert estimator.calls == 3 * 50 + 5


def test_the_null_is_that_of_the_pair():
    rng = np.random.default_rng(0)
    label, x = rng.integers(3, size=60), permuted(1)
    for pair, estimator in (((x, permuted(2)), KSG_ALONE), ((label, x), Ross(num_workers=1)), ((label, label % 2), PlugIn())):  # fmt: skip # noqa: E501
        ours = SharedNulls(seed=1).test(*pair, estimator, num_permutations=80)
        theirs = permutation_test(*pair, estimator, num_permutations=80, seed=2, num_workers=1)
        assert ours.estimate.value == theirs.estimate.value
        assert ks_2samp(ours.null, theirs.null).pvalue > 1e-3
        assert ours.method == theirs.method == "all permutations"


def test_values_depend_neither_on_threads_nor_on_order():
    pairs = [(permuted(seed), permuted(seed + 10)) for seed in range(6)]

    def p_values(order, num_workers):
        shared = SharedNulls(seed=3)
        with ThreadPoolExecutor(num_workers) as threads:
            tests = threads.map(
                lambda i: shared.test(*pairs[i], KSG_ALONE, num_permutations=40, stop_after=3 + i), order
            )
            return {i: (test.p_value, len(test.null)) for i, test in zip(order, tests, strict=True)}

    assert p_values(range(6), 1) == p_values(range(5, -1, -1), 3)


def test_growing():
    shared, estimator = SharedNulls(), Counting()
    x = permuted(0)
    test = shared.test(x, x, estimator, num_permutations=19)
    assert test.is_at_floor
    assert test.p_value == 1 / 20
    longer = pickle.loads(pickle.dumps(test)).extended(99)
    assert longer.p_value == 1 / 100
    assert (longer.null == shared.test(permuted(1), x, estimator, num_permutations=99).null).all()
    assert estimator.calls == 2 + 99


def test_columns_of_several_numbers():
    rows = np.random.default_rng(0).standard_normal((50, 2))
    shared = SharedNulls()
    tests = [shared.test(part, part[:, 0], KSG_ALONE, num_permutations=9) for part in (rows, rows[::-1])]
    assert (tests[0].null == tests[1].null).all()


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"SharedNulls\.test: num_permutations must be at least 1, got 0"):
        SharedNulls().test(SCORES, SCORES, KSG_ALONE, num_permutations=0)
    with pytest.raises(ValueError, match=r"SharedNulls\.test: variables must have equally many samples"):
        SharedNulls().test(SCORES, SCORES[1:], KSG_ALONE)
    with pytest.raises(ValueError, match="KSG: x must be finite"):
        SharedNulls().test(SCORES * np.nan, SCORES, KSG_ALONE)
