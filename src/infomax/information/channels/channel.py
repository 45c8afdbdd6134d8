"""A channel: sender, transition matrix P(y|x), receiver.

    >>> noisy = Channel.binary_symmetric(0.1)
    >>> round(float(noisy.mutual_information([1/2, 1/2], base=2)), 6)
    0.531004

The extremes: through an ideal channel I(X;Y) = H(X); through a fully disturbed one I(X;Y) = 0.

Reference: Shannon (1948); Cover and Thomas (2006), chapter 7.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from infomax.information.channels.capacity import Capacity, maximize_information
from infomax.information.joint import Joint
from infomax.information.measures import conditional_entropy, mutual_information
from infomax.information.tables import (
    Array,
    Number,
    as_number,
    as_positive,
    as_probabilities,
    as_real,
    log_of_base,
    same_namespace,
    to_numpy,
)


@dataclass(frozen=True, eq=False, repr=False)
class Channel:
    """A discrete memoryless channel: row x of `transition` is the distribution P(y|x) of the output.

    Args:
        transition: [x, y]; each row sums to one, and axes before x are a batch. NumPy, Torch, or lists.
    Raises:
        ValueError: rows that are not probabilities, or fewer than two axes.
    Example:
        >>> Channel([[1, 0], [1/2, 1/2]]).capacity(base=2).lower  # doctest: +ELLIPSIS
        0.3219...
    """

    transition: Array

    def __post_init__(self) -> None:
        _check_not_transposed(self.transition)
        rows = as_probabilities("Channel", self.transition, axis=-1, num_axes=2)
        object.__setattr__(self, "transition", rows)

    def __repr__(self) -> str:
        return f"Channel({self.num_inputs} inputs, {self.num_outputs} outputs)"

    @property
    def num_inputs(self) -> int:
        """The number of letters of the sender."""
        return self.transition.shape[-2]

    @property
    def num_outputs(self) -> int:
        """The number of letters of the receiver."""
        return self.transition.shape[-1]

    # ------------------------------------------------------------------ constructors

    @classmethod
    def ideal(cls, num_letters: int) -> "Channel":
        """Return the channel of which the output is the input: y = x.

        Raises:
            ValueError: no letter.
        Example:
            >>> float(Channel.ideal(4).mutual_information([1/2, 1/4, 1/8, 1/8], base=2))
            1.75
        """
        return cls(np.eye(_positive("Channel.ideal", "num_letters", num_letters)))

    @classmethod
    def fully_disturbed(cls, p_y: Array, num_inputs: int) -> "Channel":
        """Return the channel whose output has distribution p(y) whatever is sent, and so tells nothing.

        Raises:
            ValueError: not probabilities, or no input.
        """
        p_y = as_probabilities("Channel.fully_disturbed", p_y)
        rows = _positive("Channel.fully_disturbed", "num_inputs", num_inputs)
        return cls(array_namespace(p_y).stack([p_y] * rows, axis=-2))

    @classmethod
    def symmetric(cls, num_letters: int, error: Array) -> "Channel":
        """Return the channel through which one of the other letters arrives with probability `error`.

        All others are equally likely. C = log n − h(e) − e log(n−1).

        Args:
            num_letters: n.
            error: e, a number, or an array (a batch of channels; differentiable in Torch).
        Raises:
            ValueError: fewer than two letters, or no probability.
        """
        if num_letters < 2:
            raise ValueError(f"Channel.symmetric: num_letters must be at least 2, got {num_letters}")
        e, xp = _chance("Channel.symmetric", error)
        other = e[..., None, None] / (num_letters - 1)
        return cls(other + (1 - num_letters * other) * xp.eye(num_letters, dtype=e.dtype, device=device(e)))

    @classmethod
    def binary_symmetric(cls, error: Array) -> "Channel":
        """Return the channel that flips either bit with probability `error`. C = 1 − h₂(error) bits."""
        return cls.symmetric(2, error)

    @classmethod
    def erasure(cls, error: Array, *, num_letters: int = 2) -> "Channel":
        """Return the channel that erases a letter with probability `error`. C = (1 − error) log n.

        The receiver sees that it is erased.

        Raises:
            ValueError: no probability.
        """
        e, xp = _chance("Channel.erasure", error)
        kept = (1 - e[..., None, None]) * xp.eye(num_letters, dtype=e.dtype, device=device(e))
        lost = xp.broadcast_to(e[..., None, None], (*e.shape, num_letters, 1))
        return cls(xp.concat([kept, lost], axis=-1))

    @classmethod
    def z(cls, error: Array) -> "Channel":
        """Return the channel that keeps 0, and turns 1 to 0 with probability e.

        C = log₂(1 + (1−e) e^{e/(1−e)}) bits.

        Raises:
            ValueError: no probability.
        """
        e, xp = _chance("Channel.z", error)
        zero, one = xp.zeros_like(e), xp.ones_like(e)
        return cls(xp.stack([xp.stack([one, zero], axis=-1), xp.stack([e, 1 - e], axis=-1)], axis=-2))

    @classmethod
    def from_samples(cls, x: Any, y: Any) -> "Channel":
        """Return the empirical channel of pairs (x, y): the relative frequencies of y given x, both sorted.

        Raises:
            ValueError: no samples, unequal lengths, or missing values.
        Example:
            >>> Channel.from_samples(["a", "a", "b", "b"], [0, 1, 1, 1]).transition
            array([[0.5, 0.5],
                   [0. , 1. ]])
        """
        table = Joint.from_samples({"x": x, "y": y}).table
        return cls(table / table.sum(axis=1, keepdims=True))

    # ------------------------------------------------------------------ what comes out

    def output(self, p_x: Array) -> Array:
        """Return p(y) = Σₓ p(x) P(y|x)."""
        return array_namespace(self.transition).sum(self._table("Channel.output", p_x), axis=-2)

    def joint(self, p_x: Array) -> Joint:
        """Return p(x, y) = p(x) P(y|x), with the variables named x and y.

        Example:
            >>> Channel.binary_symmetric(0.25).joint([1/2, 1/2]).H("x | y", base=2)
            H(x | y) = 0.811278
        """
        return Joint(self._table("Channel.joint", p_x), "... x y")

    def mutual_information(self, p_x: Array, *, base: Number = math.e) -> Array:
        """Return I(X;Y) = Σₓ p(x) Σ_y P(y|x) log( P(y|x) / Σ_z P(y|z) p(z) )."""
        return mutual_information(self._table("Channel.mutual_information", p_x), base=base)

    def equivocation(self, p_x: Array, *, base: Number = math.e) -> Array:
        """Return H(X|Y), what the receiver still does not know of what was sent."""
        return conditional_entropy(self._table("Channel.equivocation", p_x), given=-1, base=base)

    def noise(self, p_x: Array, *, base: Number = math.e) -> Array:
        """Return H(Y|X), what in the output does not come from the input."""
        return conditional_entropy(self._table("Channel.noise", p_x), given=-2, base=base)

    def _table(self, operation: str, p_x: Array) -> Array:
        p_x = as_probabilities(operation, as_real(operation, p_x, like=self.transition))
        same_namespace(operation, p_x, self.transition)
        if p_x.shape[-1] != self.num_inputs:
            raise ValueError(
                f"{operation}: p_x has {p_x.shape[-1]} probabilities, expected one for each of the "
                f"{self.num_inputs} inputs"
            )
        return p_x[..., None] * self.transition

    # ------------------------------------------------------------------ other channels

    def then(self, other: "Channel") -> "Channel":
        """Return the cascade: this channel's output is the other's input. Information can only be lost.

        Raises:
            ValueError: more or fewer outputs than the other has inputs.
        Example:
            >>> twice = Channel.binary_symmetric(0.1).then(Channel.binary_symmetric(0.1))
            >>> twice.transition
            array([[0.82, 0.18],
                   [0.18, 0.82]])
        """
        if self.num_outputs != other.num_inputs:
            raise ValueError(
                f"Channel.then: {self.num_outputs} outputs cannot feed {other.num_inputs} inputs; "
                "did you mean other.then(self)?"
            )
        return Channel(self.transition @ other.transition)

    def product(self, other: "Channel") -> "Channel":
        """Return both channels side by side, independent; inputs and outputs are pairs. Capacities add."""
        xp = same_namespace("Channel.product", self.transition, other.transition)
        pairs = self.transition[..., :, None, :, None] * other.transition[..., None, :, None, :]
        rows, columns = self.num_inputs * other.num_inputs, self.num_outputs * other.num_outputs
        return Channel(xp.reshape(pairs, (*pairs.shape[:-4], rows, columns)))

    # ------------------------------------------------------------------ extremes

    @property
    def is_ideal(self) -> bool:
        """True if the output always determines the input: no output has two possible inputs."""
        xp = array_namespace(self.transition)
        return bool(xp.all(xp.sum(xp.astype(self.transition > 0, xp.int64), axis=-2) <= 1))

    @property
    def is_fully_disturbed(self) -> bool:
        """True if the output tells nothing of the input: all rows are equal, within rounding."""
        xp = array_namespace(self.transition)
        spread = xp.max(self.transition, axis=-2) - xp.min(self.transition, axis=-2)
        return bool(xp.max(spread).item() <= 8 * xp.finfo(self.transition.dtype).eps)

    # ------------------------------------------------------------------ maximisation

    def capacity(
        self,
        *,
        base: Number = math.e,
        tolerance: float = 1e-9,
        costs: Array | None = None,
        budget: Number = math.inf,
    ) -> Capacity:
        """Return max over p(x) of I(X;Y), within a certified bracket no wider than `tolerance`.

        Args:
            base: of the logarithm; 2 gives bits a use.
            tolerance: the largest width of the bracket, in the same unit.
            costs: the cost of each input letter.
            budget: the largest mean cost, Σ p(x) cost(x). The input's excess Σ p(x) (cost(x) − least cost)
                is at most that of the budget but for the rounding of a float64 sum (n · 2.2e-16 of it).
        Returns:
            lower, upper, input and iterations; computed in float64 on the CPU.
        Raises:
            ValueError: a batch of channels, costs that are not finite, a budget without costs or one that no
                input can meet, or a tolerance that is not positive.
            RuntimeError: a tolerance finer than float64 can certify.
        Example:
            >>> c = Channel.binary_symmetric(0.1).capacity(base=2)
            >>> round(c.lower, 6), c.upper - c.lower <= 1e-9, c.input
            (0.531004, True, array([0.5, 0.5]))
        """
        unit = log_of_base(base)
        budget = as_number("capacity", "budget", budget)
        if costs is None and budget < math.inf:
            raise ValueError("capacity: a budget is given without costs; give the cost of each input letter")
        best = maximize_information(
            _float64_rows(self.transition),
            tolerance=as_positive("capacity", "tolerance", tolerance) * unit,
            costs=None if costs is None else _costs(costs, self.num_inputs),
            budget=budget,
        )
        point = best.point if isinstance(self.transition, np.ndarray) else _like(best.point, self.transition)
        return Capacity(best.lower / unit, best.upper / unit, point, best.iterations)


def _check_not_transposed(transition: Array) -> None:
    """Make sure that it is not the columns that sum to one, and the rows that do not."""
    p = to_numpy(as_real("Channel", transition))
    if p.ndim < 2 or not p.size:
        return
    of_rows, of_columns = (np.allclose(p.sum(axis=axis), 1, atol=1e-3) for axis in (-1, -2))
    if of_columns and not of_rows:
        raise ValueError(
            "Channel: the columns sum to 1 and the rows do not, expected a row P(y|x) for each input x; pass "
            "the transpose, as in Channel(p.T)"
        )


def _positive(operation: str, name: str, number: int) -> int:
    if number < 1:
        raise ValueError(f"{operation}: {name} must be at least 1, got {number}")
    return number


def _chance(operation: str, error: Array) -> tuple[Array, Any]:
    e = as_real(operation, error)
    xp = array_namespace(e)
    if not bool(xp.all((e >= 0) & (e <= 1))):
        raise ValueError(f"{operation}: the probability of an error must be from 0 to 1, got {error}")
    return e, xp


def _float64_rows(transition: Array) -> np.ndarray:
    if transition.ndim != 2:
        raise ValueError(
            f"capacity: expected one channel [x, y], got shape {tuple(transition.shape)}; loop over them"
        )
    rows = to_numpy(transition)
    return rows / rows.sum(axis=1, keepdims=True)


def _like(values: np.ndarray, array: Array) -> Array:
    return array_namespace(array).asarray(values, dtype=array.dtype, device=device(array))


def _costs(costs: Array, num_inputs: int) -> np.ndarray:
    values = to_numpy(as_real("Channel.capacity", costs))
    if values.shape != (num_inputs,) or not np.isfinite(values).all():
        raise ValueError(
            f"Channel.capacity: costs must be {num_inputs} finite numbers, one for each input, got "
            f"{int(np.isfinite(values).sum())} finite ones in the shape {values.shape}"
        )
    return values
