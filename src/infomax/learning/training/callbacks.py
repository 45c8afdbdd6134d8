"""Callbacks between the steps of training: seeds, CUDA graphs, stops, checkpoints, timing."""

import gc
import math
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from infomax.errors import Diverged
from infomax.files import sync
from infomax.interrupts import Interrupts, heard
from infomax.learning.distributed.launching import on_sigterm
from infomax.learning.training.checkpoints import RECIPE
from infomax.learning.training.config import Recipe
from infomax.learning.training.run import Run, settings_of

STEPS_BETWEEN_QUESTIONS = 10
"""How often several processes ask each other whether to stop or to save."""


class Seed(Callback):
    """Seed torch before each step with a function of (seed, step, rank)."""

    def __init__(self, seed: int):
        self.seed = seed

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed the step."""
        entropy = [self.seed, trainer.global_step, trainer.global_rank]
        torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1))


class CaptureStep(Callback):
    """Capture the learner's loss and its gradient in CUDA graphs, before the first step on a GPU.

    The CPU then starts thousands of small kernels with two launches. Batch norm's statistics and all other
    buffers stay as they were; random numbers still follow from the seed of each step.

    Args:
        bf16: whether the encoder computes in bfloat16.
    """

    def __init__(self, bf16: bool):
        self.bf16: bool = bf16
        self.captured: bool = False

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Capture a step with the first batch; all batches have its shape."""
        if self.captured:
            return
        buffers = {name: buffer.clone() for name, buffer in pl_module.named_buffers()}
        autocast = torch.autocast("cuda", torch.bfloat16, enabled=self.bf16, cache_enabled=False)
        with autocast, _no_garbage_collected():
            torch.cuda.make_graphed_callables(pl_module, tuple(batch), allow_unused_input=True)
        for name, buffer in pl_module.named_buffers():
            buffer.copy_(buffers[name])
        self.captured = True

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let the learner compute without graphs again."""
        pl_module.__dict__.pop("forward", None)


class StopAtNonFinite(Callback):
    """Raise `Diverged` before an update that is not finite reaches the encoder.

    The CPU does not wait for a GPU: there the optimizer itself, fused Adam or Muon, skips such an update, and
    whether it did is read one step later, or before a checkpoint.
    """

    def __init__(self):
        self.found: tuple[int, Tensor, Tensor, torch.cuda.Event | None] | None = None

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        """Check the gradient, which is not finite if the objective is not."""
        self._read()
        gradients = [p.grad for p in pl_module.parameters() if p.grad is not None]
        finite, event = torch.isfinite(torch.nn.utils.get_total_norm(gradients)), None
        if finite.is_cuda:
            optimizer.found_inf = 1 - finite.float()
            finite, event = finite.to("cpu", non_blocking=True), torch.cuda.Event()
            event.record()
        self.found = trainer.global_step, watched(pl_module)["value"].clone(), finite, event
        if event is None:
            self._read()

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Check the last step: no checkpoint holds a bad one."""
        self._read()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the last step."""
        self._read()

    def _read(self) -> None:
        if self.found is None:
            return
        step, value, finite, event = self.found
        self.found = None
        if event is not None:
            event.synchronize()
        if not bool(finite):
            raise Diverged(
                f"pretrain: step {step}: the objective is {float(value)}, its gradient not finite; "
                "the last checkpoint is from before; lower --optimizer.lr or set --train.precision float32"
            )


class Checkpoint(Callback):
    """Replace ``checkpoints/last.ckpt``: every so many steps or minutes, and wherever training stops.

    The first one is written before the first step, so that there is always one to continue from. A row of
    ``metrics.csv`` is on the disk before the checkpoint of its step.
    """

    def __init__(self, run: Run, recipe: Recipe):
        self.run: Run = run
        self.recipe: Recipe = recipe

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save what training begins with, if nothing is saved yet."""
        self.saved_at: float = time.monotonic()
        if trainer.strategy.broadcast(not self.run.checkpoint.exists()):
            self._save(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save a checkpoint, if it is time."""
        step, every = trainer.global_step, self.recipe.train.checkpoint_steps
        if step % every == 0 or step == trainer.max_steps or trainer.should_stop or self._late(trainer):
            self._save(trainer)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the recipe."""
        checkpoint[RECIPE] = settings_of(self.recipe)

    def _late(self, trainer: Trainer) -> bool:
        """Return whether the last one is too old; several processes, which must agree, ask now and then."""
        late = time.monotonic() - self.saved_at > 60 * self.recipe.train.checkpoint_minutes
        return _agreed(trainer, late)

    def _save(self, trainer: Trainer) -> None:
        if trainer.is_global_zero and self.run.metrics.exists():
            sync(self.run.metrics)
        trainer.save_checkpoint(self.run.checkpoint)  # all take part; only the first process writes
        self.saved_at = time.monotonic()


class StopOnInterrupt(Callback):
    """Stop after the step in which Ctrl-C or SIGTERM comes; a second one stops at once.

    Attributes:
        requested: whether it came.
    """

    def __init__(self):
        self.requested: bool = False
        self.agreed: bool = False
        self.tells: bool = True
        self.interrupts: Interrupts = Interrupts()

    @contextmanager
    def listening(self) -> Generator[None]:
        """Within, signals are waited for; see `heard`.

        Raises:
            KeyboardInterrupt: one came before the first step, or a second time.
        """
        with heard() as self.interrupts:
            try:
                yield
            except SystemExit:  # in which Lightning leaves, and ignores further signals
                if self.interrupts.number is None:
                    raise
                raise KeyboardInterrupt from None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From here on, stop after a step."""
        self.tells = trainer.is_global_zero
        self.interrupts.stop = self._request
        on_sigterm(self.interrupts.answer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From here on, stop at once."""
        self.interrupts.stop = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """As at the end."""
        self.interrupts.stop = None

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop the trainer, if that is wanted in any process."""
        if not self.agreed and _agreed(trainer, self.requested):
            self.agreed = trainer.should_stop = True

    def _request(self) -> None:
        self.requested = True
        if self.tells:
            print("stopping after this step; Ctrl-C again stops at once", file=sys.stderr)


class BeginStage(Callback):
    """Go on from a checkpoint: in the first process, do something when all processes have read the run.

    The rate becomes that of the step, which a checkpoint of another schedule does not know. That may be the
    last one before a stage, also where a process was killed that had just begun the stage.
    """

    def __init__(self, begin: Callable[[], None] | None = None):
        self.begin = begin

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin."""
        if trainer.is_global_zero and self.begin is not None:
            self.begin()
        for one in trainer.lr_scheduler_configs:
            scheduler = cast(LambdaLR, one.scheduler)
            shares = [share(trainer.global_step) for share in scheduler.lr_lambdas]
            for group, base, share in zip(
                scheduler.optimizer.param_groups, scheduler.base_lrs, shares, strict=True
            ):
                group["lr"] = base * share


class Timer(Callback):
    """Time steps for about `seconds`, after one or two that do not count; then stop the trainer.

    Args:
        seconds: how long to time; at least five steps, or two where these take three times as long.
    """

    def __init__(self, seconds: float):
        self.seconds = seconds
        self.seconds_per_step: float = math.nan
        self.began: float = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Read the clock, and stop when that was long enough."""
        now, step = time.perf_counter(), trainer.global_step
        slow = now - self.began > 3 * self.seconds
        if step == 1 or (step == 2 and not slow):
            self.start: float = now
            self.first: int = step
        else:
            self.seconds_per_step = (now - self.start) / (step - self.first)
        timed = step >= 5 and now - self.start >= self.seconds
        long_enough = step > self.first and (slow or timed)
        trainer.should_stop = trainer.strategy.reduce_boolean_decision(long_enough, all=False)
        if trainer.should_stop:
            self.seconds_per_step = trainer.strategy.broadcast(self.seconds_per_step)


def _agreed(trainer: Trainer, wish: bool) -> bool:
    """Return whether any process wishes something; several are asked at every tenth step only."""
    if trainer.world_size == 1:
        return wish
    ask = trainer.global_step % STEPS_BETWEEN_QUESTIONS == 0
    return ask and trainer.strategy.reduce_boolean_decision(wish, all=False)


def watched(module: LightningModule) -> Mapping[str, Tensor]:
    """Return the scalars to watch of the last step, by name."""
    return cast(Mapping[str, Tensor], module.watched)


@contextmanager
def _no_garbage_collected() -> Generator[None]:
    """Collect garbage before, not within: a capture ends where memory of a GPU is freed."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
