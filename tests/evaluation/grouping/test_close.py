"""Near-duplicates and outliers among features with known ones, beside slow loops."""

import numpy as np
import pytest

from infomax.evaluation.grouping.duplicates import near_duplicates
from infomax.evaluation.grouping.features import nearest_others, same_values
from infomax.evaluation.grouping.groups import directions
from infomax.evaluation.grouping.outliers import outliers
from infomax.learning.data.dataset import Dataset
from infomax.progress import stages

ALONE = np.full(64, -1)


@pytest.fixture
def rows():
    randomness = np.random.default_rng(0)
    return (np.ones(8) + 0.3 * randomness.normal(size=(64, 8))).astype(np.float32)


def others(features):
    with stages(quiet=True) as stage:
        return nearest_others(directions(features), stage=stage)


def joined(neighbors):
    return [np.concatenate(each) for each in zip(*neighbors, strict=True)]


def test_nearest_others_by_loops(rows):
    nearest, cosines = joined(others(rows))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for i in range(64):
        order = sorted((j for j in range(64) if j != i), key=lambda j: -float(unit[i] @ unit[j]))[:20]
        assert nearest[i].tolist() == order
        assert cosines[i] == pytest.approx(unit[order] @ unit[i], abs=1e-5)


def test_no_row_is_near_itself_where_many_are_equal():
    nearest, cosines = joined(others(np.ones((40, 3), np.float32)))
    assert not (nearest == np.arange(40)[:, None]).any()
    assert cosines == pytest.approx(1)
    assert joined(others(np.eye(3, dtype=np.float32)[:2]))[0].tolist() == [[1], [0]]


def test_planted_duplicates_are_found(rows):
    rows[10] = rows[3] * 2
    rows[40] = rows[3] + 1e-3
    rows[50] = rows[20]
    same = ALONE.copy()
    same[[20, 50]] = 7
    found = near_duplicates(others(rows), same)
    assert [found.members(one).tolist() for one in range(found.num_sets)] == [[3, 10, 40], [20, 50]]
    assert found.pairs.tolist() == [[3, 10], [3, 40], [10, 40], [20, 50]]
    assert found.equal.tolist() == [False, False, False, True]
    assert found.cosines == pytest.approx(1, abs=1e-5)
    assert "5 images in 2 sets of near-duplicates (1 pair of equal values)" in found.words
    assert "ten times as close" in found.words


def test_a_threshold_by_hand(rows):
    nearest, cosines = joined(others(rows))
    found = near_duplicates(
        [(nearest[:40], cosines[:40]), (nearest[40:], cosines[40:])], ALONE, threshold=0.99
    )
    expected = {
        (min(i, int(j)), max(i, int(j))) for i, c in enumerate(cosines) for j in nearest[i][c >= 0.99]
    }
    assert {(int(i), int(j)) for i, j in found.pairs} == expected and expected
    assert "at least 0.99000. That is the limit that was asked for." in found.words


def test_equal_features_tell_nothing_but_equal_values_do():
    same = np.array([0, -1, 0, -1, 0, *[-1] * 25])
    found = near_duplicates(others(np.ones((30, 4), np.float32)), same)
    assert found.threshold is None and found.pairs.tolist() == [[0, 2], [0, 4]]
    assert "only equal values count" in found.words
    assert near_duplicates(others(np.eye(30, dtype=np.float32)), np.full(30, -1)).words.startswith("no near")


def test_equal_pictures_are_known_by_their_values():
    values = np.random.default_rng(0).integers(0, 256, (9, 4, 4, 3), np.uint8)
    values[[4, 8]] = values[1]
    same = same_values(Dataset(values, np.full(9, -1), [str(i) for i in range(9)], ()))
    assert np.flatnonzero(same >= 0).tolist() == [1, 4, 8] and len({*same[[1, 4, 8]]}) == 1


def test_planted_outliers_are_found_even_twice(rows):
    rows[[11, 33]] = [9, -9, 9, -9, 9, -9, 9, -9]
    rows[60] = -np.ones(8)
    neighbors = others(rows)
    near = near_duplicates(neighbors, ALONE)
    found = outliers(neighbors, near.sets)
    assert found.furthest[:3].tolist() == found.rows[:3].tolist() == [60, 11, 33]
    assert len(found.rows) < 6 and f"{len(found.rows)} outliers. Outliers are images" in found.words
    first, third = np.quantile(found.distance, [0.25, 0.75])
    assert found.threshold == pytest.approx(third + 3 * (third - first))


def test_few_rows_have_no_outliers():
    found = outliers(others(np.eye(5, dtype=np.float32)), np.full(5, -1))
    assert not len(found.rows) and "fewer than 10 images" in found.words
    assert found.distance == pytest.approx(1)


def test_a_dense_part_is_no_set_of_duplicates():
    randomness = np.random.default_rng(0)
    wide, dense = randomness.normal(size=(60, 32)), np.ones(32) + 0.02 * randomness.normal(size=(40, 32))
    rows = np.concatenate([wide, dense, dense[:1] + 1e-4]).astype(np.float32)
    found = near_duplicates(others(rows), np.full(101, -1))
    assert found.pairs.tolist() == [[60, 100]]
    by_hand = near_duplicates(others(rows), np.full(101, -1), threshold=found.threshold)
    assert len(by_hand.members(0)) == 41
