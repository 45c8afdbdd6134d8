"""ResidualKSG where neighbours alone fail, and where they do not."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neighbors.strong_dependence import ResidualKSG, _linear_fit, _local_fit
from infomax.information.beyond_normal import half_cube, wiggly_x, wiggly_y
from infomax.information.distributions import Transformed, correlated_gaussians
from infomax.information.gaussian import gaussian_conditional_mutual_information


def gaussians(nats, dim=1):
    return correlated_gaussians(math.sqrt(1 - math.exp(-2 * nats / dim)), dim=dim)


def sample(pair, n=3000, seed=0):
    return pair.sample(n, np.random.default_rng(seed))


@pytest.mark.parametrize("nats", [0.0, 0.4, 1.0, 2.0, 5.0, 10.0])
def test_one_dimensional_gaussians(nats):
    found = ResidualKSG().estimate(*sample(gaussians(nats)))
    assert found.value == pytest.approx(nats, abs=0.09)
    assert found.local.shape == (3000,)


@pytest.mark.parametrize("nats", [2.0, 5.0, 10.0])
def test_three_dimensional_gaussians(nats):
    x, y = sample(gaussians(nats, dim=3))
    assert ResidualKSG().estimate(x, y).value == pytest.approx(nats, abs=0.15)


@pytest.mark.parametrize(("f", "g"), [(wiggly_x, wiggly_y), (half_cube, half_cube)])
def test_transformed_gaussians_of_ten_nats(f, g):
    x, y = sample(Transformed(gaussians(10.0), f, g), 5000)
    assert ResidualKSG().estimate(x, y).value == pytest.approx(10, abs=0.3)
    assert KSG().estimate(x, y).value < 8


def test_a_parabola_is_explained_one_way():
    rng = np.random.default_rng(0)
    x, noise = rng.standard_normal((2, 3000))
    y = x**2 + 1e-4 * noise
    from scipy.stats import chi2

    truth = float(chi2(1).entropy()) - (0.5 * math.log(2 * math.pi * math.e) + math.log(1e-4))
    found = ResidualKSG().estimate(x, y).value
    assert found == pytest.approx(truth, abs=0.3)
    assert found == pytest.approx(ResidualKSG().estimate(y, x).value, abs=1e-9)


def test_conditional():
    covariance = np.array([[1, 0.99, 0.6], [0.99, 1, 0.5], [0.6, 0.5, 1]])
    truth = float(gaussian_conditional_mutual_information(covariance, [0], [1], [2]))
    x, y, z = np.random.default_rng(0).multivariate_normal(np.zeros(3), covariance, 3000).T
    assert ResidualKSG().estimate(x, y, given=z).value == pytest.approx(truth, abs=0.12)


def test_linear_fit_leaves_the_row_out():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((30, 2)), rng.standard_normal((30, 2))
    design = np.column_stack([np.ones(30), x])
    for i in range(30):
        rest = np.arange(30) != i
        beta = np.linalg.lstsq(design[rest], y[rest], rcond=None)[0]
        assert _linear_fit(x, y)[i] == pytest.approx(design[i] @ beta)


def test_local_fit_is_least_squares_on_the_neighbours():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((30, 2)), rng.standard_normal((30, 1))
    neighbors = np.array([rng.choice(30, 8, replace=False) for _ in range(30)])
    for i in range(30):
        design = np.column_stack([np.ones(8), x[neighbors[i]]])
        beta = np.linalg.lstsq(design, y[neighbors[i]], rcond=None)[0]
        assert _local_fit(x, y, neighbors)[i] == pytest.approx(np.append(1, x[i]) @ beta, abs=1e-6)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**31), st.floats(1e-3, 1e3), st.floats(-10, 10))
def test_invariances(seed, scale, shift):
    x, y = sample(gaussians(3.0), 100, seed)
    value = ResidualKSG().estimate(x, y).value
    order = np.random.default_rng(seed).permutation(100)
    assert ResidualKSG().estimate(x[order], y[order]).value == pytest.approx(value, abs=1e-6)
    assert ResidualKSG().estimate(y, x).value == pytest.approx(value, abs=1e-9)
    assert ResidualKSG().estimate(scale * x + shift, y).value == pytest.approx(value, abs=0.05)


class TestErrors:
    x, y = sample(gaussians(1.0), 100)

    def test_functions(self):
        with pytest.raises(ValueError, match="a function of the other variable"):
            ResidualKSG().estimate(self.x, 2 * self.x + 1)

    def test_constant_and_copied_columns(self):
        with pytest.raises(ValueError, match="constant, a combination of others"):
            ResidualKSG().estimate(self.x, np.ones(100))
        with pytest.raises(ValueError, match="constant, a combination of others"):
            ResidualKSG().estimate(np.hstack([self.x, self.x]), self.y)

    def test_labels(self):
        with pytest.raises(ValueError, match="must be continuous"):
            ResidualKSG().estimate(self.x, self.y > 0)

    def test_few_samples_and_settings(self):
        with pytest.raises(ValueError, match="need at least 20 samples, got 19; use KSG"):
            ResidualKSG().estimate(self.x[:19], self.y[:19])
        with pytest.raises(ValueError, match="num_neighbors must be at least 1"):
            ResidualKSG(0)
