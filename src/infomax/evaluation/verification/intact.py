"""The files of a run folder beside the record of their hashes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from infomax.hashes import RECORD, REMOVED, recorded_hashes, sha256_of

GROWING = ("metrics.csv",)
"""Files that training adds to until it is finished; they are noted then."""
NOT_RESULTS = ("checkpoints", "tensorboard", "wandb")
"""Folders that do not belong to the results; a checkpoint has a checksum of its own."""


@dataclass(frozen=True)
class Files:
    """The files of a run, by what their hashes say.

    Attributes:
        intact: those that are as they were written.
        changed: those that have changed since.
        missing: those that were written, and are not there.
        unrecorded: those that have no hash in the record.
    """

    intact: tuple[str, ...]
    changed: tuple[str, ...]
    missing: tuple[str, ...]
    unrecorded: tuple[str, ...]


def checked_files(folder: str | Path, *, finished: bool = True) -> Files:
    """Return which files of a run folder, and of the folders in it, are as they were written.

    Args:
        folder: of the run.
        finished: whether training has come to its end; `GROWING` files are compared from then on.
    """
    folder = Path(folder)
    left = () if finished else GROWING
    known = {
        place / name: hashes
        for place in (folder, *_folders(folder))
        for name, hashes in recorded_hashes(place).items()
        if name not in left
    }
    moved = _moved(folder)
    states: dict[str, list[str]] = {"intact": [], "changed": [], "missing": [], "unrecorded": []}
    for path in _files(folder):
        if path.name not in left:
            hashes = known.get(moved.get(path, path))
            state = "unrecorded" if hashes is None else "intact" if sha256_of(path) in hashes else "changed"
            states[state].append(str(path.relative_to(folder)))
    there = {moved.get(path, path) for path in _files(folder)}
    for path, hashes in known.items():
        if path not in there and hashes[-1] != REMOVED:
            states["missing"].append(str(path.relative_to(folder)))
    return Files(**{state: tuple(sorted(names)) for state, names in states.items()})


def _folders(folder: Path) -> Iterator[Path]:
    """Yield the folders within a run that hold results; a link leads elsewhere and is not followed."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink() and path.name not in NOT_RESULTS:
            yield path
            yield from _folders(path)


def _files(folder: Path) -> Iterator[Path]:
    for place in (folder, *_folders(folder)):
        for path in sorted(place.iterdir()):
            if path.is_file() and path.name != RECORD and not path.name.startswith("."):
                yield path


def _moved(folder: Path) -> dict[Path, Path]:
    """Return where each file of an earlier stage lay before it was set aside."""
    found = {}
    for path in _files(folder):
        stage, *rest = path.relative_to(folder).parts
        if rest and re.fullmatch(r"stage-\d+", stage):
            found[path] = folder.joinpath(*rest)
    return found
