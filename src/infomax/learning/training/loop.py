"""Train a recipe: dataset, learner, trainer, checkpoints, run folder.

Everything random is a function of (seed, step, rank): the order of the images, their views, dropout. So a
resumed run ends as an uninterrupted one does.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from lightning import Callback, Trainer
from lightning.pytorch.loggers import Logger
from rich.console import Console

from infomax.errors import Stopped, refuse
from infomax.files import replacing
from infomax.hashes import begin_record, note_hash
from infomax.learning.data.order.epochs import DEFAULT_ORDER
from infomax.learning.data.reading import LEFT_OUT_FILE, Reading
from infomax.learning.data.streaming.stream import Trainable
from infomax.learning.data.targets import counted
from infomax.learning.distributed.groups import objects_of_all, rank
from infomax.learning.distributed.launching import ending_together, is_of_another_process
from infomax.learning.distributed.lightning import without_notices
from infomax.learning.encoders.own import check_trainable, described, descriptions, take_weights
from infomax.learning.encoders.saving import save_encoder
from infomax.learning.methods.learner import Learner
from infomax.learning.training.callbacks import BeginStage, Checkpoint, StopOnInterrupt
from infomax.learning.training.checkpoints import Saved, saved_in
from infomax.learning.training.config import Recipe, TrainConfig, one_budget
from infomax.learning.training.continuing import (
    check_longer,
    check_same,
    elsewhere,
    lengthened,
    order_of,
    parts_of_own,
    take_the_same_weights,
    tell_changes,
    tell_processes,
)
from infomax.learning.training.options import idle_settings
from infomax.learning.training.plan import Plan, fitting_batch, plan, seconds_per_step
from infomax.learning.training.recipes import replaced_settings
from infomax.learning.training.record import Record, waiting
from infomax.learning.training.run import Run, settings_of
from infomax.learning.training.trainer import (
    Encoders,
    check_loggers,
    finish_loggers,
    new_learner,
    new_loader,
    new_trainer,
    precision_of,
    writes,
)
from infomax.learning.views.kinds import Views
from infomax.registry import recorded

SECONDS_OF_PATIENCE = 5.0
"""How long to wait for another process that trains the same run, such as one that is just ending."""

__all__ = ["Encoders", "new_learner", "pretrain", "resume", "seconds_per_step"]


@without_notices()
def pretrain(
    recipe: Recipe,
    dataset: Trainable,
    out: str | Path,
    *,
    encoder: Encoders | None = None,
    weights_from: str | Path | None = None,
    callbacks: Sequence[Callback] = (),
    logger: Logger | None = None,
    quiet: bool = False,
) -> Run:
    """Train the recipe's method on a dataset; the run folder then holds the encoder and all about it.

    Args:
        recipe: what to do; its `data` and `split` are only recorded here. A batch larger than the data
            shrinks to it, which is said and recorded.
        dataset: what to learn from, labelled or not, as `recipe.views.load` gives it; labels reach only the
            online classifiers.
        out: the run folder, new or empty.
        encoder: in place of the recipe's, for instance a `TappedEncoder`. It is trained itself, from the
            weights that it has. Where each column has an encoder: a mapping of column to encoder.
        weights_from: a finished run, or a folder with an encoder of the same shape, whose weights training
            begins with.
        callbacks: of Lightning, which see the learner and the trainer. What they are is recorded; a resumed
            run needs them again.
        logger: of Lightning, which gets each row of ``metrics.csv``, in place of the recipe's.
        quiet: show no progress.

    Returns:
        The run. Where there are two encoders, each lies in a folder within it, named as its column.

    Raises:
        FileExistsError: `out` holds something already.
        ValueError: no budget, or two; fewer than two images; images of another shape than the views expect;
            an encoder that the method cannot use, or other weights than it has.
        Diverged: training stopped at an objective that is not finite.
        Stopped: Ctrl-C; what was learned so far is in the last checkpoint, from which `resume` continues.
    """
    _check_kinds(recipe, dataset)
    given, recipe = recipe, replace(recipe, views=recipe.views.as_read(dataset))
    _check(recipe, dataset, encoder)
    one_budget("pretrain", recipe.train.budget)
    method, chosen = recipe.method.suited_to(encoder)
    recipe = replace(recipe, method=method)
    recipe, asked = fitting_batch(recipe, len(dataset)), recipe
    learner = new_learner(recipe, dataset, encoder)
    began_from = take_weights(learner.encoders, recipe.views, weights_from) if weights_from else None
    run = Run(out)
    first = writes(recipe.train)
    if first:
        run.check_free()
    tell = _teller(quiet or not first)
    idle = *idle_settings(given), *_replaced(given, encoder)
    for line in (*idle, *_choices(dataset, encoder, asked.train, recipe.train, chosen)):
        tell(line)
    planned = _planned(recipe, dataset, encoder, recipe.train.budget, tell)
    train = recipe.train.with_budget(steps=planned.steps)
    recipe = replace(recipe, train=replace(train, precision=precision_of(train)))
    if first:
        facts = {
            **_facts(recipe, dataset, callbacks, logger),
            "stages": [_stage(0, planned, asked.train.budget)],
            "asked": settings_of(given),
            "asked_batch_size": asked.train.batch_size,
            "began_from": began_from,
            "encoder": None if encoder is None else described(encoder),
            "chosen": chosen,
        }
        run.make()
        _list_left_out(run, dataset.reading, tell)
        save_example_views(run, recipe, dataset)
        run.begin(recipe, **{name: one for name, one in facts.items() if one not in (None, [], {})})
    with _fitting(recipe, learner, dataset, run, quiet, callbacks=callbacks, logger=logger) as fit:
        fit()
    _note_broken(run, dataset, tell)
    return run


@without_notices()
def resume(
    recipe: Recipe,
    dataset: Trainable,
    run: Run,
    *,
    encoder: Encoders | None = None,
    callbacks: Sequence[Callback] = (),
    logger: Logger | None = None,
    quiet: bool = False,
    steps: int | None = None,
    minutes: float | None = None,
    epochs: float | None = None,
) -> Run:
    """Continue the run of a recipe from its last checkpoint, to the result that it would have had.

    With `steps`, `minutes` or `epochs`, finished or not, it is instead trained for so much longer from its
    last checkpoint, as a new stage, with a rate that rises and falls anew. What the encoder of a finished run
    gave is set aside in ``stage-1``, ….

    Args:
        recipe: of the run, `run.read_recipe()`, or the one that it began with; `data` may be another place of
            the same data.
        dataset: the one that the run began with.
        run: what to continue.
        encoder: if the run began with one: another of the same shape.
        callbacks, logger: as of `pretrain`. Those that the run began with and that are not given are named.
        quiet: show no progress.
        steps, minutes, epochs: of a new stage; at most one of them.

    Raises:
        ValueError: the run is finished and no stage is asked for, the dataset is not the one that the run
            began with, or the encoder is missing.
        Stopped: Ctrl-C, as of `pretrain`.
    """
    more = {"steps": steps, "minutes": minutes, "epochs": epochs}
    more = {name: amount for name, amount in more.items() if amount is not None}
    refuse(
        run.finished and not more,
        f"resume: {run.folder} is finished: it holds an encoder; --minutes 20 (or --steps, --epochs) trains "
        "it further, --from begins a new run with its weights",
    )
    _check_kinds(recipe, dataset)
    train = replace(recipe.train, precision=precision_of(recipe.train))
    recipe = replace(recipe, views=recipe.views.as_read(dataset), train=train)
    _check(recipe, dataset, encoder)
    check_same(run, dataset, encoder)
    run.check_unedited(recipe)
    tell = _teller(quiet or not writes(recipe.train))
    saved = saved_in(run, tell)
    step = saved.step if saved else 0
    if more:
        check_longer(run, more, step)
    tell_changes(run, recipe, callbacks, logger, tell)
    tell_processes(train.num_processes, run.read_recipe().train.num_processes, tell)
    begin = None
    if more:
        planned = _planned(recipe, dataset, encoder, more, tell, step)
        facts = {**_stage(step, planned, more), "planned_before": recipe.train.steps}
        recipe = lengthened(recipe, step, planned.steps)
        begin = partial(run.begin_stage, recipe, **facts)
    else:
        tell(f"going on after step {step:,} of {recipe.train.steps:,}")
        if elsewhere(recipe) != elsewhere(run.read_recipe()):
            begin = partial(run.change, recipe)
    learner = new_learner(recipe, dataset, encoder)
    if saved is None:
        take_the_same_weights(run, recipe, learner)
    order = order_of(run, tell)
    with _fitting(recipe, learner, dataset, run, quiet, begin, callbacks, logger, saved, order) as fit:
        fit()
    _note_broken(run, dataset, tell)
    return run


def _choices(
    dataset: Trainable, encoder: Encoders | None, asked: TrainConfig, now: TrainConfig, chosen: str | None
) -> Iterator[str]:
    """Yield lines on what was read, and on what was chosen in place of what was asked for."""
    if dataset.reading is not None:
        yield str(dataset.reading)
    if asked != now:
        yield (
            f"batches of {now.batch_size}, not {asked.batch_size}: larger ones would need more than "
            f"{counted(len(dataset), 'image')}"
        )
    yield from descriptions(encoder)
    if chosen:
        yield chosen


def _replaced(given: Recipe, encoder: Encoders | None) -> Iterator[str]:
    """Yield a line for each changed setting of the recipe's encoder, where another takes its place."""
    if encoder is not None:
        for name, value in replaced_settings(given).items():
            yield f"{name} {value} has no effect: the encoder that was given takes the place of the recipe's"


