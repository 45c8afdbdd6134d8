"""The range of a number, written beside the field of a configuration that it belongs to, in the field's type.

For instance::

    @dataclass(frozen=True)
    class OptimizerConfig:
        lr: Positive = 2e-4
        betas: tuple[Annotated[float, Range(0, below=1)], Annotated[float, Range(0, below=1)]] = (0.8, 0.999)

        def __post_init__(self) -> None:
            check_ranges(self, "optimizer")

Types say which numbers are whole; every number is finite. The help of the command line shows the ranges.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, Field, dataclass, fields, replace
from functools import cache
from itertools import pairwise
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from infomax.errors import refuse

MAX_SIZE = 1_000_000
"""The largest width or dimension; what is beyond memory is refused where it is built."""
MAX_DEPTH = 1000
"""The most layers of a kind."""
MAX_SIDE = 100_000
"""Pixels of the longest side of an image."""
MAX_LENGTH = 1_000_000_000
"""Samples of the longest signal."""
MAX_SEED = 2**32 - 1
"""The largest seed that all generators take, NumPy's older one and scikit-learn's among them."""


MAX_SHOWN = 80
"""Characters of a value that a message shows."""


@dataclass(frozen=True)
class Range:
    """The finite numbers from `least` to `most`, above `above` and below `below`.

    remedy: what to do about a number outside; the message names the default without it.
    """

    least: int | float = -math.inf
    most: int | float = math.inf
    above: int | float = -math.inf
    below: int | float = math.inf
    remedy: str = ""

    @property
    def is_bounded(self) -> bool:
        """True if there is a bound below and one above."""
        return max(self.least, self.above) > -math.inf and min(self.most, self.below) < math.inf

    def __contains__(self, value: Any) -> bool:
        finite = -math.inf < value < math.inf
        return bool(finite and self.least <= value <= self.most and self.above < value < self.below)

    def __str__(self) -> str:
        bounds = [
            f"{word} {_shown(bound)}"
            for word, bound in (
                ("above", self.above),
                ("at least", self.least),
                ("below", self.below),
                ("at most", self.most),
            )
            if math.isfinite(bound)
        ]
        if math.isfinite(self.least) and math.isfinite(self.most):
            return f"from {_shown(self.least)} to {_shown(self.most)}"
        return " and ".join(bounds) or "finite"

    __repr__ = __str__


@dataclass(frozen=True)
class Ordered:
    """Numbers in order: each at least the one before it, or where `strictly`, above it."""

    strictly: bool = False

    def __contains__(self, values: Any) -> bool:
        return all(one < other or (one == other and not self.strictly) for one, other in pairwise(values))

    def __str__(self) -> str:
        return "in order, each above the one before" if self.strictly else "in order, the lowest first"

    __repr__ = __str__


@dataclass(frozen=True)
class NotEmpty:
    """At least one value."""

    def __contains__(self, values: Any) -> bool:
        return len(values) > 0

    def __str__(self) -> str:
        return "one value or more"

    __repr__ = __str__


Count = Annotated[int, Range(1)]
"""A whole number from 1 on."""
Size = Annotated[int, Range(1, MAX_SIZE)]
"""A width or dimension."""
Depth = Annotated[int, Range(1, MAX_DEPTH)]
"""A number of layers."""
Side = Annotated[int, Range(1, MAX_SIDE)]
"""Pixels of a side."""
Length = Annotated[int, Range(1, MAX_LENGTH)]
"""Samples of a signal."""
Seed = Annotated[int, Range(0, MAX_SEED)]
"""A seed of random numbers."""
Positive = Annotated[float, Range(above=0)]
"""A number above 0."""
Weight = Annotated[float, Range(0)]
"""A number from 0 on."""
Share = Annotated[float, Range(0, 1)]
"""A probability or a share."""
Finite = Annotated[float, Range()]
"""Any number."""


@dataclass(frozen=True)
class Outside:
    """A value that its type does not allow: the value, what was expected, and a remedy of its own."""

    value: Any
    expected: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"must be {self.expected}, got {_brief(self.value)}"


def check_ranges(config: Any, operation: str, off: str = "null leaves it out") -> None:
    """Check that every number of a configuration lies in the range of its field.

    Args:
        config: a dataclass.
        operation: what begins the message.
        off: the remedy where a field may be None.

    Raises:
        ValueError: one does not; the message names the field, the range and a remedy.

    Example:
        >>> @dataclass
        ... class Optimizer:
        ...     lr: Positive = 2e-4
        >>> check_ranges(Optimizer(lr=-1.0), "optimizer")
        Traceback (most recent call last):
        ...
        ValueError: optimizer: lr must be above 0, got -1.0; the default is 0.0002
    """
    hints = _hints(type(config))
    for one in fields(config):
        value = getattr(config, one.name)
        wrong = next(_outside(value, hints[one.name]), None)
        if wrong is not None:
            within = "" if wrong.value is value else f" in {_brief(value)}"
            remedy = wrong.remedy or _remedy(one, hints[one.name], off)
            raise ValueError(f"{operation}: {one.name} {wrong}{within}{remedy and '; '}{remedy}")


def check_numbers(operation: str, kind: Any, **values: Any) -> None:
    """Check that values lie in the range of a type, such as `Size`; an array of no axes is a number.

    Raises:
        ValueError: one does not.
    """
    for name, value in values.items():
        number = value.item() if getattr(value, "ndim", None) == 0 else value
        wrong = next(_outside(number, kind), None)
        remedy = f"; {wrong.remedy}" if wrong and wrong.remedy else ""
        refuse(wrong, f"{operation}: {name} {wrong}{remedy}")


def ranges_in(config: type) -> dict[str, str]:
    """Return the ranges of the numbers of a configuration in words, by field; fields without one stay out.

    Example:
        >>> @dataclass
        ... class Crop:
        ...     scale: Annotated[tuple[Share, Share], Ordered()] | None = None
        >>> ranges_in(Crop)
        {'scale': 'from 0 to 1'}
    """
    words = {one.name: _words(_hints(config)[one.name]) for one in fields(config)}
    return {name: text for name, text in words.items() if text}


@cache
def _hints(config: type) -> dict[str, Any]:
    return get_type_hints(config, include_extras=True)


def _words(hint: Any) -> str:
    """Return the ranges in a type in words, each once; numbers without bounds are not worth a word."""
    found = [
        str(one) for one in getattr(hint, "__metadata__", ()) if isinstance(one, Range) and one != Range()
    ]
    parts = [_words(one) for one in get_args(hint) if get_origin(one) is not None]
    return "; ".join(dict.fromkeys(part for part in [*found, *parts] if part))


def _outside(value: Any, hint: Any) -> Iterator[Outside]:
    """Yield what is outside the ranges of a type, the first thing first."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        remedy = next((limit.remedy for limit in hint.__metadata__ if isinstance(limit, Range)), "")
        for one in _outside(value, parts[0]):
            yield one if one.remedy else replace(one, remedy=remedy)
        for limit in hint.__metadata__:
            if value not in limit:
                yield Outside(value, _in_words(limit, value), remedy)
    elif origin in (Union, UnionType):
        found = [next(_outside(value, one), None) for one in parts if _is_like(value, one)]
        if not found:
            yield Outside(value, " or ".join(dict.fromkeys(map(_kind, parts))))
        elif all(found):
            yield from filter(None, found[-1:])
    elif not _is_like(value, hint):
        yield Outside(value, _kind(hint))
    elif origin is Literal and value not in parts:
        yield Outside(value, " or ".join(map(str, parts)))
    elif origin is Sequence and not isinstance(value, str):
        for part in value:
            yield from _outside(part, *parts)
    elif origin is tuple:
        each = parts[:1] * len(value) if parts[1:] == (...,) else parts
        if len(each) != len(value):
            yield Outside(value, _kind(hint))
        for part, one in zip(value, each, strict=False):
            yield from _outside(part, one)


