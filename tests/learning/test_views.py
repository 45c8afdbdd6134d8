"""Views: the flip is shared, the rest independent; seeds decide; shapes, ranges, evaluation crop, errors."""

import numpy as np
import pytest
import torch
from PIL import Image

from infomax.learning.views import (
    CIFAR_VIEWS,
    IMAGENET128_VIEWS,
    STL_VIEWS,
    AugmentedViews,
    EvaluationView,
    Normalize,
    ReflectTranslate,
    ViewsConfig,
)

PLAIN = {
    "crop_scale": None,
    "jitter": (0.0, 0.0, 0.0, 0.0),
    "grayscale": 0.0,
    "mean": (0.0,) * 3,
    "std": (1.0,) * 3,
}


def random_images(n=8, channels=3, size=32, seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(0, 256, (n, size, size, channels), dtype=np.uint8)).permute(
        0, 3, 1, 2
    )


@pytest.mark.parametrize("config", [CIFAR_VIEWS, STL_VIEWS, IMAGENET128_VIEWS])
def test_recipes_of_the_paper(config):
    images = random_images(4, size=config.stored_size)
    view1, view2 = AugmentedViews(config)(images)
    for view in (view1, view2):
        assert view.shape == (4, 3, config.image_size, config.image_size)
        assert view.dtype == torch.float32
        assert view.is_contiguous(memory_format=torch.channels_last)
        pixels = view * Normalize(config).std + Normalize(config).mean
        assert float(pixels.min()) >= -1e-5
        assert float(pixels.max()) <= 1 + 1e-5
    assert not torch.equal(view1, view2)


def test_flip_is_shared_and_an_even_coin():
    torch.manual_seed(0)
    images = random_images(400)
    view1, view2 = AugmentedViews(ViewsConfig(**PLAIN))(images)
    torch.testing.assert_close(view1, view2)
    flipped = (view1 == images.flip(-1).float() / 255).flatten(1).all(1)
    kept = (view1 == images.float() / 255).flatten(1).all(1)
    assert torch.equal(flipped, ~kept)
    assert 150 < int(flipped.sum()) < 250


def test_the_rest_is_independent():
    torch.manual_seed(0)
    images = random_images(400)
    view1, view2 = AugmentedViews(ViewsConfig(**{**PLAIN, "flip": 0.0, "grayscale": 0.5}))(images)
    grey1, grey2 = (
        (view[:, 0] - view[:, 1]).abs().flatten(1).max(1).values < 1e-4 for view in (view1, view2)
    )
    both = float((grey1 & grey2).float().mean())
    assert 0.17 < both < 0.33


def test_the_seed_decides():
    images = random_images()
    views = AugmentedViews(STL_VIEWS)

    def made(seed):
        torch.manual_seed(seed)
        return torch.stack(views(images))

    torch.testing.assert_close(made(1), made(1), rtol=0, atol=0)
    assert not torch.equal(made(1), made(2))


def test_reflect_translate_is_a_whole_pixel_shift():
    torch.manual_seed(0)
    images = random_images(64).float()
    moved = ReflectTranslate(4, 0.8)(images)
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (4, 4), (4, 4)), mode="reflect")
    shifts = []
    for image, result in zip(padded, moved.numpy(), strict=True):
        matches = [
            (dy, dx)
            for dy in range(9)
            for dx in range(9)
            if np.array_equal(image[:, dy : dy + 32, dx : dx + 32], result)
        ]
        assert len(matches) == 1
        shifts += matches
    unmoved = shifts.count((4, 4)) / 64
    assert 0.05 < unmoved < 0.4
    assert {dy for dy, _ in shifts} == set(range(9))


def test_images_are_not_changed():
    images = random_images()
    before = images.clone()
    AugmentedViews(CIFAR_VIEWS)(images)
    EvaluationView(CIFAR_VIEWS)(images)
    assert torch.equal(images, before)


def test_grey_images():
    config = ViewsConfig(mean=(0.3,), std=(0.35,))
    view1, _ = AugmentedViews(config)(random_images(channels=1))
    assert view1.shape == (8, 1, 32, 32)


def test_evaluation_view_is_exact_at_its_own_size():
    images = random_images()
    expected = (images.float() / 255 - Normalize(CIFAR_VIEWS).mean) / Normalize(CIFAR_VIEWS).std
    torch.testing.assert_close(EvaluationView(CIFAR_VIEWS)(images), expected)
    assert torch.equal(Normalize(CIFAR_VIEWS).inverse(expected), images)


def test_evaluation_view_crops_the_centre():
    """96 px, of which 64/70 = 88 are kept and scaled to 64: close to Pillow's bicubic."""
    gradient = np.linspace(0, 255, 96, dtype=np.uint8)
    image = np.stack(
        [np.tile(gradient, (96, 1)), np.tile(gradient[:, None], (1, 96)), np.full((96, 96), 90)], -1
    )
    image = image.astype(np.uint8)
    view = EvaluationView(STL_VIEWS)(torch.from_numpy(image[None]).permute(0, 3, 1, 2))
    ours = Normalize(STL_VIEWS).inverse(view)[0].permute(1, 2, 0).numpy().astype(int)
    expected = np.asarray(
        Image.fromarray(image[4:92, 4:92]).resize((64, 64), Image.Resampling.BICUBIC)
    ).astype(int)
    assert np.abs(ours - expected).max() <= 2


def test_errors():
    with pytest.raises(ValueError, match="flip must be a probability in"):
        ViewsConfig(flip=1.5)
    with pytest.raises(ValueError, match=r"one value a channel \(1 or 3\), got 2 and 3"):
        ViewsConfig(mean=(0.5, 0.5))
    with pytest.raises(ValueError, match=r"evaluation_crop must be in \(0, 1\], got 0"):
        ViewsConfig(evaluation_crop=0.0)
