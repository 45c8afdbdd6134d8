"""How files below a folder are divided: into splits and classes by their folders, or not at all."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from infomax.learning.data.sources.splits import SPLIT_NAMES, canonical_split
from infomax.learning.data.targets import counted, listed

_DATE = re.compile(r"(19|20)\d\d[-_.]?(0[1-9]|1[0-2])([-_.]?([0-2]\d|3[01]))?(\D.*)?")
_DAY_FIRST = re.compile(r"([0-2]?\d|3[01])[-_.](0?\d|1[0-2])[-_.](19|20)?\d\d(\D.*)?")
_YEAR = re.compile(r"(19|20)\d\d")
_CAMERA = re.compile(r"\d{3}[A-Z_]{5}")


class Layout(NamedTuple):
    """Files in splits, and what their folders say.

    Attributes:
        splits: the files of each split.
        labels: the folder that names the class of each file of a split; {} where folders are no classes.
        classes: their names, sorted; () where folders are no classes.
        words: what was taken, for the line that says so.
        outside: files beside the split folders.
        notes: what else was found.
    """

    splits: Mapping[str, list[str]]
    labels: Mapping[str, list[str | None]]
    classes: tuple[str, ...]
    words: str
    outside: tuple[str, ...]
    notes: tuple[str, ...]


def layout_of(root: str, files: Sequence[str], labels: str = "") -> Layout:
    """Return how files are divided.

    Folders are splits where all on top are called like splits, and classes else. A single folder on top of
    everything is passed through. Folders are classes where every file lies in one, all at one depth, there
    are at least two of them, and their names are no dates.

    Args:
        root: the folder, for messages.
        files: paths relative to it.
        labels: ``folders``: they are classes, whatever they look like; ``none``: they are not.

    Raises:
        ValueError: there are several sets with splits of their own.
    """
    base = _base(files)
    below = [file[len(base) :] for file in files]
    tops = _tops(below)
    notes = [f"read from {base.rstrip('/')}, its only folder"] if base and tops else []
    if tops and all(map(_is_split, tops)):
        splits, inner, outside = _divided(files, below)
    else:
        _refuse_sets(f"{root}/{base}", below, tops, labels)
        notes += _split_like(tops)
        splits, inner, outside = {"train": [*files]}, {"train": below}, ()
    return _classed(splits, _passed(inner), labels, outside, tuple(notes))


def _base(files: Sequence[str]) -> str:
    """Return the folder that everything lies in, unless it is called like a split: "", ``a/`` or ``a/b/``."""
    base = ""
    while True:
        top = files[0][len(base) :].partition("/")[0] if files and "/" in files[0][len(base) :] else ""
        inner = f"{base}{top}/"
        if not top or _is_split(top) or not all(file.startswith(inner) for file in files):
            return base
        base = inner


def _tops(paths: Iterable[str]) -> Collection[str]:
    """Return the first folders of paths."""
    return dict.fromkeys(path.partition("/")[0] for path in paths if "/" in path)


def _is_split(name: str) -> bool:
    return name.lower() in SPLIT_NAMES


Paths = dict[str, list[str]]


def _divided(files: Sequence[str], below: Sequence[str]) -> tuple[Paths, Paths, tuple[str, ...]]:
    """Return the files of each split, their paths within it, and the files beside the splits."""
    splits, inner, outside = defaultdict(list), defaultdict(list), []
    for file, path in zip(files, below, strict=True):
        top, slash, rest = path.partition("/")
        if not slash:
            outside.append(file)
            continue
        splits[canonical_split(top)].append(file)
        inner[canonical_split(top)].append(rest)
    for split, paths in inner.items():  # test/test/1.jpg
        tops = _tops(paths)
        if len(tops) == 1 and all(map(_is_split, tops)) and all("/" in path for path in paths):
            inner[split] = [path.partition("/")[2] for path in paths]
    return dict(splits), dict(inner), tuple(outside)


def _passed(inner: Paths) -> Paths:
    """Return paths without a folder that all splits have alone, as in ``train/images/cat/``."""
    while True:
        deep = {split: paths for split, paths in inner.items() if any("/" in path for path in paths)}
        tops = {path.partition("/")[0] if "/" in path else "" for paths in deep.values() for path in paths}
        if len(tops) != 1 or tops == {""}:
            return inner
        inner = inner | {split: [path.partition("/")[2] for path in paths] for split, paths in deep.items()}


def _refuse_sets(root: str, below: Sequence[str], tops: Collection[str], labels: str) -> None:
    """Refuse a folder of several sets that have splits of their own, unless it is said what folders are.

    Raises:
        ValueError: it is one.
    """
    if len(tops) < 2 or labels:
        return
    inner: dict[str, set[str]] = defaultdict(set)
    for path in below:
        top, _, rest = path.partition("/")
        inner[top].add(rest.partition("/")[0] if "/" in rest else "")
    if all(name and _is_split(name) for names in inner.values() for name in names):
        paths = [f"{root.rstrip('/')}/{top}" for top in tops]
        raise ValueError(
            f"data: {root.rstrip('/')} holds {len(tops)} sets with splits of their own "
            f"({listed(sorted(inner[next(iter(tops))]))}), expected one; give one of them: {listed(paths)}; "
            "or say that these folders are classes (--labels folders), or have no meaning (--labels none)"
        )


def _split_like(tops: Collection[str]) -> list[str]:
    """Return a line where some folders, but not all, are called like splits."""
    like = sorted(top for top in tops if _is_split(top))
    others = sorted(top for top in tops if not _is_split(top))
    if not like:
        return []
    taken, them = ("is a class, not a split", "it") if len(like) == 1 else ("are classes, not splits", "them")
    stand = "stands" if len(others) == 1 else "stand"
    return [f"{listed(like)} {taken}, because {listed(others)} {stand} beside {them}"]


def _classed(
    splits: Paths, inner: Paths, labels: str, outside: tuple[str, ...], notes: tuple[str, ...]
) -> Layout:
    named = {
        split: [path.partition("/")[0] if "/" in path else None for path in paths]
        for split, paths in inner.items()
    }
    classes = tuple(sorted({name for names in named.values() for name in names if name is not None}))
    why = "unlabelled" if labels == "none" else _why_not(inner, named, classes)
    if why and not (labels == "folders" and classes):
        return Layout(splits, {}, (), why, outside, notes)
    words = f"{counted(len(classes), 'class')} from folder names ({listed(classes)})"
    return Layout(splits, named, classes, words, outside, notes)


def _why_not(inner: Paths, named: Mapping[str, Sequence[str | None]], classes: Sequence[str]) -> str:
    """Return why folders are no classes, in words; "" where they are. Splits without folders do not count."""
    if len(classes) < 2:
        return "unlabelled"
    deep = [split for split, names in named.items() if any(names)]
    num_loose = sum(name is None for split in deep for name in named[split])
    remedy = f"--labels folders takes {listed(classes, 3)} as classes"
    if num_loose:
        lie = "lies" if num_loose == 1 else "lie"
        return f"unlabelled, because {num_loose:,} {lie} beside the folders ({remedy})"
    if len({path.count("/") for split in deep for path in inner[split]}) > 1:
        return f"unlabelled, because they lie at unequal depths ({remedy})"
    return f"unlabelled, because folder names are dates ({remedy})" if _are_dates(classes) else ""


def _are_dates(names: Sequence[str]) -> bool:
    """Return whether names of folders say when, or in which camera, a picture was taken.

    Example:
        >>> _are_dates(["2026-05", "trip"]), _are_dates(["2024", "2025"]), _are_dates(["cat", "2024"])
        (True, True, False)
    """
    dated = [name for name in names if _DATE.fullmatch(name) or _DAY_FIRST.fullmatch(name)]
    if 2 * len(dated) >= len(names):
        return True
    return all(_YEAR.fullmatch(one) or _CAMERA.fullmatch(one) for one in names)
