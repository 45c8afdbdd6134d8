"""KSG against double loops, closed forms, scikit-learn, and the laws it obeys."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import digamma

from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neighbors.ranges import count_within
from infomax.estimation.neighbors.search import kth_distances, most_repeats, repeats
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

    def test_conditional_variant_2(self):
        with pytest.raises(ValueError, match="conditional information needs variant=1"):
            KSG(variant=2).estimate(self.x, self.y, given=self.x + self.y)

    def test_infinite_and_unequal(self):
        with pytest.raises(ValueError, match="x must be finite"):
            KSG().estimate(np.append(self.x[1:], np.inf), self.y)
        with pytest.raises(ValueError, match="equally many"):
            KSG().estimate(self.x[1:], self.y)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("correlation", "n", "covered"), [(0.75, 500, 0.91), (0.75, 2000, 0.92), (0.0, 2000, 0.91)]
)
def test_coverage_as_documented(correlation, n, covered):
    pair = correlated_gaussians(correlation)
    estimates = [KSG().estimate(*pair.sample(n, np.random.default_rng(seed))) for seed in range(200)]
    held = [
        low <= pair.mutual_information <= high
        for low, high in (e.confidence_interval(0.95) for e in estimates)
    ]
    assert np.mean(held) == pytest.approx(covered, abs=0.02)
