"""Labelled datasets for evaluations: one part to fit probes on, another to test on."""

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Int
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from infomax.errors import refuse
from infomax.evaluation.given import Given
from infomax.learning.data.dataset import Dataset
from infomax.learning.data.reading import Reading, listing_beside, together
from infomax.learning.data.sources.splits import ALL
from infomax.learning.data.targets import counted, listed
from infomax.learning.distributed.groups import rank
from infomax.learning.views.kinds import SingleViews

HELD_OUT_SHARE = 0.2
"""Share of a source without a test split that is held out."""
MIN_SHARED = round(1 / HELD_OUT_SHARE)
"""Labels that a class needs for that share of it to be at least one; of rarer ones with two or more, one."""


@dataclass(frozen=True)
class Split:
    """Labelled images or signals to fit probes on, and others to test on.

    Attributes:
        how: where the latter come from.
        decided: what else was decided, in lines for people to read.
    """

    train: Dataset
    test: Dataset
    how: str
    decided: tuple[str, ...] = ()

    @property
    def reading(self) -> Reading | None:
        """Return what was read of the source."""
        first, second = self.train.reading, self.test.reading
        return together(first, second) if first and second else first or second

    def with_labels(self) -> "Split":
        """Return the part that has labels."""
        return replace(self, train=self.train.with_labels(), test=self.test.with_labels())

    @property
    def has_classes(self) -> bool:
        """Return whether both parts have rows with classes, so that a classifier can be fitted and tested."""
        return self.train.labelled and self.test.labelled

    def check_classes(self, operation: str) -> None:
        """Check that the labels are classes.

        Raises:
            ValueError: they are numbers or tags.
        """
        refuse(
            not self.has_classes,
            f"{operation}: needs classes, got {self.train.targets or 'no labels'}; for numbers and tags use "
            "the clean protocol of evaluate",
        )

    @property
    def class_sizes(self) -> dict[str, tuple[int, int]]:
        """Labels of each class in the training part and in the test part, by its name."""
        sizes = [
            np.bincount(part.labels[part.labelled_rows], minlength=len(self.classes))
            for part in (self.train, self.test)
        ]
        return dict(zip(self.classes, zip(*(one.tolist() for one in sizes), strict=True), strict=True))

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, by label."""
        known = max(int(part.labels.max(initial=-1)) for part in (self.train, self.test))
        return (*self.train.classes, *map(str, range(len(self.train.classes), known + 1)))

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what was decided, and what of the tests says little, in lines.

        These are test rows that are training rows, too, and classes that can only be learned or only tested.
        """
        of_classes = _notes(self.class_sizes) if self.has_classes else ()
        return (*self.decided, *_copies(self.train, self.test), *of_classes)


def _copies(train: Dataset, test: Dataset) -> Iterator[str]:
    """Yield a line where test rows have the values of training rows: answers for them can be remembered."""
    if not test.values[:1].size:  # nothing is known of the values
        return
    num, noun = int(np.isin(test.hashes, train.hashes).sum()), test.reading.noun if test.reading else "row"
    if num:
        yield (
            f"{num:,} of {counted(len(test), f'test {noun}')} {'is' if num == 1 else 'are'} in the training "
            "part, too, equal in all values: their answers can be remembered; remove them from one part"
        )


def _notes(sizes: dict[str, tuple[int, int]]) -> list[str]:
    """The classes that are in one part only, and a test part of one class, in lines."""
    single = [name for name, size in sizes.items() if size == (1, 0)]
    untested = [f"{name} ({train:,})" for name, (train, test) in sizes.items() if train > 1 and not test]
    unknown = [f"{name} ({test:,})" for name, (train, test) in sizes.items() if test and not train]
    tested = [name for name, (_, test) in sizes.items() if test]
    said = {
        "classes with 1 label, in the training part only": single,
        "classes without test labels, with training labels": untested,
        "classes without training labels, whose test labels count as errors": unknown,
    }
    notes = [f"{what}: {listed(names)}" for what, names in said.items() if names]
    if len(tested) == 1:
        notes.append(f"all test labels are {tested[0]}: an accuracy on one class says little")
    return notes


