"""Several hosts: network namespaces joined by virtual cables, which these tests make and remove.

torchrun, or what SLURM's srun says to a job step, starts the processes; they talk by gloo over the cable.
"""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import yaml
from tests.learning.distributed import test_dim_together, test_distributed, test_negatives

from infomax.learning.encoders.saving import load_encoder
from infomax.learning.objectives.contrastive import choose

ROOT = Path(__file__).parents[3]
ON_EACH = 2
"""Processes on each of two hosts, in the first test."""
PORT = 29544
TINY = [
    "--train.batch_size", "8", "--train.log_steps", "1", "--train.accelerator", "cpu", "--train.seed", "3",
    "--optimizer.warmup_steps", "2",
]  # fmt: skip
TINY_AMDIM = [
    *TINY, "--method.encoder.width", "4", "--method.encoder.embedding_dim", "16",
    "--method.encoder.depth", "1",
]  # fmt: skip
TINY_DIM = [*TINY, "--method.encoder.width", "2", "--method.critic_units", "8"]

pytestmark = pytest.mark.slow


class Host:
    """A network namespace with an address at one end of a cable."""

    def __init__(self, name, address):
        self.name, self.address = name, address

    def start(self, *command, **variables):
        """Begin a command there; what it prints is read by `communicate`."""
        environment = {
            **os.environ, "GLOO_SOCKET_IFNAME": "cable", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT),
            **variables,
        }  # fmt: skip
        inside = ["ip", "netns", "exec", self.name, sys.executable, *map(str, command)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(inside, cwd=ROOT, env=environment, start_new_session=True, **pipes)

    def kill(self):
        """End all that runs there at once, as a power cut does."""
        found = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True)
        for process in found.stdout.split():
            os.kill(int(process), signal.SIGKILL)

    def bytes_sent(self):
        """Count what has left through the cable."""
        return sent_through(json.loads(ip("-n", self.name, "-s", "-j", "link", "show", "cable")))


def sent_through(links):
    return links[0]["stats64"]["tx"]["bytes"]


def ip(*arguments):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise OSError(done.stderr.strip())
    return done.stdout


@pytest.fixture
def hosts(tmp_path):
    """Two hosts, removed at the end with all that still runs on them."""
    two = [Host(f"infomax-{os.getpid()}-{i}", f"10.231.7.{i + 1}") for i in range(2)]
    try:
        try:
            for one in two:
                ip("netns", "add", one.name)
            first, second = two
            ip(
                "-n",
                first.name,
                "link",
                "add",
                "cable",
                "type",
                "veth",
                "peer",
                "cable",
                "netns",
                second.name,
            )
            for one in two:
                ip("-n", one.name, "address", "add", f"{one.address}/24", "dev", "cable")
                for link in ("lo", "cable"):
                    ip("-n", one.name, "link", "set", link, "up")
        except OSError as error:
            pytest.skip(f"needs root on Linux with iproute2, to make network namespaces: {error}")
        yield two
    finally:
        for one in two:
            one.kill()
            subprocess.run(["ip", "netns", "delete", one.name], capture_output=True)


def torchrun(hosts, *command, on_each=1, nodes="2", settings="", options=()):
    """Begin a command on each host by torchrun; they meet on the first, which does not know its address."""
    started = []
    for one in hosts:
        meeting = ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"{hosts[0].address}:{PORT}"]
        conf = ["--rdzv-conf", f"is_host={int(one is hosts[0])}{settings}"]
        place = ["--nnodes", nodes, "--nproc-per-node", on_each, "--local-addr", one.address]
        started.append(one.start("-m", "torch.distributed.run", *place, *meeting, *conf, *options, *command))
    return started


def ended(processes, seconds=900):
    """Wait for processes; return what they wrote on stdout and on stderr, together."""
    said = [one.communicate(timeout=seconds) for one in processes]
    assert [one.returncode for one in processes] == [0] * len(processes), "\n".join(map("\n".join, said))
    return tuple("".join(parts) for parts in zip(*said, strict=True))


# --- one step, with the same views -------------------------------------------------------------------------


