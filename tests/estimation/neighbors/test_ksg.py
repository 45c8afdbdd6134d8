"""KSG against double loops, closed forms, scikit-learn, and the laws it obeys."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import digamma

from infomax import estimate
from infomax.estimation.many.neighbors import SumsOfNeighbors
from infomax.estimation.many.quantities import estimate_total_correlation
from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neighbors.mixed import MixedKSG
from infomax.estimation.neighbors.nonuniformity import LocalNonuniformity
from infomax.estimation.neighbors.ranges import count_within
from infomax.estimation.neighbors.search import (
    check_num_neighbors,
    kth_distances,
    most_repeats,
    repeats,
    scale_cautions,
)
from infomax.estimation.neighbors.strong_dependence import ResidualKSG
from infomax.information.distributions import correlated_gaussians
from infomax.information.gaussian import gaussian_conditional_mutual_information


def distances(rows):
    """d(i, j) in the max norm, one pair at a time."""
    rows = rows.reshape(len(rows), -1)
    return np.array([[max(abs(p - q) for p, q in zip(a, b, strict=True)) for b in rows] for a in rows])


def pairs(n=200, dim=1, seed=0, correlation=0.75):
    return correlated_gaussians(correlation, dim=dim).sample(n, np.random.default_rng(seed))


def awkward_samples(n=120):
    rng = np.random.default_rng(5)
    normal = rng.standard_normal((n, 2))
    return {
        "normal": normal,
        "far from zero": 1e6 + normal,
        "decimals": normal.round(1),
        "integers": rng.integers(0, 4, (n, 2)).astype(float),
        "heavy tails": rng.standard_cauchy((n, 2)),
        "minute": normal * 1e-300,
        "half zeros": np.where(normal > 0, normal, 0.0),
    }


@pytest.mark.parametrize("name", awkward_samples())
def test_counts_equal_a_double_loop(name):
    """The k-th neighbour lies on the boundary by construction, where v + ε rounds it in or out."""
    points = awkward_samples()[name]
    joint = distances(points)
    radii = np.sort(joint, axis=1)[:, 3]
    assert (kth_distances(points, 3) == radii).all()
    for part in (points[:, :1], points[:, 1:], points):
        apart = distances(part)
        strict = (apart < radii[:, None]) | (apart == 0)
        assert (count_within(part, radii) == strict.sum(axis=1)).all()
        assert (count_within(part, radii, strictly=False) == (apart <= radii[:, None]).sum(axis=1)).all()


@pytest.mark.parametrize("num_neighbors", [1, 3, 40, 130])
@pytest.mark.parametrize("name", awkward_samples())
def test_distances_in_one_column_equal_a_double_loop(name, num_neighbors):
    """130 of 131 rows: the windows all reach beyond both ends."""
    points = awkward_samples(131)[name][:, :1]
    expected = np.sort(distances(points), axis=1)[:, num_neighbors]
    assert (kth_distances(points, num_neighbors) == expected).all()
    alone = kth_distances(points[:num_neighbors], num_neighbors)
    assert np.isinf(alone).all()


@pytest.mark.parametrize("name", awkward_samples())
def test_counts_in_several_columns_do_not_depend_on_tiles(name, monkeypatch):
    points = np.hstack([awkward_samples(131)[name], awkward_samples(131)["decimals"][::-1]])
    apart = distances(points)
    radii = np.sort(apart, axis=1)[:, 9]
    for tile, rows_at_once in ((2048, 512), (64, 7), (100, 1000), (1, 3)):
        monkeypatch.setattr("infomax.estimation.neighbors.ranges.TILE", tile)
        monkeypatch.setattr("infomax.estimation.neighbors.ranges.ROWS_AT_ONCE", rows_at_once)
        assert (count_within(points, radii, strictly=False) == (apart <= radii[:, None]).sum(axis=1)).all()


def test_searching_for_the_sum_would_miscount():
    """What the test above guards against: the boundary rounds the wrong way for a good part of the rows."""
    x, y = pairs(2000)
    radii = kth_distances(np.hstack([x, y]), 3)
    line = np.sort(x[:, 0])
    ends = np.searchsorted(line, x[:, 0] + np.nextafter(radii, 0), side="right")
    starts = np.searchsorted(line, x[:, 0] - np.nextafter(radii, 0), side="left")
    assert (ends - starts != count_within(x, radii)).mean() > 0.2


def ksg1_by_loops(x, y, k):
    d_x, d_y = distances(x), distances(y)
    total = 0.0
    n = len(x)
    for i in range(n):
        others = [j for j in range(n) if j != i]
        radius = sorted(max(d_x[i, j], d_y[i, j]) for j in others)[k - 1]
        n_x = sum(d_x[i, j] < radius for j in others)
        n_y = sum(d_y[i, j] < radius for j in others)
        total += digamma(k) - digamma(n_x + 1) - digamma(n_y + 1) + digamma(n)
    return total / n


def ksg2_by_loops(x, y, k):
    d_x, d_y = distances(x), distances(y)
    total = 0.0
    n = len(x)
    for i in range(n):
        others = sorted((j for j in range(n) if j != i), key=lambda j: max(d_x[i, j], d_y[i, j]))
        side_x, side_y = max(d_x[i, j] for j in others[:k]), max(d_y[i, j] for j in others[:k])
        n_x = sum(d_x[i, j] <= side_x for j in others)
        n_y = sum(d_y[i, j] <= side_y for j in others)
        total += digamma(k) - 1 / k - digamma(n_x) - digamma(n_y) + digamma(n)
    return total / n


def frenzel_pompe_by_loops(x, y, z, k):
    d_x, d_y, d_z = distances(x), distances(y), distances(z)
    total = 0.0
    n = len(x)
    for i in range(n):
        others = [j for j in range(n) if j != i]
        radius = sorted(max(d_x[i, j], d_y[i, j], d_z[i, j]) for j in others)[k - 1]
        n_xz = sum(max(d_x[i, j], d_z[i, j]) < radius for j in others)
        n_yz = sum(max(d_y[i, j], d_z[i, j]) < radius for j in others)
        n_z = sum(d_z[i, j] < radius for j in others)
        total += digamma(k) - digamma(n_xz + 1) - digamma(n_yz + 1) + digamma(n_z + 1)
    return total / n


@pytest.mark.parametrize(("dim", "k"), itertools.product([1, 2], [1, 3]))
def test_equal_to_loops(dim, k):
    x, y = pairs(90, dim)
    assert KSG(k).estimate(x, y).value == pytest.approx(ksg1_by_loops(x, y, k), abs=1e-12)
    assert KSG(k, variant=2).estimate(x, y).value == pytest.approx(ksg2_by_loops(x, y, k), abs=1e-12)
    z = x + np.random.default_rng(1).standard_normal(x.shape)
    expected = frenzel_pompe_by_loops(x, y, z, k)
    assert KSG(k).estimate(x, y, given=z).value == pytest.approx(expected, abs=1e-12)


def test_equal_to_scikit_learn():
    from sklearn.feature_selection import mutual_info_regression

    x, y = pairs(1000)
    x, y = x / x.std(), y / y.std()  # scikit-learn does so, and adds noise of 1e-10
    expected = mutual_info_regression(x, y[:, 0], n_neighbors=3, random_state=0)[0]
    assert KSG(3).estimate(x, y).value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("variant", [1, 2])
@pytest.mark.parametrize(("dim", "correlation"), [(1, 0.0), (1, 0.75), (2, 0.5)])
def test_near_the_truth_for_gaussians(dim, correlation, variant):
    pair = correlated_gaussians(correlation, dim=dim)
    x, y = pair.sample(4000, np.random.default_rng(2))
    assert KSG(4, variant=variant).estimate(x, y).value == pytest.approx(pair.mutual_information, abs=0.06)


def test_conditional_near_the_truth():
    covariance = np.array([[1, 0.7, 0.6], [0.7, 1, 0.5], [0.6, 0.5, 1]])
    truth = float(gaussian_conditional_mutual_information(covariance, [0], [1], [2]))
    rows = np.random.default_rng(0).multivariate_normal(np.zeros(3), covariance, 4000)
    found = KSG(3).estimate(rows[:, 0], rows[:, 1], given=rows[:, 2])
    assert found.value == pytest.approx(truth, abs=0.06)


def test_values_below_zero_are_not_clipped():
    values = [KSG().estimate(*pairs(100, seed=seed, correlation=0.0)).value for seed in range(20)]
    assert min(values) < 0 < max(values)


def test_local_values_average_to_the_estimate():
    x, y = pairs(300)
    estimate = KSG().estimate(x, y)
    assert estimate.local.shape == (300,)
    assert estimate.local.mean() == pytest.approx(estimate.value)
    assert estimate.num_samples == 300
    assert estimate.kind == "estimate"


@settings(deadline=None, max_examples=20)
@given(
    st.integers(0, 2**31),
    st.sampled_from([1, 2]),
    st.sampled_from([0.25, 2.0, 1024.0]),
    st.integers(-8, 8),
)
def test_invariances(seed, variant, scale, shift):
    """Order of the rows, a common scale, swapping x and y; a shift, which rounds, may move single counts."""
    rng = np.random.default_rng(seed)
    x, y = pairs(60, 1, seed)
    ksg = KSG(3, variant=variant)
    value = ksg.estimate(x, y).value
    order = rng.permutation(len(x))
    assert ksg.estimate(x[order], y[order]).value == pytest.approx(value, abs=1e-12)
    assert ksg.estimate(y, x).value == pytest.approx(value, abs=1e-12)
    assert ksg.estimate(scale * x, scale * y).value == pytest.approx(value, abs=1e-12)
    assert ksg.estimate(x + shift, y).value == pytest.approx(value, abs=0.02)


def test_arguments_are_left_alone():
    x, y = pairs(50)
    before = x.copy(), y.copy()
    KSG().estimate(x, y, given=x + y)
    assert (x == before[0]).all()
    assert (y == before[1]).all()


def test_one_thread_gives_the_same():
    x, y = pairs(500, 2)
    assert KSG(num_workers=1).estimate(x, y).value == KSG().estimate(x, y).value


def test_repeats():
    equal, before = repeats(np.array([[1.0], [2.0], [1.0]]))
    assert equal.tolist() == [2, 1, 2]
    assert before.tolist() == [0, 0, 1]
    equal, before = repeats(np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0], [1.0, 0.0]]))
    assert equal.tolist() == [3, 1, 3, 3]
    assert before.tolist() == [0, 0, 1, 2]


def test_most_repeats():
    points = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    assert [most_repeats(points, allowed) for allowed in (1, 2, 3)] == [3, 3, 3]
    assert most_repeats(points, 4) <= 4
    assert most_repeats(points[:2], 1) == 1


class TestErrors:
    x, y = pairs(50)

    def test_binary_label(self):
        with pytest.raises(ValueError, match=r"KSG: y must be continuous.*MixedKSG.*Ross"):
            KSG().estimate(self.x, self.y > 0)

    def test_constant(self):
        with pytest.raises(ValueError, match=r"KSG: x must be continuous.*occurs 50 times"):
            KSG().estimate(np.ones(50), self.y)

    def test_repeated_rows(self):
        with pytest.raises(ValueError, match="MixedKSG"):
            KSG(3).estimate(np.tile(self.x, (4, 1)), np.tile(self.y, (4, 1)))

    def test_discrete_condition(self):
        with pytest.raises(ValueError, match="given must be continuous"):
            KSG().estimate(self.x, self.y, given=np.arange(50) % 2)

    def test_few_samples(self):
        with pytest.raises(ValueError, match=r"3 neighbours need more than 3 samples, got 3"):
            KSG(3).estimate([1.0, 2.0, 3.0], [1.0, 2.0, 4.0])
        assert KSG(3).estimate([1.0, 2.0, 3.0, 5.0], [1.0, 2.0, 4.0, 7.0]).num_samples == 4

    def test_settings(self):
        with pytest.raises(ValueError, match="num_neighbors must be at least 1, got 0"):
            KSG(0)
        with pytest.raises((ValueError, TypeError), match="variant"):
            KSG(variant=3)
        for wrong in (3.5, "3", True, None):
            with pytest.raises(ValueError, match="KSG: num_neighbors must be an integer"):
                check_num_neighbors("KSG", wrong)
        for wrong in (0, -2, 1.5, "2", -1.0):
            with pytest.raises(ValueError, match="KSG: num_workers must be"):
                check_num_neighbors("KSG", 3, wrong)
        check_num_neighbors("KSG", np.int64(3), np.int64(2))

    def test_conditional_variant_2(self):
        with pytest.raises(ValueError, match="conditional information needs variant=1"):
            KSG(variant=2).estimate(self.x, self.y, given=self.x + self.y)

    def test_infinite_and_unequal(self):
        with pytest.raises(ValueError, match="x must be finite"):
            KSG().estimate(np.append(self.x[1:], np.inf), self.y)
        with pytest.raises(ValueError, match="equally many"):
            KSG().estimate(self.x[1:], self.y)


def coverage(estimates, truth):
    intervals = [estimate.confidence_interval() for estimate in estimates]
    return np.mean([low <= truth <= high for low, high in intervals])


@pytest.mark.parametrize(("correlation", "k"), [(0.0, 3), (0.75, 3), (0.3, 10)])
def test_intervals_cover(correlation, k):
    """More than they would if pointwise values were independent."""
    pair = correlated_gaussians(correlation)
    samples = [pair.sample(200, np.random.default_rng(seed)) for seed in range(150)]
    estimates = [KSG(k, num_workers=1).estimate(*sample) for sample in samples]
    assert coverage(estimates, pair.mutual_information) >= 0.9
    naive = [replace(e, standard_error=float(e.local.std(ddof=1)) / np.sqrt(200)) for e in estimates]
    assert coverage(naive, pair.mutual_information) < coverage(estimates, pair.mutual_information) - 0.04
    spread = np.std([e.value for e in estimates])
    assert 0.9 < np.mean([e.standard_error for e in estimates]) / spread < 1.4
    assert not any(e.cautions for e in estimates)


def test_a_large_share_of_neighbours_has_a_wider_interval():
    pair = correlated_gaussians(0.5)
    found = [KSG(10, num_workers=1).estimate(*pair.sample(60, np.random.default_rng(s))) for s in range(150)]
    assert coverage(found, pair.mutual_information) >= 0.9
    assert not any(e.cautions for e in found)


@pytest.mark.slow
@pytest.mark.parametrize("n", [50, 300, 1000, 3000])
@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.75, 0.95])
def test_coverage_as_documented(correlation, n):
    pair = correlated_gaussians(correlation)
    estimates = [
        KSG(num_workers=1).estimate(*pair.sample(n, np.random.default_rng([s, n]))) for s in range(200)
    ]
    trusted = [e for e in estimates if not e.cautions]
    assert len(trusted) < 100 or coverage(trusted, pair.mutual_information) >= 0.9
    assert (len(trusted) < 100) == (correlation == 0.95 and n == 50)


def test_influences_count_shared_neighbours():
    """The derivative of the mean by the weight of a row, where the boxes stand, against a double loop."""
    x, y = pairs(60)
    joint, d_x, d_y = distances(np.hstack([x, y])), distances(x), distances(y)
    radii = np.sort(joint, axis=1)[:, 3]
    in_box = (joint <= radii[:, None]) & ~np.eye(60, dtype=bool)
    in_x, in_y = d_x < radii[:, None], d_y < radii[:, None]
    found = KSG(3).estimate(x, y)
    influence = found.local + in_box.sum(axis=0) / 3
    influence -= (in_x / in_x.sum(axis=1)[:, None]).sum(axis=0)
    influence -= (in_y / in_y.sum(axis=1)[:, None]).sum(axis=0)
    assert found.standard_error == pytest.approx(influence.std(ddof=1) / np.sqrt(60))


class TestSaturation:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(1000)

    @pytest.mark.parametrize("y", [x, -3 * x, np.exp(x), x + 1e-3 * rng.standard_normal(1000)], ids=str)
    def test_functions_and_near_functions(self, y):
        """The truth is ∞, or 6.9 nats; the ceiling of n = 1,000 is ψ(n) − ψ(k) = 5.98."""
        found = KSG().estimate(self.x, y)
        assert found.has_caution("saturated")
        assert found.confidence_interval()[1] == np.inf
        assert "at least" in repr(found)

    def test_within_cells_and_given_numbers(self):
        z = self.rng.standard_normal(1000)
        assert KSG().estimate(self.x, self.x + z, given=z).has_caution("saturated")
        labels = np.arange(1000) % 2
        found = MixedKSG(labels="given").estimate(self.x, self.x, given=labels)
        assert found.has_caution("saturated")

    @pytest.mark.parametrize(
        ("nats", "saturated"), [(2, False), (4, False), (5, False), (7, True), (10, True)]
    )
    def test_gaussians_of_5000_rows(self, nats, saturated):
        pair = correlated_gaussians(np.sqrt(1 - np.exp(-2 * nats)))
        found = KSG(num_workers=1).estimate(*pair.sample(5000, np.random.default_rng(1)))
        assert found.has_caution("saturated") == saturated
        low, high = found.confidence_interval()
        assert low - 0.02 <= nats <= high

    def test_what_determines_nothing_is_not_saturated(self):
        assert not KSG().estimate(self.x, self.rng.standard_normal(1000), given=self.x).cautions


def test_bias_in_several_columns_is_named():
    """In 3-D, ρ = 0.75, n = 500, KSG is low by 0.18 nats, three standard errors."""
    strong, none = correlated_gaussians(0.75, dim=3), correlated_gaussians(0.0, dim=3)
    for seed in range(5):
        found = KSG(num_workers=1).estimate(*strong.sample(500, np.random.default_rng(seed)))
        assert found.has_caution("biased")
        assert "too low by about" in found.cautions[0]
        assert not KSG(num_workers=1).estimate(*none.sample(500, np.random.default_rng(seed))).cautions


@pytest.mark.parametrize("estimator", [KSG(), MixedKSG(), LocalNonuniformity(), SumsOfNeighbors()], ids=str)
def test_columns_of_other_units_have_a_caution(estimator):
    """A perimeter in μm beside a ratio: I is the same, but only the perimeter decides who is near."""
    x, y = correlated_gaussians(0.9).sample(400, np.random.default_rng(8))
    is_sum = isinstance(estimator, SumsOfNeighbors)
    measure = (lambda *xy: estimate_total_correlation(xy, estimator)) if is_sum else estimator.estimate
    assert measure(x, 5 * y).cautions == measure(x, y).cautions
    found = measure(1000 * x, y)
    assert found.has_caution("biased") and "one column is spread" in found.cautions[-1]
    assert found.value < measure(x, y).value - 0.1
    within = measure(np.hstack([x, 1000 * np.random.default_rng(0).standard_normal((400, 1))]), y)
    assert "one column is spread" in within.cautions[-1]


def test_boxes_with_sides_of_their_own_are_compared_within_a_variable():
    x, y = correlated_gaussians(0.9).sample(400, np.random.default_rng(8))
    ksg = KSG(variant=2)
    assert ksg.estimate(1000 * x, y).value == pytest.approx(ksg.estimate(x, y).value, abs=0.05)
    assert not ksg.estimate(1000 * x, y).cautions
    wide = 1000 * np.random.default_rng(0).standard_normal((400, 1))
    assert ksg.estimate(np.hstack([x, wide]), y).has_caution("biased")


def test_one_call_is_the_same_in_other_units():
    x, y = correlated_gaussians(0.9).sample(400, np.random.default_rng(8))
    assert estimate(1000 * x, y).value == pytest.approx(estimate(x, y).value, abs=1e-9)
    assert ResidualKSG().estimate(1000 * x, y).value == pytest.approx(
        ResidualKSG().estimate(x, y).value, abs=1e-6
    )


@pytest.mark.parametrize("scale", [2.0**-900, 1e-300, 1e300, 1e9])
def test_scales(scale):
    x, y = pairs(300)
    value = KSG().estimate(x, y).value
    assert KSG().estimate(scale * x, scale * y).value == pytest.approx(value, abs=1e-6)
    assert KSG().estimate(x + 1e9, y - 1e9).value == pytest.approx(value, abs=1e-3)


class TestWeights:
    """Importance weights from one correlation to another, and rows that count several times."""

    def tilted(self, before, after, n, seed):
        x, y = correlated_gaussians(before).sample(n, np.random.default_rng(seed))
        x, y = x[:, 0], y[:, 0]

        def log_density(rho):
            return -(x**2 - 2 * rho * x * y + y**2) / (2 * (1 - rho**2)) - np.log(1 - rho**2) / 2

        return x, y, np.exp(log_density(after) - log_density(before))

    @pytest.mark.parametrize(("before", "after"), [(0.0, 0.5), (0.5, 0.7), (0.3, 0.0)])
    def test_tilting(self, before, after):
        truth = correlated_gaussians(after).mutual_information
        found = []
        for seed in range(40):
            x, y, weights = self.tilted(before, after, 1000, seed)
            found.append(KSG(num_workers=1).estimate(x, y, weights=weights))
        values = np.array([e.value for e in found])
        assert values.mean() == pytest.approx(truth, abs=0.02)
        assert coverage(found, truth) >= 0.9
        assert abs(values.mean() - correlated_gaussians(before).mutual_information) > 0.03
        assert found[0].num_samples == 1000

    def test_equal_weights_change_no_bit(self):
        x, y = pairs(300)
        plain, weighted = KSG().estimate(x, y), KSG().estimate(x, y, weights=np.full(300, 0.3))
        assert (plain.value, plain.standard_error) == (weighted.value, weighted.standard_error)

    def test_rows_of_weight_0_are_left_out(self):
        x, y = pairs(300)
        weights = np.arange(300) < 200
        found = KSG().estimate(x, y, weights=weights)
        assert found.value == KSG().estimate(x[:200], y[:200]).value
        assert found.num_samples == 200

    def test_errors(self):
        x, y = pairs(50)
        wide = np.hstack([x, y])
        with pytest.raises(ValueError, match="weights need x and y of one column each"):
            KSG().estimate(wide, y, weights=np.arange(50))
        with pytest.raises(ValueError, match="weights need variant=1"):
            KSG(variant=2).estimate(x, y, weights=np.arange(50))
        with pytest.raises(ValueError, match="at least 0 for each row, and not all 0"):
            KSG().estimate(x, y, weights=-np.ones(50))
        with pytest.raises(ValueError, match="weights need 2 neighbours or more"):
            KSG(1).estimate(x, y, weights=1 + np.arange(50))
        with pytest.raises(ValueError, match="equally many samples"):
            KSG().estimate(x, y, weights=np.ones(49))


def test_many_neighbors_of_few_rows_count_their_bias():
    """k = 10 of 50 rows: 0.03 nats too low of 0.14, and the interval held the truth in 0.75."""
    pair = correlated_gaussians(0.5)
    held = []
    for seed in range(60):
        x, y = pair.sample(50, np.random.default_rng(seed))
        low, high = KSG(num_neighbors=10, num_workers=1).estimate(x, y).confidence_interval()
        held.append(low <= pair.mutual_information <= high)
    assert np.mean(held) >= 0.85


def test_bias_is_seen_where_all_boxes_are_too_wide():
    """x_t moves y_{t+1} within 500 series of four rows, at levels far apart: 0.51 nats given these.

    Given y_t, which tells the level, k = 3 and k = 24 both reach across series.
    """
    rng = np.random.default_rng(0)
    levels = 1000 * rng.standard_normal((2, 500, 1))
    x, y = rng.standard_normal((500, 4)), np.zeros((500, 4))
    y[:, 1:] = x[:, :-1] + 0.75 * rng.standard_normal((500, 3))
    x, y = x + levels[0], y + levels[1]
    parts = [part.ravel() / part.std() for part in (x[:, :-1], y[:, 1:], y[:, :-1])]
    found = KSG().estimate(*parts[:2], given=parts[2])
    assert found.value < 0
    assert found.has_caution("biased")
    assert "more at k=1 show" in found.cautions[0]


def test_long_tails_are_cautioned_and_normal_scores_have_none():
    """exp(3u) and exp(3v) of Gaussians: increasing functions, so .337 nats, but few near neighbours."""
    u = np.random.default_rng(0).multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], 1000)
    raw, scores = KSG().estimate(*np.exp(3 * u).T), KSG().estimate(*u.T)
    assert raw.has_caution("biased") and "take normal scores" in str(raw)
    assert raw.value + 1.96 * raw.standard_error < 0.337
    assert not scores.cautions and scores.value == pytest.approx(0.337, abs=1.96 * scores.standard_error)


def test_codes_of_labels_have_no_scale_and_units_have():
    rng = np.random.default_rng(0)
    x, noise, code = *rng.standard_normal((2, 600)), 100.0 * rng.integers(150, size=600)
    assert not scale_cautions(np.column_stack([x, noise, np.where(x > -1, 0, code)]))
    assert scale_cautions(np.column_stack([x, 1e9 * noise]))[0].startswith("biased: one column is spread")
