"""Tables of probabilities: real, non-negative, summing to one over the axes of their variables.

All exact measures check their tables here; a check costs two reductions and no copy. NumPy arrays, Torch
tensors and nested lists are accepted, and results are of the kind that was given.
"""

import math
from collections.abc import Sequence
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
from array_api_compat import array_namespace, device, is_array_api_obj

Array: TypeAlias = Any  # a NumPy array or a Torch tensor; nested lists of numbers are read as NumPy arrays
Number: TypeAlias = int | float | np.integer | np.floating
Axis: TypeAlias = int | tuple[int, ...]


def as_real(operation: str, values: Array, like: Array | None = None) -> Array:
    """Return an array of real floating numbers: lists become NumPy arrays, integers become float64.

    Numbers of 16 bits become float64 too, as their sums would lose what the numbers hold, and so do those of
    more than 64 bits, for which there is no linear algebra.

    Args:
        operation: what asks for it, for the message.
        values: numbers, lists, or an array.
        like: an array whose kind, precision and device plain numbers and lists take.
    Raises:
        TypeError: complex, boolean or other entries that are not real numbers, or rows of unequal length.
        ValueError: a masked array with masked entries.
    """
    array = _as_array(operation, values, like)
    xp = array_namespace(array)
    if xp.isdtype(array.dtype, "integral"):
        return xp.astype(array, xp.float64)
    if not xp.isdtype(array.dtype, "real floating"):
        raise TypeError(f"{operation}: expected real numbers, got {array.dtype}; convert them first")
    return array if array.dtype in (xp.float32, xp.float64) else xp.astype(array, xp.float64)


def _as_array(operation: str, values: Array, like: Array | None = None) -> Array:
    if isinstance(values, np.ma.MaskedArray):
        if num_masked := np.ma.count_masked(values):
            raise ValueError(
                f"{operation}: got {num_masked} masked entries, which have no value; fill them, as in "
                "p.filled(0), or leave them out, so that probabilities sum to 1 without them"
            )
        return values.data
    if is_array_api_obj(values):
        return values
    try:
        if like is None:
            return np.asarray(values)
        return array_namespace(like).asarray(values, dtype=like.dtype, device=device(like))
    except (ValueError, TypeError, RuntimeError) as error:
        raise TypeError(f"{operation}: expected numbers, or rows of equally many, got {values!r}") from error


def _is_short(array: Array) -> bool:
    """True if the array holds floating numbers of 16 bits: half precision or bfloat16."""
    xp = array_namespace(array)
    return xp.isdtype(array.dtype, "real floating") and xp.finfo(array.dtype).bits < 32


def as_number(operation: str, name: str, value: Number) -> float:
    """Return one real number as a float, for the parameters of an operation; ±∞ are numbers.

    Raises:
        TypeError: not a real number, such as text, None, a complex number or an array of several.
        ValueError: NaN.
    """
    array: Any = value
    scalar = array.item() if is_array_api_obj(value) and array.ndim == 0 else value
    if isinstance(scalar, bool | np.bool_) or not isinstance(scalar, Number):
        raise TypeError(f"{operation}: {name} must be a real number, got {value!r}; pass one such as 2.0")
    number = float(scalar)
    if math.isnan(number):
        raise ValueError(f"{operation}: {name} is NaN, expected a real number; find where it comes from")
    return number


