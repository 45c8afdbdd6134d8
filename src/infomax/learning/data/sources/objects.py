"""Python sequences: of values, of (value, label) pairs, or of mappings."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import Any, final

import numpy as np
from PIL import Image

from infomax.errors import refuse
from infomax.files import load_arrays, reading
from infomax.learning.data.sources.columns import label_column, no_columns, value_column
from infomax.learning.data.sources.files import ARRAY_SUFFIXES, checked, suffix
from infomax.learning.data.sources.request import Request
from infomax.learning.data.sources.source import Item, Source, agreed_classes
from infomax.learning.data.sources.splits import SPLIT_NAMES, canonical_split, in_order


@final
class Objects(Source):
    """Python sequences, one a split. Items are named by their index, or by the ``__key__`` of a mapping.

    Args:
        name: for messages and for the names of items.
        splits: the sequence of each split.
        classes: names of the labels; None to find them in the data.
        column: of mappings, the key of the values; None for the first that looks like an image's.
    """

    label_option = ""

    def __init__(
        self,
        name: str,
        splits: Mapping[str, Any],
        classes: Sequence[str] | None = None,
        column: str | None = None,
    ):
        self.name: str = name
        self._column = column
        self._objects = {canonical_split(split): data for split, data in splits.items()}
        self.splits: tuple[str, ...] = in_order(self._objects)
        self._classes = classes

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Those given, or the sequences' own `.classes`; None where only the labels tell."""
        return self._found_classes

    @cached_property
    def _found_classes(self) -> tuple[str, ...] | None:
        if self._classes is not None:
            return tuple(self._classes)
        own = {split: getattr(data, "classes", None) for split, data in self._objects.items()}
        names = {split: tuple(map(str, one)) for split, one in own.items() if isinstance(one, list | tuple)}
        if names:
            return agreed_classes(self.name, names)
        return None

    def items(self, split: str) -> Iterator[Item]:
        """Yield every object; one that cannot be fetched has the exception as its value."""
        yield from self._items(split, ())

    def labels(self, split: str, columns: Sequence[str] = ()) -> Iterator[tuple[str, Any]]:
        """Yield the name and the label of every object."""
        for column in columns:
            first = self._objects[split][0] if len(self._objects[split]) else {column: None}
            if not isinstance(first, Mapping):
                raise no_columns(self.name, column, f"holds {type(first).__name__} items, not mappings,")
            value_column(self.name, first, chosen=column)
        yield from ((item.name, item.label) for item in self._items(split, columns))

    def _items(self, split: str, columns: Sequence[str]) -> Iterator[Item]:
        data = self._objects[split]
        name = self.name if len(self.splits) == 1 else f"{self.name}/{split}"
        for index in range(len(data)):
            fetched = None
            try:
                fetched = data[index]
                value, label = _value_and_label(fetched, self._column, columns)
            except Exception as error:
                value, label = error, None
            yield Item(_own_name(fetched, value) or f"{name}:{index}", checked(value), label)

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


def _value_and_label(fetched: Any, column: str | None, columns: Sequence[str]) -> tuple[Any, Any]:
    """Split an item: a mapping by its columns, a pair in two; numbers are one value."""
    if isinstance(fetched, Mapping):
        pictures = [name for name, value in fetched.items() if isinstance(value, Image.Image)]
        key = value_column("the item", fetched, typed=pictures, chosen=column)
        usual = label_column(fetched, value=key)
        labels = [fetched[one] for one in columns or ([] if usual is None else [usual])]
        return fetched[key], labels[0] if len(labels) == 1 else labels or None
    if isinstance(fetched, tuple | list) and not isinstance(fetched[0], Real):
        return fetched[0], fetched[1] if len(fetched) > 1 else None
    return fetched, None


def open_objects(request: Request) -> Objects | None:
    """Return a sequence, or a mapping of splits to sequences, as a source; None where it is neither."""
    name = type(request.source).__name__
    source = _rows_of_frame(request.source)
    if request.is_named or not _is_sequence(source):
        return None
    if not isinstance(source, Mapping):
        return Objects(name, {"train": source})
    return Objects(name, source) if source and all(map(_is_sequence, source.values())) else None


def _rows_of_frame(source: Any) -> Any:
    """Return a data frame of pandas or Polars as a list of mappings, a row each; anything else unchanged."""
    if type(source).__name__ != "DataFrame":
        return source
    return source.to_dicts() if hasattr(source, "to_dicts") else source.to_dict("records")


def _is_sequence(data: Any) -> bool:
    return hasattr(data, "__len__") and hasattr(data, "__getitem__")


def open_array_file(request: Request) -> Objects | None:
    """Return the rows of a .npy file, memory-mapped, or of a .npz file; None where the source is neither.

    Of a .npz file, the arrays images, x, data or arr_0 are values, labels or y their labels, each perhaps
    with the name of a split before or behind it: ``train_images``, ``y_test``.

    Raises:
        ValueError: a .npz file without such an array.
    """
    if not request.is_file or suffix(request.path.name) not in ARRAY_SUFFIXES:
        return None
    with reading("data", request.path, "expected a whole .npy or .npz file; copy it again"):
        return _array_file(request)


def _array_file(request: Request) -> Objects:
    if suffix(request.path.name) == ".npy":
        return Objects(request.path.name, {"train": load_arrays(request.path, mapped=True)})
    with load_arrays(request.path) as arrays:
        values, labels = (_by_split(arrays.files, names) for names in (_VALUE_ARRAYS, _LABEL_ARRAYS))
        if not values and len(arrays.files) == 1:
            values = {"train": arrays.files[0]}
        refuse(
            not values,
            f"it holds the arrays {', '.join(arrays.files)}, expected one called "
            f"{', '.join(_VALUE_ARRAYS)}, or train_images, x_test, …; rename it",
        )
        pairs = {s: (arrays[name], arrays[labels[s]] if s in labels else None) for s, name in values.items()}
        source = Objects(request.path.name, {split: _rows(*pair) for split, pair in pairs.items()})
        source.notes = tuple(
            f"array {labels[split]} is not used: it has {len(of)} rows, {values[split]} has {len(images)}"
            for split, (images, of) in pairs.items()
            if of is not None and len(of) != len(images)
        )
        return source


_VALUE_ARRAYS = ("images", "image", "x", "signals", "data", "arr_0")
_LABEL_ARRAYS = ("labels", "label", "y", "targets", "target")


def _by_split(arrays: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Return the array of each split that has one of some names."""
    found: dict[str, str] = {}
    for array in arrays:
        words = array.lower().split("_") if array.lower() not in names else [array.lower()]
        splits = [word for word in words if word in SPLIT_NAMES]
        rest = "_".join(word for word in words if word not in SPLIT_NAMES)
        if rest in names and len(splits) <= 1:
            found.setdefault(canonical_split(splits[0]) if splits else "train", array)
    return found


def _rows(values: np.ndarray, labels: np.ndarray | None) -> Any:
    """Return the values, each with its label where there is one for each."""
    if labels is None or len(labels) != len(values):
        return values
    flat = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    return [*zip(values, flat, strict=True)]
