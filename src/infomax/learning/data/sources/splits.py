"""Splits of a source: their usual names, their order, and how folders and file names tell them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

from infomax.learning.data.sources.source import Item, Source

SPLIT_NAMES = {
    "train": "train", "training": "train",
    "test": "test", "testing": "test",
    "validation": "validation", "val": "validation", "valid": "validation", "dev": "validation",
    "unlabeled": "unlabeled", "unlabelled": "unlabeled", "unsupervised": "unlabeled",
}  # fmt: skip
"""By what a split may be called, its usual name."""
_USUAL = list(dict.fromkeys(SPLIT_NAMES.values()))


def canonical_split(name: Any) -> str:
    """Return the usual name of a split.

    Example:
        >>> canonical_split("Val"), canonical_split("extra")
        ('validation', 'extra')
    """
    return SPLIT_NAMES.get(str(name).lower(), str(name))


def choose_split(source: Source, split: str) -> str:
    """Return `split` by its usual name.

    Raises:
        ValueError: the source has no such split; the message lists those there are.
    """
    if canonical_split(split) in source.splits:
        return canonical_split(split)
    raise ValueError(
        f"data: {source.name} has no split {split!r}; expected one of: {', '.join(source.splits)}"
        + (", or all" if len(source.splits) > 1 else "")
    )


def in_order(splits: Iterable[str]) -> tuple[str, ...]:
    """Return the names of splits in the usual order, train first, unusual ones last."""
    return tuple(sorted(splits, key=lambda name: (_USUAL.index(name) if name in _USUAL else 99, name)))


def split_of_file(path: str) -> str:
    """Return the split that a file of a table belongs to: by its folders, its words, or its shard name.

    Example:
        >>> [split_of_file(path) for path in ("val/00.tar", "a-test-0.parquet", "extra-00000-of-00002.arrow")]
        ['validation', 'test', 'extra']
    """
    *folders, name = path.split("/")
    stem = name.rsplit(".", 1)[0]
    for word in (*folders, *re.split(r"[-_. ]", stem)):
        if word.lower() in SPLIT_NAMES:
            return canonical_split(word)
    shard = re.fullmatch(r"(\w+)-\d{5}-of-\d{5}", stem)
    return shard[1] if shard and shard[1] != "data" else "train"


ALL = "all"
"""The name under which all splits are read as one."""


def chosen(source: Source, split: str) -> tuple[Source, str]:
    """Return a source that has a split, and the usual name of the split; ``all`` joins them.

    Raises:
        ValueError: the source has no such split; the message lists those there are.
    """
    if split != ALL or ALL in source.splits:
        return source, choose_split(source, split)
    return (source, source.splits[0]) if len(source.splits) == 1 else (Together(source), ALL)


@final
class Together(Source):
    """All splits of a source as one, which is called ``all``."""

    def __init__(self, source: Source):
        self._source = source
        self.splits: tuple[str, ...] = (ALL,)
        self.name: str = source.name
        self.root: Path | None = source.root
        self.metadata: tuple[str, ...] = source.metadata
        self.left_out: Mapping[str, tuple[str, ...]] = source.left_out
        self.notes: tuple[str, ...] = source.notes
        self.label_words: str = source.label_words
        self.label_option: str = source.label_option

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes of all splits."""
        return self._source.classes

    def items(self, split: str) -> Iterator[Item]:
        """Yield the items of one split after the other, each with the name of its split."""
        for part in self._source.splits:
            yield from (item._replace(split=part) for item in self._source.items(part))

    def labels(self, split: str, columns: Sequence[str] = ()) -> Iterator[tuple[str, Any]]:
        """Yield the names and labels of one split after the other."""
        for part in self._source.splits:
            yield from self._source.labels(part, columns)

    def count(self, split: str) -> int | None:
        """Return the number of all items, where the source tells it of all splits."""
        counts = [self._source.count(part) for part in self._source.splits]
        return None if None in counts else sum(filter(None, counts))

    def digest(self, split: str) -> str | None:
        """Return the hashes of all splits."""
        digests = [self._source.digest(part) for part in self._source.splits]
        return None if None in digests else " ".join(filter(None, digests))

    def select(self, column: str) -> Source:
        """Return the same with the values from a column."""
        return Together(self._source.select(column))
