"""A source: named items in splits, not decoded yet, with one list of classes for all splits."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from infomax.errors import refuse


class Item(NamedTuple):
    """One thing on its way to the decoder.

    Attributes:
        name: its id: a path relative to the folder, ``file.parquet:row``, or what it calls itself.
        value: bytes, a path, a picture, an array, numbers; or the exception that says why there is none.
        label: an integer, a name, or None.
    """

    name: str
    value: Any
    label: Any


class Source(ABC):
    """A named collection of items in one or more splits; a label means the same class in every split."""

    name: str
    splits: tuple[str, ...]

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes of all splits, () when unlabelled, None when labels are bare integers."""

    @abstractmethod
    def items(self, split: str) -> Iterator[Item]:
        """Yield the items of `split`, always in the same order."""

    @abstractmethod
    def count(self, split: str) -> int | None:
        """Return the number of items in `split`; None where only reading them would tell."""

    @abstractmethod
    def digest(self, split: str) -> str | None:
        """Return a hash of everything the items of `split` depend on; None where there is no cheap one."""

    @abstractmethod
    def select(self, column: str) -> "Source":
        """Return the same source with its values from the column of that name.

        Raises:
            ValueError: there is no such column, or the source has no columns.
        """


def label_index(item: Item, classes: tuple[str, ...] | None) -> int:
    """Return the number of an item's class: a name's place in `classes`, an integer itself, −1 for none.

    Raises:
        ValueError: the label is none of these.

    Example:
        >>> [label_index(Item("a", None, label), ("cat", "dog")) for label in ("dog", None, 0)]
        [1, -1, 0]
    """
    label = item.label
    if label is None or (isinstance(label, float) and np.isnan(label)):
        return -1
    if isinstance(label, str) and classes and label in classes:
        return classes.index(label)
    limit = np.inf if classes is None else len(classes)
    if not isinstance(label, str) and label == int(label) and -1 <= label < limit:
        return int(label)
    expected = (
        "an integer >= 0" if classes is None else f"a name or number of {len(classes)} classes {classes}"
    )
    raise ValueError(
        f"data: {item.name} has the label {label!r}, expected {expected} (-1 or null: no label); "
        "correct or remove the label"
    )


def agreed_classes(source: str, classes: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the class names that all splits have in common.

    Args:
        source: its name, for the message.
        classes: the names of each split.

    Raises:
        ValueError: the names or their order differ.
    """
    listing = "; ".join(f"{split}: {', '.join(names[:10])}" for split, names in classes.items())
    refuse(
        len(set(classes.values())) > 1,
        f"data: the splits of {source} name their classes differently ({listing}), expected the same names "
        "in the same order; write them again with one list of names, or as strings",
    )
    return next(iter(classes.values()))
