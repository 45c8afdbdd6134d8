"""Measured information in bits: as a table for the terminal, as HTML, and as a mapping for JSON."""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape as html_escape
from io import StringIO
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import polars as pl

from infomax.estimation.estimate import Estimate
from infomax.estimation.tables.results.about import About

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

MAX_ROWS = 30
MAX_LINES = 8  # of one sort below the table
WIDTH = 80
MIN_NAME = 12
MAX_ERRORS_BELOW_0 = 4
FAR_BELOW_0 = "further below 0 than by noise: rows are no independent draws, or too few for the condition"
MAX_METHOD = 16
MIN_WRITTEN = 1e-99
"""p-values below this are written as below it; so far from its middle χ² is a rough law of a G-test."""

Row = Mapping[str, Any]


@runtime_checkable
class Shown(Protocol):
    """All that a result needs to be shown."""

    keys: ClassVar[tuple[str, ...]]

    @property
    def frame(self) -> pl.DataFrame:
        """One row for each result."""
        ...

    @property
    def about(self) -> About:
        """Kinds, guesses and settings."""
        ...

    @property
    def title(self) -> str:
        """A line that says what was measured."""
        ...

    def shown(self) -> pl.DataFrame:
        """Return the rows in the order in which they are shown."""
        ...

    def scale(self) -> str:
        """Return a line that says what the bits compare with."""
        ...


def as_mapping(found: Shown) -> dict[str, Any]:
    """Return all results in bits, in order, then the refused ones with their reasons, and the settings."""
    measured, refused = _split(found.shown())
    rows = _in_bits(measured)
    return {
        "unit": "bits",
        **found.about.as_mapping(),
        "rows": [{**row, "cautions": _cautions(row)} for row in rows.to_dicts()],
        "refused": refused.select(*found.keys, "num_samples", "refused").to_dicts(),
    }


def _in_bits(frame: pl.DataFrame) -> pl.DataFrame:
    rows = frame.drop("value", "standard_error", "refused").rename({"bits_error": "standard_error"})
    interactions = [name for name in frame.columns if name.startswith("interaction")]
    return rows.with_columns(pl.col(interactions) / math.log(2))


def as_text(found: Shown, width: int = WIDTH) -> str:
    """Return the printed table as text of so many columns."""
    from rich.console import Console

    console = Console(file=StringIO(), width=width, color_system=None, force_jupyter=False)
    console.print(as_table(found, width))
    assert isinstance(console.file, StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().rstrip().splitlines())


def as_table(found: Shown, width: int = WIDTH, *, further: Sequence[str] = ()) -> "RenderableType":
    """Return the rows with the most information as a table, and below it what must be known to read it.

    Args:
        found: the result.
        width: of the terminal.
        further: lines that say what to do next.
    """
    from rich.console import Group
    from rich.text import Text

    lines = [Text(line) for line in (*_lines(found, width), *further)]
    return Group(Text(found.title, style="bold"), _table(found, width), *lines)


def as_html(found: Shown) -> str:
    """Return the table and the lines below it as HTML."""
    rows, headings = _rows(found)[:MAX_ROWS], _headings(found)
    cells = [[_WRITTEN[heading](row) for heading in headings] for row in rows]
    head = "".join(f"<th>{html_escape(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{''.join(f'<td>{html_escape(cell)}</td>' for cell in row)}</tr>" for row in cells)
    below = "<br>".join(html_escape(line) for line in _lines(found, WIDTH))
    return (
        f"<div><b>{html_escape(found.title)}</b><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table><small>{below}</small></div>"
    )


def _table(found: Shown, width: int) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    rows, headings = _rows(found)[:MAX_ROWS], _headings(found, width)
    cells = [[_WRITTEN[heading](row) for heading in headings] for row in rows]
    longest = _room_for_names(headings, rows, width)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for heading in headings:
        table.add_column(heading, justify="left" if heading in _LEFT else "right", no_wrap=True)
    for place, row in enumerate(rows):
        if place and is_doubtful(row) and not is_doubtful(rows[place - 1]):
            table.add_row(*("─" * min(3, len(heading)) for heading in headings))
        shown = [
            shortened(cell, longest) if heading in _NAMES else cell
            for heading, cell in zip(headings, cells[place], strict=True)
        ]
        table.add_row(*(Text(cell) for cell in shown))
    return table


def _room_for_names(headings: Sequence[str], rows: Sequence[Row], width: int) -> int:
    """Return how many characters a name can have, where all columns fit into the width."""
    names = [heading for heading in headings if heading in _NAMES]
    others = [heading for heading in headings if heading not in _NAMES]
    taken = sum(max([len(one), *(len(_WRITTEN[one](row)) for row in rows)]) for one in others)
    return (width - taken - _GAP * len(headings)) // len(names)


