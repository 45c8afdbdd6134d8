"""Gaussian estimates: exact bias, closed forms, scikit-learn's CCA, coverage of the error bars."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from infomax.estimation.gaussian import CCA, Gaussian, GaussianCopula, sample_covariance, shrunk_covariance
from infomax.information.beyond_normal import half_cube, wiggly_x
from infomax.information.distributions import correlated_gaussians
from infomax.information.gaussian import gaussian_conditional_mutual_information


def pairs(n=200, dim=1, seed=0, correlation=0.75):
    return correlated_gaussians(correlation, dim=dim).sample(n, np.random.default_rng(seed))


def test_of_one_pair_is_a_formula():
    x, y = pairs()
    rho = np.corrcoef(x[:, 0], y[:, 0])[0, 1]
    assert Gaussian(bias_corrected=False).estimate(x, y).value == pytest.approx(-math.log(1 - rho**2) / 2)


def test_partial_is_a_formula():
    x, y = pairs()
    z = x + y + np.random.default_rng(1).standard_normal(x.shape)
    r_xy, r_xz, r_yz = (np.corrcoef(a[:, 0], b[:, 0])[0, 1] for a, b in [(x, y), (x, z), (y, z)])
    rho = (r_xy - r_xz * r_yz) / math.sqrt((1 - r_xz**2) * (1 - r_yz**2))
    found = Gaussian(bias_corrected=False).estimate(x, y, given=z).value
    assert found == pytest.approx(-math.log(1 - rho**2) / 2)


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_bias_is_taken_off_exactly(correlation):
    """n = 12, where the uncorrected estimate is far off."""
    pair = correlated_gaussians(correlation, dim=2)
    samples = [pair.sample(12, np.random.default_rng(seed)) for seed in range(3000)]
    corrected = np.array([Gaussian().estimate(x, y).value for x, y in samples])
    raw = np.array([Gaussian(bias_corrected=False).estimate(x, y).value for x, y in samples[:300]])
    tolerance = 4 * corrected.std() / math.sqrt(len(corrected))
    assert corrected.mean() == pytest.approx(pair.mutual_information, abs=tolerance)
    assert tolerance < 0.03
    assert raw.mean() > pair.mutual_information + 0.2


def test_bias_of_partial_is_taken_off():
    covariance = np.array([[1, 0.5, 0.6], [0.5, 1, 0.3], [0.6, 0.3, 1]])
    truth = float(gaussian_conditional_mutual_information(covariance, [0], [1], [2]))
    rows = np.random.default_rng(0).multivariate_normal(np.zeros(3), covariance, (3000, 10))
    found = [Gaussian().estimate(r[:, 0], r[:, 1], given=r[:, 2]).value for r in rows]
    assert np.mean(found) == pytest.approx(truth, abs=4 * np.std(found) / math.sqrt(3000))


def test_bits_are_cautioned():
    """Correlation of bits is not their information, log 2 − h(.1) = .37 nats here; Gaussians say .5."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, 4000)
    y = np.where(rng.random(4000) < 0.1, 1 - x, x)
    for estimator in (Gaussian(), CCA()):
        found = estimator.estimate(x, y)
        assert found.value > 0.45
        assert any("within equal values; use MixedKSG" in caution for caution in found.cautions)
        assert not estimator.estimate(*rng.standard_normal((2, 4000))).cautions
    assert Gaussian().estimate(*rng.standard_normal((2, 4000)), given=x).cautions
    periodic = rng.standard_normal(5000) * (np.arange(5000) % 5 != 0)  # every fifth row is 0
    assert not Gaussian().estimate(periodic, rng.standard_normal(5000)).cautions


def test_bias_of_entropy_is_taken_off():
    covariance = np.array([[2, 0.5], [0.5, 1]])
    truth = float(stats.multivariate_normal(np.zeros(2), covariance).entropy())
    rows = np.random.default_rng(0).multivariate_normal(np.zeros(2), covariance, (2000, 8))
    estimates = [Gaussian().entropy(r) for r in rows]
    values = np.array([e.value for e in estimates])
    assert values.mean() == pytest.approx(truth, abs=4 * values.std() / math.sqrt(2000))
    assert estimates[0].standard_error == pytest.approx(values.std(), rel=0.1)  # exact, whatever the sample


@pytest.mark.parametrize(("correlation", "dim"), [(0.75, 1), (0.0, 1), (0.0, 4), (0.5, 3)])
def test_coverage(correlation, dim):
    pair = correlated_gaussians(correlation, dim=dim)
    estimates = [Gaussian().estimate(*pair.sample(300, np.random.default_rng(s))) for s in range(300)]
    values = np.array([e.value for e in estimates])
    errors = np.array([e.standard_error for e in estimates])
    covered = np.abs(values - pair.mutual_information) < 1.96 * errors
    assert covered.mean() >= 0.9
    if correlation:
        assert covered.mean() <= 0.99
        assert np.sqrt((errors**2).mean()) == pytest.approx(values.std(), rel=0.25)
    else:  # χ² in law, bounded below: the interval covers more, and the error is on the safe side
        assert 1 < np.sqrt((errors**2).mean()) / values.std() < 1.6


