"""The common part of results: rows that can be looked up, printed, and handed to Polars or pandas."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import polars as pl

from infomax.errors import did_you_mean
from infomax.estimation.tables.results.about import About
from infomax.estimation.tables.results.show import as_html, as_mapping, as_text


@dataclass(frozen=True, eq=False, repr=False)
class TableResult(ABC):
    """Rows of measured information, in order.

    A row is found by its place, ``result[0]``, or by what it is about, ``result["age"]`` or ``result["x",
    "y"]``. It is a mapping of the frame's columns to values.

    Args:
        frame: one row for each result. value and standard_error are in nats, bits and bits_error in bits.
            share: of the target's entropy; p_value, and adjusted_p_value for the number of results;
            num_permutations behind the p-value, none for a G-test; kind and method of the estimate; cautions:
            what is doubtful about it; refused: why there is no estimate.
        about: kinds of columns, guesses and settings.
    """

    frame: pl.DataFrame
    about: About = field(default_factory=About)
    keys: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def title(self) -> str:
        """A line that says what was measured."""

    @abstractmethod
    def shown(self) -> pl.DataFrame:
        """Return the rows in the order in which they are shown."""

    @abstractmethod
    def scale(self) -> str:
        """Return a line that says what the bits compare with."""

    @property
    def kinds(self) -> dict[str, str]:
        """Kinds of the columns, by name."""
        return dict(self.about.kinds)

    def to_frame(self) -> pl.DataFrame:
        """Return the rows as a Polars frame."""
        return self.frame

    def to_polars(self) -> pl.DataFrame:
        """Return the rows as a Polars frame."""
        return self.frame

    def to_pandas(self) -> Any:
        """Return the rows as a pandas frame."""
        return self.frame.to_pandas()

    def to_mapping(self) -> dict[str, Any]:
        """Return everything in bits, as values for JSON."""
        return as_mapping(self)

    def __len__(self) -> int:
        return len(self.frame)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self.frame.iter_rows(named=True)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return self.frame[key].rows(named=True)
        if isinstance(key, int | np.integer):
            return self.frame.row(int(key), named=True)
        rows = self._named()
        if key not in rows:
            written = [", ".join(name) if isinstance(name, tuple) else name for name in rows]
            asked = ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)
            raise KeyError(f"{type(self).__name__}: no row {asked!r}; {did_you_mean(asked, written)}")
        return self.frame.row(rows[key], named=True)

    @abstractmethod
    def _named(self) -> dict[Any, int]:
        """Return the place of each row by its name."""

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)


def in_order(frame: pl.DataFrame, by: str = "value") -> pl.DataFrame:
    """Return rows in descending order, undersampled ones after the others, and refused ones last.

    An undersampled value may be bias alone: a column of rare labels seems to tell much about any other. It
    can be no reason to stand above a column whose value is known.
    """
    doubtful = pl.col("cautions").str.contains("undersampled").fill_null(False)
    keys, descending = [pl.col("refused").is_not_null(), doubtful, pl.col(by)], [False, False, True]
    return frame.sort(keys, descending=descending, nulls_last=True, maintain_order=True)
