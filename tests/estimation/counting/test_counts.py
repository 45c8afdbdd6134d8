"""Counting against enumeration, the papers' formulas in loops, SciPy, scikit-learn, and laws."""

import math
import tracemalloc
from collections import Counter

import jaxtyping
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import digamma, polygamma
from scipy.stats import binom
from scipy.stats import entropy as scipy_entropy

from infomax.estimation.counting.counts import NSB, ChaoShen, Grassberger, JamesStein, MillerMadow, PlugIn
from infomax.estimation.counting.nsb import posterior_entropy
from infomax.estimation.estimate import Estimator

ALL = [PlugIn(), MillerMadow(), Grassberger(), ChaoShen(), JamesStein(), NSB()]
NSB_COUNTS = [4, 12, 4, 5, 3, 1, 5, 1, 2, 2, 2, 2, 11, 3, 4, 12, 12, 1, 2]

every = pytest.mark.parametrize("estimator", ALL, ids=lambda estimator: type(estimator).__name__)
label_lists = st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=60)
count_lists = st.lists(st.integers(0, 30), min_size=1, max_size=30).filter(any)


def zipf(k, exponent=1.0):
    weights = np.arange(1, k + 1) ** -exponent
    return weights / weights.sum()


def expected_entropy(estimator, num_samples, p=0.5):
    """E[Ĥ] over all outcomes of two labels."""
    return sum(
        binom.pmf(c, num_samples, p) * estimator.entropy_of_counts([c, num_samples - c]).value
        for c in range(num_samples + 1)
    )


class TestPublishedValues:
    def test_plug_in_expectation_by_enumeration(self):
        assert expected_entropy(PlugIn(), 10) == pytest.approx(0.640120, abs=1e-6)

    def test_miller_madow_adds_its_correction(self):
        for counts in ([5, 5], [7, 2, 1]):
            n, k = sum(counts), len(counts)
            difference = (
                MillerMadow().entropy_of_counts(counts).value - PlugIn().entropy_of_counts(counts).value
            )
            assert difference == pytest.approx((k - 1) / (2 * n), abs=1e-12)

    def test_miller_madow_counts_only_labels_seen(self):
        assert MillerMadow().entropy_of_counts([5, 0, 5, 0]).value == pytest.approx(math.log(2) + 0.05)

    def test_grassberger_is_hardly_biased(self):
        assert expected_entropy(Grassberger(), 20) == pytest.approx(math.log(2), abs=1e-4)
        truth = scipy_entropy([0.2, 0.8])
        assert abs(expected_entropy(Grassberger(), 20, 0.2) - truth) < 0.005
        assert abs(expected_entropy(PlugIn(), 20, 0.2) - truth) > 0.02

    def test_nsb(self):
        estimate = NSB(num_labels=100).entropy_of_counts(NSB_COUNTS)
        assert estimate.value == pytest.approx(2.80609, abs=1e-4)
        assert estimate.standard_error == pytest.approx(0.11950, abs=1e-4)
        assert repr(estimate) == "2.81 ± 0.12 nats (NSB, K=100, n=88)"

    @pytest.mark.parametrize("num_labels", [1, 2, 10, 10**6, 10**12])
    def test_nsb_of_one_sample_is_the_prior(self, num_labels):
        assert posterior_entropy(np.array([1]), num_labels)[0] == pytest.approx(math.log(num_labels) / 2)


# -------------------------------------------------------------------------- the papers' formulas, in loops


def grassberger_in_loops(counts):
    """G₁ = −γ − log 2, G₂ = 2 + G₁, G_{2m+1} = G_{2m}, G_{2m+2} = G_{2m} + 2 / (2m+1)."""
    g = {1: -np.euler_gamma - math.log(2)}
    g[2] = 2 + g[1]
    for c in range(3, max(counts) + 1):
        g[c] = g[c - 1] if c % 2 else g[c - 2] + 2 / (c - 1)
    return digamma(sum(counts)) - sum(c * g[c] for c in counts if c) / sum(counts)


def chao_shen_in_loops(counts):
    n = sum(counts)
    num_singletons = counts.count(1)
    coverage = 1 - (num_singletons if num_singletons < n else n - 1) / n
    total = 0.0
    for c in counts:
        if c > 0:
            q = coverage * c / n
            total -= q * math.log(q) / (1 - (1 - q) ** n)
    return total


