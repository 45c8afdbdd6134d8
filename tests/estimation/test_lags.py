"""Lags against slices, and transfer entropy against the closed form of an autoregression."""

from functools import partial

import numpy as np
import pytest
from scipy.linalg import solve_discrete_lyapunov

from infomax.estimation.counting.counts import MillerMadow, PlugIn
from infomax.estimation.gaussian import Gaussian
from infomax.estimation.lags import lagged, lagged_information, transfer_entropy
from infomax.estimation.neighbors.ksg import KSG
from infomax.information.gaussian import (
    gaussian_conditional_mutual_information,
    gaussian_mutual_information,
)

COUPLING = np.array([[0.5, 0.0], [0.6, 0.3]])  # of (source, target) at t − 1 to t
NOISE = np.diag([1.0, 0.5])


def autoregression(n, seed=0):
    rng = np.random.default_rng(seed)
    state, rows = np.zeros(2), []
    for noise in rng.standard_normal((n + 100, 2)) * np.sqrt(np.diag(NOISE)):
        state = COUPLING @ state + noise
        rows.append(state)
    return np.array(rows[100:]).T


def covariance_of_steps():
    """Of (source, target) at t − 1, then at t."""
    now = solve_discrete_lyapunov(COUPLING, NOISE)
    return np.block([[now, now @ COUPLING.T], [COUPLING @ now, now]])


@pytest.mark.parametrize(("estimator", "tolerance"), [(Gaussian(), 0.015), (KSG(4), 0.05)])
def test_transfer_entropy_of_an_autoregression(estimator, tolerance):
    source, target = autoregression(6000)
    forth = float(gaussian_conditional_mutual_information(covariance_of_steps(), [0], [3], [1]))
    assert forth > 0.2
    assert transfer_entropy(source, target, estimator).value == pytest.approx(forth, abs=tolerance)
    assert transfer_entropy(target, source, estimator).value == pytest.approx(0, abs=tolerance)


def test_lagged_information_of_an_autoregression():
    source, target = autoregression(6000)
    truth = float(gaussian_mutual_information(covariance_of_steps()[np.ix_([0, 3], [0, 3])], 1))
    found = lagged_information(source, target, Gaussian(), 1)
    assert found.value == pytest.approx(truth, abs=0.02)
    assert found.num_samples == 5999
    assert lagged_information(target, source, Gaussian(), -1).value == pytest.approx(found.value)


def test_lagged_rows():
    series = np.arange(10)
    assert lagged(series, [0, 3]).tolist() == [[t, t - 3] for t in range(3, 10)]
    assert lagged(series, [1], start=4).tolist() == [[t - 1] for t in range(4, 10)]
    wide = lagged(np.column_stack([series, -series]), [2, 1])
    assert wide[0].tolist() == [0, 0, 1, -1]
    assert lagged(["a", "b", "c"], [1]).tolist() == [["a"], ["b"]]


class Recorder:
    """An estimator that keeps what it was given."""

    def estimate(self, x, y, *, given=None):
        self.seen = x, y, given
        return Gaussian().estimate(np.arange(9.0) % 4, np.arange(9.0) % 5)


def test_samples_are_lined_up():
    source, target, other = np.arange(20), 100 + np.arange(20), 200 + np.arange(20)
    recorder = Recorder()
    transfer_entropy(source, target, recorder, source_lags=(2, 5), target_lags=(1, 3), given=other)
    x, y, given = recorder.seen
    times = np.arange(5, 20)
    assert (x == np.column_stack([times - 2, times - 5])).all()
    assert (y[:, 0] == 100 + times).all()
    assert (given == np.column_stack([100 + times - 1, 100 + times - 3, 200 + times - 1])).all()
    lagged_information(source, target, recorder, -4, given=other)
    x, y, given = recorder.seen
    assert (x[:, 0] - (y[:, 0] - 100) == 4).all()
    assert (given[:, 0] - 200 == y[:, 0] - 100).all()


def test_delay_is_found():
    rng = np.random.default_rng(0)
    source = rng.standard_normal(2000)
    target = np.append(np.zeros(3), source[:-3]) + 0.5 * rng.standard_normal(2000)
    found = [transfer_entropy(source, target, Gaussian(), source_lags=(lag,)).value for lag in range(1, 6)]
    assert int(np.argmax(found)) + 1 == 3


# ------------------------------------------------------------------------------------ groups, cautions


