"""A network of your own goes all the way: trained through the names of its layers, then loaded."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from infomax.evaluation.evaluating import evaluate_run
from infomax.evaluation.probes.probe import ProbeResult
from infomax.learning.data.loading import load_images
from infomax.learning.encoders.saving import load_encoder, untrained
from infomax.learning.encoders.tapped import TappedEncoder
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.dim import DIMConfig
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.loop import pretrain
from infomax.learning.training.recipes import RECIPES, recipe_named, replaced_settings
from infomax.learning.views.images import PLAIN_VIEWS, ViewsConfig

GREY = {"mean": (0.31,), "std": (0.36,)}


class Backbone(nn.Module):
    """Named as torchvision's are."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, 2, 1)
        self.bn1 = nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1), nn.ReLU())
        self.layer2 = nn.Sequential(nn.Conv2d(6, 8, 3, 2, 1), nn.ReLU())
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, 10)

    def forward(self, x):
        """Class scores, which nobody uses."""
        return self.fc(self.avgpool(self.layer2(self.layer1(self.bn1(self.conv1(x))))).flatten(1))


def backbone(seed=0):
    torch.manual_seed(seed)
    return Backbone()


METHODS = {
    "dim": (
        DIMConfig(critic_units=16),
        replace(PLAIN_VIEWS, **GREY),
        {"local": "layer1", "global_": "fc", "layers": ("layer2",)},
    ),
    "amdim": (
        AMDIMConfig(scales=((1, 8), (1, 4), (4, 4))),
        ViewsConfig(jitter=(0.0,) * 4, grayscale=0.0, **GREY),
        {"local": ("layer1", "layer2"), "global_": "avgpool", "embedding_dim": 12},
    ),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_module_by_the_names_of_its_layers(name, tmp_path):
    method, views, taps = METHODS[name]
    images = load_images("digits", size=32, channels=1)
    recipe = Recipe(
        method=method,
        views=views,
        optimizer=OptimizerConfig(lr=1e-3),
        train=TrainConfig(steps=4, batch_size=16, log_steps=2),
    )
    encoder = TappedEncoder(backbone(), image_shape=(1, 32, 32), **taps)
    before = encoder.module.conv1.weight.clone()
    run = pretrain(recipe, images, tmp_path / "run", encoder=encoder, quiet=True)
    assert not torch.equal(before, encoder.module.conv1.weight)  # it is trained itself
    loaded = load_encoder(run.folder, module=backbone(seed=9))
    some = images.batch(slice(0, 5))
    features = encoder.eval()(loaded.view(some))
    torch.testing.assert_close(loaded(some).global_, features.global_)
    with pytest.raises(ValueError, match=r"needs a .*Backbone, which it taps; got none"):
        load_encoder(run.folder)
    result = evaluate_run(run, "digits", encoder=loaded, labels_per_class=None, probes={"all": chance_probe})
    assert [row["representation"] for row in result["rows"]] == [name.upper(), "random encoder", "raw pixels"]


def chance_probe(train_features, train_labels, test_features, test_labels, *, seed=0):
    assert np.isfinite(train_features).all()
    return ProbeResult.of("all", [0.1], len(train_labels), test_labels, {})


def test_a_random_counterpart_has_other_weights_and_the_same_shape():
    encoder = TappedEncoder(backbone(), image_shape=(1, 32, 32), local="layer1", global_="fc")
    torch.manual_seed(5)
    other = untrained(encoder)
    assert not torch.equal(encoder.module.conv1.weight, other.module.conv1.weight)
    assert encoder.state_dict().keys() == other.state_dict().keys()


def test_whole_encoders_take_no_module(tmp_path):
    images = load_images("digits", size=32, channels=1)
    recipe = Recipe(
        method=DIMConfig(critic_units=16, encoder=replace(DIMConfig().encoder, width=4, num_hidden=16)),
        views=replace(PLAIN_VIEWS, **GREY),
        train=TrainConfig(steps=1, batch_size=16),
    )
    run = pretrain(recipe, images, tmp_path / "run", quiet=True)
    with pytest.raises(ValueError, match="needs no module: it is whole; got Backbone"):
        load_encoder(run.folder, module=backbone())


def test_changed_settings_of_the_encoder_that_is_replaced_are_said(tmp_path, capsys):
    method, views, taps = METHODS["dim"]
    images = load_images("digits", size=32, channels=1, progress=False)
    wide = replace(method, encoder=replace(method.encoder, width=99))
    recipe = Recipe(method=wide, views=views, train=TrainConfig(steps=1, batch_size=16))
    encoder = TappedEncoder(backbone(), image_shape=(1, 32, 32), **taps)
    pretrain(recipe, images, tmp_path / "run", encoder=encoder)
    said = "method.encoder.width 99 has no effect: the encoder that was given takes the place of the recipe's"
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("name", RECIPES)
def test_a_named_recipe_has_no_changed_settings(name):
    assert replaced_settings(recipe_named(name)) == {}
