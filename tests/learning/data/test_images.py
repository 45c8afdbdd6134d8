import io
import json
import os
import struct
import subprocess
import sys
import tarfile
import tracemalloc
import warnings
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.datasets import load_digits

from infomax.learning.data import images as module
from infomax.learning.data.images import Images, available_splits, decode_image, load_images
from infomax.learning.data.sources import Folder, open_source


def load(source, **options):
    """`load_images` without bar and cache unless asked for."""
    return load_images(source, **{"size": 8, "cache": None, "progress": False, **options})


def one_pixel(image, **options) -> list[int]:
    """The centre pixel of one image given as bytes, array, ..."""
    return load([image], **options).pixels[0, 4, 4].tolist()


# --- built in ---------------------------------------------------------------------------------------------


def test_digits_are_scikit_learns_in_a_stratified_split_that_leaks_nothing():
    train, test = (load("digits", split=split, size=8, channels=1) for split in ("train", "test"))
    assert (len(train), len(test)) == (1347, 450)
    assert train.classes == test.classes == tuple("0123456789")
    assert not set(train.names) & set(test.names)
    digits = load_digits()
    together = np.concatenate([train.pixels, test.pixels])[..., 0]
    expected = np.round(digits.images * 255 / 16).astype(np.uint8)
    np.testing.assert_array_equal(*(np.sort(x.reshape(1797, 64), axis=0) for x in (together, expected)))
    shares = [np.bincount(images.labels) / len(images) for images in (train, test)]
    np.testing.assert_allclose(*shares, atol=2 / 450)


def test_small_grey_digits_are_enlarged_smoothly_to_colour():
    small, large = load("digits", split="test", channels=1), load("digits", split="test", size=32)
    assert large.pixels.shape == (450, 32, 32, 3)
    assert (large.pixels == large.pixels[..., :1]).all()
    blocks = large.pixels[..., 0].reshape(450, 8, 4, 8, 4).mean((2, 4))
    assert np.abs(blocks - small.pixels[..., 0]).mean() < 12
    assert len(np.unique(large.pixels)) > 100  # interpolated: the originals have 17 grey values


def test_photographs_are_colour_patches_whose_splits_do_not_overlap():
    train, test = (load("photographs", split=split, size=64) for split in ("train", "test"))
    assert train.classes == ("china", "flower") and set(train.labels) == {0, 1}
    assert (train.pixels[..., 0] != train.pixels[..., 2]).any()
    assert len(train) > 1000 and len(test) > 300
    rows = {row.tobytes() for image in train.pixels for row in image}
    shared = [row for image in test.pixels for row in image if row.tobytes() in rows and np.ptp(row) > 8]
    assert not shared


# --- Images -----------------------------------------------------------------------------------------------


@pytest.fixture
def few() -> Images:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3), dtype=np.uint8)
    return Images(pixels, np.array([0, 1, -1, 1, 0]), list("abcde"), ("x", "y"))


@pytest.mark.parametrize(
    "indices", [np.array([3, 0, 3]), slice(1, 4), slice(None, None, 2), np.array([], int)]
)
def test_a_batch_is_the_pixels_in_channels_last_format(few, indices):
    batch = few.batch(indices)
    np.testing.assert_array_equal(batch.permute(0, 2, 3, 1).numpy(), few.pixels[indices])
    assert batch.dtype == torch.uint8 and batch.permute(0, 2, 3, 1).is_contiguous()


def test_changing_a_batch_does_not_change_the_images(few):
    before = few.pixels.copy()
    few.batch(slice(0, 5)).zero_()
    np.testing.assert_array_equal(few.pixels, before)


def test_a_subset_keeps_pixels_labels_and_names_together(few):
    subset = few.subset(np.array([4, 2]))
    np.testing.assert_array_equal(subset.pixels, few.pixels[[4, 2]])
    assert (list(subset.names), subset.labels.tolist(), subset.classes) == (["e", "c"], [0, -1], ("x", "y"))
    assert few.subset(slice(2, 3)).labelled is False and few.labelled is True


def test_the_fingerprint_depends_on_content_only(few):
    same = Images(few.pixels.copy(), few.labels.copy(), list("vwxyz"), few.classes)
    assert few.fingerprint == same.fingerprint
    pixels = few.pixels.copy()
    pixels[4, 3, 5, 2] ^= 1
    changed = [
        Images(pixels, few.labels, few.names, few.classes),
        Images(few.pixels, np.roll(few.labels, 1), few.names, few.classes),
        Images(few.pixels, few.labels, few.names, ("x", "z")),
        Images(few.pixels.reshape(5, 6, 4, 3), few.labels, few.names, few.classes),
    ]
    assert len({few.fingerprint, *(images.fingerprint for images in changed)}) == 5


def test_a_loaded_fingerprint_is_the_one_computed_from_the_pixels():
    loaded = load("digits", split="test")
    plain = Images(loaded.pixels, loaded.labels, loaded.names, loaded.classes)
    assert loaded.fingerprint == plain.fingerprint


def test_images_must_have_as_many_labels_as_pixels(few):
    with pytest.raises(
        ValueError, match=r"Images: received 5 images, 5 labels, 2 names; expected as many of each"
    ):
        Images(few.pixels, few.labels, ["a", "b"], ())


