"""What ennemi and scikit-learn expect of their estimators, as data, against ours.

ennemi 1.5 (Laarne and others, MIT license), tests/unit/test_entropy_estimators.py and
tests/integration/test_censored_distribution.py: distribution, n, k, and the tolerance that its authors allow.
Seeds and order of draws are theirs.

scikit-learn, sklearn/feature_selection/tests/test_mutual_info.py: each docstring names the test there.

dit's numbers are of exact tables: information/test_peer_values.py.
"""

import math

import numpy as np
import pytest
from scipy.special import psi
from scipy.stats import gamma

from infomax.estimation.counting.counts import PlugIn
from infomax.estimation.neighbors.entropy import KozachenkoLeonenko
from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neighbors.mixed import MixedKSG, Ross


def gaussians(rho, n, seed=0):
    rows = np.random.default_rng(seed).multivariate_normal([0, 0], [[1, rho], [rho, 1]], size=n)
    return rows[:, 0], rows[:, 1]


NORMAL_ENTROPY = [(1, 100, 2, 0.2), (1, 200, 3, 0.05), (1, 2000, 3, 0.02), (0.5, 2000, 3, 0.02),
                  (2.0, 2000, 1, 0.002), (2.0, 2000, 3, 0.02), (2.0, 2000, 30, 0.02)]  # fmt: skip
UNIFORM_ENTROPY = [(0, 1), (1, 2), (-1, 1), (-0.1, 0.1)]
PAIRS = [(0, 40, 3, 0.1), (0, 200, 3, 0.06), (0, 2000, 3, 0.005), (0, 2000, 5, 0.006), (0, 2000, 20, 0.003),
         (0.5, 200, 3, 0.05), (0.5, 200, 5, 0.02), (0.5, 2000, 3, 0.02), (-0.9, 200, 3, 0.05),
         (-0.9, 2000, 3, 0.05), (-0.9, 2000, 5, 0.02)]  # fmt: skip
LABELS = [(2, 200, 3, 0.04), (2, 400, 1, 0.02), (2, 400, 3, 0.02), (2, 800, 8, 0.02), (4, 2000, 2, 0.01)]
LABELS_GIVEN = [
    (2, 200, 3, 0.02),
    (2, 400, 1, 0.05),
    (2, 400, 3, 0.02),
    (2, 800, 8, 0.02),
    (4, 2000, 2, 0.02),
]


@pytest.mark.parametrize(("spread", "n", "k", "tolerance"), NORMAL_ENTROPY)
def test_entropy_of_a_normal(spread, n, k, tolerance):
    x = np.random.default_rng(0).normal(0, spread, size=n)
    truth = math.log(2 * math.pi * math.e * spread**2) / 2
    assert KozachenkoLeonenko(k).entropy(x).value == pytest.approx(truth, abs=tolerance)


@pytest.mark.parametrize(("low", "high"), UNIFORM_ENTROPY)
def test_entropy_of_a_uniform(low, high):
    x = np.random.default_rng(1).uniform(low, high, size=1000)
    assert KozachenkoLeonenko(3).entropy(x).value == pytest.approx(math.log(high - low), abs=0.05)


@pytest.mark.parametrize(("rho", "n", "k", "tolerance"), PAIRS)
def test_pairs_of_gaussians(rho, n, k, tolerance):
    found = KSG(k, num_workers=1).estimate(*gaussians(rho, n))
    assert found.value == pytest.approx(-math.log(1 - rho**2) / 2, abs=tolerance)


@pytest.mark.parametrize(("a", "b"), [(1, 2), (0.2, 0.3), (3, 3.1)])
def test_sums_of_exponentials(a, b):
    rng = np.random.default_rng(20200302)
    x, w = rng.exponential(1 / a, 1000), rng.exponential(1 / b, 1000)
    truth = np.euler_gamma + math.log((b - a) / a) + psi(b / (b - a))
    assert KSG(5).estimate(x, x + w).value == pytest.approx(truth, abs=0.025)


