"""The clean protocol: which images are tested, what the baselines are, better features score better."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from infomax.evaluation.clean import evaluate_clean, tasks_of
from infomax.evaluation.embedding import embed
from infomax.evaluation.options import CleanOptions
from infomax.evaluation.probes.neighbors import nearest_neighbor_probe
from infomax.evaluation.splits import Split, labelled_split
from infomax.learning.data import Dataset, load_images
from infomax.learning.data.targets import Numbers, Tags
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


def toy_images(labels, seed=0, targets=None):
    """Noise that is brighter the larger the label."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 60, (len(labels), 32, 32, 1)) + 40 * np.array(labels)[:, None, None, None]
    names = [str(i) for i in range(len(labels))]
    return Dataset(pixels.astype(np.uint8), np.array(labels), names, ("a", "b", "c", "left"), targets=targets)


def test_rare_classes_stop_nothing_and_are_named():
    """As scans of some classes, one with a single example: every row is there, lines say what is left out."""
    train = toy_images([0] * 12 + [1] * 9 + [2] * 2 + [3])
    test = toy_images([0] * 6 + [1] * 3 + [2], seed=1)
    split = Split(train, test, "by hand")
    found = evaluate_clean(tiny_encoder(), split, CleanOptions(probes=("knn",)))
    assert found.notes == [
        "classes with 1 label, in the training part only: left",
        "classes with fewer than 5 labels, left out of the rows of few labels: c, left",
    ]
    rows = {row["labels"]: row for row in found.rows if row["representation"] == "raw pixels"}
    assert rows["all"]["num_test"] == 10 and rows["5 per class"]["num_test"] == 9
    assert rows["5 per class"]["settings"]["classes_left_out"] == ["c", "left"]
    assert all(row["balanced_accuracy"] is not None and row["interval"] for row in found.rows)
    assert [*rows["all"]["per_class"]["num_test"]] == [6, 3, 1] and rows["all"]["confusion"]["counts"]
    none = evaluate_clean(tiny_encoder(), split, CleanOptions(probes=("knn",), labels_per_class=10))
    assert {row["labels"] for row in none.rows} == {"all"}
    assert none.notes[1] == (
        "no rows of few labels: 10 labels of each class are to be drawn, but class left has 1, and only "
        "1 class has as many; draw fewer (--labels-per-class)"
    )


def test_numbers_are_probed_beside_classes():
    """Brightness is the number; another has nothing to do with the images, a third is known of two."""
    rng = np.random.default_rng(0)

    def images(num, seed):
        labels = np.arange(num) % 3
        noise, few = rng.normal(size=num), np.where(np.arange(num) < 2, 1.0, np.nan)
        values = np.stack([labels + rng.normal(size=num) / 9, noise, few], axis=1).astype(np.float32)
        values[0, 0] = np.nan
        return toy_images(labels, seed, Numbers(values, ("brightness", "noise", "few")))

    split = Split(images(60, 1), images(30, 2), "by hand")
    probes = dict.fromkeys(
        ("knn", "linear"), nearest_neighbor_probe
    )  # of classes; tested where it is defined
    found = evaluate_clean(tiny_encoder(), split, CleanOptions(probes=probes, labels_per_class=None))
    assert len(found.rows) == 6
    assert found.notes == ["number few is not probed: 2 training values, expected at least 10"]
    rows = {(row["representation"], row["probe"], row["target"]): row for row in found.targets}
    assert {name for name, _, _ in rows} == {"AMDIM", "random encoder", "raw pixels"}
    assert {name for _, _, name in rows} == {"brightness", "noise", ""}  # "" is their mean
    ridge = rows["raw pixels", "ridge", "brightness"]
    assert ridge["measures"]["r2"]["value"] > 0.8 and ridge["measures"]["spearman"]["value"] > 0.8
    assert (ridge["num_labels"], ridge["num_missing_train"], ridge["num_test"]) == (59, 1, 29)
    assert rows["raw pixels", "ridge", "noise"]["measures"]["r2"]["value"] < 0.2
    json.dumps([*found.rows, *found.targets])


def test_probes_that_targets_do_not_have_are_said():
    values = np.arange(30, dtype=np.float32)[:, None]
    images = replace(toy_images([0] * 30, targets=Numbers(values, ("age",))), labels=np.full(30, -1))
    split = Split(images.subset(slice(0, 20)), images.subset(slice(20, 30)), "given")
    tasks, notes = tasks_of(split, CleanOptions(probes=("mlp", "svm")))
    assert notes == ["mlp, svm: no probe of numbers is called so; linear, knn are fitted"]
    assert [task.name for task in tasks] == ["linear probe of age", "knn probe of age"]
    assert tasks_of(split, CleanOptions())[1] == []


def test_tags_are_probed_without_classes():
    rng = np.random.default_rng(0)

    def images(num, seed):
        labels = np.arange(num) % 3
        values = np.stack([labels == 2, labels > 0, rng.integers(0, 2, num), np.zeros(num)], axis=1)
        found = toy_images(labels, seed, Tags(values.astype(np.float32), ("bright", "lit", "coin", "never")))
        return replace(found, labels=np.full(num, -1))

    split = Split(images(60, 1), images(30, 2), "by hand")
    found = evaluate_clean(tiny_encoder(), split, CleanOptions(probes=("knn",)))
    assert not found.rows
    assert found.notes == ["tag never is not probed: 0 training rows have it, expected at least 5"]
    rows = {(row["representation"], row["target"]): row["measures"] for row in found.targets}
    precision = rows["raw pixels", "bright"]["average_precision"]
    assert precision["constant"] == pytest.approx(1 / 3) and precision["value"] > 0.3
    mean = np.mean([rows["raw pixels", name]["auroc"]["value"] for name in ("bright", "lit", "coin")])
    assert rows["raw pixels", ""]["auroc"]["value"] == pytest.approx(mean)
    empty = Tags(np.zeros((60, 1), np.float32), ("never",))
    nothing = replace(split, train=replace(split.train, targets=empty))
    with pytest.raises(ValueError, match="nothing can be probed; tag never is not probed: 0 training rows"):
        nothing = replace(nothing, test=replace(split.test, targets=empty.subset(slice(0, 30))))
        evaluate_clean(tiny_encoder(), nothing, CleanOptions(probes=("knn",)))
