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


class TestRareLabels:
    """At independence there is no bias, however rare the labels; what occurs once is left out and named."""

    def estimates(self, estimate, repeats=40):
        return [estimate(np.random.default_rng(seed)) for seed in range(repeats)]

    def check(self, estimates, truth=0.0, tolerance=0.01, covered=0.85):
        values = np.array([e.value for e in estimates])
        errors = np.array([e.standard_error for e in estimates])
        assert values.mean() == pytest.approx(truth, abs=tolerance)
        assert (np.abs(values - truth) < 1.96 * errors).mean() >= covered

    def test_two_rows_a_label_and_one_alone(self):
        """The 2,001 rows that gave 0.4998 ± 0.0002."""
        labels = [f"p{i // 2}" for i in range(2001)]
        found = self.estimates(lambda rng: Ross().estimate(labels, rng.standard_normal(2001)))
        self.check(found)
        assert found[0].method == "Ross, k=3, 1 rows with labels that occur once left out"
        assert found[0].num_samples == 2000
        assert found[0].cautions == ()

    def test_coded_as_numbers(self):
        coded = np.arange(2001) // 2 * 100.0
        found = MixedKSG(num_workers=1).estimate(coded, np.random.default_rng(0).standard_normal(2001))
        assert abs(found.value) < 0.02

    def test_zipf(self):
        def estimate(rng):
            return Ross().estimate(np.minimum(rng.zipf(1.5, 1000), 10**6), rng.standard_normal(1000))

        self.check(self.estimates(estimate))

    def test_mostly_alone(self):
        labels = np.append(np.arange(80), [100] * 120)
        found = Ross().estimate(labels, np.random.default_rng(0).standard_normal(200))
        assert found.cautions == ("undersampled: 80 of 200 rows have labels that occur once",)

    def test_people_of_two_rows(self):
        """Each id has its own mean: ½ log(1 + 100) nats, from two rows each."""

        def estimate(rng):
            ids = np.repeat(np.arange(400), 2)
            return Ross().estimate(ids, rng.standard_normal(400)[ids] + 0.1 * rng.standard_normal(800))

        self.check(self.estimates(estimate), math.log(101) / 2, 0.04)

    def test_labels_given_many_labels(self):
        """The five labels given a hundred that gave 0.491; z matters for both."""

        def estimate(rng):
            z = rng.integers(100, size=1000)
            label, value = (z + rng.integers(3, size=1000)) % 5, rng.standard_normal(1000) + z
            return Ross(labels=("x", "given")).estimate(label, value, given=z)

        self.check(self.estimates(estimate))

    def test_labels_given_numbers(self):
        def estimate(rng):
            z = rng.standard_normal(600)
            return Ross(num_workers=1).estimate(
                z + rng.standard_normal(600) > 0, z + rng.standard_normal(600), given=z
            )

        self.check(self.estimates(estimate, 20), tolerance=0.015)

    def test_numbers_given_rare_labels(self):
        def estimate(rng):
            z = rng.integers(150, size=600)
            x, y = rng.standard_normal((2, 600)) + z
            return MixedKSG(labels="given", num_workers=1).estimate(x, y, given=z)

        self.check(self.estimates(estimate))

    def test_dependence_within_cells_is_found(self):
        rng = np.random.default_rng(0)
        z = rng.integers(20, size=4000)
        x, y = correlated_gaussians(0.75).sample(4000, rng)
        found = MixedKSG(labels="given", num_workers=1).estimate(x[:, 0] + z, y[:, 0] - z, given=z)
        assert found.value == pytest.approx(0.413, abs=0.06)
        label = x[:, 0] > 0
        within, without = (
            Ross(labels=labels).estimate(label, y[:, 0], given=given)
            for labels, given in ((("x", "given"), z), ("x", None))
        )
        assert within.value == pytest.approx(without.value, abs=0.05)


@pytest.mark.parametrize("labels", ["x", "y", "given", ("x", "given"), ("y", "given")])
@pytest.mark.parametrize("dim", [1, 2])
def test_labels_equal_loops(labels, dim):
    rng = np.random.default_rng(7)
    n, names = 80, ("x", "y", "given")
    which = [names.index(name) for name in ([labels] if isinstance(labels, str) else labels)]
    values = [rng.integers(5, size=n) if i in which else rng.standard_normal((n, dim)) for i in range(3)]
    cells = [tuple(row) for row in np.column_stack([values[i] for i in which])]
    kept = [cells.count(cell) > 1 for cell in cells]
    expected = mixed_by_loops(3, *(v[kept] for v in values), labels=which)
    found = MixedKSG(3, labels).estimate(values[0], values[1], given=values[2])
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert found.num_samples == sum(kept)
    if labels != "given":
        assert Ross(3, labels).estimate(values[0], values[1], given=values[2]).value == found.value


def test_large_cells_equal_small_ones(monkeypatch):
    rng = np.random.default_rng(0)
    x, y, z = rng.standard_normal((300, 2)), rng.standard_normal(300), rng.integers(4, size=300)
    by_trees = MixedKSG(labels="given", num_workers=1).estimate(x, y, given=z)
    monkeypatch.setattr("infomax.estimation.neighbors.search.MAX_CELL", 300)
    by_distances = MixedKSG(labels="given").estimate(x, y, given=z)
    assert by_trees.local == pytest.approx(by_distances.local, abs=1e-12)
    assert by_trees.standard_error == pytest.approx(by_distances.standard_error)