# --- fitting to the size ----------------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]), st.integers(0, 99))
def test_an_image_of_the_right_size_is_kept_bit_for_bit(height, width, channels, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    np.testing.assert_array_equal(decode_image(pixels, size=(height, width), channels=channels), pixels)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 20), st.integers(1, 20), st.integers(0, 255))
def test_a_constant_image_stays_constant_at_any_size(height, width, to_height, to_width, value):
    fitted = decode_image(np.full((height, width), value, np.uint8), size=(to_height, to_width), channels=1)
    assert fitted.shape == (to_height, to_width, 1) and (fitted == value).all()


def test_an_image_covers_the_size_and_is_cropped_in_the_centre():
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, 8:16] = 255
    assert (decode_image(wide, size=(8, 8)) == 255).all()
    assert (decode_image(wide.transpose(1, 0, 2), size=(8, 8)) == 255).all()
    assert decode_image(wide, size=(4, 12)).shape == (4, 12, 3)


def test_shrinking_is_antialiased():
    checkerboard = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    fitted = decode_image(checkerboard, size=(8, 8), channels=1).astype(int)
    assert np.abs(fitted - 127).max() <= 4


def test_a_large_jpeg_read_at_reduced_scale_looks_like_the_full_one(encode):
    ramp = np.linspace(0, 255, 1600)
    data = encode(np.stack([np.add.outer(ramp, ramp) / 2] * 3, -1).astype(np.uint8), "JPEG", quality=95)
    full = Image.open(io.BytesIO(data)).resize((32, 32), Image.Resampling.BICUBIC)
    assert np.abs(decode_image(data, size=(32, 32)).astype(int) - np.asarray(full, int)).max() <= 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, r"load_images: size must be at least 1 pixel, got 0; give a side or \(height, width\)"),
        (
            {"channels": 0},
            r"load_images: channels must be at least 1, got 0; give 3 \(colour\), 1 \(grey\), or",
        ),
    ],
)
def test_impossible_sizes_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        load("digits", **options)


# --- kinds of image ---------------------------------------------------------------------------------------


def test_grey_becomes_equal_channels_and_colour_becomes_luma():
    assert one_pixel(np.full((8, 8), 77, np.uint8)) == [77, 77, 77]
    luma = one_pixel(np.full((8, 8, 3), [200, 100, 50], np.uint8), channels=1)
    assert luma == [pytest.approx(0.299 * 200 + 0.587 * 100 + 0.114 * 50, abs=1)]


def test_cmyk_is_converted(write):
    path = write("a/cmyk.jpg", Image.new("CMYK", (8, 8), (0, 255, 255, 0)), quality=95)
    red, green, blue = one_pixel(path)
    assert red > 240 and green < 15 and blue < 15


def test_transparency_is_laid_on_white(encode):
    half = Image.new("RGBA", (8, 8), (255, 0, 0, 128))
    assert one_pixel(encode(half)) == [255, 127, 127]
    assert one_pixel(encode(Image.new("LA", (8, 8), (0, 0)))) == [255, 255, 255]


def test_a_palette_is_resolved_and_its_transparent_colour_is_white(encode):
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 10, 200, 30])
    assert one_pixel(encode(palette)) == [10, 200, 30]
    assert one_pixel(encode(palette, transparency=1)) == [255, 255, 255]


def test_sixteen_bit_grey_is_scaled_not_clipped(encode):
    values = np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16)
    for data in (encode(values, "PNG"), encode(values, "TIFF"), values):
        decoded = load([data], channels=1).pixels[0, ..., 0]
        np.testing.assert_array_equal(decoded, np.round(values / 257))


def test_32_bit_integers_and_floats_are_scaled_if_their_range_is_known(encode):
    assert one_pixel(encode(np.full((8, 8), 65535, np.int32), "TIFF")) == [255] * 3
    assert one_pixel(encode(np.full((8, 8), 0.5, np.float32), "TIFF")) == [128] * 3
    with pytest.raises(ValueError, match=r"32-bit values from -1 to -1, expected 0 to 65535"):
        one_pixel(encode(np.full((8, 8), -1, np.int32), "TIFF"))


def test_one_bit_images_are_black_and_white(encode):
    assert one_pixel(encode(Image.new("1", (8, 8), 1))) == [255] * 3


def test_orientation_tags_are_applied(encode):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side
    stored = np.zeros((8, 8, 3), np.uint8)
    stored[:, :4] = 255  # the left half of the file is the upper half of the picture
    decoded = load([encode(Image.fromarray(stored), exif=exif.tobytes())]).pixels[0]
    np.testing.assert_array_equal(decoded, np.rot90(stored, -1))


@pytest.mark.parametrize("fmt", ["GIF", "PNG", "WEBP"])
def test_the_first_frame_of_an_animation_is_taken(encode, fmt):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if fmt == "WEBP" else {}
    assert one_pixel(encode(frames[0], fmt, save_all=True, append_images=frames[1:], **options)) == [
        255,
        0,
        0,
    ]


def test_lossless_files_keep_their_pixels(write, random_pixels):
    pixels = random_pixels(0, 8, 8, 3)
    for name, options in [
        ("a.png", {}),
        ("b.webp", {"lossless": True}),
        ("c.bmp", {}),
        ("d.tif", {}),
        ("e.ppm", {}),
    ]:
        write(f"files/{name}", pixels, **options)
    loaded = load(write("files/f.png", pixels).parent)
    assert len(loaded) == 6 and (loaded.pixels == pixels).all()


