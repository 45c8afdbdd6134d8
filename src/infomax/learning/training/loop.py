"""Runs a recipe: images (or whatever is seen), method, trainer, checkpoints, run folder.

Everything random is a function of (seed, step, rank): the order of the images, their views, dropout. That is
what makes a resumed run end as an uninterrupted one does.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning import Callback, Trainer
from lightning.pytorch.accelerators import CUDAAccelerator
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from infomax.files import replacing
from infomax.learning.distributed.groups import SyncEncoderBatchNorm, rank
from infomax.learning.distributed.launching import EndTogether, ending_together, without_notices
from infomax.learning.encoders.amdim import AMDIMEncoder, encoders_in
from infomax.learning.encoders.saving import save_encoder
from infomax.learning.encoders.signals import SignalEncoder
from infomax.learning.methods.amdim import AMDIM, AMDIMConfig
from infomax.learning.methods.dim import DIM, DIMConfig
from infomax.learning.methods.learner import Learner
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.training.callbacks import CaptureStep, Checkpoint, Record, Seed, StopAtNonFinite, Timer
from infomax.learning.training.precision import choose_precision
from infomax.learning.training.run import Run
from infomax.learning.views.contexts import AnyViewsConfig, Contexts, encoders_of, example_pictures, seen_by
from infomax.learning.views.images import AugmentedViews, ViewsConfig
from infomax.learning.views.pairing import Paired


@dataclass(frozen=True)
class TrainConfig:
    """How long and in what portions.

    steps, minutes, epochs: the budget, the first of them that is set. Minutes become a number of steps once,
    by timing the first ones. batch_size: images a step (and the candidates of the bounds). precision: of the
    encoder's arithmetic, by default the faster one; the objective is always float32. compile: views and
    encoders by torch.compile, and on one GPU AMDIM's whole step, of pictures, as CUDA graphs; it takes a
    minute or so before the first step, and pays on GPUs only.
    checkpoint_steps, log_steps: between checkpoints, between rows of metrics.csv. devices, num_nodes: on each
    of so many machines so many processes train together; each takes an equal share of the batch.
    """

    steps: int | None = None
    minutes: float | None = None
    epochs: float | None = None
    batch_size: int = 128
    seed: int = 0
    precision: Literal["auto", "bf16", "float32"] = "auto"
    accelerator: str = "auto"
    compile: bool = False
    checkpoint_steps: int = 200
    log_steps: int = 10
    tensorboard: bool = False
    devices: int = 1
    num_nodes: int = 1

    def __post_init__(self):
        if min(self.devices, self.num_nodes) < 1 or self.batch_size % self.num_processes:
            raise ValueError(
                "train: devices and num_nodes must be at least 1 and together divide batch_size, got "
                f"{self.devices}, {self.num_nodes} and a batch of {self.batch_size}; set --train.batch_size"
            )

    @property
    def num_processes(self) -> int:
        """That train together."""
        return self.devices * self.num_nodes


Encoders = nn.Module | Mapping[str, nn.Module]

LEARNERS: dict[type, Any] = {AMDIMConfig: AMDIM, DIMConfig: DIM}
"""Configuration of a method -> the method."""


@dataclass(frozen=True)
class Recipe:
    """Everything that a run needs to know.

    data: what `load_contexts` reads. split: which part of it. column: of a table, what is seen; pairs name
    their columns in `views`.
    """

    data: str | None = None
    split: str = "train"
    column: str | None = None
    skip_broken: bool = False
    method: AMDIMConfig | DIMConfig = field(default_factory=AMDIMConfig)
    views: AnyViewsConfig = field(default_factory=ViewsConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


def pretrain(
    recipe: Recipe,
    images: Contexts,
    out: str | Path,
    *,
    encoder: Encoders | None = None,
    quiet: bool = False,
) -> Run:
    """Train the recipe's method on images; the run folder then holds the encoder and all about it.

    Args:
        recipe: what to do; `recipe.data` and `recipe.split` are only recorded here.
        images: what to learn from, labelled or not: `Images`, `Signals` or `Paired`, as `load_contexts` gives
            them; labels reach only the online classifiers.
        out: the run folder, new or empty.
        encoder: in place of the recipe's, for instance a `TappedEncoder`; it is trained itself, from the
            weights that it has. For views with an encoder each: a mapping of column to encoder.
        quiet: show no progress.

    Returns:
        The run. Where there are two encoders, each is in a folder of its own there, named as its column.

    Raises:
        FileExistsError: `out` holds something already.
        ValueError: no budget; fewer images than a batch; images of the wrong shape; an encoder that the
            method cannot use.
        Diverged: training stopped at an objective that is not finite.
    """
    _check(recipe, images)
    learner = new_learner(recipe, images, encoder)
    run = Run(out)
    writes = _writes(recipe.train)
    if writes:
        run.check_free()
    train = replace(
        recipe.train,
        steps=_num_steps(recipe, images, encoder),
        precision=_precision(recipe.train),
    )
    recipe = replace(recipe, train=train)
    if writes:
        run.create()
        run.write_recipe(asdict(recipe))
        run.write_environment(seed=recipe.train.seed, num_images=len(images), images=images.fingerprint)
        save_example_views(run, recipe, images)
    return _train(recipe, images, run, learner, quiet)


def resume(
    recipe: Recipe, images: Contexts, run: Run, *, encoder: Encoders | None = None, quiet: bool = False
) -> Run:
    """Continue the run of a recipe from its last checkpoint, to the result it would have had.

    Args:
        encoder: if the run began with one: another of the same shape.

    Raises:
        ValueError: the run is finished, or the images are not those it began with.
    """
    if run.finished:
        raise ValueError(f"resume: {run.folder} is finished: it holds {run.encoder.name}; nothing to do")
    _check(recipe, images)
    began_with = run.read_environment()["images"]
    if images.fingerprint != began_with:
        raise ValueError(
            f"resume: the images are not those the run began with (fingerprint {images.fingerprint}, "
            f"then {began_with}); restore them, or start a new run"
        )
    return _train(recipe, images, run, new_learner(recipe, images, encoder), quiet)


def _check(recipe: Recipe, images: Contexts) -> None:
    _check_shapes(recipe.views, images)
    if not 2 <= recipe.train.batch_size <= len(images):
        raise ValueError(
            f"pretrain: batch_size must be between 2 and the number of images ({len(images)}), "
            f"got {recipe.train.batch_size}; set --train.batch_size"
        )
    if recipe.train.num_processes > 1 and isinstance(recipe.method, DIMConfig):
        raise ValueError(
            "pretrain: Deep InfoMax trains on one device, its bounds being of the scores of one process; got "
            f"{recipe.train.devices} devices on {recipe.train.num_nodes} nodes; set both to 1, or use AMDIM"
        )
    if recipe.train.steps is None and recipe.train.minutes is None and recipe.train.epochs is None:
        raise ValueError("pretrain: no budget; set --train.minutes, --train.epochs or --train.steps")
    if recipe.train.tensorboard and find_spec("tensorboard") is None:
        raise ValueError(
            "pretrain: train.tensorboard is set, but TensorBoard is not installed; "
            "pip install 'infomax[tensorboard]'"
        )


def _check_shapes(views: AnyViewsConfig, images: Contexts) -> None:
    """Each part of what is seen has the shape in which its views expect it."""
    parts = (images.first, images.second) if isinstance(images, Paired) else (images,)
    kinds = seen_by(views)
    if len(parts) != len(kinds):
        raise ValueError(
            f"pretrain: these views are made of {len(kinds)} things seen together, got {len(parts)}: "
            f"{images}; load them with load_contexts, or pair them with same_names or in_time"
        )
    for part, kind in zip(parts, kinds, strict=True):
        shape = tuple(part.batch(slice(0, 1)).shape[1:])
        if shape != kind.stored_shape:
            raise ValueError(
                f"pretrain: expected inputs {list(kind.stored_shape)} (channels first) for this recipe, got "
                f"{list(shape)}; load them with this size, or change what the views expect to be stored"
            )


def _train(recipe: Recipe, images: Contexts, run: Run, learner: Learner, quiet: bool) -> Run:
    config = recipe.train
    assert config.steps is not None
    record = Record(
        run, num_images=len(images), batch_size=config.batch_size, every=config.log_steps, quiet=quiet
    )
    callbacks = [Checkpoint(run, config.checkpoint_steps), record]
    _fit(config, learner, images, config.steps, callbacks, run)
    if rank() > 0:
        return run
    for name, views in encoders_of(recipe.views).items():
        (run.folder / name).mkdir(exist_ok=True)
        save_encoder(run.folder / name, learner.get_submodule(f"encoder.{name}".rstrip(".")), views)
    return run


def new_learner(recipe: Recipe, images: Contexts, encoder: Encoders | None = None) -> Learner:
    """The recipe's method before its first step: a function of the seed."""
    torch.manual_seed(recipe.train.seed)
    num_classes = int(images.labels.max()) + 1 if images.labelled else 0
    method = LEARNERS[type(recipe.method)]
    return method(recipe.method, recipe.views, recipe.optimizer, num_classes, encoder)


