"""infomax itself: `infomax pretrain amdim-cpu`, without labels."""

from dataclasses import replace

import polars as pl
from common import BATCH_SIZE, RECIPE, Trained, global_part

from infomax.learning.encoders.saving import load_encoder
from infomax.learning.training.loop import pretrain


def train(task):
    budget = {"steps": task.steps} if task.steps else {"minutes": task.minutes}
    settings = replace(RECIPE.train.with_budget(**budget), batch_size=BATCH_SIZE, seed=task.seed, log_steps=1)
    recipe = replace(RECIPE, train=settings)
    run = pretrain(recipe, task.unlabelled, task.folder / "run", quiet=True)
    last = pl.read_csv(run.metrics).row(-1, named=True)
    return Trained(global_part(load_encoder(run.folder).encoder), last["step"], last["seconds"])


def encoder(task):
    """The encoder with its readout, whose features are those of `infomax embed`."""
    return load_encoder(task.folder / "run")
