"""What only a GPU does: compiled parts, a captured step, updates skipped where they are not finite."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from infomax.errors import Diverged
from infomax.learning.data.dataset import Dataset
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.loop import pretrain
from infomax.learning.views.images import CIFAR_VIEWS, ViewsConfig

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU of NVIDIA's")

PLAIN = ViewsConfig(crop_scale=None, flip=0.0, jitter=(0.0,) * 4, grayscale=0.0)
RECIPE = Recipe(
    method=AMDIMConfig(
        encoder=AMDIMEncoderConfig(width=8, embedding_dim=16, depth=1, batch_norm=True),
        scales=((1, 5), (1, 7)),
    ),
    views=PLAIN,
    optimizer=OptimizerConfig(lr=1e-3),
    train=TrainConfig(steps=8, batch_size=32, precision="float32", log_steps=1),
)


def images():
    pixels = np.random.default_rng(0).integers(0, 256, (100, 32, 32, 3), dtype=np.uint8)
    return Dataset(pixels, np.arange(100) % 10, [str(i) for i in range(100)], tuple("abcdefghij"))


def column(run, name):
    with run.metrics.open() as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def test_a_captured_step_learns_as_an_eager_one(tmp_path):
    compiled = replace(RECIPE, train=replace(RECIPE.train, compile=True))
    values = [
        column(pretrain(recipe, images(), tmp_path / name, quiet=True), "value")
        for name, recipe in {"eager": RECIPE, "captured": compiled}.items()
    ]
    np.testing.assert_allclose(*values, rtol=1e-3)


def test_captured_views_differ_from_step_to_step_and_follow_from_the_seed(tmp_path):
    train = replace(RECIPE.train, compile=True, precision="bf16")
    recipe = replace(RECIPE, views=CIFAR_VIEWS, optimizer=OptimizerConfig(lr=0.0), train=train)
    first, again = (
        column(pretrain(recipe, images(), tmp_path / name, quiet=True), "value") for name in ("a", "b")
    )
    assert len(set(first)) == len(first)
    np.testing.assert_allclose(first, again, rtol=1e-3)


def test_an_update_that_is_not_finite_is_skipped_and_stops_training(tmp_path):
    train = replace(RECIPE.train, checkpoint_steps=1)
    recipe = replace(RECIPE, optimizer=OptimizerConfig(lr=1e38, warmup_steps=0), train=train)
    with pytest.raises(Diverged, match="its gradient not finite"):
        pretrain(recipe, images(), tmp_path / "run", quiet=True)
    kept = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert kept["global_step"] >= 1
