"""All that belongs to a result besides its rows: kinds, guesses, columns left out, and every setting."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class About:
    """How a table's columns were measured.

    Args:
        num_rows: rows of the table.
        num_sampled_rows: rows drawn at random, where the table was read in parts; else None.
        kinds: "labels", "continuous" or "identifiers", by column.
        notes: one line for each guess that could be wrong, and for each thing that was decided or left out.
        left_out: why a column was not read, by column.
        estimators: what was asked for, by kind of pair; empty: by the kinds and the sampling of the columns.
        num_permutations: the first round behind a p-value; 0 for no p-values.
        null: how rows were shuffled, in words.
        seed: of the permutations, and of the order of ties.
        weights: the column of weights.
        group: the column of groups.
        num_missing: results that were not measured, because the run was stopped.
    """

    num_rows: int = 0
    num_sampled_rows: int | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    estimators: Mapping[str, str] = field(default_factory=dict)
    num_permutations: int = 0
    null: str = "permutations"
    seed: int = 0
    weights: str | None = None
    group: str | None = None
    num_missing: int = 0

    def as_mapping(self) -> dict[str, Any]:
        """Return everything as values for JSON."""
        return {name: _plain(value) for name, value in vars(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
