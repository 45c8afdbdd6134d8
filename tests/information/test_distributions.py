"""Distributions: their information by other means, and their samples against their definitions."""

import itertools
import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from sklearn.feature_selection import mutual_info_regression

from infomax.information import beyond_normal as b
from infomax.information import distributions as d
from infomax.information.channels.channel import Channel
from infomax.information.measures import mutual_information

TASKS = b.beyond_normal_tasks()


def rng(seed=0):
    return np.random.default_rng(seed)


# ------------------------------------------------------------------ the 40 tasks

PUBLISHED = {
    0.4133: ["1v1-normal-0.75", "1v1-bimodal-0.75", "swissroll_x-normal_cdf-1v1-normal-0.75"]
    + [f"{t}-1v1-normal-0.75" for t in ("normal_cdf", "half_cube", "wiggly")]
    + ["multinormal-dense-3-3-0.5"],
    1.7094: ["1v1-additive-0.1"],
    0.3333: ["1v1-additive-0.75"],
    0.2939: ["multinormal-dense-2-2-0.5"],
    0.5928: ["multinormal-dense-5-5-0.5"],
    1.2922: ["multinormal-dense-25-25-0.5"],
    1.6243: ["multinormal-dense-50-50-0.5"],
    1.0217: [f"multinormal-sparse-{n}-{n}-2-2.0" for n in (2, 3, 5, 25)]
    + [
        f"{t}-multinormal-sparse-{n}-{n}-2-2.0"
        for t in ("normal_cdf", "half_cube", "spiral", "spiral-normal_cdf")
        for n in (3, 5, 25)
    ],
    0.2242: ["student-identity-1-1-1", "asinh-student-identity-1-1-1"],
    0.4319: ["student-identity-2-2-1", "asinh-student-identity-2-2-1"],
    0.1931: ["student-identity-2-2-2"],
    0.2909: ["student-identity-3-3-2", "asinh-student-identity-3-3-2"],
    0.1787: ["student-identity-3-3-3"],
    0.4482: ["student-identity-5-5-2", "asinh-student-identity-5-5-2"],
    0.2985: ["student-identity-5-5-3"],
}


def test_the_forty_tasks_have_their_published_names_and_values():
    published = {name: value for value, names in PUBLISHED.items() for name in names}
    assert set(TASKS) == set(published) and len(TASKS) == 40
    for name, task in TASKS.items():
        assert task.mutual_information == pytest.approx(published[name], abs=5e-5), name


@pytest.mark.parametrize("name", TASKS)
def test_samples_are_shaped_as_the_name_says_and_depend_on_the_generator_alone(name):
    x, y = TASKS[name].sample(50, rng(1))
    again, _ = TASKS[name].sample(50, rng(1))
    np.testing.assert_array_equal(x, again)
    dims = [int(part) for part in name.split("-") if part.isdigit()][:2]
    if "swissroll" in name:
        dims = [2, 1]
    assert [x.shape, y.shape] == [(50, dim) for dim in (dims if len(dims) == 2 else (1, 1))]
    assert np.isfinite(x).all() and np.isfinite(y).all()


@pytest.mark.parametrize(
    "name", [name for name, task in TASKS.items() if "1v1" in name and "swiss" not in name]
)
def test_a_nearest_neighbour_estimate_is_near(name):
    x, y = TASKS[name].sample(2500, rng())
    estimate = mutual_info_regression(x, y[:, 0], random_state=0)[0]
    assert estimate == pytest.approx(TASKS[name].mutual_information, abs=0.08)


def test_the_two_humps_are_the_mixtures_they_should_be():
    x, y = TASKS["1v1-bimodal-0.75"].sample(4000, rng())
    for values, weight, left, right in [(x, 0.3, 0, 5), (y, 0.5, -1, 3)]:

        def mixture(t, w=weight, a=left, c=right):
            return w * scipy.stats.norm.cdf(t - a) + (1 - w) * scipy.stats.norm.cdf(t - c)

        assert scipy.stats.kstest(values[:, 0], mixture).pvalue > 1e-3
    far = b.two_humps(0.3, 0, 5)(np.array([[-30.0], [30.0]]))
    assert far[0, 0] == pytest.approx(-30, abs=0.1) and far[1, 0] == pytest.approx(35, abs=0.1)


