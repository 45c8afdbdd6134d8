"""Compare infomax with what one would pick instead: the same images, minutes, machine and evaluation.

An environment of its own, from the root of the repository, and then what to run:

    python -m venv ../peers-venv
    ../peers-venv/bin/pip install -r benchmarks/peers/requirements.txt -e ".[learning]"
    export OMP_NUM_THREADS=2
    alias peers="../peers-venv/bin/python benchmarks/peers/run.py --data cifar10/"
    peers --steps 3 --images 512 --tested 300     # does all of it run? 5 minutes; nothing is recorded
    peers --save --minutes 0                      # time the steps only: 6 minutes, nothing else running
    peers --save                                  # 13 runs of 20 minutes; with the evaluation 6 hours
    peers --save --seeds 1,2                      # two seeds more, 12 hours
    peers --save --encoders resnet18-7x7 --peers simclr,byol,vicreg,barlow-twins,dino,lightly-train  # 2.5 h
    peers --save --encoders amdim --optimizer lightly --peers simclr,byol,vicreg,dino  # 1.5 hours
    peers --peers none                            # the tables of what is recorded

Each peer learns from the training images of CIFAR-10, without labels. A budget in minutes means minutes of
a machine that does nothing else: the seconds of a step are timed first and recorded, and each run gets as
many steps as fit into its minutes. So a busy machine makes a run longer, but changes no result, and runs may
then have fewer threads. Each run has its whole schedule of learning rates. Then infomax's probes get the
labels, on features of the plain images, and are tested on the test images. What is compared:

- infomax: its recipe `amdim-cpu`, by the features of `infomax embed` (all scales, the mean over an image and
  its mirror image), and by the global feature alone, as all others are evaluated.
- simclr, byol, vicreg, barlow-twins, dino: lightly's parts with lightly's published settings. The file of
  each says where they come from. Nothing was tuned here.
- lightly-train: its function `pretrain`, by DINO. Its file says why not by its default method.
- supervised: the ceiling, by the labels.

Encoders: `resnet18`, as in lightly's CIFAR-10 benchmark, with a first convolution of 3×3 and no pooling;
`amdim`, infomax's own in the size of the recipe, which tells the method from the encoder; `resnet18-7x7`,
torchvision's own. Where a peer trains `amdim`, its first layer begins with random filters, not with those
that whiten. Peers are given what makes infomax fast: bfloat16 where the machine multiplies it faster,
channels last, images in memory, processes that make views (--workers).

The optimizer goes with the encoder: lightly's published ones with ResNet-18, that of infomax's recipe with
`amdim`, where Barlow Twins by lightly's, SGD at a rate of 0.06, is not finite after three steps.
`--optimizer lightly` or `infomax` takes one for both.

A run that is in the folder --runs already is not repeated. Rows that are recorded stay; --overwrite measures
them anew. A run whose loss is not finite gets a row without accuracies.
"""

import argparse
import importlib
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from common import (
    BATCH_SIZE,
    IMAGENET_VIEWS,
    RECIPE,
    Task,
    Trained,
    accuracies,
    new_encoder,
    plain_encoder,
)

from infomax.errors import Diverged
from infomax.evaluation.splits import Split, labelled_split, some_of
from infomax.files import replacing
from infomax.learning.training.callbacks import Timer
from infomax.learning.views.images import ViewsConfig
from recording import add, arguments_of, environment, recorded, report

TITLE = "CIFAR-10: what one would pick instead, in the same minutes on the same machine"
RUNS, MEANS = "Accuracy on the test images", "Mean over seeds, ± standard deviation"
RATES = "How long a step takes, timed alone"
SECONDS_TIMED = 20.0
PACKAGES = ("torch", "torchvision", "lightly", "lightly-train", "lightning", "scikit-learn")


@dataclass(frozen=True)
class Peer:
    """module: its file, with a function `train`. encoders: the usual ones.

    views: of the evaluation. optimizer: whose settings it takes; None where that depends on the encoder.
    """

    module: str
    encoders: tuple[str, ...] = ("resnet18", "amdim")
    views: ViewsConfig = IMAGENET_VIEWS
    optimizer: str | None = None


PEERS = {
    "infomax": Peer("amdim", ("amdim",), RECIPE.views, "infomax"),
    "simclr": Peer("simclr"),
    "byol": Peer("byol"),
    "vicreg": Peer("vicreg"),
    "barlow-twins": Peer("barlow_twins"),
    "dino": Peer("dino"),
    "lightly-train": Peer("lightlytrain", ("resnet18",), optimizer="lightly-train"),
    "supervised": Peer("supervised", ("amdim",), RECIPE.views, "infomax"),
}


def main():
    arguments = arguments_of(
        __doc__,
        data="cifar10",
        runs="runs/peers",
        peers=",".join(PEERS),
        encoders="usual",
        minutes=20.0,
        steps=0,
        seeds="0",
        optimizer="usual",
        workers=2,
        images=50_000,
        tested=10_000,
    )
    about = environment(*PACKAGES)
    tables = {RUNS: [], RATES: []} | recorded("peers", RUNS, RATES)
    wanted = asked(arguments)
    missing = [key for key in wanted if arguments.overwrite or find(tables[RUNS], key) is None]
    split = given(arguments) if missing else None
    untimed = [] if arguments.steps else [key for key in missing if find(tables[RATES], who(key)) is None]
    for key in untimed:
        add(tables[RATES], who(key), {**timed(key, split, arguments), **stamp(about)})
        tell(tables, about, arguments.save)
    for key in missing if arguments.minutes or arguments.steps else []:
        steps = arguments.steps or round(60 * key["minutes"] / seconds_a_step(tables, key))
        others = [row for row in tables[RUNS] if row is not find(tables[RUNS], key)]
        tables[RUNS] = [*others, {**key, **measured(key, steps, split, arguments), **stamp(about)}]
        tell(tables, about, arguments.save)  # run by run: an interruption loses nothing
    tell(tables, about, save=False)


