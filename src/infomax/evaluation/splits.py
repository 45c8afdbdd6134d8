"""Labelled datasets for evaluations: one part to fit probes on, another to test on."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Int
from sklearn.model_selection import train_test_split

from infomax.errors import refuse
from infomax.evaluation.given import Given
from infomax.learning.data.dataset import Dataset
from infomax.learning.data.reading import Reading, listing_beside, together
from infomax.learning.distributed.groups import rank
from infomax.learning.views.kinds import SingleViews

HELD_OUT_SHARE = 0.2
"""Share of a source without a test split that is held out."""


@dataclass(frozen=True)
class Split:
    """Labelled images or signals to fit probes on, and others to test on. how: where the latter come from."""

    train: Dataset
    test: Dataset
    how: str

    @property
    def reading(self) -> Reading | None:
        """Return what was read of the source."""
        first, second = self.train.reading, self.test.reading
        return together(first, second) if first and second else first or second

    def with_labels(self) -> "Split":
        """Return the part that has labels."""
        return replace(self, train=self.train.with_labels(), test=self.test.with_labels())


def labelled_split(data: Given | Any, views: SingleViews, *, seed: int = 0) -> Split:
    """Return the source's own train and test splits; where there are none, a fifth is held out by class.

    A split named validation takes the place of a test split that is not there.

    Args:
        data: a source, or `Given`, whose split is then the part of which a fifth is held out.
        views: how the encoder sees; what is loaded is fitted to it.
        seed: of the fifth.

    Raises:
        ValueError: the source has no labels.
    """
    given = Given.of(data)
    load = partial(given.load, views)
    names = (given.split,) if given.split else given.splits(views)
    held_out = next((name for name in ("test", "validation") if name in names), None)
    if held_out and "train" in names and not given.split:
        parts = Split(load(split="train"), load(split=held_out), f"split '{held_out}'")
    else:
        parts = _hold_out(load(split=names[0]), seed)
    why = "" if parts.train.reading is None else f" ({parts.train.reading.labels})"
    refuse(
        not (parts.train.labelled and parts.test.labelled),
        f"evaluate: {given.source} has no labels{why}; probes need them: class folders, a label column, or a "
        "table (--labels FILE.csv)",
    )
    return parts


def told(reading: Reading | None, out: Any) -> dict[str, Any]:
    """Say what was read, list beside a result what was left out, and return the record; {} if not known.

    The first of several processes speaks.
    """
    if reading is None:
        return {}
    return reading.tell(listing_beside(out)) if rank() == 0 else reading.record


def some_of(dataset: Dataset, at_most: int | None, seed: int | np.random.Generator) -> Dataset:
    """Return at most so many rows of a dataset, drawn at random, in their order; None for all of it."""
    if at_most is None:
        return dataset
    return dataset.subset(np.sort(np.random.default_rng(seed).permutation(len(dataset))[:at_most]))


def _hold_out(dataset: Dataset, seed: int) -> Split:
    if not dataset.labelled:
        return Split(dataset, dataset, "none")
    rows = dataset.labelled_rows
    train, test = train_test_split(
        rows, test_size=HELD_OUT_SHARE, random_state=seed, stratify=_strata(dataset.labels[rows])
    )
    return Split(dataset.subset(np.sort(train)), dataset.subset(np.sort(test)), "a fifth, held out by class")


def _strata(labels: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"] | None:
    """The labels, unless a class is too rare to be split."""
    return labels if np.unique(labels, return_counts=True)[1].min() >= 2 else None
