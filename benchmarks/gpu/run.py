"""infomax on a GPU, in one call: correctness, speed and memory, then CIFAR-10 training with its evaluation.

    python benchmarks/gpu/run.py --out OUT     # what needs no data; with it, and options as of the CLI:
    python benchmarks/gpu/run.py --out OUT --stages training evaluation --data cifar10 --train.steps 12000
    python benchmarks/gpu/run.py --out OUT --stages curves --metrics benchmarks/results/gpu_training.csv

Writes OUT/gpu.json after every stage, so that a call cut short keeps what it had. Training goes on from the
last checkpoint in --run if there is one, and evaluation wants it finished. Without a GPU all of it is
rehearsed on the CPU, on small models.
"""

import argparse
import csv
import json
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).parent.parent))

import fused

import training_step
from infomax.evaluation.embedding import embed
from infomax.evaluation.options import PaperOptions
from infomax.evaluation.paper import evaluate_paper
from infomax.evaluation.probes import PROBES
from infomax.evaluation.representations import random_counterpart
from infomax.evaluation.splits import labelled_split
from infomax.files import replacing
from infomax.learning.data.loading import load_images
from infomax.learning.encoders.amdim import AMDIMEncoder
from infomax.learning.encoders.saving import load_encoder
from infomax.learning.objectives.amdim import amdim_objective
from infomax.learning.training.environment import environment
from infomax.learning.training.loop import pretrain, resume
from infomax.learning.training.options import recipe_from_options
from infomax.learning.training.recipes import recipe_named
from infomax.learning.training.run import Run
from infomax.learning.views.image_views import AugmentedViews
from infomax.learning.views.images import CIFAR_VIEWS
from infomax.pages.figures import save_for_light_and_dark


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for gpu.json")
    parser.add_argument("--stages", nargs="+", default=["correctness", "fused", "steps"], choices=STAGES)
    parser.add_argument("--data", help="CIFAR-10, for training and evaluation")
    parser.add_argument("--recipe", default="amdim-cifar10-small")
    parser.add_argument("--metrics", type=Path, help="curves: this file in place of metrics.csv of --run")
    parser.add_argument("--run", type=Path, default=Path("runs/gpu"), help="run folder, kept between calls")
    parser.add_argument(
        "--paper-epochs",
        type=int,
        default=10,
        help="of the paper classifiers, there 120; 0: none",
    )
    parser.add_argument("--probes", nargs="+", default=[*PROBES], choices=PROBES, help="of the evaluation")
    parser.add_argument("--quick", action="store_true", help="steps: only of --recipe, and compiled")
    options, of_recipe = parser.parse_known_args()
    options.of_recipe = of_recipe
    options.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    options.out.mkdir(parents=True, exist_ok=True)
    results = {"environment": {**environment(), "device": device_name(options.device)}}
    for stage in options.stages:
        began = time.perf_counter()
        results[stage] = STAGES[stage](options)
        results[f"{stage}, s"] = round(time.perf_counter() - began, 1)
        with replacing(options.out / "gpu.json") as path:
            path.write_text(json.dumps(results, indent=1) + "\n")
        print(stage, json.dumps(results[stage], indent=1)[:3000], f"{results[f'{stage}, s']} s", flush=True)


def device_name(device):
    return (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else training_step.environment()["machine"]
    )


# --- is it right? ------------------------------------------------------------------------------------------


