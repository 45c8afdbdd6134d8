"""Runs whose views come from two places, times or senses: training, resuming, encoder files, recipes."""

from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

from infomax.learning.data.pairing import in_time, same_names
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.amdim_signals import SignalEncoder
from infomax.learning.encoders.architectures import amdim_encoder
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.encoders.saving import load_encoder
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.amdim_learner import AMDIM, Mixture
from infomax.learning.methods.dim import DIMConfig
from infomax.learning.methods.dim_learner import DIM
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.training.callbacks import Checkpoint
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.loop import pretrain, resume
from infomax.learning.training.options import recipe_from_mapping, recipe_from_options
from infomax.learning.training.recipes import RECIPES, recipe_named
from infomax.learning.views.images import ViewsConfig
from infomax.learning.views.paired import PairedViewsConfig
from infomax.learning.views.signals import SignalViewsConfig
from infomax.learning.views.temporal import TemporalViewsConfig

GREY = ViewsConfig(mean=(0.4,), std=(0.3,), grayscale=0.0)
TONES = SignalViewsConfig(stored_length=64, length=48)
CAPACITY = AMDIMEncoderConfig(width=4, embedding_dim=8, depth=1)
PAIRS = PairedViewsConfig(columns=("picture", "tone"), first=GREY, second=TONES)
CAMERAS = PairedViewsConfig(first=GREY, second=GREY, shared_encoder=True)
TRAIN = TrainConfig(steps=6, batch_size=5, checkpoint_steps=2, log_steps=1, precision="float32")
RECIPE = Recipe(method=AMDIMConfig(encoder=CAPACITY), views=PAIRS, train=TRAIN)


def by_name(views):
    return {place.folder.name: place.views for place in views.encoders}


def table(num=12, seed=0):
    random = np.random.default_rng(seed)
    return [
        {
            "picture": random.integers(0, 256, (32, 32), np.uint8),
            "other": random.integers(0, 256, (32, 32), np.uint8),
            "tone": random.normal(size=80).astype(np.float32),
            "label": int(row % 2),
        }
        for row in range(num)
    ]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    pairs = PAIRS.load(table())
    return pretrain(RECIPE, pairs, tmp_path_factory.mktemp("runs") / "pairs", quiet=True)


# ------------------------------------------------------------------------------------------ loading


def test_columns_of_a_table():
    pairs = PAIRS.load(table())
    picture, tone = pairs.batch(slice(0, 3))
    assert (picture.shape, tone.shape, pairs.labels.tolist()[:2]) == ((3, 1, 32, 32), (3, 1, 64), [0, 1])
    assert picture[2, 0].numpy().tolist() == table()[2]["picture"].tolist()
    np.testing.assert_array_equal(tone[2, 0], table()[2]["tone"][8:72])


def test_pairs_have_columns_of_their_own():
    with pytest.raises(ValueError, match="columns picture and tone, got the column 'other'"):
        PAIRS.load(table(), column="other")


def test_frames_of_a_folder(tmp_path):
    from PIL import Image

    for clip, frame in np.ndindex(2, 3):
        path = tmp_path / f"clip{clip}" / f"frame{frame + 9}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((32, 32), 10 * clip + frame, np.uint8)).save(path)
    pairs = TemporalViewsConfig(lag=2, frames=GREY).load(tmp_path)
    first, second = pairs.batch(slice(None))
    assert [(a, b) for a, b in zip(first[:, 0, 0, 0].tolist(), second[:, 0, 0, 0].tolist(), strict=True)] == [
        (0, 2),
        (10, 12),
    ]


def test_frames_of_an_array():
    frames = GREY.load(np.zeros((7, 32, 32), np.uint8), split="train")
    assert len(in_time(frames, 3)) == 4


# ------------------------------------------------------------------------------------------ runs


def test_each_encoder_has_a_folder(finished):
    kinds = {"picture": AMDIMEncoder, "tone": SignalEncoder}
    for name, kind in kinds.items():
        encoder = load_encoder(finished.folder / name)
        assert isinstance(encoder.encoder, kind)
        assert encoder.views == by_name(PAIRS.as_read(PAIRS.load(table())))[name]
    assert finished.finished
    assert not finished.encoder.exists()
    picture = load_encoder(finished.folder / "picture")(torch.zeros(2, 1, 40, 40, dtype=torch.uint8))
    tone = load_encoder(finished.folder / "tone")(torch.zeros(2, 1, 64))
    assert picture.global_.shape == tone.global_.shape == (2, 8)


def test_the_recipe_is_read_back(finished):
    assert finished.read_recipe() == replace(RECIPE, views=PAIRS.as_read(PAIRS.load(table())))


