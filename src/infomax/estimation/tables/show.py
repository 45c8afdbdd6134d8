"""Measured information in bits: as a table for the terminal, and as a mapping for JSON."""

import math
from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import polars as pl

from infomax.estimation.tables.pairwise import PairwiseInformation
from infomax.estimation.tables.rank import Ranking

if TYPE_CHECKING:
    from rich.table import Table

MAX_ROWS = 30


def as_mapping(found: PairwiseInformation | Ranking) -> dict[str, Any]:
    """Return all results in bits, from the most to the least, then the refused ones with their reasons."""
    frame = _sorted(found.frame).with_columns(
        bits=pl.col("value") / math.log(2), standard_error=pl.col("standard_error") / math.log(2)
    )
    keys = _keys(found)
    rows = frame.filter(pl.col("refused").is_null()).select(
        *keys, "bits", "standard_error", "num_samples", "p_value", "adjusted_p_value", "kind", "method"
    )
    refused = frame.filter(pl.col("refused").is_not_null()).select(*keys, "num_samples", "refused")
    about = {"target": found.target, "given": list(found.given)} if isinstance(found, Ranking) else {}
    return {**about, "kinds": dict(found.kinds), "rows": rows.to_dicts(), "refused": refused.to_dicts()}


def as_table(found: PairwiseInformation | Ranking) -> "Table":
    """Return the rows with the most information as a table, with error bars and adjusted p-values."""
    from rich.table import Table

    mapping = as_mapping(found)
    table = Table(title=_title(found), caption=_caption(mapping), caption_justify="left")
    headings = _headings(found, mapping["rows"])
    for heading in headings:
        table.add_column(heading, **({"justify": "right", "no_wrap": True} if heading in _WRITTEN else {}))
    for row in mapping["rows"][:MAX_ROWS]:
        table.add_row(*(_plain(_WRITTEN.get(heading, itemgetter(heading))(row)) for heading in headings))
    return table


def _headings(found: PairwiseInformation | Ranking, rows: list[dict[str, Any]]) -> list[str]:
    """The columns of the table: without lags where all are 0, without p-values where there are none."""
    empty = {"lag": not any(row.get("lag") for row in rows), "p": all(row["p_value"] is None for row in rows)}
    return [heading for heading in (*_keys(found), *_WRITTEN) if not empty.get(heading)]


_WRITTEN: dict[str, Callable[[dict[str, Any]], str]] = {
    "bits": lambda row: _with_error(row["bits"], row["standard_error"]),
    "n": lambda row: f"{row['num_samples']:,}",
    "p": lambda row: "" if row["adjusted_p_value"] is None else f"{row['adjusted_p_value']:.2g}",
    "method": lambda row: row["method"],
}


def _with_error(bits: float, error: float) -> str:
    """To a thousandth of a bit, or more digits where the error is smaller."""
    digits = 5 if 0 < error < 0.001 else 3
    return f"{bits:.{digits}f} ± {error:.{digits}f}"


def _keys(found: PairwiseInformation | Ranking) -> list[str]:
    return ["column", "lag"] if isinstance(found, Ranking) else ["x", "y"]


def _sorted(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.sort("value", descending=True, nulls_last=True, maintain_order=True)


def _title(found: PairwiseInformation | Ranking) -> str:
    if isinstance(found, PairwiseInformation):
        return "Mutual information of pairs of columns"
    given = f", given {', '.join(found.given)}" if found.given else ""
    return _plain(f"Information about {found.target}{given}")


def _caption(mapping: dict[str, Any]) -> str:
    """Say what the table leaves out."""
    hidden = len(mapping["rows"]) - MAX_ROWS
    lines = [f"… and {hidden} more rows"] if hidden > 0 else []
    if any(row["p_value"] is not None for row in mapping["rows"]):
        lines.append("p: adjusted for the number of rows (false discovery rate)")
    for row in mapping["refused"][:MAX_ROWS]:
        pair = [str(row[key]) for key in ("column", "x", "y") if key in row]
        lines.append(_plain(f"not measured: {', '.join(pair)}: {row['refused']}"))
    return "\n".join(lines)


def _plain(text: object) -> str:
    """Escape text, so that rich prints it unchanged."""
    from rich.markup import escape

    return escape(str(text))