def who(key):
    """Return the method, encoder and optimizer, for which a step is timed."""
    return {name: key[name] for name in ("method", "encoder", "optimizer")}


def seconds_a_step(tables, key):
    return find(tables[RATES], who(key))["seconds a step"]


def asked(arguments):
    """Return the key of each run that is asked for, by which its row is found."""
    peers = [] if arguments.peers == "none" else arguments.peers.split(",")
    budget = {"minutes": arguments.minutes}
    if arguments.steps:
        budget = {"minutes": None, "steps": arguments.steps}
    return [
        {
            "method": peer,
            "encoder": encoder,
            "optimizer": PEERS[peer].optimizer or optimizer_of(encoder, arguments),
            "images": arguments.images,
            "seed": int(seed),
            **budget,
        }
        for seed in arguments.seeds.split(",")
        for peer in peers
        for encoder in encoders_of(peer, arguments)
    ]


def encoders_of(peer, arguments):
    return PEERS[peer].encoders if arguments.encoders == "usual" else arguments.encoders.split(",")


def optimizer_of(encoder, arguments):
    """The optimizer that was published with an encoder, unless another is asked for."""
    usual = "infomax" if encoder == "amdim" else "lightly"
    return usual if arguments.optimizer == "usual" else arguments.optimizer


def find(rows, key):
    return next((row for row in rows if key.items() <= row.items()), None)


def given(arguments):
    """The training images that are learned from, and the test images."""
    split = labelled_split(arguments.data, RECIPE.views)
    return Split(
        some_of(split.train, arguments.images, 0), some_of(split.test, arguments.tested, 0), split.how
    )


def task_of(key, steps, split, arguments, **options):
    """Return the task of a row, with a folder of its own."""
    folder = Path(arguments.runs) / "-".join(map(str, key.values()))
    folder.mkdir(parents=True, exist_ok=True)
    given = {part: key[part] for part in ("encoder", "seed", "optimizer")}
    return Task(split.train, steps=steps, workers=arguments.workers, folder=folder, **given, **options)


def timed(key, split, arguments):
    """Train for some seconds, of which nothing is kept."""
    timer = Timer(SECONDS_TIMED)
    importlib.import_module(PEERS[key["method"]].module).train(
        task_of(who(key) | {"seed": 0}, 10**6, split, arguments, timer=timer)
    )
    return {"seconds a step": timer.seconds_per_step, "images/s": BATCH_SIZE / timer.seconds_per_step}


def measured(key, steps, split, arguments):
    """Train what a row is about, if its folder does not have it yet, and evaluate it."""
    peer, task = PEERS[key["method"]], task_of(key, steps, split, arguments)
    module = importlib.import_module(peer.module)
    try:
        trained = kept(task.folder / "trained.pt", task, module.train)
    except Diverged as error:
        print(f"{task.folder.name}: {error}", flush=True)
        return {"linear": None, "knn": None, "note": "the loss was not finite"}
    return {
        "steps": trained.steps,
        "minutes it took": trained.seconds / 60,
        **known(module, task, trained.backbone, peer.views, split),
        "parameters": sum(one.numel() for one in trained.backbone.parameters()),
    }


def known(module, task, backbone, views, split):
    """The accuracies of a row; for a module with a readout of its own also those of the backbone alone."""
    plain = accuracies(plain_encoder(backbone, views), split)
    if not hasattr(module, "encoder"):
        return plain
    of_backbone = {f"{name}, global feature": value for name, value in plain.items()}
    return accuracies(module.encoder(task), split) | of_backbone


def kept(path, task, train):
    """Return the trained encoder that the file holds; else train one, and write the file."""
    if not path.exists():
        trained = train(task)
        values = {
            "backbone": trained.backbone.state_dict(),
            "steps": trained.steps,
            "seconds": trained.seconds,
        }
        with replacing(path) as beside:
            torch.save(values, beside)
    values = torch.load(path, weights_only=True)
    backbone = new_encoder(task.encoder)
    backbone.load_state_dict(values.pop("backbone"))
    return Trained(backbone, **values)


def stamp(about):
    """Return where and when a row was measured, since rows may be of several days."""
    versions = ", ".join(f"{name} {about[name]}" for name in PACKAGES[:4])
    return {name: about[name] for name in ("commit", "date", "machine", "threads")} | {"versions": versions}


def tell(tables, about, save):
    """Print the tables; with `save`, write them, which replaces those that had fewer rows."""
    order = [*PEERS]
    rows = sorted(
        tables[RUNS],
        key=lambda row: (order.index(row["method"]), row["encoder"], str(row["minutes"]), row["seed"]),
    )
    whole = {RUNS: rows, MEANS: means(rows), RATES: tables[RATES]}
    report("peers", TITLE, about, whole, argparse.Namespace(save=save, overwrite=True))


def means(rows):
    """A row for each method, encoder, optimizer, number of images and of minutes that has several seeds."""
    names = ("method", "encoder", "optimizer", "images", "minutes")
    groups = {}
    for row in rows:
        if row["linear"] is not None:
            groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return [
        {
            **dict(zip(names, group, strict=True)),
            "seeds": len(some),
            **spread(some, "linear"),
            **spread(some, "knn"),
        }
        for group, some in groups.items()
        if len(some) > 1
    ]


def spread(rows, name):
    values = [row[name] for row in rows]
    return {name: statistics.mean(values), f"{name} ±": statistics.stdev(values)}


if __name__ == "__main__":
    main()
