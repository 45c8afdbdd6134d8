"""Tables that are opened to be read in parts, and how much memory they would take whole."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from polars import selectors as cs

from infomax.errors import refuse, without_panics
from infomax.estimation.tables import DEFAULT_SAMPLED_ROWS
from infomax.estimation.tables.read import cleaned, measurable, opened_file, without_numbers
from infomax.estimation.tables.reading.delimited import open_text
from infomax.estimation.tables.reading.dialect import TextOptions
from infomax.estimation.tables.reading.files import SCANNED, TEXT, Found, Opened, find
from infomax.estimation.tables.reading.frames import LeftOut, ReadFrame, first_line
from infomax.memory import total_memory

ROWS_AT_ONCE = 1 << 20
BYTES_A_CELL = 48
"""Memory that a cell of a table takes while it is measured whole."""
BYTES_A_CHARACTER = 12
"""The same of a character of a text file."""
MAX_SHARE = 1 / 2
"""Tables that would take more than this share of the memory are read in parts."""


@dataclass(frozen=True, eq=False)
class Parts:
    """A table that `pairwise` and the rankings read batch by batch.

    Labels are counted in all rows, and numbers are measured on some rows, drawn at random.

    Args:
        name: what the user called it.
        lazy: the columns that can be measured.
        num_rows: of the table.
        num_sampled_rows: on which numbers are measured; all where the table has no more.
        options: how it is written.
        words: that mean a missing value among text.
        notes: one line for each guess.
        left_out: columns that cannot be measured.
    """

    name: str
    lazy: pl.LazyFrame
    num_rows: int
    num_sampled_rows: int = DEFAULT_SAMPLED_ROWS
    options: TextOptions = field(default_factory=TextOptions)
    words: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    def __post_init__(self) -> None:
        refuse(
            self.num_sampled_rows < 2,
            f"measure: num_sampled_rows must be at least 2, got {self.num_sampled_rows}",
        )

    def __len__(self) -> int:
        return self.num_rows

    def batches(self) -> Iterator[tuple[int, pl.DataFrame]]:
        """Yield batches of rows in their order, each with the number of its first row.

        Raises:
            ValueError: the files are damaged, or have another number of rows than before.
        """
        first = 0
        try:
            with without_panics():
                for frame in self._lazily().collect_batches(
                    chunk_size=ROWS_AT_ONCE, maintain_order=True, engine="streaming"
                ):
                    yield first, frame
                    first += len(frame)
        except (pl.exceptions.PolarsError, OSError, RuntimeError) as error:
            raise ValueError(
                f"measure: {self.name} cannot be read as a table: {first_line(error)}"
            ) from error
        refuse(
            first != self.num_rows,
            f"measure: {self.name} had {self.num_rows:,} rows, and later {first:,}; "
            "expected a file that does not change; start again",
        )

    def drawn(self, seed: int) -> np.ndarray:
        """Return the numbers of the rows that are drawn, in their order: all different, all sets alike."""
        if self.num_sampled_rows >= self.num_rows:
            return np.arange(self.num_rows)
        rng = np.random.default_rng(seed)
        return np.sort(rng.choice(self.num_rows, self.num_sampled_rows, replace=False, shuffle=False))

    def sample(self, seed: int) -> ReadFrame:
        """Return the rows that are drawn, as `read_frame` returns a table, with a line that says so."""
        rows = self.drawn(seed)
        read = self.as_read([some_of(frame, first, rows) for first, frame in self.batches()])
        return replace(read, notes=(*read.notes, *self.about_the_sample("all columns", seed)))

    def about_the_sample(self, what: str, seed: int) -> list[str]:
        """Return a line that says what was measured on some rows, and the error that this adds.

        Errors fall as 1 / √rows.
        """
        n, m = self.num_rows, self.num_sampled_rows
        where = f"{what} are measured on {m:,} of {n:,} rows, drawn at random (seed {seed})"
        error = f"± is that of these rows, about {math.sqrt(n / m):.3g} times that of all"
        return [f"{where}: {error}; --sampled-rows takes more"] if m < n else []

    def as_read(self, batches: Sequence[pl.DataFrame]) -> ReadFrame:
        """Return rows as `read_frame` returns a table."""
        whole = pl.concat(batches).with_columns(cs.categorical().cast(pl.String).cast(pl.Categorical))
        frame, notes = cleaned(whole, self.options, self.words)
        return ReadFrame(frame, (*self.notes, *(f"{self.name}: {note}" for note in notes)), self.left_out)

    def without_numbers(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return a batch without numbers that mean a missing value."""
        return without_numbers(frame, self.options.missing)

    def _lazily(self) -> pl.LazyFrame:
        """Text as categories, each column with categories of its own."""
        text = self.lazy.select(cs.string() | cs.categorical()).collect_schema().names()
        own = [pl.col(name).cast(pl.String).cast(pl.Categorical(pl.Categories.random())) for name in text]
        return self.lazy.with_columns(own)


