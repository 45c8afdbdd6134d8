"""The clean protocol: the same probes of an encoder's features, of a random encoder's and of raw data.

Classes are probed by classifiers, with all labels and with few of each class; numbers by regression, tags one
against the rest. A dataset that has classes and targets gets both.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
from jaxtyping import Float
from rich.console import Console
from rich.progress import Progress

from infomax.errors import refuse
from infomax.evaluation.options import DEFAULT_CLEAN, CleanOptions
from infomax.evaluation.probes import NamedProbe
from infomax.evaluation.probes.few_labels import few_labels, names_of, not_drawable, too_rare
from infomax.evaluation.probes.probe import MAX_CONFUSED, Probe, ProbeResult
from infomax.evaluation.probes.stored import StoredRows
from infomax.evaluation.probes.targets import TARGET_PROBES
from infomax.evaluation.probes.targets.several import mean_result, probeable
from infomax.evaluation.probes.targets.target import TargetResult
from infomax.evaluation.representations import Representation, representations
from infomax.evaluation.results import Assessment
from infomax.evaluation.splits import Split
from infomax.learning.data.targets import listed
from infomax.learning.distributed.groups import num_ranks, objects_of_all, rank
from infomax.learning.encoders.saving import PretrainedEncoder

Features = Float[np.ndarray, "n d"] | StoredRows
TestFeatures = Float[np.ndarray, "m d"] | StoredRows
Embedded = tuple[str, Float[np.ndarray, "n d"], Float[np.ndarray, "m d"]]
"""Name of a representation, and its rows of the training and of the test set."""


@dataclass(frozen=True)
class Task:
    """A task that is done with each representation: one probe of the classes, or of one number or tag.

    Attributes:
        name: for those who wait.
        results: features of the training and of the test set to results, by the number of labels.
    """

    name: str
    results: Callable[[Features, TestFeatures], Mapping[str, ProbeResult | TargetResult]]


def evaluate_clean(
    encoder: PretrainedEncoder, split: Split, options: CleanOptions = DEFAULT_CLEAN, *, name: str = "AMDIM"
) -> Assessment:
    """Return the accuracy of every probe on every representation, with all labels and with few.

    The representations are the encoder's, called `name`, that of a random encoder of the same shape, and the
    raw data. Rare classes do not stop it: few labels are drawn from the classes that have
    enough, and notes name the others. Numbers and tags of the data are probed one at a time. Progress goes to
    stderr. Several processes (`num_ranks`) share the dataset to embed, and then the probes; each holds all
    features and returns the same.

    Raises:
        ValueError: nothing can be probed.
    """
    tasks, notes = tasks_of(split, options)
    refuse(not (tasks or split.has_classes), f"evaluate: nothing can be probed; {'; '.join(notes)}")
    compared = representations(encoder, name, options.seed, split.train)
    found, test_features = {}, None
    with Progress(console=Console(stderr=True, quiet=rank() > 0), transient=True) as progress:
        shown = progress.add_task("", total=len(compared) * len(tasks))
        say = partial(progress.update, shown)
        embedded: Iterable[Embedded] = _embedded(compared, split, say)
        if num_ranks() > 1:
            embedded = [*embedded]  # before any probe, so that no process waits for the probes of another
        for number, (one, train, test) in enumerate(embedded):
            test_features = test if test_features is None else test_features
            for place, task in enumerate(tasks):
                say(description=f"{task.name}: {one}")
                if (number + place) % num_ranks() == rank():
                    found[number, place] = task.results(train, test)
                progress.advance(shown)
    assert test_features is not None
    everything = {place: results for of_rank in objects_of_all(found) for place, results in of_rank.items()}
    results = [
        ([*compared][number], labels, one)
        for (number, _), some in sorted(everything.items())
        for labels, one in some.items()
    ]
    return Assessment(rows_of(results), test_features, targets=_targets(results), notes=notes)


def tasks_of(split: Split, options: CleanOptions) -> tuple[list[Task], list[str]]:
    """Return what is done with each representation, and lines on what is left out."""
    tasks, notes = [], [*split.notes]
    if split.has_classes:
        per_class, said = _few_labels(split, options.labels_per_class)
        tasks += [
            Task(f"{key} probe", partial(_of_classes, probe, split, per_class, options.seed))
            for key, probe in options.chosen_probes.items()
        ]
        notes += said
    some, said = _of_targets(split, options)
    return [*tasks, *some], [*notes, *said]


def _few_labels(split: Split, labels_per_class: int | None) -> tuple[int | None, list[str]]:
    """How many labels of each class are drawn, None where that cannot be; and what is left out."""
    notes = []
    if len(split.classes) > MAX_CONFUSED:
        notes.append(
            f"{len(split.classes):,} classes: confusion matrices are kept for at most {MAX_CONFUSED}"
        )
    if labels_per_class is None:
        return None, notes
    train, test = (part.labels[part.labelled_rows] for part in (split.train, split.test))
    why = not_drawable(train, test, labels_per_class, split.classes)
    if why:
        return None, [*notes, f"no rows of few labels: {why} (--labels-per-class)"]
    rare = names_of(too_rare(train, labels_per_class), split.classes)
    if rare:
        few = f"fewer than {labels_per_class} labels"
        notes.append(f"classes with {few}, left out of the rows of few labels: {listed(rare)}")
    return labels_per_class, notes


def _of_targets(split: Split, options: CleanOptions) -> tuple[list[Task], list[str]]:
    """The probes of each number or tag, and which are left out."""
    train, test = split.train.targets, split.test.targets
    if train is None or test is None:
        return [], []
    columns, notes = probeable(train.kind, train.names, train.values, test.values)
    probes = TARGET_PROBES[train.kind]
    chosen = {key: probe for key, probe in probes.items() if key in options.chosen_probes} or probes
    if chosen.keys().isdisjoint(options.chosen_probes):
        given, taken = ", ".join(options.chosen_probes), ", ".join(probes)
        notes = [*notes, f"{given}: no probe of {train.kind}s is called so; {taken} are fitted"]
    return [
        Task(f"{key} probe of {train.names[column]}", partial(_of_target, probe, split, column, options.seed))
        for column in columns
        for key, probe in chosen.items()
    ], notes


def _embedded(
    compared: Mapping[str, Representation], split: Split, say: Callable[..., None]
) -> Iterator[Embedded]:
    for name, represent in compared.items():
        say(description=f"embedding: {name}")
        yield name, represent(split.train), represent(split.test)


def _of_classes(
    probe: Probe, split: Split, labels_per_class: int | None, seed: int, train: Features, test: TestFeatures
) -> dict[str, ProbeResult]:
    """Return what a probe finds with all labels, and with few."""
    rows = (train, split.train.labels, test, split.test.labels)
    results = {"all": probe(*rows, seed=seed)}
    if labels_per_class is not None:
        few = probe.for_draws if isinstance(probe, NamedProbe) else probe
        results[f"{labels_per_class} per class"] = few_labels(
            few, *rows, labels_per_class=labels_per_class, seed=seed, classes=split.classes
        )
    return results


def _of_target(
    probe: Callable[..., TargetResult],
    split: Split,
    column: int,
    seed: int,
    train: Features,
    test: TestFeatures,
) -> dict[str, TargetResult]:
    """Return what a probe finds of one number or tag."""
    first, second = split.train.targets, split.test.targets
    assert first is not None and second is not None
    rows = (train, first.values[:, column], test, second.values[:, column])
    return {"all": probe(*rows, seed=seed, target=first.names[column])}


Found = Sequence[tuple[str, str, ProbeResult | TargetResult]]
"""Results with their representation and number of labels."""


def rows_of(found: Found) -> list[dict[str, Any]]:
    """Return results for classes as rows."""
    return [
        {"representation": representation, "labels": labels, **asdict(one)}
        for representation, labels, one in found
        if not isinstance(one, TargetResult)
    ]


def _targets(found: Found) -> list[dict[str, Any]]:
    """Results for numbers and tags as rows: each representation's, and the means of its probes."""
    results = [(name, one) for name, _, one in found if isinstance(one, TargetResult)]
    rows = []
    for name, some in groupby(results, key=lambda one: one[0]):
        of_name = [one for _, one in some]
        for probe in dict.fromkeys(one.probe for one in of_name):
            of_probe = [one for one in of_name if one.probe == probe]
            of_probe += [mean_result(of_probe)] if len(of_probe) > 1 else []
            rows += [{"representation": name, **asdict(one)} for one in of_probe]
    return rows
