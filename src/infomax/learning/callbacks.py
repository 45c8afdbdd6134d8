"""What happens between the steps of training: seeds, checkpoints, the record, the stop at a bad number."""

import csv
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from infomax.files import replacing
from infomax.learning.runs import Run


class Diverged(RuntimeError):
    """The objective or its gradient is not finite; the last good checkpoint is kept."""


class Seed(Callback):
    """Before each step, seeds torch with a function of (seed, step, rank)."""

    def __init__(self, seed: int):
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        """Seed the step."""
        entropy = [self.seed, trainer.global_step, trainer.global_rank]
        torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1))


class StopAtNonFinite(Callback):
    """Raises `Diverged` before an update that is not finite could spoil the encoder."""

    def on_before_optimizer_step(self, trainer: Trainer, module: LightningModule, _: Any) -> None:
        """Check the gradient, which is not finite wherever the objective is not."""
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        if not bool(torch.isfinite(torch.nn.utils.get_total_norm(gradients))):
            value = float(trainer.callback_metrics.get("value", math.nan))
            raise Diverged(
                f"pretrain: step {trainer.global_step}: the objective is {value}, its gradient not finite; "
                "the last checkpoint is from before; lower --optimizer.lr or set --train.precision float32"
            )


class Checkpoint(Callback):
    """Keeps ``checkpoints/last.ckpt``, replaced every so many steps."""

    def __init__(self, run: Run, every: int):
        self.run, self.every = run, every

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Save after every `every` steps."""
        if trainer.global_step % self.every == 0:
            if not trainer.is_global_zero:
                trainer.save_checkpoint(self.run.checkpoint)  # takes part, and writes nothing
                return
            with replacing(self.run.checkpoint) as path:
                trainer.save_checkpoint(path)


class Timer(Callback):
    """Times steps for about `seconds`, after two that do not count, then stops the trainer."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self.seconds_per_step = math.nan

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Read the clock."""
        if trainer.global_step <= 2:
            self.start = time.perf_counter()
            return
        elapsed = time.perf_counter() - self.start
        self.seconds_per_step = elapsed / (trainer.global_step - 2)
        long_enough = elapsed >= self.seconds and trainer.global_step >= 5
        trainer.should_stop = trainer.strategy.reduce_boolean_decision(long_enough, all=False)
        if trainer.should_stop:
            self.seconds_per_step = trainer.strategy.broadcast(self.seconds_per_step)


class Record(Callback):
    """Rows of ``metrics.csv``, and progress on stderr: images/s, time left, each term's bits and ceiling."""

    def __init__(self, run: Run, *, num_images: int, batch_size: int, every: int, quiet: bool):
        self.run, self.batch_size, self.every = run, batch_size, every
        self.steps_per_epoch = num_images // batch_size
        self.seconds = 0.0  # of training so far, over all sittings
        console = Console(stderr=True, quiet=quiet)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            refresh_per_second=2,
        )

    def state_dict(self) -> dict[str, Any]:
        """Time spent, for a resumed run."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the time spent."""
        self.seconds = state_dict["seconds"]

    def on_train_start(self, trainer: Trainer, *_: Any) -> None:
        """Start the clock; forget rows after the checkpoint that training resumes from."""
        if trainer.is_global_zero:
            _drop_rows_after(self.run.metrics, trainer.global_step)
        self.last_step, self.last_time = trainer.global_step, time.perf_counter()
        self.task = self.progress.add_task("starting", total=trainer.max_steps, completed=trainer.global_step)
        if trainer.is_global_zero:
            self.progress.start()

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Record every `every` steps, and the last."""
        step = trainer.global_step
        self.progress.update(self.task, completed=step)
        if step % self.every and step != trainer.max_steps:
            return
        now = time.perf_counter()
        rate = (step - self.last_step) * self.batch_size / (now - self.last_time)
        self.seconds += now - self.last_time
        self.last_step, self.last_time = step, now
        metrics = {key: float(value) for key, value in trainer.callback_metrics.items()}
        if not trainer.is_global_zero:
            return
        self._write(
            {
                "step": step,
                "epoch": round(step / self.steps_per_epoch, 4),
                "seconds": round(self.seconds, 2),
                "images_per_second": round(rate, 1),
                "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
                **metrics,
            }
        )
        self.progress.update(self.task, description=_summary(rate, metrics))

    def on_train_end(self, *_: Any) -> None:
        """Leave the last line of progress standing."""
        self.progress.stop()

    def on_exception(self, *_: Any) -> None:
        """As at the end."""
        self.progress.stop()

    def _write(self, row: Mapping[str, Any]) -> None:
        new = not self.run.metrics.exists()
        with self.run.metrics.open("a+", newline="") as file:
            file.seek(0)
            columns = list(row) if new else next(csv.reader(file))
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            if new:
                writer.writeheader()
            writer.writerow(row)


def _drop_rows_after(metrics: Path, step: int) -> None:
    """Forget what was recorded after the checkpoint that training resumes from."""
    if metrics.exists():
        header, *rows = metrics.read_text().splitlines(keepends=True)
        with replacing(metrics) as path:
            path.write_text(header + "".join(row for row in rows if int(row.split(",", 1)[0]) <= step))


def _summary(rate: float, metrics: Mapping[str, float]) -> str:
    bits = [
        f"{key.removeprefix('bits_')} {value:.2f}/{metrics['ceiling_' + key.removeprefix('bits_')]:.1f}"
        for key, value in metrics.items()
        if key.startswith("bits_")
    ]
    return f"{rate:.0f} images/s  bits {'  '.join(bits)}"
