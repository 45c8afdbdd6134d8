"""Train a recipe: dataset, learner, trainer, checkpoints, run folder.

Everything random is a function of (seed, step, rank): the order of the images, their views, dropout. So a
resumed run ends as an uninterrupted one does.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning import Callback, Trainer
from lightning.pytorch.accelerators import CUDAAccelerator
from lightning.pytorch.strategies import DDPStrategy
from torch import nn
from torch.utils.data import DataLoader

from infomax.errors import refuse
from infomax.files import replacing
from infomax.learning.data.dataset import Dataset, Pairs
from infomax.learning.distributed.batch_norm import SyncEncoderBatchNorm
from infomax.learning.distributed.groups import rank
from infomax.learning.distributed.launching import ending_together
from infomax.learning.distributed.lightning import EndTogether, without_notices
from infomax.learning.encoders.saving import save_encoder
from infomax.learning.methods.learner import Learner
from infomax.learning.training.batches import Batches
from infomax.learning.training.callbacks import Checkpoint, Seed, StopAtNonFinite, Timer
from infomax.learning.training.capture import CaptureStep
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.precision import choose_precision
from infomax.learning.training.record import Record
from infomax.learning.training.run import Run
from infomax.learning.views.kinds import Views

Encoders = nn.Module | Mapping[str, nn.Module]
"""An encoder; or encoders by the names of the columns, where each column has its own."""

MAX_TIMING_SECONDS = 15.0
"""How long the first steps are timed at most, for a budget in minutes."""


@without_notices()
def pretrain(
    recipe: Recipe,
    dataset: Dataset | Pairs,
    out: str | Path,
    *,
    encoder: Encoders | None = None,
    quiet: bool = False,
) -> Run:
    """Train the recipe's method on a dataset; the run folder then holds the encoder and all about it.

    Args:
        recipe: what to do; its `data` and `split` are only recorded here.
        dataset: what to learn from, labelled or not, as `recipe.views.load` gives it; labels reach only the
            online classifiers.
        out: the run folder, new or empty.
        encoder: in place of the recipe's, for instance a `TappedEncoder`. It is trained itself, from the
            weights that it has. Where each column has an encoder: a mapping of column to encoder.
        quiet: show no progress.

    Returns:
        The run. Where there are two encoders, each lies in a folder within it, named as its column.

    Raises:
        FileExistsError: `out` holds something already.
        ValueError: no budget; fewer images than a batch; images of another shape than the views expect; an
            encoder that the method cannot use.
        Diverged: training stopped at an objective that is not finite.
    """
    _check(recipe, dataset)
    learner = new_learner(recipe, dataset, encoder)
    run = Run(out)
    writes = _writes(recipe.train)
    if writes:
        run.check_free()
    steps, precision = _num_steps(recipe, dataset, encoder), _precision(recipe.train)
    recipe = replace(recipe, train=replace(recipe.train, steps=steps, precision=precision))
    if writes:
        run.begin(recipe, seed=recipe.train.seed, num_images=len(dataset), images=dataset.fingerprint)
        save_example_views(run, recipe, dataset)
    trainer = _trainer(recipe.train, learner, steps, _recording(recipe, dataset, run, quiet), run)
    with ending_together(trainer.local_rank):
        trainer.fit(learner, _loader(trainer, recipe.train, dataset))
    _save(learner, recipe.views, run)
    return run


@without_notices()
def resume(
    recipe: Recipe,
    dataset: Dataset | Pairs,
    run: Run,
    *,
    encoder: Encoders | None = None,
    quiet: bool = False,
) -> Run:
    """Continue the run of a recipe from its last checkpoint, to the result that it would have had.

    Args:
        recipe: of the run, `run.read_recipe()`.
        dataset: the one that the run began with.
        run: what to continue.
        encoder: if the run began with one: another of the same shape.
        quiet: show no progress.

    Raises:
        ValueError: the run is finished, or the dataset is not the one it began with.
    """
    refuse(run.finished, f"resume: {run.folder} is finished: it holds {run.encoder.name}; nothing to do")
    _check(recipe, dataset)
    began_with = run.read_environment()["images"]
    refuse(
        dataset.fingerprint != began_with,
        f"resume: the images are not those the run began with (fingerprint {dataset.fingerprint}, "
        f"then {began_with}); restore them, or start a new run",
    )
    learner, steps = new_learner(recipe, dataset, encoder), recipe.train.steps
    assert steps is not None
    trainer = _trainer(recipe.train, learner, steps, _recording(recipe, dataset, run, quiet), run)
    checkpoint = run.checkpoint if run.checkpoint.exists() else None
    first_step = torch.load(checkpoint, weights_only=True)["global_step"] if checkpoint else 0
    with ending_together(trainer.local_rank):
        batches = _loader(trainer, recipe.train, dataset, first_step)
        trainer.fit(learner, batches, ckpt_path=checkpoint, weights_only=True)
    _save(learner, recipe.views, run)
    return run


def new_learner(recipe: Recipe, dataset: Dataset | Pairs, encoder: Encoders | None = None) -> Learner:
    """Return the recipe's method before its first step: a function of the seed."""
    torch.manual_seed(recipe.train.seed)
    num_classes = int(dataset.labels.max()) + 1 if dataset.labelled else 0
    return recipe.method.learner(recipe.views, recipe.optimizer, num_classes, encoder)