def test_local_values_are_log_density_ratios():
    x, y = pairs(500)
    both = np.hstack([x, y])
    normal = stats.multivariate_normal(both.mean(axis=0), np.cov(both.T))
    margins = [stats.norm(v.mean(), v.std(ddof=1)).logpdf(v[:, 0]) for v in (x, y)]
    local = Gaussian(bias_corrected=False).estimate(x, y).local
    assert local == pytest.approx(normal.logpdf(both) - sum(margins))


def test_local_values_of_entropy():
    x, _ = pairs(500)
    estimate = Gaussian(bias_corrected=False).entropy(x)
    assert estimate.local == pytest.approx(-stats.norm(x.mean(), x.std(ddof=1)).logpdf(x[:, 0]))


def test_copula_does_not_see_margins():
    x, y = pairs(1000)
    value = GaussianCopula().estimate(x, y).value
    assert value == pytest.approx(0.4133, abs=0.07)
    assert GaussianCopula().estimate(half_cube(x), np.exp(wiggly_x(y))).value == value
    assert Gaussian().estimate(np.exp(3 * x), np.exp(3 * y)).value < value - 0.1


def test_copula_gives_ties_the_mean_rank():
    x, y = np.array([1.0, 2, 2, 4, 5, 6, 7, 8]), np.array([1.0, 3, 2, 5, 4, 8, 7, 6])
    scores = stats.norm.ppf(np.array([1, 2.5, 2.5, 4, 5, 6, 7, 8]) / 9)
    expected = Gaussian(bias_corrected=False).estimate(scores, stats.norm.ppf(y / 9)).value
    assert GaussianCopula(bias_corrected=False).estimate(x, y).value == pytest.approx(expected)


def test_copula_cautions_where_values_are_few():
    bits = np.random.default_rng(0).integers(2, size=500)
    flipped = bits ^ (np.random.default_rng(1).random(500) < 0.1)
    found = GaussianCopula().estimate(bits, flipped)  # log 2 − H(0.1) = 0.37 nats
    assert found.value > 0.5 and "36% of the variance of a column's ranks is within equal" in str(found)
    x, y = pairs(500)
    assert not GaussianCopula().estimate(np.round(x, 1), np.round(y, 1)).cautions


@pytest.mark.parametrize(("correlation", "n"), [(0.3, 100), (0.95, 50), (0.99, 100), (0.99, 1000)])
def test_copula_counts_what_ranks_lose(correlation, n):
    pair = correlated_gaussians(correlation)
    samples = [pair.sample(n, np.random.default_rng([s, n])) for s in range(120)]
    found = [GaussianCopula().estimate(*sample) for sample in samples]
    covered = [abs(e.value - pair.mutual_information) < 1.96 * e.standard_error for e in found]
    assert np.mean(covered) >= 0.88
    values = np.array([e.value for e in found])
    assert abs(values.mean() - pair.mutual_information) < 0.3 * values.std()
    assert not any(e.cautions for e in found)


def test_copula_of_several_columns_counts_what_ranks_lose():
    x, y = pairs(1000, 3, correlation=0.95)
    found, raw = GaussianCopula().estimate(x, y), GaussianCopula(bias_corrected=False).estimate(x, y).value
    assert found.value > raw - 0.01 and not found.cautions  # its other bias is 9/2n = 0.0045
    mixing = np.array([[1, 1, 0], [1, 0.9, 0.1], [0, 0.2, 1]])
    assert GaussianCopula().estimate(x @ mixing, y).has_caution("biased")


def test_copula_of_nearly_equal_ranks_is_saturated():
    x = np.arange(50.0)
    y = np.append(x[1::-1], x[2:])  # the first two are swapped
    assert GaussianCopula().estimate(x, y).has_caution("saturated")


def test_cca_is_gaussian_when_all_components_count():
    x, y = pairs(300, 3)
    assert CCA().estimate(x, y).value == pytest.approx(Gaussian(bias_corrected=False).estimate(x, y).value)


def test_cca_of_one_component_equals_scikit_learn():
    from sklearn.cross_decomposition import CCA as Other

    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 3))
    y = x @ rng.standard_normal((3, 2)) + rng.standard_normal((300, 2))
    u, v = Other(n_components=1, max_iter=5000, tol=1e-10).fit_transform(x, y)
    rho = np.corrcoef(u[:, 0], v[:, 0])[0, 1]
    assert CCA(num_components=1).estimate(x, y).value == pytest.approx(-math.log(1 - rho**2) / 2, rel=1e-5)


