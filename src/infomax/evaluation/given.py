"""The data that a user gives to an encoder: the source, and what of it is wanted."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infomax.files import absolute

if TYPE_CHECKING:
    from infomax.learning.data.dataset import Dataset
    from infomax.learning.views.kinds import SingleViews


def row_of(text: str, dataset: "Dataset") -> int | None:
    """Return the row that is meant by its name, by its number from 0, or by its file; None where none is."""
    names, root = [*dataset.names], dataset.reading.root if dataset.reading else None
    if text not in names and text.isdecimal() and int(text) < len(names):
        return int(text)
    if text not in names and root is not None and Path(text).resolve().is_relative_to(root.resolve()):
        text = Path(text).resolve().relative_to(root.resolve()).as_posix()
    return names.index(text) if text in names else None


def _option(text: str, default: Any, **metadata: Any) -> Any:
    return field(default=default, metadata={"help": text, **metadata})


@dataclass(frozen=True)
class Given:
    """Images or signals that an encoder is to see; each field's ``help`` is what the command line says of it.

    Attributes:
        source: as for `load_images`, or for `load_signals` where the encoder sees signals.
        split: a part of the source, or ``all`` of it; None leaves the choice to the caller.
        column: of a table, the column that is seen.
        labels: where labels come from, as for `load_images`.
        skip_broken: leave out what cannot be read.
        groups: source of the groups, given like labels: whole groups are held out, such as all images of a
            patient, a film or a slide. None holds out single rows.
    """

    source: Any = field(
        metadata={
            "help": "images or signals: a folder, a file, a hub name, or a built-in name",
            "flag": "--data",
            "how": {"type": absolute, "metavar": "DATA"},
        }
    )
    split: str | None = _option(
        "name of one part of the data, or all; by default the parts that the data have",
        None,
        how={"metavar": "NAME"},
    )
    column: str | None = _option("for a table: the column to read", None)
    labels: str | None = _option(
        "source of the labels: none, folders, a column, or a table FILE.csv[:column] of names and "
        "labels; add =classes, =numbers or =tags to give their kind",
        None,
        how={"metavar": "LABELS"},
    )
    skip_broken: bool = _option("leave out files that cannot be read, and list them beside the result", False)
    groups: str | None = None

    @staticmethod
    def of(data: "Given | Any") -> "Given":
        """Return the data as `Given`: a source alone is taken with its own splits and usual labels."""
        return data if isinstance(data, Given) else Given(data)

    @property
    def name(self) -> str:
        """The source as text: a whole path or a name; of things in memory what they are, such as ``list``."""
        named = isinstance(self.source, str | Path)
        return absolute(str(self.source)) if named else type(self.source).__name__

    def splits(self, views: "SingleViews") -> tuple[str, ...]:
        """Return the names of the splits of the source, train first."""
        return views.splits(self.source, self.column, **self._labels)

    def load(self, views: "SingleViews", split: str | None = None) -> "Dataset":
        """Return a part of the source, as these views see it: by default the chosen one, or train."""
        part = split or self.split or "train"
        return views.load(
            self.source, split=part, column=self.column, skip_broken=self.skip_broken, **self._labels
        )

    @property
    def _labels(self) -> dict[str, str]:
        """The choice of labels, which not every kind of views has to know."""
        return {} if self.labels is None else {"labels": self.labels}