def save_example_views(run: Run, recipe: Recipe, dataset: Trainable, num_images: int = 16) -> None:
    """Write ``views.npz``: pictures of some images and of views of each, uint8 [m, h, w, c]."""
    some = dataset.examples(num_images, recipe.train.seed)
    torch.manual_seed(recipe.train.seed)
    pictures = recipe.views.example_pictures(some, recipe.method.num_views)
    with replacing(run.views) as path, path.open("wb") as file:
        np.savez(file, allow_pickle=False, **pictures)


def _facts(
    recipe: Recipe, dataset: Trainable, callbacks: Sequence[Callback], logger: Logger | None
) -> dict[str, Any]:
    """Return what is recorded of what a run is made from."""
    return {
        "seed": recipe.train.seed,
        "num_images": len(dataset),
        "order": DEFAULT_ORDER,
        "images": dataset.fingerprint,
        "data": dataset.reading and dataset.reading.record,
        "parts": parts_of_own(recipe),
        "callbacks": [recorded(type(one)) for one in callbacks],
        "logger": logger and recorded(type(logger)),
    }


def _list_left_out(run: Run, reading: Reading | None, tell: Callable[[str], None]) -> None:
    """List what was left out of the data in the run folder, and say where."""
    if reading is not None and reading.left_out:
        reading.write_left_out(run.folder / LEFT_OUT_FILE)
        tell(f"what was left out is listed in {run.folder / LEFT_OUT_FILE}")


