"""One prediction of AMDIM's objective on a GPU, forward and backward: what does fusing it save?

    python benchmarks/gpu/fused.py        # half a minute on a GPU; on a CPU, a rehearsal without the kernel

Correctness: differences from float64. Time: the median of `products`, three matrix products of the same
sizes and types and nothing else, then of each way; `peak` is memory beyond features and their gradients.
"""

import json
import time
from functools import partial

import torch

from infomax.learning.objectives.contrastive import fused as fused_module
from infomax.learning.objectives.contrastive.choose import can_fuse
from infomax.learning.objectives.contrastive.dense import dense_prediction
from infomax.learning.objectives.contrastive.fused import fused_prediction
from infomax.learning.objectives.contrastive.streamed import streamed_prediction
from infomax.learning.objectives.scoring import DEFAULT_SCORING, Scoring

SIZES = [(480, 49, 1024), (480, 25, 1024), (1008, 49, 2560), (4096, 49, 1024)]
"""Images, places, features."""

MAX_DENSE_SCORES = 2**27
"""With more scores, dense is left out."""

TILES = [(512, 4), (1024, 4), (1024, 8), (2048, 8), (2048, 16)]
"""Scores of a program, and its warps."""


def main():
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for part in (correctness, timing):
        began = time.perf_counter()
        for row in part(device):
            print(json.dumps(row))
        print(f"{part.__name__}: {time.perf_counter() - began:.1f} s")


def correctness(device):
    """Differences of V, P and the bound, and ‖found − expected‖ / ‖expected‖ of gradients."""
    torch.set_float32_matmul_precision("highest")
    compute = fused_prediction if can_fuse(device) else streamed_prediction
    cases = [
        ((48, 49, 64), 0, torch.float32, False),
        ((48, 49, 64), 0, torch.bfloat16, True),
        ((48, 49, 64), 3, torch.bfloat16, False),
        ((33, 7, 40), 0, torch.float32, True),
        ((33, 7, 40), 3, torch.float32, False),
        ((5, 1, 8), 0, torch.float32, False),
    ]
    return [errors(compute, device, *case) for case in cases]


def errors(compute, device, size, k, dtype, blocks):
    """Of one size, number of components, and type; with `blocks`, rows from 2 on, and a few at a time."""
    n, places, d = size
    inputs = noise(device, n, places, d, dtype, k)
    exact = [x.detach().double().requires_grad_() for x in inputs]
    scoring = Scoring(temperature=0.5)
    rows = {"first": 2} if blocks else {}
    kept = fused_module.MAX_DENSE_SCORES
    fused_module.MAX_DENSE_SCORES = 3 * n * places if blocks else 2**28
    found = compute(inputs[0][2:] if blocks else inputs[0], inputs[1], scoring, **rows)
    expected = dense_prediction(exact[0][2:] if blocks else exact[0], exact[1], scoring, **rows)
    gradients = zip(grad(found.value, inputs), grad(expected.value, exact), strict=True)
    fused_module.MAX_DENSE_SCORES = kept
    parts = ("log_probability", "mean_square", "bound")
    return {
        "size": size,
        "components": k,
        "type": str(dtype),
        "some rows, in blocks": blocks,
        **{part: abs(float(getattr(found, part)) - float(getattr(expected, part))) for part in parts},
        "gradients": max(float((f.double() - e).norm() / e.norm()) for f, e in gradients),
    }


def grad(value, inputs):
    return torch.autograd.grad(3 * value, inputs)


def timing(device):
    """Milliseconds and MiB by size and type, then of the kernel alone, by its tile."""
    on_gpu = device.type == "cuda"
    sizes = SIZES if on_gpu else [(32, 25, 128)]
    cases = [(size, dtype, "highest") for dtype in (torch.bfloat16, torch.float32) for size in sizes]
    cases += [(size, torch.float32, "high") for size in sizes[:1]]
    rows = [row(device, *case) for case in (cases if on_gpu else cases[1:2])]
    return rows + ([kernel_alone(device, *tile) for tile in TILES] if can_fuse(device) else [])


