"""The small language of H and I: expressions like "x, y | z" and "x ; y | z", and the quantities they name.

An expression is read completely before anything is computed, and an error shows the place. Every quantity is
a sum of entropies of marginals; `Quantity.explain` shows it, and each entropy term by term.

Reference: Yeung (1991), A new outlook on Shannon's information measures.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, NamedTuple

import numpy as np

from infomax.information.tables import Array, Number, log_of_base, to_numpy

# ------------------------------------------------------------------------------------- the language


class Expression(NamedTuple):
    """The `parts` between semicolons, and the names after the bar."""

    parts: tuple[tuple[str, ...], ...]
    given: tuple[str, ...]

    def __str__(self) -> str:
        text = " ; ".join(", ".join(part) for part in self.parts)
        return f"{text} | {', '.join(self.given)}" if self.given else text


def parse(
    operation: str, text: str, known: Sequence[str], *, num_parts: int, or_more: bool = False
) -> Expression:
    """Read ``x, y ; z | w``: `num_parts` groups of names between semicolons, and a condition or none.

    Args:
        operation: what asks for it, for the message.
        text: the expression.
        known: the names of the variables.
        num_parts: how many groups are expected.
        or_more: whether more groups may come.
    Raises:
        ValueError: it cannot be read; the message shows the expression with a caret under the place.
    """
    groups, separators = [[]], []
    for token, place in _tokens(operation, text):
        if token in ";|":  # nosec B105 # marks between variables
            _check_separator(operation, text, place, groups[-1], separators)
            separators.append(token)
            groups.append([])
        else:
            _check_name(operation, text, place, token, known, groups[-1])
            groups[-1].append(token)
    if not groups[-1]:
        raise syntax_error(operation, text, len(text.rstrip()), "a variable is missing here")
    given = tuple(groups.pop()) if "|" in separators else ()
    if len(groups) < num_parts or (len(groups) > num_parts and not or_more):
        raise syntax_error(
            operation, text, 0, f"expected {_forms[num_parts]}, got {len(groups)} group(s) of variables"
        )
    return Expression(tuple(map(tuple, groups)), given)


_forms = {
    1: "one group, as in 'x, y' or 'x | y'",
    2: "two groups or more, as in 'x ; y', 'x ; y | z' or 'x ; y ; z'",
}


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
    """One entropy of a sum: `sign` times the entropy of the marginal `table` over `names`."""

    sign: int
    names: tuple[str, ...]
    table: Array
    value: Array

    @property
    def symbol(self) -> str:
        """H(x, y)."""
        return f"H({', '.join(self.names)})"


@dataclass(frozen=True, eq=False, repr=False)
class Quantity:
    """A value, and the sum of entropies that it is. Use it as a number, or take `.value`."""

    symbol: str
    terms: tuple[Term, ...]
    base: Number

    @property
    def value(self) -> Array:
        """The number; for a batch an array, for a Torch table a tensor."""
        return sum((term.sign * term.value for term in self.terms[1:]), self.terms[0].value)

    def explain(self) -> str:
        """Return the derivation: the sum of entropies, each entropy with its terms −p log p, and the value.

        Example:
            >>> from infomax.information.joint import Joint
            >>> joint = Joint([[1/2, 0], [1/4, 1/4]], "x y")
            >>> print(joint.H("y", base=2).explain())
            H(y) = -Σ p(y) log2 p(y)
                 = -(3/4 log2 3/4 + 1/4 log2 1/4)
                 = -(3/4 × -0.415037 + 1/4 × -2)
                 = 0.311278 + 0.5
                 = 0.811278 bits
            >>> print(joint.I("x ; y", base=2).explain())
            I(x ; y) = H(x) + H(y) - H(x, y)
              H(x)    = -(1/2 log2 1/2 + 1/2 log2 1/2) = 1
              H(y)    = -(3/4 log2 3/4 + 1/4 log2 1/4) = 0.811278
              H(x, y) = -(1/2 log2 1/2 + 0 log2 0 + 1/4 log2 1/4 + 1/4 log2 1/4) = 1.5, with 0 log 0 = 0
            I(x ; y) = 1 + 0.811278 - 1.5
                     = 0.311278 bits
        """
        total = f"{_show(self.value)} {self._unit}"
        if len(self.terms) == 1:
            return _equations(self.symbol, [*entropy_steps(self.terms[0], self.base), total])
        entropies = {term.symbol: term for term in self.terms}
        width = max(map(len, entropies))
        lines = [
            f"  {symbol:<{width}} = {_entropy_line(term, self.base)}" for symbol, term in entropies.items()
        ]
        symbols = _signed_sum([(t.sign, t.symbol) for t in self.terms])
        values = _signed_sum([(t.sign, _show(t.value)) for t in self.terms])
        return "\n".join([f"{self.symbol} = {symbols}", *lines, _equations(self.symbol, [values, total])])

    @property
    def _unit(self) -> str:
        unit = {2: "bit", math.e: "nat"}.get(float(self.base))
        if unit is None:
            return f"in base {self.base:g}"
        return unit if _show(self.value) == "1" else unit + "s"

    def _value(self, other: Any) -> Any:
        """Return a number, or the value of another quantity in the same base."""
        if not isinstance(other, Quantity):
            return other
        if other.base != self.base:
            raise ValueError(
                f"{self.symbol} and {other.symbol} have the bases {self.base:g} and {other.base:g}; compute "
                "both with one base"
            )
        return other.value

    def __repr__(self) -> str:
        return f"{self.symbol} = {_show(self.value)}"

    def __format__(self, spec: str) -> str:
        return format(float(self), spec) if spec else str(self)

    def __float__(self) -> float:
        return self.value.item()

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.value, dtype=dtype)

    def __add__(self, other: Any) -> Array:
        return self.value + self._value(other)

    def __sub__(self, other: Any) -> Array:
        return self.value - self._value(other)

    def __rsub__(self, other: Any) -> Array:
        return self._value(other) - self.value

    def __mul__(self, other: Any) -> Array:
        return self.value * self._value(other)

    def __truediv__(self, other: Any) -> Array:
        return self.value / self._value(other)

    def __neg__(self) -> Array:
        return -self.value

    def __abs__(self) -> Array:
        return abs(self.value)

    def __lt__(self, other: Any) -> Array:
        return self.value < self._value(other)

    def __le__(self, other: Any) -> Array:
        return self.value <= self._value(other)

    def __gt__(self, other: Any) -> Array:
        return self.value > self._value(other)

    def __ge__(self, other: Any) -> Array:
        return self.value >= self._value(other)

    def __eq__(self, other: Any) -> Any:
        return self.value == self._value(other)

    __hash__: ClassVar[None] = None  # pyright: ignore[reportIncompatibleMethodOverride]
    __radd__ = __add__
    __rmul__ = __mul__


MAX_TERMS = 16  # of an entropy, that a derivation shows


def entropy_steps(term: Term, base: Number) -> list[str]:
    """Return what an entropy is equal to, step by step, up to but without its value."""
    log, names = _log_symbol(base), ", ".join(term.names)
    formula = f"-Σ p({names}) {log} p({names})"
    if term.table.ndim > len(term.names):  # a batch
        return [formula]
    cells = to_numpy(term.table).ravel()
    logs = np.log(np.where(cells > 0, cells, 1)) / log_of_base(base)
    pairs = list(zip(cells, logs, strict=True))
    products = [f"{_probability(p)} × {_number(log_p)}" if p > 0 else "0" for p, log_p in pairs]
    surprises = [_number(-p * log_p) for p, log_p in pairs]
    zeros = ", with 0 log 0 = 0" if np.any(cells == 0) else ""
    steps = [formula, _logs_of(cells, log), f"-({_sum(products)}){zeros}", _sum(surprises)]
    return steps if len(cells) > 1 else steps[:-1]


def _entropy_line(term: Term, base: Number) -> str:
    """An entropy, its terms and its value in one line."""
    if term.table.ndim > len(term.names):
        return f"{entropy_steps(term, base)[0]} = {_show(term.value)}"
    cells = to_numpy(term.table).ravel()
    zeros = ", with 0 log 0 = 0" if np.any(cells == 0) else ""
    return f"{_logs_of(cells, _log_symbol(base))} = {_show(term.value)}{zeros}"


def _logs_of(cells: np.ndarray, log: str) -> str:
    return f"-({_sum([f'{_probability(p)} {log} {_probability(p)}' for p in cells])})"


def _sum(terms: Sequence[str]) -> str:
    if len(terms) > MAX_TERMS:
        terms = [*terms[: MAX_TERMS - 2], f"… {len(terms) - MAX_TERMS + 1} terms …", terms[-1]]
    return " + ".join(terms)


def _log_symbol(base: Number) -> str:
    return "ln" if base == math.e else f"log{base:g}"


def _probability(p: float) -> str:
    """A fraction where the denominator is small, as 3/4; else a decimal number."""
    fraction = Fraction(float(p)).limit_denominator(64)
    return str(fraction) if abs(float(fraction) - p) <= 1e-14 * p else f"{p:.6g}"


def _number(value: float) -> str:
    return f"{round(float(value), 12) + 0.0:.6g}"


def _equations(symbol: str, sides: Sequence[str]) -> str:
    margin = "\n" + " " * len(symbol)
    return symbol + margin.join(f" = {side}" for side in sides)


def _show(value: Array) -> str:
    if value.ndim:
        return f"<{tuple(value.shape)}>"
    return _number(value.item())  # 1.1e-16 is shown as 0


def _signed_sum(terms: Sequence[tuple[int, str]]) -> str:
    first, *rest = terms
    return ("-" if first[0] < 0 else "") + first[1] + "".join(f" {'-+'[s > 0]} {text}" for s, text in rest)
