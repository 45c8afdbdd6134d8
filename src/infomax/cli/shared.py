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
    "--optimizer.lr 1e-3. The end of its name is enough: --minutes 5, --epochs 10,\n"
    "--steps 1000, --lr 1e-3, --batch-size 64, --seed 1, --devices 2. --config FILE\n"
    "reads them from YAML, and --dry-run shows them all."
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
    text = "how pixels are read: auto, full, percentile or LOW:HIGH; by default as the run did"
    return option(text, default=None)


def pages() -> Any:
    """Return the field for the pages of files that have several."""
    text = "of files with several pages: first, channels, or numbers from 1; by default as the run did"
    return option(text, default=None)


def labels() -> Any:
    """Return the field for where labels come from."""
    text = (
        "where labels come from: none, folders, a column, or a table FILE.csv[:column] of names and labels; "
        "=classes, =numbers or =tags at the end says what they are"
    )
    return option(text, default=None, metavar="LABELS")


def together_in_groups() -> Any:
    """Return the field for the groups of rows that stay together where some are held out."""
    text = (
        "hold out whole groups, such as the images of a patient or a film: a column, or a table of names and "
        "groups, FILE.csv:column; without it rows are held out one by one"
    )
    return option(text, default=None, metavar="GROUPS")


def split(text: str, default: str | None = None) -> Any:
    """Return the field for a part of the data."""
    return option(f"{text}; all for all parts", default=default, metavar="NAME")


def skip_broken() -> Any:
    """Return the field that says what becomes of broken files."""
    return option("leave out what cannot be read, and list it beside the result", default=False)


def module() -> Any:
    """Return the field for an encoder of one's own; see `own_module`."""
    return option(
        "encoder or network of your own: a function of a package, or of a file in this folder, returns it",
        default=None,
        metavar="PACKAGE:FUNCTION",
    )


def devices() -> Any:
    """Return the field for the number of processes."""
    text = "processes that share the work, each on a device of its own; one, or as torchrun has started"
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
