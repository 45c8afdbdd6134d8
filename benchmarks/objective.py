"""Cost of one prediction of AMDIM's objective, forward and backward: all scores at once, and streamed.

    OMP_NUM_THREADS=2 python benchmarks/objective.py                 # two minutes; --save keeps the results
    OMP_NUM_THREADS=2 python benchmarks/objective.py --most 8192     # some minutes more: 3.3 billion scores

Time: the two ways alternate in one process, and the best turn counts. `products` is only the three matrix
products of these sizes, which both ways need. Memory: peak memory beyond the inputs and their gradients, each
in its own process (Linux only). Features are Gaussian noise, float32.
"""

import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import torch

from infomax.learning.objectives.contrastive.blocks import MAX_BLOCK_SCORES
from infomax.learning.objectives.contrastive.dense import dense_prediction
from infomax.learning.objectives.contrastive.streamed import streamed_prediction
from infomax.learning.objectives.scoring import DEFAULT_SCORING
from recording import arguments_of, environment, report

SIZES = [(32, 25, 128), (128, 25, 512), (128, 49, 512), (256, 49, 512), (512, 49, 1024), (1024, 49, 1024)]
LARGE = [(2048, 49, 1024), (4096, 49, 1024), (8192, 49, 1024)]
"""Images, places, features."""

MAX_DENSE_SCORES = 2**27  # 512 MiB; beyond that only streamed
COMPUTE = {"dense": dense_prediction, "streamed": streamed_prediction}


def main():
    arguments = arguments_of(__doc__, most=1024, seconds=10.0, memory_of="")
    if arguments.memory_of:
        name, *size = arguments.memory_of.split(",")
        print(extra_mib(COMPUTE[name], *map(int, size)))
        return
    sizes = [size for size in SIZES + LARGE if size[0] <= arguments.most]
    results = {"One prediction, forward and backward": [row(size, arguments.seconds) for size in sizes]}
    report("objective", "AMDIM's objective", environment("torch"), results, arguments)


def row(size, seconds):
    n, places, d = size
    names = ["dense", "streamed"] if n * n * places <= MAX_DENSE_SCORES else ["streamed"]
    jobs = {"products": products} | {name: partial(forward_and_backward, COMPUTE[name]) for name in names}
    ratios = ["streamed", "products"] if "dense" in jobs else []
    best = fastest(jobs, noise(*size), seconds)
    return {
        "images": n,
        "places": places,
        "features": d,
        **{f"{name}, s": best[name] for name in jobs},
        **{f"{name} / dense": best[name] / best["dense"] for name in ratios},
        **{f"{name}, MiB more": measured_extra_mib(name, size) for name in names},
    }


def forward_and_backward(compute, source, target):
    compute(source, target, DEFAULT_SCORING).value.backward()


def noise(n, places, d):
    generator = torch.Generator().manual_seed(0)
    source, target = (torch.randn(*shape, generator=generator) for shape in ((n, d), (n, places, d)))
    return source.requires_grad_(), target.requires_grad_()


def products(source, target):
    """Three: scores, and the gradients of both; by blocks of rows, as in the streamed path."""
    x, y = source.detach(), target.detach().flatten(0, 1)
    grad_y = torch.zeros_like(y)
    for rows in x.split(max(1, MAX_BLOCK_SCORES // len(y))):
        scores = rows @ y.T
        scores @ y
        grad_y.addmm_(scores.T, rows)


def fastest(jobs, inputs, seconds):
    """Best time of each job, of at least two turns and as many as go into so many seconds."""
    best, start, turns = dict.fromkeys(jobs, float("inf")), time.perf_counter(), 0
    while turns < 2 or time.perf_counter() - start < seconds:
        for name, job in jobs.items():
            for tensor in inputs:
                tensor.grad = None
            began = time.perf_counter()
            job(*inputs)
            best[name] = min(best[name], time.perf_counter() - began)
        turns += 1
    return best


def measured_extra_mib(name, size):
    command = [sys.executable, __file__, "--memory-of", ",".join(map(str, [name, *size]))]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def extra_mib(compute, n, places, d):
    """Peak of resident memory over a forward and backward pass, less inputs and gradients."""
    compute(*noise(2, 1, 2), DEFAULT_SCORING).value.backward()  # what is loaded on first use
    source, target = noise(n, places, d)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = peak_mib()
    forward_and_backward(compute, source, target)
    return peak_mib() - before - (source.numel() + target.numel()) * 4 / 2**20


def peak_mib():
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    main()
