"""Directed information against closed forms of chains and of Gaussian processes, and its conservation."""

import math

import numpy as np
import pytest
from scipy.linalg import solve_discrete_lyapunov

from infomax.estimation import (
    KSG,
    Gaussian,
    MillerMadow,
    directed_information_by_context_trees,
    directed_information_rate,
    transfer_entropy,
)
from infomax.estimation.temporal.context_trees import predictions

X_FLIPS, Y_FLIPS = 0.1, 0.2
EITHER_FLIPS = 0.1 * 0.8 + 0.9 * 0.2


def h(p):
    return -p * math.log(p) - (1 - p) * math.log(1 - p)


FORTH, BACK = h(EITHER_FLIPS) - h(Y_FLIPS), h(EITHER_FLIPS) - h(X_FLIPS)


def chain_with_feedback(n, seed=0):
    """X is the Y before, one in ten flipped; Y is X, one in five flipped."""
    rng = np.random.default_rng(seed)
    x_flips, y_flips = rng.random(n) < X_FLIPS, rng.random(n) < Y_FLIPS
    y = np.cumsum(x_flips.astype(int) + y_flips) % 2
    return y ^ y_flips, y


@pytest.mark.parametrize(
    "estimate",
    [
        lambda x, y, now: directed_information_by_context_trees(x, y, 2, instantaneous=now),
        lambda x, y, now: directed_information_rate(x, y, MillerMadow(), 2, instantaneous=now),
    ],
)
def test_chain_with_feedback(estimate):
    x, y = chain_with_feedback(10_000)
    forth, back = estimate(x, y, True), estimate(y, x, False)
    for found, truth in ((forth, FORTH), (back, BACK)):
        assert found.value == pytest.approx(truth, abs=3 * found.standard_error)
        assert 0.003 < found.standard_error < 0.03


def test_delay_and_independence():
    x = np.random.default_rng(0).integers(2, size=5000)
    noise = np.random.default_rng(1).random(5000) < 0.11
    y = np.append(0, x[:-1]) ^ noise
    found = directed_information_by_context_trees(x, y, 2)
    assert found.value == pytest.approx(math.log(2) - h(0.11), abs=3 * found.standard_error)
    assert abs(directed_information_by_context_trees(y, x, 2, instantaneous=False).value) < 0.002
    three = np.random.default_rng(2).choice(list("abc"), size=5000)
    assert abs(directed_information_by_context_trees(three, x, 1).value) < 0.002


def test_error_is_the_spread():
    found = [directed_information_by_context_trees(*chain_with_feedback(1000, seed), 1) for seed in range(15)]
    values = np.array([one.value for one in found])
    assert 0.5 < np.mean([one.standard_error for one in found]) / values.std(ddof=1) < 2
    assert np.mean(np.abs(values - FORTH) < [2 * one.standard_error for one in found]) > 0.8


def test_predictions_by_enumeration():
    """Depth 1: the mixture of two trees, each with the probabilities of Krichevsky and Trofimov."""
    rng = np.random.default_rng(0)
    labels, contexts = rng.integers(3, size=12), rng.integers(2, size=(12, 1))

    def kt(sequence):
        return math.prod((sequence[:t].count(label) + 0.5) / (t + 1.5) for t, label in enumerate(sequence))

    def mixture(n):
        whole = kt(labels[:n].tolist())
        split = math.prod(kt(labels[:n][contexts[:n, 0] == c].tolist()) for c in (0, 1))
        return (whole + split) / 2

    found = predictions(labels, contexts, 3)
    assert found.sum(axis=1) == pytest.approx(np.ones(12))
    for t in range(12):
        assert found[t, labels[t]] == pytest.approx(mixture(t + 1) / mixture(t))


COUPLING, NOISE = np.array([[0.4, 0.3], [0.5, 0.2]]), np.diag([1.0, 0.5])


def gaussian_process(n, seed=0):
    noise = np.random.default_rng(seed).standard_normal((n + 100, 2)) * np.sqrt(np.diag(NOISE))
    rows = np.zeros((n + 100, 2))
    for t in range(1, n + 100):
        rows[t] = COUPLING @ rows[t - 1] + noise[t]
    return rows[100:].T


