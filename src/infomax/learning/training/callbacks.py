"""What happens between the steps of training: seeds, checkpoints, the record, the stop at a bad number."""

import csv
import gc
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from infomax.files import replacing
from infomax.learning.distributed.groups import mean_over_ranks
from infomax.learning.training.run import Run


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
    """Raises `Diverged` before an update that is not finite could spoil the encoder.

    The CPU does not wait for a GPU to tell: the optimizer itself, fused Adam, skips such an update there, and
    whether it did is read a step later, or before a checkpoint.
    """

    def __init__(self):
        self.told: tuple[int, Tensor, Tensor, torch.cuda.Event | None] | None = None

    def on_before_optimizer_step(self, trainer: Trainer, module: LightningModule, optimizer: Any) -> None:
        """Check the gradient, which is not finite wherever the objective is not."""
        self._read()
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        finite, event = torch.isfinite(torch.nn.utils.get_total_norm(gradients)), None
        if finite.is_cuda:
            optimizer.found_inf = 1 - finite.float()
            finite, event = finite.to("cpu", non_blocking=True), torch.cuda.Event()
            event.record()
        self.told = trainer.global_step, _watched(module)["value"].clone(), finite, event
        if event is None:
            self._read()

    def on_save_checkpoint(self, *_: Any) -> None:
        """Nothing is kept of a step that went wrong."""
        self._read()

    def on_train_end(self, *_: Any) -> None:
        """Of the last step."""
        self._read()

    def _read(self) -> None:
        if self.told is None:
            return
        step, value, finite, event = self.told
        self.told = None
        if event is not None:
            event.synchronize()
        if not bool(finite):
            raise Diverged(
                f"pretrain: step {step}: the objective is {float(value)}, its gradient not finite; "
                "the last checkpoint is from before; lower --optimizer.lr or set --train.precision float32"
            )


class CaptureStep(Callback):
    """Before the first step on a GPU, captures the learner's loss and its gradient in CUDA graphs.

    Thousands of small kernels then cost the CPU two launches. Batch norm's statistics and all other buffers
    stay as they were; random numbers still follow from the seed of each step.

    Args:
        bf16: whether the encoder computes in bfloat16.
    """

    def __init__(self, bf16: bool):
        self.bf16, self.captured = bf16, False

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, batch: Any, _: int) -> None:
        """Capture, with a batch of the shape of all."""
        if self.captured:
            return
        buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
        autocast = torch.autocast("cuda", torch.bfloat16, enabled=self.bf16, cache_enabled=False)
        with autocast, _no_garbage_collected():
            torch.cuda.make_graphed_callables(module, tuple(batch), allow_unused_input=True)
        for name, buffer in module.named_buffers():
            buffer.copy_(buffers[name])
        self.captured = True

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """The learner computes by itself again."""
        module.__dict__.pop("forward", None)


@contextmanager
def _no_garbage_collected() -> Iterator[None]:
    """Collected before: what frees memory of a GPU, as an earlier learner does, would end a capture."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


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

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
        """Record every `every` steps, and the last."""
        step = trainer.global_step
        self.progress.update(self.task, completed=step)
        if step % self.every and step != trainer.max_steps:
            return
        now = time.perf_counter()
        rate = (step - self.last_step) * self.batch_size / (now - self.last_time)
        self.seconds += now - self.last_time
        self.last_step, self.last_time = step, now
        metrics = {key: float(value) for key, value in mean_over_ranks(_watched(module)).items()}
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


def _watched(module: LightningModule) -> Mapping[str, Tensor]:
    """What the learner left of its last step."""
    return cast(Mapping[str, Tensor], module.watched)


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
