"""Pairs: which row goes with which, by name and in time."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infomax.learning.data import Dataset, Pairs, in_time, same_names


def images(names, side=16, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (len(names), side, side, 1), np.uint8)
    return Dataset(pixels, np.arange(len(names)) % 3, list(names), ("a", "b", "c"))


def signals(names):
    values = np.random.default_rng(1).normal(size=(len(names), 1, 40)).astype(np.float32)
    return Dataset(values, np.full(len(names), -1), list(names), ())


# ------------------------------------------------------------------------------------------ pairs by name


def test_rows_of_the_same_name():
    left, right = images(["a", "b", "c", "d"]), images(["d", "x", "b"], seed=5)
    pairs = same_names(left, right)
    assert [(left.names[i], right.names[j]) for i, j in pairs.rows] == [("b", "b"), ("d", "d")]
    first, second = pairs.batch(np.array([1, 0]))
    assert torch.equal(first, left.batch(np.array([3, 1])))
    assert torch.equal(second, right.batch(np.array([0, 2])))
    assert pairs.labels.tolist() == [1, 0] and list(pairs.names) == ["b", "d"]
    assert pairs.parts == (left, right)
    assert (len(pairs), pairs.labelled, pairs.classes) == (2, True, ("a", "b", "c"))


def test_pictures_and_signals_together():
    names = [f"t:{i}" for i in range(5)]
    first, second = same_names(images(names), signals(names)).batch(slice(1, 3))
    assert (first.shape, second.shape) == ((2, 1, 16, 16), (2, 1, 40))
    assert (first.dtype, second.dtype) == (torch.uint8, torch.float32)


def test_nothing_in_common():
    with pytest.raises(ValueError, match=r"same_names: none of 2 and 1 rows.*'a' and 'x'.*one table"):
        same_names(images(["a", "b"]), images(["x"]))


def test_fingerprint_knows_both_and_the_pairing():
    left, right = images("abc"), images("abc", seed=1)
    found = {
        same_names(left, right).fingerprint,
        same_names(right, left).fingerprint,
        same_names(left, left).fingerprint,
        Pairs(left, right, np.array([[0, 1], [1, 2]])).fingerprint,
    }
    assert len(found) == 4
    assert same_names(images("abc"), right).fingerprint == same_names(left, right).fingerprint


def test_what_was_skipped_in_either():
    left = Dataset(
        images("ab").values, np.zeros(2, np.int64), ["a", "b"], (), skipped=("c: broken", "d: empty")
    )
    right = Dataset(images("ab").values, np.zeros(2, np.int64), ["a", "b"], (), skipped=("d: empty",))
    assert same_names(left, right).skipped == ("c: broken", "d: empty")


# ------------------------------------------------------------------------------------------ frames in time


@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.integers(1, 6), st.randoms())
@settings(max_examples=40, deadline=None)
def test_frames_a_lag_apart_in_one_sequence(lengths, lag, random):
    frames = [(s, t) for s, length in enumerate(lengths) for t in range(length)]
    random.shuffle(frames)
    expected = {(s, t, s, t + lag) for s, t in frames if t + lag < lengths[s]}
    seen = images([f"clips/{s}/frame{t}.png" for s, t in frames], side=2)
    if not expected:
        with pytest.raises(ValueError, match=f"no sequence of the {len(frames)} frames .* lag of {lag}"):
            in_time(seen, lag)
        return
    pairs = in_time(seen, lag)
    assert {(*frames[i], *frames[j]) for i, j in pairs.rows} == expected
    assert len(pairs) == len(expected)


@pytest.mark.parametrize("pattern", ["{}", "video.npy:{}", "a/b.parquet:{}", "frame-{}.jpg"])
def test_one_sequence_in_the_order_of_numbers(pattern):
    seen = images([pattern.format(i) for i in (10, 9, 2, 1)], side=2)
    assert in_time(seen).rows.tolist() == [[3, 2], [2, 1], [1, 0]]


def test_signals_have_a_time_too():
    assert len(in_time(signals([f"s/{i}" for i in range(6)]), 2)) == 4


def test_bad_lag():
    with pytest.raises(ValueError, match="in_time: lag must be at least 1 frame, got 0"):
        in_time(images("ab"), 0)
