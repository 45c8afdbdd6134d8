"""A shard: a file of rows that is read from front to back. Two kinds: archives, and tables of Parquet."""

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import pyarrow as pa
import xxhash

from infomax.errors import MissingExtra, in_one_line
from infomax.files import Unreadable
from infomax.learning.data.labels.texts import label_text
from infomax.learning.data.sources.archives import archive_samples, labels_in, seen_in, usual_label
from infomax.learning.data.sources.columns import (
    UnknownColumn,
    label_column,
    of_images,
    seen_of_several,
    value_column,
)
from infomax.learning.data.sources.files import checked, suffix, unpacked, within
from infomax.learning.data.streaming.addresses import Place, opened

ROWS_AT_ONCE = 64
"""Rows of a table that are read together."""


class Facts(NamedTuple):
    """Facts about a shard that are found without decoding it.

    Attributes:
        num_rows: rows that have a value.
        digest: a hash of what the shard says of itself: of an archive names, sizes and labels, of a table its
            last block, with the statistics of every column.
        labels: of its rows, as JSON.
    """

    num_rows: int
    digest: str
    labels: pa.Array


class Columns(NamedTuple):
    """The columns that matter in shards.

    Attributes:
        label: name of the usual column of the labels; None where there is none.
        classes: names of its labels; () without labels, None where only the labels tell.
        has_keys: the rows have names of their own.
        notes: which column is seen, where several hold images and none was chosen.
    """

    label: str | None
    classes: tuple[str, ...] | None
    has_keys: bool = False
    notes: tuple[str, ...] = ()


