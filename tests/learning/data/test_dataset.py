"""Datasets: batches, subsets, labels and fingerprints; pairs of them."""

import numpy as np
import pytest
import torch

from infomax.learning.data import Dataset, Pairs, in_time, load_images, load_signals, same_names


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


@pytest.mark.parametrize(
    ("labels", "classes", "expected"),
    [
        ([-1, -1, -1], (), 0),
        ([-1, -1, -1], ("a", "b"), 0),
        ([-1, 0, -1], ("a", "b"), 2),
        ([-1, 0, 4], (), 5),
    ],
)
def test_number_of_classes(labels, classes, expected, monkeypatch):
    """Classes are those that have a name, whichever occur; labels are looked through in blocks."""
    monkeypatch.setattr("infomax.learning.data.dataset.LABELS_AT_ONCE", 2)
    images = Dataset(np.zeros((3, 4, 4, 1), np.uint8), np.array(labels), ["x", "y", "z"], classes)
    pairs = Pairs(images, images, np.array([[2, 0], [1, 1], [0, 2]]))
    assert images.num_classes == pairs.num_classes == expected
    assert images.labelled == pairs.labelled == (expected > 0)
    assert pairs.labels_at(slice(0, 2)).tolist() == pairs.labels[:2].tolist() == labels[:0:-1]


def test_labels_of_a_file_stay_in_it(tmp_path):
    """Neither a dataset nor a slice of it makes a copy."""
    labels = np.memmap(tmp_path / "labels", np.int64, "w+", shape=(5,))
    images = Dataset(np.zeros((5, 4, 4, 1), np.uint8), labels, list("vwxyz"), ())
    assert np.shares_memory(images.labels_at(slice(1, 3)), labels)
    assert np.shares_memory(images.subset(slice(1, 3)).labels, labels)


def test_the_part_with_labels(few):
    labelled = few.with_labels()
    assert list(labelled.names) == ["a", "b", "d", "e"] and labelled.labels.tolist() == [0, 1, 1, 0]
    assert labelled.with_labels() is labelled and few.parts == (few,)
    assert few.labelled_rows.tolist() == [0, 1, 3, 4]


def test_names_of_labels_or_their_numbers(few):
    assert few.class_names([1, 0, 2, -1]) == ["y", "x", "2", "-1"]
    assert same_names(few, few).class_names([1, 5]) == ["y", "5"]


def counted(shape, dtype) -> np.ndarray:
    return (np.arange(np.prod(shape)) * 7 % 251).reshape(shape).astype(dtype)


def test_fingerprints_are_those_of_version_0_1():
    """`resume` compares them with those that earlier versions wrote into their runs."""
    labels, names = np.array([0, 1, -1, 1, 0]), [f"s/{i}" for i in range(5)]
    pictures = Dataset(counted((5, 4, 6, 3), np.uint8), labels, names, ("x", "y"))
    signals = Dataset(counted((5, 2, 9), np.float32) / 8, labels, names, ("x", "y"))
    blocks = counted((5000, 4, 4, 1), np.uint8)
    large = Dataset(blocks, np.arange(5000) % 3 - 1, [str(i) for i in range(5000)], ("x", "y"))
    images = [(image, i % 2) for i, image in enumerate(counted((5, 8, 8, 3), np.uint8))]
    tones = [(tone, "ab"[i % 2]) for i, tone in enumerate(counted((5, 40), np.float32) / 8)]
    found = {
        "af539a123f871798a8f5f79099fc08af": pictures,
        "a0b15b4bdc8a134f22da68496bd0c894": signals,
        "91f4268466dde71abeef3a7c7380bf8f": large,
        "425449610a1cca901b362a0140dc3fc8": same_names(pictures, signals),
        "b74297badefdaa5f59994dd2fd5887db": in_time(pictures, 2),
        "46ee8096594ba4470c3d467122440059": Pairs(pictures, signals, np.array([[0, 1], [3, 2]])),
        "f073f888bf64cdb90cf4130d12382fc8": load_images(images, size=(8, 6), progress=False),
        "f8af8937351aa8faa531d735c4bdbae1": load_signals(tones, length=21, progress=False),
    }
    assert [dataset.fingerprint for dataset in found.values()] == [*found]


def test_batches_subsets_and_fingerprints_of_signals():
    signals = np.random.default_rng(0).normal(size=(6, 40)).astype(np.float32)
    loaded = load_signals([(signal, i % 3) for i, signal in enumerate(signals)], length=40)
    rows = np.array([4, 1])
    assert torch.equal(loaded.batch(rows), torch.from_numpy(signals[rows][:, None]))
    batch = loaded.batch(slice(0, 2))
    batch.zero_()  # its own memory
    np.testing.assert_array_equal(loaded.values[:, 0], signals)
    some = loaded.subset(rows)
    assert (some.labels.tolist(), list(some.names), some.classes) == (
        [1, 1],
        [loaded.names[4], loaded.names[1]],
        ("0", "1", "2"),
    )
    assert (len(some), some.labelled) == (2, True)
    again = load_signals([(signal, i % 3) for i, signal in enumerate(signals)], length=40)
    assert again.fingerprint == loaded.fingerprint
    others = [
        Dataset(loaded.values + 1, loaded.labels, loaded.names, loaded.classes),
        Dataset(loaded.values, loaded.labels[::-1].copy(), loaded.names, loaded.classes),
        Dataset(loaded.values, loaded.labels, loaded.names, ("a", "b", "c")),
        Dataset(loaded.values.reshape(6, 2, 20), loaded.labels, loaded.names, loaded.classes),
    ]
    assert len({one.fingerprint for one in [loaded, *others]}) == 5
