"""Samples as far as an estimator is chosen by them: labels or numbers, columns, ties, tails."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import kurtosis

from infomax.errors import refuse
from infomax.estimation.canonical import NormalScores
from infomax.estimation.gaussian import hidden_by_ties
from infomax.estimation.samples import check_lengths, joint_codes, to_array
from infomax.estimation.tables.columns import MIN_ROWS_PER_LABEL, Column, columns_of
from infomax.estimation.tables.reading.frames import LeftOut, as_frame

KINDS_OF_VARIABLES = ("labels", "numbers")
"""Kinds that a variable may have; also the values of `kinds`."""
HEAVY_TAILS = 15.0
"""Kurtosis of a column above which its tails are called heavy: 3 is Gaussian, 9 exponential."""
MANY_TIES = 0.05
"""Share of rows with a value that others have as well, above which a variable is said to have ties."""


@dataclass(frozen=True, eq=False)
class Variable:
    """One argument of `estimate`, and what was seen of it.

    Args:
        name: "x", "y" or "given".
        kind: "labels" or "numbers".
        codes: of labels, [n]; None for numbers.
        scores: normal scores of numbers, equal numbers in random order: [n, d]; None for labels.
        numbers: the numbers themselves, [n, d]; None for labels.
        num_columns: columns that were given.
        tied: share of the rows with a value that others have as well.
        heavy: whether a column has heavy tails.
        hidden: the largest share of a column's scores that is the random order of equal numbers, as variance.
        num_unordered: columns of more than two labels without order that are taken as numbers.
        note: what was decided about it and could be otherwise, in one sentence; "" where nothing was.
    """

    name: str
    kind: str
    codes: np.ndarray | None
    scores: np.ndarray | None
    numbers: np.ndarray | None
    num_columns: int
    tied: float = 0.0
    heavy: bool = False
    hidden: float = 0.0
    num_unordered: int = 0
    note: str = ""

    @property
    def values(self) -> np.ndarray:
        """The values that estimators take: codes of labels, or normal scores."""
        values = self.codes if self.codes is not None else self.scores
        assert values is not None
        return values

    def of_rows(self, rows: np.ndarray) -> "Variable":
        """Return the same of some rows."""
        parts = {name: getattr(self, name) for name in ("codes", "scores", "numbers")}
        return replace(self, **{name: part[rows] for name, part in parts.items() if part is not None})

    @property
    def description(self) -> str:
        """The variable in a few words."""
        if self.codes is not None:
            return f"{self.name}: {int(self.codes.max()) + 1} labels{self.note and ', ' + self.note}"
        about = f"numbers, {self.num_columns} column{'s' * (self.num_columns > 1)}"
        ranked = "ranked at random, but for classifiers and critics"
        ties = f", ties in {self.tied:.0%} of the rows ({ranked})" if self.tied > MANY_TIES else ""
        tails = ", heavy tails (normal scores are used)" if self.heavy else ""
        return f"{self.name}: {about}{ties}{tails}{self.note and ', ' + self.note}"


def variable(name: str, value: Any, kinds: Mapping[str, str], seed: int) -> Variable:
    """Return an argument of `estimate` as labels or as numbers.

    Text, categories and truth values are labels, and numbers of few different values, as columns of tables
    are (`tables.columns`). Several columns of labels are one label where their combinations occur in 4 rows
    on average, else numbers, as pixels are.

    Args:
        name: "x", "y" or "given".
        value: an array, tensor, Series, frame or list: [n] or [n, d].
        kinds: "labels" or "numbers" by name, where it would be guessed wrongly.
        seed: of the order of equal numbers.

    Raises:
        ValueError: missing values; labels most of which occur once; an unknown kind.

    Example:
        >>> variable("x", ["a", "b"] * 20, {}, seed=0).description
        'x: 2 labels'
    """
    wanted = kinds.get(name)
    refuse(
        wanted not in (None, *KINDS_OF_VARIABLES),
        f"estimate: kinds must be 'labels' or 'numbers', got {wanted!r} for {name}",
    )
    columns, text = _columns(name, value, wanted)
    for column in columns:
        missing = int((~column.present).sum())
        refuse(
            missing,
            f"estimate: {name} has {missing} missing values; drop those rows, or give missing values a label",
        )
        refuse(
            column.kind == "identifiers",
            f"estimate: {name} holds identifiers: most of its labels occur once, and say nothing about other "
            f"rows; if they are labels all the same, give kinds={{'{name}': 'labels'}}",
        )
    return _of_columns(name, columns, text, wanted, seed)


def _columns(name: str, value: Any, wanted: str | None) -> tuple[list[Column], set[str]]:
    """Return the columns of a value, each with its kind, and the names of those that hold text."""
    read = as_frame("estimate", _table(name, value))
    refuse(read.left_out, f"estimate: {name} has columns that cannot be measured: {_listed(read.left_out)}")
    series = [one.rename(f"{name}{i}") for i, one in enumerate(read.frame)]  # names mean nothing here
    kind = "continuous" if wanted == "numbers" else "labels"
    kinds = {one.name: kind for one in series} if wanted else None
    text = {one.name for one in series if one.dtype in (pl.String, pl.Categorical)}
    return list(columns_of("estimate", {one.name: one for one in series}, kinds)), text


def _table(name: str, value: Any) -> Any:
    """Return a frame as it is, an array of two axes as its columns, and anything else as one column."""
    if hasattr(value, "columns"):
        return value
    shape = getattr(value, "shape", (1,))
    refuse(
        len(shape) not in (1, 2) or (len(shape) == 2 and shape[1] == 0),
        f"estimate: {name} must be [n] or [n, d], got {list(shape)}; flatten each sample",
    )
    if len(shape) == 1:
        return {name: value}
    array = value if isinstance(value, np.ma.MaskedArray) else to_array(value)
    return {str(i): column for i, column in enumerate(array.T)}


def _listed(left_out: Iterable[LeftOut]) -> str:
    return "; ".join(f"{one.name} {one.reason}" for one in left_out)


def _of_columns(name: str, columns: list[Column], text: set[str], wanted: str | None, seed: int) -> Variable:
    labels = [column.values for column in columns if column.has_labels]
    if len(labels) == len(columns):
        codes = labels[0] if len(labels) == 1 else joint_codes(*labels)
        codes = np.unique(codes, return_inverse=True)[1].reshape(-1)
        often = len(codes) >= MIN_ROWS_PER_LABEL * (int(codes.max()) + 1)
        if len(labels) == 1 or often or wanted == "labels":
            note = f"combinations of {len(labels)} columns" if len(labels) > 1 else ""
            return Variable(name, "labels", codes, None, None, len(columns), note=note)
    note = f"{len(labels)} of them labels, taken as numbers" if labels else ""
    numbers = np.column_stack([column.values.astype(float) for column in columns])
    return Variable(
        name,
        "numbers",
        None,
        _ranked(numbers, seed if name == "x" else seed + 1 + (name == "given")),
        numbers,
        len(columns),
        tied=float(np.mean([_share_tied(column) for column in numbers.T])),
        heavy=bool((np.array([_kurtosis(column) for column in numbers.T]) > HEAVY_TAILS).any()),
        hidden=hidden_by_ties(numbers),
        num_unordered=sum(c.name in text and c.has_labels and int(c.values.max()) > 1 for c in columns),
        note=note,
    )


def _ranked(rows: np.ndarray, seed: int) -> np.ndarray:
    """Return normal scores, equal numbers in random order: both keep the information about other columns."""
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(rows.shape), rows), axis=0)
    ranks = np.empty_like(rows)
    np.put_along_axis(ranks, order, np.arange(len(rows), dtype=float)[:, None], axis=0)
    return NormalScores.of(ranks).apply(ranks)


def _share_tied(column: np.ndarray) -> float:
    counts = np.unique(column, return_counts=True)[1]
    return float(counts[counts > 1].sum() / len(column))


def _kurtosis(column: np.ndarray) -> float:
    return 3.0 if column.min() == column.max() else float(kurtosis(column, fisher=False))


def variables(x: Any, y: Any, given: Any, kinds: Mapping[str, str], seed: int) -> list[Variable]:
    """Return x, y and, if there is one, the condition, as labels or numbers.

    Raises:
        ValueError: as `variable`; different numbers of rows.
    """
    parts = {"x": x, "y": y} | ({} if given is None else {"given": given})
    unknown = ", ".join(map(str, kinds.keys() - parts.keys()))
    refuse(unknown, f"estimate: kinds are of {', '.join(parts)}, got {unknown}; there is no such argument")
    seen = [variable(name, value, kinds, seed) for name, value in parts.items()]
    check_lengths("estimate", {one.name: one.values for one in seen})
    return seen
