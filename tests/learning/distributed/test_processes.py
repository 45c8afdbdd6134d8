"""Processes of one command: who has started them, and that SIGTERM leaves none behind."""

import atexit
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.distributed

from infomax.cli import main
from infomax.learning.distributed.launching import (
    is_of_another_process,
    leave_group_at_exit,
    own_device,
    started,
    together,
)

TINY = [
    "--train.batch_size", "8", "--train.log_steps", "1", "--method.encoder.width", "4",
    "--method.encoder.embedding_dim", "16", "--method.encoder.depth", "1",
]  # fmt: skip
TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "4", "GROUP_WORLD_SIZE": "2"}
SRUN = {
    "SLURM_NTASKS": "6",
    "SLURM_NTASKS_PER_NODE": "2",
    "SLURM_STEP_NUM_TASKS": "6",
    "SLURM_STEP_NUM_NODES": "3",
}


@pytest.fixture
def alone(monkeypatch):
    """As if nobody had started this process."""
    for name in (*TORCHRUN, *SRUN):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        (TORCHRUN, ("torchrun", 2, 2)),
        (SRUN, ("SLURM", 2, 3)),
        ({"SLURM_NTASKS": "6"}, None),
    ],
    ids=["nobody", "torchrun", "srun", "a batch script"],
)
def test_who_has_started_processes(alone, variables, expected):
    for name, value in variables.items():
        alone.setenv(name, value)
    found = started()
    assert (found and (found.by, found.num_on_each, found.num_machines)) == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({**TORCHRUN, "RANK": "3", "LOCAL_RANK": "1"}, (3, 1)),
        ({**SRUN, "SLURM_PROCID": "5", "SLURM_LOCALID": "1"}, (5, 1)),
    ],
    ids=["torchrun", "srun"],
)
def test_which_process_this_is(alone, variables, expected):
    for name, value in variables.items():
        alone.setenv(name, value)
    found = started()
    assert found is not None
    assert (found.rank, found.local_rank) == expected


def test_one_process_needs_no_group(alone):
    with together(), together(1):
        assert not torch.distributed.is_initialized()
    if not torch.cuda.is_available():
        assert own_device() == torch.device("cpu")


def test_the_group_is_left_before_the_interpreter_ends(tmp_path, monkeypatch):
    """Threads of a group that is still open abort at times, after all is done."""
    at_exit = []
    monkeypatch.setattr(atexit, "register", at_exit.append)
    leave_group_at_exit()
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    for leave in at_exit:
        leave()
    assert not torch.distributed.is_initialized()


def test_refusals(alone):
    with pytest.raises(ValueError, match="devices must be at least 1, got 0"), together(0):
        pass
    for name, value in TORCHRUN.items():
        alone.setenv(name, value)
    with pytest.raises(ValueError, match="the 2 that have been started, got 3; leave --devices"), together(3):
        pass
    alone.setenv("WORLD_SIZE", "5")
    with pytest.raises(ValueError, match="same number on each machine, got 5 on 2 machines"), together():
        pass
    alone.delenv("TORCHELASTIC_RUN_ID")
    for name in ("SLURM_NTASKS", "SLURM_STEP_NUM_TASKS"):
        alone.setenv(name, SRUN[name])
    with pytest.raises(ValueError, match=r"processes: .*use `--ntasks-per-node=6`"), together():
        pass
    alone.delenv("SLURM_STEP_NUM_TASKS")
    alone.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="at most the 1 GPUs of this machine, got 2"), together(2):
        pass


@pytest.fixture
def training(tmp_path):
    """Two processes that train, started by the command; it ends with the test."""
    command = [sys.executable, "-m", "infomax.cli", "pretrain", "amdim-digits", "--out", tmp_path / "run"]
    options = ["--train.steps", "100000", "--train.devices", "2", "--train.accelerator", "cpu", *TINY]
    environment = {**os.environ, "INFOMAX_CACHE": str(tmp_path / "cache")}
    first = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True, env=environment)
    try:
        wait_until((tmp_path / "run" / "metrics.csv").exists, 90)
        yield first
    finally:
        for process in processes_of(tmp_path):
            os.kill(process, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_processes(training, tmp_path, number):
    """The command says so by its code, and leaves no file half written and no process."""
    assert len(processes_of(tmp_path)) == 3
    training.send_signal(number)
    _, err = training.communicate(timeout=60)
    assert training.returncode == 128 + number
    assert err.count("go on with `infomax pretrain --resume") == 1
    wait_until(lambda: not processes_of(tmp_path), 10)
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
def test_when_one_process_is_killed_all_end(training, tmp_path):
    others = [process for process in processes_of(tmp_path) if process != training.pid]
    os.kill(max(others), signal.SIGKILL)
    _, err = training.communicate(timeout=40)
    assert training.returncode == 128 + signal.SIGKILL
    assert "was ended by SIGKILL" in err
    wait_until(lambda: not processes_of(tmp_path), 10)


@pytest.mark.slow
def test_an_error_of_all_processes_is_told_once(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    command = [sys.executable, "-m", "infomax.cli", "pretrain", "amdim-digits", "--out", tmp_path / "run"]
    done = subprocess.run(
        [*command, "--train.devices", "2", "--train.accelerator", "cpu", *TINY],
        capture_output=True,
        text=True,
        env={**os.environ, "INFOMAX_CACHE": str(tmp_path / "cache")},
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (2, "")
    complaints = [line for line in done.stderr.splitlines() if line.startswith("infomax: ")]
    assert len(complaints) == 1
    assert "is not empty" in complaints[0]
    assert "Traceback" not in done.stderr


def processes_of(folder):
    """Processes whose command names a folder, wherever they were started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes()
        except OSError:  # it has just ended
            continue
        if str(folder).encode() in command:
            found.append(int(path.parent.name))
    return found


def wait_until(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("error", "is_lost"),
    [
        (RuntimeError("[gloo/transport/tcp/pair.cc:553] Connection closed by peer"), True),
        (torch.distributed.DistBackendError("NCCL"), True),
        (RuntimeError("sizes do not match"), False),
        (ValueError("no such file as gloo.png"), False),
    ],
)
def test_what_says_that_another_process_has_ended(error, is_lost, monkeypatch, capsys):
    assert is_of_another_process(error) == is_lost
    if is_lost:
        monkeypatch.setattr(sys.modules["infomax.cli.main"], "read_command", raising(error))
        assert main(["evaluate", "runs/a"]) == 2
        line = "infomax: evaluate: another process has ended; give the same command again\n"
        assert capsys.readouterr().err == line


def raising(error):
    def call(*_):
        raise error

    return call
