"""Records of what was read of a source and what was left out: one line, a list, and a mapping for results."""

import csv
import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import get_terminal_size
from textwrap import fill
from typing import Any

from infomax.errors import refuse
from infomax.files import replacing
from infomax.hashes import remove
from infomax.learning.data.targets import counted

BROKEN = "broken"
"""The name of items that could not be decoded, among those that were left out."""
WITHOUT_PARTNER = "without a partner"
"""The kind of what was left out of pairs."""
LEFT_OUT_FILE = "left-out.csv"
"""The list of what was left out, in a run folder; of other results, the end of its name."""
MAX_KINDS = 6
"""Kinds of what was left out that the line names."""


@dataclass(frozen=True)
class Reading:
    """A record of what was read of a source.

    Attributes:
        source: its name.
        noun: one of the things.
        splits: number of things of each split that was read.
        labels: what they were taken for, in words.
        left_out: names of what was left out, by its kind: a suffix, or ``broken`` (then ``name: why``).
        notes: what else was found or decided.
        root: folder that was read; None for other sources.

    Example:
        >>> print(Reading("photos", "image", {"train": 1400}, "unlabelled", {".dcm": ("a.dcm",)}))
        1,400 images from photos (split train), unlabelled, 1 file left out (1 .dcm)
    """

    source: str
    noun: str
    splits: Mapping[str, int]
    labels: str
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    root: Path | None = None

    def __str__(self) -> str:
        return self.line()

    def line(self, listing: Path | None = None) -> str:
        """Return what was read in one line.

        Args:
            listing: the file that lists what was left out.
        """
        where = f", see {listing}" if listing else ""
        gone = f"{self._gone}{where}" if self.left_out else ""
        parts = [f"{self._counts}, {self.labels}", gone]
        return "; ".join([", ".join(filter(None, parts)), *self.notes])

    @property
    def num_left_out(self) -> int:
        """Number of files or rows that were left out."""
        return sum(map(len, self.left_out.values()))

    @property
    def record(self) -> dict[str, Any]:
        """Return what was read, for the record of a result."""
        kinds = {kind: len(names) for kind, names in self.left_out.items()}
        return {
            "source": self.source,
            "splits": dict(self.splits),
            "labels": self.labels,
            "left_out": kinds,
            "notes": list(self.notes),
        }

    def tell(self, listing: str | Path) -> dict[str, Any]:
        """Print the line on stderr, list what was left out in a file, and return the record.

        Args:
            listing: the list, beside the results; one that is there is replaced, or removed where nothing was
                left out.
        """
        path = Path(listing)
        if self.left_out:
            self.write_left_out(path)
        else:
            remove(path)
        print(_fitted(self.line(path if self.left_out else None)), file=sys.stderr)
        return self.record

    def write_left_out(self, path: str | Path) -> None:
        """Write name, kind and reason of all that was left out as CSV."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as beside:
            beside.write_text(self._listing, encoding="utf-8", newline="")

    def check_listing(self, operation: str, listing: Path) -> None:
        """Check that a list of an earlier call, if there is one, says the same, so that none is lost.

        Raises:
            FileExistsError: it lists something else.
        """
        if listing.exists() and (not self.left_out or listing.read_bytes() != self._listing.encode()):
            raise FileExistsError(
                f"{operation}: {listing} lists what an earlier call left out; move it away, or choose "
                "another --out"
            )

    @property
    def _listing(self) -> str:
        """Name, kind and reason of all that was left out, as CSV."""
        text = io.StringIO(newline="")
        table = csv.writer(text)
        table.writerow(["name", "kind", "why"])
        table.writerows(_named(kind, name) for kind, names in self.left_out.items() for name in names)
        return text.getvalue()

    def refuse_inside(self, operation: str, out: str | Path) -> None:
        """Check that a result will not lie in the folder that was read, where it would become data.

        Raises:
            ValueError: it would.
        """
        refuse_inside(operation, out, self.root)

    @property
    def _counts(self) -> str:
        places = f"split {next(iter(self.splits), '')}" if len(self.splits) == 1 else ""
        if not places:
            places = "splits " + ", ".join(f"{split} {num:,}" for split, num in self.splits.items())
        return f"{counted(sum(self.splits.values()), self.noun)} from {self.source} ({places})"

    @property
    def _gone(self) -> str:
        kinds = [f"{len(names):,} {kind}" for kind, names in self.left_out.items()]
        more = [f"{len(kinds) - MAX_KINDS} other kinds"] if len(kinds) > MAX_KINDS else []
        return f"{counted(self.num_left_out, 'file')} left out ({', '.join([*kinds[:MAX_KINDS], *more])})"


def listing_beside(out: str | Path) -> Path:
    """Return the list of what was left out that stands beside a result.

    Example:
        >>> listing_beside("runs/features.parquet").as_posix()
        'runs/features.parquet-left-out.csv'
    """
    return Path(out).with_name(f"{Path(out).name}-{LEFT_OUT_FILE}")


def together(first: Reading, second: Reading) -> Reading:
    """Return what was read of two splits of a source; the first, where both are the same reading."""
    if first is second:
        return first
    labels = first.labels if first.labels == second.labels else f"{first.labels}; {second.labels}"
    kinds = {**first.left_out, **second.left_out}
    either = {kind: (*first.left_out.get(kind, ()), *second.left_out.get(kind, ())) for kind in kinds}
    left_out = {kind: tuple(dict.fromkeys(names)) for kind, names in either.items()}
    notes = tuple(dict.fromkeys((*first.notes, *second.notes)))
    splits = {**first.splits, **second.splits}
    return replace(first, splits=splits, labels=labels, left_out=left_out, notes=notes)


def refuse_inside(operation: str, out: str | Path, source: Any) -> None:
    """Check that a result will not lie in a folder of data, where it would become data itself.

    Args:
        operation: for the message.
        out: file or folder to write.
        source: what is read; anything but a folder holds no results.

    Raises:
        ValueError: `out` lies in the folder.
    """
    root = Path(source).expanduser() if isinstance(source, str | Path) else None
    if root is None or not root.is_dir():
        return
    path = Path(out).expanduser().resolve()
    refuse(
        path.is_relative_to(root.resolve()),
        f"{operation}: {out} lies in the folder of the data, {source}, and would be read as data next "
        "time; expected a place outside of it; choose another --out",
    )


def _fitted(line: str) -> str:
    """Return a line that is broken between words where stderr is a terminal; elsewhere as it is."""
    if not sys.stderr.isatty():
        return line
    return fill(line, get_terminal_size().columns, break_long_words=False, break_on_hyphens=False)


def _named(kind: str, name: str) -> tuple[str, str, str]:
    if kind != BROKEN:
        return name, kind, ""
    path, _, why = name.partition(": ")
    return path, kind, why
