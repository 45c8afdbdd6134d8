"""Count what negatives of all processes, of a host or of one process cost: bytes a step, and accuracy.

    python benchmarks/scale/negatives.py --save    # a rehearsal of twenty steps: its accuracies mean nothing
    python benchmarks/scale/negatives.py --recipe amdim-cifar10-small --data cifar10 --steps 12000 --seeds 3

Two "hosts" are this machine, as torchrun is told, with one to `on_each` processes each. Each choice trains
the recipe for so many steps of one batch size, and a linear probe tells what its features are worth. Bytes
are by formula, which the tests compare with what torch is told to send. They count targets and their
gradients; the gradients of the encoder are 2 (R − 1) / R · 4 P bytes for any choice.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from infomax.learning.objectives.scoring import AMDIM_SCALES
from infomax.learning.training.run import Run
from recording import arguments_of, environment, report

NEGATIVES = ("all", "host", "device")
ENDPOINT = "localhost:29577"


def bytes_of_targets(way, num_together, b, d, size, scales=AMDIM_SCALES):
    """Bytes that each rank sends in a step of AMDIM, of targets and of their gradients.

    Args:
        way: "gathered" (each side once) or "ring" (each prediction its own).
        num_together: G, ranks whose images are negatives of each other.
        b: images of a rank.
        d: features.
        size: bytes of a number, there and back.
        scales: which side predicts which.
    """
    if num_together == 1:
        return 0
    sides = [target for _, target in scales]
    if way == "gathered":
        return (num_together - 1) * b * d * 2 * sum(side**2 for side in {*sides}) * 2 * size
    return (3 * num_together - 2) * b * d * 2 * sum(side**2 for side in sides) * size


def main():
    arguments = arguments_of(
        __doc__, recipe="amdim-digits", data="digits", steps=20, seeds=1, batch=64, on_each=2
    )
    rows = [
        {"hosts": 2, "processes": 2 * on_each, "negatives": negatives, "seed": seed, **row}
        for on_each in range(1, arguments.on_each + 1)
        for negatives in NEGATIVES
        for seed in range(arguments.seeds)
        for row in [trained(arguments, negatives, seed, on_each)]
    ]
    results = {"Negatives": rows}
    title = f"Negatives: {arguments.recipe}, {arguments.steps} steps of {arguments.batch} images"
    report("scale_negatives", title, environment("torch", "lightning"), results, arguments)


def trained(arguments, negatives, seed, on_each):
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [
            "-m", "infomax", "pretrain", arguments.recipe, "--data", arguments.data, "--out", run,
            "--steps", arguments.steps, "--train.batch_size", arguments.batch, "--train.seed", seed,
            "--method.negatives", negatives,
        ]  # fmt: skip
        agents = [started(command, on_each, host) for host in range(2)]
        for one in agents:
            if one.wait():
                raise SystemExit(f"torchrun ended with {one.returncode}")
        return {**bytes_a_step(Run(run).read_recipe(), on_each), "accuracy": accuracy(run, arguments.data)}


def started(command, on_each, host):
    """One of two agents of torchrun on this machine, with the next GPUs, if there are any."""
    gpus = ",".join(str(host * on_each + i) for i in range(on_each))
    where = [
        "--nnodes",
        "2",
        "--nproc-per-node",
        on_each,
        "--rdzv-backend",
        "c10d",
        "--rdzv-endpoint",
        ENDPOINT,
    ]
    whole = [sys.executable, "-m", "torch.distributed.run", *where, "--local-addr", "localhost", *command]
    return subprocess.Popen([*map(str, whole)], env={**os.environ, "CUDA_VISIBLE_DEVICES": gpus})


def bytes_a_step(recipe, on_each):
    together = {"all": 2 * on_each, "host": on_each, "device": 1}[recipe.method.negatives]
    share = recipe.train.batch_size // (2 * on_each)
    sent = bytes_of_targets("gathered", together, share, recipe.method.encoder.embedding_dim, 4)
    between = sent if together == 2 * on_each else 0
    return {"negatives of an image": share * together - 1, "MB sent by a process": sent / 1e6,
            "of these within a host only": "yes" if sent and not between else "no"}  # fmt: skip


def accuracy(run, data):
    command = [sys.executable, "-m", "infomax", "evaluate", run, "--data", data, "--probes", "linear"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return next(row["accuracy"] for row in json.loads(done.stdout)["rows"] if row["probe"] == "linear")


if __name__ == "__main__":
    main()
