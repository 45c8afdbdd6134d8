"""Permutation tests: p-values that are exact, uniform where there is nothing, and small otherwise."""

import math
import pickle

import jaxtyping
import numpy as np
import polars as pl
import pytest
import torch
from scipy import stats
from scipy.stats import binom

from infomax.estimation.binning import AdaptivePartition, EqualMassBins, FixedBins
from infomax.estimation.counting.counts import NSB, ChaoShen, Grassberger, JamesStein, MillerMadow, PlugIn
from infomax.estimation.estimate import Estimate
from infomax.estimation.gaussian import CCA, Gaussian, GaussianCopula
from infomax.estimation.kernel_density import KernelDensity
from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neighbors.mixed import MixedKSG, Ross
from infomax.estimation.resampling.nulls import WholeGroup, WithinGroups
from infomax.estimation.resampling.permutation import PermutationTest, permutation_test
from infomax.information.distributions import correlated_gaussians

KSG_ALONE = KSG(num_workers=1)


def pairs(n=100, seed=0, correlation=0.75):
    return correlated_gaussians(correlation).sample(n, np.random.default_rng(seed))


class Correlation:
    """|ρ|, or ρ, which is quick."""

    def __init__(self, signed=False):
        self.signed = signed

    def estimate(self, x, y, *, given=None):
        x, y = np.ravel(x - x.mean()), np.ravel(y - y.mean())
        rho = float(x @ y / np.sqrt((x @ x) * (y @ y)))
        return Estimate(rho if self.signed else abs(rho), 0.0, len(x))


class Recording:
    """An estimator that keeps what it was given."""

    def __init__(self):
        self.seen = []

    def estimate(self, x, y, *, given=None):
        self.seen.append((x, y, given))
        return Estimate(float(np.mean(x * y)), 0.0, len(x))


LEVELS = (0.1, 0.3, 0.5, 0.7)  # such that 9 permutations reach them exactly


def num_below(p_values, level):
    return int((np.array(p_values) <= level + 1e-9).sum())


def assert_not_too_small(p_values):
    """P(p ≤ level) may be `level`, or less."""
    for level in LEVELS:
        assert binom.sf(num_below(p_values, level) - 1, len(p_values), level) > 1e-3, level


def assert_uniform(p_values):
    """P(p ≤ level) may be `level`."""
    assert_not_too_small(p_values)
    for level in LEVELS:
        assert binom.cdf(num_below(p_values, level), len(p_values), level) > 1e-3, level


# ---------------------------------------------------------------------------------------- the test


def test_y_alone_is_shuffled_and_rows_may_keep_their_places():
    recording, x, y = Recording(), np.arange(30.0), np.arange(30.0) + 100
    test = permutation_test(x, y, recording, num_permutations=50, num_workers=1)
    (_, original, _), *shuffled = recording.seen
    assert (original == y).all()
    assert len(shuffled) == len(test.null) == 50
    for seen_x, seen_y, seen_given in shuffled:
        assert (seen_x == x).all()
        assert seen_given is None
        assert sorted(seen_y) == sorted(y)
    assert np.mean([(seen_y == y).sum() for _, seen_y, _ in shuffled]) == pytest.approx(1, abs=0.6)


def test_one_pair_that_decides():
    """x = y, one 1 among 20 rows: the partners meet in one permutation of 20."""
    x = (np.arange(20) == 3).astype(int)
    test = permutation_test(x, x, PlugIn(), num_permutations=199, num_workers=1)
    assert test.p_value == pytest.approx(1 / 20, abs=4 * math.sqrt(0.05 * 0.95 / 200))
    assert test.cautions == ()


@pytest.mark.parametrize("num_rows", [2, 3, 4, 5, 6])
def test_few_rows_are_enumerated_as_by_scipy(num_rows):
    """`scipy.stats.permutation_test` of pairings takes each of the n! orders once, and so do we."""
    x, y = np.random.default_rng(num_rows).standard_normal((2, num_rows))
    for estimator in (Correlation(), Correlation(signed=True)):
        ours = permutation_test(x, y, estimator, num_permutations=999, num_workers=1)
        theirs = stats.permutation_test(
            (y,),
            lambda shuffled, e=estimator: e.estimate(x, shuffled).value,
            permutation_type="pairings",
            n_resamples=np.inf,
            alternative="greater",
        )
        assert len(ours.null) == math.factorial(num_rows) - 1
        assert ours.p_value == pytest.approx(theirs.pvalue)
        assert sorted([*ours.null, ours.estimate.value]) == pytest.approx(sorted(theirs.null_distribution))
        assert ours.method == f"all permutations, {math.factorial(num_rows)} in all"


