"""Which objective of Deep InfoMax learns most in equal minutes, and what do its features know?

    python benchmarks/deep_infomax.py --data cifar10/ --runs runs/dim --save   # 2 hours on two cores

CIFAR-10, with the encoder and optimizer of `dim-cifar10-cpu`. The objectives are global DIM, local DIM with
three bounds, local DIM with Y matched to a uniform prior, and AMDIM (`amdim-cpu`), each for `--budgets`
minutes. First every objective is timed for some seconds; the machine should do nothing else. Then minutes
become steps, so the runs themselves may share the machine. Linear probes are fitted to the convolutional, the
fully connected and the last layer (Y), with `--labels` training images, and tested on all test images. A
random encoder is the comparison. Then local DIM with InfoNCE trains for `--whole` minutes. Global DIM has a
quarter of the learning rate: at the full rate its bound reaches the ceiling within half an epoch, and after
two epochs the encoder collapses. Runs in the folder are not repeated.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from infomax.evaluation.embedding import embed_layers
from infomax.evaluation.probes.dependence import neural_dependence
from infomax.evaluation.probes.information import label_information
from infomax.evaluation.probes.linear import linear_probe
from infomax.evaluation.splits import labelled_split
from infomax.files import replacing
from infomax.learning.encoders.saving import PretrainedEncoder, load_encoder
from infomax.learning.objectives.prior_config import PriorConfig
from infomax.learning.training.loop import new_learner, pretrain, seconds_per_step
from infomax.learning.training.recipes import recipe_named
from infomax.learning.training.run import Run
from infomax.pages.figures import save_for_light_and_dark
from recording import RESULTS, arguments_of, environment, report

DIM = recipe_named("dim-cifar10-cpu")
BEST = "local, InfoNCE"


def dim(lr=DIM.optimizer.lr, **changes):
    return replace(DIM, method=replace(DIM.method, **changes), optimizer=replace(DIM.optimizer, lr=lr))


PRIOR = {
    "prior": PriorConfig(weight=0.1, kind="uniform"),
    "encoder": replace(DIM.method.encoder, output="sigmoid"),
}
RECIPES = {
    "global, JSD": dim(lr=5e-4, bound="jensen_shannon", global_weight=1.0, local_weight=0.0),
    "local, JSD": dim(bound="jensen_shannon"),
    "local, DV": dim(bound="donsker_varadhan"),
    BEST: dim(bound="infonce"),
    "local, InfoNCE, uniform prior": dim(bound="infonce", **PRIOR),
    "AMDIM": recipe_named("amdim-cpu"),
}


def main():
    arguments = arguments_of(
        __doc__, data="cifar10", runs="runs/dim", budgets="1,4", whole=30.0, labels=20_000, timing=12.0
    )
    folder = Path(arguments.runs)
    folder.mkdir(parents=True, exist_ok=True)
    split = labelled_split(arguments.data, DIM.views)
    seconds = timings(split.train, folder / "seconds_per_step.json", arguments.timing)
    budgets = [float(minutes) for minutes in arguments.budgets.split(",")]
    plan = [(name, minutes) for minutes in budgets for name in RECIPES]
    rows = [random_row(split, arguments.labels, folder / "random.json")]
    rows += [row_of(*one, seconds, split, arguments.labels, folder) for one in plan]
    if arguments.whole:
        rows.append(row_of(BEST, arguments.whole, seconds, split, arguments.labels, folder))
    about = {
        **environment("torch", "lightning", "kornia", "scikit-learn"),
        "labels": f"{arguments.labels:,} for the probes, {len(split.test):,} test images",
    }
    results = {"Accuracy of linear probes, and what the features know, in nats": rows}
    report("deep_infomax", "Deep InfoMax in equal minutes: CIFAR-10, two cores", about, results, arguments)
    if arguments.save:
        draw(rows, RESULTS / "deep_infomax.png")


def cached(path, make):
    """What is in a JSON file, or what `make` makes, which then goes there."""
    if not path.exists():
        made = make()
        with replacing(path) as beside:
            beside.write_text(json.dumps(made, indent=1))
    return json.loads(path.read_text())


def timings(images, path, duration):
    """Seconds a step of each objective: the quicker of two timings, the second round after the first."""

    def make():
        rounds = [
            {name: seconds_per_step(recipe, images, duration=duration) for name, recipe in RECIPES.items()}
            for _ in range(2)
        ]
        return {name: min(one[name] for one in rounds) for name in RECIPES}

    return cached(path, make)


def row_of(name, minutes, seconds, split, num_labels, folder):
    """Train for so many minutes, in steps, and probe."""
    recipe = RECIPES[name]
    num_steps = round(60 * minutes / seconds[name])
    run = Run(folder / f"{name.replace(', ', '-').replace(' ', '-')}-{minutes:g}")
    if not run.encoder.exists():
        pretrain(replace(recipe, train=replace(recipe.train, steps=num_steps)), split.train, run.folder)
    found = cached(run.folder / "layers.json", lambda: knowledge(load_encoder(run.folder), split, num_labels))
    epochs = num_steps * recipe.train.batch_size / len(split.train)
    rate = recipe.train.batch_size / seconds[name]
    return {"objective": name, "minutes": minutes, "epochs": epochs, "images/s": round(rate), **found}


def random_row(split, num_labels, path):
    def make():
        encoder = PretrainedEncoder(new_learner(DIM, split.train).encoder, DIM.views)
        return knowledge(encoder, split, num_labels)

    return {
        "objective": "random encoder",
        "minutes": 0.0,
        "epochs": 0.0,
        "images/s": "",
        **cached(path, make),
    }


def knowledge(encoder, split, num_labels):
    """Accuracy of each layer; of Y, information about the label and dependence between its units."""
    train = split.train.subset(np.arange(num_labels))
    of_train, of_test = embed_layers(encoder, train), embed_layers(encoder, split.test)
    found = {
        layer: linear_probe(features, train.labels, of_test[layer], split.test.labels).accuracy
        for layer, features in of_train.items()
    }
    about_label = label_information(of_train["Y"], train.labels, of_test["Y"], split.test.labels)
    between_units = neural_dependence(of_train["Y"])
    return {
        **found,
        "I(Y; label)": f"{about_label.value:.3f} ± {about_label.standard_error:.3f}",
        "dependence between units of Y": f"{between_units.value:.2f} ± {between_units.standard_error:.2f}",
    }


def draw(rows, path):
    """Accuracy of each layer against minutes."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    layers = ("conv", "fc", "Y")
    for axes, layer in zip(figure.subplots(1, 3, sharey=True), layers, strict=True):
        for number, name in enumerate(RECIPES):
            own = [row for row in rows if row["objective"] == name and layer in row]
            minutes, accuracies = ([row[key] for row in own] for key in ("minutes", layer))
            axes.plot(minutes, accuracies, "o-", color=f"C{number}", label=name)
        axes.axhline(rows[0][layer], color="grey", linestyle=":", label="random encoder")
        axes.set(xscale="log", xlabel="minutes on two cores", title=f"linear probe on {layer}")
        minutes = sorted({row["minutes"] for row in rows[1:]})
        axes.set_xticks(minutes, [f"{one:g}" for one in minutes])
        axes.minorticks_off()
    figure.axes[0].set_ylabel("accuracy on 10,000 test images")
    figure.axes[-1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    save_for_light_and_dark(figure, path, dpi=130)


if __name__ == "__main__":
    main()
