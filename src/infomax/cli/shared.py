"""Options that several commands have, each with the same meaning."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infomax.cli.options import argument, option, options_of

if TYPE_CHECKING:
    from infomax.evaluation.given import Given
    from infomax.learning.encoders.saving import PretrainedEncoder

EVERY_FIELD = (
    "Every field of a recipe is an option, such as --data DIR, --train.minutes 5 or\n"
    "--optimizer.lr 1e-3. The last part of the name is enough: --minutes 5,\n"
    "--epochs 10, --steps 1000, --lr 1e-3, --batch-size 64, --seed 1, --devices 2.\n"
    "--config FILE reads fields from YAML. --dry-run shows all fields."
)
"""How the fields of a recipe are given, for the end of a help text."""


def run_folder() -> Any:
    """Return the field for a run, or for any folder with an encoder."""
    return argument("run folder")


def given() -> Any:
    """Return the field for the options of `Given`: the data, and what of it is wanted."""
    return options_of(_given)


def _given() -> Mapping[str, type]:
    from infomax.evaluation.given import Given

    return {"": Given}


def pixel_range() -> Any:
    """Return the field for the range of pixel values."""
    text = "how to read pixel values: auto, full, percentile or LOW:HIGH; by default as in training"
    return option(text, default=None)


def pages() -> Any:
    """Return the field for the pages of files that have several."""
    text = (
        "pages to read from files with several: first, channels, or numbers from 1; by default as in training"
    )
    return option(text, default=None)


def labels() -> Any:
    """Return the field for where labels come from."""
    text = (
        "source of the labels: none, folders, a column, or a table FILE.csv[:column] of names and "
        "labels; add =classes, =numbers or =tags to give their kind"
    )
    return option(text, default=None, metavar="LABELS")


def together_in_groups() -> Any:
    """Return the field for the groups of rows that stay together where some are held out."""
    text = (
        "hold out whole groups, such as all images of a patient or a film: a column, or a table "
        "FILE.csv:column of names and groups; by default single rows are held out"
    )
    return option(text, default=None, metavar="GROUPS")


def split(text: str, default: str | None = None) -> Any:
    """Return the field for a part of the data."""
    return option(f"{text}; all for all parts", default=default, metavar="NAME")


def skip_broken() -> Any:
    """Return the field that says what becomes of broken files."""
    return option("leave out files that cannot be read, and list them beside the result", default=False)


def module() -> Any:
    """Return the field for an encoder of one's own; see `own_module`."""
    return option(
        "your own encoder or network: a function that returns it, in a package or in a file in this folder",
        default=None,
        metavar="PACKAGE:FUNCTION",
    )


def features() -> Any:
    """Return the field for features that are there already."""
    text = (
        "features of the same data from `infomax embed` (.parquet, .csv, .npz, .npy), or a folder or "
        "pattern of parts from `infomax embed --parts`; by default they are computed"
    )
    return option(text, default=None, metavar="FILE")


def knn() -> Any:
    """Return the field for the way in which the nearest of many rows are found."""
    from infomax.evaluation.options import WAYS_OF_KNN

    text = (
        "how to find the nearest among more than 100,000 rows: exact, or lists (FAISS's inverted "
        "lists, approximate); auto: exact up to 10⁹ pairs of rows or without FAISS, else lists"
    )
    return option(text, default="auto", choices=WAYS_OF_KNN)


def devices() -> Any:
    """Return the field for the number of processes."""
    text = (
        "number of processes that share the work, each on its own device; by default one, or as "
        "many as torchrun started"
    )
    return option(text, default=None)


@dataclass(frozen=True)
class EncoderCommand:
    """The options of a command in which the encoder of a run sees data, and how it sees them."""

    run: str = run_folder()
    given: Mapping[str, Any] = given()
    range: str | None = pixel_range()
    pages: str | None = pages()
    module: str | None = module()

    def data(self, **how: Any) -> "Given":
        """Return the data as chosen; `how` stands for what has not been chosen."""
        from infomax.evaluation.given import Given

        return Given(**{**how, **self.given})

    def encoder(self) -> "PretrainedEncoder":
        """Return the encoder of the run, which reads pixels as chosen."""
        from infomax.learning.encoders.own import load_own_encoder

        return load_own_encoder(self.run, self.module, range=self.range, pages=self.pages)