def james_stein_in_loops(counts, num_labels):
    n = sum(counts)
    frequencies = [c / n for c in counts] + [0.0] * (num_labels - len(counts))
    noise = sum(p * (1 - p) for p in frequencies) / (n - 1)
    distance = sum((1 / num_labels - p) ** 2 for p in frequencies)
    shrinkage = min(1.0, noise / distance) if distance > 0 else 1.0
    shrunk = [shrinkage / num_labels + (1 - shrinkage) * p for p in frequencies]
    return -sum(q * math.log(q) for q in shrunk if q > 0)


@settings(deadline=None, max_examples=50)
@given(count_lists)
def test_grassberger_equal_to_loops(counts):
    expected = grassberger_in_loops(counts) if np.count_nonzero(counts) > 1 else 0
    assert Grassberger().entropy_of_counts(counts).value == pytest.approx(expected, abs=1e-10)


@settings(deadline=None, max_examples=50)
@given(count_lists)
def test_chao_shen_equal_to_loops(counts):
    assert ChaoShen().entropy_of_counts(counts).value == pytest.approx(chao_shen_in_loops(counts), abs=1e-9)


@settings(deadline=None, max_examples=50)
@given(count_lists.filter(lambda counts: sum(counts) > 1), st.integers(0, 50))
def test_james_stein_equal_to_loops(counts, num_more):
    num_labels = len(counts) + num_more
    expected = james_stein_in_loops(counts, num_labels)
    assert JamesStein(num_labels).entropy_of_counts(counts).value == pytest.approx(expected, abs=1e-9)
    if num_more == 0:  # zeros are labels, too
        assert JamesStein().entropy_of_counts(counts).value == pytest.approx(expected, abs=1e-9)


@settings(deadline=None, max_examples=50)
@given(count_lists)
def test_plug_in_equal_to_scipy(counts):
    estimate = PlugIn().entropy_of_counts(counts)
    assert estimate.value == pytest.approx(scipy_entropy(counts), abs=1e-12)
    assert estimate.num_samples == sum(counts)


@settings(deadline=None, max_examples=40)
@given(label_lists)
def test_plug_in_equal_to_scikit_learn(labels):
    from sklearn.metrics import mutual_info_score

    x, y, _ = zip(*labels, strict=True)
    assert PlugIn().estimate(x, y).value == pytest.approx(mutual_info_score(x, y), abs=1e-12)


# -------------------------------------------------------------------------- NSB


def log_rising(z, n):
    """log z (z+1) … (z+n−1), as a sum of logarithms."""
    return float(np.log(z + np.arange(n)).sum())


def dirichlet_moments(tally, beta):
    """E[H], E[H²] of Wolpert and Wolf, from how many labels have each parameter."""
    nus = [(c + beta, repeats) for c, repeats in tally.items()]
    total = sum(repeats * nu for nu, repeats in nus)
    mean = -sum(repeats * nu / total * (digamma(nu + 1) - digamma(total + 1)) for nu, repeats in nus)

    def gap(nu, above):
        return digamma(nu + above) - digamma(total + 2)

    tail = polygamma(1, total + 2)
    linear = sum(repeats * nu * gap(nu, 1) for nu, repeats in nus)
    apart = linear**2 - sum(repeats * (nu * gap(nu, 1)) ** 2 for nu, repeats in nus)
    apart -= tail * (total**2 - sum(repeats * nu**2 for nu, repeats in nus))
    equal = sum(
        repeats * nu * (nu + 1) * (gap(nu, 2) ** 2 + polygamma(1, nu + 2) - tail) for nu, repeats in nus
    )
    return mean, (apart + equal) / (total * (total + 1))


def nsb_by_quadrature(counts, num_labels):
    """Adaptive quadrature over log β, evidence by sums of logarithms, second moments uncentred."""
    tally = Counter(counts)
    n = sum(counts)

    def log_weight(u):
        beta = math.exp(u)
        evidence = sum(repeats * log_rising(beta, c) for c, repeats in tally.items())
        slope = num_labels * polygamma(1, num_labels * beta + 1) - polygamma(1, beta + 1)
        return evidence - log_rising(num_labels * beta, n) + math.log(slope) + u

    full = {**tally, 0: num_labels - len(counts)}
    ends = -math.log(num_labels) - 30.0, 16.0
    grid = np.linspace(*ends, 150)
    for _ in range(3):
        values = np.array([log_weight(u) for u in grid])
        mode = grid[values.argmax()]
        heavy = grid[values > values.max() - 35]
        step = grid[1] - grid[0]
        ends = max(heavy[0] - step, ends[0]), min(heavy[-1] + step, ends[1])
        grid = np.linspace(*ends, 40)

    def integral(function):
        weight = log_weight(mode)
        return sum(
            quad(
                lambda u: math.exp(log_weight(u) - weight) * function(math.exp(u)), a, b, epsabs=0, limit=200
            )[0]
            for a, b in ((ends[0], mode), (mode, ends[1]))
        )

    norm = integral(lambda beta: 1.0)
    mean = integral(lambda beta: dirichlet_moments(full, beta)[0]) / norm
    square = integral(lambda beta: dirichlet_moments(full, beta)[1]) / norm
    return mean, math.sqrt(square - mean**2)


