"""What each part of AMDIM is worth: the same training without it, over several seeds.

Bachman et al. (2019) add three things to Deep InfoMax: prediction across augmented views, at several scales,
by a stronger encoder. Two more keep the scores in check, a clip and a penalty, and the two views share the
coin of the flip. Each is left out in turn, all else being equal, the budget included.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from infomax.evaluation.clean import Split, labelled_split
from infomax.evaluation.embedding import embed
from infomax.evaluation.probes.neighbors import nearest_neighbor_probe
from infomax.evaluation.probes.probe import linear_probe
from infomax.files import replacing
from infomax.learning.encoders.saving import load_encoder
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.training.loop import Recipe, pretrain, resume
from infomax.learning.training.run import Run
from infomax.learning.views.contexts import load_contexts
from infomax.learning.views.images import ViewsConfig

WHOLE = "whole"
PROBES = {"linear": linear_probe, "neighbours": nearest_neighbor_probe}


def without_augmentation(recipe: Recipe) -> Recipe:
    """Both views are the image itself: within one view, as Deep InfoMax predicts."""
    plain = replace(
        _views(recipe),
        stored_size=_views(recipe).image_size,
        crop_scale=None,
        translate=0,
        flip=0.0,
        policy="none",
        jitter=(0.0, 0.0, 0.0, 0.0),
        grayscale=0.0,
        evaluation_crop=1.0,
    )
    return replace(recipe, views=plain)


def with_one_scale(recipe: Recipe) -> Recipe:
    """Only the prediction from the global feature to the finest map is left."""
    finest = max((scale for scale in _method(recipe).scales if scale[0] == 1), key=lambda scale: scale[1])
    return replace(recipe, method=replace(_method(recipe), scales=(finest,)))


def with_weaker_encoder(recipe: Recipe) -> Recipe:
    """Half the width, and blocks of one residual unit."""
    encoder = _method(recipe).encoder
    weaker = replace(encoder, width=max(1, encoder.width // 2), depth=1)
    return replace(recipe, method=replace(_method(recipe), encoder=weaker))


def without_clip(recipe: Recipe) -> Recipe:
    """Scores as they are."""
    return replace(recipe, method=replace(_method(recipe), clip=None))


def without_penalty(recipe: Recipe) -> Recipe:
    """Scores may grow, up to the clip."""
    return replace(recipe, method=replace(_method(recipe), penalty_weight=0.0))


def with_own_flips(recipe: Recipe) -> Recipe:
    """Each view tosses its own coin for the horizontal flip."""
    return replace(recipe, views=replace(_views(recipe), shared_flip=False))


VARIANTS: Mapping[str, Callable[[Recipe], Recipe]] = {
    WHOLE: lambda recipe: recipe,
    "no augmentation": without_augmentation,
    "one scale": with_one_scale,
    "weaker encoder": with_weaker_encoder,
    "no clip": without_clip,
    "no penalty": without_penalty,
    "own flips": with_own_flips,
}


@dataclass(frozen=True)
class Row:
    """One variant: accuracies by probe, one a seed; costs: what is lost beside the whole, seed by seed."""

    variant: str
    steps: Sequence[int]
    accuracies: Mapping[str, Sequence[float]]
    costs: Mapping[str, Sequence[float]]

    def verdict(self, probe: str) -> str:
        """Whether the part is worth something: by two standard errors of the mean cost."""
        if self.variant == WHOLE or len(self.costs[probe]) < 2:
            return ""
        mean, error = mean_and_error(self.costs[probe])
        if abs(mean) <= 2 * error:
            return "cannot be told"
        return "helps" if mean > 0 else "harms"


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Mean, and its standard error over seeds; NaN for a single seed, which has none.

    >>> mean_and_error([0.5, 0.7])
    (0.6, 0.1)
    """
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return float(np.mean(values).round(12)), float(np.round(error, 12))


def ablate(
    recipe: Recipe,
    source: str,
    out: str | Path,
    *,
    variants: Sequence[str] = tuple(VARIANTS),
    num_seeds: int = 3,
    max_labels: int | None = None,
    quiet: bool = False,
) -> list[Row]:
    """Train every variant with every seed, probe the features, and write table and picture into `out`.

    Runs lie in ``out/variant/seed-k``. What is there already is not done again, and an interrupted run goes
    on: call it again with the same arguments.

    Args:
        recipe: of AMDIM, on augmented views. Its budget is that of each run; minutes are turned into steps
            for each variant by itself.
        source: labelled images with a training and a test part, as for `evaluate`.
        out: folder for the runs, ``ablation.json``, ``ablation.md`` and ``ablation.png``.
        variants: some of `VARIANTS`; the whole is always among them.
        num_seeds: runs of each.
        max_labels: training images, and test images, of the probes: the first so many in random order.

    Raises:
        ValueError: an unknown variant; a recipe of another method, other views or many devices; no seed.
    """
    _check(recipe, variants, num_seeds)
    out = Path(out)
    if recipe.train.num_processes > 1:
        raise ValueError(
            f"ablate: trains on one device, got {recipe.train.devices} devices on {recipe.train.num_nodes} "
            "nodes; set both to 1"
        )
    names = [name for name in VARIANTS if name in variants or name == WHOLE]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for seed in range(num_seeds):
        for name in names:
            changed = VARIANTS[name](replace(recipe, data=source))
            changed = replace(changed, train=replace(changed.train, seed=seed))
            found[name].append(
                _measured(changed, source, out / name.replace(" ", "-") / f"seed-{seed}", max_labels, quiet)
            )
            _write(out, rows_of(found))
    return rows_of(found)


