"""How many images and minutes are needed? Accuracy against both, with raw pixels and a random encoder.

    python benchmarks/amount.py --data cifar10/ --runs runs/amount --save                    # 7.5 quiet hours
    python benchmarks/amount.py --data cifar10/ --images 1000 --minutes 2,5 --save --overwrite  # some cells

For each number of images, a fixed seed draws that many training images of CIFAR-10. The recipe `amdim-cpu`
learns from only these images, without labels. Each number of minutes is a separate run with a complete
schedule of learning rates. Minutes are steps at the rate `--steps-a-minute`, so a busy machine changes only
the duration. Then a linear probe and nearest neighbours get the labels of the same images, and are tested on
the 10,000 test images. In the second table they get 5 labels of each class, ten times. Runs in the folder are
not repeated; recorded cells stay.
"""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from infomax.evaluation.probes.few_labels import few_labels
from infomax.evaluation.probes.linear import linear_probe
from infomax.evaluation.probes.neighbors import nearest_neighbor_probe
from infomax.evaluation.representations import representations
from infomax.evaluation.splits import Split, labelled_split
from infomax.learning.encoders.saving import load_encoder
from infomax.learning.training.loop import pretrain
from infomax.learning.training.recipes import recipe_named
from infomax.learning.training.run import Run
from infomax.pages.figures import save_for_light_and_dark
from recording import RESULTS, add, arguments_of, environment, recorded, report

ALL_LABELS, FEW_LABELS = "Labels of all images learned from", "5 labels of each class"
PROBES = {"linear": linear_probe, "knn": nearest_neighbor_probe}


def main():
    arguments = arguments_of(
        __doc__,
        data="cifar10",
        runs="runs/amount",
        recipe="amdim-cpu",
        images="300,1000,3000,10000,50000",
        minutes="2,5,20,60",
        steps_a_minute=138.75,
    )
    about = environment("torch", "lightning", "kornia", "scikit-learn")
    about["settings"] = f"a minute is {arguments.steps_a_minute} steps"
    recipe = replace(recipe_named(arguments.recipe), data=arguments.data)
    split = labelled_split(arguments.data, recipe.views)
    found = recorded("amount", ALL_LABELS, FEW_LABELS)
    for number in map(int, arguments.images.split(",")):
        some = Split(drawn(split.train, number), split.test, split.how)
        for minutes in map(float, arguments.minutes.split(",")):
            run = trained(recipe, some, minutes, arguments)
            measure(found, run, some, minutes, about["commit"])
            if arguments.save:  # cell by cell: an interruption loses nothing
                finish(found, about, arguments)
    finish(found, about, arguments)


def finish(found, about, arguments):
    title = f"How many images, how many minutes: {arguments.recipe}, CIFAR-10"
    report("amount", title, about, found, arguments)
    if arguments.save:
        draw(found, RESULTS / "amount.png")


def drawn(train, number):
    """Images drawn by a fixed seed; the smaller sets lie within the larger."""
    return train.subset(np.sort(np.random.default_rng(0).permutation(len(train))[:number]))


def trained(recipe, split, minutes, arguments):
    """The finished run in the folder of this cell, or a new one."""
    run = Run(Path(arguments.runs) / f"{len(split.train)}-{minutes:g}")
    if run.encoder.exists():
        return run
    run.folder.parent.mkdir(parents=True, exist_ok=True)
    batch = min(recipe.train.batch_size, len(split.train))
    budget = {"steps": round(minutes * arguments.steps_a_minute), "minutes": None, "batch_size": batch}
    return pretrain(replace(recipe, train=replace(recipe.train, **budget)), split.train, run.folder)


def measure(found, run, split, minutes, commit):
    """Add what the encoder of a cell is worth; and what it is compared with, where that is not yet known."""
    number, start = len(split.train), time.perf_counter()
    compared = representations(load_encoder(run.folder), "AMDIM", 0, split.train)
    for name, represent in compared.items():
        learned = name == "AMDIM"
        key = {"images": number, "minutes": minutes if learned else 0, "representation": name}
        if not learned and any(key.items() <= row.items() for row in found[ALL_LABELS]):
            continue
        rows = (represent(split.train), split.train.labels, represent(split.test), split.test.labels)
        known = {one: probe(*rows).accuracy for one, probe in PROBES.items()}
        few = {one: few_labels(probe, *rows) for one, probe in PROBES.items()}
        spread = {f"{one} ±": result.std for one, result in few.items()}
        means = {one: result.accuracy for one, result in few.items()}
        add(found[ALL_LABELS], key, {**known, "commit": commit})
        add(found[FEW_LABELS], key, {**means, **spread, "commit": commit})
    print(f"{number} images, {minutes:g} minutes: probed in {time.perf_counter() - start:.0f} s", flush=True)


def draw(found, path):
    """Accuracy against the number of images, a curve for each number of minutes and for what is compared."""
    figure = Figure(figsize=(9.5, 4), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True)
    for axes, (heading, rows) in zip(panels, found.items(), strict=True):
        kinds = sorted({(row["representation"], row["minutes"]) for row in rows}, key=lambda kind: kind[::-1])
        for name, minutes in kinds:
            some = [row for row in rows if (row["representation"], row["minutes"]) == (name, minutes)]
            label = f"{name}, {minutes:g} minutes" if minutes else name
            style = "o-" if minutes else "x:"
            axes.plot([row["images"] for row in some], [row["knn"] for row in some], style, label=label)
        axes.set(xscale="log", title=heading, xlabel="images", ylabel="accuracy of nearest neighbours")
    panels[1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    save_for_light_and_dark(figure, path, dpi=130)


if __name__ == "__main__":
    main()
