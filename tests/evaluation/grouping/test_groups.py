"""Groups: made kinds are found, whatever the order; the number is chosen or given; limits are refused."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from infomax.evaluation.grouping.groups import grouped, hdbscan


def kinds(num_kinds, num_each, spread=0.1, d=16, seed=0):
    """Rows of some kinds, and their kinds."""
    randomness = np.random.default_rng(seed)
    kind = np.repeat(np.arange(num_kinds), num_each)
    centers = np.linalg.qr(randomness.normal(size=(d, d)))[0][:num_kinds]
    return (centers[kind] + spread * randomness.normal(size=(len(kind), d))).astype(np.float32), kind


@pytest.mark.parametrize("method", ["kmeans", "hdbscan"])
def test_kinds_are_found_whatever_the_order(method):
    rows, kind = kinds(3, 30)
    found = grouped(rows, method=method)
    assert found.num_groups == 3
    inside = found.group >= 0
    assert inside.mean() > 0.85 and adjusted_rand_score(kind[inside], found.group[inside]) == 1
    order = np.random.default_rng(1).permutation(len(rows))
    again = grouped(rows[order], method=method)
    assert np.array_equal(again.group, found.group[order])
    assert np.array_equal(again.distance, found.distance[order], equal_nan=True)
    assert again.words == found.words


@pytest.mark.parametrize("num_kinds", [2, 5, 9])
def test_their_number_is_found(num_kinds):
    found = grouped(kinds(num_kinds, 20, seed=num_kinds)[0])
    assert found.num_groups == num_kinds
    assert max(found.criterion.values, key=found.criterion.values.get) == num_kinds
    assert f"{num_kinds} groups by k-means; of 2 to 20 groups" in found.words or num_kinds == 2


def test_groups_come_by_size_and_members_by_distance():
    rows, _ = kinds(3, 30)
    found = grouped(rows[5:80], num_groups=3)
    assert found.sizes.tolist() == [30, 25, 20] and "as asked for" in found.words
    members = found.by_typicality(0)
    gaps = np.linalg.norm(found.places[members] - found.centers[0], axis=1)
    assert np.allclose(gaps, found.distance[members]) and (np.diff(gaps) >= 0).all()
    far = np.linalg.norm(found.places[:, None] - found.centers, axis=2)
    far[np.arange(75), found.group] = np.inf
    assert np.array_equal(found.nearest_other, far.argmin(1))


def test_lengths_of_features_do_not_matter():
    rows, _ = kinds(3, 20)
    lengths = np.random.default_rng(2).uniform(0.1, 10, (60, 1)).astype(np.float32)
    assert adjusted_rand_score(grouped(rows).group, grouped(rows * lengths).group) == 1


@pytest.mark.parametrize("num", [2, 3, 4, 5, 9])
def test_few_rows(num):
    found = grouped(kinds(1, num)[0])
    assert len(found.group) == num and 1 <= found.num_groups <= max(1, num // 2)
    assert found.sizes.sum() == num


def test_equal_rows_are_one_group():
    found = grouped(np.ones((30, 4)))
    assert found.num_groups == 1 and not found.distance.any()
    assert (found.nearest_other == -1).all() and "too few to look for more" in found.words
    twice = grouped(np.repeat(np.eye(2), 10, axis=0))
    assert twice.num_groups == 2


def test_hdbscan_leaves_rows_out_and_joins_what_was_not_drawn(monkeypatch):
    rows, _ = kinds(2, 40)
    strange = np.concatenate([rows, -rows.mean(0, keepdims=True)])
    found = grouped(strange, method="hdbscan")
    assert found.group[-1] == -1 and np.isnan(found.distance[-1]) and found.nearest_other[-1] >= 0
    assert f"{found.num_without} of 81 in none" in found.words
    monkeypatch.setattr("infomax.evaluation.grouping.groups.MAX_HDBSCAN", 40)
    labels = hdbscan(rows.astype(float), 0)
    assert len(labels) == 80 and {0, 1} <= set(labels)
    assert "found on 40 drawn images" in grouped(rows, method="hdbscan").words


def test_a_clustering_of_ones_own():
    rows, kind = kinds(2, 5)
    found = grouped(rows, method=lambda places, seed: (places[:, 0] > 0).astype(int))
    assert adjusted_rand_score(found.group, kind) == 1 and found.criterion is None


@pytest.mark.parametrize(
    "change, message",
    [
        ({"features": np.ones((1, 4))}, r"at least 2 images, got \[1, 4\]"),
        ({"features": np.full((9, 4), np.nan)}, "NaN or infinity"),
        ({"num_groups": 0}, "must be at least 1, got 0"),
        ({"num_groups": 21}, "from 1 to 20"),
        ({"method": "kmean"}, "no method 'kmean'; did you mean kmeans?"),
        ({"method": "hdbscan", "num_groups": 3}, "hdbscan finds the number of groups"),
    ],
)
def test_what_cannot_be_grouped_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        grouped(**{"features": kinds(2, 10)[0], **change})
