"""One image of any kind: fitted to its size, converted to its channels."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from infomax.learning.data import decode_image


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


def test_grey_becomes_equal_channels_and_colour_becomes_luma(one_pixel):
    assert one_pixel(np.full((8, 8), 77, np.uint8)) == [77, 77, 77]
    luma = one_pixel(np.full((8, 8, 3), [200, 100, 50], np.uint8), channels=1)
    assert luma == [pytest.approx(0.299 * 200 + 0.587 * 100 + 0.114 * 50, abs=1)]


def test_cmyk_is_converted(one_pixel, write):
    path = write("a/cmyk.jpg", Image.new("CMYK", (8, 8), (0, 255, 255, 0)), quality=95)
    red, green, blue = one_pixel(path)
    assert red > 240 and green < 15 and blue < 15


def test_transparency_is_laid_on_white(one_pixel, encode):
    half = Image.new("RGBA", (8, 8), (255, 0, 0, 128))
    assert one_pixel(encode(half)) == [255, 127, 127]
    assert one_pixel(encode(Image.new("LA", (8, 8), (0, 0)))) == [255, 255, 255]


def test_a_palette_is_resolved_and_its_transparent_colour_is_white(one_pixel, encode):
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 10, 200, 30])
    assert one_pixel(encode(palette)) == [10, 200, 30]
    assert one_pixel(encode(palette, transparency=1)) == [255, 255, 255]


def test_sixteen_bit_grey_is_scaled_not_clipped(load, encode):
    values = np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16)
    for data in (encode(values, "PNG"), encode(values, "TIFF"), values):
        decoded = load([data], channels=1).values[0, ..., 0]
        np.testing.assert_array_equal(decoded, np.round(values / 257))


def test_32_bit_integers_and_floats_are_scaled_if_their_range_is_known(one_pixel, encode):
    assert one_pixel(encode(np.full((8, 8), 65535, np.int32), "TIFF")) == [255] * 3
    assert one_pixel(encode(np.full((8, 8), 0.5, np.float32), "TIFF")) == [128] * 3
    with pytest.raises(ValueError, match=r"int32 values from -1 to -1, expected 0 to 255; .* LOW:HIGH"):
        one_pixel(encode(np.full((8, 8), -1, np.int32), "TIFF"), range="full")


def test_one_bit_images_are_black_and_white(one_pixel, encode):
    assert one_pixel(encode(Image.new("1", (8, 8), 1))) == [255] * 3


def test_orientation_tags_are_applied(load, encode):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side
    stored = np.zeros((8, 8, 3), np.uint8)
    stored[:, :4] = 255  # the left half of the file is the upper half of the picture
    decoded = load([encode(Image.fromarray(stored), exif=exif.tobytes())]).values[0]
    np.testing.assert_array_equal(decoded, np.rot90(stored, -1))


@pytest.mark.parametrize("fmt", ["GIF", "PNG", "WEBP"])
def test_the_first_frame_of_an_animation_is_taken(one_pixel, encode, fmt):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if fmt == "WEBP" else {}
    assert one_pixel(encode(frames[0], fmt, save_all=True, append_images=frames[1:], **options)) == [
        255,
        0,
        0,
    ]


def test_lossless_files_keep_their_pixels(load, write, random_pixels):
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
    assert len(loaded) == 6 and (loaded.values == pixels).all()


def test_arrays_and_tensors_of_any_layout_and_type(load, one_pixel, random_pixels):
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
    assert (load(same).values == pixels).all()
    grey = random_pixels(2, 8, 8)
    assert (load([grey, grey[None], torch.from_numpy(grey)], channels=1).values[..., 0] == grey).all()
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
def test_arrays_that_are_no_images_are_refused(load, array, message):
    with pytest.raises(ValueError, match=message):
        load([array], range="full")


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_arrays_of_any_number_of_channels_keep_their_pixels(load, random_pixels, channels):
    pixels = random_pixels(0, 8, 8, channels)
    same = [
        pixels,
        pixels.transpose(2, 0, 1),
        pixels / 255,
        torch.from_numpy(pixels),
        {"image": pixels.tolist()},
    ]
    loaded = load(same, channels=channels)
    assert loaded.values.shape == (5, 8, 8, channels) and (loaded.values == pixels).all()


def test_other_channels_are_scaled_one_by_one_as_grey_is(load, random_pixels):
    pixels = random_pixels(0, 30, 50, 5)
    scaled = load([pixels], channels=5, size=(12, 16)).values[0]
    for channel in range(5):
        alone = load([pixels[..., channel]], channels=1, size=(12, 16)).values[0]
        np.testing.assert_array_equal(scaled[..., channel], alone[..., 0])


def test_another_number_of_channels_is_refused(load, write, random_pixels):
    with pytest.raises(
        ValueError, match=r"list:0 of list: received an array \[8, 8, 4\], expected \[h, w, 5\] or"
    ):
        load([random_pixels(0, 8, 8, 4)], channels=5)
    with pytest.raises(ValueError, match=r"a.png of .*: received 3 channels, expected 4; ask for 3 channels"):
        load(write("a/a.png", random_pixels(0, 8, 8, 3)).parent, channels=4)
