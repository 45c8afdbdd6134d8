"""Decompose what columns of a table tell about a target: the same, each its own, or only together.

    I(X₁, …, X_m; Y) = Σ of atoms, such as redundancy {1}{2}, unique {1}, {2}, and synergy {12}

Rows in which a column has no value are left out. The atoms and their errors are those of `decompose_columns`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import polars as pl

from infomax.errors import refuse
from infomax.estimation.estimate import Estimate
from infomax.estimation.many.decomposing import decompose_columns
from infomax.estimation.tables.columns import Column
from infomax.estimation.tables.measuring import measured_row
from infomax.estimation.tables.preparing import How, Prepared, in_memory, prepared, with_target
from infomax.estimation.tables.rank import check_target, entropy_left, with_share
from infomax.estimation.tables.results.result import TableResult
from infomax.estimation.tables.results.show import in_bits
from infomax.estimation.tables.running import as_frame_of_rows
from infomax.information.decomposition.broja import broja_decomposition
from infomax.information.decomposition.lattice import MAX_SOURCES, Decomposition
from infomax.information.decomposition.williams_beer import williams_beer_decomposition

Measure = Callable[[np.ndarray], Decomposition]
MEASURES: Mapping[str, Measure] = {"broja": broja_decomposition, "williams-beer": williams_beer_decomposition}
"""How redundancy is measured, by name."""


@dataclass(frozen=True, eq=False, repr=False)
class DecomposedTable(TableResult):
    """The result of `decompose_table`; ``found["{12}"]`` is the row of an atom.

    Args:
        frame: one row for each atom; value is nats.
        about: kinds of columns, guesses and settings.
        target: Y.
        sources: X₁, …, X_m, in the order in which atoms number them.
        information: I(X₁, …, X_m; Y), the sum of the atoms.
    """

    target: str = ""
    sources: tuple[str, ...] = ()
    information: Estimate | None = None
    keys: ClassVar[tuple[str, ...]] = ("atom",)

    @property
    def title(self) -> str:
        """The title of the printed table."""
        return f"What {', '.join(self.sources)} tell about {self.target}"

    def scale(self) -> str:
        """Return what the atoms sum to, and what their numbers mean."""
        numbered = ", ".join(f"{place} = {name}" for place, name in enumerate(self.sources, 1))
        whole = "" if self.information is None else f"; together {in_bits(self.information)}"
        return f"{numbered}; {{1}}{{2}} is told by each, {{12}} only by both together{whole}"

    def shown(self) -> pl.DataFrame:
        """Return the rows in order."""
        return self.frame

    def to_mapping(self) -> dict[str, Any]:
        """Return everything in bits, as values for JSON."""
        whole = None if self.information is None else self.information.bits
        about = {"target": self.target, "sources": list(self.sources), "information": whole}
        return {**about, **super().to_mapping()}

    def _named(self) -> dict[Any, int]:
        return {name: place for place, name in enumerate(self.frame["atom"])}


def decompose_table(
    table: Any,
    target: Any,
    sources: Sequence[str],
    *,
    measure: Measure | None = None,
    kinds: Mapping[str, str] | None = None,
    num_resamples: int = 200,
    seed: int = 0,
) -> DecomposedTable:
    """Return the atoms of what columns of labels tell about a target.

    Args:
        table: as in `rank_columns`.
        target: Y: the name of a column, its place, or its values.
        sources: names of two to four other columns.
        measure: of redundancy; None: `broja_decomposition` for two sources, `williams_beer_decomposition` for
            more.
        kinds: as in `pairwise`.
        num_resamples: tables that the bootstrap behind the errors draws.
        seed: of the bootstrap.

    Raises:
        ValueError: as `decompose_columns`; columns of numbers; a source that is missing, named twice, or the
            target; fewer than two or more than four sources.

    Example:
        >>> a, b = np.random.default_rng(0).integers(2, size=(2, 1000))
        >>> found = decompose_table({"a": a, "b": b, "xor": a ^ b}, "xor", ["a", "b"])
        >>> round(found["{12}"]["bits"], 1)
        1.0
    """
    table, name = with_target("decompose_table", table, target)
    ready = prepared("decompose_table", in_memory(table, seed), How(kinds=kinds, seed=seed))
    y = ready.named("decompose_table", name)
    columns = _sources(ready, sources, y)
    check_target("decompose_table", y)
    rows = np.logical_and.reduce([column.present for column in (*columns, y)])
    measure = measure or (broja_decomposition if len(columns) == 2 else williams_beer_decomposition)
    found = decompose_columns(
        [column.values[rows] for column in columns],
        y.values[rows],
        measure=measure,
        num_resamples=num_resamples,
        seed=seed,
    )
    atoms = [{"atom": name, **measured_row(atom)} for name, atom in found.atoms.items()]
    frame = with_share(as_frame_of_rows(atoms), entropy_left(ready.measuring, y))
    about = replace(ready.about, notes=(*ready.about.notes, *_left_out(rows)))
    return DecomposedTable(frame, about, name, tuple(sources), found.information)


def _sources(ready: Prepared, sources: Sequence[str], y: Column) -> list[Column]:
    """Return the columns of the sources.

    Raises:
        ValueError: too few or too many, one twice, the target among them, or columns of numbers.
    """
    written = ", ".join(sources)
    refuse(
        not 2 <= len(sources) <= MAX_SOURCES,
        f"decompose_table: expected 2 to {MAX_SOURCES} columns, got {len(sources)}: {written or 'none'}",
    )
    refuse(
        len({*sources, y.name}) <= len(sources),
        f"decompose_table: expected different columns, and not the target {y.name}, got {written}",
    )
    columns = [ready.named("decompose_table", name) for name in sources]
    numbers = ", ".join(column.name for column in (*columns, y) if column.kind != "labels")
    refuse(
        numbers,
        f"decompose_table: expected labels, and these columns hold numbers or identifiers: {numbers}; cut "
        "numbers into a few labels, or say kinds={...: 'labels'} (--kind COLUMN=labels) for few values",
    )
    return columns


def _left_out(rows: np.ndarray) -> list[str]:
    missing = int((~rows).sum())
    return [f"{missing:,} of {len(rows):,} rows lack a value of these columns and are left out"] * (
        missing > 0
    )
