"""The record of training: rows of ``metrics.csv``, and progress on stderr."""

import csv
import re
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from infomax.files import replacing
from infomax.learning.distributed.groups import mean_over_ranks
from infomax.learning.training.callbacks import watched
from infomax.learning.training.run import Run
from infomax.progress import can_move

SECONDS_BETWEEN_LINES = 30.0
"""How often progress is told where there is no terminal to show it."""


@contextmanager
def waiting(text: str, quiet: bool = False) -> Generator[None]:
    """Within, show on a terminal what is being waited for, and for how long already."""
    console = Console(stderr=True, quiet=quiet)
    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True, disable=not can_move(console)) as progress:
        progress.add_task(text, total=None)
        yield


class Record(Callback):
    """Write rows of ``metrics.csv``; show steps, time left, images/s and each term's bits on stderr."""

    def __init__(self, run: Run, *, num_images: int, batch_size: int, every: int, quiet: bool):
        self.run: Run = run
        self.batch_size: int = batch_size
        self.every: int = every
        self.steps_per_epoch: int = num_images // batch_size
        self.seconds: float = 0.0  # of training so far, before and after resuming
        self.console: Console = Console(stderr=True, quiet=quiet)
        self.progress: Progress = Progress(
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} steps,"),
            TimeRemainingColumn(elapsed_when_finished=True, table_column=Column(no_wrap=True, min_width=7)),
            TextColumn("{task.fields[end]}"),
            BarColumn(bar_width=10),
            TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
            console=self.console,
            expand=True,
            refresh_per_second=2,
            disable=not can_move(self.console),
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the time spent, for a resumed run."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the time spent."""
        self.seconds = state_dict["seconds"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock; drop rows after the checkpoint that training resumes from."""
        if trainer.is_global_zero:
            _drop_rows_after(self.run.metrics, trainer.global_step)
        self.last_step: int = trainer.global_step
        self.last_time: float = time.perf_counter()
        self.began: float = self.last_time
        self.told: float = self.last_time
        self.first_step: int = trainer.global_step
        self.task: TaskID = self.progress.add_task(
            "starting", total=trainer.max_steps, completed=trainer.global_step, end="left"
        )
        if trainer.is_global_zero:
            self.progress.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Record every `every` steps, and the last step."""
        step = trainer.global_step
        end = "taken" if step == trainer.max_steps else "left"
        self.progress.update(self.task, completed=step, end=end)
        if step % self.every and step != trainer.max_steps:
            return
        now = time.perf_counter()
        rate = (step - self.last_step) * self.batch_size / (now - self.last_time)
        self.seconds += now - self.last_time
        self.last_step, self.last_time = step, now
        metrics = {key: float(value) for key, value in mean_over_ranks(watched(pl_module)).items()}
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
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step)
        summary = _summary(rate, metrics)
        self.progress.update(self.task, description=summary)
        self._tell(step, trainer.max_steps, now, summary)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the display; its last line stays."""
        self.progress.stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Stop the display, as at the end."""
        self.progress.stop()

    def _tell(self, step: int, num_steps: int, now: float, summary: str) -> None:
        """Where there is no terminal, print a line now and then, and at the end."""
        due = now - self.told >= SECONDS_BETWEEN_LINES or step == num_steps
        if can_move(self.console) or not due:
            return
        left = (now - self.began) / (step - self.first_step) * (num_steps - step)
        line = f"step {step:,} of {num_steps:,}, {timedelta(seconds=round(left))} left, {summary}"
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)
        self.told = now

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
    """Drop the rows after the checkpoint that training resumes from, and what is no whole row."""
    if metrics.exists():
        header, *rows = metrics.read_text().splitlines(keepends=True) or [""]
        whole = re.compile(rf"(\d+)(,[^,]*){{{header.count(',')}}}\n")
        steps = [(row, whole.fullmatch(row)) for row in rows]
        kept = "".join(row for row, found in steps if found and int(found[1]) <= step)
        if not header.endswith("\n"):
            metrics.unlink()
            return
        with replacing(metrics) as path:
            path.write_text(header + kept)


def _summary(rate: float, metrics: Mapping[str, float]) -> str:
    bits = [
        f"{key.removeprefix('bits_')} {value:.2f}/{metrics['ceiling_' + key.removeprefix('bits_')]:.1f}"
        for key, value in metrics.items()
        if key.startswith("bits_")
    ]
    return f"{rate:.0f} images/s  bits {'  '.join(bits)}"
