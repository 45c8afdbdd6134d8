"""Crops against torch's interpolation, colours against kornia and the standard library; what is drawn."""

import colorsys
import itertools
import math

import numpy as np
import pytest
import torch
from kornia import enhance
from kornia.augmentation.random_generator import ResizedCropGenerator
from kornia.color import rgb_to_grayscale
from torch.nn import functional as F

from infomax.learning.views import colours as colours_module
from infomax.learning.views.colours import ColorJitter, RandomGrayscale, luma, shifted_hue
from infomax.learning.views.geometry import Geometry, RandomCrop, resampled


def noise(n=6, channels=3, height=32, width=32):
    generator = torch.Generator().manual_seed(n)
    return torch.randint(0, 256, (n, channels, height, width), generator=generator, dtype=torch.uint8)


def colours(n=6, size=16):
    """Noise in [0, 1], among it black, white, greys, and ties between two channels."""
    images = noise(n, 3, size, size).float() / 255
    images[0, :, 0], images[0, :, 1], images[0, :, 2] = 0, 1, images[0, :1, 2]
    images[1, 1], images[2, 2], images[3, 0] = images[1, 0], images[2, 1], images[3, 2]
    return images


NONE, ALL = torch.zeros(6, dtype=torch.bool), torch.ones(6, dtype=torch.bool)


# --- geometry ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(32, 32), (20, 24), (64, 48), (7, 90)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_whole_image_is_interpolated_as_torch_does(size, channels):
    images = noise(channels=channels)
    made = Geometry(RandomCrop(size, (1.0, 1.0), (1.0, 1.0)))(images, NONE)
    expected = F.interpolate(images.float(), size, mode="bicubic", align_corners=False)
    torch.testing.assert_close(made, (expected / 255).clamp(0, 1), rtol=0, atol=1e-5)


def drawn_crop(images, crop):
    """A view by `Geometry`, and the rows and columns that it was taken from."""
    places = []

    class Kept(RandomCrop):
        def draw(self, images, views):
            places.extend(super().draw(images, views))
            return places[0], places[1]

    view = Geometry(Kept(crop.size, crop.scale, crop.ratio))(images, NONE)
    return view, *places


@pytest.mark.parametrize(("height", "width"), [(32, 32), (40, 60), (96, 50)])
def test_crops_sample_as_torch_does(height, width):
    """grid_sample at the same places; in the middle of a box also interpolate of the box alone."""
    torch.manual_seed(0)
    images = noise(6, 3, height, width)
    view, rows, columns = drawn_crop(images, RandomCrop((24, 28), (0.1, 1.0), (0.5, 2.0)))
    x, y = (columns + 0.5) / width * 2 - 1, (rows + 0.5) / height * 2 - 1
    grid = torch.stack([x[:, None].expand(-1, 24, -1), y[:, :, None].expand(-1, -1, 28)], -1)
    expected = F.grid_sample(images.float(), grid, mode="bicubic", padding_mode="border", align_corners=False)
    torch.testing.assert_close(view, (expected / 255).clamp(0, 1), rtol=0, atol=2e-4)
    for one, image, row, column in zip(view, images, rows, columns, strict=True):
        (top, bottom), (left, right) = edges(row), edges(column)
        box = image[None, :, top:bottom, left:right].float()
        alone = F.interpolate(box, (24, 28), mode="bicubic", align_corners=False)[0] / 255
        height_margin, width_margin = -(-2 * 24 // (bottom - top)), -(-2 * 28 // (right - left))
        inside = (slice(None), slice(height_margin, -height_margin), slice(width_margin, -width_margin))
        torch.testing.assert_close(one[inside], alone.clamp(0, 1)[inside], rtol=0, atol=2e-4)


def edges(places):
    """First pixel of a box, and the one after its last."""
    half_step = float(places[-1] - places[0]) / (len(places) - 1) / 2
    return round(float(places[0]) - half_step + 0.5), round(float(places[-1]) + half_step + 0.5)


@pytest.mark.parametrize("crop", [None, RandomCrop((20, 24), (1.0, 1.0), (1.0, 1.0))])
@pytest.mark.parametrize("reach", [0, 3])
def test_flips_mirror_the_view(crop, reach):
    images = noise()
    flip = torch.tensor([True, False, True, True, False, False])
    geometry = Geometry(crop, reach)
    torch.manual_seed(0)
    plain = geometry(images, NONE)
    torch.manual_seed(0)
    mirrored = geometry(images, flip)
    expected = torch.where(flip[:, None, None, None], plain.flip(-1), plain)
    torch.testing.assert_close(mirrored, expected, rtol=0, atol=1e-6)


def test_shifts_are_of_whole_pixels_with_reflected_borders():
    torch.manual_seed(0)
    images = noise(300, height=16, width=20)
    moved = Geometry(None, 4, 0.8)(images, torch.zeros(300, dtype=torch.bool)) * 255
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (4, 4), (4, 4)), mode="reflect")
    shifts = []
    for image, result in zip(padded, moved.round().byte().numpy(), strict=True):
        matches = [
            (dy, dx)
            for dy, dx in itertools.product(range(9), range(9))
            if np.array_equal(image[:, dy : dy + 16, dx : dx + 20], result)
        ]
        assert len(matches) == 1
        shifts += matches
    assert torch.equal(moved.round(), moved.round().byte().float())
    assert 0.14 < shifts.count((4, 4)) / 300 < 0.28  # 0.2, and one in 81 of those moved
    assert {dy for dy, _ in shifts} == {dx for _, dx in shifts} == set(range(9))


