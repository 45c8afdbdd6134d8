"""Orders computed row by row: permutations, uniform, and unrelated for different keys."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, kstest

from infomax.learning.data.order.epochs import ORDERS, order_named
from infomax.learning.data.order.permutation import Permutation

MIN_P = 1e-4
"""The smallest p-value that passes; seeds are fixed, so that a test passes always or never."""


def p_of_counts(counts):
    """The p-value of the chi-square test that all cells are equally likely."""
    expected = counts.sum() / counts.size
    return chi2.sf(((counts - expected) ** 2 / expected).sum(), counts.size - 1)


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(0, 2**64), st.integers(0, 1000))
def test_it_is_a_bijection(num, seed, epoch):
    order = Permutation(num, seed, epoch)
    assert np.array_equal(np.sort(order[:]), np.arange(num))


@pytest.mark.parametrize("num", [*range(1, 40), 255, 257, 1023, 1025, 65_537, 999_999])
def test_it_is_a_bijection_where_the_grid_does_and_does_not_fit(num):
    assert np.array_equal(np.sort(Permutation(num, 5)[:]), np.arange(num))


@settings(deadline=None)
@given(st.integers(1, 10**12), st.data())
def test_a_row_is_the_same_whichever_rows_are_asked_for_with_it(num, data):
    rows = np.array(data.draw(st.lists(st.integers(0, num - 1), min_size=1, max_size=20, unique=True)))
    order = Permutation(num, 3)
    places = order[rows]
    assert ((places >= 0) & (places < num)).all()
    assert len(np.unique(places)) == len(rows)
    assert [order[row : row + 1][0] for row in rows] == places.tolist()


@pytest.fixture(scope="module", params=[7, 12])
def orders(request):
    """The permutations of many keys, of numbers that do and do not fill the grid."""
    return np.array([Permutation(request.param, seed, 1)[:] for seed in range(5000)])


def test_single_places_are_uniform(orders):
    num = orders.shape[1]
    p = [p_of_counts(np.bincount(places, minlength=num)) for places in orders.T]
    assert min(p) > MIN_P / num


def test_pairs_of_places_are_uniform(orders):
    """Each row with each other one: neighbours in a line, in a column, and all others."""
    num = orders.shape[1]
    p = []
    for one, other in combinations(range(num), 2):
        pairs = np.bincount(orders[:, one] * num + orders[:, other], minlength=num**2).reshape(num, num)
        assert not pairs.diagonal().any()
        p.append(p_of_counts(pairs[~np.eye(num, dtype=bool)]))
    assert min(p) > MIN_P / len(p)


def test_differences_of_neighbours_are_uniform_among_many_rows():
    """Modulo n, as they are for a permutation that is drawn."""
    num = 10**9
    places = Permutation(num, 0)[: 2**18]
    counts = np.histogram(np.diff(places) % num, bins=1000, range=(0, num))[0]
    assert p_of_counts(counts) > MIN_P
    assert kstest(places / num, "uniform").pvalue > MIN_P


@pytest.mark.parametrize(
    ("one", "other"), [((0, 0), (0, 1)), ((0, 0), (1, 0)), ((0, 1), (1, 0)), ((7,), (8,))]
)
def test_different_keys_give_unrelated_orders(one, other):
    """Correlation and common fixed places are those of two permutations that are drawn."""
    num = 100_001
    first, second = Permutation(num, *one)[:], Permutation(num, *other)[:]
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(num)
    assert (first == second).sum() < 8  # Poisson, of mean 1
    cells = np.histogram2d(first, second, bins=30)[0]
    assert p_of_counts(cells) > MIN_P


def test_an_order_is_a_function_of_its_key():
    assert np.array_equal(Permutation(1000, 3, 4)[:], Permutation(1000, 3, 4)[:])
    assert Permutation(10**9, 0, 1)[:2].tolist() != Permutation(10**9, 0, 2)[:2].tolist()
    assert len(Permutation(12, 1)) == 12


@pytest.mark.parametrize("name", ORDERS)
def test_orders_of_epochs_are_permutations(name):
    order = order_named(name)(101, 3, 2)
    assert sorted(order[:]) == [*range(101)]
    assert np.array_equal(order[20:30], order_named(name)(101, 3, 2)[:][20:30])


def test_the_order_of_earlier_versions():
    expected = np.random.default_rng([3, 2]).permutation(50)
    assert np.array_equal(order_named("drawn")(50, 3, 2)[:], expected)


def test_refusals():
    with pytest.raises(ValueError, match="at least 1 row, got 0"):
        Permutation(0)
    for rows in ([5], [-1]):
        with pytest.raises(ValueError, match="expected rows from 0 to 4, got"):
            Permutation(5)[np.array(rows)]
    with pytest.raises(ValueError, match=r"order named 'shuffled', expected one of keyed, drawn; resume it"):
        order_named("shuffled")
