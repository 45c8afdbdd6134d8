"""infomax on a GPU, in one call: correctness, throughput, memory, then CIFAR-10 training.

    python benchmarks/gpu/everything.py --out OUT [--data FOLDER] [--recipe NAME] [--minutes 6]

Writes OUT/gpu.json after every stage, so that a call cut short keeps what it had. Training is resumable: a
second call with the same --run goes on from the last checkpoint. Without a GPU it rehearses on the CPU.
"""

import argparse
import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from infomax.files import replacing
from infomax.learning.assessment import PROBES
from infomax.learning.encoders import AMDIMEncoder
from infomax.learning.evaluating import evaluate_run
from infomax.learning.images import Images, load_images
from infomax.learning.objectives import amdim_objective
from infomax.learning.recipes import recipe_from_mapping, recipe_named
from infomax.learning.runs import Run, environment
from infomax.learning.training import pretrain, resume
from infomax.learning.views import CIFAR_VIEWS, AugmentedViews


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for gpu.json and the encoder")
    parser.add_argument("--data", help="CIFAR-10; default: noise of its shape, and no evaluation")
    parser.add_argument("--recipe", default="amdim-cifar10-small")
    parser.add_argument("--minutes", type=float, default=6.0, help="training budget of a new run")
    parser.add_argument("--run", type=Path, default=Path("runs/gpu"), help="run folder, kept between calls")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    results = {"environment": environment()}

    def keep(**stage):
        results.update(stage)
        with replacing(options.out / "gpu.json") as path:
            path.write_text(json.dumps(results, indent=2) + "\n")

    keep(correctness=correctness(device))
    keep(throughput=[throughput(device, *size) for size in sizes(device)])
    keep(training=training(options))


def correctness(device):
    """Largest difference between device and CPU, float32, of features, objective and gradient."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(0)
    encoder = AMDIMEncoder(32, 8, 32, 2, batch_norm=True)
    views = torch.randn(2, 16, 3, 32, 32)
    locations = torch.randint(25, (2, 16))

    def outcome(where):
        model = AMDIMEncoder(**encoder.arguments)
        model.load_state_dict(encoder.state_dict())
        model.to(where)
        first, second = (model(view.to(where)) for view in views)
        objective = amdim_objective(first, second, source_locations=locations)
        objective.value.backward()
        gradient = torch.cat([p.grad.flatten().cpu() for p in model.parameters()])
        return first.global_.detach().cpu(), objective.value.detach().cpu(), gradient

    differences = [float((a - b).abs().max()) for a, b in zip(outcome("cpu"), outcome(device), strict=True)]
    return dict(zip(("features", "objective", "gradient"), differences, strict=True))


def sizes(device):
    """(width, embedding_dim, depth, batch_size) to time; on a GPU the recipes' models, too."""
    small = (32, 256, 2, 64)
    return [small] if device.type == "cpu" else [small, (128, 1024, 8, 256), (256, 2048, 10, 480)]


def throughput(device, width, embedding_dim, depth, batch_size, num_steps=20):
    """Images a second of the whole step and of the views alone, and the peak memory of the device."""
    encoder = AMDIMEncoder(32, width, embedding_dim, depth).to(device)
    optimizer = torch.optim.Adam(encoder.parameters(), fused=True)
    make_views = AugmentedViews(CIFAR_VIEWS).to(device)
    images = torch.randint(256, (batch_size, 3, 32, 32), dtype=torch.uint8, device=device)

    def step():
        view1, view2 = make_views(images)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            features = encoder(view1), encoder(view2)
        optimizer.zero_grad()
        (-amdim_objective(*features).value).backward()
        optimizer.step()

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    return {
        "width": width,
        "embedding_dim": embedding_dim,
        "depth": depth,
        "batch_size": batch_size,
        "images_per_second": batch_size / seconds_of(step, device, num_steps),
        "views_per_second": batch_size / seconds_of(lambda: make_views(images), device, num_steps),
        "peak_gib": torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else None,
    }


def seconds_of(function, device, num_calls):
    for _ in range(3):
        function()
    synchronize(device)
    start = time.perf_counter()
    for _ in range(num_calls):
        function()
    synchronize(device)
    return (time.perf_counter() - start) / num_calls


def synchronize(device):
    if device.type == "cuda":
        torch.cuda.synchronize()


def training(options):
    """Train, or go on; then probe, and bring the encoder back."""
    run = Run(options.run)
    if run.recipe.exists():
        recipe = recipe_from_mapping(run.read_recipe())
        images = images_of(options.data, recipe)
        if not run.encoder.exists():
            resume(recipe, images, run)
    else:
        recipe = recipe_named(options.recipe)
        recipe = replace(recipe, data=options.data, train=replace(recipe.train, minutes=options.minutes))
        images = images_of(options.data, recipe)
        pretrain(recipe, images, options.run)
    result = {"recipe": asdict(recipe), "metrics_last": run.metrics.read_text().splitlines()[-1]}
    if options.data:
        rows = evaluate_run(run, options.data, overwrite=True, probes=PROBES)["rows"]
        result["rows"] = rows
    for name in ("encoder.safetensors", "encoder.json", "metrics.csv"):
        (options.out / name).write_bytes((run.folder / name).read_bytes())
    return result


def images_of(data, recipe):
    if data:
        return load_images(data, size=recipe.views.stored_size, channels=recipe.views.channels)
    pixels = np.random.default_rng(0).integers(0, 256, (2048, 32, 32, 3), dtype=np.uint8)
    return Images(pixels, np.full(2048, -1), [str(i) for i in range(2048)], ())


if __name__ == "__main__":
    main()