def information_rate_by_spectrum():
    """−1/4π ∫ log(1 − coherence): the rate of I(Xⁿ;Yⁿ) of a Gaussian process."""
    angles = (np.arange(4096) + 0.5) / 4096 * 2 * np.pi
    transfer = np.linalg.inv(np.eye(2) - COUPLING * np.exp(-1j * angles)[:, None, None])
    spectrum = transfer @ NOISE @ transfer.conj().swapaxes(1, 2)
    coherence = np.abs(spectrum[:, 0, 1]) ** 2 / (spectrum[:, 0, 0] * spectrum[:, 1, 1]).real
    return -np.log(1 - coherence).mean() / 2


@pytest.mark.parametrize(("estimator", "num"), [(Gaussian(), 20_000), (KSG(5, num_workers=1), 2000)])
def test_gaussian_process_conserves(estimator, num):
    """Forth and back make the whole; forth alone is ½ log of the variances that predictions leave."""
    x, y = gaussian_process(num)
    history = 4 if isinstance(estimator, Gaussian) else 1
    forth = directed_information_rate(x, y, estimator, history)
    back = directed_information_rate(y, x, estimator, history, instantaneous=False)
    rate, tolerance = (
        information_rate_by_spectrum(),
        3 * math.hypot(forth.standard_error, back.standard_error),
    )
    assert rate > 0.15
    assert forth.value + back.value == pytest.approx(rate, abs=max(tolerance, 0.03))


def test_labels_that_hardly_repeat_are_cautioned():
    """Numbers are labels that all differ: nothing is learned, although y repeats x."""
    x = np.random.default_rng(0).standard_normal(300)
    found = directed_information_by_context_trees(x, np.roll(x, 1), 1)
    assert found.value == pytest.approx(0, abs=0.01)
    (caution,) = found.cautions
    assert caution.startswith("undersampled: 100% of the rows are the only ones with their labels")
    assert directed_information_by_context_trees(x > 0, np.roll(x > 0, 1), 1).cautions == ()


def test_without_the_present_it_is_transfer_entropy():
    x, y = gaussian_process(500)
    found = directed_information_rate(x, y, Gaussian(), 2, instantaneous=False)
    expected = transfer_entropy(x, y, Gaussian(), source_lags=(1, 2), target_lags=(1, 2))
    assert found.value == expected.value and "history=2" in found.method


def test_present_of_a_white_source():
    """Y_t = X_t + ½ Y_{t−1} + noise: ½ log 2, all of it through the present."""
    x, noise = np.random.default_rng(0).standard_normal((2, 10_000))
    y = np.zeros(10_000)
    for t in range(1, 10_000):
        y[t] = x[t] + 0.5 * y[t - 1] + noise[t]
    assert directed_information_rate(x, y, Gaussian(), 1).value == pytest.approx(math.log(2) / 2, abs=0.03)
    past = directed_information_rate(x, y, Gaussian(), 1, instantaneous=False)
    assert past.value == pytest.approx(0, abs=0.003)


def test_rate_of_an_autoregression_by_its_covariances():
    """One step of history: the determinants of the stationary covariance."""
    now = solve_discrete_lyapunov(COUPLING, NOISE)
    both = np.block([[now, now @ COUPLING.T], [COUPLING @ now, now]])  # x, y before; x, y now

    def log_det(keep):
        return np.linalg.slogdet(both[np.ix_(keep, keep)])[1]

    truth = (log_det([0, 2, 1]) + log_det([3, 1]) - log_det([0, 1, 2, 3]) - log_det([1])) / 2
    x, y = gaussian_process(10_000)
    found = directed_information_rate(x, y, Gaussian(), 1)
    assert found.value == pytest.approx(truth, abs=3 * found.standard_error)


def test_what_is_refused():
    with pytest.raises(ValueError, match="directed_information_rate: history must be at least 1, got 0"):
        directed_information_rate([1.0, 2.0], [1.0, 2.0], Gaussian(), 0)
    with pytest.raises(ValueError, match="a depth of 5 needs more than 6 rows, got 3; lower depth"):
        directed_information_by_context_trees([0, 1, 0], [0, 1, 1], 5)
    with pytest.raises(ValueError, match="series must have equally many rows"):
        directed_information_by_context_trees([0, 1, 0], [0, 1], 1)