@pytest.mark.parametrize("n", [300, 1500])
def test_censored(n):
    """0.2148 by quadrature; without the boundary, 0.238 at n = 500 and 0.226 at n = 4,000."""
    rows = np.random.default_rng(3).multivariate_normal([1, 0], [[1, 0.6], [0.6, 1]], (30, n))
    found = [MixedKSG(num_workers=1).estimate(np.maximum(r[:, 0], 0), r[:, 1]) for r in rows]
    values = np.array([e.value for e in found])
    assert values.mean() == pytest.approx(0.2148, abs=3 * values.std() / math.sqrt(30) + 0.005)
    assert np.mean([abs(e.value - 0.2148) < 1.96 * e.standard_error for e in found]) >= 0.9


def test_rounded_numbers():
    """0.457 without the boundary."""
    rows = np.round(np.random.default_rng(0).standard_normal((2, 4000)) * 20) / 20
    found = MixedKSG(num_workers=1).estimate(*rows)
    assert abs(found.value) < 0.03
    coarse = MixedKSG(num_workers=1).estimate(
        *np.round(np.random.default_rng(0).standard_normal((2, 1000)) * 4)
    )
    assert coarse.has_caution("biased")


def test_intervals_of_ross_cover():
    rng = np.random.default_rng(0)
    truth = label_and_interval(3, 1)[2]
    found = [Ross().estimate(*label_and_interval(3, 200, seed)[:2]) for seed in rng.integers(2**31, size=150)]
    assert np.mean([abs(e.value - truth) < 1.96 * e.standard_error for e in found]) >= 0.9


def test_a_label_that_is_a_function_is_not_saturated():
    y = np.random.default_rng(0).standard_normal(1000)
    found = Ross().estimate(y > 0, y)
    assert found.value == pytest.approx(math.log(2), abs=0.01)
    assert found.cautions == ()


def test_weights_change_the_frequencies_of_labels():
    """Labels that are even in the sample and 1 : 4 in the population; ∫ by a sum."""
    y = np.linspace(-8, 9, 20_000)
    density = np.exp(-((np.array([[0.0], [1.0]]) - y) ** 2) / 2) / math.sqrt(2 * math.pi)
    mixed = 0.8 * density[0] + 0.2 * density[1]
    truth = -(mixed * np.log(mixed)).sum() * (y[1] - y[0]) - math.log(2 * math.pi * math.e) / 2
    found = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        label = rng.integers(2, size=1000)
        value = label + rng.standard_normal(1000)
        found.append(Ross().estimate(label, value, weights=np.where(label == 1, 1, 4)))
    assert np.mean([e.value for e in found]) == pytest.approx(truth, abs=0.01)
    equal = Ross().estimate(label, value, weights=np.full(1000, 7))
    assert equal.value == Ross().estimate(label, value).value
    assert "weighted" in found[0].method


class TestErrors:
    def test_few_samples(self):
        with pytest.raises(ValueError, match="MixedKSG: 3 neighbours need more than 3 samples, got 2"):
            MixedKSG(3).estimate([1, 2], [1, 2])

    def test_settings(self):
        with pytest.raises(ValueError, match="MixedKSG: num_neighbors must be at least 1"):
            MixedKSG(0)
        with pytest.raises(ValueError, match="Ross: num_neighbors must be at least 1"):
            Ross(0)
        for wrong in ("z", "given", ("x", "y"), ()):
            with pytest.raises(
                ValueError, match="Ross: labels must be 'x' or 'y', or one of them and 'given'"
            ):
                Ross(labels=wrong)
        with pytest.raises(ValueError, match="MixedKSG: labels must be of 'x', 'y' and 'given', got 'z'"):
            MixedKSG(labels="z")

    def test_labels_alone(self):
        with pytest.raises(ValueError, match="all variables are labels; use a counting estimator"):
            MixedKSG(labels=("x", "y")).estimate([0, 0, 1, 1], [1, 1, 0, 0])

    def test_single_label(self):
        with pytest.raises(ValueError, match=r"2 samples each, got 10 labels with one.*\('x',\) are numbers"):
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


def test_intervals_of_small_labels_hold_their_bias():
    """30 labels whose normal values lie 0.7 apart: high by 0.06 nats where each has ten rows."""
    means = 0.7 * np.arange(30)
    grid = np.arange(-8, means[-1] + 8, 0.01)
    density = np.exp(-((grid - means[:, None]) ** 2) / 2).mean(axis=0) / np.sqrt(2 * np.pi)
    truth = -0.01 * float(density @ np.log(density)) - 0.5 * np.log(2 * np.pi * np.e)
    covered = []
    for seed in range(100):
        rng = np.random.default_rng([seed, 300])
        label = rng.integers(30, size=300)
        found = Ross(num_workers=1).estimate(label, means[label] + rng.standard_normal(300))
        low, high = found.confidence_interval()
        covered.append(low <= truth <= high)
    assert np.mean(covered) >= 0.9