def test_a_crop_of_a_shifted_signal():
    """At once is as good as shifting first and cropping then."""
    signal = torch.randn(5, 20, 1)
    shift = torch.tensor([-4, -1, 0, 2, 4])
    places = torch.rand(5, 1) * 5 + torch.linspace(-0.4, 14.4, 12)
    padded = np.pad(signal.numpy(), ((0, 0), (4, 4), (0, 0)), mode="reflect")
    shifted = np.stack([one[4 + s : 24 + s] for one, s in zip(padded, shift.tolist(), strict=True)])
    expected = resampled(torch.from_numpy(shifted), places, torch.zeros_like(shift))
    torch.testing.assert_close(resampled(signal, places, shift), expected)


@pytest.mark.parametrize(("height", "width"), [(96, 96), (40, 60), (20, 200), (200, 20)])
def test_boxes_are_drawn_as_by_kornia(height, width):
    """Compared at their 5 %, 10 %, ... quantiles; in the long images often none of ten boxes fits."""
    torch.manual_seed(0)
    n, scale, ratio = 20000, (0.3, 1.0), (0.7, 1.4)
    ours = RandomCrop((8, 8), scale, ratio).boxes(height, width, torch.empty(n))
    corners = ResizedCropGenerator((8, 8), scale, ratio)((n, 3, height, width))["src"]
    theirs = (corners[:, 2, 1] - corners[:, 0, 1] + 1, corners[:, 1, 0] - corners[:, 0, 0] + 1)
    parts = torch.linspace(0.05, 0.95, 19)
    for our_sides, their_sides in zip(ours, theirs, strict=True):
        difference = our_sides[:, 0].quantile(parts) - their_sides.float().quantile(parts)
        assert float(difference.abs().max()) <= 1
        torch.testing.assert_close(our_sides.mean(), their_sides.float().mean(), rtol=0.005, atol=0)


def test_share_of_the_area_and_place_of_a_box():
    torch.manual_seed(0)
    image, views = torch.empty(1, 1, 200, 200), torch.empty(20000)
    heights, widths = RandomCrop((9, 9), (0.2, 0.5), (0.5, 2.0)).boxes(200, 200, views)
    share = heights * widths / 40000
    assert float(share.min()) > 0.195 and float(share.max()) < 0.505
    assert float(share.mean()) == pytest.approx(0.35, abs=0.003)
    assert float((widths / heights).log().mean()) == pytest.approx(0, abs=0.01)
    rows, columns = RandomCrop((9, 9), (0.25, 0.25), (1.0, 1.0)).draw(image, views)
    for places in (rows, columns):
        top = places[:, 0] - 100 / 9 / 2 + 0.5
        torch.testing.assert_close(top, top.round(), rtol=0, atol=1e-4)
        assert (round(float(top.min())), round(float(top.max()))) == (0, 100)
        assert float(top.mean()) == pytest.approx(50, abs=1)


# --- colours -----------------------------------------------------------------------------------------------

