"""Tests of reading folders as people have them: splits, classes, odd files, and the line that says so."""

import os
import socket

import numpy as np
import pytest

from infomax.learning.data import available_splits, load_images
from infomax.learning.data.reading import Reading, listing_beside, together
from infomax.learning.data.sources import files
from infomax.learning.data.sources.layout import layout_of


@pytest.fixture
def photos(write, random_pixels):
    """Write images of these names below a folder; return it."""

    def _photos(folder, names):
        for number, name in enumerate(names):
            write(f"{folder}/{name}", random_pixels(number, 8, 8, 3))
        return write(f"{folder}/{names[0]}", random_pixels(0, 8, 8, 3)).parents[names[0].count("/")]

    return _photos


def test_a_class_may_be_called_train(load, photos):
    loaded = load(photos("vehicles", [f"{kind}/{i}.png" for kind in ("bus", "car", "train") for i in "12"]))
    assert (loaded.classes, loaded.labels.tolist()) == (("bus", "car", "train"), [0, 0, 1, 1, 2, 2])
    assert "3 classes from folder names (bus, car, train); train is a class, not a split" in loaded.summary


def test_no_folder_is_dropped_beside_one_called_train(load, photos):
    loaded = load(photos("ext", ["train/1.png", "extra/2.png"]))
    assert list(loaded.names) == ["extra/2.png", "train/1.png"] and loaded.classes == ("extra", "train")


@pytest.mark.parametrize("below", ["set", "a/b", "images"])
def test_a_set_within_a_folder_is_found_and_named(load, photos, below):
    folder = photos("nest", [f"{below}/{name}" for name in ("train/a/1.png", "train/b/2.png", "val/a/3.png")])
    assert available_splits(folder) == ("train", "validation")
    loaded = load(folder)
    assert len(loaded) == 2 and f"read from {below}, its only folder" in loaded.summary


def test_several_sets_are_refused_with_the_right_paths(load, photos):
    folder = photos("sets", ["x/train/1.png", "x/val/2.png", "y/train/3.png"])
    with pytest.raises(ValueError, match=rf"2 sets with splits of their own .*: {folder}/x, {folder}/y; or"):
        load(folder)
    assert load(folder, labels="folders").classes == ("x", "y")
    assert not load(folder, labels="none").labelled


GROWN = ["a.png", "b.png", "2026-05/camera A/c.png", "2026-06/d.png", "trip/day 2/e.png"]


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (GROWN, "because 2 lie beside the folders"),
        (GROWN[2:], "because they lie at unequal depths"),
        (["2026-05/a.png", "2026-06-01 Paris/b.png"], "because folder names are dates"),
        (["2024/a.png", "2025/b.png"], "because folder names are dates"),
        (["100CANON/a.png", "101CANON/b.png"], "because folder names are dates"),
    ],
)
def test_folders_that_are_no_classes_leave_images_unlabelled_unless_told(load, photos, names, why):
    folder = photos("grown", names)
    loaded = load(folder)
    assert not loaded.labelled and loaded.classes == () and f"unlabelled, {why}" in loaded.summary
    assert "--labels folders takes" in loaded.summary
    assert load(folder, labels="folders").classes == tuple(
        sorted({n.split("/")[0] for n in names if "/" in n})
    )


@pytest.mark.parametrize("names", [["images/cat/1.png", "images/dog/2.png"],
                                   ["train/images/cat/1.png", "train/images/dog/2.png", "test/images/cat/3"],
                                   ["train/cat/1.png", "train/dog/2.png", "test/3.png"]])  # fmt: skip
def test_classes_stand_below_a_folder_that_all_share(names):
    assert layout_of("root", names).classes == ("cat", "dog")


def test_all_splits_are_read_as_one_and_rows_know_theirs(load, photos, tmp_path):
    folder = photos("pets", ["train/a/1.png", "train/b/2.png", "test/b/3.png"])
    for cache in (None, tmp_path / "cache", tmp_path / "cache"):
        loaded = load(folder, split="all", cache=cache)
        assert list(loaded.splits) == ["train", "train", "test"] and loaded.labels.tolist() == [0, 1, 1]
        assert "3 images from" in loaded.summary and "(splits train 2, test 1)" in loaded.summary
    assert list(loaded.subset(np.array([2])).splits) == ["test"]
    assert loaded.reading.record["splits"] == {"train": 2, "test": 1}
    with pytest.raises(ValueError, match="no split 'val'; expected one of: train, test, or all"):
        load(folder, split="val")


@pytest.fixture
def odd(photos):
    """Three images beside files that cannot be opened, one that is broken, and some of other kinds."""
    folder = photos("odd", ["1.png", "2.png", "3.png"])
    os.mkfifo(folder / "pipe.png")
    (folder / "gone.png").symlink_to(folder / "nowhere")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "bad.png").write_bytes(b"junk")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket.png"))
    for number in range(4):
        (folder / f"{number}.nef").write_bytes(b"x")
    return folder


REASONS = {"pipe": "it is a pipe", "gone": "link to nothing", "loop": "Too many levels", "zero": "a device",
           "bad": "not an image", "socket": "it is a socket"}  # fmt: skip