def work(folder):
    """Compute what other tests compare with one process, here as one of the processes of two hosts."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank, size = dist.get_rank(), dist.get_world_size()
    found = {}
    for way, most in test_distributed.WAYS.items():
        choose.MAX_GATHERED = most
        found[f"AMDIM, {way}"] = test_distributed.train(rank, size)
    choose.MAX_GATHERED = 2**28
    found["DIM"] = test_dim_together.train(test_dim_together.CASES["all parts"], rank, size)
    for num_together in (1, ON_EACH, size):
        before = sent_here()
        found[num_together] = test_negatives.found_among(num_together)
        dist.barrier()
        found[num_together]["through the cable"] = sent_here() - before
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def sent_here():
    return int(Path("/sys/class/net/cable/statistics/tx_bytes").read_text())


def test_objective_gradients_and_weights_are_those_of_one_process(hosts, tmp_path):
    """To 1e-10, in double precision; negatives of a host send no targets through the cable."""
    ended(torchrun(hosts, "-m", "tests.learning.distributed.test_hosts", tmp_path, on_each=ON_EACH))
    ranks = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2 * ON_EACH)]
    expected = {f"AMDIM, {way}": test_distributed.train() for way in test_distributed.WAYS}
    expected["DIM"] = test_dim_together.train(test_dim_together.CASES["all parts"])
    for name, values in expected.items():
        for of_rank in ranks:
            assert of_rank[name].keys() == values.keys()
            for key, value in values.items():
                loose = name != "DIM" and key.endswith(("bias", "running_mean"))
                torch.testing.assert_close(
                    of_rank[name][key], value, atol=1e-5 if loose else 1e-10, rtol=0, msg=f"{name} {key}"
                )
    for num_together in (1, ON_EACH, 2 * ON_EACH):
        test_negatives.check([one[num_together] for one in ranks], num_together)
    through = {
        n: sum(one[n]["through the cable"] for one in ranks[::ON_EACH]) for n in (1, ON_EACH, 2 * ON_EACH)
    }
    targets = 2 * ranks[0][2 * ON_EACH]["bytes"]["gathered"]
    assert through[2 * ON_EACH] > targets
    assert max(through[1], through[ON_EACH]) < targets / 2


# --- the command -------------------------------------------------------------------------------------------


def steps_of(run):
    path = run / "metrics.csv"
    if not path.exists():
        return []
    with path.open() as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


def wait_until(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.2)


def test_when_a_host_is_killed_the_other_goes_on_from_the_checkpoint(hosts, tmp_path):
    """By torchrun's elastic restart, with half as many processes; what is trained and said is said once."""
    run, cache = tmp_path / "run", {"INFOMAX_CACHE": str(tmp_path / "cache")}
    quick = ",last_call_timeout=30,keep_alive_interval=2,keep_alive_max_attempt=5"
    command = [
        "-m", "infomax", "pretrain", "amdim-digits", "--out", run, "--go-on", "--steps", "40",
        "--train.checkpoint_steps", "5", *TINY_AMDIM,
    ]  # fmt: skip
    for one in hosts:
        one.start = partial_start(one, cache)
    first, second = torchrun(hosts, *command, nodes="1:2", settings=quick, options=["--max-restarts", "3"])
    wait_until(lambda: steps_of(run)[-1:] >= [10], 600)
    hosts[1].kill()
    _, said = ended([first])
    second.communicate(timeout=60)
    assert steps_of(run) == [*range(1, 41)]
    assert load_encoder(run) is not None
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    assert (recipe["train"]["devices"], recipe["train"]["num_nodes"]) == (1, 1)
    assert said.count("2 processes on 2 machines, as started by torchrun") == 1
    assert said.count("processes: 1 now, 2 before") == 1
    assert said.count("going on after step") == 1


def partial_start(host, variables):
    start = host.start
    return lambda *command: start(*command, **variables)


def test_a_job_step_of_slurm(hosts, tmp_path):
    """Started as srun does, by what it says to each task; the files and lines come from the first alone."""
    run = tmp_path / "run"
    started = []
    for rank, one in enumerate(hosts):
        variables = {
            "SLURM_JOB_ID": "77", "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1",
            "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NUM_NODES": "2", "SLURM_PROCID": str(rank),
            "SLURM_LOCALID": "0", "SLURM_NODEID": str(rank), "SLURM_NODELIST": hosts[0].address,
            "SLURM_JOB_NAME": "learn", "MASTER_PORT": str(PORT), "INFOMAX_CACHE": str(tmp_path / "cache"),
        }  # fmt: skip
        command = ["-m", "infomax", "pretrain", "dim-digits", "--out", run, "--steps", "4", *TINY_DIM]
        started.append(one.start(*command, **variables))
    told, said = ended(started)
    assert steps_of(run) == [1, 2, 3, 4]
    assert said.count("2 processes on 2 machines, as started by SLURM") == 1
    assert json.loads(told)["steps"] == 4
    assert not [path for path in run.rglob("*") if socket.gethostname() in path.name or "rank" in path.name]


if __name__ == "__main__":
    work(sys.argv[1])