def seconds_per_step(
    recipe: Recipe,
    dataset: Dataset | Pairs,
    encoder: Encoders | None = None,
    *,
    duration: float = MAX_TIMING_SECONDS,
) -> float:
    """Return the time of a step of the recipe, measured for `duration` seconds on a copy of the encoder."""
    timer = Timer(duration)
    learner = new_learner(recipe, dataset, copy.deepcopy(encoder))
    trainer = _trainer(recipe.train, learner, 10**9, [timer])
    with without_notices(), ending_together(trainer.local_rank):
        trainer.fit(learner, _loader(trainer, recipe.train, dataset))
    return timer.seconds_per_step


def save_example_views(run: Run, recipe: Recipe, dataset: Dataset | Pairs, num_images: int = 16) -> None:
    """Write ``views.npz``: pictures of some images and of views of each, uint8 [m, h, w, c]."""
    rows = np.random.default_rng(recipe.train.seed).permutation(len(dataset))[:num_images]
    torch.manual_seed(recipe.train.seed)
    pictures = recipe.views.example_pictures(dataset.batch(rows), recipe.method.num_views)
    with replacing(run.views) as path, path.open("wb") as file:
        np.savez(file, allow_pickle=False, **pictures)


def _check(recipe: Recipe, dataset: Dataset | Pairs) -> None:
    train = recipe.train
    _check_shapes(recipe.views, dataset)
    refuse(
        not 2 <= train.batch_size <= len(dataset),
        f"pretrain: batch_size must be between 2 and the number of images ({len(dataset)}), "
        f"got {train.batch_size}; set --train.batch_size",
    )
    refuse(
        train.num_processes > 1 and recipe.method.one_device,
        f"pretrain: {recipe.method.kind.upper()} trains on one device, its bounds being of the scores of one "
        f"process; got {train.devices} devices on {train.num_nodes} nodes; set both to 1, or use AMDIM",
    )
    refuse(
        train.steps is None and train.minutes is None and train.epochs is None,
        "pretrain: no budget; set --train.minutes, --train.epochs or --train.steps",
    )
    refuse(
        train.tensorboard and find_spec("tensorboard") is None,
        "pretrain: train.tensorboard is set, but TensorBoard is not installed; "
        "pip install 'infomax[tensorboard]'",
    )


def _check_shapes(views: Views, dataset: Dataset | Pairs) -> None:
    """Check that each part of the dataset has the shape that its views expect."""
    refuse(
        len(dataset.parts) != len(views.parts),
        f"pretrain: these views are made of {len(views.parts)} things seen together, "
        f"got {len(dataset.parts)}: {dataset}; load them with `recipe.views.load`, or pair them with "
        "same_names or in_time",
    )
    for part, seen_by in zip(dataset.parts, views.parts, strict=True):
        shape = tuple(part.batch(slice(0, 1)).shape[1:])
        refuse(
            shape != seen_by.stored_shape,
            f"pretrain: expected inputs {list(seen_by.stored_shape)} (channels first) for this recipe, got "
            f"{list(shape)}; load them with this size, or change what the views expect to be stored",
        )