def test_transforms_can_be_undone():
    z = rng().normal(size=(200, 5))
    for i, j in [(0, 1), (1, 2)]:
        turned = b.spiral(i, j)(z)
        np.testing.assert_allclose((turned**2).sum(1), (z**2).sum(1))
        angle = (z**2).sum(1) / 5
        np.testing.assert_allclose(np.cos(angle) * turned[:, i] + np.sin(angle) * turned[:, j], z[:, i])
    u = rng().random((100, 1))
    angle = 21 * np.linalg.norm(b.swiss_roll(u), axis=1)
    np.testing.assert_allclose((angle / (1.5 * math.pi) - 1) / 2, u[:, 0])
    line = np.linspace(-8, 8, 4001)
    for monotone in (b.wiggly_x, b.wiggly_y, b.half_cube, b.two_humps(0.3, 0, 5), np.arcsinh):
        assert np.all(np.diff(monotone(line[:, None])[:, 0]) > 0)
    np.testing.assert_allclose(b.half_cube(np.array([-4.0, 9.0])), [-8, 27])


# ------------------------------------------------------------------ information by other means


def test_gaussian_samples_have_their_covariance():
    task = b.dense_gaussians(2, 3, 0.5)
    x, y = task.sample(100_000, rng())
    np.testing.assert_allclose(np.cov(np.hstack([x, y]).T), task.covariance, atol=0.02)


@pytest.mark.parametrize(("dim", "dof"), [(1, 1), (2, 3), (5, 2)])
def test_student_information_is_the_mean_log_ratio_of_densities(dim, dof):
    dispersion = 0.3 + 0.7 * np.eye(2 * dim)
    task = d.StudentT(dispersion, dim, dof)
    x, y = task.sample(30_000, rng())

    def log_density(values, block):
        return scipy.stats.multivariate_t(shape=block, df=dof).logpdf(values)

    ratio = log_density(np.hstack([x, y]), dispersion)
    ratio = ratio - log_density(x, dispersion[:dim, :dim]) - log_density(y, dispersion[dim:, dim:])
    assert task.mutual_information == pytest.approx(
        ratio.mean(), abs=4.5 * ratio.std() / math.sqrt(len(ratio))
    )


@pytest.mark.parametrize("epsilon", [0.1, 0.5, 0.75, 3.0])
def test_additive_uniform_information_by_quadrature(epsilon):
    def surprise(y):
        density = max(0.0, min(1, y + epsilon) - max(0, y - epsilon)) / (2 * epsilon)
        return -density * math.log(density) if density > 0 else 0.0

    corners = sorted({-epsilon, epsilon, 1 - epsilon, 1 + epsilon})
    h_y = sum(scipy.integrate.quad(surprise, a, c)[0] for a, c in itertools.pairwise(corners))
    assert d.AdditiveUniform(epsilon).mutual_information == pytest.approx(
        h_y - math.log(2 * epsilon), abs=1e-9
    )
    x, y = d.AdditiveUniform(epsilon).sample(1000, rng())
    assert np.abs(y - x).max() <= epsilon and x.min() >= 0 and x.max() <= 1


@pytest.mark.parametrize("m", [1, 2, 5, 30])
def test_uniform_mixture_information_is_that_of_a_table(m):
    """Within each unit interval Y is uniform whatever X is, so that its whole part tells all."""
    table = (np.eye(m, m + 1) + np.eye(m, m + 1, 1)) / (2 * m)
    assert d.UniformMixture(m).mutual_information == pytest.approx(float(mutual_information(table)))
    x, y = d.UniformMixture(m).sample(40_000, rng())
    counts = np.zeros((m, m + 1))
    np.add.at(counts, (x[:, 0], np.floor(y[:, 0]).astype(int)), 1 / 40_000)
    np.testing.assert_allclose(counts, table, atol=0.015)


@pytest.mark.parametrize("p", [0.0, 0.15, 0.6])
def test_zero_inflated_poisson_information_by_quadrature(p):
    k = np.arange(120)

    def p_y_given(x):
        return p * (k == 0) + (1 - p) * scipy.stats.poisson.pmf(k, x)

    p_y = p * (k == 0) + (1 - p) * 0.5 ** (k + 1)

    def divergence(x):
        q = p_y_given(x)
        return math.exp(-x) * np.sum(q[q > 0] * np.log(q[q > 0] / p_y[q > 0]))

    expected = scipy.integrate.quad(divergence, 0, 60, epsabs=1e-11, limit=200)[0]
    assert d.ZeroInflatedPoisson(p).mutual_information == pytest.approx(expected, abs=1e-9)
    _, y = d.ZeroInflatedPoisson(p).sample(40_000, rng())
    np.testing.assert_allclose(np.bincount(y[:, 0])[:4] / 40_000, p_y[:4], atol=0.01)


