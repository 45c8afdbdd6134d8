"""Commands in processes that are forked from one that has imported everything, and killed where a test says.

An audit hook counts what a process does to files in a folder, and SIGKILL comes before the operation that is
asked for; so each of them is a moment at which a test can kill. Nothing of this is in the library.
"""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path

OPERATIONS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.link", "os.truncate"}
IMPORTED = (
    "infomax.cli", "infomax.cli.commands.pretrain", "infomax.learning.training.loop", "jsonargparse",
    "infomax.evaluation.embedding", "infomax.evaluation.outputs.formats", "infomax.evaluation.given",
    "infomax.learning.encoders.own", "infomax.learning.methods.amdim_learner", "infomax.report",
    "infomax.learning.views.image_views", "infomax.learning.data.gathering", "sklearn.datasets",
)  # fmt: skip
DEFAULTS = {"kill_at": 0, "kill_after": 0.0, "number": 9, "ranks": 1, "kill_rank": 0, "seconds": 120}


class Forks:
    """The process that forks; `run` is asked of it over a pipe."""

    def __init__(self):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
        self.server = subprocess.Popen(
            [sys.executable, "-m", "tests.trust.forked"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip

    def run(self, *arguments, under, **how):
        """Run a command; return exit code, number of operations, and what it said on stderr.

        Args:
            arguments: what follows ``infomax``; or ``module:function`` and its arguments.
            under: the folder in which operations count.
            kill_at: number of the operation before which the process is killed, from 1; 0: none.
            kill_after: seconds after which it is killed; 0: never.
            number: the signal.
            ranks: processes that train together.
            kill_rank: which of them is killed; the others then get SIGTERM, as of torchrun.
            seconds: after which all are killed, in any case.
        """
        assert how.keys() <= DEFAULTS.keys()
        job = {**DEFAULTS, **how, "arguments": [str(one) for one in arguments], "under": str(under)}
        self.server.stdin.write(json.dumps(job) + "\n")
        self.server.stdin.flush()
        return tuple(json.loads(self.server.stdout.readline()))

    def close(self):
        """End the process."""
        self.server.stdin.close()
        self.server.wait(10)


def serve():
    """Fork for each job that a line of stdin asks for, and say on stdout how it ended."""
    for name in IMPORTED:
        import_module(name)
    from infomax.learning.training import trainer

    assert trainer
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        print(json.dumps(_done(json.loads(line))), file=answers, flush=True)


def _done(job):
    said, counted = Path(job["under"]) / "said.txt", Path(job["under"]) / "counted.txt"
    for path in (said, counted):
        path.unlink(missing_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(job["ranks"]):
        child = os.fork()
        if child == 0:
            _work(job, rank, port, said, counted)
        children.append(child)
    codes = _ends_of(children, job)
    counts = counted.read_text().split() if counted.exists() else [0]
    return codes[job["kill_rank"]], int(counts[0]), said.read_text()


def _ends_of(children, job):
    """Wait for all processes; when one is killed, the others get SIGTERM, and in the end SIGKILL."""
    codes, began, ended = {}, time.monotonic(), None
    while len(codes) < len(children):
        for rank, child in enumerate(children):
            done, status = (0, 0) if rank in codes else os.waitpid(child, os.WNOHANG)
            if done:
                codes[rank] = os.waitstatus_to_exitcode(status)
        now = time.monotonic()
        if job["kill_after"] and now - began > job["kill_after"] and job["kill_rank"] not in codes:
            os.kill(children[job["kill_rank"]], job["number"])
            job["kill_after"] = 0
        if ended is None and any(codes.values()):
            ended = now
            _signal_all(children, codes, signal.SIGTERM)
        if (ended is not None and now - ended > 10) or now - began > job["seconds"]:
            _signal_all(children, codes, signal.SIGKILL)
        time.sleep(0.005)
    return codes


def _signal_all(children, codes, number):
    for rank, child in enumerate(children):
        if rank not in codes:
            os.kill(child, number)


def _work(job, rank, port, said, counted):
    """Do a job in a process that has just been forked, and end it."""
    os.environ["INFOMAX_CACHE"] = f"{job['under']}/cache"
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell may have taken away
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    log = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if job["ranks"] > 1:
        os.environ.update(
            RANK=str(rank), LOCAL_RANK=str(rank), GROUP_RANK="0", WORLD_SIZE=str(job["ranks"]),
            LOCAL_WORLD_SIZE=str(job["ranks"]), GROUP_WORLD_SIZE="1", TORCHELASTIC_RUN_ID="test",
            MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
        )  # fmt: skip
    code = 70
    try:
        count = _count(job, rank == job["kill_rank"])
        first, *rest = job["arguments"]
        if ":" in first:
            module, _, function = first.partition(":")
            getattr(import_module(module), function)(*rest)
            code = 0
        else:
            from infomax.__main__ import run

            sys.argv = ["infomax", *job["arguments"]]
            code = run()
        if rank == job["kill_rank"]:
            counted.write_text(str(count[0]))
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _count(job, is_killed):
    """Count operations from here on; SIGKILL this process before the one that was asked for."""
    count, under, me = [0], job["under"], os.getpid()

    def hook(event, arguments):
        if event == "open":
            path, mode, flags = arguments
            writes = any(one in (mode or "") for one in "wax+") or (
                isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            )
            if not writes:
                return
        elif event in OPERATIONS:
            path = arguments[0]
        else:
            return
        name = str(path)
        if under not in name or name.endswith(("said.txt", "counted.txt")) or os.getpid() != me:
            return
        count[0] += 1
        if is_killed and count[0] == job["kill_at"]:
            os.kill(me, job["number"])

    sys.addaudithook(hook)
    return count


if __name__ == "__main__":
    serve()
    os._exit(0)  # threads of what was imported are not waited for