def test_what_cannot_be_opened_costs_one_file_each(load, odd, tmp_path):
    with pytest.raises(ValueError, match=r"cannot decode an image of .*odd: bad.png.*--skip-broken"):
        load(odd)
    for cache in (None, tmp_path / "cache"):
        loaded = load(odd, skip_broken=True, cache=cache)
        assert list(loaded.names) == ["1.png", "2.png", "3.png"] and len(loaded.skipped) == 6
        assert all(REASONS[line.partition(".")[0]] in line for line in loaded.skipped)
    assert "10 files left out (4 .nef, 6 broken)" in loaded.summary


def test_paths_in_a_list_are_looked_at_before_they_are_opened(load, odd):
    loaded = load([str(odd / name) for name in ("1.png", "pipe.png", "zero.png")], skip_broken=True)
    assert len(loaded) == 1 and len(loaded.skipped) == 2


def test_what_was_left_out_is_listed_beside_the_result(load, odd, tmp_path, capsys):
    reading = load(odd, skip_broken=True).reading
    listing = listing_beside(tmp_path / "features.parquet")
    record = reading.tell(listing)
    lines = listing.read_text().splitlines()
    assert (lines[0], len(lines)) == ("name,kind,why", 11)
    assert 'pipe.png,broken,"it is a pipe, not a file"' in lines
    assert record["left_out"] == {".nef": 4, "broken": 6}
    assert capsys.readouterr().err.count("\n") == 1
    Reading("photos", "image", {"train": 3}, "unlabelled").tell(listing)
    assert not listing.exists()


def test_an_unreadable_folder_costs_that_folder(load, photos, monkeypatch):
    folder = photos("pets", ["a/1.png", "b/2.png", "locked/3.png"])
    scandir = os.scandir

    def _scandir(path):
        if str(path).rstrip("/").endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(files.os, "scandir", _scandir)
    with pytest.raises(ValueError, match=r"locked/: .*Permission denied"):
        load(folder)
    loaded = load(folder, skip_broken=True)
    assert len(loaded) == 2 and loaded.classes == ("a", "b") and loaded.skipped[0].startswith("locked/: ")


def test_what_systems_and_infomax_leave_is_no_data(load, photos, write, random_pixels):
    folder = photos("pets", ["1.png", "@eaDir/1.png/thumb.png", "__MACOSX/2.png", "run/views.png"])
    for name in ("Thumbs.db", ".DS_Store", "desktop.ini", "run/encoder.json"):
        write(f"pets/{name}", b"x")
    loaded = load(folder)
    assert list(loaded.names) == ["1.png"]
    assert "1 file left out (1 runs of infomax)" in loaded.summary


def test_results_are_refused_within_the_folder_of_the_data(load, photos, tmp_path):
    reading = load(photos("pets", ["1.png"])).reading
    with pytest.raises(ValueError, match=r"embed: .*e.parquet lies in the folder of the data, .*another"):
        reading.refuse_inside("embed", tmp_path / "pets" / "sub" / "e.parquet")
    reading.refuse_inside("embed", tmp_path / "e.parquet")


def test_formats_without_their_package_are_named_with_it(load, photos, write, monkeypatch):
    folder = photos("scans", ["1.png"])
    for number in range(20):
        write(f"scans/{number}.dcm", b"x")
    monkeypatch.setattr(files, "find_spec", lambda package: None)
    assert (
        "20 files left out (20 .dcm (needs pydicom: pip install 'infomax[formats]'))" in load(folder).summary
    )
    (folder / "1.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"none of them an image \(.dcm \(needs pydicom: pip install"):
        load(folder)


def test_arrays_in_npz_files(load, tmp_path, random_pixels):
    pixels = random_pixels(0, 5, 8, 8, 3)
    arrays = {
        "train_images": pixels[:3],
        "train_labels": np.array([[0], [1], [1]]),
        "test_images": pixels[3:],
    }
    np.savez(tmp_path / "set.npz", **arrays)
    loaded = load(tmp_path / "set.npz")
    np.testing.assert_array_equal(loaded.values, pixels[:3])
    assert loaded.labels.tolist() == [0, 1, 1] and len(load(tmp_path / "set.npz", split="test")) == 2
    (tmp_path / "each").mkdir()
    for number, one in enumerate(pixels):
        np.savez(tmp_path / "each" / f"{number}.npz", one)
    np.testing.assert_array_equal(load(tmp_path / "each").values, pixels)
    np.savez(tmp_path / "other.npz", a=pixels, b=pixels)
    with pytest.raises(ValueError, match="holds the arrays a, b, expected one called images"):
        load(tmp_path / "other.npz")


def test_readings_of_two_splits_are_told_as_one(load, photos):
    folder = photos("pets", ["train/a/1.png", "train/b/2.png", "test/b/3.png", "logo.png"])
    both = together(load(folder).reading, load(folder, split="test").reading)
    assert str(both).startswith(f"3 images from {folder} (splits train 2, test 1), 2 classes from folder")
    assert str(both).count("1 file left out (1 beside the splits)") == 1


def test_labels_do_not_change_what_is_decoded(photos, tmp_path, monkeypatch):
    folder = photos("pets", ["a/1.png", "b/2.png"])
    cache = tmp_path / "cache"
    with_labels = load_images(folder, size=8, cache=cache, progress=False)
    without = load_images(folder, size=8, cache=cache, labels="none", progress=False)
    assert len([*cache.glob("*/meta.json")]) == 1
    assert with_labels.labelled and not without.labelled and with_labels.fingerprint != without.fingerprint
