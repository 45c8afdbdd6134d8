"""WebDataset archives."""

import io
import json

import numpy as np
import pytest


def test_webdataset_fields_may_be_arrays(load, write_tar, tmp_path, random_pixels):
    pixels, members = random_pixels(0, 3, 8, 8, 2), {}
    for index, image in enumerate(pixels):
        file = io.BytesIO()
        np.save(file, image)
        members |= {f"{index}.npy": file.getvalue(), f"{index}.cls": b"%d" % index}
    write_tar(tmp_path / "a.tar", members)
    loaded = load(tmp_path, column="npy", channels=2)
    np.testing.assert_array_equal(loaded.values, pixels)
    assert loaded.labels.tolist() == [0, 1, 2]


def test_webdataset_archives_with_mixed_formats(load, write_tar, tmp_path, encode, random_pixels):
    pixels = [random_pixels(seed, 8, 8, 3) for seed in range(12)]
    members = {}
    for index, image in enumerate(pixels):
        members[f"{index:04d}.png" if index % 2 else f"{index:04d}.bmp"] = encode(
            image, "PNG" if index % 2 else "BMP"
        )
        members[f"{index:04d}.cls"] = str(index).encode()
        members[f"{index:04d}.seg.png"] = encode(np.zeros((8, 8), np.uint8))
    write_tar(tmp_path / "pets-train-0000.tar", {"README.md": b"words", **members})
    loaded = load(tmp_path)
    np.testing.assert_array_equal(loaded.values, pixels)
    assert loaded.labels.tolist() == list(range(12)) and loaded.names[3] == "pets-train-0000.tar:0003"


def test_webdataset_labels_in_json_and_a_broken_member(load, write_tar, tmp_path, encode, random_pixels):
    good = encode(random_pixels(0, 8, 8, 3))
    described = {
        key: json.dumps({"label": label}).encode()
        for key, label in [("a", "dog"), ("b", "cat"), ("c", "dog")]
    }
    members = {
        f"{key}.{kind}": value for key in "abc" for kind, value in (("json", described[key]), ("png", good))
    }
    write_tar(tmp_path / "train.tar", members | {"b.png": b"junk"})
    with pytest.raises(ValueError, match=r"train.tar:b: it is not an image"):
        load(tmp_path)
    loaded = load(tmp_path, skip_broken=True)
    assert (loaded.labels.tolist(), loaded.classes, list(loaded.names)) == (
        [1, 1],
        ("cat", "dog"),
        ["train.tar:a", "train.tar:c"],
    )


def test_an_archive_without_images_says_so(load, write_tar, tmp_path):
    write_tar(tmp_path / "a.tar", {"a.txt": b"words"})
    with pytest.raises(ValueError, match=r"cannot read a.tar: it has no images"):
        load(tmp_path)