def _note_broken(run: Run, dataset: Trainable, tell: Callable[[str], None]) -> None:
    """List and record what training could not decode, in any process: of a stream it is not known before."""
    with _together(run):
        each = objects_of_all(dataset.broken)
    dataset.broken.update({name: why for one in each for name, why in one.items()})
    if dataset.broken and dataset.reading and rank() == 0:
        run.note(data=dataset.reading.record)
        tell(f"{counted(len(dataset.broken), 'image')} could not be decoded, others stood in for them")
        _list_left_out(run, dataset.reading, tell)


def _check_kinds(recipe: Any, dataset: Any) -> None:
    """Check that recipe and dataset are what their names say."""
    refuse(
        not isinstance(recipe, Recipe),
        f"pretrain: expected a Recipe, got {recipe!r}; recipe_named('amdim-cpu') returns one",
    )
    refuse(
        not hasattr(dataset, "fingerprint"),
        f"pretrain: expected a dataset, got a {type(dataset).__name__}; recipe.views.load(source) makes one "
        "of a folder, a file, or a list of images",
    )


def _check(recipe: Recipe, dataset: Trainable, encoder: Encoders | None) -> None:
    train = recipe.train
    _check_shapes(recipe.views, dataset)
    check_trainable(encoder, recipe.views)
    check_loggers(train)


def _check_shapes(views: Views, dataset: Trainable) -> None:
    """Check that each part of the dataset has the shape that its views expect."""
    refuse(
        len(dataset.parts) != len(views.parts),
        f"pretrain: these views are made of {len(views.parts)} things seen together, "
        f"got {len(dataset.parts)}; load them with `recipe.views.load`, or pair them with "
        "same_names or in_time",
    )
    for part, seen_by in zip(dataset.parts, views.parts, strict=True):
        shape = part.shape
        refuse(
            shape != seen_by.stored_shape,
            f"pretrain: expected inputs {list(seen_by.stored_shape)} (channels first) for this recipe, got "
            f"{list(shape)}; load them with this size, or change the stored size of the views",
        )


def _planned(
    recipe: Recipe,
    dataset: Trainable,
    encoder: Encoders | None,
    budget: Mapping[str, int | float],
    tell: Callable[[str], None],
    first_step: int = 0,
) -> Plan:
    """Return what the budget takes; say it."""
    with waiting("timing some steps", quiet=rank() > 0):
        planned = plan(recipe, dataset, encoder, budget)
    tell(f"{planned}{f', after step {first_step:,}' if first_step else ''}")
    return planned


