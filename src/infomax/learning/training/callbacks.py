"""Callbacks between the steps of training: seeds, the stop at a bad number, checkpoints, timing."""

import math
import time
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from infomax.errors import Diverged
from infomax.files import replacing
from infomax.learning.training.run import Run


class Seed(Callback):
    """Seed torch before each step with a function of (seed, step, rank)."""

    def __init__(self, seed: int):
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        """Seed the step."""
        entropy = [self.seed, trainer.global_step, trainer.global_rank]
        torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1))


class StopAtNonFinite(Callback):
    """Raise `Diverged` before an update that is not finite reaches the encoder.

    The CPU does not wait for a GPU: there the optimizer itself, fused Adam, skips such an update, and whether
    it did is read one step later, or before a checkpoint.
    """

    def __init__(self):
        self.found: tuple[int, Tensor, Tensor, torch.cuda.Event | None] | None = None

    def on_before_optimizer_step(self, trainer: Trainer, module: LightningModule, optimizer: Any) -> None:
        """Check the gradient, which is not finite if the objective is not."""
        self._read()
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        finite, event = torch.isfinite(torch.nn.utils.get_total_norm(gradients)), None
        if finite.is_cuda:
            optimizer.found_inf = 1 - finite.float()
            finite, event = finite.to("cpu", non_blocking=True), torch.cuda.Event()
            event.record()
        self.found = trainer.global_step, watched(module)["value"].clone(), finite, event
        if event is None:
            self._read()

    def on_save_checkpoint(self, *_: Any) -> None:
        """Check the last step: no checkpoint holds a bad one."""
        self._read()

    def on_train_end(self, *_: Any) -> None:
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
    """Replace ``checkpoints/last.ckpt`` every `every` steps."""

    def __init__(self, run: Run, every: int):
        self.run, self.every = run, every

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Save a checkpoint, if it is time."""
        if trainer.global_step % self.every == 0:
            if not trainer.is_global_zero:
                trainer.save_checkpoint(self.run.checkpoint)  # takes part; only the first process writes
                return
            with replacing(self.run.checkpoint) as path:
                trainer.save_checkpoint(path)


class Timer(Callback):
    """Time steps for about `seconds`, after two that do not count; then stop the trainer."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self.seconds_per_step = math.nan

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Read the clock, and stop after `seconds` and at least five steps."""
        if trainer.global_step <= 2:
            self.start = time.perf_counter()
            return
        elapsed = time.perf_counter() - self.start
        self.seconds_per_step = elapsed / (trainer.global_step - 2)
        long_enough = elapsed >= self.seconds and trainer.global_step >= 5
        trainer.should_stop = trainer.strategy.reduce_boolean_decision(long_enough, all=False)
        if trainer.should_stop:
            self.seconds_per_step = trainer.strategy.broadcast(self.seconds_per_step)


def watched(module: LightningModule) -> Mapping[str, Tensor]:
    """Return the scalars to watch of the last step, by name."""
    return cast(Mapping[str, Tensor], module.watched)
