"""Splits of a source: their usual names, their order, and how folders and file names tell them."""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from infomax.learning.data.sources.source import Source

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


class SplitFiles(NamedTuple):
    """The files of one split.

    Attributes:
        files: their paths.
        inside: True if the first folder of each path is the split itself.
    """

    files: list[str]
    inside: bool


def split_folders(files: list[str]) -> dict[str, SplitFiles]:
    """Return the files of each split, by their first folder; all of them as train where none is a split.

    First folders count as splits if one is for training, or if all of them are called like splits.
    """
    tops = {file.split("/")[0] for file in files if "/" in file}
    known = {top for top in tops if top.lower() in SPLIT_NAMES}
    if not known or not (known == tops or any(canonical_split(top) == "train" for top in known)):
        return {"train": SplitFiles(files, inside=False)}
    splits: dict[str, SplitFiles] = defaultdict(lambda: SplitFiles([], inside=True))
    for file in files:
        if (top := file.split("/")[0]) in known:
            splits[canonical_split(top)].files.append(file)
    return dict(splits)
