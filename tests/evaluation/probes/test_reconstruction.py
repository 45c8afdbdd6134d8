"""Decoding images from features: the similarity against slow loops; better features decode better."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from infomax.evaluation.probes.reconstruction import (
    EXPONENTS,
    Decoder,
    decoder_similarity,
    exponents,
    similarity,
)


def slow_ms_ssim(a, b, betas):
    """One pair of grey images, scale after scale: contrast and structure in every Gaussian window of 11 px;

    at the coarsest, with luminance, in windows over the borders as well, reflected, as the library has it.
    """
    offsets = np.arange(11) - 5
    line = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    result, c1, c2 = 1.0, 0.01**2, 0.03**2
    for beta in betas[:-1]:
        terms = [(2 * cov + c2) / (p + q + c2) for _, _, p, q, cov in moments(a, b, window)]
        result *= max(0, np.mean(terms)) ** beta
        a, b = (x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2).mean((1, 3)) for x in (a, b))
    terms = [
        (2 * cov + c2) / (p + q + c2) * (2 * m * n + c1) / (m**2 + n**2 + c1)
        for m, n, p, q, cov in moments(*(np.pad(x, 5, mode="reflect") for x in (a, b)), window)
    ]
    return result * max(0, np.mean(terms)) ** betas[-1]


def moments(a, b, window):
    """Means, variances and covariance in each whole window."""
    for i in range(a.shape[0] - 10):
        for j in range(a.shape[1] - 10):
            p, q = a[i : i + 11, j : j + 11], b[i : i + 11, j : j + 11]
            m, n = (window * p).sum(), (window * q).sum()
            of = (window * p**2).sum() - m**2, (window * q**2).sum() - n**2, (window * p * q).sum() - m * n
            yield m, n, *of


def test_similarity_is_that_of_slow_loops():
    rng = np.random.default_rng(0)
    a = np.kron(rng.random((8, 8)), np.ones((4, 4)))
    b = np.clip(a + 0.2 * rng.standard_normal(a.shape), 0, 1)
    found = similarity(*(torch.from_numpy(x)[None, None].float() for x in (a, b))).item()
    first = EXPONENTS[0] / (EXPONENTS[0] + EXPONENTS[1])
    assert found == pytest.approx(slow_ms_ssim(a, b, (first, 1 - first)), abs=1e-4)
    assert 0.3 < found < 0.95


def test_similarity_falls_with_noise():
    torch.manual_seed(0)
    images = torch.rand(3, 3, 4, 4).repeat_interleave(8, 2).repeat_interleave(8, 3)
    values = [
        similarity(images, (images + noise * torch.randn(3, 3, 32, 32)).clamp(0, 1))
        for noise in (0, 0.1, 0.5)
    ]
    assert torch.all(values[0] > 0.9999)
    assert torch.all(values[0] > values[1]) and torch.all(values[1] > values[2])


@pytest.mark.parametrize(
    ("side", "num_scales"),
    [(11, 1), (21, 1), (22, 2), (32, 2), (64, 3), (96, 3), (128, 4), (176, 5), (512, 5)],
)
def test_as_many_scales_as_have_room(side, num_scales):
    some = exponents(side)
    assert len(some) == num_scales
    assert sum(some) == pytest.approx(1)
    np.testing.assert_allclose(np.array(some) / some[0], np.array(EXPONENTS[:num_scales]) / EXPONENTS[0])
    images = torch.rand(1, 1, side, side)
    assert similarity(images, images).item() == pytest.approx(1)  # and the library takes them


@pytest.fixture(scope="module")
def digits():
    """Digits at 16 px, uint8."""
    pixels = torch.from_numpy(load_digits().images[:400]).float()[:, None]
    return (pixels * 15).repeat_interleave(2, 2).repeat_interleave(2, 3).byte()


def test_features_that_know_the_image_decode_better(digits):
    def decode(features):
        return decoder_similarity(
            features[:300],
            digits[:300],
            features[300:],
            digits[300:],
            width=16,
            max_steps=120,
            evaluate_every=40,
            lr=3e-3,
        )

    pixels = digits.flatten(1)[:, ::2].numpy()
    knowing, ignorant = decode(pixels), decode(np.random.default_rng(0).normal(size=(400, 8)))
    assert knowing.similarity > ignorant.similarity + 0.2
    assert knowing.squared_error < ignorant.squared_error / 2
    assert ignorant.squared_error == pytest.approx(
        (digits / 255).var(0).mean().item(), rel=0.3
    )  # the mean image
    assert 0 < knowing.standard_error < 0.03
    assert (knowing.num_train, knowing.num_test) == (300, 100)
    assert knowing.settings["num_validation"] == 30 and 0 < knowing.settings["num_steps"] <= 120
    json.dumps(asdict(knowing))


def test_everything_is_a_function_of_the_seed(digits):
    rows = digits.flatten(1)[:60].numpy(), digits[:60]
    images = rows[1].float() / 255
    options = {"width": 16, "max_steps": 5, "evaluate_every": 5}
    first = decoder_similarity(*rows, *rows, **options, seed=1)
    torch.rand(3)
    assert (
        decoder_similarity(rows[0], images, rows[0], images, **options, seed=1) == first
    )  # floats in [0, 1]
    assert decoder_similarity(*rows, *rows, **options, seed=2) != first


@pytest.mark.parametrize("shape", [(1, 11, 11), (3, 32, 32), (3, 64, 48), (1, 28, 28), (3, 96, 96)])
def test_the_decoder_makes_images_of_any_size(shape):
    images = Decoder(5, shape, width=16)(torch.randn(2, 5))
    assert images.shape == (2, *shape)
    assert images.min() >= 0 and images.max() <= 1


def test_errors(digits):
    x = digits[:40]
    z = x.flatten(1).numpy()
    with pytest.raises(ValueError, match=r"at least 11 px a side, .* got 8 px; enlarge them"):
        decoder_similarity(z, x[..., :8], z, x[..., :8])
    with pytest.raises(ValueError, match=r"train_images must be \[40, c, h, w\].* got \[39, 1, 16, 16\]"):
        decoder_similarity(z, x[1:], z, x)
    with pytest.raises(ValueError, match=r"test_images must be \[40, c, h, w\].* got \[40, 16, 16\]"):
        decoder_similarity(z, x, z, x[:, 0])
    with pytest.raises(ValueError, match=r"in \[0, 1\], got torch.float32 in \[-1, 1\]; give pixels"):
        decoder_similarity(z, x.clamp(max=1).float() * 2 - 1, z, x)
    with pytest.raises(ValueError, match=r"train_features are \[40, 256\] of .* test_features \[40, 255\]"):
        decoder_similarity(z, x, z[:, 1:], x)
    with pytest.raises(ValueError, match=r"16 images to train on and 2 to test on, got 15 and 40"):
        decoder_similarity(z[:15], x[:15], z, x)
    with pytest.raises(ValueError, match="train_features must be finite"):
        decoder_similarity(np.where(z > 0, np.nan, z), x, z, x)