def test_reports_of_the_run_and_of_each_encoder(finished, tmp_path):
    from infomax.evaluation.evaluating import evaluate_run
    from infomax.evaluation.given import Given
    from infomax.learning.training.run import Run
    from infomax.report.page import write_report

    assert "The two parts of each pair" in write_report(finished.folder).read_text()
    tone = Run(finished.folder / "tone")
    assert tone.training.folder == finished.folder
    assert finished.training is finished
    rows = table(20)
    columns = {"tone": [row["tone"] for row in rows], "label": [row["label"] for row in rows]}
    pq.write_table(pa.table(columns), tmp_path / "tones.parquet")
    evaluate_run(tone, Given(str(tmp_path / "tones.parquet"), column="tone"), probes={})
    page = write_report(tone.folder).read_text()
    assert "tone, view" in page
    assert write_report(tone.folder, overwrite=True) == tone.folder / "report.html"


def test_pictures_of_what_was_seen(finished):
    with np.load(finished.views) as views:
        shapes = {name: views[name].shape[1:] for name in views}
    trace = shapes["tone"]
    assert shapes == {
        "picture": (32, 32, 1),
        "tone": trace,
        "picture, view": (32, 32, 1),
        "tone, view": trace,
    }
    assert trace[2] == 3


def test_both_encoders_learn(finished):
    torch.manual_seed(RECIPE.train.seed)
    before = AMDIM(RECIPE.method, PAIRS, OptimizerConfig(), 2).encoder
    for name in ("picture", "tone"):
        after = load_encoder(finished.folder / name).encoder
        for (key, old), new in zip(before[name].named_parameters(), after.parameters(), strict=True):
            if not key.endswith("shortcut.bias"):  # the norm after it takes it away
                assert not torch.equal(old, new), key


def test_a_resumed_run_ends_the_same(finished, tmp_path, monkeypatch):
    class Killed(Exception):
        pass

    def die(self, trainer, *_):
        if trainer.global_step == 5:
            raise Killed
        save(self, trainer, *_)

    save = Checkpoint.on_train_batch_end
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Checkpoint, "on_train_batch_end", die)
        pretrain(RECIPE, PAIRS.load(table()), tmp_path / "run", quiet=True)
    from infomax.learning.training.run import Run

    run = Run(tmp_path / "run")
    resume(RECIPE, PAIRS.load(table()), run, quiet=True)
    for name in ("picture", "tone"):
        assert (run.folder / name / "encoder.safetensors").read_bytes() == (
            finished.folder / name / "encoder.safetensors"
        ).read_bytes()
    with pytest.raises(ValueError, match="is finished"):
        resume(RECIPE, PAIRS.load(table()), run, quiet=True)
    second = run.folder / "tone" / "encoder.safetensors"
    second.unlink()  # as if killed between the two encoders
    assert not run.finished
    resume(RECIPE, PAIRS.load(table()), run, quiet=True)
    assert second.read_bytes() == (finished.folder / "tone" / "encoder.safetensors").read_bytes()


@pytest.mark.parametrize(
    "views",
    [CAMERAS, TemporalViewsConfig(frames=GREY), TONES],
    ids=["one encoder of two columns", "frames", "signals alone"],
)
def test_one_encoder(views, tmp_path):
    rows = table()
    column = None
    if isinstance(views, PairedViewsConfig):
        views = replace(views, columns=("picture", "other"))
    else:
        column = "tone" if isinstance(views, SignalViewsConfig) else "picture"
    recipe = replace(RECIPE, views=views, train=replace(TRAIN, steps=2))
    dataset = views.load(rows, column=column)
    run = pretrain(recipe, dataset, tmp_path / "run", quiet=True)
    assert run.encoder.exists()
    read = views.as_read(dataset)
    assert load_encoder(run.folder).views == read.encoders[0].views
    assert run.read_recipe() == replace(recipe, views=read)


def test_own_encoders_by_the_names_of_columns():
    own = {
        name: amdim_encoder(replace(CAPACITY, depth=2), kind.input_shape)
        for name, kind in by_name(PAIRS).items()
    }
    learner = AMDIM(RECIPE.method, PAIRS, OptimizerConfig(), 0, dict(reversed(own.items())))
    assert list(learner.encoder) == ["picture", "tone"]
    assert learner.encoder["tone"] is own["tone"]
    AMDIM(RECIPE.method, PAIRS, OptimizerConfig(), 0, nn.ModuleDict(own))


