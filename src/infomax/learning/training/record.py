"""The record of training: rows of ``metrics.csv``, and progress on stderr."""

import csv
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from infomax.files import replacing
from infomax.learning.distributed.groups import mean_over_ranks
from infomax.learning.training.callbacks import watched
from infomax.learning.training.run import Run


class Record(Callback):
    """Write rows of ``metrics.csv``; show images/s, time left, and each term's bits and ceiling on stderr."""

    def __init__(self, run: Run, *, num_images: int, batch_size: int, every: int, quiet: bool):
        self.run, self.batch_size, self.every = run, batch_size, every
        self.steps_per_epoch = num_images // batch_size
        self.seconds = 0.0  # of training so far, before and after resuming
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
        """Return the time spent, for a resumed run."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the time spent."""
        self.seconds = state_dict["seconds"]

    def on_train_start(self, trainer: Trainer, *_: Any) -> None:
        """Start the clock; drop rows after the checkpoint that training resumes from."""
        if trainer.is_global_zero:
            _drop_rows_after(self.run.metrics, trainer.global_step)
        self.last_step, self.last_time = trainer.global_step, time.perf_counter()
        self.task = self.progress.add_task("starting", total=trainer.max_steps, completed=trainer.global_step)
        if trainer.is_global_zero:
            self.progress.start()

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
        """Record every `every` steps, and the last step."""
        step = trainer.global_step
        self.progress.update(self.task, completed=step)
        if step % self.every and step != trainer.max_steps:
            return
        now = time.perf_counter()
        rate = (step - self.last_step) * self.batch_size / (now - self.last_time)
        self.seconds += now - self.last_time
        self.last_step, self.last_time = step, now
        metrics = {key: float(value) for key, value in mean_over_ranks(watched(module)).items()}
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
        if trainer.logger is not None:
            trainer.logger.log_metrics(metrics, step)
        self.progress.update(self.task, description=_summary(rate, metrics))

    def on_train_end(self, *_: Any) -> None:
        """Stop the display; its last line stays."""
        self.progress.stop()

    def on_exception(self, *_: Any) -> None:
        """Stop the display, as at the end."""
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
    """Drop the rows after the checkpoint that training resumes from."""
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
