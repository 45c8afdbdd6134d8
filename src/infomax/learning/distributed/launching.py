"""Processes that do one command together: who starts them, and how they end together.

torchrun or SLURM starts them, or the first starts those beside it: by Lightning, as in training. Whoever did,
`distributed.rank` and `num_ranks` then tell them apart.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from lightning import Callback, Fabric, Trainer
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.strategies.ddp import DDPStrategy
from lightning.pytorch.accelerators import CUDAAccelerator


@contextmanager
def together(devices: int | None = None) -> Iterator[None]:
    """Within, this is one of several processes, if there are to be several; each has a GPU, if there are any.

    They talk by gloo, which notices at once when another process has died, so that none waits in vain.

    Args:
        devices: processes on this machine, which the first starts; None: those that torchrun or SLURM has
            started, else one.

    Raises:
        ValueError: fewer than one, other than have been started, or more than there are GPUs; a job step
            of SLURM without --ntasks-per-node.
    """
    environment, started, num_nodes = _started()
    devices = (started or 1) if devices is None else devices
    _check(devices, started)
    if devices * num_nodes == 1:
        yield
        return
    fabric = Fabric(
        accelerator="gpu" if CUDAAccelerator.is_available() else "cpu",
        devices=devices,
        num_nodes=num_nodes,
        strategy=DDPStrategy(process_group_backend="gloo", timeout=timedelta(days=1)),
        plugins=[environment],
    )
    with ending_together(fabric):
        with without_notices():
            fabric.launch()
        yield


@contextmanager
def without_notices() -> Iterator[None]:
    """Lightning's warnings still show; its notices, and its advice on loaders and loggers, do not."""
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            advice = ".*(does not have many workers|IterableDataset|LeafSpec).*"
            warnings.filterwarnings("ignore", message=advice)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def own_device() -> torch.device:
    """The GPU of this process, if there are any; else the CPU."""
    if CUDAAccelerator.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


def _started() -> tuple[ClusterEnvironment, int | None, int]:
    """Who starts processes, how many it has started on each machine, and the number of machines.

    A job step counts, not the job: a plain command in a batch script is alone.
    """
    if TorchElasticEnvironment.detect():
        return TorchElasticEnvironment(), *_shares("WORLD_SIZE", "GROUP_WORLD_SIZE")
    if "SLURM_STEP_NUM_TASKS" in os.environ and SLURMEnvironment.detect():
        return _slurm(), *_shares("SLURM_STEP_NUM_TASKS", "SLURM_STEP_NUM_NODES")
    return LightningEnvironment(), None, 1


def _slurm() -> ClusterEnvironment:
    try:
        return SLURMEnvironment(auto_requeue=False)
    except RuntimeError as error:
        raise ValueError(f"processes: {error}") from error


def _shares(processes: str, machines: str) -> tuple[int, int]:
    """Processes on each machine, and machines."""
    total, num_nodes = (int(os.environ.get(name, 1)) for name in (processes, machines))
    if total % num_nodes:
        raise ValueError(
            f"processes: every machine needs as many, got {total} on {num_nodes} machines; start them so"
        )
    return total // num_nodes, num_nodes


def _check(devices: int, started: int | None) -> None:
    if devices < 1 or devices != (started or devices):
        expected = f"the {started} that have been started" if started else "at least 1"
        raise ValueError(f"processes: devices must be {expected}, got {devices}; leave --devices out")
    if 0 < torch.cuda.device_count() < devices:
        raise ValueError(
            f"processes: devices must be at most the {torch.cuda.device_count()} GPUs of this machine, "
            f"got {devices}"
        )


_others: list[subprocess.Popen] = []
"""Processes that this one has started."""


@contextmanager
def ending_together(owner: Trainer | Fabric) -> Iterator[None]:
    """SIGTERM and errors within end this process, and then those that it has started.

    The first on each machine leaves by `SystemExit`, so that it cleans up, during which the others still
    answer; they have nothing to clean up.
    """
    previous = signal.getsignal(signal.SIGTERM)
    _on_sigterm(_leave if owner.local_rank == 0 else signal.SIG_DFL)
    try:
        yield
    except BaseException:
        for process in (*_others, *_started_by(owner)):
            process.terminate()
        raise
    finally:
        _others.extend(_started_by(owner))
        _on_sigterm(previous)


class EndTogether(Callback):
    """While training, SIGTERM does what `ending_together` says.

    Lightning's own handler sends the other ranks a message at once, wherever it finds this one; they may be
    waiting for another message, and then all wait for ever.
    """

    def setup(self, *_: Any, **__: Any) -> None:
        """Remember what SIGTERM does, before Lightning changes it."""
        self.handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, *_: Any) -> None:
        """Restore it."""
        _on_sigterm(self.handler)


def _started_by(owner: Trainer | Fabric) -> list[subprocess.Popen]:
    return getattr(owner.strategy.launcher, "procs", [])


def _on_sigterm(handler: Any) -> None:
    """Only the main thread can say what a signal does."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


def _leave(signum: int, _: Any) -> None:
    sys.exit(128 + signum)
