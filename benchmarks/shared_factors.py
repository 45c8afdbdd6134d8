"""Do features learned across views keep the factors that the views share, and drop those private to one?

    OMP_NUM_THREADS=1 python benchmarks/shared_factors.py --runs runs/factors --save   # a quarter of an hour

Generated scenes have known factors (`infomax.learning.data.scenes`): two cameras, moving digits, a picture
and a tone. AMDIM learns from the two views of each scene. It is compared with AMDIM on augmented copies of
one view (crops, brightness and contrast), a random encoder and the raw input. For every factor, two
classifiers give I(Z; factor) in bits, each a lower bound (± standard error). They are fitted to training
scenes and tested on test scenes with other digits. A linear classifier finds any faint trace. The shares
among the 20 nearest by cosine show what distances, and so the scores of the objective, see. Runs in the
folder are not repeated.
"""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from infomax.evaluation.embedding import embed
from infomax.evaluation.probes.classifiers import FittedClassifier
from infomax.evaluation.probes.information import label_information
from infomax.files import replacing
from infomax.learning.data.scenes import SCENES
from infomax.learning.encoders.architectures import amdim_encoder
from infomax.learning.encoders.config import AMDIMEncoderConfig
from infomax.learning.encoders.saving import PretrainedEncoder, load_encoder
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.optimizer import OptimizerConfig
from infomax.learning.training.config import Recipe, TrainConfig
from infomax.learning.training.loop import pretrain
from infomax.learning.training.run import Run
from infomax.learning.views.images import ViewsConfig
from infomax.learning.views.paired import PairedViewsConfig
from infomax.learning.views.signals import SignalViewsConfig
from infomax.learning.views.temporal import TemporalViewsConfig
from infomax.pages.figures import save_for_light_and_dark
from recording import RESULTS, arguments_of, environment, recorded, report

ENCODER = AMDIMEncoderConfig(width=16, embedding_dim=32, depth=1)
PICTURE = ViewsConfig(
    crop_scale=None, flip=0.0, jitter=(0.0, 0.0, 0.0, 0.0), grayscale=0.0, mean=(0.4,), std=(0.3,)
)
COPY = replace(PICTURE, crop_scale=(0.5, 1.0), jitter=(0.4, 0.4, 0.0, 0.0))
TONE = SignalViewsConfig(stored_length=512, length=512, gain=(1.0, 1.0), noise=0.0, mask=0.0)


@dataclass(frozen=True)
class Plan:
    """views: of the scene; copies: of each column alone; shared: factors that both views have in common."""

    views: PairedViewsConfig | TemporalViewsConfig
    copies: dict
    shared: tuple[str, ...]


PLANS = {
    "two-cameras": Plan(
        PairedViewsConfig(columns=("left", "right"), first=PICTURE, second=PICTURE),
        {"left": COPY},
        ("class", "size"),
    ),
    "halves": Plan(
        PairedViewsConfig(columns=("upper", "lower"), first=PICTURE, second=PICTURE),
        {"upper": COPY},
        ("class",),
    ),
    "moving-digits": Plan(
        TemporalViewsConfig(lag=2, frames=PICTURE),
        {"frame": COPY},
        ("class", "direction", "speed", "place"),
    ),
    "picture-and-tone": Plan(
        PairedViewsConfig(columns=("picture", "tone"), first=PICTURE, second=TONE),
        {"picture": COPY},
        ("class",),
    ),
}


def main():
    arguments = arguments_of(
        __doc__,
        runs="runs/factors",
        steps=300,
        scenes="two-cameras,moving-digits,picture-and-tone",
        redraw=0,
    )
    if arguments.redraw:
        draw(recorded("shared_factors"), RESULTS / "shared_factors.png")
    else:
        measure(arguments)


