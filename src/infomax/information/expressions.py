"""The small language of H and I: expressions like "x, y | z" and "x ; y | z", and the quantities they name.

An expression is read completely before anything is computed, and an error shows the place. Every quantity is
a sum of entropies of marginals, which `Quantity.explain` shows.

Reference: Yeung (1991), A new outlook on Shannon's information measures.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from infomax.information.tables import Array

# ------------------------------------------------------------------------------------- the language


class Expression(NamedTuple):
    """The `parts` between semicolons, and the names after the bar."""

    parts: tuple[tuple[str, ...], ...]
    given: tuple[str, ...]

    def __str__(self) -> str:
        text = " ; ".join(", ".join(part) for part in self.parts)
        return f"{text} | {', '.join(self.given)}" if self.given else text


def parse(operation: str, text: str, known: Sequence[str], *, num_parts: int) -> Expression:
    """Read ``x, y ; z | w``: `num_parts` groups of names between semicolons, and a condition or none.

    Args:
        operation: what asks for it, for the message.
        text: the expression.
        known: the names of the variables.
        num_parts: how many groups are expected.
    Raises:
        ValueError: it cannot be read; the message shows the expression with a caret under the place.
    """
    groups, separators = [[]], []
    for token, place in _tokens(operation, text):
        if token in ";|":
            _check_separator(operation, text, place, groups[-1], separators)
            separators.append(token)
            groups.append([])
        else:
            _check_name(operation, text, place, token, known, groups[-1])
            groups[-1].append(token)
    if not groups[-1]:
        raise syntax_error(operation, text, len(text.rstrip()), "a variable is missing here")
    given = tuple(groups.pop()) if "|" in separators else ()
    if len(groups) != num_parts:
        raise syntax_error(
            operation, text, 0, f"expected {_forms[num_parts]}, got {len(groups)} group(s) of variables"
        )
    return Expression(tuple(map(tuple, groups)), given)


_forms = {1: "one group, as in 'x, y' or 'x | y'", 2: "two groups, as in 'x ; y' or 'x ; y | z'"}


def _tokens(operation: str, text: str) -> Iterator[tuple[str, int]]:
    for match in re.finditer(r"\s+|,|(\w+|[;|])|(.)", text):
        if match[2]:
            raise syntax_error(
                operation, text, match.start(), f"unexpected {match[2]!r}; names, ',', ';' and '|' are known"
            )
        if match[1]:
            yield match[1], match.start()


def _check_separator(operation: str, text: str, place: int, group: list[str], separators: list[str]) -> None:
    if not group:
        raise syntax_error(operation, text, place, "a variable is missing before this")
    if "|" in separators:
        raise syntax_error(operation, text, place, "the condition comes last; only names may follow '|'")


def _check_name(
    operation: str, text: str, place: int, name: str, known: Sequence[str], group: list[str]
) -> None:
    if name not in known:
        raise syntax_error(
            operation, text, place, f"no variable is called {name!r}; this joint has {' '.join(known)}"
        )
    if name in group:
        raise syntax_error(operation, text, place, f"{name!r} is named twice here")


def syntax_error(operation: str, text: str, place: int, problem: str) -> ValueError:
    """Return an error that shows the expression, with a caret under the place of the problem."""
    return ValueError(f"{operation}: {problem}\n    {text}\n    {' ' * place}^")


# ------------------------------------------------------------------------------------- what H and I return


class Term(NamedTuple):
    """One entropy of a sum: `sign` times the entropy of the marginal over `names`."""

    sign: int
    names: tuple[str, ...]
    value: Array


@dataclass(frozen=True, eq=False, repr=False)
class Quantity:
    """A value, and the sum of entropies that it is. Use it as a number, or take `.value`."""

    symbol: str
    terms: tuple[Term, ...]
    unit: str

    @property
    def value(self) -> Array:
        """The number; for a batch an array, for a Torch table a tensor."""
        return sum((term.sign * term.value for term in self.terms[1:]), self.terms[0].value)

    def explain(self) -> str:
        """Return the derivation: which entropies are added and subtracted, and their values.

        Example:
            >>> from infomax.information.joint import Joint
            >>> print(Joint([[1/2, 0], [1/4, 1/4]], "x y").I("x ; y", base=2).explain())
            I(x ; y) = H(x) + H(y) - H(x, y)
                     = 1 + 0.811278 - 1.5
                     = 0.311278 bits
        """
        margin = " " * len(self.symbol)
        symbols = _signed_sum([(t.sign, f"H({', '.join(t.names)})") for t in self.terms])
        values = _signed_sum([(t.sign, _show(t.value)) for t in self.terms])
        return f"{self.symbol} = {symbols}\n{margin} = {values}\n{margin} = {_show(self.value)} {self.unit}"

    def __repr__(self) -> str:
        return f"{self.symbol} = {_show(self.value)}"

    def __format__(self, spec: str) -> str:
        return format(float(self), spec) if spec else str(self)

    def __float__(self) -> float:
        return self.value.item()

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.value, dtype=dtype)

    def __add__(self, other: Any) -> Array:
        return self.value + _value(other)

    def __sub__(self, other: Any) -> Array:
        return self.value - _value(other)

    def __rsub__(self, other: Any) -> Array:
        return _value(other) - self.value

    def __mul__(self, other: Any) -> Array:
        return self.value * _value(other)

    def __truediv__(self, other: Any) -> Array:
        return self.value / _value(other)

    def __neg__(self) -> Array:
        return -self.value

    def __abs__(self) -> Array:
        return abs(self.value)

    def __lt__(self, other: Any) -> Array:
        return self.value < _value(other)

    def __le__(self, other: Any) -> Array:
        return self.value <= _value(other)

    def __gt__(self, other: Any) -> Array:
        return self.value > _value(other)

    def __ge__(self, other: Any) -> Array:
        return self.value >= _value(other)

    def __eq__(self, other: Any) -> Any:
        return self.value == _value(other)

    __hash__ = None  # pyright: ignore[reportAssignmentType]
    __radd__ = __add__
    __rmul__ = __mul__


def _value(other: Any) -> Any:
    return other.value if isinstance(other, Quantity) else other


def _show(value: Array) -> str:
    if value.ndim:
        return f"<{tuple(value.shape)}>"
    number = round(value.item(), 12)  # so that 1.1e-16 is shown as 0
    return f"{number + 0.0:.6g}"


def _signed_sum(terms: Sequence[tuple[int, str]]) -> str:
    first, *rest = terms
    return ("-" if first[0] < 0 else "") + first[1] + "".join(f" {'-+'[s > 0]} {text}" for s, text in rest)