def test_shrinking_helps_where_dimensions_near_n():
    x, y = pairs(90, 40, correlation=0.0)
    plain, shrunk = CCA().estimate(x, y).value, CCA(covariance=shrunk_covariance).estimate(x, y).value
    assert plain > 10
    assert shrunk < 1
    x, y = pairs(60, 40, correlation=0.9)  # more columns than samples
    assert CCA(num_components=5, covariance=shrunk_covariance).estimate(x, y).value > 0.1


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.integers(1, 3))
def test_invariances(seed, dim):
    """Rows in any order, x and y swapped, and any invertible linear map of either."""
    x, y = pairs(40, dim, seed)
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((dim, dim)) + 3 * np.eye(dim)
    order = rng.permutation(40)
    for estimator in (Gaussian(), CCA()):
        value = estimator.estimate(x, y).value
        assert estimator.estimate(x[order], y[order]).value == pytest.approx(value, abs=1e-10)
        assert estimator.estimate(y, x).value == pytest.approx(value, abs=1e-10)
        assert estimator.estimate(x @ mixing + 7, y).value == pytest.approx(value, abs=1e-8)


def test_chain_rule():
    x, y = pairs(100)
    z = x + np.random.default_rng(1).standard_normal(x.shape)
    raw = Gaussian(bias_corrected=False)
    whole = raw.estimate(np.hstack([x, z]), y).value
    parts = raw.estimate(z, y).value + raw.estimate(x, y, given=z).value
    assert whole == pytest.approx(parts, abs=1e-12)


@pytest.mark.parametrize(
    "estimator", [Gaussian(), GaussianCopula(), CCA()], ids=lambda estimator: type(estimator).__name__
)
def test_a_model_estimate_converges_within_its_model_only(estimator):
    """Y = ±X + noise has no correlation, and 2.33 nats."""
    errors = []
    for n in (300, 30_000):
        found = estimator.estimate(*pairs(n))
        assert found.kind == "model estimate"
        errors.append(abs(found.value - correlated_gaussians(0.75).mutual_information))
        rng = np.random.default_rng(0)
        x = rng.standard_normal(n)
        assert estimator.estimate(x, rng.choice([-1, 1], n) * x + 0.05 * rng.standard_normal(n)).value < 0.1
    assert errors[1] < 0.015
    assert Gaussian().entropy(pairs(20)[0]).kind == "model estimate"


@pytest.mark.parametrize(
    "estimator", [GaussianCopula(), CCA()], ids=lambda estimator: type(estimator).__name__
)
@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_coverage_of_copula_and_cca(estimator, correlation):
    pair = correlated_gaussians(correlation)
    found = [estimator.estimate(*pair.sample(100, np.random.default_rng(s))) for s in range(200)]
    covered = [abs(e.value - pair.mutual_information) < 1.96 * e.standard_error for e in found]
    assert np.mean(covered) >= 0.88
    assert not any(e.cautions for e in found)


def test_noise_in_many_directions_is_named():
    x, y = pairs(300, 3, correlation=0.0)
    for estimator in (CCA(), Gaussian(bias_corrected=False)):
        found = estimator.estimate(x, y)
        assert found.cautions == ("biased: correlations of noise in 3 × 3 directions add about 0.015 nats",)
    assert not Gaussian().estimate(x, y).cautions
    assert not CCA().estimate(*pairs(2000, 3)).cautions


@pytest.mark.parametrize("scale", [1e-300, 1e300])
@pytest.mark.parametrize(
    "estimator", [Gaussian(), GaussianCopula(), CCA()], ids=lambda estimator: type(estimator).__name__
)
def test_scales(estimator, scale):
    x, y = pairs()
    value = estimator.estimate(x, y).value
    assert estimator.estimate(scale * x, y).value == pytest.approx(value, abs=1e-9)
    assert estimator.estimate(x + 1e9, scale * y).value == pytest.approx(value, abs=1e-4)
    entropy = Gaussian().entropy
    assert entropy(scale * x).value == pytest.approx(entropy(x).value + math.log(scale))


class TestErrors:
    x, y = pairs(50)

    def test_copies(self):
        with pytest.raises(ValueError, match="Gaussian: the covariance is singular: some columns are copies"):
            Gaussian().estimate(np.hstack([self.x, 3 * self.x]), self.y)
        with pytest.raises(ValueError, match="GaussianCopula: the covariance is singular"):
            GaussianCopula().estimate(self.x, np.exp(self.x))
        with pytest.raises(ValueError, match="singular"):
            Gaussian().estimate(self.x, self.y, given=self.x)

    def test_constant(self):
        with pytest.raises(ValueError, match="Gaussian: column 1 of all columns is constant"):
            Gaussian().estimate(self.x, np.ones(50))
        with pytest.raises(ValueError, match="constant"):
            Gaussian().entropy(np.ones(50))

    def test_few_samples(self):
        with pytest.raises(ValueError, match=r"4 columns in all need more than 5 samples, got 5"):
            Gaussian().estimate(np.random.rand(5, 2), np.random.rand(5, 2))  # noqa: NPY002
        with pytest.raises(ValueError, match="CCA with covariance=shrunk_covariance"):
            CCA().estimate(np.ones((3, 2)), np.ones((3, 2)))

    def test_components(self):
        with pytest.raises(ValueError, match="CCA: num_components must be at least 1, got 0"):
            CCA(num_components=0)


def test_sample_covariance_is_a_matrix():
    assert sample_covariance(np.array([[0.0], [2.0]])).tolist() == [[2.0]]
