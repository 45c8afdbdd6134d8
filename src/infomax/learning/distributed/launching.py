"""Processes that do one command together: who starts them, how they find each other, how they end.

torchrun or SLURM starts them, or the command itself does, by torchrun's agent. In each of them, `groups.rank`
and `groups.num_ranks` then say which it is, and of how many.
"""

import atexit
import logging
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from infomax.errors import refuse
from infomax.interrupts import came, heard

if TYPE_CHECKING:
    import torch
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure


COMPLAINTS = "INFOMAX_COMPLAINTS"
"""Variable for the folder in which processes that the command has started leave what went wrong."""


COMMAND = "INFOMAX_COMMAND"
"""Variable for the process of the command that has started others."""
SECONDS_BETWEEN_LOOKS = 0.5
"""How often a process that a command has started looks whether that is still there."""


@dataclass(frozen=True)
class Started:
    """A process that torchrun or SLURM has started, one of `num_processes` on `num_machines` machines."""

    by: Literal["torchrun", "SLURM"]
    rank: int
    local_rank: int
    num_processes: int
    num_machines: int

    @property
    def num_on_each(self) -> int:
        """Processes on each machine.

        Raises:
            ValueError: they differ; or a job step of SLURM without ``--ntasks-per-node``.
        """
        refuse(
            self.num_processes % self.num_machines,
            f"processes: expected the same number on each machine, got {self.num_processes} on "
            f"{self.num_machines} machines; start as many on each",
        )
        number = self.num_processes // self.num_machines
        refuse(
            self.by == "SLURM" and self.num_processes > 1 and "SLURM_NTASKS_PER_NODE" not in os.environ,
            f"processes: the job step has {self.num_processes} tasks and does not say how many each "
            f"machine has; use `--ntasks-per-node={number}`",
        )
        return number


def started() -> Started | None:
    """Return how torchrun or SLURM has started this process; None where neither has.

    A plain command in a batch script of SLURM is alone: only a job step (``srun``) starts processes.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return Started("torchrun", *_numbers("RANK", "LOCAL_RANK", "WORLD_SIZE", "GROUP_WORLD_SIZE"))
    interactive = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
    if {"SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"} <= os.environ.keys() and not interactive:
        total, machines = "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NUM_NODES"
        return Started("SLURM", *_numbers("SLURM_PROCID", "SLURM_LOCALID", total, machines))
    return None


def start_together(devices: int, arguments: Sequence[str]) -> None:
    """Run this command again as `devices` processes, wait for them, and leave with their exit code.

    Return at once where one process is enough, and in processes that have been started already. When one
    process fails, the others are ended. SIGTERM and SIGINT reach all of them.

    Args:
        devices: processes on this machine.
        arguments: of the command.

    Raises:
        SystemExit: always, where the processes are started here.
    """
    if devices > 1 and started() is None:
        with ending_together():
            sys.exit(_run_again(devices, arguments))


def complain(line: str) -> None:
    """Print a line on stderr; where the command has started this process, leave it for the command to print.

    The processes of a command mostly find the same wrong, and it is said once.
    """
    place = started()
    if place is not None and COMPLAINTS in os.environ:
        (Path(os.environ[COMPLAINTS]) / str(place.rank)).write_text(line)
    else:
        print(line, file=sys.stderr)


@contextmanager
def together(devices: int | None = None, arguments: Sequence[str] = ()) -> Generator[None]:
    """Within, this is one of several processes, if there are to be several; each has a GPU, if there are any.

    They talk by gloo, which notices at once when another process has died, so that none waits in vain.

    Args:
        devices: processes on this machine, as for `start_together`; None: those that torchrun or SLURM has
            started, else one.
        arguments: of the command.

    Raises:
        ValueError: fewer than one, other than have been started, or more than there are GPUs; see also
            `Started.num_on_each`.
    """
    place = started()
    _check(devices, place)
    start_together(devices or 1, arguments)
    if place is None or place.num_processes == 1:
        yield
        return
    with ending_together(place.local_rank):
        _join(place)
        yield


@contextmanager
def ending_together(local_rank: int = 0) -> Generator[None]:
    """Within, SIGTERM ends this process; the first process of a machine cleans up before it leaves.

    The first leaves as at Ctrl-C, while the others, which have nothing to clean up, end at once.
    """
    with heard():
        if local_rank > 0:
            on_sigterm(signal.SIG_DFL)
        yield


def is_of_another_process(error: Exception) -> bool:
    """Return whether an error says that another process has ended: one of gloo, or of torch's groups."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return "DistError" in kinds or (isinstance(error, RuntimeError) and "gloo" in str(error))