def labelled_split(data: Given | Any, views: SingleViews, *, seed: int = 0) -> Split:
    """Return the source's own train and test splits; where there are none, a fifth is held out by class.

    A split named validation takes the place of a test split that is not there or has no labels. By class is:
    a fifth of each class with 5 labels or more; one label of each class with 2 to 4; none of a class with 1
    label, which is in the training part only. Rows whose labels are numbers or tags are held out at random.
    Where the data are given with groups, whole ones are held out, about a fifth of the rows of each class
    together; so no image of a patient is tested on after others of that patient were learned from.

    Args:
        data: a source, or `Given`, whose split is then the part of which a fifth is held out.
        views: how the encoder sees; what is loaded is fitted to it.
        seed: of the fifth.

    Raises:
        ValueError: the source has no labels, or none is left to test on; groups of a source with a test split
            of its own, or a single one.
    """
    given = Given.of(data)
    names = (given.split,) if given.split else given.splits(views)
    return split_by(given, names, partial(given.load, views), seed, partial(_load_groups, given, views))


def split_by(
    given: Given,
    names: Sequence[str],
    load: Callable[[str], Dataset],
    seed: int = 0,
    by_group: Callable[[str], Dataset] | None = None,
) -> Split:
    """Return the splits among these names, or a fifth held out, as `labelled_split` does.

    Args:
        given: the data, for messages, and whether a split was chosen.
        names: of the splits to take, train first.
        load: returns a split by its name.
        seed: of the fifth.
        by_group: returns a split by its name with the groups as classes, where the data are given with some.
    """
    held_out = [name for name in ("test", "validation") if name in names and "train" in names]
    decided = []
    train = load(names[0])
    for name in held_out if not given.split else ():
        test = load(name)
        if _is_known(test) and _is_known(train):
            refuse(
                given.groups,
                f"evaluate: --groups says what is held out together, and {given.name} has a split {name!r}; "
                f"give --split {names[0]} to hold out of it, or leave --groups out",
            )
            unused = [one for one in names[1:] if one not in held_out[: held_out.index(name) + 1]]
            return Split(train, test, f"split '{name}'", (*decided, *_unused(unused)))
        decided.append(f"split '{name}' has no labels and is not used")
    _check_labels(given, train)
    decided += _unused([name for name in names[1:] if name not in held_out])
    part = "all splits" if names[0] == ALL else f"split '{names[0]}'"
    if given.groups and by_group:
        return _hold_out_groups(given, train, by_group(names[0]), part, tuple(decided), seed)
    return _hold_out(given, train, part, tuple(decided), seed)


def _unused(splits: Sequence[str]) -> tuple[str, ...]:
    return (f"splits that are not used: {listed(splits)} (--split takes another)",) if splits else ()


def _is_known(dataset: Dataset) -> bool:
    """Return whether anything is known of a row: its class, a number or a tag."""
    return dataset.labelled or bool(len(_targeted(dataset)))


def _targeted(dataset: Dataset) -> Int[np.ndarray, " n"]:
    """The rows without a class of which a number or a tag is known."""
    known = np.array([], np.int64) if dataset.targets is None else dataset.targets.known_rows
    return known[dataset.labels[known] < 0]


def _check_labels(given: Given, dataset: Dataset) -> None:
    why = "" if dataset.reading is None else f" ({dataset.reading.labels})"
    refuse(
        not _is_known(dataset),
        f"evaluate: {given.source} has no labels{why}; probes need them: class folders, a label column, or a "
        "table (--labels FILE.csv)",
    )


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