@pytest.mark.parametrize(
    ("counts", "num_labels"),
    [
        (NSB_COUNTS, 100),
        ([1], 10),
        ([1] * 30, 30),
        ([1] * 30, 10**6),
        ([50], 10),
        ([50], 10**6),
        ([1] * 20 + [2] * 3 + [40], 10**9),
        ([200, 100, 50, 25, 12, 6, 3, 1], 8),
    ],
    ids=str,
)
def test_nsb_equal_to_slow_integration(counts, num_labels):
    mean, deviation = posterior_entropy(np.array(counts), num_labels)
    expected_mean, expected_deviation = nsb_by_quadrature(counts, num_labels)
    assert mean == pytest.approx(expected_mean, rel=1e-6)
    assert deviation == pytest.approx(expected_deviation, rel=1e-4)


def test_nsb_where_the_posterior_of_beta_is_narrow():
    rng = np.random.default_rng(0)
    counts = rng.multinomial(20_000, rng.dirichlet(np.full(3000, 0.1)))
    counts = counts[counts > 0]
    mean, deviation = posterior_entropy(counts, 3000)
    expected_mean, expected_deviation = nsb_by_quadrature(list(map(int, counts)), 3000)
    assert mean == pytest.approx(expected_mean, rel=1e-9)
    assert deviation == pytest.approx(expected_deviation, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("num_samples", "num_labels"), [(10**5, 10**6), (10**6, 10**3)])
def test_nsb_equal_to_slow_integration_of_many_samples(num_samples, num_labels):
    counts = np.bincount(np.random.default_rng(0).integers(0, 1000, num_samples))
    mean, deviation = posterior_entropy(counts, num_labels)
    expected_mean, expected_deviation = nsb_by_quadrature(list(map(int, counts)), num_labels)
    assert mean == pytest.approx(expected_mean, rel=1e-6)
    assert deviation == pytest.approx(expected_deviation, rel=0.05)  # the slow form subtracts squares


class TestExtremesOfNSB:
    def test_a_million_samples_of_one_label(self):
        mean, deviation = posterior_entropy(np.array([10**6]), 10**6)
        assert 0 < mean < 1e-4
        assert 0 < deviation < 1e-4

    def test_a_million_samples_of_a_million_labels(self):
        counts = np.bincount(np.random.default_rng(0).integers(0, 10**6, 10**6))
        mean, deviation = posterior_entropy(counts[counts > 0], 10**6)
        assert abs(mean - math.log(10**6)) < 3 * deviation
        assert deviation < 0.001

    def test_even_counts(self):
        mean, deviation = posterior_entropy(np.full(100, 10_000), 100)
        assert mean == pytest.approx(math.log(100), abs=1e-5)
        assert 0 < deviation < 1e-5

    def test_all_samples_differ(self):
        mean, deviation = posterior_entropy(np.ones(1000, dtype=int), 10**6)
        assert math.log(1000) < mean < math.log(10**6)
        assert 0.1 < deviation < 2

    def test_known_size_of_a_huge_alphabet(self):
        counts = np.bincount(np.random.default_rng(0).integers(0, 1000, 10**5))
        mean, deviation = posterior_entropy(counts, 10**12)
        assert abs(mean - math.log(1000)) < 0.02
        assert deviation < 0.01

    def test_posterior_is_calibrated_under_its_own_prior(self):
        """Truths drawn from the prior lie within one posterior deviation in about 68 %."""
        rng = np.random.default_rng(0)
        num_labels, scores = 50, []
        log_betas = np.linspace(-15, 10, 20_000)
        levels = digamma(num_labels * np.exp(log_betas) + 1) - digamma(np.exp(log_betas) + 1)
        for _ in range(300):
            beta = np.exp(np.interp(rng.uniform(0, math.log(num_labels)), levels, log_betas))
            gammas = np.log(rng.gamma(beta + 1, size=num_labels)) + np.log(rng.random(num_labels)) / beta
            p = np.exp(gammas - gammas.max())
            p = p / p.sum()
            counts = rng.multinomial(30, p)
            mean, deviation = posterior_entropy(counts[counts > 0], num_labels)
            scores.append((scipy_entropy(p) - mean) / deviation)
        assert abs(np.mean(scores)) < 0.2
        assert 0.6 < np.mean(np.abs(scores) < 1) < 0.82
        assert np.std(scores) == pytest.approx(1, abs=0.15)