def test_too_few_orders_are_said():
    x = np.arange(3.0)
    test = permutation_test(x, x, Correlation(signed=True), num_workers=1)
    assert test.p_value == pytest.approx(1 / 6)
    assert test.cautions == ("there are 6 orders to shuffle into: p is at least 0.17",)
    x = np.arange(4.0)
    assert permutation_test(x, x, Correlation(signed=True), num_workers=1).cautions == ()


def test_exact_p_values_by_scipy_for_ties():
    """Wilcoxon's and Kendall's exact laws are those of an enumeration, too."""
    x, y = np.array([1.0, 2, 3, 4, 5]), np.array([2.0, 1, 3, 5, 4])
    test = permutation_test(x, y, Correlation(signed=True), num_permutations=200, num_workers=1)
    assert test.p_value == pytest.approx(stats.spearmanr(x, y, alternative="greater").pvalue, abs=0.05)
    assert test.p_value * 120 == pytest.approx(round(test.p_value * 120))


@pytest.mark.parametrize("num_workers", [1, 2, -1])
def test_equal_to_the_estimator_on_every_shuffled_pair(num_workers):
    x, y = pairs(200)
    recording = Recording()
    permutation_test(x, y, recording, num_permutations=9, seed=3, num_workers=1)
    test = permutation_test(x, y, KSG(), num_permutations=9, seed=3, num_workers=num_workers)
    assert test.estimate.value == KSG().estimate(x, y).value
    assert test.null.tolist() == [KSG().estimate(x, shuffled).value for _, shuffled, _ in recording.seen[1:]]


def test_p_value_counts_values_that_are_as_large():
    estimate = Estimate(0.3, 0.1, 10)
    assert PermutationTest(estimate, np.array([0.1, 0.2, 0.3, 0.4])).p_value == 3 / 5
    assert PermutationTest(estimate, np.array([0.1, 0.2])).p_value == 1 / 3
    assert PermutationTest(estimate, np.array([0.1 + 0.2, 0.3 - 1e-16, 0.1])).p_value == 3 / 4


def test_mean_deviation_and_z_score():
    test = PermutationTest(Estimate(0.5, 0.1, 10), np.array([0.1, 0.2, 0.3]))
    assert test.null_mean == pytest.approx(0.2)
    assert test.null_standard_deviation == pytest.approx(0.1)
    assert test.z_score == pytest.approx(3)


def test_null_mean_is_the_bias_at_independence():
    """Of the plug-in value, (|X| − 1)(|Y| − 1) / 2n."""
    x, y = np.random.default_rng(0).integers(4, size=(2, 1000))
    test = permutation_test(x, x + 0 * y, PlugIn(), num_permutations=200)
    assert test.null_mean == pytest.approx(9 / 2000, rel=0.15)
    assert test.z_score > 100


def test_seeds():
    x, y = pairs(50)
    nulls = [permutation_test(x, y, KSG_ALONE, num_permutations=9, seed=seed).null for seed in (0, 0, 1)]
    assert (nulls[0] == nulls[1]).all()
    assert (nulls[0] != nulls[2]).any()
    more = permutation_test(x, y, KSG_ALONE, num_permutations=12, seed=0).null
    assert (more[:9] == nulls[0]).all()


def test_whatever_holds_samples():
    labels = ["yes", "no", "maybe"] * 20
    codes = np.array([2, 1, 0] * 20)
    other = np.arange(60) // 30
    expected = permutation_test(codes, other, MillerMadow(), num_permutations=19).null
    for x in (labels, np.array(labels), pl.Series(labels), torch.tensor(codes), [(c, c) for c in labels]):
        null = permutation_test(x, other, MillerMadow(), num_permutations=19).null
        assert null == pytest.approx(expected, abs=1e-12)
    rows = np.random.default_rng(0).standard_normal((60, 3))
    assert permutation_test(labels, rows, Ross(), num_permutations=3).null.shape == (3,)


