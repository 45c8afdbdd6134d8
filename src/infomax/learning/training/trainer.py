"""Lightning's trainer for a recipe, its learner, and its batches."""

import os
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Literal

import torch
from lightning import Callback, Trainer
from lightning.pytorch.accelerators import AcceleratorRegistry, CUDAAccelerator
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn
from torch.utils.data import DataLoader

from infomax.errors import MissingExtra, refuse
from infomax.learning.data.order.epochs import DEFAULT_ORDER, order_named
from infomax.learning.data.streaming.stream import Trainable
from infomax.learning.distributed.batch_norm import SyncSharesBatchNorm
from infomax.learning.distributed.lightning import EndTogether
from infomax.learning.methods.learner import Learner
from infomax.learning.training.callbacks import CaptureStep, Seed, StopAtNonFinite
from infomax.learning.training.checkpoints import Files
from infomax.learning.training.config import LoggerName, Recipe, TrainConfig
from infomax.learning.training.precision import choose_precision
from infomax.learning.training.run import Run
from infomax.memory import check_step_fits, sketched, total_memory

Encoders = nn.Module | Mapping[str, nn.Module]
"""An encoder; or encoders by the names of the columns, where each column has its own."""


def new_learner(recipe: Recipe, dataset: Trainable, encoder: Encoders | None = None) -> Learner:
    """Return the recipe's method before its first step: a function of the seed and the data.

    All of it is in training mode, whatever mode the encoder came in, but for layers that it keeps frozen.
    """
    num_classes = dataset.num_classes
    _check_accelerator(recipe.train)
    if encoder is None:
        _check_memory(recipe, num_classes)
    torch.manual_seed(recipe.train.seed)
    learner = recipe.method.learner(recipe.views, recipe.optimizer, num_classes, encoder).train()
    if encoder is not None:
        return learner
    return recipe.method.begun(learner, recipe.views, dataset, recipe.train.seed)


def _check_accelerator(train: TrainConfig) -> None:
    """Check that the machine has what the recipe trains on."""
    found = [one for one in AcceleratorRegistry if AcceleratorRegistry[one]["accelerator"].is_available()]
    known = ["auto", *(["gpu"] if {"cuda", "mps"} & {*found} else []), *found]
    refuse(
        train.accelerator not in known,
        f"train: accelerator must be one of {', '.join(known)} on this machine, got {train.accelerator}; "
        "auto takes the best",
    )


