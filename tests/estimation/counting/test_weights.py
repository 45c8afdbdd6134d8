"""Weights of samples against repeated rows, equal weights, and the scatter of weighted samples."""

import math

import numpy as np
import pytest

from infomax.estimation.counting.adjusted import AdjustedPlugIn
from infomax.estimation.counting.counts import NSB, ChaoShen, Grassberger, JamesStein, MillerMadow, PlugIn
from infomax.estimation.counting.suited import SuitedCounting

ALL = [
    *(PlugIn(), MillerMadow(), Grassberger(), ChaoShen(), JamesStein(), NSB()),
    *(AdjustedPlugIn(), SuitedCounting()),
]
every = pytest.mark.parametrize("estimator", ALL, ids=lambda estimator: type(estimator).__name__)


def samples(n=300, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.integers(4, size=n)
    return x, np.where(rng.random(n) < 0.5, x, rng.integers(4, size=n)), rng.integers(2, size=n)


@every
@pytest.mark.parametrize("weight", [1, 0.3, 7])
def test_equal_weights_change_nothing(estimator, weight):
    x, y, z = samples()
    weights = np.full(300, weight)
    for found, expected in (
        (estimator.estimate(x, y, given=z, weights=weights), estimator.estimate(x, y, given=z)),
        (estimator.entropy(x, weights=weights), estimator.entropy(x)),
    ):
        assert (found.value, found.standard_error, found.num_samples, found.method) == (
            expected.value,
            expected.standard_error,
            expected.num_samples,
            expected.method,
        )
        np.testing.assert_array_equal(found.local, expected.local)


def test_whole_weights_are_repeated_rows():
    x, y, z = samples()
    weights = np.random.default_rng(1).integers(4, size=300)
    found = PlugIn().estimate(x, y, given=z, weights=weights)
    expected = PlugIn().estimate(*(np.repeat(v, weights) for v in (x, y)), given=np.repeat(z, weights))
    assert found.value == pytest.approx(expected.value, abs=1e-12)
    entropy = PlugIn().entropy(x, weights=weights)
    assert entropy.value == pytest.approx(PlugIn().entropy(np.repeat(x, weights)).value, abs=1e-12)
    assert np.average(entropy.local, weights=weights[weights > 0]) == pytest.approx(entropy.value)


@every
def test_rows_of_weight_0_are_no_rows(estimator):
    x, y, _ = samples()
    x, y = np.append(x, [9, 10]), np.append(y, [9, 9])
    weights = np.append(np.random.default_rng(1).uniform(0.5, 2, 300), [0, 0])
    found, expected = (
        estimator.estimate(x, y, weights=weights),
        estimator.estimate(x[:300], y[:300], weights=weights[:300]),
    )
    assert (found.value, found.num_samples, found.method) == (expected.value, 300, expected.method)
    assert len(found.local) == 300


@every
def test_weights_undo_a_biased_choice_of_samples(estimator):
    """Half of the population has x = y; rows with x = 0 are drawn three times as often, and count a third."""
    rng = np.random.default_rng(0)
    p = np.full((3, 3), 1 / 18) + np.eye(3) / 6
    chosen = p * np.array([3, 1, 1])[:, None]
    cells = rng.choice(9, size=3000, p=(chosen / chosen.sum()).ravel())
    x, y = np.divmod(cells, 3)
    found = estimator.estimate(x, y, weights=np.where(x == 0, 1 / 3, 1.0))
    truth = float((p * np.log(p / np.outer(p.sum(1), p.sum(0)))).sum())
    assert abs(found.value - truth) < 3 * found.standard_error
    assert "weights worth" in found.method


def test_errors_are_those_of_the_effective_number():
    """Weights 1 and 3 in equal parts are worth n · 4² / (2 · 10)."""
    rng = np.random.default_rng(0)
    values, errors = [], []
    for _ in range(200):
        x = rng.integers(3, size=400)
        y = np.where(rng.random(400) < 0.5, x, rng.integers(3, size=400))
        found = MillerMadow().estimate(x, y, weights=1 + 2 * (np.arange(400) % 2))
        values.append(found.value)
        errors.append(found.standard_error)
    assert found.method == "MillerMadow, weights worth 320 samples"
    assert found.num_samples == 400
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.2)
    p = np.full((3, 3), 1 / 18) + np.eye(3) / 6
    assert np.mean(values) == pytest.approx(
        float((p * np.log(9 * p)).sum()), abs=4 * np.std(values) / math.sqrt(200)
    )


def test_wrong_weights():
    for wrong in ([1, -1], [0, 0]):
        with pytest.raises(ValueError, match="PlugIn: weights must be one number of at least 0 for each row"):
            PlugIn().estimate([0, 1], [0, 1], weights=wrong)
    with pytest.raises(ValueError, match="PlugIn: weights must be finite"):
        PlugIn().entropy([0, 1], weights=[1, math.nan])
    with pytest.raises(ValueError, match="PlugIn: variables must have equally many samples"):
        PlugIn().entropy([0, 1], weights=[1, 1, 1])
