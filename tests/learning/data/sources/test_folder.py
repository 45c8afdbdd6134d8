"""Folders of files: splits, classes, links and names."""

import os

import numpy as np
import pytest

from infomax.learning.data import available_splits, same_names
from infomax.learning.data.sources.opening import open_source


def test_folders_of_arrays_have_classes_and_splits(load, tmp_path, random_pixels):
    pixels = random_pixels(0, 4, 8, 8, 5)
    for index, name in enumerate(("train/a/0", "train/a/1", "train/b/2", "test/b/3")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / f"{name}.npy", pixels[index])
    loaded = load(tmp_path, channels=5)
    np.testing.assert_array_equal(loaded.values, pixels[:3])
    assert (loaded.classes, loaded.labels.tolist()) == (("a", "b"), [0, 0, 1])
    assert list(load(tmp_path, channels=5, split="test").names) == ["test/b/3.npy"]


def test_a_plain_folder_is_unlabelled_and_sorted(load, write, random_pixels):
    for name in ("b.png", "a.png", "deep/c.png", ".hidden.png", "__MACOSX/d.png", "notes.txt"):
        write(f"photos/{name}", b"x" if name.endswith("txt") else random_pixels(0, 8, 8, 3))
    loaded = load(write("photos/labels.csv", b"x").parent)
    assert list(loaded.names) == ["a.png", "b.png", "deep/c.png"]
    assert not loaded.labelled and loaded.classes == () and set(loaded.labels) == {-1}
    assert available_splits(write("photos/x.txt", b"").parent) == ("train",)


def test_class_folders_are_sorted_and_agree_between_splits(load, write, random_pixels):
    layout = [
        "train/dog/1.png",
        "train/cat/2.png",
        "train/cat/3.png",
        "val/dog/4.png",
        "unlabelled/5.png",
    ]
    layout += ["Test/emu/6.png", "Test/dog/7.png", "logo.png"]
    for number, name in enumerate(layout):
        folder = write(f"pets/{name}", random_pixels(number, 8, 8, 3))
    folder = folder.parent
    assert available_splits(folder) == ("train", "test", "validation", "unlabeled")
    assert "1 file left out (1 beside the splits)" in load(folder).summary
    expected = {"train": [0, 0, 1], "val": [1], "test": [1, 2], "unlabeled": [-1]}  # cat, dog, emu
    for split, labels in expected.items():
        loaded = load(folder, split=split)
        assert (loaded.classes, loaded.labels.tolist()) == (("cat", "dog", "emu"), labels)
    assert load(folder, split="test").names[0] == "Test/dog/7.png"


def test_classes_may_be_called_like_a_split(load, write, random_pixels):
    for name in ("test/1.png", "cat/2.png", "dog/3.png"):
        folder = write(f"pets/{name}", random_pixels(0, 8, 8, 3)).parent.parent
    loaded = load(folder)
    assert available_splits(folder) == ("train",) and loaded.classes == ("cat", "dog", "test")


def test_linked_class_folders_are_followed_and_loops_are_not(load, write, tmp_path, random_pixels):
    write("store/many/a.png", random_pixels(0, 8, 8, 3))
    folder = write("pets/cat/b.png", random_pixels(1, 8, 8, 3)).parent.parent
    (folder / "dog").symlink_to(tmp_path / "store" / "many")
    (folder / "cat" / "loop").symlink_to(folder)
    assert list(load(folder).names) == ["cat/b.png", "dog/a.png"]


def test_names_that_are_not_utf8_are_escaped(load, tmp_path, encode, random_pixels):
    (tmp_path / "odd").mkdir()
    name = os.fsdecode(b"caf\xe9.png")
    try:
        (tmp_path / "odd" / name).write_bytes(encode(random_pixels(0, 8, 8, 3)))
    except OSError:
        pytest.skip("this file system only takes UTF-8 names")
    assert list(load(tmp_path / "odd").names) == [r"caf\xe9.png"]


def test_a_source_knows_how_many_items_it_has(pets):
    (pets[0] / "x.txt").write_text("x")
    assert open_source(pets[0]).count("train") == 100


# ------------------------------------------------------------------------------------ folders as columns


def test_folders_of_equally_named_files_are_columns(load, write, random_pixels):
    for name in ("left/cat/0.png", "left/dog/1.png", "left/dog/3.png", "right/cat/0.png", "right/dog/1.png"):
        write(f"rooms/{name}", random_pixels(len(name), 8, 8, 3))
    (root := write("rooms/right/notes.txt", b"x").parent.parent)
    left, right = (load(root, column=name) for name in ("left", "right"))
    assert list(left.names) == ["cat/0.png", "dog/1.png", "dog/3.png"] and left.classes == ("cat", "dog")
    assert f"column left is the folder {root}/left" in str(left.reading)
    assert left.reading.left_out == {} and right.reading.left_out == {".txt": ("notes.txt",)}
    pairs = same_names(left, right)
    assert pairs.rows.tolist() == [[0, 0], [1, 1]]
    assert pairs.reading.left_out["without a partner"] == ("dog/3.png",)
    assert pairs.summary.startswith(
        f"2 pairs from {root} (split train), 2 classes from folder names (cat, dog)"
    )
    with pytest.raises(
        ValueError, match=r"got column 'lefd', expected none or a folder of it \(left, right\)"
    ):
        load(root, column="lefd")
