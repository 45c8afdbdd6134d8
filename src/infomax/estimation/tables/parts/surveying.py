"""A table read once, in parts: its labels counted in all rows, and some rows drawn for its numbers."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast

from infomax.estimation.tables.columns import ColumnKind, TableColumns, columns_of
from infomax.estimation.tables.parts.codes import MAX_CELLS
from infomax.estimation.tables.parts.counting import Counter, LabelCounts
from infomax.estimation.tables.parts.opening import Parts, some_of


def surveyed(
    operation: str,
    parts: Parts,
    kinds: Mapping[str, str] | None = None,
    *,
    group: str | None = None,
    seed: int = 0,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[TableColumns, LabelCounts]:
    """Return the columns of a table on the rows that are drawn, and the counts of its labels in all rows.

    The kinds of columns of few labels follow from all rows; those of others from the rows that are drawn.

    Args:
        operation: the name of the caller, for error messages.
        parts: the table.
        kinds: by column name, as in `columns_of`.
        group: the name of a column of groups.
        seed: of the rows that are drawn.
        progress: is told how many rows have been read.

    Raises:
        ValueError: as `columns_of`.
    """
    rows, drawn = parts.drawn(seed), []
    counter = Counter(kinds or {}, () if group is None else (group,))
    for first, frame in parts.batches():
        drawn.append(some_of(frame, first, rows))
        counter.add(parts.without_numbers(frame))
        progress(first + len(frame))
    counts = counter.finished(parts.words)
    sample = parts.as_read(drawn)
    guessed = columns_of(operation, sample, kinds, group=group)
    decided = {one.name: counts.kinds.get(one.name, one.kind) for one in guessed}
    wrong = {one.name: decided[one.name] for one in guessed if one.kind != decided[one.name]}
    said = (*guessed.notes, *_notes(parts, wrong, counts, seed))
    given = {name: "labels" if kind == "identifiers" else kind for name, kind in wrong.items()}
    columns = columns_of(operation, sample, {**(kinds or {}), **given}, group=group) if wrong else guessed
    told = tuple(replace(one, kind=cast(ColumnKind, decided[one.name])) for one in columns)
    return replace(columns, columns=told, notes=said), counts


def _notes(parts: Parts, wrong: Mapping[str, str], counts: LabelCounts, seed: int) -> list[str]:
    """Return lines about what was counted, what was drawn, and the error that this adds."""
    counted = f"{parts.name}: read in parts; labels are counted in all {len(parts):,} rows"
    lines = [counted, *parts.about_the_sample("numbers", seed)]
    lines += [f"{name}: {kind}, as all rows show" for name, kind in wrong.items()]
    lines += [
        f"{name}: more than {MAX_CELLS:,} different labels or cells, measured as numbers are"
        for name in counts.uncounted
    ]
    return lines
