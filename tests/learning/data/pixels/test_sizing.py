"""The size at which a set is kept follows from the images, which is said."""

import numpy as np
import pytest
from PIL import Image

from infomax.learning.data.loading import load_images


def written(folder, shapes):
    for number, (height, width) in enumerate(shapes):
        Image.fromarray(np.full((height, width, 3), number, np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize(
    ("shapes", "side", "middle"),
    [
        ([(28, 28), (48, 200), (200, 48)], 32, "48"),
        ([(49, 200), (200, 60), (30, 30)], 96, "49"),
        ([(32, 32), (32, 40), (300, 400), (500, 600)], 96, "166"),
    ],
    ids=["small", "large", "half and half"],
)
def test_the_median_of_shorter_sides_decides(tmp_path, shapes, side, middle):
    images = load_images(written(tmp_path, shapes), size=None, cache=None, progress=False)
    assert images.values.shape == (len(shapes), side, side, 3)
    assert f"kept at {side} px, as the median of {len(shapes)} shorter sides is {middle} px" in str(
        images.reading
    )


def test_a_size_that_is_given_is_not_decided(tmp_path):
    images = load_images(written(tmp_path, [(28, 28), (28, 28)]), size=96, cache=None, progress=False)
    assert images.values.shape == (2, 96, 96, 3) and "median" not in str(images.reading)


@pytest.mark.parametrize(
    ("shapes", "size", "line"),
    [
        ([(40, 160), (40, 40)], 32, "up to 75 % is cut"),
        ([(30, 40), (40, 30)], None, "up to 25 % is cut"),
        ([(30, 40)], (48, 64), ""),
        ([(100, 101)], 32, ""),
    ],
)
def test_what_the_crop_leaves_out_is_said(tmp_path, shapes, size, line):
    images = load_images(written(tmp_path, shapes), size=size, cache=None, progress=False)
    said = [note for note in images.reading.notes if "the middle is kept" in note]
    assert [line in note for note in said] == [True] * bool(line)


def test_arrays_and_splits_decide_together():
    large = [np.zeros((64, 64, 3), np.uint8)] * 3
    small = [np.zeros((8, 8, 3), np.uint8)] * 2
    parts = {"train": small, "test": large}
    sizes = {
        split: load_images(parts, split=split, size=None, progress=False).values.shape[1:3] for split in parts
    }
    assert sizes == {"train": (96, 96), "test": (96, 96)}


def test_broken_images_do_not_decide(tmp_path):
    written(tmp_path, [(20, 20), (20, 30)])
    for number in range(3):
        (tmp_path / f"broken{number}.png").write_bytes(b"no image")
    images = load_images(tmp_path, size=None, skip_broken=True, cache=None, progress=False)
    assert images.values.shape == (2, 32, 32, 3) and "median of 2 shorter sides" in str(images.reading)
