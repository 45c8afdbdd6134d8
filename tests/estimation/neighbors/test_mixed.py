"""MixedKSG and Ross against double loops, closed forms, summation and scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import digamma
from scipy.stats import poisson

from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neighbors.mixed import MixedKSG, Ross
from infomax.information.distributions import correlated_gaussians


def label_and_interval(m, n, seed=0):
    """X uniform on 0 … m−1, Y uniform on [X, X + 2]: ln m − (m−1) ln 2 / m."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, m, n)
    return x, x + 2 * rng.random(n), math.log(m) - (m - 1) * math.log(2) / m


def zero_inflated_poisson(p, n, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.exponential(size=n)
    return x, np.where(rng.random(n) < p, 0, rng.poisson(x))


def zero_inflated_information(p):
    """Σ_y ∫ e^{−x} p(y|x) log p(y|x)/p(y) dx, by summation over a fine grid of x."""
    x = (np.arange(100_000) + 0.5) * 4e-4
    weights = np.exp(-x) * 4e-4
    counts = np.arange(120)
    total = 0.0
    for y in counts:
        conditional = (1 - p) * poisson.pmf(y, x) + p * (y == 0)
        marginal = (weights * conditional).sum()
        with np.errstate(divide="ignore", invalid="ignore"):
            total += np.nansum(weights * conditional * (np.log(conditional) - np.log(marginal)))
    return total


def mixed_by_loops(k, x, y, z=None, labels=()):
    """As the docstring of MixedKSG says; labels are at distance ∞ where they differ."""
    parts = [np.asarray(v, float).reshape(len(x), -1) for v in (x, y, z) if v is not None]
    apart = [np.abs(v[:, None] - v[None]).max(axis=2) for v in parts]
    for which in labels:
        apart[which][apart[which] > 0] = np.inf
    n = len(x)
    total = 0.0
    for i in range(n):
        joint = np.max([d[i] for d in apart], axis=0)
        k_i = min(k, int(np.isfinite(joint).sum()) - 1)
        radius = np.sort(np.delete(joint, i))[k_i - 1]
        d_x, d_y, *d_z = (d[i] for d in apart)
        xz, yz, z_only = np.max([d_x, *d_z], axis=0), np.max([d_y, *d_z], axis=0), (d_z or [np.zeros(n)])[0]
        if radius == 0:
            counts = [(d == 0).sum() for d in (joint, xz, yz, z_only)]
        elif max((xz == radius).sum(), (yz == radius).sum()) > 1:
            counts = [(d <= radius).sum() - 1 for d in (joint, xz, yz, z_only)]
        else:
            counts = [k_i, *((d < radius).sum() for d in (xz, yz, z_only))]
        total += digamma(counts) @ [1, -1, -1, 1]
    return total / n


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("kind", ["labels", "label and number", "zero-inflated", "continuous"])
def test_mixed_equal_to_loops(kind, k):
    rng = np.random.default_rng(3)
    n = 100
    x, y = {
        "labels": (rng.integers(0, 3, n), rng.integers(0, 9, n)),
        "label and number": label_and_interval(3, n)[:2],
        "zero-inflated": (np.maximum(rng.standard_normal(n), 0), np.maximum(rng.standard_normal(n), 0)),
        "continuous": tuple(rng.standard_normal((2, n, 2))),
    }[kind]
    assert MixedKSG(k).estimate(x, y).value == pytest.approx(mixed_by_loops(k, x, y), abs=1e-12)
    z = rng.integers(0, 2, n)
    expected = mixed_by_loops(k, x, y, z)
    assert MixedKSG(k).estimate(x, y, given=z).value == pytest.approx(expected, abs=1e-12)


def test_mixed_is_ksg_where_nothing_repeats():
    x, y = correlated_gaussians(0.6).sample(500, np.random.default_rng(0))
    assert MixedKSG(3).estimate(x, y).value == pytest.approx(KSG(3).estimate(x, y).value, abs=1e-12)


@pytest.mark.parametrize("m", [2, 5])
def test_label_and_interval(m):
    x, y, truth = label_and_interval(m, 4000)
    assert MixedKSG(3).estimate(x, y).value == pytest.approx(truth, abs=0.05)
    assert Ross(3).estimate(x, y).value == pytest.approx(truth, abs=0.05)


def test_truth_of_the_zero_inflated_poisson():
    assert zero_inflated_information(0.15) == pytest.approx(0.2298, abs=1e-4)


@pytest.mark.parametrize("p", [0.0, 0.15])
def test_zero_inflated_poisson(p):
    x, y = zero_inflated_poisson(p, 5000)
    assert MixedKSG(3).estimate(x, y).value == pytest.approx(zero_inflated_information(p), abs=0.04)


def test_mixed_of_labels_is_near_their_entropy():
    labels = np.random.default_rng(0).integers(0, 8, 4000)
    assert MixedKSG().estimate(labels, labels).value == pytest.approx(math.log(8), abs=0.01)


def test_a_constant_tells_nothing():
    y = np.random.default_rng(0).standard_normal(300)
    assert MixedKSG().estimate(np.ones(300), y).value == pytest.approx(0, abs=1e-12)
    assert MixedKSG().estimate(np.ones(300), np.arange(300) % 4).value == pytest.approx(0, abs=1e-12)
    assert Ross().estimate(np.ones(300), y).value == pytest.approx(0, abs=1e-12)


def test_given_the_common_cause_nothing_is_left():
    rng = np.random.default_rng(1)
    z = rng.integers(0, 3, 3000)
    x, y = 5.0 * z + rng.standard_normal(3000), 5.0 * z + rng.standard_normal(3000)
    assert MixedKSG(5).estimate(x, y).value > 0.9
    assert MixedKSG(5).estimate(x, y, given=100 * z).value == pytest.approx(0, abs=0.05)


def ross_by_loops(k, labels, values):
    n = len(labels)
    total = 0.0
    for i in range(n):
        apart = np.abs(values - values[i])
        own = [apart[j] for j in range(n) if labels[j] == labels[i] and j != i]
        k_i = min(k, len(own))
        radius = sorted(own)[k_i - 1]
        nearer = sum(apart[j] <= radius for j in range(n) if j != i)
        total += digamma(n) + digamma(k_i) - digamma(len(own) + 1) - digamma(nearer)
    return total / n


def test_ross_equal_to_loops():
    x, y, _ = label_and_interval(3, 150)
    assert Ross(3).estimate(x, y).value == pytest.approx(ross_by_loops(3, x, y), abs=1e-12)
    x[:3] = [7, 7, 8]
    x[3] = 8
    assert Ross(3).estimate(x, y).value == pytest.approx(ross_by_loops(3, x, y), abs=1e-12)


def test_ross_equal_to_scikit_learn():
    from sklearn.feature_selection import mutual_info_classif

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 1000)
    values = labels + rng.standard_normal(1000)
    values = values / values.std()  # scikit-learn does so, and adds noise of 1e-10
    expected = mutual_info_classif(values[:, None], labels, n_neighbors=3, random_state=0)[0]
    assert Ross(3).estimate(labels, values).value == pytest.approx(expected, abs=1e-6)


