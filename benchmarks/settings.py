"""Which settings of `amdim-cpu` are best? They are compared on images held out from the training images.

    python benchmarks/settings.py --data cifar10/ --runs runs/settings --save                  # all: 4 hours
    python benchmarks/settings.py --data cifar10/ --only "adam;batch 256" --save --overwrite   # some
    python benchmarks/settings.py --data cifar10/ --seeds 0,1 --images 256000 --only recipe    # longer
    python benchmarks/settings.py --data imagenette/ --validation 1500 --name settings_photographs --save

Each setting changes the recipe by its options, and learns from `--images` images (repeated images count
again) with a complete schedule of learning rates. A fixed seed draws 5,000 validation images from the
training images; encoders learn from the other images. Accuracy is measured on the validation images, by 20
neighbours among the other images, and by logistic regression on up to 20,000 of them. The test images are not
used. Operations are those of the products of the run, as `training_step.py` counts them. What is in the
folder already is not repeated, so that two processes of one thread may share the work; rows that are recorded
already stay.
"""

import json
from pathlib import Path

import numpy as np
import polars as pl

from infomax.evaluation.embedding import embed
from infomax.evaluation.probes.linear import linear_probe
from infomax.evaluation.probes.neighbors import nearest_neighbor_probe
from infomax.learning.encoders.saving import load_encoder
from infomax.learning.training.loop import pretrain
from infomax.learning.training.options import recipe_from_options
from infomax.learning.training.recipes import recipe_named
from infomax.learning.training.run import Run
from recording import add, arguments_of, environment, recorded, report
from training_step import operations_of

HEADING = "Accuracy on validation images"
SETTINGS = {
    "recipe": "",
    "adam": "--rule adam --lr 2e-3",
    "rate .005": "--lr .005",
    "rate .02": "--lr .02",
    "cosine": "--decay cosine",
    "width 32": "--width 32",
    "width 64": "--width 64",
    "width 96": "--width 96",
    "depth 2": "--depth 2",
    "dimension 512": "--embedding_dim 512",
    "global feature as the maps": "--global_dim null",
    "not whitened": "--whitened false",
    "batch 64": "--batch_size 64",
    "batch 256": "--batch_size 256 --lr .014",
    "crops from .2": "--crop_scale .2,1",
    "crops from .25": "--crop_scale .25,1",
    "crops from .3": "--crop_scale .3,1",
    "weaker colours": "--jitter .3,.3,.3,.075",
    "less grey": "--grayscale .1",
    "no clip": "--clip null",
    "clip 20": "--clip 20",
    "penalty .01": "--penalty_weight .01",
    "without 1→1": "--scales [[1,5],[1,7],[5,5]]",
    "without 5→5": "--scales [[1,1],[1,5],[1,7]]",
}
"""Options that are added to the recipe's, by what they are called in the table."""


def main():
    arguments = arguments_of(
        __doc__,
        data="cifar10",
        runs="runs/settings",
        name="settings",
        recipe="amdim-cpu",
        validation=5000,
        images=64_000,
        seeds="0",
        only="",
    )
    about = environment("torch", "lightning")
    base = recipe_named(arguments.recipe)
    train, validation = divided(base.load(arguments.data), arguments.validation)
    found = recorded(arguments.name, HEADING)
    for name in arguments.only.split(";") if arguments.only else SETTINGS:
        for seed in map(int, arguments.seeds.split(",")):
            recipe = recipe_from_options(base, [*SETTINGS[name].split(), "--seed", str(seed)])
            steps = arguments.images // recipe.train.batch_size
            recipe = recipe_from_options(recipe, ["--steps", str(steps), "--precision", "bf16"])
            run = trained(recipe, train, Path(arguments.runs) / folder(name, arguments.images, seed))
            row = run.folder / "row.json"
            if not row.exists():
                row.write_text(json.dumps(measured(name, run, train, validation)))
            key = {"setting": name, "images": arguments.images, "seed": seed}
            add(found[HEADING], key, json.loads(row.read_text()))
            report(arguments.name, f"Settings of {arguments.recipe}", about, found, arguments)


def divided(images, num_validation):
    """Images to learn from, and those that a fixed seed holds out of them."""
    order = np.random.default_rng(0).permutation(len(images))
    return images.subset(np.sort(order[num_validation:])), images.subset(np.sort(order[:num_validation]))


def folder(name, images, seed):
    return f"{name.replace(' ', '-').replace('.', '')}-{images}-{seed}"


def trained(recipe, images, place):
    """The finished run of this place, or a new one."""
    run = Run(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    return run if run.encoder.exists() else pretrain(recipe, images, place)


def measured(name, run, train, validation):
    """A row of the table."""
    recipe, encoder = run.read_recipe(), load_encoder(run.folder)
    known, asked = embed(encoder, train), embed(encoder, validation)
    some = np.random.default_rng(0).permutation(len(train))[:20_000]
    last = pl.read_csv(run.metrics).row(-1, named=True)
    return {
        "options": SETTINGS[name],
        "steps": recipe.train.steps,
        "Tflop": operations_of(recipe) * recipe.train.steps / 1e12,
        "linear": linear_probe(known[some], train.labels[some], asked, validation.labels).accuracy,
        "knn": nearest_neighbor_probe(known, train.labels, asked, validation.labels).accuracy,
        **{name: last[name] for name in last if name.startswith("bits_")},
        "commit": environment()["commit"],
    }


if __name__ == "__main__":
    main()