def correctness(options):
    """Largest difference from float64 on the CPU, relative to the largest value, of what the device computes.

    In float32 without TF32, in bfloat16, and compiled.
    """
    device = options.device
    torch.manual_seed(0)
    encoder = AMDIMEncoder(32, 8, 32, 2, batch_norm=True)
    for unit in encoder.modules():  # the paths that begin at zero, too
        if isinstance(unit, torch.nn.Conv2d) and not bool(unit.weight.any()):
            torch.nn.init.normal_(unit.weight, std=0.1)
    views, locations = torch.randn(2, 16, 3, 32, 32), torch.randint(25, (2, 16))
    exact = outcome(encoder, views, locations, torch.device("cpu"), torch.float64)
    found = {
        "float32": outcome(encoder, views, locations, device, torch.float32),
        "float32, compiled": outcome(encoder, views, locations, device, torch.float32, compile_=True),
        "bf16": outcome(encoder, views, locations, device, torch.bfloat16),
        "bf16, compiled": outcome(encoder, views, locations, device, torch.bfloat16, compile_=True),
    }
    errors = [
        {
            "numbers": numbers,
            **{
                part: float((one - exact[part]).abs().max() / exact[part].abs().max())
                for part, one in outcome_.items()
            },
        }
        for numbers, outcome_ in found.items()
    ]
    return {"relative errors": errors, "views": views_unbroken(device)}


def outcome(encoder, views, locations, device, dtype, compile_=False):
    """Features, objective and gradient."""
    model = AMDIMEncoder(**encoder.arguments)
    model.load_state_dict(encoder.state_dict())
    model.to(device, torch.float64 if dtype == torch.float64 else torch.float32)
    if compile_:
        model.compile(fullgraph=True)
    inputs = [view.to(device, next(model.parameters()).dtype) for view in views]
    with torch.autocast(device.type, dtype) if dtype == torch.bfloat16 else nullcontext():
        first, second = (model(view) for view in inputs)
    objective = amdim_objective(first, second, source_locations=locations).value
    objective.backward()
    gradient = torch.cat([p.grad.flatten() for p in model.parameters()])
    parts = {"features": first.global_, "objective": objective, "gradient": gradient}
    return {name: part.detach().double().cpu() for name, part in parts.items()}


def views_unbroken(device):
    """Compiled as one graph; then made without one wait for the device."""
    make_views = AugmentedViews(CIFAR_VIEWS).to(device)
    make_views.compile(fullgraph=True)
    images = torch.randint(256, (64, 3, 32, 32), dtype=torch.uint8, device=device)
    make_views(images)
    if device.type == "cuda":
        torch.cuda.set_sync_debug_mode("error")
    try:
        AugmentedViews(CIFAR_VIEWS).to(device)(images)
        make_views(images)
    finally:
        if device.type == "cuda":
            torch.cuda.set_sync_debug_mode("default")
    return "one graph, no wait"


def fused_objective(options):
    return {"correctness": fused.correctness(options.device), "timing": fused.timing(options.device)}


# --- how fast? ---------------------------------------------------------------------------------------------


def steps(options):
    """The limit of the device; steps of both recipes, eager and compiled, their parts and peak memory."""
    device = options.device
    on_gpu = device.type == "cuda"
    names = [options.recipe] if options.quick else ["amdim-cifar10-small", "amdim-cifar10"]
    precision = training_step.precisions(device)[0]
    torch.set_float32_matmul_precision("high")
    limit = training_step.product_rate(device, precision)
    rows = []
    for name in names:
        for compile_ in (True,) if options.quick else (False, True):
            if on_gpu:
                torch.cuda.reset_peak_memory_stats()
            row = training_step.row(recipe_named(name), device, precision, limit, 6.0, compile_)
            peak = torch.cuda.max_memory_allocated() / 2**30 if on_gpu else None
            rows.append({"recipe": name, **row, "peak GiB": peak})
            print(rows[-1], flush=True)
            if name == names[0]:
                print(kernels(recipe_named(name), device, precision, compile_), flush=True)
    return {"product Tflop/s": limit / 1e12, "rows": rows}


def kernels(recipe, device, precision, compile_, num_shown=22):
    """Where a step's time goes on the device."""
    step = training_step.parts_of(recipe, device, precision, compile_)["step"]
    step(), step(), step()
    with torch.profiler.profile() as profile:
        step()
    on_gpu = device.type == "cuda"
    spent = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    events = [event for event in profile.key_averages() if not on_gpu or event.device_type.name == "CUDA"]
    events = sorted(events, key=lambda event: -getattr(event, spent))[:num_shown]
    return "\n".join(f"{getattr(e, spent) / 1e3:9.3f} ms x{e.count:<4} {e.key[:90]}" for e in events)