def rows_of(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Row]:
    """What was measured of each variant, seed by seed, as rows."""
    whole = found[WHOLE]
    return [
        Row(
            name,
            [run["steps"] for run in runs],
            {probe: [run["accuracies"][probe] for run in runs] for probe in PROBES},
            {
                probe: [
                    with_it["accuracies"][probe] - without["accuracies"][probe]
                    for with_it, without in zip(whole, runs, strict=False)
                ]
                for probe in PROBES
            },
        )
        for name, runs in found.items()
        if runs
    ]


def as_mapping(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows for JSON."""
    return [
        {
            "variant": row.variant,
            "steps": list(row.steps),
            **{probe: list(accuracies) for probe, accuracies in row.accuracies.items()},
            **{f"{probe} verdict": row.verdict(probe) for probe in PROBES if row.verdict(probe)},
        }
        for row in rows
    ]


def as_markdown(rows: Sequence[Row]) -> str:
    """A table of accuracies, what leaving the part out costs, and verdicts."""
    heads = [head for probe in PROBES for head in (probe, f"cost, {probe}")]
    lines = [
        f"| variant | steps | {' | '.join(heads)} | the part |",
        "|---|--:|" + "--:|" * len(heads) + "---|",
    ]
    for row in rows:
        cells = [f"{np.mean(row.steps):,.0f}"]
        for probe in PROBES:
            cells.append(_plus_minus(row.accuracies[probe]))
            cells.append("" if row.variant == WHOLE else _plus_minus(row.costs[probe], sign="+"))
        lines.append(f"| {row.variant} | {' | '.join(cells)} | {row.verdict('linear')} |")
    return "\n".join(lines) + "\n"


def draw(rows: Sequence[Row]) -> Figure:
    """Accuracies of each variant, one dot a seed, and their means."""
    figure = Figure(figsize=(7, 0.55 * len(rows) + 1.1), layout="constrained")
    axes = figure.subplots()
    for place, (probe, colour) in enumerate(zip(PROBES, ("#3a7ebf", "#d17a22"), strict=True)):
        for at, row in enumerate(rows):
            y = at + 0.2 * (place - 0.5)
            values = row.accuracies[probe]
            axes.plot(values, [y] * len(values), ".", color=colour, alpha=0.6)
            axes.plot(
                [np.mean(values)], [y], "|", color=colour, ms=14, mew=2, label=probe if at == 0 else None
            )
    axes.set_yticks(range(len(rows)), [row.variant for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("accuracy on the test images; a dot a seed, a bar the mean")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="best")
    return figure


def _measured(
    recipe: Recipe, source: str, folder: Path, max_labels: int | None, quiet: bool
) -> dict[str, Any]:
    """Train, unless that is done; probe, unless that is done."""
    run, result = Run(folder), folder / "probes.json"
    if result.exists():
        return json.loads(result.read_text())
    if not run.finished:
        views = recipe.views
        images = load_contexts(views, source, split=recipe.split, column=recipe.column)
        if run.checkpoint.exists():
            resume(_of_run(recipe, run), images, run, quiet=quiet)
        else:
            pretrain(recipe, images, folder, quiet=quiet)
    encoder = load_encoder(folder)
    split = labelled_split(source, encoder.views, column=recipe.column)
    steps = run.read_recipe()["train"]["steps"]
    measured = {"steps": steps, "accuracies": _accuracies(encoder, _few(split, max_labels))}
    with replacing(result) as path:
        path.write_text(json.dumps(measured, indent=2) + "\n")
    return measured


def _of_run(recipe: Recipe, run: Run) -> Recipe:
    """The recipe with the steps and the precision that the run began with."""
    began = run.read_recipe()["train"]
    train = replace(recipe.train, steps=began["steps"], precision=began["precision"])
    return replace(recipe, train=train)


def _accuracies(encoder: Any, split: Split) -> dict[str, float]:
    train, test = embed(encoder, split.train), embed(encoder, split.test)
    return {
        name: probe(train, split.train.labels, test, split.test.labels, seed=0).accuracy
        for name, probe in PROBES.items()
    }


def _few(split: Split, max_labels: int | None) -> Split:
    """At most so many images of both parts, drawn once and for all."""
    if max_labels is None:
        return split
    train, test = (
        part.subset(np.sort(np.random.default_rng(0).permutation(len(part))[:max_labels]))
        for part in (split.train, split.test)
    )
    return Split(train, test, split.how)


def _plus_minus(values: Sequence[float], sign: str = "") -> str:
    mean, error = mean_and_error(values)
    return f"{mean:{sign}.3f}" + ("" if np.isnan(error) else f" ± {error:.3f}")


def _write(out: Path, rows: Sequence[Row]) -> None:
    for name, text in (("json", json.dumps(as_mapping(rows), indent=2) + "\n"), ("md", as_markdown(rows))):
        with replacing(out / f"ablation.{name}") as path:
            path.write_text(text)
    with replacing(out / "ablation.png") as path:
        draw(rows).savefig(path, format="png", dpi=150)


def _check(recipe: Recipe, variants: Sequence[str], num_seeds: int) -> None:
    unknown = sorted(set(variants) - VARIANTS.keys())
    if unknown:
        raise ValueError(f"ablate: no variant {', '.join(unknown)}; there are {', '.join(VARIANTS)}")
    if not isinstance(recipe.method, AMDIMConfig) or not isinstance(recipe.views, ViewsConfig):
        raise ValueError("ablate: the parts are those of AMDIM on augmented views; expected such a recipe")
    if num_seeds < 1:
        raise ValueError(f"ablate: expected at least one seed, got {num_seeds}")


def _method(recipe: Recipe) -> AMDIMConfig:
    assert isinstance(recipe.method, AMDIMConfig)
    return recipe.method


def _views(recipe: Recipe) -> ViewsConfig:
    assert isinstance(recipe.views, ViewsConfig)
    return recipe.views
