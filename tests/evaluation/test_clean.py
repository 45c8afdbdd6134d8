"""The clean protocol: which images are tested, what the baselines are, better features score better."""

import numpy as np
import torch
from PIL import Image

from infomax.evaluation.clean import evaluate_clean
from infomax.evaluation.embedding import embed
from infomax.evaluation.options import CleanOptions
from infomax.evaluation.splits import Split, labelled_split
from infomax.learning.data import Dataset, load_images
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.saving import PretrainedEncoder
from infomax.learning.views.image_views import MAX_RAW_SIDE
from infomax.learning.views.images import ViewsConfig

GREY = ViewsConfig(mean=(0.5,), std=(0.3,))


def tiny_encoder():
    torch.manual_seed(0)
    return PretrainedEncoder(AMDIMEncoder(32, 4, 8, 1, channels=1), GREY)


def test_the_sources_own_test_split_is_used():
    split = labelled_split("digits", GREY)
    assert (len(split.train), len(split.test)) == (1347, 450)
    assert split.how == "split 'test'"


def test_a_single_split_is_divided_by_class(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(20):
            Image.fromarray(rng.integers(0, 256, (32, 32), np.uint8)).save(tmp_path / name / f"{number}.png")
    split = labelled_split(str(tmp_path), GREY)
    assert np.bincount(split.train.labels).tolist() == [16, 16]
    assert np.bincount(split.test.labels).tolist() == [4, 4]
    assert not set(split.train.names) & set(split.test.names)


def test_baselines_and_settings():
    split = labelled_split("digits", GREY)
    small = Split(split.train.subset(slice(0, 200)), split.test.subset(slice(0, 100)), split.how)
    options = CleanOptions(probes=("knn",), labels_per_class=3, seed=1)
    assessment = evaluate_clean(tiny_encoder(), small, options)
    rows = {(row["representation"], row["labels"]): row for row in assessment.rows}
    assert {name for name, _ in rows} == {"AMDIM", "random encoder", "raw pixels"}
    assert rows["raw pixels", "all"]["num_labels"] == 200
    assert rows["raw pixels", "3 per class"]["num_labels"] == 30
    assert rows["raw pixels", "all"]["accuracy"] > 0.8
    assert assessment.test_features.shape == (100, 8)


def test_raw_pixels():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (3, 32, 32, 1), dtype=np.uint8)
    images = Dataset(pixels, np.zeros(3, np.int64), ["a", "b", "c"], ("x",))
    expected = pixels.transpose(0, 3, 1, 2).reshape(3, -1).astype(np.float32) / 255
    np.testing.assert_allclose(GREY.raw(images), expected)
    large = Dataset(np.repeat(np.repeat(pixels, 2, 1), 2, 2), images.labels, images.names, images.classes)
    assert GREY.raw(large).shape == (3, MAX_RAW_SIDE**2)


def test_embedding_in_batches_is_embedding_at_once():
    images = load_images("digits", split="test", size=32, channels=1, progress=False).subset(slice(0, 50))
    encoder = tiny_encoder()
    whole = encoder(images.batch(slice(0, 50))).global_.numpy()
    np.testing.assert_allclose(embed(encoder, images, batch_size=7), whole, atol=1e-5)


def test_pixels_that_show_the_label_are_found_out_and_shuffled_labels_are_not():
    """Each class has a bright quarter of its own: raw pixels tell it, and nothing tells shuffled labels."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 240)
    pixels = rng.integers(0, 60, (240, 32, 32, 1))
    for image, label in zip(pixels, labels, strict=True):
        image[8 * label : 8 * label + 8] += 150
    images = Dataset(pixels.astype(np.uint8), labels, [str(i) for i in range(240)], tuple("abcd"))
    test = images.subset(slice(160, 240))

    def accuracies(train_labels):
        train = Dataset(images.values[:160], train_labels, images.names[:160], images.classes)
        options = CleanOptions(probes=("knn",), labels_per_class=None)
        assessment = evaluate_clean(tiny_encoder(), Split(train, test, "by hand"), options)
        return {row["representation"]: row["accuracy"] for row in assessment.rows}

    assert accuracies(labels[:160])["raw pixels"] > 0.95
    assert max(accuracies(rng.permutation(labels[:160])).values()) < 0.5