# ---------------------------------------------------------------------------------- stopping and growing


@pytest.mark.parametrize("num_workers", [1, 3])
def test_stopping_cuts_the_same_stream(num_workers):
    x, y = pairs(40, correlation=0.1)
    whole = permutation_test(x, y, Correlation(), num_permutations=300, num_workers=1)
    as_large = np.flatnonzero(whole.null >= whole.estimate.value)
    assert len(as_large) > 12
    for stop_after in (1, 3, 12):
        stopped = permutation_test(
            x, y, Correlation(), num_permutations=300, stop_after=stop_after, num_workers=num_workers
        )
        num = as_large[stop_after - 1] + 1
        assert stopped.null.tolist() == whole.null[:num].tolist()
        assert stopped.p_value == stop_after / num
        assert stopped.extended(1000).null.tolist() == stopped.null.tolist()
    never = permutation_test(x, y, Correlation(), num_permutations=300, stop_after=301, num_workers=1)
    assert never.p_value == whole.p_value


def test_more_shuffles_are_as_if_drawn_at_once():
    x, y = pairs(30)
    for settings in ({}, {"stop_after": 2}):
        short = permutation_test(x, y, Correlation(), num_permutations=19, num_workers=1, **settings)
        long = permutation_test(x, y, Correlation(), num_permutations=200, num_workers=2, **settings)
        assert short.extended(200).null.tolist() == long.null.tolist()
        assert short.extended(50, num_workers=2).extended(200).p_value == long.p_value
        assert pickle.loads(pickle.dumps(short)).extended(200).p_value == long.p_value
    assert short.extended(5) is not None
    assert len(short.extended(5).null) == 19


def test_growing_ends_with_the_last_order():
    x, y = pairs(5)
    test = permutation_test(x, y, Correlation(), num_permutations=10, num_workers=1)
    assert not test.extended(10_000).is_at_floor
    assert len(test.extended(10_000).null) == 119
    once = permutation_test(x, y, Correlation(), num_permutations=500, num_workers=1)
    assert test.extended(10_000).null.tolist() == once.null.tolist()


def test_the_floor():
    x = np.arange(50.0)
    test = permutation_test(x, x, Correlation(), num_permutations=19, num_workers=1)
    assert test.is_at_floor
    assert test.p_value == test.lowest_p_value == 1 / 20
    assert test.extended(199).p_value == 1 / 200
    alternating = permutation_test(x, np.arange(50) % 2, Correlation(), num_permutations=39, num_workers=1)
    assert not alternating.is_at_floor


def test_stopped_p_values_hold_their_level():
    """P(p ≤ h/l) = h/l: for a statistic and null values that are independent and alike."""
    rng, p_values = np.random.default_rng(0), []
    for _ in range(3000):
        values = rng.standard_normal(61)
        test = PermutationTest(Estimate(values[0], 0.1, 10), values[1:], stop_after=3)
        p_values.append(PermutationTest(test.estimate, test._until_stop(test.null), stop_after=3).p_value)
    for level in (1 / 61, 3 / 30, 3 / 10, 3 / 5):
        assert binom.sf(num_below(p_values, level) - 1, 3000, level) > 1e-3
        assert binom.cdf(num_below(p_values, level), 3000, level) > 1e-3


# ---------------------------------------------------------------------------------------- level and power


def p_values_of(draw, estimator, repeats, num_permutations=9):
    """p-values of independent samples, draw(rng) -> x, y, given."""
    for seed in range(repeats):
        x, y, z = draw(np.random.default_rng(seed))
        yield permutation_test(
            x, y, estimator, given=z, num_permutations=num_permutations, seed=seed, num_workers=1
        ).p_value


def independent(n):
    return lambda rng: (*rng.standard_normal((2, n)), None)