def test_zero_inflation_takes_more_than_its_share():
    """(1 − p) I₀, often quoted, is what a receiver would have who saw which zeros are inflated."""
    plain, inflated = d.ZeroInflatedPoisson(0.0), d.ZeroInflatedPoisson(0.15)
    assert inflated.mutual_information == pytest.approx(0.2298, abs=5e-5)
    assert plain.mutual_information == pytest.approx(0.3012, abs=5e-5)
    assert inflated.mutual_information < 0.85 * plain.mutual_information - 0.02


def test_discrete_tables_and_channels():
    p_x, channel = np.array([0.2, 0.3, 0.5]), Channel.symmetric(3, 0.2)
    task = d.through_channel(p_x, channel)
    assert task.mutual_information == pytest.approx(float(channel.mutual_information(p_x)))
    x, y = task.sample(60_000, rng())
    counts = np.zeros((3, 3))
    np.add.at(counts, (x[:, 0], y[:, 0]), 1 / 60_000)
    np.testing.assert_allclose(counts, channel.joint(p_x).table, atol=0.01)
    assert np.issubdtype(x.dtype, np.integer)


@pytest.mark.parametrize("nats", [2, 4, 6, 8, 10])
@pytest.mark.parametrize("cubic", [False, True])
def test_the_staircase(nats, cubic):
    task = d.staircase(nats, cubic=cubic)
    assert task.mutual_information == pytest.approx(nats, abs=1e-12)
    x, y = task.sample(3000, rng())
    assert x.shape == y.shape == (3000, 20)
    rho = math.sqrt(1 - math.exp(-2 * nats / 20))
    flat = np.cbrt(y) if cubic else y
    assert np.mean(x * flat) == pytest.approx(rho, abs=0.03)


def test_independent_parts_add():
    parts = [d.correlated_gaussians(0.5), d.UniformMixture(3)]
    both = d.Independent(parts)
    assert both.mutual_information == pytest.approx(sum(part.mutual_information for part in parts))
    x, y = both.sample(10, rng())
    assert x.shape == y.shape == (10, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: d.JointGaussian(np.eye(2), 2), "dim_x must be from 1 to 1, got 2"),
        (lambda: d.StudentT(np.eye(2), 1, 0), "dof must be above 0, got 0"),
        (lambda: d.staircase(-1), "staircase: information must be at least 0, got -1"),
        (lambda: d.correlated_gaussians(1), "correlation must be above -1 and below 1, got 1"),
        (lambda: d.correlated_gaussians(0.5, dim=0), "correlated_gaussians: dim must be at least 1, got 0"),
        (lambda: d.Discrete([[0.5, 0.2]]), "Discrete: probabilities must sum to 1"),
        (lambda: d.Discrete(np.full((2, 2, 2), 0.25)), r"expected one table \[x, y\], got shape \(2, 2, 2\)"),
        (lambda: d.UniformMixture(0), "num_values must be at least 1, got 0"),
        (lambda: d.ZeroInflatedPoisson(1), "inflation must be at least 0 and below 1, got 1"),
        (lambda: d.AdditiveUniform(0), "epsilon must be above 0, got 0"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("distribution", "dim_x", "dim_y"),
    [
        (d.ZeroInflatedPoisson(0.15), 1, 1),
        (d.AdditiveUniform(0.1), 1, 1),
        (d.UniformMixture(5), 1, 1),
        (d.StudentT(np.eye(5), 2, 3), 2, 3),
        (d.Independent([d.correlated_gaussians(0.5), d.StudentT(np.eye(3), 1, 3)]), 2, 3),
    ],
)
def test_samples_have_a_row_each(distribution, dim_x, dim_y):
    x, y = distribution.sample(7, rng())
    assert (x.shape, y.shape) == ((7, dim_x), (7, dim_y))


def test_the_usual_staircase_holds_two_nats_in_twenty_pairs():
    usual = d.staircase()
    assert usual.mutual_information == pytest.approx(2.0)
    assert usual.sample(3, rng())[0].shape == (3, 20)


def test_draws_of_a_table_whose_sum_is_one_but_for_rounding():
    table = np.array([[0.1, 0.2], [0.3, 0.4]]) * (1 + 1e-9)
    x, y = d.Discrete(table).sample(20_000, rng())
    assert np.mean(x == 1) == pytest.approx(0.7, abs=0.02)
    assert np.mean(y == 1) == pytest.approx(0.6, abs=0.02)


@pytest.mark.parametrize("base", [2.0, math.e])
def test_noise_and_equivocation_are_in_the_base(base):
    channel, p_x = Channel.symmetric(2, 0.11), np.array([0.5, 0.5])
    expected = -(0.11 * np.log(0.11) + 0.89 * np.log(0.89)) / np.log(base)
    assert float(channel.noise(p_x, base=base)) == pytest.approx(expected)
    assert float(channel.equivocation(p_x, base=base)) == pytest.approx(expected)
