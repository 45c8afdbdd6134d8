"""Joint distributions: tables of probabilities whose axes have names, measured with the language of H and I.

>>> xor = Joint([[[1/4, 0], [0, 1/4]], [[0, 1/4], [1/4, 0]]], "x y z")
>>> xor.I("x ; y", base=2)
I(x ; y) = 0
>>> xor.I("x ; y | z", base=2)
I(x ; y | z) = 1
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from infomax.information.divergences import kl_divergence
from infomax.information.expressions import Quantity, Term, parse, syntax_error
from infomax.information.measures import entropy
from infomax.information.tables import Array, Number, as_probabilities, as_real, rank


@dataclass(frozen=True, eq=False, repr=False)
class Joint:
    """A joint distribution of named discrete variables.

    Args:
        table: probabilities that sum to one, one axis for each name. NumPy, Torch, or nested lists.
        names: the names of the axes, as in "x y z"; in "... x y" the axes before x are a batch.
        labels: names of the values of variables, such as {"x": ("heads", "tails")}.
    Raises:
        ValueError: not probabilities, or names that do not fit the axes.
    Example:
        >>> joint = Joint([[1/2, 0], [1/4, 1/4]], "x y")
        >>> joint.H("x, y", base=2), joint.H("x | y", base=2)
        (H(x, y) = 1.5, H(x | y) = 0.688722)
    """

    table: Array
    names: Any
    labels: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names, batched = _read_names(self.names)
        if rank(self.table) != len(names) and not batched:
            raise ValueError(
                f"Joint: got {len(names)} names ({' '.join(names)}) for a table of {rank(self.table)} axes; "
                "name every axis, or begin with '...' for a batch"
            )
        axes = tuple(range(-len(names), 0))
        table = as_probabilities("Joint", self.table, axis=axes, num_axes=len(names))
        _check_labels(self.labels, names, table)
        for attribute, value in [("table", table), ("names", names), ("labels", dict(self.labels))]:
            object.__setattr__(self, attribute, value)

    def __repr__(self) -> str:
        return f"Joint({' '.join(self.names)!r}, shape={tuple(self.table.shape)})"

    @classmethod
    def from_counts(
        cls, counts: Array, names: str, *, labels: Mapping[str, Sequence[Any]] | None = None
    ) -> "Joint":
        """Return the distribution of relative frequencies: counts divided by their sum.

        Raises:
            ValueError: negative counts, only zeros, or names that do not fit the axes.
        Example:
            >>> Joint.from_counts([[10, 0], [5, 5]], "x y").I("x ; y", base=2)
            I(x ; y) = 0.311278
        """
        counts = as_real("Joint.from_counts", counts)
        xp = array_namespace(counts)
        axes = tuple(range(-len(_read_names(names)[0]), 0))
        if counts.ndim < len(axes):
            raise ValueError(
                f"Joint.from_counts: got {len(axes)} names for {counts.ndim} axes; name every axis"
            )
        totals = xp.sum(counts, axis=axes, keepdims=True)
        if not xp.all(counts >= 0) or not xp.all(totals > 0):
            raise ValueError(
                "Joint.from_counts: counts must be at least 0 and not all 0; is the sample empty?"
            )
        return cls(counts / totals, names, labels or {})

    @classmethod
    def from_samples(cls, columns: Any) -> "Joint":
        """Return the empirical distribution of columns of discrete values, with the values as labels.

        Its information is that of the sample itself, which on average exceeds that of the source. For
        estimates of the source, see `infomax.estimation`.

        Args:
            columns: a mapping from names to columns of equal length, or a Polars or pandas frame.
        Raises:
            ValueError: no rows, columns of different length, or missing values.
        Example:
            >>> rain = Joint.from_samples({"sky": ["grey", "grey", "blue", "blue"], "rain": [1, 1, 0, 0]})
            >>> rain.I("sky ; rain", base=2)
            I(sky ; rain) = 1
            >>> rain.given(sky="grey").marginal("rain").table
            array([0., 1.])
        """
        data = {str(name): _column(name, columns[name]) for name in _column_names(columns)}
        if len({len(column) for column in data.values()}) != 1 or 0 in map(len, data.values()):
            lengths = {name: len(column) for name, column in data.items()}
            raise ValueError(f"Joint.from_samples: columns must be equally long and not empty, got {lengths}")
        values, codes = zip(
            *(np.unique(column, return_inverse=True) for column in data.values()), strict=True
        )
        shape = tuple(map(len, values))
        counts = np.bincount(np.ravel_multi_index(codes, shape), minlength=math.prod(shape)).reshape(shape)
        labels = {name: tuple(value.tolist()) for name, value in zip(data, values, strict=True)}
        return cls.from_counts(counts, " ".join(data), labels=labels)

    # ------------------------------------------------------------------ information

    def H(self, expression: str, *, base: Number = math.e) -> Quantity:
        """Return the entropy of an expression such as "x", "x, y" or "x, y | z": H(A|C) = H(A,C) − H(C).

        Raises:
            ValueError: an expression that cannot be read; the message shows the place.
        """
        parsed = parse("Joint.H", expression, self.names, num_parts=1)
        (a,), c = parsed
        return self._sum(f"H({parsed})", [(+1, (a, c)), (-1, (c,))], base)

    def I(self, expression: str, *, base: Number = math.e) -> Quantity:  # noqa: E743
        """Return the mutual information of an expression such as "x ; y" or "x, y ; z | w".

        I(A;B|C) = H(A,C) + H(B,C) − H(A,B,C) − H(C). Of three or more groups it is the co-information, what
        all share: I(A;B;D|C) = I(A;B|C) − I(A;B|C,D), and so on, −Σ_S (−1)^|S| H(S,C) over the sets S of
        groups. It may be negative (XOR: −1 bit). `interaction_information` of m variables has the sign
        (−1)^m of it: the opposite for three, the same for two and four.

        Raises:
            ValueError: an expression that cannot be read; the message shows the place.
        Example:
            >>> xor = Joint([[[1/4, 0], [0, 1/4]], [[0, 1/4], [1/4, 0]]], "x y z")
            >>> xor.I("x ; y ; z", base=2)
            I(x ; y ; z) = -1

        Reference: Bell (2003), The co-information lattice.
        """
        parsed = parse("Joint.I", expression, self.names, num_parts=2, or_more=True)
        groups, c = parsed
        sets = [s for size in range(1, len(groups) + 1) for s in combinations(groups, size)]
        signed = [(1 if len(s) % 2 else -1, (*s, c)) for s in sets]
        return self._sum(f"I({parsed})", [*signed, (-1, (c,))], base)

    def _sum(
        self, symbol: str, signed_groups: Sequence[tuple[int, Sequence[Sequence[str]]]], base: Number
    ) -> Quantity:
        unions = [
            (sign, tuple(n for n in self.names if any(n in g for g in groups)))
            for sign, groups in signed_groups
        ]
        terms = (self._term(sign, names, base) for sign, names in unions if names)
        return Quantity(symbol, tuple(terms), base)

    def _term(self, sign: int, names: tuple[str, ...], base: Number) -> Term:
        table = self._marginal_table(names)
        return Term(sign, names, table, entropy(table, axis=tuple(range(-len(names), 0)), base=base))

    def kl(self, other: "Joint", *, base: Number = math.e) -> Array:
        """Return D(self‖other), where the other joint has the same variables, in any order.

        Raises:
            ValueError: other variables, or other labels of their values.
        Example:
            >>> joint = Joint([[1/2, 0], [1/4, 1/4]], "x y")
            >>> independent = joint.marginal("x").expand(joint.marginal("y"))
            >>> round(float(joint.kl(independent, base=2)), 6)  # this is I(x ; y)
            0.311278
        """
        if set(self.names) != set(other.names):
            raise ValueError(
                f"Joint.kl: expected the same variables, got {' '.join(self.names)} and "
                f"{' '.join(other.names)}; take marginals first"
            )
        for name in self.names:
            _check_same_values(name, self.labels.get(name), other.labels.get(name))
        axes = tuple(range(-len(self.names), 0))
        return kl_divergence(self.table, other.marginal(" ".join(self.names)).table, axis=axes, base=base)

    # ------------------------------------------------------------------ other joints

    def marginal(self, names: str) -> "Joint":
        """Return the joint of some of the variables, in the order given.

        Raises:
            ValueError: unknown variables, or a condition.
        Example:
            >>> Joint([[1/2, 0], [1/4, 1/4]], "x y").marginal("y").table
            array([0.75, 0.25])
        """
        wanted = parse("Joint.marginal", names, self.names, num_parts=1)
        if wanted.given:
            raise syntax_error("Joint.marginal", names, names.index("|"), "use given(...) for a condition")
        (kept,) = wanted.parts
        in_order = tuple(name for name in self.names if name in kept)
        table = self._marginal_table(in_order)
        batch = table.ndim - len(kept)
        order = [*range(batch), *(batch + in_order.index(name) for name in kept)]
        return self._with(array_namespace(table).permute_dims(table, tuple(order)), kept)

    def given(self, **values: Any) -> "Joint":
        """Return the joint of the other variables when some are known: p(others | name = value).

        Args:
            values: a label for a variable that has labels, otherwise an index from 0.
        Raises:
            ValueError: no such variable or value, no variable left, or an event of probability zero.
        Example:
            >>> Joint([[1/2, 0], [1/4, 1/4]], "x y").given(x=1).table
            array([0.5, 0.5])
        """
        rest = tuple(name for name in self.names if name not in values)
        self._check_condition(values, rest)
        index = tuple(
            self._index(name, values[name]) if name in values else slice(None) for name in self.names
        )
        table = self.table[(..., *index)]
        xp = array_namespace(table)
        probability = xp.sum(table, axis=tuple(range(-len(rest), 0)), keepdims=True)
        if not xp.all(probability > 0):
            raise ValueError(
                f"Joint.given: {_event(values)} has probability 0, so that nothing can be conditioned on it; "
                "give values that occur"
            )
        return self._with(table / probability, rest)

    def expand(self, other: "Joint") -> "Joint":
        """Return the joint of these variables and of others that are independent of them: p(x) p(y).

        Raises:
            ValueError: a variable that is in both.
        Example:
            >>> coin, die = Joint([1/2, 1/2], "coin"), Joint([1/6] * 6, "die")
            >>> coin.expand(die)
            Joint('coin die', shape=(2, 6))
        """
        if shared := [name for name in self.names if name in other.names]:
            raise ValueError(f"Joint.expand: both joints have {' '.join(shared)}; rename one of them")
        left = self.table[(..., *[None] * len(other.names))]
        table = left * other.table[(..., *[None] * len(self.names), *[slice(None)] * len(other.names))]
        return Joint(table, f"... {' '.join(self.names + other.names)}", {**self.labels, **other.labels})

    def _with(self, table: Array, names: tuple[str, ...]) -> "Joint":
        labels = {name: self.labels[name] for name in names if name in self.labels}
        return Joint(table, f"... {' '.join(names)}", labels)

    def _marginal_table(self, names: tuple[str, ...]) -> Array:
        summed = tuple(k - len(self.names) for k, name in enumerate(self.names) if name not in names)
        return array_namespace(self.table).sum(self.table, axis=summed) if summed else self.table

    def _check_condition(self, values: dict[str, Any], rest: tuple[str, ...]) -> None:
        if unknown := [name for name in values if name not in self.names]:
            raise ValueError(
                f"Joint.given: no variable is called {unknown[0]!r}; it has {' '.join(self.names)}"
            )
        if not rest:
            raise ValueError("Joint.given: no variable would be left; the probability itself is in .table")

    def _index(self, name: str, value: Any) -> int:
        size = self.table.shape[self.names.index(name) - len(self.names)]
        choices = list(self.labels.get(name, range(size)))
        if value not in choices:
            raise ValueError(
                f"Joint.given: {name} has no value {value!r}; it has {', '.join(map(repr, choices))}"
            )
        return choices.index(value)


def _event(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items())


def _read_names(names: str | Sequence[str]) -> tuple[tuple[str, ...], bool]:
    words = names.replace(",", " ").split() if isinstance(names, str) else list(names)
    batched = words[:1] == ["..."]
    words = words[batched:]
    if not words or len(set(words)) < len(words) or not all(re.fullmatch(r"\w+", word) for word in words):
        raise ValueError(f"Joint: names must be different words such as 'x y z', got {names!r}")
    return tuple(words), batched


def _check_labels(labels: Mapping[str, Sequence[Any]], names: tuple[str, ...], table: Array) -> None:
    for name, values in labels.items():
        if name not in names:
            raise ValueError(f"Joint: labels are given for {name!r}, but the variables are {' '.join(names)}")
        size = table.shape[names.index(name) - len(names)]
        if len(values) != size:
            raise ValueError(f"Joint: {name} takes {size} values but has {len(values)} labels; give one each")


def _check_same_values(name: str, ours: Sequence[Any] | None, theirs: Sequence[Any] | None) -> None:
    for place, (one, other) in enumerate(zip(ours or (), theirs or (), strict=False)):
        if one != other:
            raise ValueError(
                f"Joint.kl: value {place} of {name} is {one!r} in one joint and {other!r} in the other; give "
                "both the same values in the same order, those of probability 0 too"
            )


def _column_names(columns: Any) -> list[Any]:
    names = list(columns.keys() if isinstance(columns, Mapping) else getattr(columns, "columns", []))
    if not names:
        raise ValueError(
            f"Joint.from_samples: expected named columns, got {type(columns).__name__}; pass a dict"
        )
    if len({*map(str, names)}) < len(names):
        raise ValueError(
            f"Joint.from_samples: columns have names that are equal as text, got {names}; rename them"
        )
    return names


def _column(name: Any, column: Any) -> np.ndarray:
    values = column.to_numpy() if hasattr(column, "to_numpy") else _as_values(name, column)
    if values.ndim != 1:
        raise ValueError(f"Joint.from_samples: column {name!r} must have one axis, got shape {values.shape}")
    if np.ma.is_masked(column) or any(value is None or value != value for value in values.tolist()):
        raise ValueError(
            f"Joint.from_samples: column {name!r} has missing values; drop or fill those rows first"
        )
    return values


def _as_values(name: Any, column: Any) -> np.ndarray:
    """An array of a column, in which different values stay different."""
    values = np.asarray(column)
    if isinstance(column, np.ndarray) or not isinstance(column, Sequence):
        return values
    if values.dtype.kind in "US" and not all(isinstance(value, str | bytes) for value in column):
        raise ValueError(
            f"Joint.from_samples: column {name!r} mixes text and other values; make all of them text with str"
        )
    if values.dtype.kind == "f" and any(isinstance(v, int) and abs(v) > 2**53 for v in column):
        return np.array(column, dtype=object)  # whole numbers that differ by less than a float can tell
    return values
