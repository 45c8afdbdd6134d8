"""Kozachenko–Leonenko against a double loop and the entropies of known distributions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import digamma

from infomax.estimation.neighbors.entropy import KozachenkoLeonenko


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize(("norm", "volume"), [(math.inf, 2**3), (2, 4 / 3 * math.pi), (1, 2**3 / 6)])
def test_equal_to_a_loop(norm, volume, k):
    x = np.random.default_rng(0).standard_normal((80, 3))
    total = 0.0
    for i in range(80):
        apart = sorted(np.linalg.norm(x[i] - x[j], ord=norm) for j in range(80) if j != i)
        total += 3 * math.log(apart[k - 1])
    expected = digamma(80) - digamma(k) + math.log(volume) + total / 80
    assert KozachenkoLeonenko(k, norm).entropy(x).value == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(
    "distribution",
    [stats.uniform(0, 3), stats.norm(0, 2), stats.expon(scale=0.5), stats.laplace(), stats.cauchy()],
    ids=["uniform", "normal", "exponential", "Laplace", "Cauchy"],
)
def test_near_the_truth(distribution):
    x = distribution.rvs(5000, random_state=0)
    assert KozachenkoLeonenko().entropy(x).value == pytest.approx(float(distribution.entropy()), abs=0.08)


def test_near_the_truth_in_the_plane():
    x = np.random.default_rng(0).multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 5000)
    truth = stats.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]]).entropy()
    assert KozachenkoLeonenko(norm=2).entropy(x).value == pytest.approx(truth, abs=0.08)


def test_local_values_follow_the_density():
    x = np.random.default_rng(0).standard_normal(3000)
    local = KozachenkoLeonenko(20).entropy(x).local
    assert np.corrcoef(local, -stats.norm.logpdf(x))[0, 1] > 0.9


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.floats(1e-3, 1e3), st.sampled_from([1, 2, math.inf]))
def test_scaling_adds_its_logarithm(seed, scale, norm):
    x = np.random.default_rng(seed).standard_normal((50, 2))
    entropy = KozachenkoLeonenko(norm=norm).entropy
    assert entropy(scale * x).value == pytest.approx(entropy(x).value + 2 * math.log(scale), abs=1e-9)


@pytest.mark.parametrize("distribution", [stats.norm(), stats.uniform(), stats.expon()])
def test_intervals_cover(distribution):
    """As a mean of independent values, the uniform one covered 0.85."""
    rng = np.random.default_rng(0)
    estimates = [KozachenkoLeonenko().entropy(distribution.rvs(300, random_state=rng)) for _ in range(150)]
    truth = float(distribution.entropy())
    assert np.mean([abs(e.value - truth) < 1.96 * e.standard_error for e in estimates]) >= 0.92


@pytest.mark.parametrize("norm", [1, 2, math.inf])
@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_scales(scale, norm):
    x = np.random.default_rng(0).standard_normal((100, 2))
    entropy = KozachenkoLeonenko(norm=norm).entropy
    assert entropy(scale * x).value == pytest.approx(entropy(x).value + 2 * math.log(scale), abs=1e-9)


def test_errors():
    with pytest.raises(ValueError, match=r"10 of 10 rows occur more than 3 times.*counting"):
        KozachenkoLeonenko().entropy(np.ones(10))
    with pytest.raises(ValueError, match="need more than 3 samples, got 3"):
        KozachenkoLeonenko().entropy([1, 2, 3])
    with pytest.raises(ValueError, match="num_neighbors must be at least 1"):
        KozachenkoLeonenko(0)
    with pytest.raises(ValueError, match=r"norm must be an order from 1 to math.inf, got 0.5"):
        KozachenkoLeonenko(norm=0.5)