def test_ross_in_either_order_and_with_words():
    x, y, _ = label_and_interval(3, 200)
    value = Ross(3).estimate(x, y).value
    assert Ross(3, labels="y").estimate(y, x).value == value
    words = np.array(["a", "b", "c"])[x]
    assert Ross(3).estimate(words, y).value == value


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.sampled_from([0.5, 4.0]))
def test_invariances(seed, scale):
    x, y, _ = label_and_interval(3, 80, seed)
    order = np.random.default_rng(seed).permutation(80)
    for estimator in (MixedKSG(3), Ross(3)):
        value = estimator.estimate(x, y).value
        assert estimator.estimate(x[order], y[order]).value == pytest.approx(value, abs=1e-12)
        assert estimator.estimate(scale * x, scale * y).value == pytest.approx(value, abs=1e-12)
    assert MixedKSG(3).estimate(y, x).value == pytest.approx(MixedKSG(3).estimate(x, y).value, abs=1e-12)


class TestErrors:
    def test_few_samples(self):
        with pytest.raises(ValueError, match="MixedKSG: 3 neighbours need more than 3 samples, got 2"):
            MixedKSG(3).estimate([1, 2], [1, 2])

    def test_settings(self):
        with pytest.raises(ValueError, match="MixedKSG: num_neighbors must be at least 1"):
            MixedKSG(0)
        with pytest.raises(ValueError, match="Ross: num_neighbors must be at least 1"):
            Ross(0)
        with pytest.raises((ValueError, TypeError), match="labels"):
            Ross(labels="z")

    def test_single_label(self):
        with pytest.raises(ValueError, match=r"at least 2 samples each, got 10 of 10 with one.*not \('x',\)"):
            Ross().estimate(np.arange(10) / 7, np.arange(10) % 2)

    def test_repeated_numbers(self):
        with pytest.raises(ValueError, match=r"one occurs 5 times.*MixedKSG"):
            Ross().estimate(np.arange(10) % 2, np.arange(10) // 5)

    def test_unequal(self):
        with pytest.raises(ValueError, match=r"equally many samples, got .*'x': 4, 'y': 3"):
            Ross().estimate([0, 0, 1, 1], [1.0, 2, 3])


def test_many_equal_rows_are_quick_and_right():
    """100,000 rows of two labels: seconds, where a tree of equal points would take minutes."""
    x = np.random.default_rng(0).integers(0, 2, 100_000)
    p = x.mean()
    expected = -p * math.log(p) - (1 - p) * math.log(1 - p)
    assert MixedKSG().estimate(x, x).value == pytest.approx(expected, abs=1e-4)
    assert MixedKSG().estimate(x, x, given=x).value == pytest.approx(0, abs=1e-9)
