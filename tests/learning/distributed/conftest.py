"""Two processes, in which each file of this folder that has a function `work` has its work done."""

import os
from importlib import import_module

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from infomax.learning.distributed.launching import leave_group_at_exit

RANKS = 2
FILES = ("test_distributed", "test_dim_together", "test_negatives", "test_streaming_together")


def worker(rank, folder):
    torch.set_num_threads(1)
    os.environ.update(
        MASTER_ADDR="127.0.0.1", MASTER_PORT="29533", RANK=str(rank), LOCAL_RANK=str(rank), GROUP_RANK="0",
        WORLD_SIZE=str(RANKS), LOCAL_WORLD_SIZE=str(RANKS), TORCHELASTIC_RUN_ID="test",
    )  # fmt: skip
    leave_group_at_exit()
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=RANKS)
    for file in FILES:
        import_module(f"tests.learning.distributed.{file}").work(rank, folder)


@pytest.fixture(scope="package")
def folder(tmp_path_factory):
    """The folder in which the processes have left their results."""
    path = tmp_path_factory.mktemp("ranks")
    mp.start_processes(worker, (path,), nprocs=RANKS, start_method="spawn")
    return path
