"""Measures of receptive fields: of fields whose shape is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infomax.principle.arbors import gaussian_arbor
from infomax.principle.receptive_fields import (
    alignment_of_neighbours,
    orientation_tuning,
    pictures,
    radial_profile,
    roundness,
)

ARBOR = gaussian_arbor(2.0)
FREQUENCIES = np.linspace(0.05, 0.3, 11)


def gabor(angle, frequency=0.15):
    along = ARBOR.offsets @ np.array([np.sin(angle), np.cos(angle)])
    return ARBOR.density * np.sin(2 * np.pi * frequency * along)


@given(st.integers(0, 23))
def test_preferred_orientation_of_a_gabor(step):
    angle = step * np.pi / 24
    tuning = orientation_tuning(gabor(angle)[None], ARBOR.offsets, FREQUENCIES)
    assert tuning.preferred[0] == pytest.approx(angle)
    assert tuning.frequencies[0] == pytest.approx(0.15, abs=0.03)
    assert tuning.selectivity[0] > 0.9
    assert tuning.circular_variance[0] < 0.7


def test_responses_against_a_loop():
    field = np.random.default_rng(0).standard_normal((1, len(ARBOR.offsets)))
    tuning = orientation_tuning(field, ARBOR.offsets, np.array([0.2]), num_orientations=4)
    for angle, response in zip(tuning.orientations, tuning.responses[0], strict=True):
        along = ARBOR.offsets @ np.array([np.sin(angle), np.cos(angle)])
        drift = [(field[0] * np.cos(0.4 * np.pi * along - t)).sum() for t in np.linspace(0, 2 * np.pi, 2001)]
        assert response == pytest.approx(max(drift), rel=1e-4)


def test_round_fields_have_no_orientation():
    distance = np.hypot(*ARBOR.offsets.T)
    field = (ARBOR.density * np.cos(distance))[None]
    tuning = orientation_tuning(field, ARBOR.offsets, FREQUENCIES)
    assert tuning.selectivity[0] < 0.02
    assert tuning.circular_variance[0] > 0.99
    assert roundness(np.cos(distance)[None], ARBOR.offsets)[0] == pytest.approx(1)
    assert roundness(gabor(0.3)[None], ARBOR.offsets)[0] == pytest.approx(0)


def test_shuffled_fields_are_not_round():
    distance = np.hypot(*ARBOR.offsets.T)
    shuffled = np.random.default_rng(0).permuted(np.tile(np.sign(2 - distance), (200, 1)), axis=1)
    num_rings = len(np.unique((ARBOR.offsets**2).sum(axis=1)))
    expected = (num_rings - 1) / (len(distance) - 1)  # the share that so many free means explain
    assert roundness(shuffled, ARBOR.offsets).mean() == pytest.approx(expected, abs=0.02)


def test_radial_profile():
    distances, profile = radial_profile(
        np.array([[1.0, 3.0, 5.0], [0.0, 7.0, 0.0]]), np.array([[0, -2], [0, 0], [2, 0]])
    )
    assert distances.tolist() == [0, 2]
    assert profile.tolist() == [[3, 3], [7, 0]]


def test_alignment_of_neighbours():
    rng = np.random.default_rng(0)
    assert alignment_of_neighbours(np.full((5, 5), 0.7)) == pytest.approx(1)
    assert alignment_of_neighbours(rng.uniform(0, np.pi, (60, 60))) == pytest.approx(0, abs=0.05)
    chequered = np.indices((4, 4)).sum(axis=0) % 2 * np.pi / 2
    assert alignment_of_neighbours(chequered) == pytest.approx(-1)
    turned = rng.uniform(0, np.pi, (6, 6))
    assert alignment_of_neighbours(turned + np.pi) == pytest.approx(alignment_of_neighbours(turned))


def test_pictures():
    picture = pictures(np.array([[1.0, 2.0]]), np.array([[-1, 0], [0, 1]]))
    assert picture.tolist() == [[[1, 0], [0, 2]]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: orientation_tuning(gabor(0)[None], ARBOR.offsets, np.array([0.6])),
            "orientation_tuning: frequencies must be above 0 and at most 1/2",
        ),
        (
            lambda: orientation_tuning(gabor(0)[None], ARBOR.offsets, np.array([])),
            "orientation_tuning: frequencies must be",
        ),
        (
            lambda: orientation_tuning(gabor(0)[None], ARBOR.offsets, FREQUENCIES, num_orientations=5),
            "orientation_tuning: num_orientations must be even.* got 5",
        ),
        (
            lambda: orientation_tuning(0 * gabor(0)[None], ARBOR.offsets, FREQUENCIES),
            "orientation_tuning: unit 0 responds to no grating; leave it out",
        ),
        (
            lambda: roundness(np.ones((1, len(ARBOR.offsets))), ARBOR.offsets),
            "roundness: field 0 is the same at all places",
        ),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
