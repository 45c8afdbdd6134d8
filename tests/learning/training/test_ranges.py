"""From a folder of 12-bit stacks of two channels to features: one range, recorded and used again."""

import json

import numpy as np
import pytest
import tifffile
import torch
import yaml

from infomax.evaluation.embedding import embed
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.encoders.saving import load_encoder
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.loop import pretrain
from infomax.learning.views.images import ViewsConfig


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder of stacks, and a run of two steps on them."""
    folder = tmp_path_factory.mktemp("plate")
    random = np.random.default_rng(0)
    for number in range(16):
        bright, faint = random.integers(0, 4096, (32, 32)), random.integers(60, 661, (32, 32))
        stack = np.stack([bright, faint]).astype(np.uint16)
        tifffile.imwrite(folder / f"{number:02d}.ome.tif", stack, ome=True, metadata={"axes": "CYX"})
    recipe = Recipe(
        method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=4, embedding_dim=8, depth=1)),
        views=ViewsConfig(mean=(0.5, 0.5), std=(0.3, 0.3)),
        train=TrainConfig(steps=2, batch_size=8, precision="float32", accelerator="cpu"),
    )
    run = pretrain(recipe, recipe.views.load(folder), folder.parent / "run", quiet=True)
    return folder, run


def test_the_run_and_its_encoder_hold_the_range(trained):
    _, run = trained
    expected = {"range": "0:4095,60:660", "bits": 8, "pages": "first"}
    described = json.loads((run.folder / "encoder.json").read_text())["views"]
    recipe = yaml.safe_load(run.recipe.read_text())["views"]
    assert {name: described[name] for name in expected} == expected
    assert {name: recipe[name] for name in expected} == expected
    assert run.read_recipe().views.range == "0:4095,60:660"


def test_other_images_are_read_by_the_range_of_training(trained, tmp_path):
    folder, run = trained
    encoder = load_encoder(run.folder)
    (tmp_path / "dim").mkdir()
    stack = tifffile.imread(folder / "00.ome.tif") // 2
    tifffile.imwrite(tmp_path / "dim" / "0.ome.tif", stack, ome=True, metadata={"axes": "CYX"})
    bright = encoder.views.load(folder)
    with pytest.warns(UserWarning, match=r"values from 30 to 330 in channel 2, so that many are cut"):
        dim = encoder.views.load(tmp_path / "dim")
    assert dim.pixels.range == bright.pixels.range
    np.testing.assert_allclose(dim.values[0, ..., 0], bright.values[0, ..., 0] / 2, atol=1)
    assert dim.values[0, ..., 1].max() == round(255 * (int(stack[1].max()) - 60) / 600)


def test_features_of_8_and_16_bits_of_the_same_content_are_equal(trained):
    _, run = trained
    grey = np.random.default_rng(1).integers(0, 256, (4, 32, 32, 2), dtype=np.uint8)
    grey[0, 0, :2] = [[0, 0], [255, 255]]
    features = [
        embed(encoder, encoder.views.load([*images]))
        for encoder, images in (
            (load_encoder(run.folder, range="full"), grey),
            (load_encoder(run.folder, range="auto"), grey.astype(np.uint16) * 257),
        )
    ]
    np.testing.assert_allclose(*features, rtol=1e-5, atol=1e-6)
    floats = torch.from_numpy(grey).permute(0, 3, 1, 2) / 255
    np.testing.assert_allclose(load_encoder(run.folder)(floats).global_, features[0], rtol=1e-4, atol=1e-5)