class Shard(ABC):
    """A file of rows; the values of some of them can be read in sequence.

    Args:
        place: the file.
        column: of the values; None for that of the image.
        root: folder that paths in a table must lie below; None where there is none.
    """

    def __init__(self, place: Place, column: str | None, root: Path | None = None):
        self.place: Place = place
        self.column: str | None = column
        self.root: Path | None = root

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.place.name

    @property
    @abstractmethod
    def columns(self) -> Columns:
        """The columns that matter."""

    @abstractmethod
    def facts(self) -> Facts:
        """Return what can be found without decoding.

        Raises:
            UnknownColumn: the shard has no such column.
        """

    @abstractmethod
    def rows(self, first: int = 0, stop: int | None = None) -> Iterator[tuple[str, Any]]:
        """Yield the key and the value of each row from `first` to before `stop`.

        A value is what its decoder takes, or the exception that says why there is none.
        """

    @abstractmethod
    def labels(self, columns: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """Yield the key and the label of each row; of several columns, with the list of their values.

        Raises:
            UnknownColumn: there is no such column.
        """


@final
class Archive(Shard):
    """A WebDataset archive (.tar)."""

    @property
    def columns(self) -> Columns:
        """The field ``cls``, or a key of the samples' JSON, whose names nobody knows before."""
        with opened(self.place) as file:
            return Columns("label", None, notes=seen_in(file, self.name, self.column))

    def facts(self) -> Facts:
        """Return the number of samples, and a hash of their names, sizes and labels."""
        hasher, texts = xxhash.xxh3_128(), []
        with opened(self.place) as file:
            for key, field, fields in archive_samples(file, self.name, self.column):
                texts.append(label_text(usual_label(fields)))
                about = f"{key}\0{fields.size(field)}\0{texts[-1]}\0"
                hasher.update(about.encode(errors="surrogateescape"))
        return Facts(len(texts), hasher.hexdigest(), pa.array(texts, pa.string()))

    def rows(self, first: int = 0, stop: int | None = None) -> Iterator[tuple[str, Any]]:
        """Yield the samples; those before are passed over without reading their values."""
        with opened(self.place) as file:
            found = archive_samples(file, self.name, self.column)
            for key, field, fields in islice(found, first, stop):
                yield key, _value(partial(fields.__getitem__, field))

    def labels(self, columns: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """Yield keys and labels; values are not read."""
        with opened(self.place) as file:
            yield from labels_in(file, self.name, self.column, columns)


@final
class Table(Shard):
    """A Parquet file."""

    @cached_property
    def _schema(self) -> pa.Schema:
        from pyarrow import parquet

        with opened(self.place) as file:
            return parquet.read_schema(file)

    @cached_property
    def _features(self) -> Mapping[str, Any]:
        """The types of the columns, as the library `datasets` describes them."""
        from datasets import Features

        return Features.from_arrow_schema(self._schema)

    @cached_property
    def _value_column(self) -> str:
        from datasets import Image

        typed = [name for name, kind in self._features.items() if isinstance(kind, Image)]
        return value_column(self.name, self._features, typed=typed, chosen=self.column)

    @property
    def columns(self) -> Columns:
        """The usual column of the labels, and the names of its classes by its type."""
        return self._found_columns

    @cached_property
    def _found_columns(self) -> Columns:
        from datasets import ClassLabel

        features = self._features
        typed = [name for name, kind in features.items() if isinstance(kind, ClassLabel)]
        label = label_column(features, typed=typed, value=self._value_column)
        names = tuple(features[label].names) if label in typed else () if label is None else None
        notes = seen_of_several(self._value_column, of_images(features), self.column)
        return Columns(label, names, "__key__" in features, notes)

    def facts(self) -> Facts:
        """Return the number of rows, and a hash of the last block of the file; only labels are read."""
        from pyarrow import parquet

        with opened(self.place) as file:
            about = parquet.read_metadata(file)
            file.seek(-8 - about.serialized_size, io.SEEK_END)
            digest = xxhash.xxh3_128_hexdigest(file.read())
        texts = (label_text(label) for _, label in self.labels(()))
        return Facts(about.num_rows, digest, pa.array(texts, pa.string()))

    def rows(self, first: int = 0, stop: int | None = None) -> Iterator[tuple[str, Any]]:
        """Yield the rows; row groups before are passed over."""
        folder = Path(self.place.address).parent if self.place.is_here else None
        for key, (value,) in self._read([self._value_column], first, stop):
            yield key, _value(partial(within, value, folder, self.root))

    def labels(self, columns: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """Yield keys and labels; values are not read."""
        usual = self.columns.label
        wanted = [*columns] or ([usual] if usual else [])
        for column in wanted:
            if column not in self._features:
                raise UnknownColumn(self.name, column, self._features)
        for key, found in self._read(wanted):
            yield key, found[0] if len(found) == 1 else found or None

    def _read(
        self, wanted: list[str], first: int = 0, stop: int | None = None
    ) -> Iterator[tuple[str, list[Any]]]:
        """Yield the key of each row, and its values in some columns."""
        from pyarrow import parquet

        keys = ["__key__"] if self.columns.has_keys else []
        with opened(self.place) as file:
            table = parquet.ParquetFile(file)
            groups, number = _groups(table.metadata, first)
            batches = table.iter_batches(ROWS_AT_ONCE, row_groups=groups, columns=[*wanted, *keys])
            for batch in batches:
                found = [batch[name].to_pylist() for name in [*wanted, *keys]]
                for place in range(batch.num_rows):
                    if stop is not None and number >= stop:
                        return
                    row = [column[place] for column in found]
                    if number >= first:
                        yield str(row.pop() if keys else number), row
                    number += 1


def _groups(about: Any, first: int) -> tuple[list[int], int]:
    """Return the row groups from that of a row on, and the number of their first row."""
    begins = np.cumsum([0, *(about.row_group(one).num_rows for one in range(about.num_row_groups))])
    start = int(np.searchsorted(begins[1:], first, side="right"))
    return [*range(start, about.num_row_groups)], int(begins[start])


def _value(read: Callable[[], Any]) -> Any:
    """Return a value to decode, or why there is none."""
    try:
        return unpacked(checked(read()))
    except Exception as error:  # readers of damaged arrays raise nearly anything; it is reported by name
        return error


def shard_at(place: Place, column: str | None, root: Path | None) -> Shard:
    """Return the shard at a place, by its suffix."""
    kind = Archive if suffix(place.name) == ".tar" else Table
    return kind(place, column, root)


@contextmanager
def naming(shard: Shard) -> Generator[None]:
    """Add the name of a shard to the errors of its reader.

    Raises:
        ValueError: anything went wrong.
    """
    try:
        yield
    except (FileNotFoundError, MissingExtra, UnknownColumn, Unreadable):
        raise
    except Exception as error:  # readers of damaged files raise nearly anything
        raise ValueError(
            f"data: cannot read {shard.name}: {in_one_line(error)}; expected a whole Parquet or WebDataset "
            "file; copy or download it again"
        ) from error