def _check_memory(recipe: Recipe, num_classes: int) -> None:
    """Check that a step fits into the memory of this machine, or of its GPU."""
    train, plain = recipe.train, recipe.views.without_augmentation()
    try:
        learner = sketched(lambda: recipe.method.learner(plain, recipe.optimizer, num_classes))
    except (NotImplementedError, RuntimeError):  # a part of one's own that needs its values: nothing is known
        return
    shapes = [part.input_shape for part in plain.parts]
    on_gpu = train.accelerator in ("auto", "gpu", "cuda") and CUDAAccelerator.is_available()
    memory = torch.cuda.get_device_properties(0).total_memory if on_gpu else total_memory() // train.devices
    check_step_fits(
        "pretrain",
        learner,
        shapes * (recipe.method.num_views // len(shapes)),
        train.batch_size // train.num_processes,
        memory,
        "lower train.batch_size, views.image_size, or the sizes in method",
    )


def precision_of(config: TrainConfig) -> Literal["bf16", "float32"]:
    """Return the precision; several processes on CPUs, of which some might lack bf16, take float32."""
    on_cpu = config.accelerator == "cpu" or not CUDAAccelerator.is_available()
    if config.num_processes > 1 and config.precision == "auto" and on_cpu:
        return "float32"
    return choose_precision(config.precision, config.accelerator)


def new_trainer(
    config: TrainConfig,
    learner: Learner,
    num_steps: int,
    callbacks: Sequence[Callback],
    run: Run | None = None,
    keeps_last: bool = True,
) -> Trainer:
    """Return Lightning's trainer for so many steps; the learner is compiled, if that is wanted.

    Args:
        config, learner, num_steps, callbacks: of the training.
        run: what is trained.
        keeps_last: whether the last checkpoint becomes the one before, as it does unless it is damaged.
    """
    bf16 = precision_of(config) == "bf16"
    own = [*_compiled(learner, config, bf16), Seed(config.seed), StopAtNonFinite(), EndTogether()]
    return Trainer(
        accelerator=config.accelerator,
        **_processes(config, not learner.uses_all_parameters, Files(run, keeps_last)),
        precision="bf16-mixed" if bf16 else "32-true",
        max_steps=num_steps,
        max_epochs=-1,
        logger=[_LOGGERS[name](run) for name in config.loggers] if run and config.loggers else False,
        callbacks=[*own, *callbacks],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def new_loader(
    trainer: Trainer,
    config: TrainConfig,
    dataset: Trainable,
    first_step: int = 0,
    order: str = DEFAULT_ORDER,
) -> DataLoader[tuple[Any, Tensor]]:
    """Return the batches of this process, from the step after `first_step` on, in an order by its name."""
    batches = dataset.batches(
        config.batch_size,
        config.seed,
        first_step=first_step,
        rank=trainer.global_rank,
        num_ranks=trainer.world_size,
        order=order_named(order),
    )
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


def _processes(config: TrainConfig, find_unused: bool = False, *plugins: Any) -> dict[str, Any]:
    """Return the trainer's options for one process, or several."""
    if config.num_processes == 1:
        return {"devices": 1, "plugins": [*plugins]}
    return {
        "devices": config.devices,
        "num_nodes": config.num_nodes,
        "strategy": DDPStrategy(find_unused_parameters=find_unused),
        "plugins": [SyncSharesBatchNorm(), *plugins],
    }


def writes(config: TrainConfig) -> bool:
    """Return whether this process is the one that writes the run folder."""
    if config.num_processes == 1:
        return True
    return Trainer(accelerator=config.accelerator, logger=False, **_processes(config)).is_global_zero


def check_loggers(config: TrainConfig) -> None:
    """Check that what the loggers need is installed.

    Raises:
        MissingExtra: it is not; the message names what installs it.
    """
    for name in set(config.loggers) & set(_PACKAGES):
        if find_spec(name) is None:
            raise MissingExtra(
                f"pretrain: train.loggers names {name}, which is not installed; pip install "
                f"{_PACKAGES[name]!r}"
            )


def finish_loggers(trainer: Trainer) -> None:
    """End the run of W&B, which would else take the rows of the next training in this process, too."""
    for one in trainer.loggers:
        if isinstance(one, WandbLogger) and trainer.is_global_zero:
            one.experiment.finish()


def _csv(run: Run) -> Logger:
    return CSVLogger(run.folder, name="csv")  # a folder of its own for each start


def _tensorboard(run: Run) -> Logger:
    return TensorBoardLogger(run.folder, name="tensorboard", version="")


def _wandb(run: Run) -> Logger:
    """Return the logger of W&B, which writes files that ``wandb sync`` sends, unless WANDB_MODE is online."""
    offline = os.environ.get("WANDB_MODE") != "online"
    if offline:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # which its own process would send
    return WandbLogger(project="infomax", name=run.folder.name, save_dir=run.folder, offline=offline)


def _mlflow(run: Run) -> Logger:
    """Return the logger of MLflow: a database in the run folder, unless MLFLOW_TRACKING_URI is set."""
    if place := os.environ.get("MLFLOW_TRACKING_URI"):
        return MLFlowLogger("infomax", run_name=run.folder.name, tracking_uri=place)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # which it would send
    folder = run.folder.resolve()
    return MLFlowLogger(
        "infomax",
        run_name=folder.name,
        tracking_uri=f"sqlite:///{folder / 'mlflow.db'}",
        artifact_location=(folder / "mlflow").as_uri(),
    )


_LOGGERS: Mapping[LoggerName, Callable[[Run], Logger]] = {
    "tensorboard": _tensorboard,
    "csv": _csv,
    "wandb": _wandb,
    "mlflow": _mlflow,
}
_PACKAGES = {"tensorboard": "infomax[tensorboard]", "wandb": "infomax[wandb]", "mlflow": "mlflow"}
"""The extra, or the package, that installs a logger, by the logger's name."""