def test_arrays_and_tensors_of_any_layout_and_type(random_pixels):
    pixels = random_pixels(1, 8, 8, 3)
    chw = torch.from_numpy(pixels).permute(2, 0, 1)
    same = [
        pixels,
        pixels.transpose(2, 0, 1),
        chw,
        chw / 255,
        Image.fromarray(pixels),
        pixels / 255,
        pixels.astype(int),
    ]
    assert (load(same).pixels == pixels).all()
    grey = random_pixels(2, 8, 8)
    assert (load([grey, grey[None], torch.from_numpy(grey)], channels=1).pixels[..., 0] == grey).all()
    assert one_pixel(np.ones((8, 8), bool)) == [255] * 3


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (
            np.zeros((8, 8, 5), np.uint8),
            r"received an array \[8, 8, 5\], expected \[h, w\], \[h, w, c\] or \[c, h, w\]",
        ),
        (
            np.full((8, 8), -1.5),
            r"received float64 values from -1.5 to -1.5, expected 0 to 1; give the pixels before",
        ),
        (np.full((8, 8), 300), r"received int64 values from 300 to 300, expected 0 to 255"),
        (np.full((8, 8), np.nan), r"received float64 values from nan to nan, expected 0 to 1"),
    ],
)
def test_arrays_that_are_no_images_are_refused(array, message):
    with pytest.raises(ValueError, match=message):
        load([array])


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_arrays_of_any_number_of_channels_keep_their_pixels(random_pixels, channels):
    pixels = random_pixels(0, 8, 8, channels)
    same = [
        pixels,
        pixels.transpose(2, 0, 1),
        pixels / 255,
        torch.from_numpy(pixels),
        {"image": pixels.tolist()},
    ]
    loaded = load(same, channels=channels)
    assert loaded.pixels.shape == (5, 8, 8, channels) and (loaded.pixels == pixels).all()


def test_other_channels_are_scaled_one_by_one_as_grey_is(random_pixels):
    pixels = random_pixels(0, 30, 50, 5)
    scaled = load([pixels], channels=5, size=(12, 16)).pixels[0]
    for channel in range(5):
        alone = load([pixels[..., channel]], channels=1, size=(12, 16)).pixels[0]
        np.testing.assert_array_equal(scaled[..., channel], alone[..., 0])


def test_another_number_of_channels_is_refused(write, random_pixels):
    with pytest.raises(ValueError, match=r"list:0: received an array \[8, 8, 4\], expected \[h, w, 5\] or"):
        load([random_pixels(0, 8, 8, 4)], channels=5)
    with pytest.raises(ValueError, match=r"received a picture, which has 1 or 3 channels, expected an array"):
        load(write("a/a.png", random_pixels(0, 8, 8, 3)).parent, channels=4)


def test_folders_of_arrays_have_classes_and_splits(tmp_path, random_pixels):
    pixels = random_pixels(0, 4, 8, 8, 5)
    for index, name in enumerate(("train/a/0", "train/a/1", "train/b/2", "test/b/3")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / f"{name}.npy", pixels[index])
    loaded = load(tmp_path, channels=5)
    np.testing.assert_array_equal(loaded.pixels, pixels[:3])
    assert (loaded.classes, loaded.labels.tolist()) == (("a", "b"), [0, 0, 1])
    assert list(load(tmp_path, channels=5, split="test").names) == ["test/b/3.npy"]


def test_webdataset_fields_may_be_arrays(tmp_path, random_pixels):
    pixels, members = random_pixels(0, 3, 8, 8, 2), {}
    for index, image in enumerate(pixels):
        file = io.BytesIO()
        np.save(file, image)
        members |= {f"{index}.npy": file.getvalue(), f"{index}.cls": b"%d" % index}
    write_tar(tmp_path / "a.tar", members)
    loaded = load(tmp_path, column="npy", channels=2)
    np.testing.assert_array_equal(loaded.pixels, pixels)
    assert loaded.labels.tolist() == [0, 1, 2]


# --- broken images ----------------------------------------------------------------------------------------


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header promises a huge image."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def broken_files(encode) -> dict[str, tuple[bytes, str]]:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return {
        "empty.png": (b"", "the file is empty \\(0 bytes\\)"),
        "text.jpg": (b"this is not an image at all", "not an image in a format that Pillow reads"),
        "cut.png": (encode(noise)[:2000], "truncated|broken"),
        "cut.jpg": (encode(noise, "JPEG")[:1000], "truncated"),
        "cut.webp": (encode(noise, "WEBP")[:300], "."),
        "flipped.png": (encode(noise)[:100] + b"\xff" * 900 + encode(noise)[1000:], "."),
        "bomb.png": (png_of_size(40_000, 40_000), "exceeds limit of .* pixels.*decompression bomb"),
        "script.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not an image in a format"),
    }


@pytest.mark.parametrize("name", sorted(broken_files(lambda *a, **k: b"")))
def test_a_broken_file_is_named_with_the_reason_and_the_remedy(write, encode, random_pixels, name):
    content, why = broken_files(encode)[name]
    write("photos/cats/a.png", random_pixels(0, 8, 8, 3))
    folder = write(f"photos/cats/{name}", content).parent.parent
    with pytest.raises(
        ValueError, match=rf"load_images: cannot decode an image of .*photos: cats/{name}: .*{why}"
    ) as error:
        load(folder)
    assert "repair or remove it, or leave broken images out with --skip-broken" in str(error.value)


