"""Deep InfoMax: what its parts do to the objective, what it refuses, that it learns and resumes exactly."""

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from lightning import Trainer
from torch import nn

from infomax.learning.data.dataset import Dataset
from infomax.learning.encoders.config import DIMEncoderConfig
from infomax.learning.encoders.features import Features
from infomax.learning.encoders.saving import load_encoder
from infomax.learning.methods import dim_learner
from infomax.learning.methods.dim import DIMConfig
from infomax.learning.methods.dim_learner import DIM
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.objectives.choices import BOUNDS
from infomax.learning.objectives.prior_config import PriorConfig
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.loop import pretrain, resume
from infomax.learning.training.options import recipe_from_options
from infomax.learning.training.recipes import recipe_named
from infomax.learning.views.images import PLAIN_VIEWS

VIEWS = replace(PLAIN_VIEWS, mean=(0.5,), std=(0.5,))
SMALL = DIMConfig(encoder=DIMEncoderConfig(width=4, num_hidden=16, num_units=8), critic_units=16)
BOUNDED = replace(SMALL.encoder, output="sigmoid")
ALL_PARTS = replace(
    SMALL,
    encoder=BOUNDED,
    global_weight=0.5,
    prior=PriorConfig(weight=0.1),
    num_globals=2,
    num_places=5,
    absolute_coordinates=0.3,
    relative_coordinates=0.2,
    occlusion=0.4,
)
RECIPE = Recipe(
    method=ALL_PARTS,
    views=VIEWS,
    optimizer=OptimizerConfig(lr=1e-3, warmup_steps=2),
    train=TrainConfig(steps=7, batch_size=8, checkpoint_steps=3, log_steps=2, precision="float32"),
)


def learner(config=SMALL, seed=0, encoder=None):
    torch.manual_seed(seed)
    return DIM(config, VIEWS, OptimizerConfig(), 3, encoder)


def random_views(n=6, seed=0):
    return (torch.randn(n, 1, 32, 32, generator=torch.Generator().manual_seed(seed)),)


def make_images(n=24, seed=0):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (n, 32, 32, 1), dtype=np.uint8)
    names = [f"{i}.png" for i in range(n)]
    return Dataset(pixels, rng.integers(0, 3, n).astype(np.int64), names, ("a", "b", "c"))


def rows_of(run):
    with run.metrics.open() as file:
        return list(csv.DictReader(file))


# ------------------------------------------------------------------------------------- the objective


@pytest.mark.parametrize("bound", BOUNDS)
def test_the_value_is_the_weighted_sum_of_bounds_of_scores(bound):
    one = learner(replace(SMALL, bound=bound, global_weight=0.5, local_weight=2.0)).eval()
    views = random_views()
    with torch.no_grad():
        objective, y = one.objective(views)
        features = one.encoder(views[0])
        scores = one.scores(features)
    assert torch.equal(y, features.global_)
    assert scores["global"].shape == (1, 6, 6, 1, 1)
    assert scores["local"].shape == (1, 6, 6, 8, 8)
    of_global, of_local = (BOUNDS[bound](scores[name][0]) for name in ("global", "local"))
    assert float(objective.value) == pytest.approx(float(0.5 * of_global + 2 * of_local), rel=1e-5)


def test_a_term_without_weight_is_left_out():
    assert set(learner(SMALL).critics) == {"local"}
    assert set(learner(replace(SMALL, global_weight=1.0, local_weight=0.0)).critics) == {"global"}


def test_several_globals_are_parts_of_y():
    one = learner(replace(SMALL, num_globals=4)).eval()
    with torch.no_grad():
        features = one.encoder(random_views()[0])
        scores = one.scores(features)["local"]
        (local,) = features.local.values()
        assert scores.shape == (4, 6, 6, 8, 8)
        for k in range(4):
            part = features.global_[:, 2 * k : 2 * k + 2]
            torch.testing.assert_close(scores[k], one.critics["local"](part, local))