# -------------------------------------------------------------------------- what the estimators are for


def mean_bias(estimator, p, num_samples, num_repeats=20):
    rng = np.random.default_rng(0)
    values = [estimator.entropy_of_counts(rng.multinomial(num_samples, p)).value for _ in range(num_repeats)]
    return np.mean(values) - scipy_entropy(p)


def test_bias_on_an_undersampled_uniform_alphabet():
    p = np.full(1000, 1e-3)
    biases = [
        abs(mean_bias(estimator, p, 300))
        for estimator in (PlugIn(), MillerMadow(), Grassberger(), NSB(1000), JamesStein(1000))
    ]
    assert biases == sorted(biases, reverse=True)
    assert biases[0] > 1.2
    assert biases[-2] < 0.1
    assert biases[-1] < 0.01
    assert abs(mean_bias(ChaoShen(), p, 300)) < 0.1  # without being told how many labels there are


def test_bias_on_an_undersampled_zipf_alphabet():
    p = zipf(1000)
    biases = [
        abs(mean_bias(estimator, p, 300))
        for estimator in (PlugIn(), MillerMadow(), Grassberger(), ChaoShen())
    ]
    assert biases == sorted(biases, reverse=True)
    assert biases[0] > 0.8
    assert biases[-1] < 0.4
    assert abs(mean_bias(NSB(num_labels=1000), p, 300)) < 0.25


def test_exclusive_or():
    """Z = X xor Y of fair coins: nothing without Z, one bit with it."""
    x, y = np.arange(20_000) % 2, np.arange(20_000) // 2 % 2
    for estimator in ALL:
        alone, with_z = estimator.estimate(x, y), estimator.estimate(x, y, given=x ^ y)
        assert alone.value == pytest.approx(0, abs=1e-3)
        assert with_z.value == pytest.approx(math.log(2), abs=3e-3)
    table = np.zeros((2, 2, 2))
    table[[0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0]] = 1000
    assert PlugIn().information_of_counts(table).value == pytest.approx(math.log(2), abs=1e-12)
    assert PlugIn().information_of_counts(table.sum(axis=2)).value == pytest.approx(0, abs=1e-12)


def test_a_million_labels_without_a_dense_table():
    """10⁶ × 10⁶ cells would need 8 TB."""
    x = np.random.default_rng(0).integers(0, 10**6, 10**5)
    y = (7 * x + 3) % 10**6  # a permutation of the labels
    tracemalloc.start()
    values = [estimator.estimate(x, y).value for estimator in (*ALL[:4], NSB(num_labels=10**6))]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    assert values[0] == pytest.approx(scipy_entropy(list(Counter(x.tolist()).values())), abs=1e-9)
    assert values[:4] == sorted(values[:4])
    assert values[3] == pytest.approx(math.log(10**6), abs=0.02)
    assert values[4] == pytest.approx(math.log(10**6), abs=0.6)
    entropy = NSB(num_labels=10**6).entropy(x)
    assert abs(entropy.value - math.log(10**6)) < 4 * entropy.standard_error


# -------------------------------------------------------------------------- standard errors

CORRELATED = np.array([[0.30, 0.05, 0.05], [0.05, 0.25, 0.05], [0.02, 0.03, 0.20]])
INDEPENDENT = np.outer([0.5, 0.3, 0.2], [0.4, 0.4, 0.2])


def information(p_xy):
    return scipy_entropy(p_xy.sum(1)) + scipy_entropy(p_xy.sum(0)) - scipy_entropy(p_xy.ravel())


def repeated(estimator, p_xy, num_samples, num_repeats=400):
    tables = np.random.default_rng(0).multinomial(num_samples, p_xy.ravel(), size=num_repeats)
    return estimator.information_of_tables(tables.reshape(num_repeats, *p_xy.shape))


def coverage(estimates, truth):
    ends = np.array([estimate.confidence_interval(0.95) for estimate in estimates])
    return np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1]))