FACTORS = torch.tensor([0.0, 0.6, 0.9, 1.0, 1.2, 1.4])
KORNIA = (
    enhance.adjust_brightness_accumulative,
    enhance.adjust_contrast_with_mean_subtraction,
    enhance.adjust_saturation_with_gray_subtraction,
    lambda images, turns: enhance.adjust_hue(images, turns * 2 * math.pi),
)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_blends_are_those_of_kornia(which):
    images = colours()
    blend = torch.stack([1 - FACTORS, torch.full((6,), which == 1), torch.full((6,), which == 2)], 1)
    made = colours_module._blend(images.clone(), [blend])
    torch.testing.assert_close(made, KORNIA[which](images, FACTORS), rtol=0, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_contrast_of_other_channels_is_about_the_mean_of_all(channels):
    images = noise(channels=channels).float() / 255
    blend = torch.stack([1 - FACTORS, torch.ones(6), torch.zeros(6)], 1)
    expected = images.mean((1, 2, 3), keepdim=True).lerp(images, FACTORS[:, None, None, None])
    made = colours_module._blend(images.clone(), [blend])
    torch.testing.assert_close(made, expected.clamp(0, 1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("turn", [-0.5, -0.2, 0.0, 0.1, 1 / 3, 0.5])
def test_hue_moves_as_in_the_standard_library(turn):
    images, turns = colours(), torch.full((6, 1), turn)
    made = shifted_hue(images, turns)
    torch.testing.assert_close(made, KORNIA[3](images, turns[:, 0]), rtol=0, atol=3e-6)
    for pixel, moved in zip(images[0].flatten(1).T.tolist(), made[0].flatten(1).T.tolist(), strict=True):
        hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
        assert moved == pytest.approx(colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value), abs=3e-6)


def test_grey_is_luma_in_a_share_of_the_images():
    torch.manual_seed(0)
    images = noise(400).float() / 255
    made = RandomGrayscale(0.25)(images)
    torch.testing.assert_close(luma(images), rgb_to_grayscale(images))
    grey = (made == rgb_to_grayscale(images)).flatten(1).all(1)
    assert 0.18 < float(grey.float().mean()) < 0.33
    assert torch.equal(made[~grey], images[~grey])


def test_factors_and_turns_are_uniform_in_a_share_of_the_images():
    torch.manual_seed(0)
    colour = torch.tensor([0.6, 0.3, 0.3])[None, :, None, None].expand(4000, -1, 2, 2)
    brightness = ColorJitter((0.4, 0.0, 0.0, 0.0), 0.8)(colour)[:, 0, 0, 0] / 0.6
    turned = ColorJitter((0.0, 0.0, 0.0, 0.15), 0.8)(colour)[:, :, 0, 0]
    turns = (turned[:, 1] - turned[:, 2]) / 0.3 / 6  # up to a sixth, red stays the greatest
    for values, centre, reach in ((brightness, 1, 0.4), (turns, 0, 0.15)):
        changed = values[(values - centre).abs() > 1e-5]
        assert 0.77 < len(changed) / 4000 < 0.83
        assert float((changed - centre).abs().max()) < reach + 1e-5
        shares = torch.histc((changed - centre) / reach, 8, -1, 1) / len(changed)
        torch.testing.assert_close(shares, torch.full((8,), 1 / 8), rtol=0, atol=0.025)


def test_strong_jitter_does_not_turn_images_negative():
    """Factors of a strength above 1 begin at 0, as in torchvision."""
    torch.manual_seed(0)
    light = ColorJitter((3.0, 0.0, 0.0, 0.0), 1.0)(torch.full((4000, 3, 1, 1), 0.2))
    assert float(light.min()) >= 0
    assert float((light == 0).float().mean()) < 0.01


def test_every_order_is_as_likely(monkeypatch):
    """Of 24 orders with the same factors each image shows one; all occur, about equally often."""
    torch.manual_seed(0)
    drawn = colours_module.uniform

    def fixed(views, num, low=0.0, high=1.0):
        return drawn(views, num) if num > 1 else torch.full((len(views), 1), low + 0.1 * (high - low))

    monkeypatch.setattr(colours_module, "uniform", fixed)
    num = 24 * 100
    image = noise(1, 3, 8, 8).float() / 255
    made = ColorJitter((0.9, 0.9, 0.9, 0.3), 1.0)(image.expand(num, -1, -1, -1))
    factors = [torch.tensor([f]) for f in (1.0 + 0.9 * 0.8, 1.0 + 0.9 * 0.8, 1.0 + 0.9 * 0.8, -0.24)]
    expected = []
    for order in itertools.permutations(range(4)):
        changed = image
        for which in order:
            changed = KORNIA[which](changed, factors[which])
        expected.append(changed)
    expected = torch.cat(expected).flatten(1)
    away = (made.flatten(1)[:, None] - expected).abs().amax(2)
    assert float(away.amin(1).max()) < 1e-5 < 1e-2 < float(torch.pdist(expected, p=math.inf).min())
    counts = torch.bincount(away.argmin(1), minlength=24)
    assert float(((counts - 100.0) ** 2 / 100).sum()) < 50  # of chi-squared with 23 degrees of freedom, 0.999


def test_arguments_are_not_changed():
    for layer in (
        ColorJitter((0.4, 0.4, 0.4, 0.2), 1.0),
        ColorJitter((0.4, 0.4, 0.0, 0.0), 1.0),
        RandomGrayscale(1.0),
    ):
        images = colours()
        before = images.clone()
        assert not torch.equal(layer(images), images)
        assert torch.equal(images, before)