def test_gamma_and_exponential():
    rng = np.random.default_rng(2)
    x = rng.gamma(shape=3.4, scale=1 / 1.2, size=1000)
    y = rng.exponential(x * 0.56)
    truth = psi(3.4) - math.log(3.4) + 1 / 3.4
    assert KSG().estimate(x, y).value == pytest.approx(truth, abs=0.04)
    assert KSG().estimate(np.log(x), np.log(y)).value == pytest.approx(truth, abs=0.005)


@pytest.mark.parametrize(("rho", "n", "k", "tolerance"), [(0.5, 200, 3, 0.03), (0.75, 400, 3, 0.01), (-0.9, 4000, 5, 0.03)])  # fmt: skip # noqa: E501
def test_given_what_does_not_matter(rho, n, k, tolerance):
    rng = np.random.default_rng(0)
    x, y = rng.multivariate_normal([0, 0], [[1, rho], [rho, 1]], size=n).T
    given = rng.uniform(0, 1, size=n)
    found = KSG(k, num_workers=1).estimate(x, y, given=given)
    assert found.value == pytest.approx(-math.log(1 - rho**2) / 2, abs=tolerance)


def test_three_gaussians():
    rows = np.random.default_rng(5).multivariate_normal(
        [0, 0, 0], [[1, 1, 1], [1, 4, 1], [1, 1, 9]], size=1000
    )
    truth = (math.log(8) + math.log(35) - math.log(9) - math.log(24)) / 2
    assert KSG().estimate(*rows.T[:2], given=rows[:, 2]).value == pytest.approx(truth, abs=0.025)


@pytest.mark.parametrize(("num_labels", "n", "k", "tolerance"), LABELS)
def test_labels_without_information(num_labels, n, k, tolerance):
    rng = np.random.default_rng(50)
    x = rng.normal(0.0, 1.0, size=n)
    y = rng.choice(np.arange(num_labels), size=n)
    assert max(Ross(k, labels="y").estimate(x, y).value, 0) < tolerance


@pytest.mark.parametrize(("num_labels", "n", "k", "tolerance"), LABELS_GIVEN)
def test_labels_without_information_given_numbers(num_labels, n, k, tolerance):
    rng = np.random.default_rng(50)
    x = rng.normal(0.0, 1.0, size=n)
    y = rng.choice(np.arange(num_labels), size=n)
    z = rng.normal(0.0, 1.0, size=n)
    assert max(Ross(k, labels="y", num_workers=1).estimate(x, y, given=z).value, 0) < tolerance


def test_disjoint_and_overlapping_uniforms():
    rng = np.random.default_rng(51)
    y = rng.choice([0, 2], size=800)
    x = rng.uniform(y, y + 1)
    z = rng.beta(2, 3, size=800)
    assert Ross(labels="y").estimate(x, y).value == pytest.approx(math.log(2), abs=0.02)
    assert Ross(labels="y").estimate(x, y, given=z).value == pytest.approx(math.log(2), abs=0.02)
    rng = np.random.default_rng(51)
    y = rng.choice([0, 2, 5], size=800)
    assert Ross(labels="y").estimate(rng.uniform(y, y + 1), y).value == pytest.approx(math.log(3), abs=0.02)
    rng = np.random.default_rng(52)
    y = rng.choice([0, 0.7, 0.7], size=2000)
    truth = math.log(3) * 7 / 30 + math.log(3 / 2) * 14 / 30
    assert Ross(labels="y").estimate(rng.uniform(y, y + 1), y).value == pytest.approx(truth, abs=0.05)


def test_labels_that_the_condition_explains():
    x = np.random.default_rng(52).normal(0.0, 1.0, size=800)
    y = np.sign(x)
    assert Ross(labels="y").estimate(x, y).value == pytest.approx(math.log(2), abs=0.01)
    assert Ross(labels="y").estimate(x, y, given=x).value == pytest.approx(0, abs=0.02)