def _hold_out(given: Given, dataset: Dataset, part: str, decided: tuple[str, ...], seed: int) -> Split:
    classed, targeted = dataset.labelled_rows, _targeted(dataset)
    test = _of_each_class(classed, dataset.labels[classed], seed)
    how = "by class" if len(classed) else "at random"
    if len(targeted) > 1:
        some = train_test_split(targeted, test_size=HELD_OUT_SHARE, random_state=seed)[1]
        test = np.concatenate([test, some])
    few = f"no class has more than 1 label ({listed(dataset.classes)})" if len(classed) else "1 row is known"
    refuse(
        not len(test),
        f"evaluate: nothing of {given.source} is left to test on: {few}; label more, or say by --labels "
        "what they are",
    )
    train = np.setdiff1d(np.concatenate([classed, targeted]), test)
    rest = len(dataset) - len(train) - len(test)
    decided += (f"left out, because they have no label: {counted(rest, 'row')}",) if rest else ()
    how = f"a fifth of {part}, held out {how}"
    return Split(dataset.subset(train), dataset.subset(np.sort(test)), how, decided)


def _load_groups(given: Given, views: SingleViews, name: str) -> Dataset:
    """Return a split with the groups as classes; an error names the option of groups, not that of labels."""
    by_group = replace(given, labels=f"{given.groups}=classes", groups=None)
    try:
        return by_group.load(views, name)
    except ValueError as error:
        raise ValueError(re.sub(r"^labels: |--labels|labels=", _of_groups, str(error))) from error


def _of_groups(found: re.Match[str]) -> str:
    return found[0].replace("labels", "groups")


def _hold_out_groups(
    given: Given, dataset: Dataset, by_group: Dataset, part: str, decided: tuple[str, ...], seed: int
) -> Split:
    """Hold out whole groups, so that about a fifth of each class is in them."""
    known = np.concatenate([dataset.labelled_rows, _targeted(dataset)])
    rows = np.sort(known[by_group.labels[known] >= 0])
    groups, classes = by_group.labels[rows], dataset.labels[rows]
    num = len(np.unique(groups))
    refuse(
        num < 2,
        f"evaluate: --groups {given.groups} tells {counted(num, 'group')} of the labelled rows "
        f"({by_group.reading and by_group.reading.labels}); expected at least 2, of which some are held out",
    )
    largest = int(np.unique(classes, return_counts=True)[1].max())
    folds = StratifiedGroupKFold(min(MIN_SHARED, num, max(2, largest)), shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        train, test = next(folds.split(rows, classes, groups))
    rest = len(dataset) - len(rows)
    decided += (f"left out, because they have no label or no group: {counted(rest, 'row')}",) if rest else ()
    decided += (
        "intervals take all rows as independent, and are too narrow if rows of a group are alike",
        "probes choose their settings on parts that share groups, which may suit new groups less",
    )
    some = f"{len(np.unique(groups[test]))} of {counted(num, 'group')} by {given.groups}"
    how = f"{some}, {100 * len(test) / len(rows):.0f} % of {part}, held out whole"
    return Split(dataset.subset(rows[train]), dataset.subset(rows[test]), how, decided)


def _of_each_class(
    rows: Int[np.ndarray, " n"], labels: Int[np.ndarray, " n"], seed: int
) -> Int[np.ndarray, " m"]:
    """Rows to hold out: a fifth of each class where that is at least one, one of rarer classes with two."""
    classes, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    frequent, randomness = counts[codes] >= MIN_SHARED, np.random.default_rng(seed)
    shared, strata = rows[frequent], labels[frequent]
    split = partial(train_test_split, test_size=HELD_OUT_SHARE, random_state=seed)
    chosen = [split(shared, stratify=strata)[1]] if len(shared) else []
    rare = classes[(counts > 1) & (counts < MIN_SHARED)]
    chosen += [randomness.choice(rows[labels == one], 1) for one in rare]
    return np.concatenate([np.array([], np.int64), *chosen])
