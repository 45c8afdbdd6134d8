"""Shards as a source: files by a pattern, below a folder, or at addresses elsewhere."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, final

import xxhash

from infomax.learning.data.cache.folder import SHARDS, cache_folder
from infomax.learning.data.sources.request import Request
from infomax.learning.data.sources.source import Item, Source, agreed_classes
from infomax.learning.data.sources.splits import in_order, split_of_file
from infomax.learning.data.streaming.addresses import Place, is_elsewhere, is_pattern, places_of
from infomax.learning.data.streaming.manifest import facts_of
from infomax.learning.data.streaming.shard import Columns, Facts, Shard, naming, shard_at


@final
class Shards(Source):
    """Rows of shards, one shard after the other.

    Args:
        name: for messages.
        places: of the shards.
        cache: folder in which facts of shards are kept; None for nowhere.
        column: of the values; None for that of the image.
    """

    def __init__(self, name: str, places: Sequence[Place], cache: Path | None, column: str | None = None):
        self.name: str = name
        self._cache = cache
        shards: dict[str, list[Shard]] = defaultdict(list)
        folder = Path(name).expanduser()
        root = None if is_elsewhere(name) or not folder.is_dir() else folder
        for place in places:
            below = root or (Path(place.address).parent if place.is_here else None)
            shards[split_of_file(place.name)].append(shard_at(place, column, below))
        self.shards: Mapping[str, Sequence[Shard]] = shards
        self.splits: tuple[str, ...] = in_order(shards)

    @cached_property
    def _columns(self) -> dict[str, Columns]:
        found = {}
        for split in self.splits:
            with naming(self.shards[split][0]):
                found[split] = self.shards[split][0].columns
        return found

    @cached_property
    def facts(self) -> Mapping[str, Sequence[Facts]]:
        """Facts about the shards of each split."""
        every = [shard for split in self.splits for shard in self.shards[split]]
        found = iter(facts_of(every, self._cache))
        return {split: [next(found) for _ in self.shards[split]] for split in self.splits}

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names by the type of the label column; () without one, None where only the labels tell."""
        names = {split: columns.classes for split, columns in self._columns.items() if columns.label}
        known = {split: one for split, one in names.items() if one is not None}
        if known:
            return agreed_classes(self.name, known)
        return None if names else ()

    @property
    def label_option(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The column of the labels."""
        return next((columns.label for columns in self._columns.values() if columns.label), "label")

    @property
    def label_words(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Where labels stand: in a column."""
        return f"column {self.label_option}"

    @property
    def notes(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Which column is seen, where several hold images."""
        return tuple(dict.fromkeys(note for columns in self._columns.values() for note in columns.notes))

    def items(self, split: str) -> Iterator[Item]:
        """Yield the rows of one shard after the other, named ``file:row`` (WebDataset: ``file:key``)."""
        for shard in self.shards[split]:
            with naming(shard):
                for (key, value), (_, label) in zip(shard.rows(), shard.labels(()), strict=True):
                    yield Item(f"{shard.name}:{key}", value, label)

    def labels(self, split: str, columns: Sequence[str] = ()) -> Iterator[tuple[str, Any]]:
        """Yield the name and the label of each row; of several columns, the list of their values."""
        for shard in self.shards[split]:
            with naming(shard):
                yield from ((f"{shard.name}:{key}", label) for key, label in shard.labels(columns))

    def count(self, split: str) -> int:
        """Return the number of rows."""
        return sum(one.num_rows for one in self.facts[split])

    def digest(self, split: str) -> str:
        """Return a hash of what the shards say of themselves; see `Facts`."""
        facts = zip(self.shards[split], self.facts[split], strict=True)
        about = [(shard.name, one.num_rows, one.digest) for shard, one in facts]
        return xxhash.xxh3_128_hexdigest(json.dumps(about).encode())

    def select(self, column: str) -> Source:
        """Return the same rows, their values from `column`.

        Raises:
            UnknownColumn: there is no such column.
        """
        return shards_at(self.name, column)


def open_shards(request: Request) -> Shards | None:
    """Return the shards that a pattern or an address stands for; None where the source is neither."""
    if not (is_elsewhere(request.source) or is_pattern(request.source)):
        return None
    return shards_at(str(request.source))


def shards_at(source: str, column: str | None = None) -> Shards:
    """Return the shards of a file, a folder, a pattern or an address; errors as of `places_of`.

    Args:
        source: what was named.
        column: of the values; None for that of the image.

    Raises:
        UnknownColumn: the first shard has no such column.
    """
    folder = cache_folder(True)
    shards = Shards(source, places_of(source), folder and folder / SHARDS, column)
    first = shards.shards[shards.splits[0]][0]
    with naming(first):
        next(first.rows(), None)
    return shards
