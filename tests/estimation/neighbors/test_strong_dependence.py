"""ResidualKSG where neighbours alone fail, and where they do not."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, norm

from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neighbors.strong_dependence import ResidualKSG
from infomax.information.beyond_normal import half_cube, wiggly_x, wiggly_y
from infomax.information.distributions import Distribution, StudentT, Transformed, correlated_gaussians
from infomax.information.gaussian import gaussian_conditional_mutual_information

NOISE = 0.05
GAUSSIAN_ENTROPY = 0.5 * math.log(2 * math.pi * math.e)


def gaussians(nats, dim=1):
    return correlated_gaussians(math.sqrt(-math.expm1(-2 * nats / dim)), dim=dim)


def sample(pair, n=3000, seed=0):
    return pair.sample(n, np.random.default_rng(seed))


class Curve(Distribution):
    """A place on a closed curve, uniform in its parameter, plus normal noise in both coordinates."""

    def __init__(self, x, y, noise=NOISE):
        self.x, self.y, self.noise = x, y, noise

    def sample(self, num_samples, rng):
        angle = 2 * math.pi * rng.random(num_samples)
        noise = self.noise * rng.standard_normal((2, num_samples))
        return self.x(angle) + noise[0], self.y(angle) + noise[1]

    @property
    def mutual_information(self):
        """I = h(X) + h(Y) − h(X,Y) from densities on a grid of step noise/4, means over 4000 angles."""
        angles = 2 * math.pi * np.arange(4000) / 4000
        line = np.arange(-1 - 8 * self.noise, 1 + 8 * self.noise, self.noise / 4)
        given_angle = [norm.pdf(line, at(angles)[:, None], self.noise) for at in (self.x, self.y)]
        joint = given_angle[0].T @ given_angle[1] / len(angles)
        h_x, h_y = (entropy_on_grid(one.mean(axis=0), self.noise / 4) for one in given_angle)
        return h_x + h_y - entropy_on_grid(joint, (self.noise / 4) ** 2)


def entropy_on_grid(density, cell):
    density = density[density > 0]
    return -cell * float((density * np.log(density)).sum())


class EitherSign(Distribution):
    """X normal, Y = ±X with a random sign, plus normal noise."""

    def sample(self, num_samples, rng):
        x = rng.standard_normal(num_samples)
        return x, x * rng.choice([-1, 1], num_samples) + NOISE * rng.standard_normal(num_samples)

    @property
    def mutual_information(self):
        """I = h(Y) − h(noise) − I(sign; Y|X), which is log 2 − E log(1 + e^{−2a(a + N)}), a = X/noise."""
        normal = np.linspace(-8, 8, 1601)
        weights = norm.pdf(normal) * 0.01
        at = normal / NOISE
        lost = np.logaddexp(0, -2 * at[:, None] * (at[:, None] + normal))
        told = math.log(2) - weights @ lost @ weights
        return 0.5 * math.log1p(NOISE**2) - math.log(NOISE) - told


class Independent(Distribution):
    def __init__(self, draw):
        self.draw = draw

    def sample(self, num_samples, rng):
        return self.draw(rng, num_samples), self.draw(rng, num_samples)

    @property
    def mutual_information(self):
        return 0.0


CURVES = {
    "circle": Curve(np.cos, np.sin),
    "figure of eight": Curve(np.cos, lambda angle: np.sin(2 * angle)),
    "±X": EitherSign(),
}
INDEPENDENT = {
    "lognormal": Independent(lambda rng, n: np.exp(2 * rng.standard_normal(n))),
    "Pareto 1.5": Independent(lambda rng, n: rng.pareto(1.5, n)),
    "Cauchy": Independent(lambda rng, n: rng.standard_cauchy(n)),
    "Student 2": Independent(lambda rng, n: rng.standard_t(2, n)),
    "bimodal": Independent(lambda rng, n: (rng.random(n) < 0.5) + 0.1 * rng.standard_normal(n)),
}
STRONG = {
    **{f"{nats} nats, 1-D": gaussians(nats) for nats in (0, 0.4, 2, 5, 10)},
    "10 nats, half-cube": Transformed(gaussians(10), half_cube, half_cube),
    "10 nats, wiggly": Transformed(gaussians(10), wiggly_x, wiggly_y),
    "Student t of 2, 4.3 nats": StudentT(np.array([[1, 0.9999], [0.9999, 1]]), 1, 2),
}
SEVERAL = {
    **{f"{nats} nats, 2-D": gaussians(nats, 2) for nats in (0, 0.4, 2, 5, 10)},
    **{f"{nats} nats, 3-D": gaussians(nats, 3) for nats in (0, 0.4, 2, 5, 10)},
    "5 nats, 3-D, half-cube": Transformed(gaussians(5, 3), half_cube, half_cube),
    "5 nats, 3-D, wiggly": Transformed(gaussians(5, 3), wiggly_x, wiggly_y),
}
ALL = {**CURVES, **INDEPENDENT, **STRONG, **SEVERAL}


def estimates(name, num_samples, num_draws):
    truth, estimator = ALL[name].mutual_information, ResidualKSG(num_workers=1)
    found = [estimator.estimate(*sample(ALL[name], num_samples, seed)) for seed in range(num_draws)]
    intervals = [one.confidence_interval() for one in found]
    covered = np.mean([low <= truth <= high for low, high in intervals])
    return np.mean([one.value for one in found]) - truth, covered


def test_truths():
    """As computed in another way, by a smoothed histogram of two million places."""
    assert CURVES["circle"].mutual_information == pytest.approx(1.158, abs=0.001)
    assert CURVES["±X"].mutual_information == pytest.approx(2.334, abs=0.001)
    assert CURVES["figure of eight"].mutual_information == pytest.approx(0.846, abs=0.001)


@pytest.mark.parametrize("name", [*CURVES, *INDEPENDENT, *STRONG])
def test_right_on_average(name):
    error, covered = estimates(name, 2500, 1)
    assert abs(error) < (0.2 if "wiggly" in name else 0.1)
    assert covered == 1


@pytest.mark.parametrize("name", SEVERAL)
def test_right_in_several_columns(name):
    error, covered = estimates(name, 1200, 1)
    assert abs(error) < 0.12
    assert covered == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_right_for_many_samples(name):
    error, covered = estimates(name, 10_000, 5)
    assert abs(error) < 0.1
    assert covered >= 0.8


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL)
def test_intervals_cover(name):
    assert estimates(name, 2000, 40)[1] >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", [*CURVES, *INDEPENDENT])
def test_error_shrinks(name):
    few, many = (abs(estimates(name, num_samples, 3)[0]) for num_samples in (1000, 64_000))
    assert many < max(few, 0.02) and many < 0.03


def test_a_parabola_is_explained_one_way():
    rng = np.random.default_rng(0)
    x, noise = rng.standard_normal((2, 3000))
    y = x**2 + 1e-4 * noise
    truth = float(chi2(1).entropy()) - (0.5 * math.log(2 * math.pi * math.e) + math.log(1e-4))
    found = ResidualKSG().estimate(x, y).value
    assert found == pytest.approx(truth, abs=0.3)
    assert found == pytest.approx(ResidualKSG().estimate(y, x).value, abs=1e-9)


def test_conditional():
    covariance = np.array([[1, 0.99, 0.6], [0.99, 1, 0.5], [0.6, 0.5, 1]])
    truth = float(gaussian_conditional_mutual_information(covariance, [0], [1], [2]))
    x, y, z = np.random.default_rng(0).multivariate_normal(np.zeros(3), covariance, 2000).T
    assert ResidualKSG().estimate(x, y, given=z).value == pytest.approx(truth, abs=0.12)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**31), st.floats(1e-3, 1e3), st.floats(-10, 10))
def test_invariances(seed, scale, shift):
    x, y = sample(gaussians(3.0), 100, seed)
    value = ResidualKSG().estimate(x, y).value
    order = np.random.default_rng(seed).permutation(100)
    moved = ResidualKSG().estimate(x[order], y[order]).value
    assert moved == pytest.approx(value, abs=1e-4)  # local fits sum in the order of the rows
    assert ResidualKSG().estimate(y, x).value == pytest.approx(value, abs=1e-9)
    assert ResidualKSG().estimate(scale * x + shift, y).value == pytest.approx(value, abs=0.05)


def test_a_line_between_two_lines_is_followed():
    """Neither is a function of the other, and boxes are too wide: ellipsoids follow the rows."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(3000)
    y = x * rng.choice([-1, 1], 3000) + 1e-3 * rng.standard_normal(3000)
    truth = -math.log(1e-3) - math.log(2)
    assert ResidualKSG().estimate(x, y).value == pytest.approx(truth, abs=0.12)
    assert KSG().estimate(x, y).value < truth - 1


class TestCautions:
    x = np.random.default_rng(0).standard_normal(2000)

    def test_a_curve_without_noise(self):
        angle = np.linspace(0, 6, 1500)
        found = ResidualKSG().estimate(np.cos(angle), np.sin(angle))
        assert found.has_caution("saturated")
        assert found.confidence_interval()[1] == math.inf

    def test_a_function_too_wiggly_for_the_rows(self):
        found = ResidualKSG().estimate(self.x, np.sin(20 * self.x))
        assert found.has_caution("saturated")
        assert "at least" in repr(found)

    @pytest.mark.parametrize("nats", [0.0, 2.0, 10.0])
    def test_none_without_reason(self, nats):
        assert ResidualKSG().estimate(*sample(gaussians(nats), 2000)).cautions == ()


class TestErrors:
    x, y = sample(gaussians(1.0), 1000)

    def test_functions(self):
        for function in (lambda x: 2 * x + 1, np.abs, lambda x: x**3):
            with pytest.raises(ValueError, match="a function of the other"):
                ResidualKSG().estimate(self.x, function(self.x))

    def test_constant_and_copied_columns(self):
        with pytest.raises(ValueError, match="constant, a combination of others"):
            ResidualKSG().estimate(self.x, np.ones(1000))
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
