"""A Dask cluster over two network namespaces, which the test makes and removes: values as on one machine."""

import json
import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from tests.learning.distributed.test_hosts import hosts as hosts  # the fixture

from infomax.estimation import pairwise

pytestmark = pytest.mark.slow

KILLING = """
import json, os, sys, threading, time
import polars as pl
from distributed import default_client
from infomax.estimation import pairwise
from infomax.estimation.tables.cluster import on_cluster

address, table, host = sys.argv[1:]
killed = []

def kill(client):
    pids = client.run(os.getpid)
    while not killed:
        for worker, tasks in client.processing().items():
            if tasks and host in worker:
                os.kill(pids[worker], 9)
                killed.append(worker)
                return
        time.sleep(0.01)

with on_cluster(address):
    thread = threading.Thread(target=kill, args=(default_client(),), daemon=True)
    thread.start()
    found = pairwise(pl.read_parquet(table), num_permutations=99)
    thread.join(5)
print(json.dumps({"killed": killed, "values": found.value.tolist(), "p": found.p_value.tolist()}))
"""


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((600, 1)) + rng.standard_normal((600, 5))
    frame = pl.DataFrame({f"x{k}": x[:, k] for k in range(5)}).with_columns(label=pl.col("x0") > 0)
    frame.write_parquet(tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


@pytest.fixture
def address(hosts):
    """A scheduler on the first host, and a worker on each."""
    found = f"tcp://{hosts[0].address}:8786"
    scheduler = ["--host", hosts[0].address, "--port", "8786", "--no-dashboard"]
    hosts[0].start("-m", "distributed.cli.dask_scheduler", *scheduler)
    for one in hosts:
        how = ["--host", one.address, "--no-nanny", "--nthreads", "1", "--no-dashboard"]
        one.start("-m", "distributed.cli.dask_worker", found, *how)
    waiting = f"import distributed; distributed.Client('{found}', timeout=90).wait_for_workers(2, timeout=90)"
    done, said = ended(hosts[0].start("-c", waiting))
    assert done == 0, said
    return found


def ended(process):
    out, err = process.communicate(timeout=240)
    return process.returncode, out if process.returncode == 0 else err


def test_the_command_measures_on_a_cluster(hosts, address, table):
    command = ["-m", "infomax.cli", "measure", table, "--scheduler", address]
    code, said = ended(hosts[1].start(*command))
    assert code == 0, said
    here = subprocess.run(
        [sys.executable, "-m", "infomax.cli", "measure", str(table)],
        capture_output=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert json.loads(said)["rows"] == json.loads(here.stdout)["rows"]
    assert min(one.bytes_sent() for one in hosts) > 5 * 600 * 8  # columns went to the other host, too


def test_work_of_a_killed_worker_is_repeated(hosts, address, table):
    code, said = ended(hosts[0].start("-c", KILLING, address, table, hosts[1].address))
    assert code == 0, said
    found, here = json.loads(said), pairwise(pl.read_parquet(table), num_permutations=99)
    assert len(found["killed"]) == 1
    np.testing.assert_array_equal(np.array(found["values"], float), here.value)
    np.testing.assert_array_equal(np.array(found["p"], float), here.p_value)
