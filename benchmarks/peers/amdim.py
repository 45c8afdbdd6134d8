"""infomax itself: `infomax pretrain amdim-cpu`, without labels."""

from dataclasses import replace

import polars as pl
from common import BATCH_SIZE, RECIPE, Trained, global_part

from infomax.learning.encoders.saving import load_encoder
from infomax.learning.training.loop import pretrain
from infomax.learning.training.plan import seconds_per_step


def train(task):
    settings = RECIPE.train.with_budget(steps=task.steps)
    recipe = replace(RECIPE, train=replace(settings, batch_size=BATCH_SIZE, seed=task.seed, log_steps=1))
    if task.timer:
        task.timer.seconds_per_step = seconds_per_step(recipe, task.unlabelled, duration=task.timer.seconds)
        return None
    run = pretrain(recipe, task.unlabelled, task.folder / "run", quiet=True)
    last = pl.read_csv(run.metrics).row(-1, named=True)
    return Trained(global_part(load_encoder(run.folder).encoder), last["step"], last["seconds"])


def encoder(task):
    """The encoder with its readout, whose features are those of `infomax embed`."""
    return load_encoder(task.folder / "run")
