"""Pairs and frames: which row goes with which, how their views are made, two encoders trained together."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infomax.learning.data.images import Images
from infomax.learning.data.signals import Signals
from infomax.learning.views.images import ViewsConfig
from infomax.learning.views.pairing import (
    Paired,
    PairedViews,
    PairedViewsConfig,
    TemporalViews,
    TemporalViewsConfig,
    in_time,
    same_names,
)
from infomax.learning.views.signals import SignalViewsConfig

GREY = ViewsConfig(stored_size=16, image_size=16, crop_scale=None, jitter=(0.0,) * 4, mean=(0.0,), std=(1.0,))
SIGNAL = SignalViewsConfig(stored_length=40, length=32)


def images(names, side=16, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (len(names), side, side, 1), np.uint8)
    return Images(pixels, np.arange(len(names)) % 3, list(names), ("a", "b", "c"))


def signals(names):
    values = np.random.default_rng(1).normal(size=(len(names), 1, 40)).astype(np.float32)
    return Signals(values, np.full(len(names), -1), list(names), ())


# ------------------------------------------------------------------------------------------ pairs by name


def test_rows_of_the_same_name():
    left, right = images(["a", "b", "c", "d"]), images(["d", "x", "b"], seed=5)
    pairs = same_names(left, right)
    assert [(left.names[i], right.names[j]) for i, j in pairs.rows] == [("b", "b"), ("d", "d")]
    first, second = pairs.batch(np.array([1, 0]))
    assert torch.equal(first, left.batch(np.array([3, 1])))
    assert torch.equal(second, right.batch(np.array([0, 2])))
    assert pairs.labels.tolist() == [1, 0]
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
        Paired(left, right, np.array([[0, 1], [1, 2]])).fingerprint,
    }
    assert len(found) == 4
    assert same_names(images("abc"), right).fingerprint == same_names(left, right).fingerprint


def test_what_was_skipped_in_either():
    left = Images(
        images("ab").pixels, np.zeros(2, np.int64), ["a", "b"], (), skipped=("c: broken", "d: empty")
    )
    right = Images(images("ab").pixels, np.zeros(2, np.int64), ["a", "b"], (), skipped=("d: empty",))
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


# ------------------------------------------------------------------------------------------ views


def ramp(num):
    """Pictures that a flip changes."""
    return torch.arange(16, dtype=torch.uint8).expand(num, 1, 16, 16).contiguous() * 10


def is_flipped(view):
    return view[:, 0, 0, 0] > view[:, 0, 0, -1]


def test_frames_share_the_coin_of_the_flip():
    torch.manual_seed(0)
    first, second = TemporalViews(TemporalViewsConfig(frames=GREY))((ramp(40), ramp(40) + 5))
    assert torch.equal(is_flipped(first), is_flipped(second))
    assert 5 < is_flipped(first).sum() < 35
    torch.testing.assert_close(second - first, torch.full_like(first, 5 / 255))


@pytest.mark.parametrize("shared", [True, False])
def test_pairs_flip_together_or_apart(shared):
    torch.manual_seed(0)
    one = GREY if not shared else ViewsConfig(**{**vars(GREY), "flip": 0.0})
    config = PairedViewsConfig(first=one, second=one, flip=0.5 if shared else 0.0)
    first, second = PairedViews(config)((ramp(40), ramp(40)))
    assert torch.equal(is_flipped(first), is_flipped(second)) == shared
    assert 5 < is_flipped(first).sum() < 35


def test_views_of_two_kinds():
    views = PairedViews(PairedViewsConfig(columns=("picture", "tone"), first=GREY, second=SIGNAL))
    picture, tone = views((ramp(3), torch.randn(3, 1, 40)))
    assert (picture.shape, tone.shape) == ((3, 1, 16, 16), (3, 1, 32))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ("a", "a")}, "columns must be two different names"),
        ({"columns": ("a/b", "c")}, "columns must be two different names without / and ."),
        ({"flip": 1.5}, r"flip must be a probability in \[0, 1\], got 1.5"),
        ({"second": SIGNAL, "flip": 0.5}, "only two pictures can be flipped together"),
        (
            {"second": SIGNAL, "shared_encoder": True},
            r"one encoder needs views of one shape, got \[1, 16, 16\] and \[1, 32\]",
        ),
    ],
)
def test_bad_pairs(options, message):
    with pytest.raises(ValueError, match=message):
        PairedViewsConfig(**{"first": GREY, "second": GREY, **options})


def test_bad_frames():
    with pytest.raises(ValueError, match="views: lag must be at least 1 frame, got 0"):
        TemporalViewsConfig(lag=0)
