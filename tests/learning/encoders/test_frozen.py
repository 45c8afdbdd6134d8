"""A pretrained encoder: what it takes, what it refuses, and that it stays as it was trained."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from infomax.learning.data import Dataset, load_images
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.saving import PretrainedEncoder, load_encoder, save_encoder
from infomax.learning.views.images import ViewsConfig
from infomax.learning.views.paired import PairedViewsConfig
from infomax.learning.views.signals import SignalViewsConfig
from infomax.learning.views.table import views_like

GREY = ViewsConfig(mean=(0.4,), std=(0.2,), policy=None)
RAMP = np.add.outer(np.arange(64), np.arange(64) * 64).astype(np.uint16)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    network = AMDIMEncoder(32, 4, 8, 1, batch_norm=True)
    network(torch.randn(8, 3, 32, 32))
    return PretrainedEncoder(network, ViewsConfig())


@pytest.fixture
def images(random_pixels):
    return torch.from_numpy(random_pixels(0, 4, 3, 32, 32))


def test_floats_in_the_unit_range_are_what_uint8_is(encoder, images):
    """As torchvision's ToTensor gives them."""
    expected = encoder(images).global_
    for floats in (images.float() / 255, images.double() / 255):
        torch.testing.assert_close(encoder(floats).global_, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            lambda x: x.float(),
            r"got floats from 0 to 255; give the pixels before normalisation, divided by 255",
        ),
        (lambda x: (x / 255 - 0.45) / 0.22, r"uint8, or floats in \[0, 1\], got floats from -2.045 to 2.5"),
        (lambda x: x / torch.nan, r"got floats from nan to nan"),
        (lambda x: x.long(), r"got torch.int64; for values from 0 to 255 give images.to\(torch.uint8\)"),
        (lambda x: x[0], r"expected images \[b, 3, h, w\], got \[3, 32, 32\]; give a batch: images\[None\]"),
        (lambda x: x.permute(0, 2, 3, 1), r"got \[4, 32, 32, 3\]; channels come first: images.permute"),
        (lambda x: x[:, :1], r"got \[4, 1, 32, 32\]; load them with as many channels as the encoder was"),
    ],
)
def test_other_inputs_are_refused_with_the_remedy(encoder, images, wrong, message):
    with pytest.raises(ValueError, match=message):
        encoder(wrong(images))


def test_it_stays_frozen_within_a_module_that_trains(encoder, images):
    expected = encoder(images).global_
    around = nn.Sequential(nn.ModuleDict({"features": encoder}), nn.Dropout())
    around.train()
    assert around[1].training and not any(part.training for part in encoder.modules())
    for _ in range(3):
        assert torch.equal(encoder(images).global_, expected)
    assert not encoder(images).global_.requires_grad
    inner = encoder.encoder.train()  # what asks for it is trained
    assert inner.training
    encoder.eval()


def test_views_of_floats_are_those_of_uint8(images):
    config = replace(ViewsConfig(), crop_scale=None)
    for views in (config, ViewsConfig()):
        made = []
        for pixels in (images, images.float() / 255):
            torch.manual_seed(0)
            made.append(views.random_views(2)(pixels))
        for one, other in zip(*made, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def saved(folder, views):
    torch.manual_seed(0)
    save_encoder(folder, AMDIMEncoder(32, 4, 8, 1, channels=1), views)
    return json.loads((folder / "encoder.json").read_text())


def test_the_range_that_was_taken_is_kept_and_used_again(tmp_path):
    dataset = load_images([RAMP], size=32, channels=1, cache=None, progress=False)
    views = GREY.as_read(dataset)
    assert saved(tmp_path, views)["views"]["range"] == "0:4095"
    encoder = load_encoder(tmp_path)
    dim = encoder.views.load([RAMP // 4])
    assert dim.pixels.range == "0:4095" and 60 <= dim.values.max() <= 64
    assert load_encoder(tmp_path, range="auto").views.load([RAMP // 4]).values.max() > 250
    assert load_encoder(tmp_path, range="0:1023").views.range == "0:1023"


def test_16_bits_are_kept_and_seen(tmp_path):
    values = (RAMP * 100 // 4095).astype(np.uint16)
    values[0, 0] = 60000
    dataset = GREY.load([values, values])
    views = GREY.as_read(dataset)
    assert (views.range, views.bits) == ("0:65535", 16)
    saved(tmp_path, views)
    features = load_encoder(tmp_path)(dataset.batch(slice(0, 2))).global_
    assert torch.isfinite(features).all()
    assert views.thumbnails(dataset).dtype == np.uint8 and views.raw(dataset).max() <= 1


def test_encoders_without_a_range_mean_what_they_meant(tmp_path):
    description = saved(tmp_path, GREY)
    for name in ("range", "bits", "pages"):
        del description["views"][name]
    (tmp_path / "encoder.json").write_text(json.dumps(description))
    views = load_encoder(tmp_path).views
    assert (views.range, views.bits, views.pages) == ("full", 8, "first")
    values = views.load([RAMP * 16]).values
    expected = load_images([np.round(RAMP * 16 / 257).astype(np.uint8)], size=32, channels=1, progress=False)
    np.testing.assert_array_equal(values, expected.values)
    assert views_like(description["views"]).range == "full"
    assert views_like({"name": "paired", "first": {}}).first.range == "full"


def test_views_that_say_another_range_refuse_the_dataset():
    dataset = load_images([RAMP], size=32, channels=1, cache=None, progress=False)
    with pytest.raises(ValueError, match=r"read by the range 0:4095, expected 0:100, as views.range says"):
        replace(GREY, range="0:100").as_read(dataset)
    by_hand = Dataset(dataset.values, dataset.labels, dataset.names, ())
    assert GREY.as_read(by_hand).range == "full"
    assert replace(GREY, range="0:100").as_read(by_hand).range == "0:100"


def test_only_images_have_a_range():
    both = PairedViewsConfig(first=GREY, second=SignalViewsConfig())
    assert both.reading(range="0:9").first.range == "0:9" and both.reading(range=None) == both
    with pytest.raises(ValueError, match="views: range is for images, got signal views"):
        SignalViewsConfig().reading(range="0:9")
