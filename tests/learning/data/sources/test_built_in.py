"""Built-in data: what it holds, and that its splits share nothing."""

import numpy as np
from sklearn.datasets import load_digits


def test_digits_are_scikit_learns_in_a_stratified_split_that_leaks_nothing(load):
    train, test = (load("digits", split=split, size=8, channels=1) for split in ("train", "test"))
    assert (len(train), len(test)) == (1347, 450)
    assert train.classes == test.classes == tuple("0123456789")
    assert not set(train.names) & set(test.names)
    digits = load_digits()
    together = np.concatenate([train.values, test.values])[..., 0]
    expected = np.round(digits.images * 255 / 16).astype(np.uint8)
    np.testing.assert_array_equal(*(np.sort(x.reshape(1797, 64), axis=0) for x in (together, expected)))
    shares = [np.bincount(images.labels) / len(images) for images in (train, test)]
    np.testing.assert_allclose(*shares, atol=2 / 450)


def test_small_grey_digits_are_enlarged_smoothly_to_colour(load):
    small, large = load("digits", split="test", channels=1), load("digits", split="test", size=32)
    assert large.values.shape == (450, 32, 32, 3)
    assert (large.values == large.values[..., :1]).all()
    blocks = large.values[..., 0].reshape(450, 8, 4, 8, 4).mean((2, 4))
    assert np.abs(blocks - small.values[..., 0]).mean() < 12
    assert len(np.unique(large.values)) > 100  # interpolated: the originals have 17 grey values


def test_photographs_are_colour_patches_whose_splits_do_not_overlap(load):
    train, test = (load("photographs", split=split, size=64) for split in ("train", "test"))
    assert train.classes == ("china", "flower") and set(train.labels) == {0, 1}
    assert (train.values[..., 0] != train.values[..., 2]).any()
    assert len(train) > 1000 and len(test) > 300
    rows = {row.tobytes() for image in train.values for row in image}
    shared = [row for image in test.values for row in image if row.tobytes() in rows and np.ptp(row) > 8]
    assert not shared
