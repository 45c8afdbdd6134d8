"""Processes of one command: who has started them, and that SIGTERM leaves none behind."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from infomax.learning.distributed.launching import _started, own_device, together

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
        ({}, ("LightningEnvironment", None, 1)),
        (TORCHRUN, ("TorchElasticEnvironment", 2, 2)),
        (SRUN, ("SLURMEnvironment", 2, 3)),
        ({"SLURM_NTASKS": "6"}, ("LightningEnvironment", None, 1)),
    ],
    ids=["nobody", "torchrun", "srun", "a batch script"],
)
def test_who_has_started_processes(alone, variables, expected):
    for name, value in variables.items():
        alone.setenv(name, value)
    environment, *counts = _started()
    assert (type(environment).__name__, *counts) == expected


def test_one_process_needs_no_group(alone):
    with together(), together(1):
        assert not torch.distributed.is_initialized()
    if not torch.cuda.is_available():
        assert own_device() == torch.device("cpu")


def test_refusals(alone):
    with pytest.raises(ValueError, match="devices must be at least 1, got 0"), together(0):
        pass
    for name, value in TORCHRUN.items():
        alone.setenv(name, value)
    with pytest.raises(ValueError, match="the 2 that have been started, got 3; leave --devices"), together(3):
        pass
    alone.setenv("WORLD_SIZE", "5")
    with pytest.raises(ValueError, match="every machine needs as many, got 5 on 2 machines"), together():
        pass
    alone.delenv("TORCHELASTIC_RUN_ID")
    for name in ("SLURM_NTASKS", "SLURM_STEP_NUM_TASKS"):
        alone.setenv(name, SRUN[name])
    with pytest.raises(ValueError, match=r"processes: .*Use `--ntasks-per-node=6` instead"), together():
        pass
    alone.delenv("SLURM_STEP_NUM_TASKS")
    alone.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="at most the 1 GPUs of this machine, got 2"), together(2):
        pass


@pytest.mark.slow
def test_sigterm_ends_all_processes(tmp_path):
    """To the first of two that train; it says so by its code, leaves no file half written, and no process."""
    command = [
        sys.executable,
        "-m",
        "infomax.cli",
        "pretrain",
        "amdim-digits",
        "--out",
        tmp_path / "run",
    ]
    options = ["--train.steps", "100000", "--train.devices", "2", "--train.accelerator", "cpu", *TINY]
    environment = {**os.environ, "INFOMAX_CACHE": str(tmp_path / "cache")}
    first = subprocess.Popen([*command, *options], start_new_session=True, env=environment)
    try:
        wait_until((tmp_path / "run" / "metrics.csv").exists, 60)
        first.terminate()
        assert first.wait(20) == 128 + signal.SIGTERM
        wait_until(lambda: not group_exists(first.pid), 10)
    finally:
        if group_exists(first.pid):
            os.killpg(first.pid, signal.SIGKILL)
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]


def wait_until(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)


def group_exists(leader):
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True