def _teller(quiet: bool) -> Callable[[str], None]:
    """Return what prints a line on stderr."""
    console = Console(stderr=True, quiet=quiet)
    return partial(console.print, highlight=False, markup=False, soft_wrap=True)


def _stage(first_step: int, planned: Plan, budget: Mapping[str, int | float]) -> dict[str, Any]:
    """Return what is recorded of a stage."""
    return {"first_step": first_step, "last_step": first_step + planned.steps, "budget": dict(budget)}


@contextmanager
def _fitting(
    recipe: Recipe,
    learner: Learner,
    dataset: Trainable,
    run: Run,
    quiet: bool,
    begin: Callable[[], None] | None = None,
    callbacks: Sequence[Callback] = (),
    logger: Logger | None = None,
    saved: Saved | None = None,
    order: str = DEFAULT_ORDER,
) -> Generator[Callable[[], None]]:
    """Yield what trains to the last step, from a checkpoint if there is one; then write the encoder.

    Raises:
        Stopped: Ctrl-C, or SIGTERM.
        ConnectionError: another of several processes has ended.
    """
    train, steps = recipe.train, recipe.train.steps
    assert steps is not None
    interrupt = StopOnInterrupt()
    keep = Checkpoint(run, recipe)
    record = Record(
        run, num_images=len(dataset), batch_size=train.batch_size, every=train.log_steps, quiet=quiet
    )
    own = [*([BeginStage(begin)] if begin or saved else []), interrupt, record, keep]
    if saved is not None:
        saved.check(settings_of(recipe), learner)
    trainer = new_trainer(train, learner, steps, [*own, *callbacks], run, saved is None or saved.is_last)
    if logger is not None:
        trainer.logger = logger
    if trainer.is_global_zero:
        for one in trainer.loggers:
            one.log_hyperparams(run.read_settings())
    batches = new_loader(trainer, train, dataset, saved.step if saved else 0, order)
    checkpoint = saved.path if saved else None
    try:
        with _together(run), _alone(run, trainer), interrupt.listening(), ending_together(trainer.local_rank):
            yield partial(trainer.fit, learner, batches, ckpt_path=checkpoint, weights_only=True)
    except KeyboardInterrupt:
        left = saved_in(run)
        raise Stopped(_where(run, left.step if left else 0, steps)) from None
    finally:
        if logger is None:
            finish_loggers(trainer)
    if trainer.global_step < steps:
        raise Stopped(_where(run, trainer.global_step, steps))
    _save(learner, recipe, dataset, run, quiet)
    if interrupt.requested:
        raise Stopped(f"training is complete, its encoder is in {run.folder}")


@contextmanager
def _together(run: Run) -> Generator[None]:
    """Within, an error which says that another process has ended says how to go on, too."""
    try:
        yield
    except RuntimeError as error:
        if is_of_another_process(error):
            lost = f"pretrain: another process has ended; go on with `infomax pretrain --resume {run.folder}`"
            raise ConnectionError(lost) from error
        raise


@contextmanager
def _alone(run: Run, trainer: Trainer) -> Generator[None]:
    """Within, no other process trains the run, and writes the same files; a lock ends with its process."""
    if not trainer.is_global_zero:
        yield
        return
    run.checkpoint.parent.mkdir(exist_ok=True)
    lock = FileLock(run.checkpoint.with_name("lock"))
    try:
        lock.acquire(timeout=SECONDS_OF_PATIENCE)
    except Timeout:
        raise ValueError(f"pretrain: another process trains {run.folder}; wait for it, or end it") from None
    try:
        yield
    finally:
        lock.release()


def _where(run: Run, step: int, steps: int) -> str:
    return f"step {step:,} of {steps:,} is saved in {run.folder}"


def _save(learner: Learner, recipe: Recipe, dataset: Trainable, run: Run, quiet: bool) -> None:
    """Write each encoder into its folder; only the first process does.

    An encoder that is there already was written by this run before it was interrupted, and is the same.
    """
    if rank() > 0:
        return
    note_hash(run.metrics)  # to which no row is added any more
    with waiting("scaling the features", quiet):
        learner = recipe.method.ended(learner, recipe.views, dataset, recipe.train.seed)
    for place, encoder in zip(recipe.views.encoders, learner.encoders, strict=True):
        folder = run.folder / place.folder
        if not Run(folder).encoder.exists():
            folder.mkdir(exist_ok=True)
            save_encoder(folder, encoder, place.views)
        begin_record(folder)
