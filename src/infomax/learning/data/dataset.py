"""Datasets: values with labels and names, in memory or memory-mapped, and pairs of their rows."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, overload

import numpy as np
import pyarrow as pa
import torch
import xxhash
from jaxtyping import Float32, Int64, UInt8, UInt16, UInt64
from torch import Tensor

from infomax.errors import refuse
from infomax.learning.data.mapped import ask_for
from infomax.learning.data.order.batches import Batches
from infomax.learning.data.order.permutation import Permutation
from infomax.learning.data.pixels.ranges import Pixels
from infomax.learning.data.reading import WITHOUT_PARTNER, Reading, together
from infomax.learning.data.targets import Targets

LABELS_AT_ONCE = 2**20
"""Labels that are looked through at once."""
ROWS_AT_ONCE = 4096
"""Rows that are read for their hashes at once."""


class Names(Sequence[str]):
    """Names in an Arrow column, which may be memory-mapped: a million take no Python objects."""

    def __init__(self, column: pa.ChunkedArray):
        self.column: pa.ChunkedArray = column

    def __len__(self) -> int:
        return len(self.column)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "Names": ...
    def __getitem__(self, index):
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        return self.column[int(index)].as_py()

    def __iter__(self) -> Iterator[str]:
        for chunk in self.column.iterchunks():
            yield from chunk.to_pylist()

    def take(self, rows: np.ndarray) -> "Names":
        """Return the names at `rows`."""
        return Names(self.column.take(pa.array(rows)))


def names_at(names: Sequence[str], rows: np.ndarray) -> Sequence[str]:
    """Return the names at `rows`, in Arrow if they are."""
    return names.take(rows) if isinstance(names, Names) else [names[int(row)] for row in rows]


class ValuesHash:
    """A hash (xxh3) of values, the same however they are cut into blocks."""

    def __init__(self):
        self._values = xxhash.xxh3_128()

    def update(self, values: np.ndarray) -> None:
        """Add a block."""
        self._values.update(np.ascontiguousarray(values).data)

    def hexdigest(self) -> str:
        """Return the hash of all blocks so far."""
        return self._values.hexdigest()


def fingerprint_of(
    values: str, shape: Sequence[int], labels: np.ndarray, classes: Sequence[str], targets: Targets | None
) -> str:
    """Return the hash of a dataset.

    Args:
        values: hash of its values.
        shape: of one of them.
        labels, classes, targets: what is known of them.
    """
    parts = [values, xxhash.xxh3_128_hexdigest(np.ascontiguousarray(labels).data), list(shape), list(classes)]
    if targets is not None:
        parts += [xxhash.xxh3_128_hexdigest(np.ascontiguousarray(targets.values).data), list(targets.names)]
    return xxhash.xxh3_128_hexdigest(json.dumps(parts).encode())


def as_batch(
    values: np.ndarray,
) -> UInt8[Tensor, "b c h w"] | Float32[Tensor, "b c h w"] | Float32[Tensor, "b c t"]:
    """Return stored values as a tensor, channels first, which may share their memory; see `Dataset.batch`."""
    whole = values / np.float32(65535) if values.dtype == np.uint16 else values
    own = torch.from_numpy(whole)
    return own.permute(0, 3, 1, 2) if own.ndim == 4 else own


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Pictures of one size or signals of one length, with names and perhaps labels.

    Attributes:
        values: pictures uint8 or uint16 [n, h, w, c], or signals float32 [n, c, t]; read-only when
            memory-mapped.
        labels: int64 [n], indices into `classes`; −1 = no label.
        names: one id a row: its path relative to the folder, or ``file.parquet:row``.
        classes: label -> name; () when unlabelled.
        skipped: ``name: why`` for each broken one that was left out.
        known_fingerprint: the fingerprint, where it is known; None to compute it when it is asked for.
        pixels: how the values of pictures were read: range, depth, pages; None where it is not known.
        targets: numbers or tags of each row, where labels are no classes; None where there are none.
        splits: name of the split of each row; None where it is not known.
        reading: what was read and left out; None where the dataset was made by hand. Parts keep that of the
            whole.

    Raises:
        ValueError: values, labels, names, targets and splits differ in number.

    Example:
        >>> pictures = Dataset(np.zeros((2, 4, 4, 3), np.uint8), np.array([0, -1]), ["a", "b"], ("cat",))
        >>> pictures, tuple(pictures.batch(slice(0, 1)).shape)
        (Dataset(2 x 4 x 4 x 3, 1 labelled in 1 classes), (1, 3, 4, 4))
        >>> signals = Dataset(np.zeros((2, 1, 50), np.float32), np.array([0, -1]), ["a", "b"], ("cat",))
        >>> signals, tuple(signals.batch(slice(0, 1)).shape)
        (Dataset(2 x 1 x 50, 1 labelled in 1 classes), (1, 1, 50))
    """

    values: UInt8[np.ndarray, "n h w c"] | UInt16[np.ndarray, "n h w c"] | Float32[np.ndarray, "n c t"]
    labels: Int64[np.ndarray, " n"]
    names: Sequence[str]
    classes: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    known_fingerprint: str | None = None
    pixels: Pixels | None = None
    targets: Targets | None = None
    splits: Sequence[str] | None = None
    reading: Reading | None = None

    def __post_init__(self) -> None:
        refuse(
            not len(self.values) == len(self.labels) == len(self.names),
            f"Dataset: received {len(self.values)} values, {len(self.labels)} labels, {len(self.names)} "
            "names; expected as many of each (label -1: none)",
        )
        for name in ("targets", "splits"):
            num = len(self) if getattr(self, name) is None else len(getattr(self, name))
            refuse(
                num != len(self), f"Dataset: received {len(self)} values and {num} {name}, expected as many"
            )

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.values.shape))
        known = f"{len(self.labelled_rows)} labelled in {len(self.classes)} classes"
        return f"Dataset({shape}, {known if self.targets is None else self.targets})"

    @property
    def summary(self) -> str:
        """Return what was read of which source, in one line."""
        return repr(self) if self.reading is None else str(self.reading)

    @property
    def parts(self) -> tuple["Dataset"]:
        """The datasets that a batch is made of: this one."""
        return (self,)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one of them, channels first: (c, h, w) or (c, t)."""
        *rest, last = self.values.shape[1:]
        return (last, *rest) if self.values.ndim == 4 else (*rest, last)

    def examples(self, num: int, seed: int) -> Tensor:
        """Return `num` of them, chosen by a seed, as a batch; all where there are fewer."""
        return self.batch(np.sort(Permutation(len(self), seed)[:num]))

    def example_batches(self, num: int, seed: int, batch_size: int) -> Iterator[Tensor]:
        """Yield the `examples` in batches, of which one is in memory at a time."""
        rows = np.sort(Permutation(len(self), seed)[:num])
        for start in range(0, len(rows), batch_size):
            yield self.batch(rows[start : start + batch_size])

    def batch(
        self, rows: np.ndarray | slice
    ) -> UInt8[Tensor, "b c h w"] | Float32[Tensor, "b c h w"] | Float32[Tensor, "b c t"]:
        """Return the values at `rows` as a tensor of its own, channels first.

        Pictures of 8 bits are uint8, of 16 bits float32 in [0, 1]. Their memory format is channels_last.
        """
        if not isinstance(rows, slice):
            ask_for(self.values, rows)
        values = np.asarray(self.values)[rows]
        return as_batch(values.copy() if isinstance(rows, slice) else values)

    def batches(self, batch_size: int, seed: int, **how: Any) -> Batches:
        """Return batches with their labels, step after step without end; arguments as of `Batches`."""
        return Batches(self, batch_size, seed, **how)

    @property
    def broken(self) -> dict[str, str]:
        """Return what could not be decoded in training: nothing, because all was decoded before."""
        return {}

    def subset(self, rows: np.ndarray | slice) -> "Dataset":
        """Return the dataset at `rows`: a view for a slice, a copy in memory otherwise."""
        places = np.arange(len(self))[rows]
        return Dataset(
            self.values[rows],
            self.labels[rows],
            names_at(self.names, places),
            self.classes,
            pixels=self.pixels,
            targets=None if self.targets is None else self.targets.subset(rows),
            splits=None if self.splits is None else names_at(self.splits, places),
            reading=self.reading,
        )

    def labels_at(self, rows: np.ndarray | slice) -> Int64[np.ndarray, " m"]:
        """Return the labels at `rows`."""
        return self.labels[rows]

    @property
    def labelled(self) -> bool:
        """True where any row has a label."""
        return _any_label(self)

    @property
    def num_classes(self) -> int:
        """The number of classes that labels tell; 0 where no row has a label."""
        return _num_classes(self)

    @property
    def labelled_rows(self) -> Int64[np.ndarray, " m"]:
        """The rows that have a label."""
        return np.flatnonzero(self.labels >= 0)

    def with_labels(self) -> "Dataset":
        """Return the part that has labels: itself, if all of it has."""
        rows = self.labelled_rows
        return self if len(rows) == len(self) else self.subset(rows)

    def class_names(self, labels: Iterable[int] | Int64[np.ndarray, " m"]) -> list[str]:
        """Return the names of label numbers; the numbers themselves where they have no name."""
        return [self.classes[one] if 0 <= one < len(self.classes) else str(one) for one in labels]

    @cached_property
    def hashes(self) -> UInt64[np.ndarray, " n"]:
        """A hash (xxh3) of the values of each row, equal for rows of equal values."""
        blocks = (slice(first, first + ROWS_AT_ONCE) for first in range(0, len(self), ROWS_AT_ONCE))
        return np.array(
            [
                xxhash.xxh3_64_intdigest(np.ascontiguousarray(one).data)
                for block in blocks
                for one in np.asarray(self.values[block])
            ],
            np.uint64,
        )

    @cached_property
    def fingerprint(self) -> str:
        """A hash of values, labels and classes, the same however they are stored."""
        if self.known_fingerprint is not None:
            return self.known_fingerprint
        hasher = ValuesHash()
        for start in range(0, len(self), 4096):
            hasher.update(self.values[start : start + 4096])
        shape = self.values.shape[1:]
        return fingerprint_of(hasher.hexdigest(), shape, self.labels, self.classes, self.targets)


@dataclass(frozen=True, eq=False, repr=False)
class Pairs:
    """Two datasets seen together: pair i is row ``rows[i, 0]`` of the first and ``rows[i, 1]`` of the second.

    Labels, names and classes are those of the first.

    Attributes:
        first, second: what was seen.
        rows: int64 [n, 2].

    Example:
        >>> from infomax.learning.data import load_images, same_names
        >>> left, right = (load_images("two-cameras", column=c, size=32, channels=1, progress=False)
        ...                for c in ("left", "right"))
        >>> pairs = same_names(left, right)
        >>> pairs, [tuple(x.shape) for x in pairs.batch(slice(0, 2))]
        (Pairs(4041 pairs), [(2, 1, 32, 32), (2, 1, 32, 32)])
    """

    first: Dataset
    second: Dataset
    rows: Int64[np.ndarray, "n 2"]

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"Pairs({len(self)} pairs)"

    @property
    def parts(self) -> tuple[Dataset, Dataset]:
        """The datasets that a batch is made of."""
        return self.first, self.second

    def examples(self, num: int, seed: int) -> tuple[Tensor, Tensor]:
        """Return `num` of them, chosen by a seed, as a batch; all where there are fewer."""
        return self.batch(np.sort(Permutation(len(self), seed)[:num]))

    def batch(self, rows: np.ndarray | slice) -> tuple[Tensor, Tensor]:
        """Return what was seen first and second, of the pairs at `rows`."""
        first, second = self.rows[rows].T
        return self.first.batch(first), self.second.batch(second)

    def batches(self, batch_size: int, seed: int, **how: Any) -> Batches:
        """Return batches with their labels, step after step without end; arguments as of `Batches`."""
        return Batches(self, batch_size, seed, **how)

    @property
    def broken(self) -> dict[str, str]:
        """Return what could not be decoded in training: nothing, as of `Dataset`."""
        return {}

    @cached_property
    def labels(self) -> Int64[np.ndarray, " n"]:
        """Labels of the first of each pair; −1 = no label."""
        return self.first.labels[self.rows[:, 0]]

    @cached_property
    def names(self) -> Sequence[str]:
        """Names of the first of each pair."""
        return names_at(self.first.names, self.rows[:, 0])

    @property
    def classes(self) -> tuple[str, ...]:
        """Label -> name."""
        return self.first.classes

    @property
    def targets(self) -> Targets | None:
        """Numbers or tags of the first of each pair."""
        return None if self.first.targets is None else self.first.targets.subset(self.rows[:, 0])

    @property
    def splits(self) -> Sequence[str] | None:
        """The split of the first of each pair."""
        return None if self.first.splits is None else names_at(self.first.splits, self.rows[:, 0])

    @property
    def reading(self) -> Reading | None:
        """Return what was read of the first and of the second, and what has no partner in the other."""
        if self.first.reading is None or self.second.reading is None:
            return self.first.reading or self.second.reading
        read = together(self.first.reading, self.second.reading)
        if self.first is self.second:
            return read
        left_out = {**read.left_out, **({WITHOUT_PARTNER: self._alone} if self._alone else {})}
        return replace(read, noun="pair", splits=Counter(self.splits or ()), left_out=left_out)

    @cached_property
    def _alone(self) -> tuple[str, ...]:
        """Names of what is in no pair."""
        either = zip(self.parts, self.rows.T, strict=True)
        rest = ((part, np.setdiff1d(np.arange(len(part)), rows)) for part, rows in either)
        return tuple(name for part, rows in rest for name in names_at(part.names, rows))

    @property
    def summary(self) -> str:
        """Return what was read of which source, in one line."""
        if self.reading is None:
            return repr(self)
        return f"{'' if self.reading.noun == 'pair' else f'{len(self):,} pairs: '}{self.reading}"

    @property
    def skipped(self) -> tuple[str, ...]:
        """Names of what could not be read in either part and was left out, with the reasons."""
        return tuple(dict.fromkeys((*self.first.skipped, *self.second.skipped)))

    def labels_at(self, rows: np.ndarray | slice) -> Int64[np.ndarray, " m"]:
        """Return the labels of the pairs at `rows`."""
        return self.first.labels[self.rows[rows, 0]]

    @property
    def labelled(self) -> bool:
        """True where any pair has a label."""
        return _any_label(self)

    @property
    def num_classes(self) -> int:
        """The number of classes that labels tell; 0 where no pair has a label."""
        return _num_classes(self)

    def class_names(self, labels: Iterable[int] | Int64[np.ndarray, " m"]) -> list[str]:
        """Return the names of label numbers; the numbers themselves where they have no name."""
        return self.first.class_names(labels)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of what was seen, and of the pairing."""
        parts = [self.first.fingerprint, self.second.fingerprint, xxhash.xxh3_128_hexdigest(self.rows.data)]
        return xxhash.xxh3_128_hexdigest(" ".join(parts).encode())


Seen = Dataset | Pairs
"""A dataset of single things, or of two that belong together."""


def _labels(seen: Seen) -> Iterator[Int64[np.ndarray, " m"]]:
    """Yield all labels, a block at a time: mapped ones are never in memory at once."""
    for start in range(0, len(seen), LABELS_AT_ONCE):
        yield seen.labels_at(slice(start, start + LABELS_AT_ONCE))


def _any_label(seen: Seen) -> bool:
    return any(bool((labels >= 0).any()) for labels in _labels(seen))


def _num_classes(seen: Seen) -> int:
    """Return how many classes have a name; where labels are numbers without names, the largest + 1."""
    if seen.classes and seen.labelled:
        return len(seen.classes)
    return max((int(labels.max()) + 1 for labels in _labels(seen)), default=0)
