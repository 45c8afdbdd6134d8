"""Rows that follow each other: found where they do, silent where they do not, and block lengths that hold."""

import numpy as np
import pytest
from scipy.signal import lfilter

from infomax.estimation.estimate import Estimate
from infomax.estimation.resampling.nulls import Blocks, CircularShifts, WholeGroup, WithinGroups
from infomax.estimation.resampling.permutation import permutation_test
from infomax.estimation.resampling.series import block_length, serial_dependence


class Correlation:
    """|ρ|, which is quick."""

    def estimate(self, x, y, *, given=None):
        return Estimate(abs(float(np.corrcoef(x, y)[0, 1])), 0.0, len(x))


def autoregressive(correlation, n, rng):
    return lfilter([1], [1, -correlation], rng.standard_normal((2, n + 400)))[:, 400:]


def test_series_are_found_and_independent_rows_are_not():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x, y = autoregressive(0.7, 200, rng)
        noise = rng.standard_normal(200)
        assert serial_dependence(x, y).startswith("rows follow each other: rank correlation with the row be")
        for pair in ((noise, y), (x, noise), (noise, noise), (rng.permutation(x), rng.permutation(y))):
            assert serial_dependence(*pair) is None


def test_the_number_of_rows_that_they_count_as():
    """Σ ρ_x(k) ρ_y(k) = (1 + φ²) / (1 − φ²) for two autoregressive series: 9.3 for φ = 0.9."""
    x, y = autoregressive(0.9, 5000, np.random.default_rng(0))
    caution = serial_dependence(x, y)
    found = int(caution.split("count as about ")[1].split(";")[0])
    assert 5000 / found == pytest.approx(1.81 / 0.19, rel=0.25)


def test_what_else_follows():
    rng = np.random.default_rng(1)
    volatility = np.exp(autoregressive(0.95, 600, rng)) * rng.standard_normal((2, 600))
    assert serial_dependence(*volatility) is not None
    labels = (autoregressive(0.9, 600, rng) > 0).astype(int)
    assert serial_dependence(*labels) is not None
    columns = np.column_stack([rng.standard_normal((600, 3)), np.cumsum(rng.standard_normal(600))])
    assert serial_dependence(columns, volatility[0]) is not None
    assert serial_dependence(np.zeros(50), np.arange(50)) is None
    assert serial_dependence([1, 2, 3], [1, 2, 3]) is None


def test_rows_of_different_groups_do_not_follow():
    groups = np.arange(400) // 2
    x, y = np.random.default_rng(0).standard_normal((2, 200)).repeat(2, axis=1)
    assert serial_dependence(x, y) is not None
    assert serial_dependence(x, y, groups=np.arange(400)) is None
    assert block_length(x, y, groups=groups) <= 20


def test_series_of_a_panel_are_found_in_any_order_of_its_rows():
    """Rows by series, or by time: each series alone is looked at, whatever its level."""
    rng = np.random.default_rng(0)
    x, y = np.stack([autoregressive(0.9, 60, rng) for _ in range(10)], axis=1)  # [series, time]
    noise = rng.standard_normal((2, 10, 60)) + 3 * rng.standard_normal((2, 10, 1))
    by_series, by_time = np.repeat(np.arange(10), 60), np.tile(np.arange(10), 60)
    found = serial_dependence(x.ravel(), y.ravel(), groups=by_series)
    assert "follow each other" in found
    assert serial_dependence(x.T.ravel(), y.T.ravel(), groups=by_time) == found
    volatility = np.exp(np.stack([autoregressive(0.95, 60, rng) for _ in range(10)], axis=1)) * noise
    one, other = volatility
    assert block_length(one.T.ravel(), other.T.ravel(), groups=by_time) == block_length(
        one.ravel(), other.ravel(), groups=by_series
    )
    assert serial_dependence(*noise.reshape(2, -1)) is not None
    for null in (None, WithinGroups(by_series)):
        test = permutation_test(*noise.reshape(2, -1), Correlation(), null=null, num_permutations=9)
        assert bool(test.cautions) == (null is None)
    panel = permutation_test(x.T.ravel(), y.T.ravel(), Correlation(), null=WithinGroups(by_time))
    assert panel.cautions == (found,)


@pytest.mark.parametrize("size", [2, 3, 10, 100])
def test_levels_of_groups_are_no_dependence_of_rows(size):
    """Scores that are centred in small groups are correlated by −1/(m − 1), which is taken away."""
    rng = np.random.default_rng(size)
    for _ in range(10):
        x, y = np.repeat(2 * rng.standard_normal((2, 600 // size)), size, axis=1) + rng.standard_normal(
            (2, 600 // size * size)
        )
        assert serial_dependence(x, y, groups=np.arange(len(x)) // size) is None


def test_block_length_grows_with_memory():
    lengths = []
    for correlation in (0.0, 0.5, 0.9, 0.97):
        x, y = autoregressive(correlation, 2000, np.random.default_rng(0))
        lengths.append(block_length(x, y))
    assert lengths[0] == 1
    assert sorted(lengths) == lengths
    lost = 2 * 0.25 / (1 - 0.25**2)  # Σ |k| φ^2|k| / Σ φ^2|k|
    assert lengths[1] == pytest.approx(lost / 0.04, rel=0.35)
    lost = 2 * 0.81 / (1 - 0.81**2)
    assert 10 * lost < lengths[2] < lost / 0.04
    assert lengths[2] == 100  # 20 blocks


def test_cautions_of_a_test():
    x, y = autoregressive(0.9, 300, np.random.default_rng(0))
    quick = {"num_permutations": 9, "num_workers": 1}
    (caution,) = permutation_test(x, y, Correlation(), **quick).cautions
    assert caution == serial_dependence(x, y)
    assert permutation_test(x, y, Correlation(), null=WholeGroup(), **quick).cautions == (caution,)
    for null in (CircularShifts(), Blocks()):
        assert permutation_test(x, y, Correlation(), null=null, **quick).cautions == ()
    test = permutation_test(x, y, Correlation(), null=Blocks(), **quick)
    length = block_length(x, y)
    assert test.method.startswith(f"{(num := 300 // length)} blocks of {300 // num} rows, by autoc")


def shares(null, correlation, repeats, *, direct=0.0, n=500, level=0.05):
    """Share of p ≤ level."""
    found = []
    for seed in range(repeats):
        x, y = autoregressive(correlation, n, np.random.default_rng([5, seed]))
        test = permutation_test(
            x, y + direct * x, Correlation(), null=null, num_permutations=199, seed=seed, num_workers=1
        )
        found.append(test.p_value <= level + 1e-9)
    return float(np.mean(found))


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [0.5, 0.9, 0.95])
@pytest.mark.parametrize("null", [CircularShifts(), Blocks()], ids=["shifts", "blocks"])
def test_independent_series_are_not_found(null, correlation):
    """500 rows; all permutations find something in 51 % (φ = 0.9) and 65 % (0.95)."""
    assert shares(null, correlation, 500) <= 0.07


@pytest.mark.slow
@pytest.mark.parametrize("null", [CircularShifts(), Blocks()], ids=["shifts", "blocks"])
def test_dependent_series_are_found(null):
    assert shares(null, 0.9, 100, direct=0.7) > 0.8


def test_shifts_hold_their_level_in_few_repeats():
    assert shares(CircularShifts(), 0.9, 20, n=200) <= 0.2
    assert shares(WholeGroup(), 0.9, 20, n=200) > 0.2
