"""A first layer that begins with filters that whiten patches of the training images."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from infomax.learning.data.loading import load_images
from infomax.learning.encoders.amdim_layers import NOISE, Convolution, whiten
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.trainer import new_learner
from infomax.learning.views.images import ViewsConfig
from infomax.learning.views.signals import SignalViewsConfig

SMALL = AMDIMEncoderConfig(width=12, embedding_dim=8, depth=1, whitened=True)
GREY = ViewsConfig(mean=(0.5,), std=(0.5,), stored_size=16, image_size=16)
RECIPE = Recipe(method=AMDIMConfig(encoder=SMALL), views=GREY, train=TrainConfig(steps=1, batch_size=8))


@pytest.mark.parametrize(("num_in", "kernel"), [(1, 3), (2, (1, 5)), (3, 2)])
def test_outputs_are_white(num_in, kernel):
    """Second moments of the outputs without ReLU, by NumPy: the identity, but for the noise."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(num_in, num_in, generator=generator)
    seen = torch.einsum("ij,bjhw->bihw", mixing, torch.randn(64, num_in, 9, 12, generator=generator))
    seen = F.avg_pool2d(seen, 2, 1)
    layer = Convolution(num_in, 40, kernel)
    size = layer.conv.weight[0].numel()
    others = layer.conv.weight[2 * size :].clone()
    whiten(layer, seen)
    assert torch.equal(layer.conv.weight[size : 2 * size], -layer.conv.weight[:size])
    assert torch.equal(layer.conv.weight[2 * size :], others) and not layer.conv.bias.any()
    outputs = layer.conv(seen)[:, :size].detach().numpy().transpose(1, 0, 2, 3).reshape(size, -1)
    moments = np.cov(outputs, bias=True) + np.outer(outputs.mean(1), outputs.mean(1))
    np.testing.assert_allclose(moments - np.diag(np.diag(moments)), 0, atol=1e-4)
    assert (np.diag(moments) <= 1.0001).all() and np.diag(moments)[0] == pytest.approx(1, abs=10 * NOISE)


def test_few_filters_take_the_largest_moments():
    seen = torch.randn(50, 1, 8, 8, generator=torch.Generator().manual_seed(1)).cumsum(3)
    layer = Convolution(1, 6, 3)
    whiten(layer, seen)
    patches = F.unfold(seen, 3).transpose(1, 2).reshape(-1, 9).numpy()
    _, values, axes = np.linalg.svd(patches, full_matrices=False)
    for weight, axis in zip(layer.conv.weight[:3].flatten(1).detach().numpy(), axes, strict=False):
        assert abs(weight @ axis) / np.linalg.norm(weight) == pytest.approx(1, abs=1e-4)
    assert (np.diff(values) <= 0).all()


def test_training_begins_so_by_seed_and_data():
    images = load_images("digits", size=16, channels=1, progress=False).subset(slice(0, 64))
    one, again = (new_learner(RECIPE, images).encoder.layers[0].conv.weight for _ in range(2))
    assert torch.equal(one, again) and torch.equal(one[:6], -one[6:12])
    other = new_learner(RECIPE, images.subset(slice(0, 32))).encoder.layers[0].conv.weight
    assert not torch.equal(one, other)
    plain = replace(RECIPE, method=AMDIMConfig(encoder=replace(SMALL, whitened=False)))
    own = new_learner(plain, images).encoder
    assert torch.equal(
        new_learner(RECIPE, images, own).encoder.layers[0].conv.weight, own.layers[0].conv.weight
    )


def test_signals():
    views = SignalViewsConfig(stored_length=64, length=48)
    recipe = replace(RECIPE, views=views)
    signals = views.load(np.random.default_rng(0).normal(size=(16, 64, 1)).astype(np.float32))
    weight = new_learner(recipe, signals).encoder.layers[0].conv.weight
    assert torch.equal(weight[:3], -weight[3:6])