def row(device, size, dtype, precision):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    inputs = noise(device, *size, dtype)
    few = size[0] ** 2 * size[1] <= MAX_DENSE_SCORES
    jobs = {"products": products, "streamed": partial(forward_and_backward, streamed_prediction)}
    if can_fuse(device):
        jobs["fused"] = partial(forward_and_backward, fused_prediction)
    if few:
        jobs["dense"] = partial(forward_and_backward, dense_prediction)
    if few and (device.type == "cpu" or (size, dtype) == (SIZES[0], torch.bfloat16)):
        compiled = torch.compile(dense_prediction, fullgraph=True, dynamic=False)
        jobs["compiled"] = partial(forward_and_backward, compiled)
    result = {"size": size, "type": str(dtype), "precision of float32": precision}
    for name, job in jobs.items():
        result[f"{name}, ms"], result[f"{name}, peak MiB"] = cost(device, job, inputs)
    torch.set_float32_matmul_precision(before)
    best = result.get("fused, ms", result["streamed, ms"])
    return result | {"products / fused": result["products, ms"] / best}


def forward_and_backward(compute, source, target):
    source.grad = target.grad = None
    compute(source, target, DEFAULT_SCORING).value.backward()


@torch.no_grad()
def products(source, target):
    """Three: scores, and the gradients of both; a block of rows at a time, scores in the type of features."""
    y = target.flatten(0, 1)
    grad_y = torch.empty_like(y)
    for start in range(0, len(source), 1024):
        x = source[start : start + 1024]
        scores = x @ y.T
        scores @ y
        grad_y.addmm_(scores.T, x, beta=float(start > 0))


def noise(device, n, places, d, dtype, k=0):
    generator = torch.Generator(device).manual_seed(0)
    shapes = (n, *[k] * (k > 0), d), (n, places, d)
    return [
        torch.randn(shape, generator=generator, device=device).to(dtype).requires_grad_() for shape in shapes
    ]


def cost(device, job, inputs, seconds=0.1):
    """Median time of a call in milliseconds, and the peak of memory beyond inputs and gradients in MiB."""
    job(*inputs)  # compiles
    synchronize(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    job(*inputs)
    synchronize(device)
    num_calls = max(3, min(100, int(seconds / (time.perf_counter() - began))))
    times = [timed(device, job, inputs) for _ in range(num_calls)]
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else 0
    features = sum(2 * x.numel() * x.element_size() for x in inputs)
    return sorted(times)[num_calls // 2], max(0, peak - features) / 2**20


def timed(device, job, inputs):
    """By events on a GPU, queued behind other work, so that the time to launch is left out where it hides."""
    if device.type == "cpu":
        began = time.perf_counter()
        job(*inputs)
        return 1e3 * (time.perf_counter() - began)
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda._sleep(2_000_000)  # cycles: about a millisecond, in which the launches queue up
    start.record()
    job(*inputs)
    end.record()
    end.synchronize()
    return start.elapsed_time(end)


def kernel_alone(device, tile, num_warps):
    """480 images of 49 places, g in bfloat16; the least traffic is 45 MB read, 23 MB written."""
    n, places, d = SIZES[0]
    a = 32 * torch.randn(n, n * places, device=device)
    g = torch.empty_like(a, dtype=torch.bfloat16)
    default = fused_module.TILE, fused_module.NUM_WARPS
    fused_module.TILE, fused_module.NUM_WARPS = tile, num_warps
    job = partial(fused_module._launch, a, g, (n, 1, d), (n, places, d), DEFAULT_SCORING, 0, True)
    milliseconds, _ = cost(device, job, ())
    fused_module.TILE, fused_module.NUM_WARPS = default
    return {"tile": tile, "warps": num_warps, "ms": milliseconds, "TB/s": a.numel() * 6 / milliseconds / 1e9}


def synchronize(device):
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
