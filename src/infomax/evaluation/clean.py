"""The clean protocol: the same probes of an encoder's features, of a random encoder's and of raw data."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float
from rich.console import Console
from rich.progress import Progress

from infomax.evaluation.options import DEFAULT_CLEAN, CleanOptions
from infomax.evaluation.probes import NamedProbe
from infomax.evaluation.probes.few_labels import few_labels
from infomax.evaluation.probes.probe import Probe
from infomax.evaluation.representations import Representation, representations
from infomax.evaluation.results import Assessment
from infomax.evaluation.splits import Split
from infomax.learning.distributed.groups import num_ranks, objects_of_all, rank
from infomax.learning.encoders.saving import PretrainedEncoder

Embedded = tuple[str, Float[np.ndarray, "n d"], Float[np.ndarray, "m d"]]
"""Name of a representation, and its rows of the training and of the test set."""


def evaluate_clean(
    encoder: PretrainedEncoder, split: Split, options: CleanOptions = DEFAULT_CLEAN, *, name: str = "AMDIM"
) -> Assessment:
    """Return the accuracy of every probe on every representation, with all labels and with few.

    The representations are the encoder's global feature, called `name`, that of a random encoder of the same
    shape, and the raw data. Progress goes to stderr. Several processes (`num_ranks`) share the dataset to
    embed, and then the probes; each holds all features and returns the same.
    """
    compared, probes = representations(encoder, name, options.seed), options.chosen_probes
    found, test_features = {}, None
    with Progress(console=Console(stderr=True, quiet=rank() > 0), transient=True) as progress:
        task = progress.add_task("", total=len(compared) * len(probes))
        say = partial(progress.update, task)
        embedded: Iterable[Embedded] = _embedded(compared, split, say)
        if num_ranks() > 1:
            embedded = [*embedded]  # before any probe, so that no process waits for the probes of another
        for number, (one, train, test) in enumerate(embedded):
            test_features = test if test_features is None else test_features
            rows = (train, split.train.labels, test, split.test.labels)
            for place, (key, probe) in enumerate(probes.items()):
                say(description=f"{key} probe: {one}")
                if (number + place) % num_ranks() == rank():
                    found[number, place] = _accuracies(one, probe, rows, options)
                progress.advance(task)
    assert test_features is not None
    everything = {place: rows for of_rank in objects_of_all(found) for place, rows in of_rank.items()}
    return Assessment([row for place in sorted(everything) for row in everything[place]], test_features)


def _embedded(
    compared: Mapping[str, Representation], split: Split, say: Callable[..., None]
) -> Iterator[Embedded]:
    for name, represent in compared.items():
        say(description=f"embedding: {name}")
        yield name, represent(split.train), represent(split.test)


def _accuracies(representation: str, probe: Probe, rows: Any, options: CleanOptions) -> list[dict[str, Any]]:
    """Rows of one probe of one representation."""
    results = {"all": probe(*rows, seed=options.seed)}
    if options.labels_per_class is not None:
        few = probe.for_draws if isinstance(probe, NamedProbe) else probe
        results[f"{options.labels_per_class} per class"] = few_labels(
            few, *rows, labels_per_class=options.labels_per_class, seed=options.seed
        )
    return [{"representation": representation, "labels": k, **asdict(r)} for k, r in results.items()]
