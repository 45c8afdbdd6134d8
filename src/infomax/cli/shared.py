"""Options that several commands have, each with the same meaning."""

from pathlib import Path
from typing import Any

from infomax.cli.options import argument, option

EVERY_FIELD = (
    "Every field of a recipe is an option, dotted: --data DIR, --train.minutes 5, --optimizer.lr 1e-3;\n"
    "--config FILE reads them from YAML. --dry-run shows them all."
)
"""How the fields of a recipe are given, for the end of a help text."""


def run_folder() -> Any:
    """Return the field for a run, or for any folder with an encoder."""
    return argument("run folder")


def data(text: str) -> Any:
    """Return the field for a source of data; see `absolute`."""
    return option(text, type=absolute)


def column() -> Any:
    """Return the field for a column of a table."""
    return option("of a table: the column that is seen", default=None)


def pixel_range() -> Any:
    """Return the field for the range of pixel values."""
    text = "how pixels are read: auto, full, percentile or LOW:HIGH; by default as the run did"
    return option(text, default=None)


def pages() -> Any:
    """Return the field for the pages of files that have several."""
    text = "of files with several pages: first, channels, or numbers from 1; by default as the run did"
    return option(text, default=None)


def skip_broken() -> Any:
    """Return the field that says what becomes of broken files."""
    return option("leave out what cannot be read", default=False)


def devices() -> Any:
    """Return the field for the number of processes."""
    text = "processes that share the work, each on a device of its own; one, or as torchrun has started"
    return option(text, default=None)


def absolute(source: str) -> str:
    """Return a path as an absolute one, so that a run can be resumed from anywhere; other sources stay."""
    return str(Path(source).resolve()) if Path(source).exists() else source
