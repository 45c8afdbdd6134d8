"""Scenes: factors can be read off pictures and tones and are independent; scenes reach the loaders."""

import numpy as np
import pytest
from scipy.ndimage import affine_transform, rotate
from scipy.stats import chi2_contingency

from infomax.learning.data import available_splits, load_images, load_signals
from infomax.learning.data.scenes import (
    HUMS,
    MELODIES,
    NOTES,
    SCENES,
    TEXTURES,
    _digits,
    _Path,
    _rotation,
    _shear,
    _warped,
    moving_digits,
    picture_and_tone,
    two_cameras,
)


@pytest.mark.parametrize("name", SCENES)
def test_every_kind_of_scene(name):
    scenes = SCENES[name]("test")
    again, other = SCENES[name]("test"), SCENES[name]("test", seed=1)
    for column, values in scenes.columns.items():
        assert values.dtype == (np.float32 if column == "tone" else np.uint8)
        assert len(values) == len(scenes) == len(scenes.names) == len(set(scenes.names))
        np.testing.assert_array_equal(values, again.columns[column])
        assert not np.array_equal(values, other.columns[column])
    np.testing.assert_array_equal(scenes.labels, scenes.factors["class"])
    assert scenes[7]["label"] == scenes.labels[7]
    assert set(scenes[7]) == {*scenes.columns, "label", "__key__"}


@pytest.mark.parametrize("name", SCENES)
def test_factors_are_independent(name):
    """Also of the class; 8 frames of a sequence count once."""
    scenes = SCENES[name]("train")
    once = slice(None, None, 8) if name == "moving-digits" else slice(None)
    factors = {key: values[once] for key, values in scenes.factors.items() if key != "place"}
    for first, a in factors.items():
        for second, b in factors.items():
            if first < second:
                table = np.zeros((a.max() + 1, b.max() + 1))
                np.add.at(table, (a, b), 1)
                assert chi2_contingency(table).pvalue > 1e-4, (first, second)
    assert all(
        np.bincount(values).min() > 0.9 * np.bincount(values).mean() - 60 for values in factors.values()
    )


def test_no_test_digit_is_a_training_digit():
    train, test = ({digit.tobytes() for digit in _digits(split)[0]} for split in ("train", "test"))
    assert (len(train & test), len(test)) == (0, 450)


def test_backgrounds_are_their_textures():
    """In the upper four rows of frames whose digit, with its trail, is below."""
    scenes = moving_digits("test")
    below = scenes.factors["place"] >= 2
    stripes = scenes.columns["frame"][below][:, :4].astype(int)
    kinds = np.array(TEXTURES)[scenes.factors["frame background"][below]]
    along_rows = (np.ptp(stripes, axis=2) == 0).all(1)  # each row constant
    along_columns = (np.ptp(stripes, axis=1) == 0).all(1)
    assert set(kinds) == set(TEXTURES)
    for kind, in_rows, in_columns in zip(kinds, along_rows, along_columns, strict=True):
        assert (in_rows, in_columns) in {
            "plain": {(True, True)},
            "rows": {(True, False), (True, True)},
            "columns": {(False, True)},
            "checks": {(False, False), (False, True)},
        }[kind]


def test_tones_tell_class_and_hum():
    """By the peaks of the spectra of both halves."""
    scenes = picture_and_tone("test")
    frequencies = np.fft.rfftfreq(256)
    spectra = np.abs(np.fft.rfft(scenes.columns["tone"].reshape(-1, 2, 256) * np.hanning(256)))
    hum = np.where(frequencies < 0.14, spectra, 0).sum(1).argmax(1)
    notes = np.where(frequencies > 0.14, spectra, 0).argmax(2)

    def nearest(found, levels):
        return np.abs(frequencies[found][..., None] - np.array(levels)).argmin(-1)

    np.testing.assert_array_equal(nearest(hum, HUMS), scenes.factors["tone hum"])
    np.testing.assert_array_equal(nearest(notes, NOTES), np.array(MELODIES)[scenes.labels])
    loudness = scenes.columns["tone"].std(1)
    by_gain = [loudness[scenes.factors["tone gain"] == level] for level in range(3)]
    assert by_gain[0].max() < by_gain[1].min() < by_gain[1].max() < by_gain[2].min()
    assert len(set(MELODIES)) == 10


def test_warping_equals_scipy():
    digits = _digits("test")[0][:3]
    turned = _warped(digits, _rotation(np.radians([30.0, -50.0, 0.0])), (32, 32))
    for one, digit, angle in zip(turned, digits, (30, -50, 0), strict=True):
        np.testing.assert_allclose(one, rotate(digit, -angle, reshape=False, order=1), atol=1e-6)
    matrix = _shear(np.radians([30.0]))
    offset = np.array([15.5, 15.5]) - matrix[0] @ [15.5, 15.5]
    expected = affine_transform(digits[0], matrix[0], offset, order=1)
    np.testing.assert_allclose(_warped(digits[:1], matrix, (32, 32))[0], expected, atol=1e-6)


@pytest.mark.parametrize(("direction", "rows", "columns"), [(0, 0, 1), (1, 1, 0), (2, 1, 1), (3, -1, 1)])
@pytest.mark.parametrize(("speed", "start"), [(1, 0), (3, 0), (3, 16), (1, 35)])
def test_paths_go_to_and_fro(direction, rows, columns, speed, start):
    """A point that turns back at the ends of 0 to 18, one pixel after the other."""
    path = _Path(*(np.array([value]) for value in (direction, speed, start, 5)))
    place, step = 0, 1
    walked = []
    for _ in range(start + 3 * 8 + 1):
        walked.append(place)
        step = 1 if place == 0 else -1 if place == 18 else step
        place += step
    for frame in range(8):
        along = walked[start + speed * frame]
        expected = [{0: 5, 1: along, -1: 18 - along}[sign] for sign in (rows, columns)]
        assert path.at(frame)[0].tolist() == expected


def test_the_two_cameras_see_the_same_digit():
    """Its size in both: of white ink there is twice as much in large digits."""
    scenes = two_cameras("test")
    for column in ("left", "right"):
        white = (scenes.columns[column] > 250).mean((1, 2))
        small, large = (white[scenes.factors["size"] == size].mean() for size in (0, 1))
        assert large > 1.6 * small


def test_built_in_sources():
    assert available_splits("two-cameras", column="left") == ("train", "test")
    scenes = two_cameras("test")
    options = {"split": "test", "progress": False, "channels": 1}
    for column in ("left", "right"):
        images = load_images("two-cameras", column=column, size=32, **options)
        np.testing.assert_array_equal(images.values[..., 0], scenes.columns[column])
        np.testing.assert_array_equal(images.labels, scenes.labels)
    frames = load_images("moving-digits", column="frame", size=32, **options)
    assert frames.names[12 * 8 + 3] == "00012/03"
    assert frames.classes == tuple("0123456789")
    tones = load_signals("picture-and-tone", split="test", column="tone", length=512)
    np.testing.assert_array_equal(tones.values[:, 0], picture_and_tone("test").columns["tone"])


def test_errors():
    with pytest.raises(ValueError, match="left, right"):
        load_images("two-cameras", size=32)
    with pytest.raises(ValueError, match="did you mean 'left'"):
        load_images("two-cameras", column="lefft", size=32)
    with pytest.raises(ValueError, match="scenes: split must be one of train, test, got 'dev'; choose one"):
        two_cameras("dev")
