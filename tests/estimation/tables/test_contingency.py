"""Tables of all pairs against a loop over rows; blocks of any size give the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infomax.estimation.tables import contingency
from infomax.estimation.tables.contingency import contingency_tables


def slowly(x, y):
    table = np.zeros((x.max(initial=-1) + 1, y.max(initial=-1) + 1), dtype=int)
    for i, j in zip(x, y, strict=True):
        if i >= 0 and j >= 0:
            table[i, j] += 1
    return table


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 30), st.sampled_from([1, 3, 2**11]),
    st.sampled_from([1, 7, 2**13]), st.sampled_from([1, 20, 2**16]),
)  # fmt: skip
def test_tables_are_those_of_a_loop(seed, num_columns, num_rows, labels_at_once, rows_at_once, cells_at_once):
    rng = np.random.default_rng(seed)
    codes = [rng.integers(-1, rng.integers(0, 5), num_rows) for _ in range(num_columns)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contingency, "LABELS_AT_ONCE", labels_at_once)
        patch.setattr(contingency, "ROWS_AT_ONCE", rows_at_once)
        patch.setattr(contingency, "CELLS_AT_ONCE", cells_at_once)
        stacks = list(contingency_tables(codes))
    assert all(len(tables) == 1 or tables.size <= cells_at_once for _, tables in stacks)
    found = {tuple(pair): table for stack in stacks for pair, table in zip(*stack, strict=True)}
    assert sum(len(pairs) for pairs, _ in stacks) == len(found)
    assert sorted(found) == [(a, b) for a in range(num_columns) for b in range(a + 1, num_columns)]
    for (a, b), table in found.items():
        np.testing.assert_array_equal(table, slowly(codes[a], codes[b]))


def test_no_pairs():
    assert list(contingency_tables([])) == []
    assert list(contingency_tables([np.array([0, 1])])) == []
