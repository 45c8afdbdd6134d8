"""How often labels occur, alone and in pairs, in all rows of a table that is read in parts.

A column is counted as long as it has few enough different values: at most 20 numbers, as everywhere else, and
at most `MAX_CELLS` texts. In the end the kind of each is decided from all of its values, by the rules of
`columns_of`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import polars as pl
from jaxtyping import Int

from infomax.estimation.tables.columns import MAX_LABELS, MIN_ROWS_PER_LABEL, Column, are_large
from infomax.estimation.tables.parts.codes import MAX_CELLS, Codes, Ints, Tally
from infomax.estimation.tables.reading.cells import Texts, parsed

NUM_FIRST = 20_000
"""First rows whose labels are kept in their order, to see whether rows follow each other."""


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of the table of two columns of labels that are not empty.

    Args:
        x: the label of the first column in each cell; `y` of the second.
        counts: rows in each cell.
    """

    x: Ints
    y: Ints
    counts: Ints

    def transposed(self) -> "Cells":
        """Return the same cells, of the second column and the first, in their order."""
        order = np.lexsort((self.x, self.y))
        return Cells(self.y[order], self.x[order], self.counts[order])


@dataclass(frozen=True, eq=False)
class LabelCounts:
    """How often labels occur in all rows.

    Args:
        kinds: "labels", "identifiers" or "continuous", of the columns that were counted to the end.
        alone: counts of the labels of each column of labels.
        cells: counts of each pair of them, in the order of the table.
        uncounted: columns and pairs that have too many different values to be counted.
        first: labels of the first rows of each column of labels, −1 for none.
    """

    kinds: Mapping[str, str]
    alone: Mapping[str, Ints] = field(default_factory=dict)
    cells: Mapping[tuple[str, str], Cells] = field(default_factory=dict)
    uncounted: tuple[str, ...] = ()
    first: Mapping[str, Int[np.ndarray, " _"]] = field(default_factory=dict)

    def first_rows(self, x: str, y: str) -> tuple[Column, Column] | None:
        """Return the first rows of two columns of labels in their order; None where one was not counted."""
        if not {x, y} <= {*self.first}:
            return None
        return Column(x, "labels", self.first[x]), Column(y, "labels", self.first[y])

    def of_pair(self, x: str, y: str) -> Cells | None:
        """Return the cells of a pair of columns, in either order; None where it was not counted."""
        if (y, x) in self.cells:
            return self.cells[y, x].transposed()
        return self.cells.get((x, y))


class Counter:
    """Labels and pairs of labels, counted batch by batch.

    Args:
        kinds: of columns, where the user gave them.
        left_alone: columns that are not counted: weights and groups.
    """

    def __init__(self, kinds: Mapping[str, str], left_alone: Iterable[str] = ()) -> None:
        self._kinds, self._left_alone = kinds, {*left_alone}
        self._codes: dict[str, Codes] = {}
        self._has_begun = False
        self._pairs: dict[tuple[str, str], Tally] = {}
        self._alone: dict[str, np.ndarray] = {}
        self._first: dict[str, Ints] = {}
        self._uncounted: list[str] = []

    def add(self, frame: pl.DataFrame) -> None:
        """Count the rows of a batch."""
        if not self._has_begun:
            self._begin(frame)
        found = {name: self._of(frame[name]) for name in [*self._codes]}
        codes = {name: of_one for name, of_one in found.items() if of_one is not None}
        self._first = self._first or {name: of_one[:NUM_FIRST].copy() for name, of_one in codes.items()}
        for pair, tally in [*self._pairs.items()]:
            tally.add(codes[pair[0]], codes[pair[1]])
            if len(tally) > MAX_CELLS:
                del self._pairs[pair]
                self._uncounted.append(f"{pair[0]} and {pair[1]}")
        for name, of_one in codes.items():
            counts = np.bincount(of_one + 1, minlength=len(self._alone[name]))
            counts[: len(self._alone[name])] += self._alone[name]
            self._alone[name] = counts

    def finished(self, words: Iterable[str]) -> LabelCounts:
        """Return what was counted.

        Args:
            words: texts that mean a missing value.
        """
        found = {name: self._relabelled(name, codes, words) for name, codes in self._codes.items()}
        kinds = {name: kind for name, (kind, _) in found.items()}
        new = {name: codes for name, (kind, codes) in found.items() if kind != "continuous"}
        alone = {name: _summed(codes, self._alone[name][1:]) for name, codes in new.items()}
        cells = {
            (x, y): _merged(tally, new[x], new[y])
            for (x, y), tally in self._pairs.items()
            if x in new and y in new
        }
        first = {name: np.append(codes, -1)[self._first[name]] for name, codes in new.items()}
        return LabelCounts(kinds, alone, cells, tuple(self._uncounted), first)

    def _begin(self, frame: pl.DataFrame) -> None:
        self._has_begun = True
        wanted = [name for name in frame.columns if name not in self._left_alone]
        wanted = [name for name in wanted if self._kinds.get(name) != "continuous"]
        self._codes = {name: Codes(self._most(frame[name])) for name in wanted}
        self._alone = {name: np.zeros(1, np.int64) for name in wanted}
        self._pairs = {pair: Tally() for pair in combinations(wanted, 2)}

    def _most(self, series: pl.Series) -> int:
        return MAX_LABELS if _are_numbers(series) and self._kinds.get(series.name) != "labels" else MAX_CELLS

    def _of(self, series: pl.Series) -> Ints | None:
        """Return the codes of a column; None, and it is given up, where it has too many labels."""
        codes = self._codes[series.name]
        found = codes.of(series.fill_nan(None) if series.dtype.is_float() else series)
        if found is None:
            self._codes = {name: kept for name, kept in self._codes.items() if name != series.name}
            self._pairs = {pair: kept for pair, kept in self._pairs.items() if series.name not in pair}
            self._uncounted += [series.name] if codes.most == MAX_CELLS else []
        return found

    def _relabelled(self, name: str, codes: Codes, words: Iterable[str]) -> tuple[str, np.ndarray]:
        """Return the kind of a column, and the final code of each of its codes, −1 for none."""
        labels, counts = codes.labels, self._alone[name][1:]
        given = self._kinds.get(name)
        if labels.dtype == pl.String:
            return _of_texts(labels, counts, given, words)
        order = np.argsort(np.argsort(labels.to_physical().to_numpy(), kind="stable"))
        if given == "labels" or not _are_numbers(labels):
            return (given or _kind_of_labels(counts)), order
        return ("labels" if _are_few(len(labels), int(counts.sum())) else "continuous"), order