@pytest.mark.parametrize(
    "estimator",
    [MillerMadow(), Grassberger(), pytest.param(NSB(num_labels=3), marks=pytest.mark.slow)],
    ids=lambda e: type(e).__name__,
)
def test_coverage_for_correlated_variables(estimator):
    estimates = repeated(estimator, CORRELATED, 500)
    assert 0.92 <= coverage(estimates, information(CORRELATED)) <= 0.98
    spread = np.std([estimate.value for estimate in estimates])
    assert np.mean([e.standard_error for e in estimates]) == pytest.approx(spread, rel=0.1)


def test_coverage_for_independent_variables():
    """Conservative: the first-order error is there as large as the information that is not there."""
    estimates = repeated(MillerMadow(), INDEPENDENT, 500)
    assert coverage(estimates, 0.0) >= 0.95
    spread = np.std([estimate.value for estimate in estimates])
    assert 1 <= np.mean([e.standard_error for e in estimates]) / spread <= 2


def test_error_where_the_first_order_vanishes():
    """Equal frequencies: Var Ĥ → (K − 1) / 2n²; an exactly independent table: (|X|−1)(|Y|−1) / 2n²."""
    assert PlugIn().entropy_of_counts([25] * 4).standard_error == pytest.approx(math.sqrt(3 / (2 * 100**2)))
    flat = PlugIn().information_of_counts(np.full((3, 5), 10))
    assert flat.value == pytest.approx(0, abs=1e-12)
    assert flat.standard_error == pytest.approx(math.sqrt(8 / (2 * 150**2)))


def test_error_of_entropy_against_its_spread():
    p, rng = np.full(20, 1 / 20), np.random.default_rng(0)
    estimates = [PlugIn().entropy_of_counts(rng.multinomial(2000, p)) for _ in range(400)]
    spread = np.std([estimate.value for estimate in estimates])
    assert 1 <= np.mean([estimate.standard_error for estimate in estimates]) / spread <= 2


def projection(cells, axes):
    """Onto functions of some axes, in the space of functions of the cells weighted by √p."""
    root = np.sqrt(cells / cells.sum())
    indices = np.argwhere(cells > 0)
    root = root[cells > 0]
    keys = [tuple(index[list(axes)]) for index in indices]
    columns = np.array(
        [[root[i] * (key == other) for other in sorted(set(keys))] for i, key in enumerate(keys)]
    )
    columns = columns / np.linalg.norm(columns, axis=0)
    return columns @ columns.T


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 5), min_size=18, max_size=18).filter(any))
def test_second_order_error_equal_to_the_trace_of_projections(counts):
    table = np.array(counts).reshape(3, 3, 2)
    n = table.sum()
    p_xz, p_yz, p_z = (projection(table, axes) for axes in ((0, 2), (1, 2), (2,)))
    m = p_xz + p_yz - p_z - np.eye(len(p_z))
    ratios = table * table.sum((0, 1)) / (table.sum(1, keepdims=True) * table.sum(0)).clip(1)
    local = np.log(ratios[table > 0])
    weights = table[table > 0] / n
    first_order = weights @ (local - weights @ local) ** 2 / n
    expected = math.sqrt(first_order + np.trace(m @ m) / (2 * n**2))
    assert PlugIn().information_of_counts(table).standard_error == pytest.approx(expected, abs=1e-9)


# -------------------------------------------------------------------------- laws


@settings(deadline=None, max_examples=8)
@given(label_lists, st.randoms())
def test_labels_may_be_anything(labels, random):
    """One-to-one new names, of any kind, and a new order of the samples change nothing."""
    names = ["b", (1, 2), frozenset({3}), 4.5, b"x"]
    random.shuffle(names)
    shuffled = random.sample(labels, len(labels))
    x, y, z = zip(*labels, strict=True)
    new_x, new_y, new_z = zip(*shuffled, strict=True)
    for estimator in ALL:
        value = estimator.estimate(x, y, given=z).value
        named = estimator.estimate([names[i] for i in new_x], new_y, given=[str(i) for i in new_z]).value
        assert named == pytest.approx(value, abs=1e-9)
        assert estimator.entropy([names[i] for i in x]).value == pytest.approx(
            estimator.entropy(x).value, abs=1e-9
        )


EQUAL_ENTROPIES = [
    (0, 0, 1),
    (0, 0, 2),
    (0, 1, 0),
    (1, 0, 1),
    (1, 0, 2),
    (2, 0, 0),
    (2, 0, 0),
    (2, 1, 0),
    (2, 2, 0),
]
"""H(X|Z) = H(Y|Z), of 7 and of 5 pairs with Z."""


