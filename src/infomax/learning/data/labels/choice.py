"""Where labels come from, as the user says it in one word or path."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from infomax.errors import refuse

Form = Literal["classes", "numbers", "tags"]
FORMS: tuple[str, ...] = get_args(Form)
LABEL_FILES = (".csv", ".tsv", ".txt", ".parquet", ".jsonl", ".ndjson", ".json", ".xlsx", ".ods")
"""Suffixes of tables of labels."""


@dataclass(frozen=True)
class LabelChoice:
    """Where labels come from, and what they are taken for.

    Attributes:
        word: ``none``, ``folders``, or "" where a column or table is named, or nothing.
        table: file that names the things and their labels.
        columns: of the table, or of the source.
        form: what the labels are taken for; None where their values decide.
    """

    word: str = ""
    table: Path | None = None
    columns: tuple[str, ...] = ()
    form: str | None = None

    @property
    def is_automatic(self) -> bool:
        """True where nothing was said of where labels come from."""
        return not (self.word or self.table or self.columns or self.form)

    @staticmethod
    def parse(text: "str | Path | None") -> "LabelChoice":
        """Return the choice that ``none``, ``folders``, ``COLUMN`` or ``FILE[:COLUMN]`` means.

        Several columns have commas between. ``=classes``, ``=numbers`` or ``=tags`` at the end, or alone,
        says what the labels are taken for.

        Raises:
            ValueError: the file does not exist; another form.

        Example:
            >>> LabelChoice.parse("age=numbers")
            LabelChoice(word='', table=None, columns=('age',), form='numbers')
        """
        if text is None:
            return LabelChoice()
        text, form = _formed(str(text))
        if text in ("none", "folders", ""):
            return LabelChoice(text, form=form)
        path, columns = _file_and_columns(text)
        if path is None:
            return LabelChoice(columns=_named(text), form=form)
        refuse(
            not path.is_file(),
            f"labels: there is no file {path}; expected none, folders, a column, or FILE.csv[:column]",
        )
        return LabelChoice(table=path, columns=_named(columns), form=form)


def _formed(text: str) -> tuple[str, str | None]:
    before, _, form = text.rpartition("=")
    return (before, form) if form in FORMS and "=" in text else (text, None)


def _file_and_columns(text: str) -> tuple[Path | None, str]:
    """Return the file that a text names, if it names one, and what follows it."""
    before, colon, after = text.rpartition(":")
    for file, columns in ((text, ""), (before, after)) if colon else ((text, ""),):
        path = Path(file).expanduser()
        if path.suffix.lower() in LABEL_FILES and (path.is_file() or path.suffix.lower() != ".json"):
            return path, columns
    return None, ""


def _named(columns: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in columns.split(",") if name.strip())
