"""Tables read from a file, a folder, standard input, the network or the Hugging Face hub."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from polars import selectors as cs

from infomax.errors import refuse, without_panics
from infomax.estimation.tables.reading.cells import MISSING_WORDS, counted, exactly, texts_of
from infomax.estimation.tables.reading.delimited import Text, open_text
from infomax.estimation.tables.reading.dialect import TextOptions
from infomax.estimation.tables.reading.files import (
    TEXT,
    Found,
    Opened,
    check_known,
    find,
    open_binary,
    open_folder,
    open_hub,
)
from infomax.estimation.tables.reading.frames import LeftOut, ReadFrame, first_line, reason_to_leave_out

_NUM_NAMED = 3


def read_frame(
    source: str | Path | Sequence[str | Path],
    columns: Iterable[str] | None = None,
    *,
    split: str = "train",
    separator: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    encoding: str | None = None,
    header: bool = True,
    missing: Iterable[str] = (),
    keep: Iterable[str] = (),
) -> ReadFrame:
    """Return the named columns of a table, or all columns of numbers, labels and times, and what was guessed.

    A file is read lazily and in parts, and text becomes categories while it is read: memory grows with the
    wanted columns, not with the file. (Files in .bz2, .xz or .zip, in other encodings than UTF-8, and .json
    are unpacked in memory.) In text files and workbooks the words that pandas reads as missing values are
    missing. Numbers and times written as text are recognised by `columns_of`, which takes the result.

    Args:
        source: a file (.csv, .tsv, .txt, .parquet, .arrow, .feather, .json, .jsonl, .xlsx, .ods, .npy, …,
            each also in .gz, .zst, .bz2, .xz or .zip), several of them or a pattern (``part-*.parquet``), one
            below the other, - for standard input, an address (https://…), a folder that
            ``datasets.save_to_disk`` wrote, or ``hf:owner/name[:configuration][@revision]`` on the Hugging
            Face hub.
        columns: names; None: all columns except those of other types than numbers, labels and times.
        split: the part to read, where a folder or hub name has several, or a workbook several sheets.
        separator: the sign between columns of a text file, or its name (tab); None: guessed.
        decimal: "." or ","; None: guessed.
        thousands: the sign between groups of three digits; None: guessed for each column.
        encoding: of a text file; None: guessed.
        header: the first line of a text file holds names; without it they are column_1, column_2, …
        missing: further words, or numbers, that mean a missing value.
        keep: usual words for missing values that are values here, such as NA for Namibia.

    Raises:
        FileNotFoundError: no such file.
        MissingExtra: a hub name, and the package `datasets` is not installed; a workbook without `fastexcel`.
        ValueError: an unknown kind of file; a file that cannot be read as such; a column that is missing (the
            nearest name is suggested) or of another type; a table without rows.
    """
    name = str(source) if isinstance(source, str | Path) else ""
    options = TextOptions(
        separator, decimal, thousands, encoding, header, tuple(map(str, missing)), tuple(map(str, keep))
    )
    wanted = None if columns is None else [*dict.fromkeys(columns)]
    path = Path(name).expanduser()
    if name.startswith("hf:"):
        return _read(name, open_hub(name, split), wanted, options)
    if name and path.is_dir():
        return _read(name, open_folder(path, split), wanted, options)
    found = find(source)
    if found.suffix in TEXT:
        return _read_text(open_text(found, options), wanted)
    return _read(found.name, opened_file(found, split), wanted, options)


def _read_text(text: Text, wanted: Sequence[str] | None) -> ReadFrame:
    """The columns of delimited text, once more where it turns out to be written otherwise than it began."""
    name = text.found.name
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            read = _collected(name, text.opened(), wanted, text.options)
    except (pl.exceptions.PolarsError, OSError, RuntimeError) as error:
        if text.is_other_encoding(error):
            return _read_text(text.in_another_encoding(), wanted)
        raise ValueError(f"measure: {name} cannot be read as a table: {text.explained(error)}") from error
    if any("malformed" in str(warning.message) for warning in warned) and not text.dialect.rewritten:
        return _read_text(text.rewritten(), wanted)
    short = text.short_line() if read.frame.get_columns()[-1].has_nulls() else None
    return replace(read, notes=(*read.notes, *([f"{name}: {short}"] if short else [])))


def opened_file(found: Found, split: str) -> Opened:
    """Return a table of another kind than text, still to be read, or say why it cannot be.

    Raises:
        ValueError: it cannot be read.
    """
    name = found.name
    try:
        with without_panics():
            return open_binary(found, split)
    except ValueError:
        raise
    except Exception as error:  # readers of damaged files raise nearly anything
        raise ValueError(f"measure: {name} cannot be read as a table: {first_line(error)}") from error


def _read(name: str, opened: Opened, wanted: Sequence[str] | None, options: TextOptions) -> ReadFrame:
    try:
        return _collected(name, opened, wanted, options)
    except (pl.exceptions.PolarsError, OSError, RuntimeError) as error:
        raise ValueError(f"measure: {name} cannot be read as a table: {first_line(error)}") from error


@without_panics()
def _collected(name: str, opened: Opened, wanted: Sequence[str] | None, options: TextOptions) -> ReadFrame:
    """The wanted columns in memory, without words for missing values."""
    earlier = opened.read or ReadFrame(pl.DataFrame())
    names, left_out = measurable(name, opened.lazy, wanted, earlier.left_out)
    lazy = opened.lazy.select(cs.by_name(*names)).with_columns(cs.string().cast(pl.Categorical))
    frame = lazy.collect(engine="streaming")[names]
    refuse(frame.is_empty(), f"measure: {name} has no {'rows' if names else 'columns of numbers or labels'}")
    frame, notes = cleaned(frame, options, options.words if opened.from_text else options.missing)
    said = [f"{name}: {note}" for note in (*opened.notes, *notes)]
    return ReadFrame(frame, (*earlier.notes, *said), left_out)


def cleaned(
    frame: pl.DataFrame, options: TextOptions, words: Sequence[str]
) -> tuple[pl.DataFrame, list[str]]:
    """Return columns without words and numbers that mean a missing value, and a line for each usual word.

    Args:
        frame: the columns, text as categories.
        options: how the table is written.
        words: that mean a missing value among text.
    """
    frame, notes = _without_words(frame, words)
    return _in_notation(without_numbers(frame, options.missing), options), notes


def measurable(
    source: str, lazy: pl.LazyFrame, wanted: Sequence[str] | None, left_out: Sequence[LeftOut]
) -> tuple[list[str], tuple[LeftOut, ...]]:
    """Return the names of the wanted columns, or of all that can be measured; and the others.

    Raises:
        ValueError: a wanted column is missing, or of another type.
    """
    schema = lazy.collect_schema()
    reasons = {name: reason_to_leave_out(dtype) for name, dtype in schema.items()}
    reasons |= {one.name: one.reason for one in left_out}
    for name in wanted or ():
        check_known(source, "column", [*reasons], name)
        refuse(
            reasons[name],
            f"measure: {source}: column {name} {reasons[name]}; expected numbers, labels or times",
        )
    if wanted is not None:
        return [*wanted], ()
    odd = tuple(LeftOut(name, reason) for name, reason in reasons.items() if reason)
    return [name for name, reason in reasons.items() if not reason], odd


def _without_words(frame: pl.DataFrame, words: Sequence[str]) -> tuple[pl.DataFrame, list[str]]:
    """Text without words for missing values; and a line for each word that could be a label."""
    seen: dict[str, list[tuple[str, int]]] = {}
    for series in frame.select(cs.categorical()):
        texts = texts_of(series)
        gone = texts.texts.is_in([*words]).to_numpy()
        if not gone.any():
            continue
        rows = pl.Series(np.append(gone, False)[texts.codes])
        frame = frame.with_columns(series.zip_with(~rows, pl.Series([None], dtype=series.dtype)))
        for word, count in zip(texts.texts.filter(gone), texts.counts[gone], strict=True):
            seen.setdefault(word, []).append((series.name, int(count)))
    usual = {word: where for word, where in seen.items() if word and word in MISSING_WORDS}
    return frame, [_word_note(word, where) for word, where in usual.items()]


def _word_note(word: str, where: Sequence[tuple[str, int]]) -> str:
    places = [f"{column} ({counted(count, 'cell')})" for column, count in where]
    more = len(places) - _NUM_NAMED
    listed = ", ".join(places[:_NUM_NAMED]) + (f" and {counted(more, 'more column')}" if more > 0 else "")
    return f"{word!r} in {listed} is taken as missing; --keep {word} if it is a label"


def without_numbers(frame: pl.DataFrame, missing: Sequence[str]) -> pl.DataFrame:
    """Return numbers without those that mean a missing value."""
    numbers = pl.Series([*missing], dtype=pl.String).cast(pl.Float64, strict=False).drop_nulls().to_list()
    if not numbers:
        return frame
    return frame.with_columns(pl.when(~cs.numeric().cast(pl.Float64).is_in(numbers)).then(cs.numeric()))


def _in_notation(frame: pl.DataFrame, options: TextOptions) -> pl.DataFrame:
    """Text as numbers where all of its cells are numbers in the notation that the user named."""
    if options.decimal is None and options.thousands is None:
        return frame
    found = [
        exactly(texts_of(series), options.decimal, options.thousands)
        for series in frame.select(cs.categorical())
    ]
    return frame.with_columns(
        values.rename(series.name)
        for series, values in zip(frame.select(cs.categorical()), found, strict=True)
        if values is not None
    )
