"""Delimited text (CSV and its relatives) as lazy Polars frames, and what is wrong with a line."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import polars as pl

from infomax.estimation.tables.reading.dialect import (
    Dialect,
    TextOptions,
    delimited,
    guess_dialect,
    legacy_encoding,
    named_sign,
)
from infomax.estimation.tables.reading.files import TEXT, Found, Opened, as_sources, check_text
from infomax.estimation.tables.reading.frames import first_line

MAX_LINES_CHECKED = 100_000
"""Lines that are searched for one with too few columns, which Polars fills."""
_NOT_UTF8 = re.compile(r"utf-?8", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Text:
    """Delimited text, and how it is written."""

    found: Found
    options: TextOptions
    dialect: Dialect

    def opened(self) -> Opened:
        """Return the table, its types inferred from the whole file; text is left as it is.

        Raises:
            ValueError: no text, or of another encoding.
        """
        sources = self._sources()
        how: dict[str, Any] = {
            "has_header": self.dialect.header,
            "separator": "\t" if self.dialect.rewritten else self.dialect.separator,
            "decimal_comma": self.dialect.decimal == "," != self.dialect.separator,
        }
        inferred = pl.scan_csv(
            sources, **how, null_values=self.options.words, infer_schema_length=None
        ).collect_schema()
        names = inferred.names()
        schema = {
            **inferred,
            **{names[place]: pl.String for place in self.dialect.codes if place < len(names)},
        }
        if self.options.thousands:
            schema = dict.fromkeys(schema, pl.String)
        # Numbers were told from words above; here every word that is no number becomes null, and texts stay.
        extra = [*self.options.missing] or None
        lazy = pl.scan_csv(sources, **how, schema_overrides=schema, null_values=extra, ignore_errors=True)
        renamed, notes = self._names(names)
        return Opened(lazy.rename(renamed), from_text=True, notes=(*self.dialect.notes, *notes))

    def in_another_encoding(self) -> "Text":
        """Return the same text read in an encoding of one byte a character, with a line that says so."""
        encoding = legacy_encoding(b"".join(self.found.content()))
        note = f"encoding {encoding} (guessed, as some characters are no UTF-8; --encoding sets it)"
        return replace(
            self, dialect=replace(self.dialect, encoding=encoding, notes=(note, *self.dialect.notes))
        )

    def rewritten(self) -> "Text":
        """Return the same text as Python reads it, where quotation marks stand inside of cells."""
        return replace(self, dialect=replace(self.dialect, rewritten=True))

    def explained(self, error: Exception) -> str:
        """Return what is wrong with the file: the first line with too many columns, or the reader's words."""
        what = str(error)
        if "more fields" in what or "malformed" in what or "could not parse" in what:
            return self._odd_line() or f"{first_line(error)}; is a quotation mark left open?"
        if _NOT_UTF8.search(what):
            return "some characters are no UTF-8; set --encoding, for example to cp1252"
        return first_line(error)

    def is_other_encoding(self, error: Exception) -> bool:
        """Return True where the encoding was guessed, and the error says that it is not UTF-8."""
        guessed = self.options.encoding is None and self.dialect.encoding.startswith("utf-8")
        return guessed and bool(_NOT_UTF8.search(str(error)))

    def short_line(self) -> str | None:
        """Return a line about the first row that has fewer columns than there are names; None without."""
        width = 0
        for number, row in islice(self._lines(), MAX_LINES_CHECKED):
            width = width or len(row)
            if row and len(row) < width:
                return f"line {number} has {len(row)} of {width} columns; the rest is taken as missing"
        return None

    def _odd_line(self) -> str | None:
        sign, width = named_sign(self.dialect.separator), 0
        for number, row in self._lines():
            width = width or len(row)
            if len(row) > width:
                return (
                    f"line {number} has {len(row)} columns, the first line has {width} (separator {sign}); "
                    "mend the line, or set --separator, or put cells with such signs in quotation marks"
                )
        return None

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the lines of the first file, numbered from 1."""
        encoding = "utf-8-sig" if self.dialect.encoding == "utf-8" else self.dialect.encoding
        with self.found.unpacked() as file:
            text = io.TextIOWrapper(file, encoding=encoding, errors="replace", newline="")
            yield from enumerate(delimited(text, self.dialect.separator), 1)

    def _sources(self) -> Any:
        """Files as Polars reads them: as they are, or their text anew in UTF-8."""
        parts = self.found.parts
        is_utf8 = self.dialect.encoding in ("utf-8", "utf-8-sig", "utf8", "ascii")
        old_lines = b"\n" not in self.found.head and b"\r" in self.found.head
        if not is_utf8 or self.dialect.rewritten or old_lines:
            parts = tuple(self._in_utf8(content) for content in self.found.content())
        return as_sources(parts)

    def _in_utf8(self, content: bytes) -> bytes:
        try:
            text = content.decode(self.dialect.encoding)
        except UnicodeError as error:
            raise ValueError(
                f"measure: {self.found.name} is not written in {self.dialect.encoding} ({error}); "
                "set --encoding"
            ) from None
        if self.dialect.rewritten:
            lines = io.StringIO(newline="")
            cells = delimited(io.StringIO(text, newline=""), self.dialect.separator)
            csv.writer(lines, delimiter="\t", lineterminator="\n").writerows(cells)
            return lines.getvalue().encode()
        return text.replace("\r\n", "\n").replace("\r", "\n").encode()

    def _names(self, names: list[str]) -> tuple[dict[str, str], list[str]]:
        """New names, without surrounding spaces; numbered where the file has none."""
        if not self.dialect.header:
            return {name: f"column_{number}" for number, name in enumerate(names, 1)}, []
        stripped = [name.strip() for name in names]
        new = names if len(set(stripped)) < len(names) else stripped
        twice = [name for name in names if "_duplicated_" in name]
        notes = [f"a second column {name.partition('_duplicated_')[0]} is called {name}" for name in twice]
        return {old: name for old, name in zip(names, new, strict=True) if old != name}, notes


def open_text(found: Found, options: TextOptions) -> Text:
    """Return a text file with how it is written, as far as its beginning shows.

    Raises:
        ValueError: an empty file, or one of another kind.
    """
    check_text(found)
    dialect = guess_dialect(found.head, options, TEXT[found.suffix])
    return Text(found, options, dialect)