@settings(deadline=None, max_examples=8)
@given(label_lists)
@example(EQUAL_ENTROPIES)
def test_symmetry(labels):
    x, y, z = zip(*labels, strict=True)
    for estimator in ALL:
        one, other = estimator.estimate(x, y, given=z), estimator.estimate(y, x, given=z)
        assert one.value == pytest.approx(other.value, abs=1e-9)
        assert one.standard_error == pytest.approx(other.standard_error, abs=1e-9)


@settings(deadline=None, max_examples=8)
@given(label_lists)
def test_chain_rule_of_information(labels):
    """I(X; Y,Z) = I(X;Z) + I(X;Y|Z) ≥ 0, H(X,Y) = H(X) + H(Y) − I(X;Y)."""
    x, y, z = zip(*labels, strict=True)
    plug_in = PlugIn()
    both = plug_in.estimate(x, list(zip(y, z, strict=True))).value
    conditional = plug_in.estimate(x, y, given=z).value
    assert both == pytest.approx(plug_in.estimate(x, z).value + conditional, abs=1e-9)
    assert conditional > -1e-12
    joint = plug_in.entropy(list(zip(x, y, strict=True))).value
    parts = plug_in.entropy(x).value + plug_in.entropy(y).value
    assert joint == pytest.approx(parts - plug_in.estimate(x, y).value, abs=1e-9)


@settings(deadline=None, max_examples=8)
@given(label_lists)
def test_a_constant_condition_is_no_condition(labels):
    x, y, _ = zip(*labels, strict=True)
    for estimator in ALL:
        alone, given_constant = estimator.estimate(x, y), estimator.estimate(x, y, given=["c"] * len(x))
        assert given_constant.value == pytest.approx(alone.value, abs=1e-12)
        assert given_constant.standard_error == pytest.approx(alone.standard_error, abs=1e-12)


@settings(deadline=None, max_examples=8)
@given(label_lists)
def test_a_constant_tells_nothing(labels):
    x = next(zip(*labels, strict=True))
    for estimator in ALL:
        assert estimator.estimate(x, [0] * len(x)).value == pytest.approx(0, abs=1e-9)
        assert estimator.entropy([0] * len(x)).value == pytest.approx(0, abs=1e-9)


@settings(deadline=None, max_examples=8)
@given(label_lists)
def test_information_about_itself_is_entropy(labels):
    x = next(zip(*labels, strict=True))
    entropy, own = PlugIn().entropy(x), PlugIn().estimate(x, x)
    assert own.value == pytest.approx(entropy.value, abs=1e-12)
    assert own.standard_error == pytest.approx(entropy.standard_error, abs=1e-9)
    np.testing.assert_allclose(own.local, entropy.local, atol=1e-12)


@settings(deadline=None, max_examples=8)
@given(label_lists)
def test_samples_and_counts_agree(labels):
    x, y, z = zip(*labels, strict=True)
    table = np.zeros((5, 5, 5), dtype=int)
    np.add.at(table, (x, y, z), 1)
    for estimator in (*ALL[:4], JamesStein(5), NSB((5, 6, 7))):
        from_samples, from_counts = (
            estimator.estimate(x, y, given=z),
            estimator.information_of_counts(table),
        )
        assert from_counts.value == pytest.approx(from_samples.value, abs=1e-9)
        assert from_counts.standard_error == pytest.approx(from_samples.standard_error, abs=1e-9)
        assert from_counts.num_samples == from_samples.num_samples == len(labels)


@settings(deadline=None, max_examples=8)
@given(label_lists)
def test_local_values(labels):
    """log p(x,y|z) / p(x|z) p(y|z) of every sample, whose mean is the estimate."""
    x, y, z = zip(*labels, strict=True)
    n_xyz, n_xz, n_yz, n_z = (
        Counter(zip(*names, strict=True)) for names in ((x, y, z), (x, z), (y, z), (z,))
    )
    expected = [math.log(n_xyz[a, b, c] * n_z[(c,)] / (n_xz[a, c] * n_yz[b, c])) for a, b, c in labels]
    estimate = PlugIn().estimate(x, y, given=z)
    np.testing.assert_allclose(estimate.local, expected, atol=1e-12)
    assert estimate.value == pytest.approx(np.mean(expected), abs=1e-12)


# -------------------------------------------------------------------------- many tables at once

STACKED = [*ALL, JamesStein(7), JamesStein((3, 10**12)), NSB(7), NSB((10**12, 4))]
some_tables = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3)).flatmap(
    lambda shape: st.lists(st.integers(0, 6), min_size=math.prod(shape), max_size=math.prod(shape)).map(
        lambda counts: np.array(counts).reshape(shape)
    )
)


def of_labels_seen(table):
    return table[table.any(axis=1)][:, table.any(axis=0)]