def _headings(found: Shown, width: int | None = None) -> list[str]:
    """Return the columns of the table: without those that say the same in every row, or find no room."""
    rows = _rows(found)
    shown = {
        "bits": True,
        "lag": any(row.get("lag") for row in rows),
        "kind": "column" in found.keys,
        "interaction": "interaction" in found.frame.columns,
        "share": any(row.get("share") is not None for row in rows),
        "p": any(row["p_value"] is not None for row in rows),
        "n": len({row["num_samples"] for row in rows}) > 1,
        "method": len({row["method"] for row in rows}) > 1,
        "caution": any(row["cautions"] for row in rows),
    }
    keys = [key for key in found.keys if key != "lag"]
    headings: list[str] = []
    for too_wide in (None, *_LEAST):
        shown = {heading: also and heading != too_wide for heading, also in shown.items()}
        headings = [*keys, *(heading for heading in _ORDER if shown[heading])]
        if width is None or _room_for_names(headings, rows[:MAX_ROWS], width) >= MIN_NAME:
            break
    return headings


_GAP = 2  # between columns
_LEAST = ("method", "n", "kind")  # columns that are left out first where there is no room
_ORDER = ("lag", "kind", "interaction", "bits", "share", "p", "n", "method", "caution")
_NAMES = ("column", "x", "y", "x1", "x2", "atom")
_LEFT = {*_NAMES, "kind", "method", "caution"}

_WRITTEN: dict[str, Callable[[Row], str]] = {
    **{name: (lambda row, name=name: str(row[name])) for name in _NAMES},
    "lag": lambda row: str(row["lag"]),
    "kind": lambda row: row["kind_of_column"],
    "interaction": lambda row: _plus_minus(row["interaction"], row["interaction_error"]),
    "bits": lambda row: bits_with_error(row),
    "share": lambda row: "" if row["share"] is None else f"{row['share']:.0%}".replace("-0%", "0%"),
    "p": lambda row: _p_value(row),
    "n": lambda row: f"{row['num_samples']:,}",
    "method": lambda row: _method(row),
    "caution": lambda row: ", ".join(dict.fromkeys(one.partition(":")[0] for one in _cautions(row))),
}


def bits_with_error(row: Row) -> str:
    """Return bits ± one standard error, to a thousandth or more digits where the error is smaller.

    A saturated value is at least so much, and an error of 0 that is in doubt is left out.
    """
    bits, error = row["value"] / math.log(2), row["standard_error"] / math.log(2)
    digits = 5 if 0 < error < 0.001 else 3
    bits = round(bits, digits) + 0.0  # no minus before 0
    cautions = _cautions(row)
    if any(one.startswith("saturated") for one in cautions):
        return f"≥ {bits:.{digits}f}"
    return f"{bits:.{digits}f}" if cautions and not error else f"{bits:.{digits}f} ± {error:.{digits}f}"


def in_bits(estimate: Estimate) -> str:
    """Return an estimate with its error bar, such as "0.953 ± 0.020 bits"."""
    return f"{_plus_minus(estimate.value, estimate.standard_error)} bits"


def _plus_minus(value: float, error: float) -> str:
    return f"{round(value / math.log(2), 3) + 0.0:.3f} ± {error / math.log(2):.3f}"


def is_doubtful(row: Row) -> bool:
    """Return whether the value may be bias alone."""
    return any(one.startswith("undersampled") for one in _cautions(row))


def is_at_floor(row: Row) -> bool:
    """Return whether the p-value is the lowest that so many permutations can give."""
    number = row["num_permutations"]
    return bool(number) and row["p_value"] <= (1 + 1e-9) / (1 + number)


def shortened(text: str, width: int) -> str:
    """Return a text of at most so many characters: its beginning and its end.

    Example:
        >>> shortened("mean fractal dimension of all nuclei", 20)
        'mean frac…all nuclei'
    """
    if len(text) <= width:
        return text
    tail = (width - 1 + 1) // 2
    return f"{text[: width - 1 - tail]}…{text[len(text) - tail :]}"


def _p_value(row: Row) -> str:
    if row["adjusted_p_value"] is None:
        return ""
    if row["adjusted_p_value"] < MIN_WRITTEN:
        return f"< {MIN_WRITTEN:g}"
    written = f"{row['adjusted_p_value']:.2g}"
    return f"≤ {written}" if is_at_floor(row) else written


def _method(row: Row) -> str:
    """Return the estimator, and its first setting where there is room."""
    name, *settings = row["method"].split(", ")
    short = ", ".join([name, *settings[:1]])
    return short if len(short) <= MAX_METHOD else shortened(name, MAX_METHOD)


def _cautions(row: Row) -> list[str]:
    written: str = row["cautions"] or ""
    return [*written.split("; ")] if written else []


