"""The steps, the minutes and the memory that a run will take, found by timing some steps."""

import copy
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from infomax.errors import refuse
from infomax.learning.data.streaming.stream import Trainable
from infomax.learning.data.targets import counted
from infomax.learning.distributed.groups import objects_of_all
from infomax.learning.distributed.launching import ending_together
from infomax.learning.distributed.lightning import without_notices
from infomax.learning.training.callbacks import StopOnInterrupt, Timer
from infomax.learning.training.config import Recipe
from infomax.learning.training.trainer import Encoders, new_learner, new_loader, new_trainer

MAX_TIMING_SECONDS = 15.0
"""How long steps are timed at most, for a budget in minutes."""

MIN_STEPS_TIMED, SECONDS_TO_TELL = 500, 2.0
"""Steps of a run that is long enough to say beforehand how many minutes it takes; how long they are timed."""


@dataclass(frozen=True)
class Plan:
    """The steps, time and memory that a run will take.

    num_images, batch_size: of the data, and of each step. steps: to be done. seconds_per_step, memory: as
    measured, in bytes; None where a run is too short to measure it.
    """

    num_images: int
    batch_size: int
    steps: int
    seconds_per_step: float | None = None
    memory: int | None = None

    def __str__(self) -> str:
        epochs = self.steps / (self.num_images // self.batch_size)
        parts = [
            f"{self.num_images:,} images",
            f"{counted(self.steps, 'step')} of {self.batch_size} (each image {epochs:,.1f} times)",
        ]
        if self.seconds_per_step is not None:
            parts.append(f"about {duration(self.steps * self.seconds_per_step)}")
        if self.memory is not None:
            parts.append(f"about {self.memory / 2**30:.1f} GB of memory")
        return ", ".join(parts)


def duration(seconds: float | int) -> str:
    """Return a time in the unit that suits it.

    >>> duration(6), duration(1200), duration(90000)
    ('6 seconds', '20 minutes', '25 hours')
    """
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= 1.5 * length:
            number = seconds / length
            return f"{number:.1f} {unit}" if number < 10 and number % 1 >= 0.05 else f"{number:.0f} {unit}"
    whole = max(1, round(seconds))
    return f"{whole} second{'s' * (whole > 1)}"


def fitting_batch(recipe: Recipe, num_images: int) -> Recipe:
    """Return the recipe with a batch that is no larger than the data, and is shared by all processes alike.

    Raises:
        ValueError: fewer than 2 images.
    """
    train = recipe.train
    largest = num_images - num_images % train.num_processes
    refuse(
        largest < max(2, train.num_processes),
        f"pretrain: expected at least {max(2, train.num_processes)} images to learn from, got {num_images}; "
        "give a folder with more",
    )
    if train.batch_size <= largest:
        return recipe
    return replace(recipe, train=replace(train, batch_size=largest))


def plan(
    recipe: Recipe,
    dataset: Trainable,
    encoder: Encoders | None,
    budget: Mapping[str, int | float],
) -> Plan:
    """Return what so many steps, minutes or epochs of a recipe take; minutes become steps by timing some.

    Args:
        recipe: what is trained; its own budget does not count.
        dataset: what is learned from.
        encoder: as of `pretrain`.
        budget: one of steps, minutes and epochs.
    """
    ((kind, amount),) = budget.items()
    train, start = recipe.train, time.perf_counter()
    if kind == "minutes":
        timing = min(MAX_TIMING_SECONDS, 60 * amount / 20)
        seconds = seconds_per_step(recipe, dataset, encoder, duration=timing)
        left = max(60 * amount - (time.perf_counter() - start), 60 * amount / 2)
        steps = objects_of_all(max(1, round(left / seconds)))[0]  # each process has a clock of its own
        return _plan(recipe, dataset, steps, seconds)
    steps = int(amount) if kind == "steps" else round(amount * (len(dataset) // train.batch_size))
    if steps < MIN_STEPS_TIMED or train.compile or train.num_processes > 1:
        return _plan(recipe, dataset, max(1, steps))
    seconds = seconds_per_step(recipe, dataset, encoder, duration=SECONDS_TO_TELL)
    return _plan(recipe, dataset, steps, seconds)


def seconds_per_step(
    recipe: Recipe,
    dataset: Trainable,
    encoder: Encoders | None = None,
    *,
    duration: float = MAX_TIMING_SECONDS,
) -> float:
    """Return the time of a step of the recipe, measured for `duration` seconds on a copy of the encoder."""
    recipe = replace(recipe, views=recipe.views.as_read(dataset))
    timer, interrupt = Timer(duration), StopOnInterrupt()
    learner = new_learner(recipe, dataset, copy.deepcopy(encoder))
    trainer = new_trainer(recipe.train, learner, 10**9, [interrupt, timer])
    with without_notices(), ending_together(trainer.local_rank), interrupt.listening():
        trainer.fit(learner, new_loader(trainer, recipe.train, dataset))
    if interrupt.requested:
        raise KeyboardInterrupt
    return timer.seconds_per_step


def _plan(recipe: Recipe, dataset: Trainable, steps: int, seconds: float | None = None) -> Plan:
    memory = None if seconds is None else _peak_memory()
    return Plan(len(dataset), recipe.train.batch_size, steps, seconds, memory)


def _peak_memory() -> int | None:
    """Return the bytes that this process held at most: of its GPU if it used one; None where unknown."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated()
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