def _are_numbers(series: pl.Series) -> bool:
    """Return whether values are numbers or times, and no whole numbers that are kept apart as labels."""
    numbers = series.dtype.is_numeric() or series.dtype.is_temporal()
    return numbers and not (series.dtype.is_integer() and are_large(series))


def _of_texts(
    labels: pl.Series, counts: np.ndarray, given: str | None, words: Iterable[str]
) -> tuple[str, np.ndarray]:
    """Return the kind of a column of text, and the final code of each text, −1 for a missing value."""
    absent = labels.is_in([*words]).to_numpy()
    known = np.where(absent, -1, np.cumsum(~absent) - 1)
    found = None
    if given is None:
        kept = np.flatnonzero(~absent)
        found = parsed(Texts(np.arange(len(kept)), labels.filter(pl.Series(~absent)), counts[kept]))
    if found is None:
        return (given or _kind_of_labels(counts[~absent])), known
    values = np.full(len(labels), np.nan)
    values[~absent] = found.values.fill_null(np.nan).to_numpy()
    is_number = ~np.isnan(values)
    numbers, places = np.unique(values[is_number], return_inverse=True)
    if not _are_few(len(numbers), int(counts[is_number].sum())):
        return "continuous", known
    if found.num_other:  # other texts beside few numbers are labels, too
        rest = np.full(len(labels), -1)
        rest[~absent] = found.rest.codes
        return "labels", rest
    codes = np.full(len(labels), -1)
    codes[is_number] = places
    return "labels", codes


def _are_few(num_labels: int, num_rows: int) -> bool:
    return num_labels <= min(MAX_LABELS, num_rows / MIN_ROWS_PER_LABEL)


def _kind_of_labels(counts: np.ndarray) -> str:
    """Return "identifiers" where more than half of the labels occur once."""
    return "identifiers" if np.count_nonzero(counts == 1) > counts.sum() / 2 else "labels"


def _summed(codes: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the counts of final codes."""
    kept = codes >= 0
    return np.bincount(codes[kept], weights=counts[kept]).astype(np.int64)


def _merged(tally: Tally, of_x: np.ndarray, of_y: np.ndarray) -> Cells:
    """Return the cells by final codes, without rows in which one is missing."""
    x, y, counts = tally.cells()
    x, y = np.append(of_x, -1)[x], np.append(of_y, -1)[y]
    kept = (x >= 0) & (y >= 0)
    frame = pl.DataFrame({"x": x[kept], "y": y[kept], "count": counts[kept]})
    frame = frame.group_by("x", "y").agg(pl.col("count").sum()).sort("x", "y")
    return Cells(*(frame[name].to_numpy() for name in ("x", "y", "count")))