def _in_words(limit: Any, value: Any) -> str:
    """Return what a limit allows; where it has one bound, that values are finite if this one is not."""
    infinite = isinstance(value, Real) and value not in Range()
    one_sided = isinstance(limit, Range) and limit != Range() and not limit.is_bounded
    return f"{limit} and finite" if infinite and one_sided else str(limit)


def _is_like(value: Any, hint: Any) -> bool:
    """Return whether a value may be meant by a type; types that are not of numbers or choices allow any."""
    base = _base(hint)
    if base in (int, float):
        return isinstance(value, Integral if base is int else Real) and not isinstance(value, bool)
    if base is tuple:
        return isinstance(value, tuple | list)
    if base is Literal:
        return isinstance(value, tuple({type(one) for one in get_args(hint)}))
    return value is None if base is NoneType else True


def _base(hint: Any) -> Any:
    origin = get_origin(hint)
    return _base(get_args(hint)[0]) if origin is Annotated else origin or hint


def _kind(hint: Any) -> str:
    """Return what values of a type are."""
    base, parts = _base(hint), get_args(hint)
    if base is Literal:
        return " or ".join(map(str, parts))
    if base is tuple and parts[1:] != (...,):
        return f"{len(get_args(parts[0]) if get_origin(hint) is Annotated else parts)} values"
    return {int: "an integer", float: "a number", tuple: "a list", NoneType: "null"}.get(
        base, "something else"
    )


def _remedy(one: Field[Any], hint: Any, off: str) -> str:
    default = "" if one.default in (None, MISSING) else f"the default is {one.default}"
    null = off if NoneType in get_args(hint) else ""
    return ", ".join(filter(None, [default, null]))


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _shown(bound: int | float) -> str:
    return f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"