def test_skip_broken_leaves_out_counts_and_lists(write, encode, random_pixels):
    for name, (content, _) in broken_files(encode).items():
        write(f"photos/{name}", content)
    for number in range(70):
        folder = write(f"photos/good{number:02d}.png", random_pixels(number, 8, 8, 3)).parent
    loaded = load(folder, skip_broken=True)
    assert len(loaded) == 70 and len(loaded.skipped) == 8
    assert sorted(line.split(": ")[0] for line in loaded.skipped) == sorted(broken_files(encode))
    expected = [random_pixels(number, 8, 8, 3) for number in range(70)]
    np.testing.assert_array_equal(loaded.pixels, expected)
    assert list(loaded.names) == [f"good{number:02d}.png" for number in range(70)]


def test_nothing_but_broken_images_is_an_error(write):
    folder = write("photos/a.png", b"nonsense").parent
    with pytest.raises(
        ValueError, match=r"all 1 images are broken \(first: a.png: .*\); expected at least one image"
    ):
        load(folder, skip_broken=True)


# --- folders ----------------------------------------------------------------------------------------------


def test_a_plain_folder_is_unlabelled_and_sorted(write, random_pixels):
    for name in ("b.png", "a.png", "deep/c.png", ".hidden.png", "__MACOSX/d.png", "notes.txt"):
        write(f"photos/{name}", b"x" if name.endswith("txt") else random_pixels(0, 8, 8, 3))
    loaded = load(write("photos/labels.csv", b"x").parent)
    assert list(loaded.names) == ["a.png", "b.png", "deep/c.png"]
    assert not loaded.labelled and loaded.classes == () and set(loaded.labels) == {-1}
    assert available_splits(write("photos/x.txt", b"").parent) == ("train",)


def test_class_folders_are_sorted_and_agree_between_splits(write, random_pixels):
    layout = [
        "train/dog/1.png",
        "train/cat/2.png",
        "train/cat/deep/3.png",
        "val/dog/4.png",
        "unlabelled/5.png",
    ]
    layout += ["Test/emu/6.png", "Test/dog/7.png", "logo.png"]
    for number, name in enumerate(layout):
        folder = write(f"pets/{name}", random_pixels(number, 8, 8, 3))
    folder = folder.parent
    assert available_splits(folder) == ("train", "test", "validation", "unlabeled")
    expected = {"train": [0, 0, 1], "val": [1], "test": [1, 2], "unlabeled": [-1]}  # cat, dog, emu
    for split, labels in expected.items():
        loaded = load(folder, split=split)
        assert (loaded.classes, loaded.labels.tolist()) == (("cat", "dog", "emu"), labels)
    assert load(folder, split="test").names[0] == "Test/dog/7.png"


def test_classes_may_be_called_like_a_split(write, random_pixels):
    for name in ("test/1.png", "cat/2.png", "dog/3.png"):
        folder = write(f"pets/{name}", random_pixels(0, 8, 8, 3)).parent.parent
    loaded = load(folder)
    assert available_splits(folder) == ("train",) and loaded.classes == ("cat", "dog", "test")


def test_linked_class_folders_are_followed_and_loops_are_not(write, tmp_path, random_pixels):
    write("store/many/a.png", random_pixels(0, 8, 8, 3))
    folder = write("pets/cat/b.png", random_pixels(1, 8, 8, 3)).parent.parent
    (folder / "dog").symlink_to(tmp_path / "store" / "many")
    (folder / "cat" / "loop").symlink_to(folder)
    assert list(load(folder).names) == ["cat/b.png", "dog/a.png"]


def test_names_that_are_not_utf8_are_escaped(tmp_path, encode, random_pixels):
    (tmp_path / "odd").mkdir()
    name = os.fsdecode(b"caf\xe9.png")
    try:
        (tmp_path / "odd" / name).write_bytes(encode(random_pixels(0, 8, 8, 3)))
    except OSError:
        pytest.skip("this file system only takes UTF-8 names")
    assert list(load(tmp_path / "odd").names) == [r"caf\xe9.png"]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda p: p,
            FileNotFoundError,
            r"load_images: .* holds no files at all; expected image files .*; give another",
        ),
        (
            lambda p: (p / "a.txt").write_text("x"),
            FileNotFoundError,
            r"holds 1 files, none of them an image \(.txt\); expected image files",
        ),
        (
            lambda p: ((p / "a.png").write_text("x"), (p / "b.parquet").write_text("x")),
            ValueError,
            r"holds both image files \(such as a.png\) and tables \(such as b.parquet\), expected one kind",
        ),
    ],
)
def test_folders_of_something_else(tmp_path, make, error, message):
    (tmp_path / "it").mkdir()
    make(tmp_path / "it")
    with pytest.raises(error, match=message):
        load(tmp_path / "it")


def test_a_missing_folder_suggests_a_near_name(write, tmp_path):
    write("photographs/a.png", b"x")
    with pytest.raises(
        FileNotFoundError, match=r"photograps does not exist; expected .*did you mean .*/photographs\?"
    ):
        load(tmp_path / "photograps")
    with pytest.raises(
        FileNotFoundError, match=r"load_images: digit does not exist; .*did you mean digits\?"
    ):
        load("digit")
    with pytest.raises(FileNotFoundError, match=r"/nowhere/qqq does not exist; .*; check the path"):
        load("/nowhere/qqq")


