"""A source: named items in splits, not decoded yet, with one list of classes for all splits."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from infomax.errors import refuse


class Item(NamedTuple):
    """One thing on its way to the decoder.

    Attributes:
        name: its id: a path relative to the folder, ``file.parquet:row``, or what it calls itself.
        value: bytes, a path, a picture, an array, numbers; or the exception that says why there is none.
        label: a name, a number, a list, ... as the source has it, or None.
        split: that it is of, where several are read as one.
    """

    name: str
    value: Any
    label: Any
    split: str | None = None


class Source(ABC):
    """A named collection of items in one or more splits; a label means the same class in every split.

    Attributes:
        name: for messages.
        splits: their names.
        root: the folder that the items lie below; None for other sources.
        metadata: tables of labels in that folder.
        left_out: names of files that are no items, by their kind.
        notes: what was found, for the line that says what was read.
        label_words: where labels stand.
        label_option: how a user names their column.
    """

    name: str
    splits: tuple[str, ...]
    root: Path | None = None
    metadata: tuple[str, ...] = ()
    left_out: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    notes: tuple[str, ...] = ()
    label_words: str = "labels"
    label_option: str = "label"

    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes of all splits, () when unlabelled, None where only the labels tell."""

    @abstractmethod
    def items(self, split: str) -> Iterator[Item]:
        """Yield the items of `split`, always in the same order."""

    @abstractmethod
    def count(self, split: str) -> int | None:
        """Return the number of items in `split`; None where only reading them would tell."""

    @abstractmethod
    def digest(self, split: str) -> str | None:
        """Return a text that changes when an item of `split` does; None where there is no cheap one."""

    @abstractmethod
    def labels(self, split: str, columns: Sequence[str] = ()) -> Iterator[tuple[str, Any]]:
        """Yield the name and the label of each item of `split`, without its value where that is possible.

        Args:
            split: the part.
            columns: that hold labels, several for a list of them; () for the usual ones.

        Raises:
            ValueError: there is no such column.
        """

    @abstractmethod
    def select(self, column: str) -> "Source":
        """Return the same source with its values from the column of that name.

        Raises:
            ValueError: there is no such column, or the source has no columns.
        """


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