@pytest.mark.parametrize(
    ("views", "names", "message"),
    [
        (PAIRS, ["picture"], r"need one each for picture and tone, got encoders \['picture'\]"),
        (PAIRS, None, "need one each for picture and tone, got encoders without names"),
        (GREY, ["picture"], r"need one for both, got encoders \['picture'\]"),
    ],
)
def test_wrong_encoders(views, names, message):
    one = amdim_encoder(CAPACITY, GREY.input_shape)
    given = one if names is None else dict.fromkeys(names, one)
    with pytest.raises(ValueError, match=message):
        AMDIM(AMDIMConfig(encoder=CAPACITY), views, OptimizerConfig(), 0, given)


def test_features_of_two_dimensions():
    own = {
        "picture": amdim_encoder(CAPACITY, GREY.input_shape),
        "tone": amdim_encoder(replace(CAPACITY, embedding_dim=9), TONES.input_shape),
    }
    with pytest.raises(ValueError, match=r"features of one dimension, got \{'picture': 8, 'tone': 9\}"):
        AMDIM(RECIPE.method, PAIRS, OptimizerConfig(), 0, own)


def test_refusals(tmp_path):
    picture = GREY.load(table(), column="picture")
    with pytest.raises(ValueError, match=r"made of 2 things seen together, got 1; .*same_names"):
        pretrain(RECIPE, picture, tmp_path / "a", quiet=True)
    with pytest.raises(ValueError, match=r"expected inputs \[1, 64\] .*got \[1, 32, 32\]"):
        pretrain(RECIPE, same_names(picture, picture), tmp_path / "b", quiet=True)
    with pytest.raises(ValueError, match="dim: learns from one picture of each thing, got paired views"):
        DIM(DIMConfig(), PAIRS, OptimizerConfig(), 0)
    assert not any(tmp_path.iterdir())


def test_a_view_has_a_maker_and_a_picture():
    for views, seen in ((GREY, torch.zeros(2, 1, 32, 32, dtype=torch.uint8)), (TONES, torch.zeros(2, 1, 64))):
        assert len(views.random_views(3)(seen)) == 3
        assert [*views.example_pictures(seen, 2)] == ["original", "view1", "view2"]


# ------------------------------------------------------------------------------------------ recipes


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_survives_its_file(name):
    recipe = recipe_named(name)
    assert recipe_from_mapping(asdict(recipe)) == recipe


def test_options_reach_the_parts_of_views():
    recipe = recipe_named("amdim-picture-and-tone")
    options = ["--views.first.flip", "0.25", "--views.second.noise", "0.5", "--views.columns", "[a, b]"]
    changed = recipe_from_options(recipe, options).views
    assert isinstance(changed, PairedViewsConfig)
    assert (changed.first.flip, changed.second.noise, changed.columns) == (0.25, 0.5, ("a", "b"))
    lagged = recipe_from_options(recipe_named("amdim-moving-digits"), ["--views.lag", "3"]).views
    assert lagged.lag == 3
    with pytest.raises(
        ValueError,
        match=r"pretrain: no option --views.second.nois; did you mean --views.second.noise",
    ):
        recipe_from_options(recipe, ["--views.second.nois", "1"])
    with pytest.raises(ValueError, match=r"pretrain: .*views.first.flip"):
        recipe_from_options(recipe, ["--views.first.flip", "much"])


# ------------------------------------------------------------------------------------------ mixtures


def test_components_of_a_mixture():
    torch.manual_seed(0)
    mixture, features = Mixture(5, 3), torch.randn(4, 5)
    hidden = (features @ mixture.hidden.weight.T + mixture.hidden.bias).clamp(min=0)
    for j in range(3):
        rows = slice(5 * j, 5 * j + 5)
        expected = features + hidden @ mixture.out.weight[rows].T + mixture.out.bias[rows]
        torch.testing.assert_close(mixture(features)[:, j], expected)


def test_a_mixture_learns_and_leaves_the_encoder_as_it_is():
    config = AMDIMConfig(encoder=CAPACITY, num_components=3, temperature=0.5)
    torch.manual_seed(0)
    learner = AMDIM(config, GREY, OptimizerConfig(), 0)
    views = torch.randn(2, 4, 1, 32, 32).unbind()
    objective, features = learner.objective(views)
    objective.value.backward()
    assert features.shape == (8, 8)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in learner.mixture.parameters())
    torch.manual_seed(0)
    plain = AMDIM(AMDIMConfig(encoder=CAPACITY), GREY, OptimizerConfig(), 0)
    assert learner.encoder.state_dict().keys() == plain.encoder.state_dict().keys()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_components": 0}, "num_components must be from 1"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"clip": -1.0}, "clip must be above 0, got -1.0; the"),
        ({"scales": ()}, "scales must be one value or more, got"),
        ({"scales": ((0, 5),)}, "scales must be from 1 to 100,000, got 0"),
    ],
)
def test_bad_methods(options, message):
    with pytest.raises(ValueError, match=message):
        AMDIMConfig(**options)