def test_places_are_some_of_the_map():
    one = learner(replace(SMALL, num_places=3)).eval()
    with torch.no_grad():
        features = one.encoder(random_views()[0])
        everywhere = learner(SMALL).eval().scores(features)["local"].flatten(3)
        some = one.scores(features)["local"].flatten(3)
    assert some.shape == (1, 6, 6, 3)
    for j in range(6):  # the same three places of image j for every y
        matches = (everywhere[0, :, j, :, None] - some[0, :, j, None]).abs().amax(0) < 1e-5  # [64, 3]
        assert matches.any(0).all()


def test_occlusion_hides_from_y_alone():
    config = replace(SMALL, occlusion=0.5)
    views = random_views()
    one = learner(config).eval()
    with torch.no_grad():
        _, y = one.objective(views)
        plain = one.encoder(views[0]).global_
        occluded_map = one.encoder(views[0]).local[8]
    assert not torch.allclose(y, plain)
    seen = {}
    one.critics["local"].register_forward_hook(lambda _, arguments, __: seen.update(m=arguments[1]))
    with torch.no_grad():
        one.objective(views)
    assert torch.equal(seen["m"], occluded_map)  # the map of the whole image


def test_all_parts_together():
    one = learner(ALL_PARTS)
    torch.manual_seed(1)
    objective, _ = one.objective(random_views())
    t = {name: float(value.detach()) for name, value in objective.terms.items()}
    assert set(t) == {"global", "local", "absolute_coordinates", "relative_coordinates", "prior"}
    expected = (
        0.5 * t["global"] + t["local"] + 0.1 * t["prior"]
        + 0.3 * t["absolute_coordinates"] + 0.2 * t["relative_coordinates"]
    )  # fmt: skip
    assert float(objective.value.detach()) == pytest.approx(expected, rel=1e-5)
    assert set(objective.watched) == {
        "accuracy_absolute_coordinates", "accuracy_relative_coordinates",
        "prior_divergence", "prior_marginal_distance",
    }  # fmt: skip
    objective.value.backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in one.encoder.parameters())


def test_the_main_optimizer_leaves_the_discriminator_alone():
    one = learner(ALL_PARTS)
    assert one.prior is not None
    discriminator = {id(p) for p in one.prior.parameters()}
    assert discriminator
    one.trainer = Trainer(max_steps=10, logger=False, enable_checkpointing=False)
    groups = one.configure_optimizers()["optimizer"].param_groups
    assert not discriminator & {id(p) for group in groups for p in group["params"]}


# ------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"local_weight": 0.0}, "global_weight or local_weight must be above 0, got 0 and 0"),
        ({"local_weight": -1.0, "global_weight": 1.0}, "local_weight must be at least 0, got -1.0"),
        ({"occlusion": 1.0}, "occlusion must be at least 0 and below 1, got 1.0"),
        ({"num_places": 65}, "num_places must be from 1 to the 64 of the map, got 65"),
        ({"num_globals": 3}, "num_globals must divide the 8 units of the global feature, got 3"),
        ({"prior": PriorConfig(weight=0.1, kind="uniform")}, "sigmoid"),
        ({"prior": PriorConfig(weight=0.1, kind="spherical")}, "unit"),
    ],
)
def test_refusals(changes, message):
    with pytest.raises(ValueError, match=message):
        learner(replace(SMALL, **changes)).objective(random_views())


class Mapped(nn.Module):
    """An encoder whose maps are of given sides."""

    input_shape = (1, 32, 32)

    def __init__(self, *sides):
        super().__init__()
        self.sides = sides
        self.layer = nn.Conv2d(1, 4, 1)

    def forward(self, images):
        """Pooled convolutions."""
        maps = {s: nn.functional.adaptive_avg_pool2d(self.layer(images), s) for s in self.sides}
        return Features(self.layer(images).mean((2, 3)), maps)


def test_an_encoder_needs_one_map_of_several_places():
    with pytest.raises(ValueError, match=r"a single place \(1×1\).*tap an earlier layer"):
        learner(encoder=Mapped(1))
    with pytest.raises(ValueError, match=r"one local map, got sides \[4, 8\]"):
        learner(encoder=Mapped(4, 8))
    whole = replace(SMALL, global_weight=1.0, local_weight=0.0)
    objective, _ = learner(whole, encoder=Mapped(1)).objective(random_views())
    assert math.isfinite(objective.value.detach())