def test_an_unknown_split_lists_those_there_are():
    with pytest.raises(
        ValueError, match=r"load_images: digits has no split 'dev'; expected one of: train, test"
    ):
        load("digits", split="dev")


def test_a_file_that_holds_no_table_is_refused(write, random_pixels):
    with pytest.raises(
        ValueError, match=r"received the file .*a.png, expected a .parquet, .*; give the folder of the"
    ):
        load(write("one/a.png", random_pixels(0, 8, 8, 3)))


# --- tables -----------------------------------------------------------------------------------------------


def table(encode, count=5, labels=None, column="image", seed=0, **metadata) -> tuple[pa.Table, np.ndarray]:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    columns = {column: [{"bytes": encode(image), "path": None} for image in pixels]}
    columns |= {"label": labels} if labels is not None else {}
    made = pa.table({**columns, "caption": ["words"] * count})
    return made.replace_schema_metadata({"huggingface": json.dumps(metadata)}) if metadata else made, pixels


def class_labels(names: list[str]) -> dict:
    features = {
        "image": {"_type": "Image"},
        "label": {"names": names, "_type": "ClassLabel"},
        "caption": {"dtype": "string", "_type": "Value"},
    }
    return {"info": {"features": features}}


def write_arrow(made: pa.Table, path) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, made.schema) as writer:
        writer.write_table(made)


@pytest.mark.parametrize("column", ["image", "img", "jpg"])
def test_parquet_shards_with_class_names(tmp_path, encode, column):
    info = class_labels(["cat", "dog"])
    info["info"]["features"][column] = info["info"]["features"].pop("image")
    first, a = table(encode, 5, [0, 1, 0, 1, -1], column, **info)
    second, b = table(encode, 3, [1, 1, 1], column, seed=1, **info)
    pq.write_table(first, tmp_path / "train-00000-of-00002.parquet", row_group_size=2)
    pq.write_table(second, tmp_path / "train-00001-of-00002.parquet")
    pq.write_table(second, tmp_path / "extra-00000-of-00001.parquet")
    loaded = load(tmp_path)
    np.testing.assert_array_equal(loaded.pixels, np.concatenate([a, b]))
    assert loaded.labels.tolist() == [0, 1, 0, 1, -1, 1, 1, 1] and loaded.classes == ("cat", "dog")
    assert (loaded.names[1], loaded.names[5]) == (
        "train-00000-of-00002.parquet:1",
        "train-00001-of-00002.parquet:0",
    )
    assert available_splits(tmp_path) == ("train", "extra")


def test_arrow_files_in_both_layouts(tmp_path, encode):
    made, pixels = table(encode, labels=[0, 1, 2, 1, 0])
    write_arrow(made, tmp_path / "stream.arrow")
    with pa.OSFile(str(tmp_path / "file.arrow"), "wb") as file, pa.ipc.new_file(file, made.schema) as writer:
        writer.write_table(made)
    for name in ("stream.arrow", "file.arrow"):
        loaded = load(tmp_path / name)
        np.testing.assert_array_equal(loaded.pixels, pixels)
        assert loaded.labels.tolist() == [0, 1, 2, 1, 0] and loaded.classes == ("0", "1", "2")


def test_a_column_of_plain_bytes_is_read(tmp_path, encode, random_pixels):
    pixels = random_pixels(0, 8, 8, 3)
    pq.write_table(pa.table({"image": [encode(pixels)], "class": [None]}), tmp_path / "a.parquet")
    loaded = load(tmp_path / "a.parquet")
    assert (loaded.pixels == pixels).all() and loaded.labels.tolist() == [-1]


def test_labels_in_words_mean_the_same_in_every_split(tmp_path, encode):
    pq.write_table(table(encode, 4, ["dog", "emu", None, "cat"])[0], tmp_path / "train.parquet")
    pq.write_table(table(encode, 2, ["emu", "dog"])[0], tmp_path / "test.parquet")
    train, test = (load(tmp_path, split=split) for split in ("train", "test"))
    assert train.classes == test.classes == ("cat", "dog", "emu")
    assert (train.labels.tolist(), test.labels.tolist()) == ([1, 2, -1, 0], [2, 1])


def test_a_split_without_a_label_column_is_unlabelled(tmp_path, encode):
    pq.write_table(table(encode, 2, [0, 1])[0], tmp_path / "train.parquet")
    pq.write_table(table(encode, 3)[0], tmp_path / "unlabeled.parquet")
    assert load(tmp_path).labelled and not load(tmp_path, split="unlabeled").labelled


def test_splits_that_name_their_classes_differently_are_refused(tmp_path, encode):
    for split, names in [("train", ["cat", "dog"]), ("test", ["dog", "cat"])]:
        pq.write_table(table(encode, 2, [0, 1], **class_labels(names))[0], tmp_path / f"{split}.parquet")
    with pytest.raises(
        ValueError, match=r"name their classes differently \(train: cat, dog; test: dog, cat\), expected"
    ):
        load(tmp_path)


