"""Ranges and pages as text, and values as stored pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infomax.learning.data import decode_image
from infomax.learning.data.pixels.ranges import Pixels, full_scaled, limits_of, range_text, scaled


@given(st.lists(st.tuples(st.integers(-(10**6), 10**6), st.integers(1, 10**6)), min_size=1, max_size=5))
def test_a_range_survives_as_text(pairs):
    limits = tuple((float(low), float(low + width)) for low, width in pairs)
    found = limits_of(range_text(limits))
    assert found == (limits if len(set(limits)) > 1 else limits[:1])


@pytest.mark.parametrize("text", ["", "wide", "4095", "5:5", "9:1", "0:inf", "nan:1", "0:1,,", "a:b"])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(
        ValueError, match=r"received the range .*, expected auto, full, percentile or LOW:HIGH"
    ):
        Pixels(text)


@pytest.mark.parametrize("pages", ["", "last", "0", "-1", "1,", "1.5"])
def test_what_names_no_pages_is_refused(pages):
    with pytest.raises(ValueError, match=r"received pages .*, expected first, channels .* counts from 1"):
        Pixels(pages=pages)


def test_other_depths_are_refused():
    with pytest.raises(ValueError, match="bits must be 8 or 16, got 12; leave it out"):
        Pixels(bits=12)


@pytest.mark.parametrize(("bits", "top"), [(8, 255), (16, 65535)])
def test_the_ends_of_a_range_are_the_ends_of_what_is_stored(bits, top):
    values = np.array([[-5000], [-1000], [1000], [3000], [9000]], np.int16)
    stored = scaled(values, ((-1000.0, 3000.0),), bits)
    assert stored[:, 0].tolist() == [0, 0, round(top / 2), top, top]


def test_channels_have_ranges_of_their_own():
    values = np.array([[40, 100], [200, 200]], np.uint16)
    assert scaled(values, ((0.0, 200.0), (100.0, 200.0))).tolist() == [[51, 0], [255, 255]]
    with pytest.raises(ValueError, match=r"received 2 channels, expected 3, as many as the range has"):
        scaled(values, ((0.0, 1.0), (0.0, 2.0), (0.0, 3.0)))


def test_the_full_range_of_a_type_is_that_range():
    values = np.linspace(0, 65535, 999).astype(np.uint16)[:, None]
    np.testing.assert_array_equal(full_scaled(values), scaled(values, ((0.0, 65535.0),)))
    np.testing.assert_array_equal(full_scaled(values, 16), values)


def test_values_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="values that are NaN or infinite, expected numbers"):
        scaled(np.array([[np.nan]]), ((0.0, 1.0),))


def test_one_image_has_no_range_of_a_set():
    with pytest.raises(ValueError, match="found from all images of a set, got one; use load_images"):
        decode_image(np.zeros((4, 4), np.uint16), size=(4, 4), range="auto")


def test_the_depth_survives_scaling():
    ramp = np.tile(np.arange(64, dtype=np.uint16) * 10, (64, 1))
    decoded = decode_image(ramp, size=(32, 32), channels=1, range="0:65535", bits=16)
    assert decoded.dtype == np.uint16 and len(np.unique(decoded)) == 32
    assert np.abs(decoded[5, :, 0] - (np.arange(32) * 20.0 + 5)).max() <= 3


def test_transparency_and_colours_are_the_same_in_both_depths():
    rgba = np.random.default_rng(0).integers(0, 65536, (8, 8, 4)).astype(np.uint16)
    for channels in (1, 3):
        shallow, deep = (
            decode_image(rgba, size=(8, 8), channels=channels, range="0:65535", bits=bits) for bits in (8, 16)
        )
        assert np.abs(shallow.astype(float) - deep / 257).max() <= 2.5


def test_words_say_what_was_taken():
    taken = Pixels("0:4095", 16, "channels", "12 bits, from all 9 images")
    assert str(taken) == "pixels: range 0:4095 (12 bits, from all 9 images), 16 bits, pages as channels"
    many = Pixels(",".join(f"{low}:{low + 90}" for low in range(13)))
    assert str(many) == "pixels: range of each of 13 channels by itself, within 0:102, 8 bits"
