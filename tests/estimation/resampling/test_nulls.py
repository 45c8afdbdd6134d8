"""Orders of rows: a group, drawn evenly, each once where there are few, and kept within groups and blocks."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from infomax.estimation.resampling.nulls import Blocks, CircularShifts, WholeGroup, WithinGroups
from infomax.estimation.resampling.replicates import JointSamples


def samples(n):
    return JointSamples(np.arange(n), np.arange(n), None)


def orders(null, n, seed=0):
    return null.shuffling(samples(n), seed).orders


def drawn(null, n, num, seed=0):
    of_seed = orders(null, n, seed)
    return [tuple(of_seed(index).tolist()) for index in range(num)]


def compose(a, b):
    return tuple(a[i] for i in b)


GROUPS = ["b", "a", "b", "a", "b", "c"]
SMALL = {
    "whole": (WholeGroup(), 4, 24),
    "groups": (WithinGroups(GROUPS), 6, 12),
    "shifts": (CircularShifts(), 7, 7),
    "shifts of groups": (CircularShifts(GROUPS), 6, 6),
    "blocks": (Blocks(2), 7, 6),
    "blocks of groups": (Blocks(2, list("aabbaabb")), 8, 4),
}


@pytest.mark.parametrize("kind", SMALL)
def test_few_orders_are_a_group_and_each_comes_once(kind):
    null, n, num = SMALL[kind]
    assert orders(null, n).num == num
    found = drawn(null, n, num - 1)
    own = tuple(range(n))
    assert len(set(found)) == num - 1
    assert own not in found
    group = {own, *found}
    assert {compose(a, b) for a in group for b in group} == group
    assert found != drawn(null, n, num - 1, seed=1)
    assert set(found) == set(drawn(null, n, num - 1, seed=1))


def test_permutations_are_drawn_evenly(monkeypatch):
    """Also the rows' own order; drawing without repeats is switched off."""
    monkeypatch.setattr("infomax.estimation.resampling.nulls.MAX_NUMBERED", 1)
    for kind, (null, n, num) in SMALL.items():
        found = Counter(drawn(null, n, 100 * num))
        assert len(found) == num, kind
        assert chisquare(list(found.values())).pvalue > 1e-3, kind


def test_many_orders_are_drawn_from_all():
    of_seed = orders(WholeGroup(), 20)
    assert of_seed.num == math.inf
    kept = [(of_seed(index) == np.arange(20)).sum() for index in range(400)]
    assert np.mean(kept) == pytest.approx(1, abs=0.2)
    assert orders(WholeGroup(), 9).num == math.factorial(9)
    assert orders(CircularShifts(), 500).num == 500
    assert orders(CircularShifts(np.arange(500) // 50), 500).num == math.inf


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from("abc"), min_size=4, max_size=30), st.integers(0, 50))
def test_rows_stay_in_their_groups(labels, index):
    labels = [*labels, *labels]
    codes = np.array(labels)
    for null in (WithinGroups(labels), CircularShifts(labels), Blocks(1, labels), Blocks(2, labels)):
        of_seed = null.shuffling(samples(len(labels)), 0).orders
        order = of_seed(index % max(int(min(of_seed.num, 100)) - 1, 1))
        assert sorted(order) == list(range(len(labels)))
        assert (codes[order] == codes).all()


def test_shifts_keep_the_course_of_each_series():
    groups = np.array([0, 1] * 6)
    for order in drawn(CircularShifts(groups), 12, 20):
        for group in (0, 1):
            course = np.array(order)[groups == group] // 2
            assert (np.diff(course) % 6 == 1).all()


def test_blocks_keep_rows_together():
    for order in drawn(Blocks(3), 14, 20):
        blocks = np.array(order[:12]).reshape(-1, 3)
        assert (np.diff(blocks, axis=1) == 1).all()
        assert order[12:] == (12, 13)
    assert Blocks(3).shuffling(samples(14), 0).method == "4 blocks of 3 rows"


def test_a_long_order_of_blocks_is_drawn_evenly():
    of_seed = orders(Blocks(2), 26)
    first = Counter(of_seed(index)[0] for index in range(1300))
    assert chisquare([first[start] for start in range(0, 26, 2)]).pvalue > 1e-3


def test_all_orders_by_brute_force():
    assert {(0, 1, 2, 3), *drawn(WholeGroup(), 4, 23)} == set(itertools.permutations(range(4)))


class TestErrors:
    def test_one_block(self):
        with pytest.raises(ValueError, match="blocks of 20 rows leave nothing to shuffle in 20 rows; give a"):
            orders(Blocks(12), 20)

    def test_length(self):
        with pytest.raises(ValueError, match="Blocks: length must be at least 1, got 0"):
            Blocks(0)

    @pytest.mark.parametrize("null", [WithinGroups("abc"), CircularShifts("abc"), Blocks(1, "abc")])
    def test_lengths(self, null):
        null = type(null)(**{**vars(null), "groups": list("abc")})
        with pytest.raises(ValueError, match="groups must have one label for each of 4 samples, got 3"):
            orders(null, 4)

    @pytest.mark.parametrize("null", [WholeGroup(), CircularShifts(), Blocks(2)])
    def test_conditions(self, null):
        name = type(null).__name__
        with pytest.raises(ValueError, match=f"{name} also destroys the dependence of y on given"):
            null.shuffling(JointSamples(np.arange(4), np.arange(4), np.arange(4)), 0)
