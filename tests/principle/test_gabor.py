"""Gabor fits: parameters that are known, and bandwidths against the Fourier transform."""

import math

import numpy as np
import pytest

from infomax.principle.gabor import Gabor, fit_gabor


def gabor(side, row, column, orientation, frequency, across, along, phase):
    rows, columns = np.mgrid[:side, :side] - np.array([row, column]).reshape(2, 1, 1)
    u = columns * math.cos(orientation) + rows * math.sin(orientation)
    v = rows * math.cos(orientation) - columns * math.sin(orientation)
    return np.exp(-((u / across) ** 2 + (v / along) ** 2) / 2) * np.cos(2 * math.pi * frequency * u + phase)


@pytest.mark.parametrize("orientation", [0.1, 0.8, 1.6, 2.4, 3.0])
@pytest.mark.parametrize("phase", [0.0, 1.3])
def test_parameters_are_found(orientation, phase):
    noise = 0.02 * np.random.default_rng(0).standard_normal((16, 16))
    fit = fit_gabor(3 * gabor(16, 7.2, 8.5, orientation, 0.18, 2.2, 3.1, phase) + noise)
    assert fit.explained > 0.98
    assert fit.orientation == pytest.approx(orientation, abs=0.02)
    assert (fit.row, fit.column) == pytest.approx((7.2, 8.5), abs=0.1)
    assert (fit.frequency, fit.width_across, fit.width_along) == pytest.approx((0.18, 2.2, 3.1), rel=0.05)


def test_noise_is_no_gabor():
    rng = np.random.default_rng(0)
    assert np.mean([fit_gabor(rng.standard_normal((12, 12))).explained for _ in range(5)]) < 0.4


def test_bandwidths_are_those_of_the_fourier_transform():
    fit = Gabor(32.0, 32.0, 0.0, 0.2, width_across=3.0, width_along=5.0, explained=1.0)
    power = np.abs(np.fft.fft2(gabor(64, 32, 32, 0.0, 0.2, 3.0, 5.0, 0.0), (2048, 2048)))
    frequencies = np.fft.fftfreq(2048)[:1024]
    half = frequencies[power[0, :1024] > power[0, :1024].max() / 2]
    assert fit.frequency_bandwidth == pytest.approx(np.log2(half[-1] / half[0]), abs=0.02)
    peak = power[0, :1024].argmax()
    across = frequencies[: np.argmin(power[:1024, peak] > power[0, peak] / 2)][-1]
    assert fit.orientation_bandwidth == pytest.approx(2 * math.atan(across / frequencies[peak]), abs=0.01)


def test_a_low_pass_has_no_octaves():
    blob = fit_gabor(gabor(12, 5.5, 5.5, 0.0, 0.02, 1.5, 1.5, 0.0))
    assert blob.frequency_bandwidth == math.inf


@pytest.mark.parametrize("picture", [np.zeros((8, 8)), np.ones((3, 8))])
def test_bad_pictures(picture):
    with pytest.raises(
        ValueError, match=r"fit_gabor: picture must be at least 4 × 4 and not all zeros, got shape"
    ):
        fit_gabor(picture)
