"""A new modality is one new file, as this one: trained on, resumed, embedded, evaluated and reported."""

import json
import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import pytest
import torch
from torch import nn

from infomax.evaluation.embedding import embed
from infomax.evaluation.evaluating import evaluate_run
from infomax.learning.data.dataset import Dataset
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.encoders.saving import load_encoder
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.training.callbacks import Checkpoint
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.loop import pretrain, resume
from infomax.learning.training.options import recipe_from_options
from infomax.learning.training.run import Run
from infomax.learning.views.kinds import SingleViews
from infomax.learning.views.table import VIEWS, register_views
from infomax.report import write_report


@dataclass(frozen=True)
class CurveViewsConfig(SingleViews):
    """Views of closed curves in the plane, of `num_points` points each: turned at random."""

    kind: ClassVar[str] = "curves"
    noun: ClassVar[str] = "curve"
    raw_name: ClassVar[str] = "raw points"

    name: Literal["curves"] = "curves"
    num_points: int = 32
    turn: float = 1.0

    @property
    def stored_shape(self):
        return 2, self.num_points

    input_shape = stored_shape

    def load(self, source, *, split="train", column=None, skip_broken=False):
        """`source` is the number of curves: circles, and curves of three lobes."""
        random = np.random.default_rng([int(source), split == "test"])
        labels = random.integers(2, size=int(source))
        angle = np.linspace(0, 2 * math.pi, self.num_points, endpoint=False) + random.uniform(
            0, 7, (len(labels), 1)
        )
        radius = 1 + 0.5 * labels[:, None] * np.cos(3 * angle)
        points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
        names = [f"curve {row}" for row in range(len(labels))]
        return Dataset(points.astype(np.float32), labels, names, ("circle", "lobes"))

    def splits(self, source, column=None):
        return "train", "test"

    def random_views(self, num_views):
        return Turned(self.turn, num_views)

    def plain_view(self):
        return nn.Identity()

    def without_augmentation(self):
        return replace(self, turn=0.0)

    def pictures(self, views):
        pictures = np.full((len(views), 32, 32, 1), 255, np.uint8)
        at = ((views.numpy() + 2) * 8).clip(0, 31).astype(int)
        pictures[np.arange(len(views))[:, None], at[:, 1], at[:, 0]] = 0
        return pictures

    def thumbnails(self, dataset):
        return self.pictures(torch.from_numpy(dataset.values))

    def raw(self, dataset):
        return dataset.values.reshape(len(dataset), -1)


class Turned(nn.Module):
    capturable = False

    def __init__(self, turn, num_views):
        super().__init__()
        self.turn, self.num_views = turn, num_views

    def forward(self, curves):
        return tuple(self.turned(curves) for _ in range(self.num_views))

    def turned(self, curves):
        angle = 2 * math.pi * self.turn * torch.rand(len(curves))
        rows = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(-1, 2, 2)
        return rows @ curves


@pytest.fixture(scope="module", autouse=True)
def _registered():
    register_views(CurveViewsConfig)
    yield
    VIEWS._entries.pop("curves")


RECIPE = Recipe(
    data="40",
    method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=4, embedding_dim=8, depth=1)),
    views=CurveViewsConfig(),
    train=TrainConfig(steps=6, batch_size=8, checkpoint_steps=2, log_steps=1, precision="float32"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return pretrain(RECIPE, RECIPE.views.load("40"), tmp_path_factory.mktemp("curves") / "run", quiet=True)


def test_a_run_knows_its_recipe_again(run):
    assert run.read_recipe() == RECIPE and run.finished
    changed = recipe_from_options(RECIPE, ["--views.turn", "0.25", "--views.num_points", "48"])
    assert changed.views == CurveViewsConfig(num_points=48, turn=0.25)
    with pytest.raises(ValueError, match=r"did you mean --views\.turn"):
        recipe_from_options(RECIPE, ["--views.tunr", "1"])


def test_it_resumes_to_the_same_encoder(run, tmp_path, monkeypatch):
    save = Checkpoint.on_train_batch_end

    def stop_at_the_fifth(self, trainer, *rest):
        save(self, trainer, *rest)
        if trainer.global_step == 5:
            raise InterruptedError

    monkeypatch.setattr(Checkpoint, "on_train_batch_end", stop_at_the_fifth)
    with pytest.raises(InterruptedError):
        pretrain(RECIPE, RECIPE.views.load("40"), tmp_path / "run", quiet=True)
    monkeypatch.undo()
    stopped = Run(tmp_path / "run")
    resume(stopped.read_recipe(), RECIPE.views.load("40"), stopped, quiet=True)
    assert stopped.encoder.read_bytes() == run.encoder.read_bytes()


def test_its_encoder_embeds_and_is_evaluated_and_reported(run):
    encoder = load_encoder(run.folder)
    assert encoder.views == RECIPE.views
    assert embed(encoder, encoder.views.load("40", split="test")).shape == (40, 8)
    result = evaluate_run(run, "40", probes=("knn",), labels_per_class=None)
    assert {row["representation"] for row in result["rows"]} == {"AMDIM", "random encoder", "raw points"}
    page = write_report(run.folder).read_text()
    assert "raw points" in page and json.dumps("circle") in page
