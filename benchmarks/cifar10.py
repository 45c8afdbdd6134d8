"""What does the CPU recipe learn of CIFAR-10, and how does that grow with minutes?

    python benchmarks/cifar10.py --data cifar10/ --runs runs/cifar10 --save   # 50 minutes on two quiet cores

The recipe `amdim-cifar10-cpu` for its whole budget of minutes, which sets a number of steps by timing the
first ones; then for a half, a quarter and an eighth of those steps, each a run of its own with the whole
schedule of learning rates. Every encoder is probed with all training labels and tested on the test images,
beside raw pixels and a random encoder. A run that is in the folder already is not repeated, so that an
interrupted benchmark goes on.
"""

import json
import math
from dataclasses import replace
from pathlib import Path

import polars as pl
from matplotlib.figure import Figure

from infomax.evaluation.embedding import embed
from infomax.evaluation.evaluating import evaluate_run
from infomax.evaluation.probes.linear import linear_probe
from infomax.evaluation.probes.neighbors import nearest_neighbor_probe
from infomax.evaluation.splits import labelled_split
from infomax.files import replacing
from infomax.learning.data.loading import load_images
from infomax.learning.encoders.saving import load_encoder
from infomax.learning.training.loop import pretrain
from infomax.learning.training.recipes import recipe_named
from infomax.learning.training.run import Run
from recording import RESULTS, arguments_of, environment, report

SHARES = (1.0, 0.5, 0.25, 0.125)


def main():
    arguments = arguments_of(__doc__, data="cifar10", runs="runs/cifar10", recipe="amdim-cifar10-cpu")
    recipe = replace(recipe_named(arguments.recipe), data=arguments.data)
    images = load_images(arguments.data, size=recipe.views.stored_size)
    folder = Path(arguments.runs)
    folder.mkdir(parents=True, exist_ok=True)
    whole = run_of(recipe, images, folder / "whole")
    num_steps = whole.read_recipe().train.steps
    assert num_steps is not None
    runs = [whole] + [
        run_of(with_steps(recipe, round(share * num_steps)), images, folder / f"{share:g}")
        for share in SHARES[1:]
    ]
    split = labelled_split(arguments.data, recipe.views)
    growth = [budget_row(recipe, run, split, len(images)) for run in reversed(runs)]
    results = {
        "Accuracy on the test images": evaluation_rows(whole, arguments.data),
        "Budgets: each a run of its own": growth,
    }
    about = environment("torch", "lightning", "kornia", "scikit-learn")
    report("cifar10", f"CIFAR-10 on two cores: {arguments.recipe}", about, results, arguments)
    if arguments.save:
        draw(results, RESULTS / "cifar10.png")


def with_steps(recipe, num_steps):
    return replace(recipe, train=replace(recipe.train, steps=num_steps))


def run_of(recipe, images, folder):
    """The finished run in a folder, or a new one."""
    run = Run(folder)
    return run if run.encoder.exists() else pretrain(recipe, images, folder)


def evaluation_rows(run, data):
    """The run's own evaluation: every probe, beside raw pixels and a random encoder."""
    if not run.evaluation.exists():
        evaluate_run(run, data)
    rows = json.loads(run.evaluation.read_text())["rows"]
    names = ("representation", "probe", "labels", "accuracy", "std", "num_labels")
    return [{name: "" if row[name] is None else row[name] for name in names} for row in rows]


def budget_row(recipe, run, split, num_images):
    """Steps, minutes on a quiet machine, and accuracy with all labels."""
    encoder = load_encoder(run.folder)
    train, test = embed(encoder, split.train), embed(encoder, split.test)
    data = (train, split.train.labels, test, split.test.labels)
    last = pl.read_csv(run.metrics).row(-1, named=True)
    return {
        "steps": last["step"],
        "epochs": last["step"] * recipe.train.batch_size / num_images,
        "minutes it took": last["seconds"] / 60,
        "linear": linear_probe(*data).accuracy,
        "nearest neighbours": nearest_neighbor_probe(*data).accuracy,
        "bits 1→7": last["bits_1to7"],
        "bits 1→5": last["bits_1to5"],
        "bits 5→5": last["bits_5to5"],
        "ceiling": last["ceiling_1to7"],
    }


def draw(results, path):
    """Accuracy against the share of the budget, with the baselines as lines."""
    evaluation, growth = results.values()
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    epochs = [row["epochs"] for row in growth]
    for probe, colour in (("linear", "C0"), ("nearest neighbours", "C1")):
        axes.plot(epochs, [row[probe] for row in growth], "o-", color=colour, label=f"AMDIM, {probe}")
        for name, dash in (("random encoder", ":"), ("raw pixels", "--")):
            level = accuracy_of(evaluation, name, probe)
            axes.axhline(level, color=colour, linestyle=dash, linewidth=1, label=f"{name}, {probe}")
    axes.set_xscale("log", base=2)
    axes.set_xticks(epochs, [f"{row['epochs']:.1f}" for row in growth])
    axes.set(xlabel="epochs of the whole budget of a run", ylabel="accuracy on 10,000 test images")
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    with replacing(path) as beside:
        figure.savefig(beside, dpi=130)


def accuracy_of(rows, representation, probe):
    found = [r for r in rows if (r["representation"], r["labels"]) == (representation, "all")]
    return next((r["accuracy"] for r in found if r["probe"] == probe), math.nan)


if __name__ == "__main__":
    main()