@pytest.mark.parametrize(
    ("estimator", "n", "repeats"),
    [
        (Correlation(), 30, 200),
        (KSG_ALONE, 40, 30),
        pytest.param(KSG(4, num_workers=1), 200, 400, marks=pytest.mark.slow),
        pytest.param(Gaussian(), 50, 400, marks=pytest.mark.slow),
    ],
)
def test_p_values_are_uniform_under_independence(estimator, n, repeats):
    assert_uniform(list(p_values_of(independent(n), estimator, repeats)))


def draws_of(kind, n, rng):
    """Independent x and y of a kind."""
    if kind == "labels":
        return rng.integers(3, size=(2, n))
    if kind == "rare labels":
        return rng.choice(20, size=(2, n), p=(weights := 0.7 ** np.arange(20)) / weights.sum())
    if kind == "mixed":
        return np.maximum(rng.standard_normal((2, n)), 0)
    if kind == "label and number":
        return rng.permutation(np.arange(n) % 3), rng.standard_normal(n)
    return rng.standard_cauchy((2, n))


ON_KINDS = {
    "labels": [PlugIn(), MillerMadow(), Grassberger(), ChaoShen(), JamesStein(), NSB()],
    "rare labels": [PlugIn(), MillerMadow(), Grassberger(), ChaoShen(), JamesStein()],
    "mixed": [MixedKSG(num_workers=1), EqualMassBins(3), FixedBins(3), GaussianCopula(), Gaussian()],
    "label and number": [Ross(num_workers=1), MixedKSG(num_workers=1)],
    "cauchy": [
        Gaussian(),
        GaussianCopula(),
        CCA(),
        KSG(num_workers=1),
        KSG(2, variant=2, num_workers=1),
        MixedKSG(num_workers=1),
        KernelDensity(),
        FixedBins(3),
        EqualMassBins(3),
        AdaptivePartition(),
    ],
}


def assert_level(estimator, kind, n, repeats, num_permutations=199):
    """P(p ≤ α) ≤ α within binomial error, for each α."""
    p_values = []
    for seed in range(repeats):
        x, y = draws_of(kind, n, np.random.default_rng([n, seed]))
        test = permutation_test(
            x, y, estimator, num_permutations=num_permutations, stop_after=25, seed=seed, num_workers=1
        )
        p_values.append(test.p_value)
    for level in (0.005, 0.01, 0.05, 0.1):
        found = num_below(p_values, level)
        assert binom.sf(found - 1, repeats, level) > 1e-4, (kind, estimator, n, level, found)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "estimator"),
    [(kind, estimator) for kind, estimators in ON_KINDS.items() for estimator in estimators],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
@pytest.mark.parametrize(("n", "repeats"), [(10, 200), (20, 200), (50, 200), (200, 80), (1000, 20)])
def test_level_is_exact_for_every_estimator(kind, estimator, n, repeats):
    assert_level(estimator, kind, n, repeats)


def test_level_is_exact():
    assert_level(Correlation(), "cauchy", 10, 60)


def test_p_values_are_uniform_in_cells_of_two():
    strata = [f"pair {row // 2}" for row in range(30)]
    draws = p_values_of(lambda rng: (*rng.standard_normal((2, 30)), strata), Correlation(), 200)
    assert_uniform(list(draws))


def test_p_values_are_not_too_small_where_values_are_tied():
    """Two-by-two tables have few values, which rounding must not tell apart."""
    assert_not_too_small(list(p_values_of(lambda r: (*r.integers(2, size=(2, 20)), None), PlugIn(), 25)))


