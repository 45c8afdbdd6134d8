"""Python sequences of every form."""

from importlib import import_module

import numpy as np
import pytest
import torch
from PIL import Image

from infomax.learning.data import available_splits


def test_npy_files(load, tmp_path, random_pixels):
    pixels = random_pixels(0, 6, 8, 8, 3)
    np.save(tmp_path / "a.npy", pixels)
    np.testing.assert_array_equal(load(tmp_path / "a.npy").values, pixels)


class Pets(torch.utils.data.Dataset):
    """A map-style dataset as a user writes it, which opens files as it goes."""

    def __init__(self, kind, broken=None, count=6):
        self.kind, self.broken, self.count = kind, broken, count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index == self.broken:
            raise OSError("disk on fire")
        image = Image.new("RGB", (8, 8), (index, 0, 0))
        label = index % 2
        return {
            "image": image,
            "pair": (image, label),
            "tensor label": (image, torch.tensor(label)),
            "dict": {"image": image, "label": label},
            "words": (image, ["cat", "dog"][label]),
        }[self.kind]


@pytest.mark.parametrize(
    ("kind", "labels", "classes"),
    [
        ("image", [-1] * 6, ()),
        ("pair", [0, 1] * 3, ("0", "1")),
        ("tensor label", [0, 1] * 3, ("0", "1")),
        ("dict", [0, 1] * 3, ("0", "1")),
        ("words", [0, 1] * 3, ("cat", "dog")),
    ],
)
def test_map_style_datasets(load, kind, labels, classes):
    loaded = load(Pets(kind))
    assert loaded.values[:, 0, 0, 0].tolist() == list(range(6))
    assert (loaded.labels.tolist(), loaded.classes, loaded.names[2]) == (labels, classes, "Pets:2")


def test_an_item_that_raises_is_named(load):
    with pytest.raises(ValueError, match=r"Pets:3: disk on fire"):
        load(Pets("pair", broken=3))
    assert load(Pets("pair", broken=3), skip_broken=True).skipped == ("Pets:3: disk on fire",)


def test_a_mapping_holds_splits_that_share_their_classes(load):
    words = {"train": Pets("words"), "val": torch.utils.data.Subset(Pets("words"), [1, 3])}
    assert available_splits(words) == ("train", "validation")
    loaded = load(words, split="val")
    assert (loaded.labels.tolist(), loaded.classes) == ([1, 1], ("cat", "dog"))


def test_class_names_of_a_dataset_are_used(load):
    pets = Pets("pair")
    pets.classes = ["Katze", "Hund"]
    assert load(pets).classes == ("Katze", "Hund")


def test_a_list_of_paths_is_named_by_them(load, write, random_pixels):
    path = write("a.png", random_pixels(0, 8, 8, 3))
    assert list(load([path, str(path)]).names) == [str(path)] * 2


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_a_data_frame_is_its_rows(load, package):
    frames = import_module(package)
    pictures = [np.full((4, 4, 3), value, np.uint8) for value in (1, 2)]
    columns = {"image": pictures, "label": ["a", "b"]}
    frame = (
        frames.DataFrame(columns, schema_overrides={"image": frames.Object})
        if package == "polars"
        else (frames.DataFrame(columns))
    )
    images = load(frame)
    assert images.values[:, 0, 0, 0].tolist() == [1, 2]
    assert images.class_names(images.labels) == ["a", "b"]
