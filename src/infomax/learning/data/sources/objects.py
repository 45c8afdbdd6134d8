"""Python sequences: of values, of (value, label) pairs, or of mappings."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import Any, final

import numpy as np
from PIL import Image

from infomax.learning.data.sources.columns import label_column, no_columns, value_column
from infomax.learning.data.sources.files import ARRAY_SUFFIX, suffix
from infomax.learning.data.sources.request import Request
from infomax.learning.data.sources.source import Item, Source, agreed_classes
from infomax.learning.data.sources.splits import canonical_split, in_order


@final
class Objects(Source):
    """Python sequences, one a split. Items are named by their index, or by the ``__key__`` of a mapping.

    Args:
        name: for messages and for the names of items.
        splits: the sequence of each split.
        classes: names of the labels; None to find them in the data.
        column: of mappings, the key of the values; None for the first that looks like an image's.
    """

    def __init__(
        self,
        name: str,
        splits: Mapping[str, Any],
        classes: Sequence[str] | None = None,
        column: str | None = None,
    ):
        self.name, self._column = name, column
        self._objects = {canonical_split(split): data for split, data in splits.items()}
        self.splits, self._classes = in_order(self._objects), classes

    @cached_property
    def classes(self) -> tuple[str, ...] | None:
        """Those given, the sequences' own `.classes`, or the labels themselves if they are text."""
        if self._classes is not None:
            return tuple(self._classes)
        own = {split: getattr(data, "classes", None) for split, data in self._objects.items()}
        names = {split: tuple(map(str, one)) for split, one in own.items() if isinstance(one, list | tuple)}
        if names:
            return agreed_classes(self.name, names)
        return self._words()

    def _words(self) -> tuple[str, ...] | None:
        """Return all labels that are text; None if none of the first hundred is."""
        first = (item.label for split in self.splits for item in itertools.islice(self.items(split), 100))
        if not any(isinstance(label, str) for label in first):
            return None
        labels = {item.label for split in self.splits for item in self.items(split)}
        return tuple(sorted(label for label in labels if isinstance(label, str)))

    def items(self, split: str) -> Iterator[Item]:
        """Yield every object; one that cannot be fetched has the exception as its value."""
        data = self._objects[split]
        name = self.name if len(self.splits) == 1 else f"{self.name}/{split}"
        for index in range(len(data)):
            fetched = None
            try:
                fetched = data[index]
                value, label = _value_and_label(fetched, self._column)
            except Exception as error:
                value, label = error, None
            yield Item(_own_name(fetched, value) or f"{name}:{index}", value, label)

    def count(self, split: str) -> int:
        """Return the length of the sequence."""
        return len(self._objects[split])

    def digest(self, split: str) -> None:
        """Return None: only fetching everything would tell."""

    def select(self, column: str) -> Source:
        """Return the same mappings, their values under `column`.

        Raises:
            ValueError: the items are no mappings, or have no such key.
        """
        for data in self._objects.values():
            first = data[0] if len(data) else {column: None}
            if not isinstance(first, Mapping):
                raise no_columns(self.name, column, f"holds {type(first).__name__} items, not mappings,")
            value_column(self.name, first, chosen=column)
        return Objects(self.name, self._objects, self._classes, column)


def _own_name(fetched: Any, value: Any) -> str | None:
    """Return what an item calls itself: its path, or a mapping's ``__key__``, as in WebDataset."""
    if isinstance(value, str | Path):
        return str(value)
    return fetched.get("__key__") if isinstance(fetched, Mapping) else None


def _value_and_label(fetched: Any, column: str | None) -> tuple[Any, Any]:
    """Split an item: a mapping by its columns, a pair in two; numbers are one value."""
    if isinstance(fetched, Mapping):
        pictures = [name for name, value in fetched.items() if isinstance(value, Image.Image)]
        key = value_column("the item", fetched, typed=pictures, chosen=column)
        label = label_column(fetched, value=key)
        return fetched[key], _plain(None if label is None else fetched[label])
    if isinstance(fetched, tuple | list) and not isinstance(fetched[0], Real):
        return fetched[0], _plain(fetched[1] if len(fetched) > 1 else None)
    return fetched, None


def _plain(label: Any) -> Any:
    """Return a label as a plain Python value (of an array or tensor without axes)."""
    return label.item() if hasattr(label, "item") else label


def open_objects(request: Request) -> Objects | None:
    """Return a sequence, or a mapping of splits to sequences, as a source; None where it is neither."""
    source = request.source
    name = type(source).__name__
    if request.is_named or not _is_sequence(source):
        return None
    if not isinstance(source, Mapping):
        return Objects(name, {"train": source})
    return Objects(name, source) if source and all(map(_is_sequence, source.values())) else None


def _is_sequence(data: Any) -> bool:
    return hasattr(data, "__len__") and hasattr(data, "__getitem__")


def open_array_file(request: Request) -> Objects | None:
    """Return the rows of a .npy file, memory-mapped; None where the source is no such file."""
    if not request.is_file or suffix(request.path.name) != ARRAY_SUFFIX:
        return None
    return Objects(request.path.name, {"train": np.load(request.path, mmap_mode="r", allow_pickle=False)})