def end_with_command() -> None:
    """End this process on the spot when the command is gone that has started it, if one has."""
    command = os.environ.pop(COMMAND, None)

    def watch() -> None:
        while str(os.getppid()) == command:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    if command is not None:
        threading.Thread(target=watch, daemon=True).start()


def on_sigterm(handler: Any) -> None:
    """Set what SIGTERM does; outside of the main thread, which alone can, do nothing."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


def leave_group_at_exit() -> None:
    """Have the process group destroyed when this process ends, before the interpreter is.

    Else gloo's threads, which outlive the interpreter, abort now and then: exit code 134 after all is done.
    """
    atexit.unregister(_leave_group)
    atexit.register(_leave_group)


def _leave_group() -> None:
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def own_device() -> "torch.device":
    """Return the GPU of this process, if there are any; else the CPU."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


def _numbers(*names: str) -> tuple[int, ...]:
    """Return rank, local rank, processes and machines, as the environment says; else one process alone."""
    alone = (0, 0, 1, 1)
    return tuple(int(os.environ.get(name, number)) for name, number in zip(names, alone, strict=True))


def _check(devices: int | None, place: Started | None) -> None:
    import torch

    num_started = place.num_on_each if place else devices or 1
    devices = num_started if devices is None else devices
    expected = f"the {num_started} that have been started" if place else "at least 1"
    refuse(
        devices < 1 or devices != num_started,
        f"processes: devices must be {expected}, got {devices}; leave --devices out",
    )
    refuse(
        0 < torch.cuda.device_count() < devices,
        f"processes: devices must be at most the {torch.cuda.device_count()} GPUs of this machine, "
        f"got {devices}",
    )


def _join(place: Started) -> None:
    """Take the GPU of this process, and form the group with the others."""
    import torch
    from torch import distributed

    if torch.cuda.is_available():
        torch.cuda.set_device(place.local_rank)
    if distributed.is_initialized():
        return
    if place.by == "SLURM":
        from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

        slurm = SLURMEnvironment(auto_requeue=False)
        os.environ.update(MASTER_ADDR=slurm.main_address, MASTER_PORT=str(slurm.main_port))
    distributed.init_process_group(
        "gloo", rank=place.rank, world_size=place.num_processes, timeout=timedelta(days=1)
    )
    leave_group_at_exit()


def _run_again(devices: int, arguments: Sequence[str]) -> int:
    """Run the command as so many processes; return the exit code of the first that failed, or 0.

    The agent's own messages are left out: the processes say themselves what went wrong. It passes a signal on
    to the processes, and gives them time to save what they have.
    """
    from joblib import cpu_count
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cpu_count() // devices)))
    os.environ[COMMAND] = str(os.getpid())
    logging.disable(logging.ERROR)
    literally = [one.replace("$", "$$") for one in arguments]  # where the agent would fill in ${local_rank}
    with TemporaryDirectory() as folder:
        os.environ[COMPLAINTS] = folder
        # fmt: off
        config = LaunchConfig(
            min_nodes=1, max_nodes=1, nproc_per_node=devices, max_restarts=0, local_addr="localhost",
            rdzv_backend="c10d", rdzv_endpoint="localhost:0", run_id="infomax",  # port 0: any that is free
            logs_specs=DefaultLogsSpecs(folder),
        )
        # fmt: on
        try:
            elastic_launch(config, sys.executable)("-m", "infomax", *literally)
        except ChildFailedError as error:
            return _exit_code(error.failures)
        except SignalException as error:
            came().number = error.sigval
            raise KeyboardInterrupt(*_said_by_the_first()) from None
    return 0


def _said_by_the_first() -> list[str]:
    """Return where the first process says that it stopped, if it does."""
    left = Path(os.environ[COMPLAINTS]) / "0"
    said = left.read_text() if left.exists() else ""
    found = re.match(r"infomax: (?:interrupted|ended by SIGTERM); (.*)", said, re.DOTALL)
    return [found[1]] if found else []


def _exit_code(failures: Mapping[int, "ProcessFailure"]) -> int:
    """Say what went wrong in the process that failed first, and return its exit code.

    One that was killed comes first: the others fail because of it.
    """
    rank, failure = min(failures.items(), key=lambda one: (one[1].exitcode >= 0, one[1].timestamp))
    left = Path(os.environ[COMPLAINTS]) / str(rank)
    if left.exists():
        print(left.read_text(), file=sys.stderr)
    if failure.exitcode > 0:
        return failure.exitcode
    print(f"infomax: process {rank} was ended by {failure.signal_name()}, and so all were", file=sys.stderr)
    return 128 - failure.exitcode
