"""Measure the share of a machine's rate of products that a training step uses, and where the rest goes.

    OMP_NUM_THREADS=2 python benchmarks/training_step.py        # two minutes; --save keeps the results

The limit is the machine's rate of matrix products, for the best of several sizes, in the encoder's number
format. The step's operations are those of its convolutions and products, forward and backward: the encoder's
as torch counts them, the objective's 6 n²ld for each direction of each prediction. The share is these
operations divided by the operations that the limit would do in the time of a step. Other work does not count,
even if it is needed; nor do Muon's products. The parts are timed one after another, so their sum may exceed
the step, which overlaps them. `trainer` is the complete loop of `pretrain`: reading images, recording,
checks. The batch is uniform noise.
"""

import gc
import math
import time
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from infomax.learning.data.dataset import Dataset
from infomax.learning.encoders.architectures import amdim_encoder
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.encoders.features import Features
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.amdim_learner import AMDIM
from infomax.learning.methods.optimizer import new_optimizer
from infomax.learning.objectives.amdim import amdim_objective
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.loop import seconds_per_step
from infomax.learning.training.options import recipe_from_options
from infomax.learning.training.precision import choose_precision
from infomax.learning.training.recipes import recipe_named
from infomax.learning.views.images import CIFAR_VIEWS
from recording import arguments_of, environment, report

MIDDLE = Recipe(
    method=AMDIMConfig(encoder=AMDIMEncoderConfig(width=64, embedding_dim=512, depth=3)),
    views=CIFAR_VIEWS,
    train=TrainConfig(steps=1, batch_size=128),
)
"""Between the recipes for a CPU and for a GPU."""


def main():
    arguments = arguments_of(__doc__, seconds=20.0)
    device = torch.device("cpu")
    small = recipe_from_options(recipe_named("amdim-cpu"), ["--stored_size", "32", "--image_size", "32"])
    recipes = {"width 64": MIDDLE, "amdim-cpu, 32 px": small}
    limits = {precision: product_rate(device, precision) for precision in precisions(device)}
    rows = [
        {"model": name, **row(recipe, device, precision, limits[precision], arguments.seconds)}
        for name, recipe in recipes.items()
        for precision in limits
    ]
    results = {
        "The limit": [{"numbers": name, "Gflop/s": rate / 1e9} for name, rate in limits.items()],
        "Training steps, 32 px": rows,
    }
    about = environment("torch", "lightning")
    report("training_step", "A training step of AMDIM", about, results, arguments)


def precisions(device):
    """float32, and bfloat16 where that is faster."""
    fastest = choose_precision("auto", "gpu" if device.type == "cuda" else device.type)
    return ["float32"] if fastest == "float32" else ["bf16", "float32"]


def product_rate(device, precision, sides=(512, 1024, 2048)):
    """Operations a second of products of square matrices, at the best of their sizes."""
    if device.type == "cuda":
        sides = (4096, 8192)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    best = 0.0
    for side in sides:
        a, b = torch.randn(2, side, side, device=device).to(dtype)
        best = max(best, 2 * side**3 / seconds_of(lambda a=a, b=b: a @ b, device, 1.0))
    return best


def row(recipe, device, precision, limit, seconds, compile_=False):
    """Times of a step and of its parts; its share of the limit."""
    parts = parts_of(recipe, device, precision, compile_)
    times = {name: seconds_of(part, device, seconds / 8) for name, part in parts.items()}
    batch_size = recipe.train.batch_size
    operations = operations_of(recipe)
    rate = trainer_rate(recipe, device, precision, seconds / 3, compile_)
    return {
        "numbers": precision,
        "compiled": "yes" if compile_ else "no",
        "batch": batch_size,
        "Gflop a step": operations / 1e9,
        "images/s": batch_size / times["step"],
        "share of the limit": operations / times["step"] / limit,
        **{f"{name}, ms": 1000 * value for name, value in times.items()},
        "trainer, images/s": rate,
        "trainer, share of the limit": operations * rate / batch_size / limit,
    }


def parts_of(recipe, device, precision, compile_=False):
    """The step and its parts, by name, each as a function to be called again and again."""
    learner = AMDIM(recipe.method, recipe.views, recipe.optimizer, num_classes=0).to(device)
    if compile_:
        learner.views.compile()
        learner.encoder.compile()
    encoder = learner.encoder
    optimizer = new_optimizer(recipe.optimizer, learner.parameters(), bf16=precision == "bf16")
    channels, height, width = recipe.views.stored_shape
    images = torch.randint(256, (recipe.train.batch_size, channels, height, width), dtype=torch.uint8)
    images = images.to(device)

    def features(views):
        with torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext():
            return [encoder(view) for view in views]

    def differentiated(views):
        parts = [x for of_one in features(views) for x in (of_one.predicting, *of_one.local.values())]
        torch.autograd.backward(parts, [torch.ones_like(part) for part in parts])

    def value(outputs):
        method = recipe.method
        return amdim_objective(*outputs, scoring=method.scoring, scales=method.scales).value

    def step():
        optimizer.zero_grad()
        (-value(features(learner.views(images)))).backward()
        optimizer.step()

    views = learner.views(images)
    outputs = [as_leaves(of_one) for of_one in features(views)]
    return {
        "step": step,
        "views": lambda: learner.views(images),
        "encoder": lambda: differentiated(views),
        "objective": lambda: value(outputs).backward(),
        "optimizer": optimizer.step,
    }


def as_leaves(features):
    """Features that collect their own gradients."""
    local = {side: part.detach().requires_grad_() for side, part in features.local.items()}
    return Features(features.predicting.detach().requires_grad_(), local)


def operations_of(recipe):
    """Of the products of one step."""
    config, n = recipe.method.encoder, recipe.train.batch_size
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        features = amdim_encoder(config, recipe.views.input_shape)(torch.empty(n, *recipe.views.input_shape))
        torch.autograd.backward([part.sum() for part in (features.predicting, *features.local.values())])
    places = sum(side**2 for _, side in recipe.method.scales)
    return 2 * counter.get_total_flops() + 2 * 6 * n * n * places * config.embedding_dim


def trainer_rate(recipe, device, precision, seconds, compile_):
    """Images a second of the loop that `pretrain` runs."""
    accelerator = "gpu" if device.type == "cuda" else "cpu"
    train = replace(recipe.train, precision=precision, accelerator=accelerator, compile=compile_)
    height, width = recipe.views.stored_shape[1:]
    pixels = np.random.default_rng(0).integers(0, 256, (4096, height, width, 3), dtype=np.uint8)
    images = Dataset(pixels, np.arange(4096) % 10, [str(i) for i in range(4096)], tuple("abcdefghij"))
    took = seconds_per_step(replace(recipe, train=train), images, duration=seconds)
    return recipe.train.batch_size / took


def seconds_of(function, device, seconds):
    """Of one call: the mean over as many as go into so many seconds, after three; on a CPU the median."""
    for _ in range(3):
        function()
    gc.collect()
    once = timed(function, device)
    times = [timed(function, device) for _ in range(min(200, max(3, math.ceil(seconds / once))))]
    return float(np.median(times))


def timed(function, device):
    if device.type == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