def _split(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the measured rows, and the refused ones."""
    return frame.filter(pl.col("refused").is_null()), frame.filter(pl.col("refused").is_not_null())


def _rows(found: Shown) -> list[dict[str, Any]]:
    kinds = found.about.kinds
    rows = _split(found.shown())[0].to_dicts()
    return [{**row, "kind_of_column": kinds.get(str(row.get("column")), "")} for row in rows]


# ---------------------------------------------------------------------------------------- below the table


def _lines(found: Shown, width: int) -> list[str]:
    """Return what must be known to read the table, a line each."""
    rows = _rows(found)
    return [
        *_of_what_is_hidden(found, rows),
        *([f"bits ± one standard error; {found.scale()}"] if rows else []),
        *_of_values_below_0(found, rows),
        *_of_methods(found, rows, width),
        *_of_p_values(found, rows),
        *_of_cautions(found, rows),
        *_few(_of_guesses(found)),
        *_few(_of_refused(found)),
    ]


def _of_what_is_hidden(found: Shown, rows: list[dict[str, Any]]) -> list[str]:
    hidden, missing = len(rows) - MAX_ROWS, found.about.num_missing
    lines = [f"… and {hidden} more rows"] if hidden > 0 else []
    if missing:
        lines.append(f"stopped early: {missing} of {len(found.frame) + missing} results are missing")
    return lines


def _of_values_below_0(found: Shown, rows: list[dict[str, Any]]) -> list[str]:
    below = [row for row in rows if bits_with_error(row).startswith("-")]
    far = [row for row in below if row["value"] < -MAX_ERRORS_BELOW_0 * row["standard_error"]]
    near = "bits below 0 are noise of the estimate: there is no information below 0"
    names = [_name(found, row) for row in far[:1]] + [f"{len(far) - 1} more rows"] * (len(far) > 1)
    lines = [f"{' and '.join(names)}: {FAR_BELOW_0}"] if far else []
    return ([near] if len(below) > len(far) else []) + lines


def _of_methods(found: Shown, rows: list[dict[str, Any]], width: int) -> list[str]:
    headings = _headings(found, width)
    sizes, methods = [list(dict.fromkeys(row[of] for row in rows)) for of in ("num_samples", "method")]
    said = []
    if "n" not in headings and rows:
        said.append(f"n = {min(sizes):,}" + (f" to {max(sizes):,}" if len(sizes) > 1 else ""))
    if "method" not in headings and rows:
        said.append(f"method: {'; '.join(methods[:MAX_LINES])}")
    return ["; ".join(said)] if said else []


def _of_p_values(found: Shown, rows: list[dict[str, Any]]) -> list[str]:
    tested = [row for row in rows if row["p_value"] is not None]
    if not tested:
        return []
    what = "columns" if "column" in found.keys else "pairs"
    lines = [f"p: adjusted for the number of {what} tested (false discovery rate)"]
    if any(is_at_floor(row) for row in tested):
        most = max(row["num_permutations"] or 0 for row in tested)
        lines.append(f"≤: none of {most:,} {found.about.null} gave as much")
    return lines


def _of_cautions(found: Shown, rows: list[dict[str, Any]]) -> list[str]:
    lines = []
    if any(is_doubtful(row) for row in rows):
        lines.append("undersampled rows stand last: their values may be bias alone")
    if any(bits_with_error(row).startswith("≥") for row in rows):
        lines.append("≥: the samples cannot show more than this value")
    details = [f"{_name(found, row)}: {one}" for row in rows for one in _cautions(row) if ":" in one]
    return [*lines, *_few(details)]


def _of_guesses(found: Shown) -> list[str]:
    """Return the notes; those about identifiers belong to what is not measured."""
    identifiers = tuple(f"{name}: " for name in _identifiers(found))
    return [note for note in found.about.notes if not note.startswith(identifiers)]


def _of_refused(found: Shown) -> list[str]:
    """Return a line for each column that was left out, and each row that was refused for another reason."""
    identifiers = _identifiers(found)
    notes = {name: note for note in found.about.notes for name in identifiers if note.startswith(f"{name}: ")}
    rows = [
        f"{_name(found, row)}: {row['refused']}"
        for row in _split(found.shown())[1].to_dicts()
        if not any(row.get(key) in notes for key in found.keys)
    ]
    left_out = [f"{name}: {reason}" for name, reason in found.about.left_out.items()]
    return [f"not measured: {line}" for line in (*left_out, *notes.values(), *rows)]


def _identifiers(found: Shown) -> list[str]:
    """Return the columns of identifiers that were refused."""
    refused = _split(found.shown())[1].select(key for key in found.keys if key != "lag")
    return [
        name
        for name, kind in found.about.kinds.items()
        if kind == "identifiers" and any(name in column for column in refused)
    ]


def _name(found: Shown, row: Row) -> str:
    """Return the columns of a row; x@2 is the column two rows earlier."""
    names = ", ".join(str(row[key]) for key in found.keys if key != "lag")
    return f"{names}@{row['lag']}" if row.get("lag") else names


def _few(lines: list[str]) -> list[str]:
    """Return the first lines, and how many more there are."""
    more = len(lines) - MAX_LINES
    return [
        *lines[:MAX_LINES],
        *([f"… and {more} more lines like this (all of them in JSON)"] if more > 0 else []),
    ]