def seconds_per_step(
    recipe: Recipe, images: Contexts, encoder: Encoders | None = None, *, duration: float = 15.0
) -> float:
    """Time the recipe's steps for so many seconds; what they train is thrown away."""
    timer = Timer(duration)
    _fit(recipe.train, new_learner(recipe, images, copy.deepcopy(encoder)), images, 10**9, [timer])
    return timer.seconds_per_step


def _num_steps(recipe: Recipe, images: Contexts, encoder: Encoders | None) -> int:
    """The budget in steps."""
    config = recipe.train
    if config.steps is not None:
        return config.steps
    if config.minutes is not None:
        seconds = seconds_per_step(recipe, images, encoder, duration=min(15.0, 60 * config.minutes / 20))
        return max(1, round(60 * config.minutes / seconds))
    assert config.epochs is not None
    return max(1, round(config.epochs * (len(images) // config.batch_size)))


def _fit(
    config: TrainConfig,
    module: Learner,
    images: Contexts,
    num_steps: int,
    callbacks: list[Callback],
    run: Run | None = None,
) -> None:
    """num_steps of training, from the run's checkpoint if it has one."""
    bf16 = _precision(config) == "bf16"
    checkpoint = run.checkpoint if run and run.checkpoint.exists() else None
    first_step = torch.load(checkpoint, weights_only=True)["global_step"] if checkpoint else 0
    own = [*_compiled(module, config, bf16), Seed(config.seed), StopAtNonFinite(), EndTogether()]
    with without_notices():
        trainer = Trainer(
            accelerator=config.accelerator,
            **_processes(config, _may_leave_unused(module)),
            precision="bf16-mixed" if bf16 else "32-true",
            max_steps=num_steps,
            max_epochs=-1,
            logger=_tensorboard(run) if run and config.tensorboard else False,
            callbacks=[*own, *callbacks],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        share = trainer.global_rank, trainer.world_size
        batches = Batches(images, config.batch_size, config.seed, first_step, *share)
        on_gpu = isinstance(trainer.accelerator, CUDAAccelerator)
        loader = DataLoader(batches, batch_size=None, pin_memory=on_gpu)
        with ending_together(trainer):
            trainer.fit(module, loader, ckpt_path=checkpoint, weights_only=True)


def _processes(config: TrainConfig, find_unused: bool = False) -> dict[str, Any]:
    """Options of the trainer."""
    if config.num_processes == 1:
        return {"devices": 1}
    return {
        "devices": config.devices,
        "num_nodes": config.num_nodes,
        "strategy": DDPStrategy(find_unused_parameters=find_unused),
        "plugins": [SyncEncoderBatchNorm()],
    }


def _may_leave_unused(module: Learner) -> bool:
    """Whether a step may give some parameters no gradient, so that DDP has to look for them."""
    each = encoders_in(module.get_submodule("encoder"))
    ours = all(isinstance(one, AMDIMEncoder | SignalEncoder) for one in each)
    sides = {side for scale in getattr(module.config, "scales", ()) for side in scale}
    return not ours or not sides >= {5, 7}


def _compiled(module: Learner, config: TrainConfig, bf16: bool) -> list[Callback]:
    """Compile its parts, if that is wanted; and what captures the step, if it can be."""
    if not config.compile:
        return []
    for part in (module.get_submodule("views"), *encoders_in(module.get_submodule("encoder"))):
        part.compile()
    return [CaptureStep(bf16)] if _can_be_captured(module, config) else []


def _can_be_captured(module: Learner, config: TrainConfig) -> bool:
    """Whether a step is on one GPU, and never waits for it or asks the CPU for random numbers."""
    on_gpu = config.accelerator in ("auto", "gpu", "cuda") and CUDAAccelerator.is_available()
    views = module.get_submodule("views")
    plain = isinstance(views, AugmentedViews) and views.config.policy == "none"
    return on_gpu and config.num_processes == 1 and isinstance(module, AMDIM) and plain


def _writes(config: TrainConfig) -> bool:
    """Whether this process is the one that writes the run folder."""
    if config.num_processes == 1:
        return True
    with without_notices():
        return Trainer(accelerator=config.accelerator, logger=False, **_processes(config)).is_global_zero


def _precision(config: TrainConfig) -> Literal["bf16", "float32"]:
    """As `choose_precision`; several processes on CPUs, which might time differently, take float32."""
    on_cpu = config.accelerator == "cpu" or not CUDAAccelerator.is_available()
    if config.num_processes > 1 and config.precision == "auto" and on_cpu:
        return "float32"
    return choose_precision(config.precision, config.accelerator)


class Batches(IterableDataset[tuple[Any, Tensor]]):
    """What is seen, and labels, of step after step, without end; an epoch's order follows from the seed.

    batch_size: of all ranks together; each takes an equal share, rank after rank.
    """

    def __init__(
        self,
        images: Contexts,
        batch_size: int,
        seed: int,
        first_step: int = 0,
        rank: int = 0,
        num_ranks: int = 1,
    ):
        self.images, self.batch_size, self.seed, self.first_step = images, batch_size, seed, first_step
        self.rank, self.share = rank, batch_size // num_ranks
        self.steps_per_epoch = len(images) // batch_size

    def __iter__(self) -> Iterator[tuple[Any, Tensor]]:
        step = self.first_step
        while True:
            epoch, position = divmod(step, self.steps_per_epoch)
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.images))
            for start in range(
                position * self.batch_size, self.steps_per_epoch * self.batch_size, self.batch_size
            ):
                first = start + self.rank * self.share
                rows = order[first : first + self.share]
                yield self.images.batch(rows), torch.from_numpy(self.images.labels[rows])
                step += 1
            del order, rows  # before the next order is drawn


def save_example_views(run: Run, recipe: Recipe, images: Contexts, num_images: int = 16) -> None:
    """Write ``views.npz``: pictures of some that were seen and of views of each, uint8 [m, h, w, c]."""
    rows = np.random.default_rng(recipe.train.seed).permutation(len(images))[:num_images]
    torch.manual_seed(recipe.train.seed)
    num_views = LEARNERS[type(recipe.method)].num_views
    pixels = example_pictures(recipe.views, images.batch(rows), num_views)
    with replacing(run.views) as path, path.open("wb") as file:
        np.savez(file, allow_pickle=False, **pixels)


def _tensorboard(run: Run):
    from lightning.pytorch.loggers import TensorBoardLogger

    return TensorBoardLogger(run.folder, name="tensorboard", version="")