def test_a_batch_of_one_is_refused():
    with pytest.raises(ValueError, match="batch_size must be at least 2"):
        replace(RECIPE.train, batch_size=1)


# ------------------------------------------------------------------------------------- runs


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return pretrain(RECIPE, make_images(), tmp_path_factory.mktemp("dim") / "whole", quiet=True)


def test_run_folder(finished):
    assert finished.read_recipe() == replace(RECIPE, views=RECIPE.views.as_read(make_images()))
    assert json.loads((finished.folder / "encoder.json").read_text())["architecture"] == "DCGANEncoder"
    encoder = load_encoder(finished.folder)
    features = encoder(make_images().batch(slice(0, 3)))
    assert features.global_.shape == (3, 8)
    assert set(features.layers) == {"conv", "fc"}
    with np.load(finished.views) as file:
        assert set(file.files) == {"original", "view1"}
        assert np.array_equal(file["original"], file["view1"])


def test_metrics(finished):
    for row in rows_of(finished):
        assert float(row["ceiling_local"]) == pytest.approx(3.0)
        assert float(row["bits_local"]) <= 3.0
        assert 0 <= float(row["prior_marginal_distance"]) <= 1
        assert 0 <= float(row["accuracy_absolute_coordinates"]) <= 1


def test_a_resumed_run_ends_as_an_uninterrupted_one(tmp_path, finished, monkeypatch):
    class Stop(Exception):
        pass

    steps = []

    def stop_at_the_fifth(*arguments, **keywords):
        steps.append(1)
        if len(steps) == 5:
            raise Stop
        return original(*arguments, **keywords)

    original = dim_learner.dim_objective
    monkeypatch.setattr(dim_learner, "dim_objective", stop_at_the_fifth)
    with pytest.raises(Stop):
        pretrain(RECIPE, make_images(), tmp_path / "run", quiet=True)
    monkeypatch.undo()
    run = resume(RECIPE, make_images(), type(finished)(tmp_path / "run"), quiet=True)
    resumed, whole = load_encoder(run.folder).state_dict(), load_encoder(finished.folder).state_dict()
    assert all(torch.equal(resumed[key], whole[key]) for key in whole)


@pytest.mark.parametrize("bound", BOUNDS)
def test_it_learns(bound):
    """Images that are of one brightness each, so that every place tells which: the bound rises."""
    one = learner(replace(SMALL, bound=bound))
    optimizer = torch.optim.Adam(one.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    bounds = []
    for _ in range(60):
        views = (torch.randn(16, 1, 1, 1, generator=generator).expand(-1, 1, 32, 32),)
        objective, _ = one.objective(views)
        optimizer.zero_grad()
        (-objective.value).backward()
        optimizer.step()
        bounds.append(float(objective.bounds["local"]))
    assert np.mean(bounds[-5:]) > 1.0 > 0.25 > np.mean(bounds[:3])


# ------------------------------------------------------------------------------------- recipes


@pytest.mark.parametrize(
    "name", ["dim-digits", "dim-cifar10", "dim-cifar10-cpu", "dim-stl10", "dim-tinyimagenet"]
)
def test_recipes_round_trip(name):
    recipe = recipe_named(name)
    assert isinstance(recipe.method, DIMConfig)
    changed = recipe_from_options(
        recipe, ["--method.bound", "donsker_varadhan", "--method.prior.weight", "0.1"]
    )
    assert changed == replace(
        recipe, method=replace(recipe.method, bound="donsker_varadhan", prior=PriorConfig(weight=0.1))
    )


def test_the_paper():
    recipe = recipe_named("dim-cifar10")
    assert (recipe.train.batch_size, recipe.optimizer.lr, recipe.train.epochs) == (64, 1e-4, 1000)
    assert (recipe.views.flip, recipe.views.crop_scale, recipe.views.translate) == (0, None, 0)
