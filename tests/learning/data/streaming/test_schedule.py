"""The order in which ranks read: nothing twice, nothing left out but less than a batch."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from infomax.learning.data.streaming.schedule import Schedule

COUNTS = st.lists(st.integers(0, 9), min_size=1, max_size=8)


def rows_of(window, counts):
    """Global numbers of the rows of a window in the order in which they are taken, by a slow loop."""
    begins = [sum(counts[:shard]) for shard in range(len(counts))]
    read = [begins[shard] + row for shard, first, stop in window.pieces for row in range(first, stop)]
    return [read[place] for place in window.order]


def all_rows(windows, counts):
    return [row for one in windows for row in rows_of(one, counts)]


def epoch_of(counts, epoch, rank=0, num_ranks=1, batch_size=4, window=6, seed=0):
    schedule = Schedule(np.array(counts), batch_size, window, seed, rank, num_ranks)
    number, found = 0, []
    while number * schedule.length < schedule.steps_per_epoch * schedule.share:
        found.append(schedule.window_of(epoch, number))
        number += 1
    return found


@settings(deadline=None)
@given(COUNTS.filter(lambda counts: sum(counts) >= 4), st.sampled_from([1, 2, 4]), st.integers(1, 9))
def test_ranks_share_an_epoch_and_less_than_a_batch_is_left_out(counts, num_ranks, window):
    num = sum(counts)
    for epoch in range(2):
        each = [epoch_of(counts, epoch, rank, num_ranks, window=window) for rank in range(num_ranks)]
        rows = [row for windows in each for row in all_rows(windows, counts)]
        assert len(set(rows)) == len(rows) == num // 4 * 4 and set(rows) <= {*range(num)}
        assert {len(all_rows(windows, counts)) for windows in each} == {len(rows) // num_ranks}
        shards = [{piece.shard for one in windows for piece in one.pieces} for windows in each]
        assert sum(map(len, shards)) <= np.count_nonzero(counts) + num_ranks


def test_an_order_follows_from_seed_and_epoch():
    first, again, other, later = (
        all_rows(epoch_of([7, 9, 8], epoch, seed=seed), [7, 9, 8])
        for seed, epoch in ((0, 0), (0, 0), (1, 0), (0, 1))
    )
    assert first == again and first != other and first != later


def test_each_row_is_left_out_as_often_and_comes_as_often_at_each_place():
    counts, left, first = [5, 5, 5], np.zeros(15), np.zeros(15)
    for epoch in range(3000):
        rows = all_rows(epoch_of(counts, epoch), counts)
        left[[*{*range(15)} - {*rows}]] += 1
        first[rows[0]] += 1
    assert chisquare(left).pvalue > 1e-3 and chisquare(first).pvalue > 1e-3


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_windows_go_on_at_any_step(num_ranks):
    def taken(first_step):
        schedule = Schedule(np.array([7, 0, 9, 10]), 4, 6, 0, num_ranks - 1, num_ranks)
        windows = islice(schedule.windows(first_step), 12)
        return [row for one in windows for row in rows_of(one, [7, 0, 9, 10])[one.begin :]]

    whole = taken(0)
    for step in range(10):
        begin = step * 4 // num_ranks
        rest = taken(step)
        assert rest[: len(whole) - begin] == whole[begin : begin + len(rest)]


def test_fewer_rows_than_a_batch_are_refused():
    with pytest.raises(ValueError, match="stream: a batch has 8 images, and there are 5 in all"):
        Schedule(np.array([5]), 8, 4, 0)
