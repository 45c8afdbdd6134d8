"""The whole step of training as CUDA graphs."""

import gc
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer


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


@contextmanager
def _no_garbage_collected() -> Generator[None]:
    """Collect garbage before, not within: a capture ends where memory of a GPU is freed."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