def test_splits_that_mix_words_and_numbers_are_refused(tmp_path, encode):
    pq.write_table(table(encode, 2, [0, 1])[0], tmp_path / "train.parquet")
    pq.write_table(table(encode, 2, ["a", "b"])[0], tmp_path / "test.parquet")
    with pytest.raises(
        ValueError, match=r"are text in some splits and numbers in others .*write them again as text"
    ):
        load(tmp_path)


@pytest.mark.parametrize(("labels", "what"), [([0, 7], "7"), ([0.5, 0], "0.5"), ([0, -3], "-3")])
def test_labels_out_of_range_are_refused_even_when_skipping_broken_images(tmp_path, encode, labels, what):
    info = class_labels(["cat", "dog"]) if what == "7" else {}
    pq.write_table(table(encode, 2, labels, **info)[0], tmp_path / "a.parquet")
    with pytest.raises(
        ValueError, match=rf"load_images: a.parquet:\d has the label {what}.*, expected .*; correct or"
    ):
        load(tmp_path, skip_broken=True)


def test_without_an_image_column_the_columns_are_listed(tmp_path):
    pq.write_table(pa.table({"age": [1], "height": [2]}), tmp_path / "a.parquet")
    with pytest.raises(
        ValueError, match=r"a.parquet has no image column, it has: age, height; expected .*; rename"
    ):
        load(tmp_path)


def test_a_broken_row_is_named(tmp_path, encode):
    made, _ = table(encode, 3)
    rows = made.to_pylist()
    rows[1]["image"]["bytes"], rows[2]["image"] = b"junk", None
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"a.parquet:1: it is not an image"):
        load(tmp_path)
    skipped = load(tmp_path, skip_broken=True).skipped
    assert [line.split(": ")[0] for line in skipped] == ["a.parquet:1", "a.parquet:2"]
    assert "there is no image (null)" in skipped[1]


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "tar"])
def test_a_table_that_cannot_be_read_is_named(tmp_path, suffix):
    (tmp_path / f"a.{suffix}").write_bytes(b"not a table" * 100)
    with pytest.raises(
        ValueError, match=rf"load_images: cannot read a.{suffix}: .*copy or download it again"
    ):
        load(tmp_path)


def test_a_truncated_parquet_file_is_named(tmp_path, encode):
    pq.write_table(table(encode, 50)[0], tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"load_images: cannot read a.parquet: "):
        load(tmp_path)