def measure(arguments):
    """Measure every scene, and report it."""
    rows = [
        row
        for scene in arguments.scenes.split(",")
        for row in rows_of(scene, Path(arguments.runs) / scene, arguments.steps)
    ]
    about = {**environment("torch", "lightning", "kornia", "scikit-learn"), "steps": arguments.steps}
    results = {
        "Bits about each factor, by a linear classifier": [table_row(row, "linear") for row in rows],
        "Bits about each factor, by nearest neighbours": [table_row(row, "neighbours") for row in rows],
    }
    report("shared_factors", "What features know of known factors", about, results, arguments)
    if arguments.save:
        draw(results, RESULTS / "shared_factors.png")


def rows_of(scene, folder, steps):
    """One for each factor that a column shows: what every representation of the column knows of it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "rows.json"
    if not path.exists():
        train, test = (sampled(SCENES[scene](split), split) for split in ("train", "test"))
        made = [
            row
            for column, features in all_features(scene, folder, steps).items()
            for row in rows_of_column(scene, column, features, train, test)
        ]
        with replacing(path) as beside:
            beside.write_text(json.dumps(made, indent=1))
    return json.loads(path.read_text())


def all_features(scene, folder, steps):
    """column -> representation -> features of training and of test scenes."""
    plan = PLANS[scene]
    of_column, only = {place.folder.name: place.views for place in plan.views.encoders}, None
    if len(of_column) == 1:
        (only,) = SCENES[scene]("test").columns
        of_column = {only: plan.views.encoders[0].views}
    pairs = trained(plan.views, only, scene, folder / "pairs", steps)
    found = {}
    for column, views in of_column.items():
        torch.manual_seed(0)  # of the random encoder
        learned = load_encoder(pairs / column if (pairs / column).is_dir() else pairs)
        encoders = {
            "random encoder": PretrainedEncoder(amdim_encoder(ENCODER, views.input_shape), views),
            "augmented copies": None,
            "two views": learned,
        }
        if column in plan.copies:
            alone = plan.copies[column]
            encoders["augmented copies"] = load_encoder(
                trained(alone, column, scene, folder / f"copies-{column}", steps)
            )
        seen = [views.load(scene, split=split, column=column) for split in ("train", "test")]
        seen = [sampled(one, split) for one, split in zip(seen, ("train", "test"), strict=True)]
        found[column] = {"raw": tuple(raw(one) for one in seen)} | {
            name: tuple(embed(encoder, one) for one in seen) for name, encoder in encoders.items() if encoder
        }
    return found


def trained(views, column, scene, folder, steps):
    """The folder of a run, made if it is not there."""
    if not Run(folder).finished:
        recipe = Recipe(
            data=scene,
            column=column,
            method=AMDIMConfig(encoder=ENCODER),
            views=views,
            optimizer=OptimizerConfig(lr=2e-3, warmup_steps=50),
            train=TrainConfig(steps=steps, precision="float32"),
        )
        pretrain(recipe, views.load(scene, column=column), folder, quiet=True)
    return Path(folder)


def sampled(data, split):
    """Of sequences two frames for training, one for the test; of other scenes half, and all."""
    in_time = "/" in data.names[0]
    first, step = {"train": (0, 4), "test": (3, 8)}[split] if in_time else (0, 2 if split == "train" else 1)
    rows = np.arange(first, len(data), step)
    if hasattr(data, "factors"):
        return {name: values[rows] for name, values in data.factors.items()}
    return data.subset(rows)


def raw(seen):
    return seen.batch(slice(None)).float().flatten(1).numpy()


def rows_of_column(scene, column, features, train, test):
    columns = SCENES[scene]("test").columns
    for factor, known in train.items():
        owner = factor.split()[0]
        if owner in columns and owner != column:
            continue
        row = {"scene": scene, "column": column, "factor": factor.removeprefix(f"{column} ")}
        row["kind"] = "shared" if factor in PLANS[scene].shared else "private"
        row["entropy"] = entropy(test[factor])
        for name, (of_train, of_test) in features.items():
            linear = label_information(of_train, known, of_test, test[factor])
            near = label_information(of_train, known, of_test, test[factor], fit=fit_shares)
            row[name] = {
                kind: {"bits": one.bits, "error": one.standard_error / math.log(2)}
                for kind, one in (("linear", linear), ("neighbours", near))
            }
        yield row


def entropy(values):
    share = np.bincount(values)[np.bincount(values) > 0] / len(values)
    return float(-(share * np.log2(share)).sum())


def fit_shares(features, labels, *, seed=0, num_neighbors=20):
    """Shares of the classes among the nearest by cosine, after centring, and two more a priori."""
    mean, classes = features.mean(0), np.unique(labels)

    def unit(rows):
        return (rows - mean) / np.linalg.norm(rows - mean, axis=1, keepdims=True)

    def scores(rows):
        similarities = unit(rows) @ unit(features).T
        nearest = np.argpartition(-similarities, num_neighbors, axis=1)[:, :num_neighbors]
        counts = (labels[nearest][:, :, None] == classes).sum(1) + 2 / len(classes)
        return torch.from_numpy(np.log(counts / counts.sum(1, keepdims=True)))

    return FittedClassifier(classes, features.shape[1], scores, {"k": num_neighbors})


REPRESENTATIONS = ("raw", "random encoder", "augmented copies", "two views")


def table_row(row, what):
    """A row of the page."""
    head = {"scene": row["scene"], "seen": row["column"], "factor": row["factor"], "is": row["kind"]}
    found = {name: row[name][what] for name in REPRESENTATIONS if name in row}
    bits = {name: f"{one['bits']:.2f} ± {one['error']:.2f}" for name, one in found.items()}
    return head | {"H": round(row["entropy"], 2)} | bits


def draw(results, path):
    """Share of each factor's entropy that features tell; shared factors first."""
    linear, neighbours = (in_groups(rows) for rows in results.values())
    figure = Figure(figsize=(3.1 * len(linear), 6), layout="constrained")
    grid = figure.subplots(2, len(linear), sharey="row", squeeze=False)
    for line, groups in zip(grid, (linear, neighbours), strict=True):
        for axes, group in zip(line, groups.values(), strict=True):
            bars(axes, group)
    for axes, (scene, seen) in zip(grid[0], linear, strict=True):
        axes.set_title(f"{scene}: {seen}", fontsize=10)
    grid[0, 0].set_ylabel("bits / H, linear classifier")
    grid[1, 0].set_ylabel("bits / H, nearest neighbours")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    save_for_light_and_dark(figure, path, dpi=130)


def in_groups(rows):
    """Rows of a table by scene and column, shared factors first."""
    groups = {}
    for row in sorted(rows, key=lambda row: row["is"], reverse=True):
        groups.setdefault((row["scene"], row["seen"]), []).append(row)
    return groups


def bars(axes, group):
    colours = ("#b9c6d3", "#7389a1", "tab:orange", "tab:blue")
    for number, (name, colour) in enumerate(zip(REPRESENTATIONS, colours, strict=True)):
        own = [(place, row["H"], row[name].split(" ± ")) for place, row in enumerate(group) if name in row]
        heights, errors = ([float(found[part]) / entropy for _, entropy, found in own] for part in (0, 1))
        places = [place + 0.2 * (number - 1.5) for place, *_ in own]
        clipped = np.maximum(heights, 0)  # below zero: nothing
        axes.bar(places, clipped, 0.19, yerr=errors, color=colour, label=name, error_kw={"elinewidth": 0.8})
    ticks = [f"{row['factor']}\n({row['is']})" for row in group]
    axes.set_xticks(range(len(group)), ticks, fontsize=7)
    axes.axvline(sum(row["is"] == "shared" for row in group) - 0.5, color="black", linewidth=0.6)


if __name__ == "__main__":
    main()
