"""Targets of rows that are no classes: numbers, or tags of which a row may have several."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float32

from infomax.errors import refuse

MAX_NAMED = 6
"""Names that a description lists."""


@dataclass(frozen=True, eq=False)
class Targets(ABC):
    """One column or several of values known of each row; NaN where a value is missing.

    kind: what one column is called.

    Attributes:
        values: [n, m].
        names: of the columns.

    Raises:
        ValueError: other names than columns; values that are none of this kind.
    """

    kind: ClassVar[str]

    values: Float32[np.ndarray, "n m"]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        refuse(
            self.values.ndim != 2 or self.values.shape[1] != len(self.names),
            f"{type(self).__name__}: received values {list(self.values.shape)} and {len(self.names)} names, "
            "expected [n, m] and m names",
        )
        self.check()

    @abstractmethod
    def check(self) -> None:
        """Check the values.

        Raises:
            ValueError: they are none of this kind.
        """

    def __len__(self) -> int:
        return len(self.values)

    def subset(self, rows: np.ndarray | slice) -> "Targets":
        """Return those of some rows."""
        return type(self)(self.values[rows], self.names)

    @property
    def known_rows(self) -> np.ndarray:
        """The rows of which any value is known."""
        return np.flatnonzero(~np.isnan(self.values).all(axis=1))

    def __str__(self) -> str:
        return counted(len(self.names), self.kind) + f" ({listed(self.names)})"


@final
class Numbers(Targets):
    """Numbers known of each row: for regression.

    Example:
        >>> str(Numbers(np.zeros((3, 1), np.float32), ("age",)))
        '1 number (age)'
    """

    kind = "number"

    def check(self) -> None:
        """Check that no value is infinite.

        Raises:
            ValueError: one is.
        """
        num = int(np.isinf(self.values).sum())
        refuse(num, f"Numbers: received {num} infinite values, expected numbers (NaN: missing)")


@final
class Tags(Targets):
    """Which tags each row has, 0 or 1: several may hold at once.

    Example:
        >>> str(Tags(np.array([[0, 1], [1, 1]], np.float32), ("indoor", "cat")))
        '2 tags (indoor, cat)'
    """

    kind = "tag"

    def check(self) -> None:
        """Check that all values are 0 or 1.

        Raises:
            ValueError: one is something else.
        """
        odd = self.values[~np.isnan(self.values) & (self.values != 0) & (self.values != 1)]
        refuse(len(odd), f"Tags: received the value {odd[:1]}, expected 0, 1 or NaN (missing)")


def counted(num: int, noun: str) -> str:
    """Return a number with its noun.

    Example:
        >>> counted(1, "class"), counted(1200, "class"), counted(2, "image")
        ('1 class', '1,200 classes', '2 images')
    """
    plural = noun if num == 1 else f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{num:,} {plural}"


def listed(names: Sequence[str], at_most: int = MAX_NAMED) -> str:
    """Return some names with commas between, and how many are left.

    Example:
        >>> listed(["a", "b", "c"], 2), listed(["a", "b"])
        ('a, b, … 1 more', 'a, b')
    """
    more = len(names) - at_most
    return ", ".join(names[:at_most]) + (f", … {more:,} more" if more > 0 else "")
