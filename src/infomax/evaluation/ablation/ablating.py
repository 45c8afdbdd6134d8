"""Trains and probes every variant of a recipe with every seed."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from infomax.errors import refuse
from infomax.evaluation.ablation.tables import PROBE_NAMES, Row, as_mapping, as_markdown, draw, rows_of
from infomax.evaluation.ablation.variants import VARIANTS, WHOLE
from infomax.evaluation.embedding import embed
from infomax.evaluation.given import Given
from infomax.evaluation.options import DEFAULT_ABLATION_SEEDS
from infomax.evaluation.probes.linear import linear_probe
from infomax.evaluation.probes.neighbors import nearest_neighbor_probe
from infomax.evaluation.probes.probe import Probe
from infomax.evaluation.results import write_json
from infomax.evaluation.splits import Split, labelled_split, some_of
from infomax.files import read_json, replacing
from infomax.learning.data.reading import refuse_inside
from infomax.learning.data.streaming.stream import Trainable
from infomax.learning.data.targets import counted
from infomax.learning.distributed.groups import objects_of_all, rank, wait_for_all
from infomax.learning.distributed.launching import own_device
from infomax.learning.distributed.lightning import without_notices
from infomax.learning.encoders.saving import PretrainedEncoder, load_encoder
from infomax.learning.training.config import Recipe
from infomax.learning.training.loop import pretrain, resume
from infomax.learning.training.run import Run
from infomax.learning.training.trainer import writes
from infomax.progress import silence, stages

_PROBES: dict[str, Probe] = dict(zip(PROBE_NAMES, (linear_probe, nearest_neighbor_probe), strict=True))


@without_notices()
def ablate(
    recipe: Recipe,
    source: str,
    out: str | Path,
    *,
    variants: Sequence[str] | None = None,
    num_seeds: int = DEFAULT_ABLATION_SEEDS,
    max_labels: int | None = None,
    labels: str | None = None,
    quiet: bool = False,
) -> list[Row]:
    """Train every variant with every seed, probe the features, and write table and picture into `out`.

    Runs are in ``out/variant/seed-k``. Call it again with the same arguments to continue: finished runs are
    not repeated, and an interrupted run goes on. What another recipe or other labelled data gave is refused.
    Where a run has several encoders, the accuracy is the mean of theirs, each probed on the column that it
    sees. Where the recipe asks for several devices, each of its processes calls this and gets the same; the
    first one probes, and writes.

    Args:
        recipe: of AMDIM. Its budget is that of each run; minutes are turned into steps for each variant by
            itself.
        source: labelled data with a training and a test part, as for `evaluate_run`.
        out: folder for the runs, ``ablation.json``, ``ablation.md`` and ``ablation.png``.
        variants: names of some of `VARIANTS`; the whole is always among them. None for all whose part the
            recipe has; the others are named on stderr.
        num_seeds: runs of each.
        max_labels: rows of the training part, and of the test part, that the probes use: the first so many
            in random order.
        labels: where labels come from, as for `load_images`.
        quiet: show no progress.

    Raises:
        ValueError: an unknown variant, or one whose part the recipe does not have; a recipe of another
            method; no seed; data without labels; results of another recipe or of other labelled data.
    """
    _check(recipe, num_seeds)
    first = writes(recipe.train)
    quiet = quiet or not first
    refuse_inside("ablate", out, source)
    names = _names(recipe, variants, quiet)
    with silence(quiet):  # one size and range for all
        recipe = replace(recipe, views=recipe.views.as_read(_load(recipe, source)))
    _tell(recipe, source, max_labels, labels, quiet)
    out = Path(out)
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for seed in range(num_seeds):
        for name in names:
            if not quiet:
                number = seed * len(names) + names.index(name) + 1
                print(f"run {number} of {num_seeds * len(names)}: {name}, seed {seed}", file=sys.stderr)
            changed = VARIANTS[name](replace(recipe, data=source))
            changed = replace(changed, train=replace(changed.train, seed=seed))
            folder = out / name.replace(" ", "-") / f"seed-{seed}"
            with silence(quiet):
                found[name].append(_measured(changed, source, folder, max_labels, labels, quiet))
            if first:
                _write(out, rows_of(found))
    return rows_of(found)


def _names(recipe: Recipe, variants: Sequence[str] | None, quiet: bool) -> list[str]:
    """The variants to train, in the order of the table, the whole among them."""
    if variants is None:
        lacking = [name for name, variant in VARIANTS.items() if not variant.changes(recipe)]
        if lacking and not quiet:
            names = ", ".join(lacking)
            print(f"ablate: {names} left out; the recipe has no such part", file=sys.stderr)
        return [name for name in VARIANTS if name not in lacking]
    for name in variants:
        VARIANTS.find(name, "ablate")(recipe)
    return [name for name in VARIANTS if name in variants or name == WHOLE]


def _check(recipe: Recipe, num_seeds: int) -> None:
    refuse(
        VARIANTS["one scale"].missing(recipe),
        "ablate: the parts are those of AMDIM; expected such a recipe, got one of "
        f"{recipe.method.kind.upper()}",
    )
    refuse(num_seeds < 1, f"ablate: expected at least one seed, got {num_seeds}")


def _splits(recipe: Recipe, source: str, labels: str | None) -> list[Split]:
    """The labelled data of each encoder of a recipe."""
    given = Given(source, labels=labels, skip_broken=recipe.skip_broken)
    return [
        labelled_split(replace(given, column=place.folder.name or recipe.column), place.views)
        for place in recipe.views.encoders
    ]


def _tell(recipe: Recipe, source: str, max_labels: int | None, labels: str | None, quiet: bool) -> None:
    """Say on which images the variants are tested, and what was decided for that."""
    for split in () if quiet else (_few(one, max_labels) for one in _splits(recipe, source, labels)):
        parts = (f"{counted(len(split.test), 'row')} to test on ({split.how})", *split.notes)
        print(f"ablate: {'; '.join(parts)}", file=sys.stderr)


def _measured(
    recipe: Recipe, source: str, folder: Path, max_labels: int | None, labels: str | None, quiet: bool
) -> dict[str, Any]:
    """Train, unless that is done; probe, unless that is done.

    All processes embed, the first one probes, and all get what it finds.
    """
    run, result = Run(folder), folder / "probes.json"
    splits = [_few(split, max_labels) for split in _splits(recipe, source, labels)]  # refused before training
    probed = [[split.train.fingerprint, split.test.fingerprint] for split in splits]
    if run.begun:
        run.check_same(recipe, "ablate")
    if result.exists():
        return _same(result, probed)
    if not run.finished:
        _train(recipe, source, run, quiet)
        wait_for_all()  # until the first process has written the encoders
    encoders = [load_encoder(one.folder).to(own_device()) for one in run.encoders]
    with stages(quiet=quiet) as progress:
        progress.begin("probing")
        accuracies = [_accuracies(*pair) for pair in zip(encoders, splits, strict=True)]
    means = {name: float(np.mean([one[name] for one in accuracies])) for name in _PROBES}
    measured = {"steps": run.read_recipe().train.steps, "accuracies": means, "probed": probed}
    if writes(recipe.train):
        write_json(result, measured)
    return measured


def _same(result: Path, probed: list[list[str]]) -> dict[str, Any]:
    """Return what was measured before, of the same labelled data; earlier versions did not record which."""
    found = read_json(result, "ablate", "remove it to measure again")
    refuse(
        found.get("probed", probed) != probed,
        f"ablate: {result} is of other images, labels or max_labels; remove it to measure again, or choose "
        "another --out",
    )
    return found


def _load(recipe: Recipe, source: str) -> Trainable:
    """Return what the variants learn from; labels are read for the probes alone."""
    return replace(recipe, labels=None).load(source)


def _train(recipe: Recipe, source: str, run: Run, quiet: bool) -> None:
    """Train, or continue a run that was interrupted."""
    begun = run.begun  # asked before the first of several processes begins one
    dataset = _load(recipe, source)
    if begun:
        resume(run.read_recipe(), dataset, run, quiet=quiet)
    else:
        pretrain(recipe, dataset, run.folder, quiet=quiet)


def _accuracies(encoder: PretrainedEncoder, split: Split) -> dict[str, float]:
    train, test = embed(encoder, split.train), embed(encoder, split.test)
    found = {}
    if rank() == 0:
        for name, probe in _PROBES.items():
            found[name] = probe(train, split.train.labels, test, split.test.labels, seed=0).accuracy
    return objects_of_all(found)[0]


def _few(split: Split, max_labels: int | None) -> Split:
    """At most so many rows of both parts, the same in every run."""
    train, test = (some_of(part, max_labels, 0) for part in (split.train, split.test))
    return Split(train, test, split.how, split.decided)


def _write(out: Path, rows: Sequence[Row]) -> None:
    write_json(out / "ablation.json", as_mapping(rows))
    with replacing(out / "ablation.md") as path:
        path.write_text(as_markdown(rows))
    with replacing(out / "ablation.png") as path:
        draw(rows).savefig(path, format="png", dpi=150)