@pytest.mark.parametrize("estimator", STACKED, ids=str)
@settings(deadline=None, max_examples=8)
@given(some_tables.filter(lambda tables: tables.any(axis=(1, 2)).all()), st.integers(0, 4))
def test_many_tables_are_as_one_by_one(estimator, tables, num_empty):
    """Whatever empty rows and columns fill them up; errors are roots of what may be 0 but for rounding."""
    filled = np.pad(tables, ((0, 0), (0, num_empty), (num_empty, 0)))
    found = estimator.information_of_tables(filled)
    assert len(found) == len(tables)
    for estimate, table in zip(found, tables, strict=True):
        expected = estimator.information_of_counts(of_labels_seen(table))
        assert estimate.value == pytest.approx(expected.value, abs=1e-12)
        assert estimate.standard_error == pytest.approx(expected.standard_error, abs=1e-9)
        assert (estimate.num_samples, estimate.method, estimate.kind, estimate.local) == (
            expected.num_samples,
            expected.method,
            expected.kind,
            None,
        )


@every
def test_many_tables_of_large_counts(estimator):
    """Counts of a hundred thousand samples, one label rare, one pair impossible, one table of a constant."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(20, 0.3), 30).reshape(30, 4, 5)
    tables = np.array([rng.multinomial(100_000, q.ravel()).reshape(4, 5) for q in p])
    tables[0, 1:] = 0
    for estimate, table in zip(estimator.information_of_tables(tables), tables, strict=True):
        expected = estimator.information_of_counts(of_labels_seen(table))
        assert estimate.value == pytest.approx(expected.value, abs=1e-12)
        assert estimate.standard_error == pytest.approx(expected.standard_error, abs=1e-9)


# -------------------------------------------------------------------------- the interface


@every
def test_is_an_estimator(estimator):
    assert isinstance(estimator, Estimator)
    estimate = estimator.estimate([0, 1, 0, 1, 1], list("abcab"), given=[1, 1, 1, 1, 2])
    assert estimate.kind == "estimate"
    assert estimate.num_samples == 5
    assert estimate.method.startswith(type(estimator).__name__)


@every
def test_one_sample(estimator):
    assert math.isfinite(estimator.entropy(["a"]).value)
    assert estimator.estimate(["a"], ["b"]).value == pytest.approx(0, abs=1e-12)


@every
def test_arguments_stay_as_they_are(estimator):
    counts = np.array([[3.0, 0.0], [2.0, 5.0]])
    before = counts.copy()
    estimator.information_of_counts(counts)
    estimator.entropy_of_counts(counts)
    np.testing.assert_array_equal(counts, before)


def test_rows_are_labels():
    rows = np.array([[0, 0], [0, 1], [0, 0], [1, 1]])
    assert PlugIn().entropy(rows).value == pytest.approx(scipy_entropy([2, 1, 1]))


def test_large_integers_stay_apart():
    """Above 2⁵³ floating-point numbers are 2 apart; labels are never made such."""
    labels = 2**60 + np.arange(4)
    for kind in (np.int64, np.uint64, list):
        values = labels.tolist() if kind is list else labels.astype(kind)
        assert PlugIn().entropy(values).value == pytest.approx(math.log(4))
        assert PlugIn().estimate(values, [0, 1, 0, 1]).value == pytest.approx(math.log(2))
    assert PlugIn().entropy(np.column_stack([labels, labels])).value == pytest.approx(math.log(4))


def test_counts_of_a_table_are_its_joint_entropy():
    assert PlugIn().entropy_of_counts([[1, 2], [3, 4]]).value == pytest.approx(scipy_entropy([1, 2, 3, 4]))
    assert JamesStein().entropy_of_counts([[1, 2], [3, 0]]).method == "JamesStein, K=4"


def test_unseen_rows_of_a_table_are_labels():
    table = np.array([[4, 0, 2], [0, 0, 0], [1, 0, 3]])
    labels = np.repeat(np.argwhere(table), table[table > 0], axis=0)
    full = NSB().information_of_counts(table)
    assert full.method == "NSB, K=3×3"
    assert full.value == pytest.approx(NSB(3).estimate(labels[:, 0], labels[:, 1]).value, abs=1e-12)
    assert NSB((2, 2)).information_of_counts(table).value == pytest.approx(
        NSB().estimate(labels[:, 0], labels[:, 1]).value, abs=1e-12
    )


def test_alphabets_of_joint_variables_are_products():
    x, y, z = [0, 1, 1, 0, 2], [0, 1, 0, 0, 1], [0, 0, 1, 1, 1]
    sizes = (4, 3, 2)

    def entropy(num_labels, *variables):
        return NSB(num_labels).entropy(list(zip(*variables, strict=True))).value

    expected = entropy(8, x, z) + entropy(6, y, z) - entropy(24, x, y, z) - entropy(2, z)
    estimate = NSB(sizes).estimate(x, y, given=z)
    assert estimate.value == pytest.approx(expected, abs=1e-12)
    assert estimate.method == "NSB, K=4×3×2"
    assert NSB(4).estimate(x, y, given=z).method == "NSB, K=4×4×4"
    assert NSB().estimate(x, y, given=z).method == "NSB, K=3×2×2"


class TestErrors:
    @every
    def test_samples(self, estimator):
        name = type(estimator).__name__
        with pytest.raises(ValueError, match=f"{name}: variables must have equally many samples"):
            estimator.estimate([1, 2, 3], [1, 2])
        with pytest.raises(ValueError, match=f"{name}: got no samples"):
            estimator.entropy([])
        with pytest.raises(ValueError, match=f"{name}: y has 1 missing values"):
            estimator.estimate(["a", "b"], ["a", None])

    @every
    def test_counts(self, estimator):
        name = type(estimator).__name__
        with pytest.raises(ValueError, match=f"{name}: counts must be whole numbers, at least 0, got -1"):
            estimator.entropy_of_counts([3, -1])
        with pytest.raises(ValueError, match=f"{name}: counts must be whole numbers, at least 0, got 0.5"):
            estimator.entropy_of_counts([0.5, 0.5])
        with pytest.raises(ValueError, match="got nan"):
            estimator.entropy_of_counts([1, math.nan])
        with pytest.raises(ValueError, match="got inf"):
            estimator.entropy_of_counts([1, math.inf])
        with pytest.raises(ValueError, match=rf"{name}: counts must not all be 0, got shape \[2\]"):
            estimator.entropy_of_counts([0, 0])
        with pytest.raises(ValueError, match="must not all be 0"):
            estimator.entropy_of_counts([])
        with pytest.raises(
            ValueError, match=f"{name}: counts must be numbers, got .*call entropy or estimate"
        ):
            estimator.entropy_of_counts(["a", "b"])

    @every
    def test_shape_of_a_table(self, estimator):
        with pytest.raises(ValueError, match=r"needs counts \[x, y\] or \[x, y, z\], got \[3\]"):
            estimator.information_of_counts([1, 2, 3])

    @every
    def test_many_tables(self, estimator):
        name = type(estimator).__name__
        with pytest.raises(ValueError, match=rf"{name}: many tables are counts \[m, x, y\], got \[2, 2\]"):
            estimator.information_of_tables([[1, 2], [3, 4]])
        with pytest.raises(ValueError, match=f"{name}: counts must not all be 0, as in 1 of 2 tables"):
            estimator.information_of_tables([[[1, 2]], [[0, 0]]])
        with pytest.raises(ValueError, match=f"{name}: counts must be whole numbers, at least 0, got -1"):
            estimator.information_of_tables([[[1, -1]]])

    @pytest.mark.parametrize("kind", [JamesStein, NSB])
    def test_num_labels(self, kind, monkeypatch):
        name = kind.__name__
        monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as users call it
        with pytest.raises(ValueError, match=f"{name}: num_labels must be at least 1, got 0"):
            kind(num_labels=0)
        with pytest.raises(ValueError, match=f"{name}: num_labels must be at least 1, got"):
            kind(num_labels=(3, -1))
        with pytest.raises(ValueError, match=f"{name}: num_labels = 2, but 3 different labels were seen"):
            kind(num_labels=2).entropy([1, 2, 3])
        for wrong in (3.5, "a", True, (3, 2.0), [3, 3]):
            with pytest.raises(ValueError, match=f"{name}: num_labels must be an integer, got"):
                kind(num_labels=wrong)
        with pytest.raises(ValueError, match="num_labels = 2, but 3 and 2 different labels"):
            kind(num_labels=2).estimate([1, 2, 3], [1, 2, 1])
        with pytest.raises(ValueError, match="num_labels = 2, but 3 and 1 different labels"):
            kind(num_labels=2).information_of_tables([[[1, 1], [0, 1], [0, 0]], [[1, 0], [1, 0], [1, 0]]])
        with pytest.raises(ValueError, match="got num_labels for 2 variables, expected 3"):
            kind(num_labels=(3, 3)).estimate([1, 2, 3], [1, 2, 1], given=[1, 1, 1])
