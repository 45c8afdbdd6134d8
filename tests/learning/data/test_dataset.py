"""Datasets: batches, subsets, labels and fingerprints; pairs of them."""

import numpy as np
import pytest
import torch

from infomax.learning.data import Dataset


@pytest.fixture
def few() -> Dataset:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)
    return Dataset(pixels, np.array([0, 1, -1, 1, 0]), list("abcde"), ("x", "y"))


@pytest.mark.parametrize(
    "indices", [np.array([3, 0, 3]), slice(1, 4), slice(None, None, 2), np.array([], int)]
)
def test_a_batch_is_the_pixels_in_channels_last_format(few, indices):
    batch = few.batch(indices)
    np.testing.assert_array_equal(batch.permute(0, 2, 3, 1).numpy(), few.values[indices])
    assert batch.dtype == torch.uint8 and batch.permute(0, 2, 3, 1).is_contiguous()


def test_changing_a_batch_does_not_change_the_images(few):
    before = few.values.copy()
    few.batch(slice(0, 5)).zero_()
    np.testing.assert_array_equal(few.values, before)


def test_a_subset_keeps_pixels_labels_and_names_together(few):
    subset = few.subset(np.array([4, 2]))
    np.testing.assert_array_equal(subset.values, few.values[[4, 2]])
    assert (list(subset.names), subset.labels.tolist(), subset.classes) == (["e", "c"], [0, -1], ("x", "y"))
    assert few.subset(slice(2, 3)).labelled is False and few.labelled is True


def test_the_fingerprint_depends_on_content_only(few):
    same = Dataset(few.values.copy(), few.labels.copy(), list("vwxyz"), few.classes)
    assert few.fingerprint == same.fingerprint
    pixels = few.values.copy()
    pixels[4, 3, 5, 2] ^= 1
    changed = [
        Dataset(pixels, few.labels, few.names, few.classes),
        Dataset(few.values, np.roll(few.labels, 1), few.names, few.classes),
        Dataset(few.values, few.labels, few.names, ("x", "z")),
        Dataset(few.values.reshape(5, 6, 4, 3), few.labels, few.names, few.classes),
    ]
    assert len({few.fingerprint, *(images.fingerprint for images in changed)}) == 5


def test_a_loaded_fingerprint_is_the_one_computed_from_the_pixels(load):
    loaded = load("digits", split="test")
    plain = Dataset(loaded.values, loaded.labels, loaded.names, loaded.classes)
    assert loaded.fingerprint == plain.fingerprint


def test_images_must_have_as_many_labels_as_pixels(few):
    with pytest.raises(
        ValueError, match=r"Dataset: received 5 values, 5 labels, 2 names; expected as many of each"
    ):
        Dataset(few.values, few.labels, ["a", "b"], ())