def _num_steps(recipe: Recipe, dataset: Dataset | Pairs, encoder: Encoders | None) -> int:
    """Return the budget in steps."""
    config = recipe.train
    if config.steps is not None:
        return config.steps
    if config.minutes is not None:
        duration = min(MAX_TIMING_SECONDS, 60 * config.minutes / 20)
        seconds = seconds_per_step(recipe, dataset, encoder, duration=duration)
        return max(1, round(60 * config.minutes / seconds))
    assert config.epochs is not None
    return max(1, round(config.epochs * (len(dataset) // config.batch_size)))


def _precision(config: TrainConfig) -> Literal["bf16", "float32"]:
    """Return the precision; several processes on CPUs, which might time differently, take float32."""
    on_cpu = config.accelerator == "cpu" or not CUDAAccelerator.is_available()
    if config.num_processes > 1 and config.precision == "auto" and on_cpu:
        return "float32"
    return choose_precision(config.precision, config.accelerator)


def _recording(recipe: Recipe, dataset: Dataset | Pairs, run: Run, quiet: bool) -> list[Callback]:
    """Return what keeps checkpoints and the record of a run."""
    train = recipe.train
    record = Record(
        run, num_images=len(dataset), batch_size=train.batch_size, every=train.log_steps, quiet=quiet
    )
    return [Checkpoint(run, train.checkpoint_steps), record]


def _trainer(
    config: TrainConfig,
    learner: Learner,
    num_steps: int,
    callbacks: Sequence[Callback],
    run: Run | None = None,
) -> Trainer:
    """Return Lightning's trainer for so many steps; the learner is compiled, if that is wanted."""
    bf16 = _precision(config) == "bf16"
    own = [*_compiled(learner, config, bf16), Seed(config.seed), StopAtNonFinite(), EndTogether()]
    return Trainer(
        accelerator=config.accelerator,
        **_processes(config, find_unused=not learner.uses_all_parameters),
        precision="bf16-mixed" if bf16 else "32-true",
        max_steps=num_steps,
        max_epochs=-1,
        logger=_tensorboard(run) if run and config.tensorboard else False,
        callbacks=[*own, *callbacks],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _loader(
    trainer: Trainer, config: TrainConfig, dataset: Dataset | Pairs, first_step: int = 0
) -> DataLoader:
    share = trainer.global_rank, trainer.world_size
    batches = Batches(dataset, config.batch_size, config.seed, first_step, *share)
    on_gpu = isinstance(trainer.accelerator, CUDAAccelerator)
    return DataLoader(batches, batch_size=None, pin_memory=on_gpu)


def _compiled(learner: Learner, config: TrainConfig, bf16: bool) -> list[Callback]:
    """Compile views and encoders, if that is wanted; return what captures the step, if that is possible."""
    if not config.compile:
        return []
    for part in (learner.get_submodule("views"), *learner.encoders):
        part.compile()
    on_gpu = config.accelerator in ("auto", "gpu", "cuda") and CUDAAccelerator.is_available()
    captures = on_gpu and config.num_processes == 1 and learner.capturable
    return [CaptureStep(bf16)] if captures else []


def _processes(config: TrainConfig, find_unused: bool = False) -> dict[str, Any]:
    """Return the trainer's options for several processes."""
    if config.num_processes == 1:
        return {"devices": 1}
    return {
        "devices": config.devices,
        "num_nodes": config.num_nodes,
        "strategy": DDPStrategy(find_unused_parameters=find_unused),
        "plugins": [SyncEncoderBatchNorm()],
    }


def _writes(config: TrainConfig) -> bool:
    """Return whether this process is the one that writes the run folder."""
    if config.num_processes == 1:
        return True
    return Trainer(accelerator=config.accelerator, logger=False, **_processes(config)).is_global_zero


def _save(learner: Learner, views: Views, run: Run) -> None:
    """Write each encoder into its folder; only the first process does.

    An encoder that is there already was written by this run before it was interrupted, and is the same.
    """
    if rank() > 0:
        return
    for place, encoder in zip(views.encoders, learner.encoders, strict=True):
        folder = run.folder / place.folder
        if not Run(folder).encoder.exists():
            folder.mkdir(exist_ok=True)
            save_encoder(folder, encoder, place.views)


def _tensorboard(run: Run):
    from lightning.pytorch.loggers import TensorBoardLogger

    return TensorBoardLogger(run.folder, name="tensorboard", version="")