def test_p_values_are_not_too_small_given_labels():
    def draw(rng):
        z = rng.integers(3, size=60)
        return *((z + rng.integers(3, size=(2, 60))) // 2), z

    assert_not_too_small(list(p_values_of(draw, PlugIn(), 25)))


def common_cause(n, direct=0.0):
    """X ← Z → Y, and X → Y with `direct`."""

    def draw(rng):
        z, x, y = rng.standard_normal((3, n))
        x = z + x / 2
        return x, z + y / 2 + direct * x, z

    return draw


@pytest.mark.slow
def test_p_values_are_not_too_small_given_numbers():
    assert_not_too_small(list(p_values_of(common_cause(200), KSG_ALONE, 100)))


def test_power():
    def draw(rng):
        return *correlated_gaussians(0.6).sample(100, rng), None

    assert np.mean(np.array(list(p_values_of(draw, KSG_ALONE, 20))) <= 0.1) > 0.8


def test_power_given_a_condition():
    x, y, z = common_cause(300, direct=1.0)(np.random.default_rng(0))
    assert permutation_test(x, y, KSG_ALONE, given=z, num_permutations=19).p_value == 1 / 20
    coin, other = np.random.default_rng(0).integers(2, size=(2, 60))
    assert permutation_test(coin, coin ^ other, PlugIn(), num_permutations=99).p_value > 0.05
    assert permutation_test(coin, coin ^ other, PlugIn(), given=other, num_permutations=99).p_value == 0.01


def test_a_common_cause_is_seen_without_the_condition_alone():
    x, y, z = common_cause(300)(np.random.default_rng(1))
    assert permutation_test(x, y, KSG_ALONE, num_permutations=19).p_value == 1 / 20
    assert permutation_test(x, y, KSG_ALONE, given=z, num_permutations=19).p_value > 0.05


# ---------------------------------------------------------------------------------------- what is refused


class TestErrors:
    x, y = pairs(20)

    def test_number_of_permutations(self):
        with pytest.raises(ValueError, match="num_permutations must be at least 1, got 0; 999 is usual"):
            permutation_test(self.x, self.y, KSG(), num_permutations=0)

    @pytest.mark.parametrize("number", [0.5, 10.0, "9", float("nan")])
    def test_numbers_that_are_not_whole(self, number, monkeypatch):
        monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as users call it
        for settings in ({"num_permutations": number}, {"stop_after": number}, {"seed": number}):
            (name,) = settings
            with pytest.raises(ValueError, match=f"permutation_test: {name} must be an integer"):
                permutation_test(self.x, self.y, KSG(), **settings)

    def test_a_null_that_is_none(self, monkeypatch):
        monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
        with pytest.raises(
            ValueError, match=r"null must be an object such as CircularShifts\(\), got 'blocks'"
        ):
            permutation_test(self.x, self.y, KSG(), null="blocks")
        with pytest.raises(ValueError, match="WholeGroup also destroys the dependence of y on given"):
            permutation_test(self.x, self.y, KSG(), given=self.x, null=WholeGroup())
        with pytest.raises(ValueError, match="groups must have one label for each of 20 samples, got 19"):
            permutation_test(self.x, self.y, KSG(), null=WithinGroups(["a"] * 19))

    def test_one_sample(self):
        with pytest.raises(ValueError, match="permutation_test: shuffling needs at least 2 samples, got 1"):
            permutation_test([1], [2], PlugIn())

    def test_unequal_lengths(self):
        with pytest.raises(ValueError, match=r"equally many samples, got \{'x': 19, 'y': 20\}"):
            permutation_test(self.x[1:], self.y, KSG())

    def test_labels_that_are_alone(self):
        names = [f"name {row}" for row in range(20)]
        with pytest.raises(ValueError, match=r"20 of 20 samples are alone in their group.*merge rare labels"):
            permutation_test(self.x, self.y, PlugIn(), given=names)

    def test_missing_labels(self):
        with pytest.raises(ValueError, match="permutation_test: x has 1 missing values"):
            permutation_test(["a", None, "b"], [1, 2, 3], PlugIn())

    def test_what_the_estimator_refuses(self):
        with pytest.raises(ValueError, match="KSG: x must be finite"):
            permutation_test(np.append(self.x[1:], np.nan), self.y, KSG())
        with pytest.raises(ValueError, match="3 neighbours need more than 3 samples"):
            permutation_test(self.x[:3], self.y[:3], KSG())

    def test_z_score_of_equal_values(self):
        test = permutation_test(np.zeros(9), np.arange(9), PlugIn(), num_permutations=5)
        assert test.p_value == 1
        with pytest.raises(
            ValueError, match="z_score: needs null values that differ, got 5 of the same value"
        ):
            _ = test.z_score
        with pytest.raises(ValueError, match="got 1 of the same value"):
            _ = PermutationTest(test.estimate, np.array([1.0])).z_score