def write_tar(path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def test_webdataset_archives_with_mixed_formats(tmp_path, encode, random_pixels):
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
    np.testing.assert_array_equal(loaded.pixels, pixels)
    assert loaded.labels.tolist() == list(range(12)) and loaded.names[3] == "pets-train-0000.tar:0003"


def test_webdataset_labels_in_json_and_a_broken_member(tmp_path, encode, random_pixels):
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


def test_an_archive_without_images_says_so(tmp_path):
    write_tar(tmp_path / "a.tar", {"a.txt": b"words"})
    with pytest.raises(ValueError, match=r"cannot read a.tar: it has no images"):
        load(tmp_path)


def test_npy_files(tmp_path, random_pixels):
    pixels = random_pixels(0, 6, 8, 8, 3)
    np.save(tmp_path / "a.npy", pixels)
    np.testing.assert_array_equal(load(tmp_path / "a.npy").pixels, pixels)


# --- the hub ----------------------------------------------------------------------------------------------


@pytest.fixture
def hub(monkeypatch, tmp_path, encode):
    """A stand-in for the network: the hub serves one data set from local files and notes what it is asked."""
    import datasets
    import huggingface_hub

    pq.write_table(
        table(encode, 4, [0, 1, 1, 0], **class_labels(["cat", "dog"]))[0], tmp_path / "train.parquet"
    )
    pq.write_table(table(encode, 2, [1, 0], **class_labels(["cat", "dog"]))[0], tmp_path / "val.parquet")
    asked, real = [], datasets.load_dataset

    def load_dataset(name, *args, **options):
        if name == "parquet":
            return real(name, *args, **options)
        asked.append((name, *args, options))
        files = {split: str(tmp_path / f"{split}.parquet") for split in ("train", "val")}
        return real("parquet", data_files=files, streaming=options["streaming"])

    def dataset_info(name, revision=None):
        if name == "owner/missing":
            raise ConnectionError("offline")
        return huggingface_hub.hf_api.DatasetInfo(id=name, sha=revision or "c0ffee", tags=[], disabled=False)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    monkeypatch.setattr(huggingface_hub, "dataset_info", dataset_info)
    return asked


@pytest.mark.parametrize("source", ["hf:owner/pets:small@main", "owner/pets:small@main"])
def test_a_hub_name_is_streamed_at_a_fixed_commit(hub, source, tmp_path):
    assert available_splits(source) == ("train", "validation")
    loaded = load(source, split="val", cache=tmp_path / "cache")
    assert (loaded.labels.tolist(), loaded.classes) == ([1, 0], ("cat", "dog"))
    assert hub[0] == ("owner/pets", "small", {"revision": "main", "streaming": True})
    again = load(source, split="val", cache=tmp_path / "cache")
    assert (
        again.fingerprint == loaded.fingerprint and len(list((tmp_path / "cache").glob("*/meta.json"))) == 1
    )


def test_an_unreachable_hub_is_explained(hub):
    with pytest.raises(
        ValueError, match=r"cannot open hf:owner/missing on the Hugging Face hub: offline; expected the"
    ):
        load("hf:owner/missing")
    with pytest.raises(
        ValueError, match=r"received 'hf:a/b/c/d', expected hf:owner/name\[:configuration\]\[@revision\]"
    ):
        load("hf:a/b/c/d")


# --- Python objects ---------------------------------------------------------------------------------------


class Pets(torch.utils.data.Dataset):
    """What a user writes: a map-style data set that opens files as it goes."""

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
def test_map_style_datasets(kind, labels, classes):
    loaded = load(Pets(kind))
    assert loaded.pixels[:, 0, 0, 0].tolist() == list(range(6))
    assert (loaded.labels.tolist(), loaded.classes, loaded.names[2]) == (labels, classes, "Pets:2")


def test_an_item_that_raises_is_named():
    with pytest.raises(ValueError, match=r"Pets:3: disk on fire"):
        load(Pets("pair", broken=3))
    assert load(Pets("pair", broken=3), skip_broken=True).skipped == ("Pets:3: disk on fire",)


def test_a_mapping_holds_splits_that_share_their_classes():
    words = {"train": Pets("words"), "val": torch.utils.data.Subset(Pets("words"), [1, 3])}
    assert available_splits(words) == ("train", "validation")
    loaded = load(words, split="val")
    assert (loaded.labels.tolist(), loaded.classes) == ([1, 1], ("cat", "dog"))


def test_class_names_of_a_dataset_are_used():
    pets = Pets("pair")
    pets.classes = ["Katze", "Hund"]
    assert load(pets).classes == ("Katze", "Hund")


def test_a_list_of_paths_is_named_by_them(write, random_pixels):
    path = write("a.png", random_pixels(0, 8, 8, 3))
    assert list(load([path, str(path)]).names) == [str(path)] * 2


def test_hugging_face_datasets(encode, tmp_path):
    import datasets

    made, pixels = table(encode, 4, [0, 1, 1, 0], **class_labels(["cat", "dog"]))
    pq.write_table(made, tmp_path / "a.parquet")
    dataset = datasets.Dataset.from_parquet(str(tmp_path / "a.parquet"), cache_dir=str(tmp_path / "hf"))
    for source in (dataset, datasets.DatasetDict(train=dataset), dataset.to_iterable_dataset()):
        loaded = load(source, cache=tmp_path / "cache")
        np.testing.assert_array_equal(loaded.pixels, pixels)
        assert (loaded.labels.tolist(), loaded.classes) == ([0, 1, 1, 0], ("cat", "dog"))


def test_what_is_no_sequence_is_refused():
    with pytest.raises(
        ValueError, match=r"load_images: received a int, expected a path, a name or a sequence of images"
    ):
        load(7)
    with pytest.raises(ValueError, match=r"nothing to load from split train of list: it is empty"):
        load([])


# --- cache and memory -------------------------------------------------------------------------------------


@pytest.fixture
def pets(write, random_pixels):
    """A labelled folder of 100 images and an empty cache."""
    for number in range(100):
        folder = write(
            f"pets/{['cat', 'dog'][number % 2]}/{number:03d}.png", random_pixels(number, 8, 8, 3)
        ).parent.parent
    return folder, folder.parent / "cache"


def decoding_forbidden(monkeypatch) -> None:
    monkeypatch.setattr(module, "_decode_block", lambda *_: pytest.fail("decoded again"))


def same(a: Images, b: Images) -> bool:
    return (
        np.array_equal(a.pixels, b.pixels)
        and np.array_equal(a.labels, b.labels)
        and list(a.names) == list(b.names)
        and (a.classes, a.skipped, a.fingerprint) == (b.classes, b.skipped, b.fingerprint)
    )


def test_the_cache_holds_the_same_images_and_is_used(pets, monkeypatch):
    folder, cache = pets
    plain, first = load(folder), load(folder, cache=cache)
    decoding_forbidden(monkeypatch)
    second = load(folder, cache=cache)
    assert same(plain, first) and same(first, second) and isinstance(second.pixels, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        second.pixels[0] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert second.batch(slice(0, 2)).shape == (2, 3, 8, 8)
    assert list(second.subset(np.array([5, 1])).names) == [plain.names[5], plain.names[1]]


def test_the_cache_is_found_wherever_the_folder_lies_but_not_after_a_change(
    pets, monkeypatch, encode, random_pixels
):
    folder, cache = pets
    load(folder, cache=cache)
    moved = folder.rename(folder.with_name("moved"))
    with monkeypatch.context() as patch:
        decoding_forbidden(patch)
        load(moved, cache=cache)
    changes = [
        lambda: (moved / "cat/000.png").write_bytes(encode(random_pixels(500, 8, 8, 3))),
        lambda: (moved / "cat/000.png").rename(moved / "cat/999.png"),
        lambda: (moved / "cat/002.png").unlink(),
    ]
    for change in changes:
        change()
        assert same(load(moved, cache=cache), load(moved))
    for options in ({"size": 4}, {"channels": 1}):
        assert same(load(moved, cache=cache, **options), load(moved, **options))
    assert len(list(cache.glob("*/meta.json"))) == 6


def test_the_default_cache_is_named_by_the_environment(pets, monkeypatch):
    folder, cache = pets
    monkeypatch.setenv("INFOMAX_CACHE", str(cache))
    load(folder, cache=True)
    assert len(list(cache.glob("images/*/meta.json"))) == 1


def truncate(entry):
    os.truncate(entry / "pixels.u8", 100)


def flip_a_bit(entry):
    content = bytearray((entry / "pixels.u8").read_bytes())
    content[50] ^= 1
    (entry / "pixels.u8").write_bytes(content)


DAMAGE = {
    "truncated pixels": truncate,
    "a flipped bit": flip_a_bit,
    "no index": lambda entry: (entry / "index.arrow").unlink(),
    "a broken index": lambda entry: (entry / "index.arrow").write_bytes(b"junk"),
    "no summary": lambda entry: (entry / "meta.json").unlink(),
    "a broken summary": lambda entry: (entry / "meta.json").write_text("[[1], 2"),
    "a strange summary": lambda entry: (entry / "meta.json").write_text("{}"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_cache_is_rebuilt_with_a_warning(pets, damage):
    folder, cache = pets
    whole = load(folder)
    load(folder, cache=cache)
    damage(next(cache.glob("*/")))
    with pytest.warns(
        UserWarning, match=r"load_images: the cache entry .* is damaged \(.*\); decoding again"
    ):
        assert same(load(folder, cache=cache), whole)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(load(folder, cache=cache), whole)


def test_what_a_killed_process_left_is_removed(pets):
    folder, cache = pets
    load(folder, cache=cache)
    entry = next(cache.glob("*/meta.json")).parent
    leftover = entry.rename(entry.with_name(f"{entry.name}.partial-1"))
    (leftover / "meta.json").unlink()
    assert same(load(folder, cache=cache), load(folder))
    assert [path.name for path in cache.glob("*/")] == [entry.name]


def test_an_interrupted_decoding_leaves_nothing(pets, monkeypatch):
    folder, cache = pets
    monkeypatch.setattr(module, "_decode_block", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        load(folder, cache=cache)
    assert not list(cache.glob("*/"))


def test_skipped_images_are_remembered_by_the_cache(pets):
    folder, cache = pets
    (folder / "cat/000.png").write_bytes(b"junk")
    first, second = (load(folder, cache=cache, skip_broken=True) for _ in range(2))
    assert same(first, second) and len(second.skipped) == 1 and len(second) == 99
    with pytest.raises(ValueError, match=r"cannot decode an image of .*: cat/000.png: .*--skip-broken"):
        load(folder, cache=cache)


def test_a_cache_that_cannot_be_written_is_explained(pets):
    folder, cache = pets
    cache.write_text("a file is in the way")
    with pytest.raises(
        OSError, match=r"cannot write the cache of decoded images in .*set INFOMAX_CACHE to one, or switch"
    ):
        load(folder, cache=cache)


def test_two_processes_at_once_share_one_entry(pets):
    folder, cache = pets
    code = (
        "import sys; from infomax.learning.data.images import load_images;"
        "print(load_images(sys.argv[1], size=8, cache=sys.argv[2], progress=False).fingerprint)"
    )
    command = [sys.executable, "-c", code, str(folder), str(cache)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    fingerprints = {process.communicate()[0].strip() for process in processes}
    assert fingerprints == {load(folder).fingerprint}
    assert len(list(cache.glob("*/"))) == 1


@pytest.mark.parametrize(("memory_limit", "is_mapped"), [(0, True), (10_000, True), (10**9, False)])
def test_beyond_the_memory_limit_pixels_are_mapped_from_a_temporary_file(pets, memory_limit, is_mapped):
    folder, _ = pets
    loaded = load(folder, memory_limit=memory_limit)
    assert isinstance(loaded.pixels, np.memmap) == is_mapped
    assert same(loaded, load(folder))


def test_decoding_takes_no_more_memory_for_more_images(tmp_path):
    class Noise:
        def __len__(self):
            return 2000

        def __getitem__(self, index):
            return np.full((32, 32, 3), index % 256, np.uint8)

    tracemalloc.start()
    loaded = load(Noise(), size=32, memory_limit=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert loaded.pixels.nbytes > 6e6 and peak < 3e6


def test_reading_parquet_takes_the_memory_of_a_row_group_not_of_the_file(tmp_path):
    contents = [np.random.default_rng(row).bytes(10_000) for row in range(2000)]
    pq.write_table(pa.table({"image": contents}), tmp_path / "a.parquet", row_group_size=50)
    del contents
    before = pa.total_allocated_bytes()
    items = open_source(tmp_path).items("train")
    growth = max(pa.total_allocated_bytes() - before for _ in items)
    assert growth < 2e6 < (tmp_path / "a.parquet").stat().st_size


def test_the_result_does_not_depend_on_the_number_of_threads(pets, monkeypatch):
    folder, _ = pets
    expected = load(folder)
    monkeypatch.setattr(module, "_SLOW", 0.0)
    monkeypatch.setattr(module.os, "cpu_count", lambda: 7)
    assert same(load(folder), expected)


def test_progress_goes_to_stderr_only(pets, capsys):
    load_images(pets[0], size=8, cache=None)
    captured = capsys.readouterr()
    assert captured.out == "" and "decoding" in captured.err and "100/100" in captured.err


def test_a_source_knows_how_many_items_it_has(pets):
    assert Folder(pets[0], ["cat/000.png", "dog/001.png", "x.txt"]).count("train") == 2
