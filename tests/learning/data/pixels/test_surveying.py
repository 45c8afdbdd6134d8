"""One range and one depth for a set, found from some of its images."""

import json
import warnings

import numpy as np
import pytest
import tifffile
from PIL import Image

from infomax.learning.data import load_images
from infomax.learning.data.pixels import surveying

RAMP = np.add.outer(np.arange(64), np.arange(64) * 64)  # 0 to 4095, each once
SIZE = {"size": 64, "channels": 1}


def levels(dataset):
    return [len(np.unique(dataset.values[..., channel])) for channel in range(dataset.values.shape[-1])]


@pytest.mark.parametrize(
    ("values", "range_", "note"),
    [
        (RAMP.astype(np.uint16), "0:4095", "12 bits"),
        ((RAMP * 600 // 4095).astype(np.uint16), "0:600", "least and greatest value"),
        ((RAMP * 16.003).astype(np.uint16), "0:65535", "16 bits"),
        ((RAMP // 16).astype(np.uint16), "0:255", "8 bits"),
        ((RAMP - 1000).astype(np.int16), "-1000:3095", "least and greatest value"),
        ((RAMP - 1000).astype(np.int32), "-1000:3095", "least and greatest value"),
        ((RAMP / 4095).astype(np.float32), "0:1", "0 to 1"),
        ((RAMP / 409500).astype(np.float32), "0:0.01", "least and greatest value"),
        (RAMP.astype(np.float32), "0:4095", "12 bits"),
        (RAMP / 2047.5 - 1, "-1:1", "least and greatest value"),
    ],
)
def test_shallow_images_use_all_of_what_is_stored(load, values, range_, note):
    loaded = load([values], **SIZE)
    assert loaded.pixels.range == range_ and loaded.pixels.note == f"{note}, from the image"
    assert loaded.values.dtype == np.uint8 and loaded.values.max() == 255 and levels(loaded)[0] >= 250


def test_eight_bits_stay_as_they_are(load, random_pixels):
    dark = random_pixels(0, 64, 64) // 8
    loaded = load([dark, dark.astype(int), dark > 3], **SIZE)
    np.testing.assert_array_equal(loaded.values[0, ..., 0], dark)
    np.testing.assert_array_equal(loaded.values[1, ..., 0], dark)
    assert (loaded.pixels.range, loaded.pixels.bits, loaded.pixels.note) == ("full", 8, "8-bit images")
    assert loaded.subset(slice(0, 1)).pixels == loaded.pixels


def test_images_of_a_set_keep_their_ratio(load):
    loaded = load([np.full((64, 64), value, np.uint16) for value in (300, 600, 1200)], **SIZE)
    lowest, low, high = loaded.values[:, 0, 0, 0].tolist()
    assert (lowest, high) == (0, 255) and low == pytest.approx(255 * (600 - 300) / (1200 - 300), abs=0.5)
    assert len({load(part, range=loaded.pixels.range, **SIZE).values[0, 0, 0, 0] for part in (
        [np.full((64, 64), 600, np.uint16)], [np.full((64, 64), 600, np.int32)],
    )}) == 1  # fmt: skip


def test_all_splits_have_one_range(load):
    source = {"train": [RAMP.astype(np.uint16) // 4], "test": [RAMP.astype(np.uint16)]}
    assert {load(source, split=split, **SIZE).pixels.range for split in source} == {"0:4095"}


def test_the_same_content_in_more_bits_is_the_same(load, random_pixels):
    shallow = random_pixels(0, 64, 64, 3)
    shallow[:2] = [[0] * 3], [[255] * 3]
    for deep in (shallow.astype(np.uint16) * 257, shallow / np.float32(255)):
        np.testing.assert_array_equal(load([deep], size=64).values, load([shallow], size=64).values)


def test_each_channel_has_its_range(load):
    faint = np.stack([RAMP, RAMP // 25, RAMP * 0 + 7], -1).astype(np.uint16)
    loaded = load([faint], size=64, channels=3)
    assert loaded.pixels.range == "0:4095,0:163,0:255"
    assert levels(loaded)[0] == 256 and levels(loaded)[1] == 164 and levels(loaded)[2] == 1


def test_a_channel_that_8_bits_would_flatten_has_16(load):
    dim = (RAMP * 100 // 4095).astype(np.uint16)
    dim[0, 0] = 60000
    loaded = load([dim], **SIZE)
    assert loaded.values.dtype == np.uint16 and loaded.pixels.bits == 16 and levels(loaded)[0] == 102
    batch = loaded.batch(slice(0, 1))
    assert batch.is_floating_point() and float(batch.max()) == pytest.approx(60000 / 65535, abs=1e-6)
    assert load([dim], bits=8, **SIZE).values.dtype == np.uint8


def test_percentiles_leave_outliers_out(load, random_pixels):
    values = RAMP.astype(np.uint16) + 200
    values[0, :2] = 65535, 0
    assert load([values], range="percentile", **SIZE).pixels.range == "204:4292"
    dark = random_pixels(0, 64, 64) // 8
    stretched = load([dark], range="percentile", **SIZE)
    assert stretched.pixels.range == "0:31" and stretched.values.max() == 255


def test_different_types_are_each_read_by_their_own(load, random_pixels):
    grey = random_pixels(0, 64, 64)
    loaded = load([grey, grey.astype(np.uint16) * 257, grey / 255], **SIZE)
    assert loaded.pixels.range == "full" and "8-bit and floats and integers" in loaded.pixels.note
    assert (loaded.values == grey[..., None]).all()
    with pytest.warns(UserWarning, match="range full does not fit .* values up to 600"):
        load([grey, (RAMP * 600 // 4095).astype(np.uint16)], **SIZE)


@pytest.mark.parametrize(
    ("values", "range_", "found"),
    [
        (
            RAMP.astype(np.uint16),
            "0:100",
            r"values from 4.095 to 4090.91, so that many are cut: 3,995 pixels \(98 %\) in 1 of 1 images",
        ),
        (RAMP.astype(np.uint16), "0:65535", "values up to 4095, which leaves few grey levels"),
        (RAMP.astype(np.uint16), "full", "values up to 4095, which leaves few grey levels"),
        ((RAMP // 16).astype(np.uint8), "0:4095", "these are 8-bit images, from 0 to 255"),
    ],
)
def test_a_range_that_does_not_fit_is_said(load, values, range_, found):
    with pytest.warns(
        UserWarning, match=f"the range {range_} does not fit these images: {found}; .*--range LOW"
    ):
        assert load([values], range=range_, **SIZE).pixels.range == range_


def test_a_range_that_fits_is_not_warned_of(load):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = load([RAMP.astype(np.uint16), RAMP.astype(np.uint16) // 2], range="0:4095", **SIZE)
    assert loaded.values.max() == 255


@pytest.fixture
def stacks(tmp_path):
    """A folder of 90 TIFF of 12 bits; the brightest comes late."""
    folder = tmp_path / "stacks"
    folder.mkdir()
    for number in range(90):
        tifffile.imwrite(folder / f"{number:02d}.tif", np.full((8, 8), 30 * number + 20, np.uint16))
    return folder


def test_the_range_is_found_once_and_is_part_of_the_key(load, same, stacks, tmp_path, monkeypatch):
    cache, options = tmp_path / "cache", {"channels": 1}
    first = load(stacks, cache=cache, **options)
    assert first.pixels.note == "least and greatest value, from all 90 images"
    assert first.pixels.range == "20:2690" and first.values.max() == 255
    assert same(load(stacks, range="20:2690", bits=8, cache=cache, **options), first)
    assert len([*cache.glob("*/meta.json")]) == 1
    with pytest.warns(UserWarning, match="does not fit"):
        load(stacks, range="0:1000", cache=cache, **options)
    assert len([*cache.glob("*/meta.json")]) == 2
    monkeypatch.setattr(surveying, "MAX_PIXELS", None)  # a second full survey would fail
    monkeypatch.setattr(surveying, "_survey", _first_only(surveying._survey, first))
    assert load(stacks, cache=cache, **options).pixels == first.pixels


def _first_only(survey, first):
    def surveyed(source, look, num):
        assert num == surveying.FIRST_IMAGES
        return surveying.Survey(1, 1, ("integers",), (0.0,), (1.0,), (0.0,), (1.0,), (2,), 65535.0)

    return surveyed


def test_a_damaged_survey_is_made_again(load, stacks, tmp_path):
    cache = tmp_path / "cache"
    first = load(stacks, channels=1, cache=cache)
    (kept,) = cache.glob("*.range.json")
    for damage in ("junk", json.dumps({"low": 3})):
        kept.write_text(damage)
        assert load(stacks, channels=1, cache=cache).pixels == first.pixels


def test_a_sample_is_said(load, stacks, monkeypatch):
    monkeypatch.setattr(surveying, "MAX_IMAGES", 30)
    monkeypatch.setattr(surveying, "FIRST_IMAGES", 20)
    assert load(stacks, channels=1).pixels.note.endswith("from 30 of 90 images")


def test_the_cache_of_8_bit_images_keeps_its_name(pets):
    """The key of what an earlier version has decoded: size and channels are its only options."""
    folder, cache = pets
    load_images(folder, size=8, cache=cache, progress=False)
    assert not [*cache.glob("*.range.json")]
    from infomax.learning.data.images import image_decoder

    assert image_decoder(8, 3).decode.keywords == {"size": (8, 8), "channels": 3}


def test_broken_images_are_named_by_decoding(load, stacks):
    (stacks / "00.tif").write_bytes(b"II*\0junk")
    with pytest.raises(ValueError, match=r"cannot decode an image of .*: 00.tif: .*--skip-broken"):
        load(stacks, channels=1)
    assert len(load(stacks, channels=1, skip_broken=True)) == 89


def test_what_all_images_need_is_said_at_once(load, monkeypatch):
    monkeypatch.setattr("infomax.errors.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"cannot decode list:0: a file of CZI: needs czifile, which is not"):
        load([b"ZISRAWFILE"])


def test_a_few_files_of_another_kind_are_seen(tmp_path):
    """A range is not taken from the first of a set alone: one file of each suffix is looked at."""
    from PIL import Image

    for number in range(200):
        Image.new("L", (8, 8), number).save(tmp_path / f"a{number:03d}.png")
    tifffile.imwrite(tmp_path / "a001b.tif", (RAMP[:8, :8] * 4).astype(np.uint16))
    loaded = load_images(tmp_path, size=8, channels=1, cache=None, progress=False)
    assert loaded.pixels.note == "images of 8-bit and integers, each by the range of its data type"


def test_pages_that_are_not_read_are_said(tmp_path):
    """Whatever the format; not where pages were chosen, nor of the slices' channels."""
    for number in range(3):
        tifffile.imwrite(tmp_path / f"{number}.tif", np.full((5, 8, 8), number, np.uint8), metadata=None)

    def summary(**how):
        return load_images(tmp_path, size=8, cache=None, progress=False, **how).summary

    said = (
        "files of up to 5 pages, the first of each is read (--pages channels takes all of them, as channels"
    )
    assert said in summary(channels=1)
    assert "pages" not in summary(channels=1, pages="2").replace(f"from {tmp_path}", "")
    assert "--pages" not in summary(channels=5, pages="channels")
    moving = [Image.fromarray(np.full((8, 8), one, np.uint8)) for one in (0, 90)]
    moving[0].save(tmp_path / "a.gif", save_all=True, append_images=moving[1:])
    for number in range(3):
        (tmp_path / f"{number}.tif").unlink()
    assert "files of up to 2 pages" in summary(channels=1)


@pytest.mark.parametrize(("suffix", "mode"), [("png", "RGB"), ("jpg", "RGB"), ("png", "P"), ("tif", "RGBA")])
def test_colours_read_as_grey_are_said(tmp_path, suffix, mode):
    """Not of grey pictures that are stored as colours, nor where colours are kept."""

    def summary(colour, **how):
        Image.new("RGB", (16, 16), colour).convert(mode).save(tmp_path / f"a.{suffix}")
        return load_images(tmp_path, size=8, cache=None, progress=False, **how).summary

    said = "colours are read as grey, in 1 channel"
    assert said in summary((200, 10, 10), channels=1)
    assert said not in summary((200, 10, 10), channels=3)
    assert said not in summary((102, 102, 102), channels=1)


def test_what_a_range_cuts_is_counted_over_the_images_and_kept(tmp_path, load, monkeypatch):
    images = tmp_path / "images"
    images.mkdir()
    for number in range(6):
        values = np.full((64, 64, 2), 1000, np.uint16)
        values[0, : max(0, number - 2), 1] = 5000  # 0, 0, 0, 1, 2, 3 pixels of six images
        np.save(images / f"{number}.npy", values)
    how = {"range": "0:4095", "size": 8, "channels": 2, "cache": tmp_path / "cache"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a few pixels are no misfit
        assert "6 pixels (0.024 %) in 3 of 6 images lie outside and are cut" in str(
            load(images, **how).pixels
        )
    monkeypatch.setattr(surveying, "cut_by", None)
    assert "in 3 of 6 images" in load(images, **how).summary
    assert "cut" not in str(load(images, **{**how, "range": "0:5000"}).pixels)