def test_conditions_that_raise_information():
    rng = np.random.default_rng(53)
    x, y = rng.normal(0.0, 1.0, size=1500), rng.normal(0.0, 0.3, size=1500)
    w = np.sign(x)
    assert Ross(labels="y").estimate(x + y, w).value < Ross(labels="y").estimate(x, w).value - 0.2
    assert Ross(labels="y").estimate(x + y, w, given=y).value == pytest.approx(math.log(2), abs=0.02)
    rng = np.random.default_rng(54)
    x = rng.gamma(shape=1.5, scale=1.0, size=2000)
    z = rng.normal(size=2000)
    y = np.select([x < 0.5, x > 2.0], [1e-4, 4], 0)
    parts = np.diff([0, *gamma.cdf([0.5, 2.0], a=1.5), 1])
    truth = -(parts * np.log(parts)).sum()
    alone, given = (Ross(1, labels="y").estimate(x + z, y, given=c).value for c in (None, z))
    assert alone < given - 0.6
    assert given == pytest.approx(truth, abs=0.06)


def test_censored():
    """ennemi's own sample; it allows 0.015, and gives 0.2253 for it, 3/4 of a standard error above 0.2148."""
    rows = np.random.default_rng(0).multivariate_normal([1, 0], [[1, 0.6], [0.6, 1]], 4000)
    found = MixedKSG(num_workers=1).estimate(np.maximum(0, rows[:, 0]), rows[:, 1])
    assert found.value == pytest.approx(0.2148, abs=0.015)


class TestScikitLearn:
    def test_labels(self):
        """test_compute_mi_dd."""
        x, y = np.array([0, 1, 1, 0, 0]), np.array([1, 0, 0, 0, 1])
        h = -(3 / 5) * math.log(3 / 5) - (2 / 5) * math.log(2 / 5)
        h_xy = -1 / 5 * math.log(1 / 5) - 2 / 5 * math.log(2 / 5) - 2 / 5 * math.log(2 / 5)
        assert PlugIn().estimate(x, y).value == pytest.approx(2 * h - h_xy)

    @pytest.mark.parametrize("k", [3, 5, 7])
    def test_gaussians(self, k):
        """test_compute_mi_cc: within 0.1 of log(σ_x σ_y) − ½ log det Σ."""
        covariance = np.array([[1, 5], [5, 100]])
        rows = np.random.default_rng(0).multivariate_normal([0, 0], covariance, size=1000)
        truth = math.log(10) - math.log(np.linalg.det(covariance)) / 2
        assert KSG(k).estimate(rows[:, 0], rows[:, 1] / 10).value == pytest.approx(truth, abs=0.1)

    @pytest.mark.parametrize("p", [0.3, 0.5, 0.7])
    def test_label_and_uniform(self, p):
        """test_compute_mi_cd: within 0.1."""
        rng = np.random.RandomState(0)
        x = rng.uniform(size=1000) > p
        y = np.where(x, rng.uniform(0, 2, size=1000), rng.uniform(-1, 1, size=1000))
        truth = -0.5 * ((1 - p) * math.log(0.5 * (1 - p)) + p * math.log(0.5 * p) + math.log(0.5)) - math.log(
            2
        )
        for k in (3, 5, 7):
            assert Ross(k).estimate(x, y).value == pytest.approx(truth, abs=0.1)

    def test_a_label_that_occurs_once_adds_nothing(self):
        """test_compute_mi_cd_unique_label."""
        rng = np.random.default_rng(0)
        x = rng.uniform(size=100) > 0.5
        y = np.where(x, rng.uniform(0, 2, size=100), rng.uniform(-1, 1, size=100))
        alone = Ross().estimate(x.astype(int), y)
        more = Ross().estimate(np.append(x.astype(int), 2), np.append(y, 10.0))
        assert more.value == pytest.approx(alone.value)
