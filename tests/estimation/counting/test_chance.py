"""Information by chance alone against scikit-learn's, sums over all tables, and shuffled labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.cluster import expected_mutual_information

from infomax.estimation.counting.chance import chance_of_groups, chance_of_tables
from infomax.estimation.counting.counts import PlugIn
from infomax.estimation.counting.histograms import margins_of_cells


def chance(table):
    codes = list(np.nonzero(table))
    return margins_of_cells(table[tuple(codes)], codes, np.array(table.shape)).chance


@pytest.mark.parametrize(
    ("shape", "num_samples"),
    [((2, 2), 30), ((10, 10), 100), ((10, 10), 1500), ((100, 5), 1000), ((3, 3), 10_000), ((2, 40), 300)],
    ids=str,
)
def test_equal_to_scikit_learn(shape, num_samples):
    """Exact where counts are summed, within 0.3 % where the series is in use."""
    rng = np.random.default_rng(0)
    tables = rng.multinomial(num_samples, rng.dirichlet(np.full(shape[0] * shape[1], 2.0)), size=5)
    tables = tables.reshape(5, *shape)
    expected = [expected_mutual_information(table, num_samples) for table in tables]
    found, variances = chance_of_tables(
        tables.sum(2, keepdims=True), tables.sum(1, keepdims=True), tables.sum((1, 2), keepdims=True)
    )
    np.testing.assert_allclose(found, expected, rtol=3e-3, atol=1e-12)
    np.testing.assert_allclose([chance(table) for table in tables], found, rtol=1e-9)
    assert (variances > 0).all()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 6), min_size=12, max_size=12).filter(any))
def test_small_tables_are_summed_exactly(counts):
    table = np.array(counts).reshape(3, 4)
    kept = table[table.any(1)][:, table.any(0)]
    assert chance(table) == pytest.approx(expected_mutual_information(kept, kept.sum()), abs=1e-8)


def test_given_a_third_variable_it_is_the_mean_over_its_labels():
    table = np.random.default_rng(0).poisson(1.5, size=(4, 5, 3))
    n = table.sum()
    parts = [table[:, :, z] for z in range(3)]
    expected = sum(part.sum() / n * expected_mutual_information(part, part.sum()) for part in parts)
    assert chance(table) == pytest.approx(expected, rel=1e-6)


def test_it_is_the_mean_over_shuffled_labels():
    rng = np.random.default_rng(0)
    x, y = rng.integers(40, size=200), rng.integers(6, size=200)
    table = np.zeros((40, 6), dtype=int)
    np.add.at(table, (x, y), 1)
    shuffled = [PlugIn().estimate(rng.permutation(x), y).value for _ in range(80)]
    error = np.std(shuffled) / np.sqrt(len(shuffled))
    assert abs(chance(table) - np.mean(shuffled)) < 4 * error


def test_a_million_labels_cost_little():
    """10¹² pairs of labels, but few distinct counts."""
    rng = np.random.default_rng(0)
    a, b = (np.bincount(rng.integers(10**6, size=10**5)) for _ in range(2))
    zero = np.zeros(10**6, dtype=int)
    found, _ = chance_of_groups(
        a[a > 0], zero[: (a > 0).sum()], b[b > 0], zero[: (b > 0).sum()], np.array([10**5])
    )
    assert 0.95 * np.log(10**5) < found < np.log(10**5)