def as_integer(operation: str, name: str, value: int | np.integer) -> int:
    """Return one whole number as an int.

    Raises:
        TypeError: not a whole number; 2.0 is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{operation}: {name} must be a whole number, got {value!r}; pass one such as 2")
    return int(value)


def as_positive(operation: str, name: str, value: Number) -> float:
    """Return one number above 0 as a float.

    Raises:
        TypeError: not a real number.
        ValueError: NaN, 0 or below.
    """
    number = as_number(operation, name, value)
    if not number > 0:
        raise ValueError(f"{operation}: {name} must be more than 0, got {number:g}")
    return number


def rank(values: Array) -> int:
    """Return how many axes an array or nested lists have."""
    return len(values.shape) if is_array_api_obj(values) else np.ndim(values)  # pyright: ignore


def same_namespace(operation: str, *arrays: Array) -> ModuleType:
    """Return the one array library of all `arrays`.

    Raises:
        TypeError: they are of several.
    """
    kinds = {type(array).__module__.split(".")[0] for array in arrays}
    if len(kinds) > 1:
        raise TypeError(
            f"{operation}: got arrays of different libraries ({', '.join(sorted(kinds))}), expected one; "
            "convert with torch.as_tensor(...) or tensor.numpy()"
        )
    return array_namespace(*arrays)


def as_probabilities(operation: str, p: Array, *, axis: Axis = -1, num_axes: int = 1) -> Array:
    """Return `p` itself, once it is known to hold probabilities that sum to one over `axis`.

    Tables of 16 bits, whose entries are rounded to two or three digits, become float64 and are divided by
    their sum.

    Raises:
        TypeError: complex, boolean or other entries that are not real numbers.
        ValueError: empty, too few axes, masked, NaN, negative, or a sum further from one than the square root
            of the machine epsilon of its dtype (1.5e-8 in float64, 3.5e-4 in float32, .03 in float16).
    """
    given = _as_array(operation, p)
    p = as_real(operation, given)
    if p.ndim < num_axes:
        raise ValueError(f"{operation}: expected at least {num_axes} axes, got shape {tuple(p.shape)}")
    if 0 in p.shape:
        raise ValueError(f"{operation}: got an empty table of shape {tuple(p.shape)}, expected probabilities")
    _check_axis(operation, axis, p.ndim)
    _check_non_negative(operation, p)
    sums = _checked_sums(operation, p, axis, given)
    return p / sums if _is_short(given) else p


def _check_axis(operation: str, axis: Axis, num_axes: int) -> None:
    axes = axis if isinstance(axis, tuple) else (axis,)
    if all(isinstance(k, int | np.integer) and -num_axes <= k < num_axes for k in axes):
        return
    raise ValueError(
        f"{operation}: axis must be from {-num_axes} to {num_axes - 1} for a table of {num_axes} axes, or "
        f"a tuple of such numbers, got {axis!r}"
    )


def _check_non_negative(operation: str, p: Array) -> None:
    smallest = array_namespace(p).min(p).item()
    if math.isnan(smallest):
        raise ValueError(f"{operation}: got NaN among the probabilities; find where it comes from")
    if smallest < 0:
        raise ValueError(
            f"{operation}: got the negative probability {smallest:.6g}, expected numbers from 0 to 1; "
            "are these log-probabilities or scores? take exp or softmax first"
        )


def _checked_sums(operation: str, p: Array, axis: Axis, given: Array) -> Array:
    xp, tolerance = array_namespace(p), math.sqrt(_epsilon(given))
    sums = xp.sum(p, axis=axis, keepdims=True)
    if xp.max(xp.abs(sums - 1)).item() <= tolerance:
        return sums
    flat = xp.reshape(sums, (-1,))
    worst = flat[int(xp.argmax(xp.abs(flat - 1)))].item()
    are_integers = array_namespace(given).isdtype(given.dtype, "integral")
    raise ValueError(f"{operation}: {_sum_message(worst, axis, are_integers, tolerance)}")


def _epsilon(given: Array) -> float:
    xp = array_namespace(given)
    return float(xp.finfo(given.dtype if xp.isdtype(given.dtype, "real floating") else xp.float64).eps)


def _sum_message(total: float, axis: Axis, counts_like: bool, tolerance: float) -> str:
    if counts_like:
        return (
            f"got integers that sum to {total:g}, expected probabilities; are these counts? "
            "use Joint.from_counts(counts, names), or divide the counts by their sum"
        )
    return (
        f"probabilities must sum to 1 over axis {axis}, got {total:.10g} (tolerance {tolerance:.2g}); "
        f"normalise first, as in p / p.sum({axis}, keepdims=True)"
    )


def to_numpy(values: Array) -> np.ndarray:
    """Return a float64 NumPy copy of an array or of nested lists, without gradients."""
    values = values.detach().cpu().double() if hasattr(values, "detach") else values
    return np.array(values, dtype=np.float64)


def check_same_shape(operation: str, p: Array, q: Array) -> None:
    """Make sure that two distributions have the same shape.

    Raises:
        ValueError: they do not.
    """
    if tuple(p.shape) != tuple(q.shape):
        raise ValueError(
            f"{operation}: p and q must have the same shape, got {tuple(p.shape)} and {tuple(q.shape)}; "
            "are they distributions over the same values?"
        )


def in_base(nats: Array, base: Number) -> Array:
    """Return nats in units of log `base`: 2 for bits, 10 for hartleys, e for nats.

    Raises:
        TypeError: a base that is no real number.
        ValueError: a base that is not finite and more than 1.
    """
    unit = log_of_base(base)
    return nats if unit == 1 else nats / unit


def log_of_base(base: Number) -> float:
    """Return log `base`, the size of the unit in nats: log 2 for bits.

    Raises:
        TypeError: a base that is no real number.
        ValueError: a base that is not finite and more than 1.
    """
    number = as_number("base", "the base of the logarithm", base)
    if not 1 < number < math.inf:
        raise ValueError(f"base must be finite and more than 1, got {base}; use 2 for bits, math.e for nats")
    return math.log(number)


def safe_log(p: Array) -> Array:
    """Return log p, with 0 in place of log 0, for p * safe_log(p) where 0 log 0 = 0.

    The gradient at p = 0 is 0, not infinite: a cell of zero probability is outside the support.
    """
    xp = array_namespace(p)
    if xp.min(p).item() > 0:
        return xp.log(p)
    return xp.log(xp.where(p > 0, p, xp.ones_like(p)))


def other_axes(keep: Sequence[int], num_variables: int) -> tuple[int, ...]:
    """Return the axes, counted from the end, of those of the last `num_variables` that are not in `keep`."""
    return tuple(k - num_variables for k in range(num_variables) if k not in keep)