# --- what does it learn? -----------------------------------------------------------------------------------


def training(options):
    """Train, or go on; what the run folder says of it."""
    run = Run(options.run)
    if run.recipe.exists():
        recipe = run.read_recipe()
        images = images_of(options.data, recipe)
        if not run.encoder.exists():
            resume(recipe, images, run)
    else:
        recipe = recipe_from_options(recipe_named(options.recipe), options.of_recipe)
        recipe = replace(recipe, data=options.data)
        images = images_of(options.data, recipe)
        pretrain(recipe, images, options.run)
    header, *rows = run.metrics.read_text().splitlines()
    return {"recipe": asdict(recipe), "last": dict(zip(header.split(","), rows[-1].split(","), strict=True))}


def curves(options):
    """OUT/curves.png and curves_dark.png: what metrics.csv of the run says, against epochs."""
    rows = [*csv.DictReader((options.metrics or Run(options.run).metrics).read_text().splitlines())]
    save_for_light_and_dark(drawn(rows), options.out / "curves.png", dpi=130)
    return {"epochs": column(rows, "epoch")[-1], "minutes": column(rows, "seconds")[-1] / 60}


def drawn(rows):
    """A figure of the bits and the accuracy of the online classifiers, against epochs."""
    epochs = column(rows, "epoch")
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    bits, accuracy = figure.subplots(1, 2)
    for name, label in {"1to5": "1 → 5×5", "1to7": "1 → 7×7", "5to5": "5×5 → 5×5"}.items():
        bits.plot(epochs, column(rows, f"bits_{name}"), label=label)
    bits.axhline(
        column(rows, "ceiling_1to5")[-1], color="grey", linewidth=0.8, linestyle=":", label="ceiling"
    )
    bits.set(xlabel="epochs", ylabel="bits, lower bound", ylim=0)
    for name, label in {"linear": "linear", "mlp": "MLP"}.items():
        accuracy.plot(epochs, column(rows, f"online_{name}"), label=label)
    accuracy.set(xlabel="epochs", ylabel="accuracy, augmented training views")
    for axes in (bits, accuracy):
        axes.legend(frameon=False)
    return figure


def column(rows, name):
    return [float(row[name]) for row in rows]


def images_of(data, recipe):
    return load_images(data, size=recipe.views.stored_size, channels=recipe.views.channels)


def evaluation(options):
    """Every probe with all labels, of the encoder and of a random one; the paper's protocol."""
    encoder = load_encoder(options.run)
    split = labelled_split(options.data, encoder.views)
    rows = []
    for name, one in {"AMDIM": encoder, "random encoder": random_counterpart(encoder, 0)}.items():
        one.to(options.device)
        train, test = (embed(one, part) for part in (split.train, split.test))
        for key in options.probes:
            where = {} if key == "knn" else {"device": options.device}
            began = time.perf_counter()
            result = partial(PROBES[key], **where)(train, split.train.labels, test, split.test.labels)
            took = round(time.perf_counter() - began, 1)
            rows.append({"representation": name, **asdict(result), "seconds": took})
            print(name, key, result.accuracy, took, flush=True)
    if not options.paper_epochs:
        return {"clean": rows}
    chosen = PaperOptions(epochs=options.paper_epochs)
    paper = evaluate_paper(encoder.to(options.device), split, chosen)
    return {"clean": rows, "paper": list(paper.rows)}


STAGES = {
    "correctness": correctness,
    "fused": fused_objective,
    "steps": steps,
    "training": training,
    "curves": curves,
    "evaluation": evaluation,
}

if __name__ == "__main__":
    main()
