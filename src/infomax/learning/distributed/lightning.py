"""Lightning's trainer, made to behave as the command does: with fewer notices, and ended by SIGTERM."""

import logging
import signal
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from lightning import Callback, LightningModule, Trainer

from infomax.learning.distributed.launching import leave_group_at_exit, on_sigterm


class EndTogether(Callback):
    """While training, SIGTERM does what `ending_together` says.

    Lightning's own handler sends the other ranks a message at once, wherever it finds this one; they may be
    waiting for another message, and then all wait for ever.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Remember what SIGTERM does, before Lightning changes it; Lightning leaves groups of CPUs open."""
        self.handler: Any = signal.getsignal(signal.SIGTERM)
        leave_group_at_exit()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore it."""
        on_sigterm(self.handler)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """End the processes that Lightning has started, if it has; else whoever started them does."""
        launcher = trainer.strategy.launcher
        if launcher is not None:
            launcher.kill(signal.SIGTERM)


@contextmanager
def without_notices() -> Generator[None]:
    """Within, Lightning's warnings show, but no notices, nor advice on loaders, loggers, frozen layers."""
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            advice = ".*(does not have many workers|IterableDataset|LeafSpec|eval mode at the start).*"
            warnings.filterwarnings("ignore", message=advice)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
