"""Measure what a recipe learns in a given number of minutes: accuracy against minutes, for each seed.

    python benchmarks/minutes.py --name cifar10 --data cifar10/ --save                 # 6 quiet hours
    python benchmarks/minutes.py --name cifar10 --data cifar10/ --minutes 20 --seeds 0 --save --overwrite
    python benchmarks/minutes.py --name imagenette --data imagenette/ --save

Each number of minutes and each seed is a separate run with a complete schedule of learning rates. The first
steps are timed to convert minutes to steps, so the machine should do nothing else; or `--rate` gives the
steps of a minute. Probes get all training labels, or 5 of each class ten times, and are tested on the test
images, as are probes on raw pixels and on a random encoder. Runs in the folder are not repeated, and recorded
rows stay, so an interrupted benchmark continues.
"""

import time
from pathlib import Path

import polars as pl
from matplotlib.figure import Figure

from infomax.evaluation.probes.few_labels import few_labels
from infomax.evaluation.probes.linear import linear_probe
from infomax.evaluation.probes.neighbors import nearest_neighbor_probe
from infomax.evaluation.representations import representations
from infomax.evaluation.splits import labelled_split
from infomax.files import replacing
from infomax.learning.encoders.saving import load_encoder
from infomax.learning.training.loop import pretrain
from infomax.learning.training.options import recipe_from_options
from infomax.learning.training.recipes import recipe_named
from infomax.learning.training.run import Run
from recording import RESULTS, add, arguments_of, environment, recorded, report

ROWS, COMPARED = "Accuracy on the test images", "Beside them"
PROBES = {"linear": linear_probe, "knn": nearest_neighbor_probe}


def main():
    arguments = arguments_of(
        __doc__,
        name="cifar10",
        data="cifar10",
        recipe="amdim-cpu",
        runs="runs/minutes",
        minutes="2,5,10,20,60",
        seeds="0,1,2",
        rate=0.0,
    )
    about = environment("torch", "lightning", "scikit-learn")
    base = recipe_named(arguments.recipe)
    split = labelled_split(arguments.data, base.views)
    found = recorded(arguments.name, ROWS, COMPARED)
    for minutes in map(float, arguments.minutes.split(",")):
        for seed in map(int, arguments.seeds.split(",")):
            run = trained(base, split.train, minutes, seed, arguments)
            measure(found, run, split, {"minutes": minutes, "seed": seed}, about["commit"])
            finish(found, about, arguments)


def trained(base, images, minutes, seed, arguments):
    """The finished run of these minutes and this seed, or a new one."""
    place = Path(arguments.runs) / f"{arguments.name}-{minutes:g}-{seed}"
    run = Run(place)
    if run.encoder.exists():
        return run
    place.parent.mkdir(parents=True, exist_ok=True)
    steps = round(minutes * arguments.rate)
    budget = ["--steps", str(steps)] if steps else ["--minutes", f"{minutes:g}"]
    return pretrain(recipe_from_options(base, [*budget, "--seed", str(seed)]), images, place)


def measure(found, run, split, key, commit):
    """Add the row of a run, and those of what it is compared with where they are not known yet."""
    last = pl.read_csv(run.metrics).row(-1, named=True)
    recipe = run.read_recipe()
    trained = {
        "commit": commit,
        "steps": last["step"],
        "epochs": last["step"] * recipe.train.batch_size / len(split.train),
        "minutes it took": last["seconds"] / 60,
        "numbers": recipe.train.precision,
    }
    bits = {name: last[name] for name in last if name.startswith("bits_")}
    for name, represent in representations(load_encoder(run.folder), "run", 0, split.train).items():
        if name == "run":
            add(found[ROWS], key, {**trained, **accuracies(represent, split), **bits})
        elif all(row["representation"] != name for row in found[COMPARED]):
            found[COMPARED].append({"representation": name, **accuracies(represent, split)})


def accuracies(represent, split):
    """Return the accuracy of each probe, with all labels and with few."""
    start = time.perf_counter()
    rows = (represent(split.train), split.train.labels, represent(split.test), split.test.labels)
    values = {name: probe(*rows).accuracy for name, probe in PROBES.items()}
    for name, probe in PROBES.items():
        few = few_labels(probe, *rows)
        values |= {f"{name}, 5 a class": few.accuracy, f"{name} ±": few.std}
    print(f"probed in {time.perf_counter() - start:.0f} s", flush=True)
    return values


def finish(found, about, arguments):
    report(arguments.name, f"{arguments.name}: {arguments.recipe} on two cores", about, found, arguments)
    if arguments.save:
        draw(found, RESULTS / f"{arguments.name}.png")


def draw(found, path):
    """Accuracy against minutes, a point for each run."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for number, name in enumerate(PROBES):
        rows = found[ROWS]
        axes.plot([row["minutes"] for row in rows], [row[name] for row in rows], f"C{number}o", label=name)
        for row, dash in zip(found[COMPARED], (":", "--"), strict=False):
            label = f"{row['representation']}, {name}"
            axes.axhline(row[name], color=f"C{number}", linestyle=dash, linewidth=1, label=label)
    axes.set(xscale="log", xlabel="minutes", ylabel="accuracy on the test images")
    ticks = sorted({row["minutes"] for row in found[ROWS]})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    with replacing(path) as beside:
        figure.savefig(beside, dpi=130)


if __name__ == "__main__":
    main()