def some_of(frame: pl.DataFrame, first: int, rows: np.ndarray) -> pl.DataFrame:
    """Return the rows of a batch that have these numbers, in order; `first` is that of its first row."""
    low, high = np.searchsorted(rows, [first, first + len(frame)])
    return frame[rows[low:high] - first]


def open_parts(
    source: str | Path | Sequence[str | Path],
    columns: Iterable[str] | None = None,
    *,
    num_sampled_rows: int = DEFAULT_SAMPLED_ROWS,
    split: str = "train",
    **written: Any,
) -> Parts:
    """Return a table that is read in parts: for `pairwise` and `rank_columns`, in memory that stays the same.

    Args:
        source: files as `read_frame` takes them: Parquet, Arrow, text or JSON lines.
        columns: names; None: all that can be measured.
        num_sampled_rows: rows drawn at random, on which numbers are measured.
        split: as in `read_frame`.
        written: how a text file is written: `separator`, `decimal`, …, as in `read_frame`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a kind of file that is read whole; a file that cannot be read; a column that is missing.

    Example:
        >>> from tempfile import NamedTemporaryFile
        >>> from infomax.estimation.tables.pairwise import pairwise
        >>> coins = pl.DataFrame({"coin": [0, 1] * 500, "same": [1, 0] * 500})
        >>> with NamedTemporaryFile(suffix=".parquet") as file:
        ...     coins.write_parquet(file.name)
        ...     found = pairwise(open_parts(file.name))
        >>> found["coin", "same"]["bits"].__round__(2), found["coin", "same"]["num_samples"]
        (1.0, 1000)
    """
    found = find(source)
    options = _options(written)
    opened = _opened(found, split, options)
    try:
        names, left_out = measurable(found.name, opened.lazy, None if columns is None else [*columns], ())
        num_rows = int(opened.lazy.select(pl.len()).collect(engine="streaming").item())
    except (pl.exceptions.PolarsError, OSError, RuntimeError) as error:
        raise ValueError(f"measure: {found.name} cannot be read as a table: {first_line(error)}") from error
    refuse(not num_rows, f"measure: {found.name} has no rows")
    refuse(not names, f"measure: {found.name} has no columns of numbers or labels")
    return Parts(
        found.name,
        opened.lazy.select(cs.by_name(*names)),
        num_rows,
        num_sampled_rows,
        options,
        tuple(options.words if opened.from_text else options.missing),
        tuple(f"{found.name}: {note}" for note in opened.notes),
        left_out,
    )


def size_in_memory(source: str | Path | Sequence[str | Path]) -> int | None:
    """Return about how many bytes a table takes while it is measured whole; None where it can only be so."""
    if isinstance(source, str | Path) and (str(source).startswith(("hf:", "-")) or Path(source).is_dir()):
        return None
    found = find(source)
    if found.suffix not in SCANNED and found.suffix not in TEXT:
        return None
    if found.suffix in SCANNED and found.suffix not in (".jsonl", ".ndjson"):
        lazy = opened_file(found, "train").lazy
        width = len(lazy.collect_schema())
        return BYTES_A_CELL * width * int(lazy.select(pl.len()).collect().item())
    return BYTES_A_CHARACTER * sum(_num_bytes(part) for part in found.parts)


def is_too_large(source: str | Path | Sequence[str | Path]) -> bool:
    """Return whether a table would take more than half of the memory, and can be read in parts."""
    size = size_in_memory(source)
    return size is not None and size > MAX_SHARE * total_memory()


def _opened(found: Found, split: str, options: TextOptions) -> Opened:
    refuse(
        found.suffix not in SCANNED and found.suffix not in TEXT,
        f"measure: {found.name} is read whole, not in parts; write it as Parquet or CSV",
    )
    if found.suffix in SCANNED:
        return opened_file(found, split)
    text = open_text(found, options)
    try:
        return text.opened()
    except (pl.exceptions.PolarsError, OSError, RuntimeError) as error:
        raise ValueError(
            f"measure: {found.name} cannot be read as a table: {text.explained(error)}"
        ) from error


def _options(written: dict[str, Any]) -> TextOptions:
    several: dict[str, Any] = {
        name: tuple(map(str, written[name])) for name in ("missing", "keep") if name in written
    }
    return TextOptions(**{**written, **several})


def _num_bytes(part: Path | bytes) -> int:
    return len(part) if isinstance(part, bytes) else part.stat().st_size
