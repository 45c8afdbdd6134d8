"""The recipe for a CPU takes images of any size, which decide how they are kept and seen; it is recorded."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from infomax.evaluation.ablation.ablating import ablate
from infomax.learning.data.loading import load_images
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.encoders.saving import load_encoder
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.training.loop import pretrain, seconds_per_step
from infomax.learning.training.recipes import RECIPES, recipe_named
from infomax.learning.training.run import Run
from infomax.learning.views.images import ViewsConfig

SMALL = AMDIMConfig(encoder=AMDIMEncoderConfig(width=4, embedding_dim=8, depth=1, max_fine_side=48))


def written(folder, side, num=8):
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (num, side, side, 3), dtype=np.uint8)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize(("side", "stored", "seen", "last"), [(28, 32, 32, 7), (120, 96, 64, 7)])
def test_images_decide_their_size(tmp_path, side, stored, seen, last):
    recipe = replace(recipe_named("amdim-cpu"), method=SMALL)
    recipe = replace(recipe, train=recipe.train.with_budget(steps=1))
    dataset = recipe.load(written(tmp_path / "images", side))
    run = pretrain(recipe, dataset, tmp_path / "run", quiet=True)
    views = run.read_recipe().views
    assert (views.stored_size, views.image_size) == (stored, seen)
    encoder = load_encoder(run.folder)
    assert encoder.views.stored_shape == (3, stored, stored)
    assert encoder.encoder.layers[0].conv.stride == ((1, 1) if seen == 32 else (2, 2))
    assert f"kept at {stored} px" in " ".join(run.read_environment()["data"]["notes"])


def test_a_size_that_is_set_stays():
    images = load_images([np.zeros((60, 80, 3), np.uint8)] * 2, size=(60, 80), progress=False)
    assert ViewsConfig(stored_size=(60, 80), image_size=None).as_read(images).image_size == (40, 53)
    assert ViewsConfig(stored_size=None, image_size=20).as_read(images).stored_size == (60, 80)
    assert ViewsConfig(stored_size=40, image_size=None).input_shape == (3, 40, 40)


def test_a_size_that_is_not_known_yet_is_refused():
    for name in ("input_shape", "stored_shape"):
        with pytest.raises(ValueError, match="views: the pictures decide their size when they are loaded"):
            getattr(ViewsConfig(stored_size=None, image_size=None), name)


def test_older_names_stay():
    assert RECIPES["amdim-cifar10-cpu"] is RECIPES["amdim-photos-cpu"] is RECIPES["amdim-cpu"]


@pytest.mark.parametrize("side", [16, 17, 25, 48, 64, 96])
def test_a_longer_side_is_halved_first(side):
    fine, halved = (AMDIMEncoder(side, 4, 8, 1, max_fine_side=limit) for limit in (96, 16))
    images = torch.zeros(2, 3, side, side)
    assert fine.layers[0](images).shape[-1] >= side - 2
    expected = side if side <= 16 else -(-side // 2)
    assert expected - 2 <= halved.layers[0](images).shape[-1] <= expected + 8
    features = halved(images)
    assert (features.global_.shape, features.local[7].shape) == ((2, 8), (2, 8, 7, 7))
    assert AMDIMEncoder(**halved.arguments).state_dict().keys() == halved.state_dict().keys()


def test_steps_are_timed_and_parts_left_out_at_the_size_that_images_decide(tmp_path):
    """Also of the variant whose views are the image as it is seen."""
    recipe = replace(recipe_named("amdim-cpu"), method=SMALL)
    recipe = replace(recipe, train=replace(recipe.train.with_budget(steps=1), batch_size=4))
    source = tmp_path / "images"
    for split in ("train", "test"):
        for label in ("a", "b"):
            (source / split).mkdir(parents=True, exist_ok=True)
            written(source / split / label, 120)
    assert seconds_per_step(recipe, recipe.load(source), duration=0.01) > 0
    out = tmp_path / "out"
    ablate(recipe, str(source), out, variants=["no augmentation"], num_seeds=1, quiet=True)
    whole, plain = (Run(out / name / "seed-0").read_recipe().views for name in ("whole", "no-augmentation"))
    assert (whole.stored_size, whole.image_size) == (96, 64)
    assert (plain.stored_size, plain.image_size) == (64, 64)