def panel(num_groups=40, length=50):
    """Each group is a shuffled path whose next label is the last one plus its own step: 8 labels."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(num_groups), length)
    steps = rng.integers(8, size=(num_groups, length))
    source = steps.ravel()
    target = np.concatenate([np.append(rng.integers(8), row[:-1]) for row in steps])
    return source, target, groups


def test_lags_do_not_cross_groups():
    """target_t = source_{t−1} within each group: log 8, but not from one to the next."""
    source, target, groups = panel()
    within = lagged_information(source, target, PlugIn(), 1, groups=groups)
    across = lagged_information(source, target, PlugIn(), 1)
    truth = MillerMadow().entropy(source[np.arange(len(source)) % 50 < 49])
    assert within.value == pytest.approx(truth.value, abs=0.002)
    assert across.value < within.value - 0.05
    assert within.num_samples == 40 * 49
    assert within.method == "PlugIn, 40 of 2,000 rows without a past in their group left out"


def test_groups_may_stand_in_any_order():
    """A panel sorted by time, whose groups alternate, is the one sorted by group."""
    source, target, groups = panel()
    by_time = np.arange(len(source)).reshape(40, 50).T.ravel()
    names = np.array([f"animal {g}" for g in groups])
    for function in (partial(lagged_information, lag=2), transfer_entropy):
        expected = function(source, target, estimator=MillerMadow(), groups=groups)
        found = function(
            source[by_time], target[by_time], estimator=MillerMadow(), groups=names[by_time].tolist()
        )
        assert found.value == expected.value
        assert found.method == expected.method


def test_one_group_is_no_group():
    source, target, _ = panel()
    alone = transfer_entropy(source, target, MillerMadow(), source_lags=(1, 2))
    grouped = transfer_entropy(source, target, MillerMadow(), source_lags=(1, 2), groups=["a"] * len(source))
    assert grouped.value == alone.value
    assert grouped.num_samples == alone.num_samples


def test_undersampled_states_are_said_to_be():
    """100 states whose last five are known: every past is seen once, and nothing is told (truth: log 100)."""
    rng = np.random.default_rng(0)
    source = rng.integers(100, size=2000)
    target = np.append(0, source[:-1])
    found = transfer_entropy(source, target, PlugIn(), target_lags=(1, 2, 3, 4, 5))
    assert found.value == pytest.approx(0)
    assert found.cautions == ("undersampled: 100% of 1,995 samples are the only ones with their labels",)
    assert repr(found).startswith("0.000 nats (PlugIn, n=1995; undersampled: 100% of")


class TestErrors:
    series = np.arange(10.0)

    def test_lags(self):
        with pytest.raises(ValueError, match=r"lagged: lags must be one or more numbers of rows ≥ 0"):
            lagged(self.series, [-1])
        with pytest.raises(ValueError, match="lagged: lags must be one or more"):
            lagged(self.series, [])
        with pytest.raises(ValueError, match="a lag of 10 needs more than 10 rows, got 10"):
            lagged_information(self.series, self.series, Gaussian(), -10)
        with pytest.raises(ValueError, match="start must be from the longest lag, 3, to 9, got 2"):
            lagged(self.series, [3], start=2)

    @pytest.mark.parametrize(
        "lags", [{"target_lags": (0,)}, {"target_lags": ()}, {"source_lags": ()}], ids=str
    )
    def test_history(self, lags):
        with pytest.raises(ValueError, match=r"lags of at least 1 of the target.*lagged_information"):
            transfer_entropy(self.series, self.series, Gaussian(), **lags)

    def test_lengths(self):
        with pytest.raises(ValueError, match="transfer_entropy: series must have equally many rows"):
            transfer_entropy(self.series, self.series[1:], Gaussian())
        with pytest.raises(ValueError, match="needs more than 30 rows"):
            transfer_entropy(self.series, self.series, Gaussian(), source_lags=(30,))

    def test_missing_rows(self):
        gap = np.where(self.series == 4, np.nan, self.series)
        with pytest.raises(ValueError, match="must be finite"):
            transfer_entropy(gap, self.series, Gaussian())

    def test_groups(self):
        with pytest.raises(
            ValueError, match="lags of up to 5 rows need a group with more rows, got 2 groups of at most 5"
        ):
            lagged_information(self.series, self.series, Gaussian(), 5, groups=[0] * 5 + [1] * 5)
        with pytest.raises(ValueError, match="transfer_entropy: series must have equally many rows"):
            transfer_entropy(self.series, self.series, Gaussian(), groups=[0, 1])
        with pytest.raises(ValueError, match="groups has 1 missing values"):
            lagged_information(self.series, self.series, Gaussian(), 1, groups=[None, *"abcdefghi"])
