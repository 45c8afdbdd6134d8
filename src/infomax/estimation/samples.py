"""Samples as estimators take them: rows of numbers or of labels, of one length, without missing values."""

import contextlib
import numbers
from collections.abc import Iterable
from typing import Annotated, Any

import numpy as np

from infomax.errors import refuse
from infomax.ranges import Range, check_numbers

MAX_EXACT = 2**53  # up to which float64 holds every integer
MAX_SHARE_COPIED = 0.05  # of the rows, that may repeat others without a word
MIN_SHARE_DIFFERENT = 0.9  # of different rows, that some column tells apart where rows are copies


def as_rows(operation: str, **variables: Any) -> list[np.ndarray]:
    """Return each variable as float64 [n, d]; a vector becomes one column.

    Args:
        operation: the name of the caller, for error messages.
        variables: by name, arrays [n] or [n, d], NumPy or Torch or a frame's columns; None is left out.

    Raises:
        ValueError: not numbers, more than two axes, no rows, different lengths, NaN or infinite values.

    Example:
        >>> [rows.shape for rows in as_rows("KSG", x=[1, 2, 3], y=[[1, 0], [0, 1], [1, 1]])]
        [(3, 1), (3, 2)]
    """
    rows = {name: _floats(operation, name, value) for name, value in variables.items() if value is not None}
    check_lengths(operation, rows)
    return list(rows.values())


def as_codes(operation: str, **variables: Any) -> list[np.ndarray]:
    """Return each variable as integer codes [n]: equal codes for equal labels of any hashable type.

    Args:
        operation: the name of the caller, for error messages.
        variables: by name, sequences of n labels, or arrays [n, d] whose rows are the labels; None is left
            out.

    Raises:
        ValueError: no rows, different lengths, or missing values (None, NaN).

    Example:
        >>> as_codes("PlugIn", x=["b", "a", "b"], y=[(0, 1), (0, 1), (1, 1)])
        [array([1, 0, 1]), array([0, 0, 1])]
    """
    codes = {name: _codes(operation, name, value) for name, value in variables.items() if value is not None}
    check_lengths(operation, codes)
    return list(codes.values())


def joint_codes(*codes: np.ndarray) -> np.ndarray:
    """Return codes of the tuples (a, b, …) of code vectors of one length, without a dense table: [n].

    Example:
        >>> joint_codes(np.array([0, 0, 1]), np.array([5, 5, 5]))
        array([0, 0, 1])
    """
    joint = codes[0]
    for other in codes[1:]:
        width = int(other.max()) + 1
        joint = _ranks(joint.astype(np.int64) * width + other)
    return joint


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return each value's rank among those that occur: [n]; nearby integers are counted instead of sorted."""
    if np.can_cast(values.dtype, np.int64) and len(values):
        values = values.astype(np.int64)
        if int(values.max()) - int(values.min()) < 4 * len(values):
            offsets = values - values.min()
            return (np.cumsum(np.bincount(offsets) > 0) - 1)[offsets]
    return np.unique(values, return_inverse=True)[1]


def num_copies(columns: Iterable[np.ndarray]) -> int:
    """Return how many rows repeat an earlier one in all columns, as copies do; 0 where that may be chance.

    Chance are up to a twentieth of the rows, and rows on a grid or of labels, where no column has different
    values in nine of ten different rows.

    Example:
        >>> num_copies([np.array([0.1, 0.7, 0.1, 0.9]), np.array([1, 2, 1, 2])])
        1
    """
    joint, most = np.zeros(1, dtype=np.int64), 0
    for column in columns:
        codes = np.unique(column, return_inverse=True)[1].reshape(-1)
        joint, most = joint_codes(np.broadcast_to(joint, codes.shape), codes), max(most, int(codes.max()) + 1)
        if joint.max() + 1 >= (1 - MAX_SHARE_COPIED) * len(joint):
            return 0
    different = int(joint.max()) + 1
    return len(joint) - different if most >= MIN_SHARE_DIFFERENT * different else 0


def to_array(value: Any) -> np.ndarray:
    """Return a NumPy, Torch, Polars or pandas value, or a sequence, as a NumPy array.

    Masked values become NaN, and None where they are not numbers.
    """
    if isinstance(value, np.ma.MaskedArray):
        mask, data = np.ma.getmaskarray(value), value.data
        nothing: Any = np.nan if data.dtype.kind in "biuf" else None
        return np.where(mask, nothing, data) if mask.any() else data
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return value.to_numpy() if hasattr(value, "to_numpy") else np.asarray(value)


def as_weights(
    operation: str, variables: list[np.ndarray], weights: Any
) -> tuple[list[np.ndarray], np.ndarray | None]:
    """Return the variables without rows of weight 0, and weights of mean 1, or None where all are equal.

    Raises:
        ValueError: not [n], not finite, below 0, or all 0.
    """
    if weights is None:
        return variables, None
    (rows,) = as_rows(operation, weights=weights)
    check_lengths(operation, {"rows": variables[0], "weights": rows})
    refuse(
        rows.shape[1] != 1 or rows.min() < 0 or rows.max() == 0,
        f"{operation}: weights must be one number of at least 0 for each row, and not all 0, got "
        f"{rows.shape[1]} columns from {rows.min()} to {rows.max()}",
    )
    kept, values = rows[:, 0] > 0, rows[rows > 0] / rows.max()
    variables = [one[kept] for one in variables]
    return variables, None if values.min() == values.max() else values / values.mean()


def rescaled(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return columns divided by powers of two, with all |values| below 1, and these powers' exponents.

    Squares and sums of such columns neither overflow nor vanish, and no digit is lost.

    Example:
        >>> rows, exponents = rescaled(np.array([[3e300], [-6e300]]))
        >>> bool(np.abs(rows).max() < 1), bool((np.ldexp(rows, exponents) == [[3e300], [-6e300]]).all())
        (True, True)
    """
    _, exponents = np.frexp(np.abs(rows).max(axis=0))
    return np.ldexp(rows, -exponents), exponents


def check_whole(operation: str, name: str, value: Any, *, least: int, remedy: str) -> None:
    """Check that a setting is an integer of at least `least`.

    Raises:
        ValueError: it is not.
    """
    check_numbers(operation, Annotated[int, Range(least, remedy=remedy)], **{name: value})


def _with_mask(value: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the array, and which of its values are masked, if it is NumPy's masked array."""
    if isinstance(value, np.ma.MaskedArray):
        return value.data, np.ma.getmaskarray(value)
    return to_array(value), None


def _floats(operation: str, name: str, value: Any) -> np.ndarray:
    array = _as_float64(operation, name, value)
    if array.ndim == 1:
        array = array[:, None]
    refuse(
        array.ndim != 2 or array.shape[1] == 0,
        f"{operation}: {name} must be [n] or [n, d], got {list(array.shape)}; flatten each sample",
    )
    bad = ~np.isfinite(array).all(axis=1)
    if bad.any():
        raise ValueError(
            f"{operation}: {name} must be finite, got NaN or infinity in {bad.sum()} of {len(array)} rows, "
            f"first in row {int(bad.argmax())}; drop or fill those rows"
        )
    return array


def _as_float64(operation: str, name: str, value: Any) -> np.ndarray:
    """Return a float64 array in which different numbers stay different, and masked values are NaN."""
    try:
        array, mask = _with_mask(value)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{operation}: {name} must be numbers [n] or [n, d] ({error})") from None
    refuse(
        array.dtype.kind in "cmM",
        f"{operation}: {name} must be real numbers, got {array.dtype}; give "
        + (
            "real and imaginary part as two columns"
            if array.dtype.kind == "c"
            else "times as numbers, such as days since the first: (t - t.min()) / np.timedelta64(1, 'D')"
        ),
    )
    try:
        array = _exact(operation, name, array) if array.dtype.kind in "iuO" else array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        if str(error).startswith(operation):
            raise
        raise ValueError(
            f"{operation}: {name} must be numbers [n] or [n, d] ({error}); "
            "labels are for the counting estimators"
        ) from None
    return array if mask is None else np.where(mask, np.nan, array)


def _exact(operation: str, name: str, array: np.ndarray) -> np.ndarray:
    """Return integers as floats: as they are up to 2⁵³; beyond, less the smallest of their column.

    A shift changes no information, and keeps neighbouring numbers apart.
    """
    floats = array.astype(np.float64)
    if not (np.abs(floats[np.isfinite(floats)]) > MAX_EXACT).any():
        return floats
    columns = array.reshape(len(array), -1).astype(object)
    if not all(isinstance(number, numbers.Integral) for number in columns.ravel()):
        return floats
    shifted = (columns - columns.min(axis=0)).astype(np.float64).reshape(array.shape)
    refuse(
        shifted.max() > MAX_EXACT,
        f"{operation}: integers of {name} span {shifted.max():.3g}, more than the 2**53 that floats tell "
        "apart; give them as floats if that is enough, or their ranks",
    )
    return shifted


def _codes(operation: str, name: str, value: Any) -> np.ndarray:
    array, mask = (value, None) if isinstance(value, list | tuple) else _with_mask(value)
    if not isinstance(array, list | tuple) and array.ndim > 1:
        array = array.reshape(len(array), -1)  # [n, d]
        nothing: Any = None
        missing = (array != array) | (array == nothing)
        if array.dtype.kind == "O":
            codes = _codes_of_objects(operation, name, [tuple(row) for row in array.tolist()])
        else:
            codes = np.unique(array, axis=0, return_inverse=True)[1].reshape(-1)
    elif isinstance(array, np.ndarray) and array.dtype.kind in "biufSU":
        missing = array != array
        codes = _ranks(array)
    else:
        labels = list(array)
        missing = np.array([label is None or label != label for label in labels], dtype=bool)
        codes = _codes_of_objects(operation, name, labels)
    missing = missing if mask is None else missing | mask.reshape(missing.shape)
    refuse(
        missing.any(),
        f"{operation}: {name} has {int(missing.sum())} missing values; "
        "drop those rows, or give missing values a label of their own",
    )
    return codes


def _codes_of_objects(operation: str, name: str, labels: list[Any]) -> np.ndarray:
    """Return codes in sorted order where labels can be sorted, else in order of first appearance."""
    try:
        distinct = list(dict.fromkeys(labels))
    except TypeError as error:
        raise ValueError(f"{operation}: labels of {name} must be hashable ({error}); use tuples") from None
    with contextlib.suppress(TypeError):
        distinct.sort()
    code_of = {label: code for code, label in enumerate(distinct)}
    return np.fromiter((code_of[label] for label in labels), dtype=np.int64, count=len(labels))


def check_lengths(operation: str, variables: dict[str, np.ndarray]) -> None:
    """Check that variables have equally many rows, and at least one.

    Raises:
        ValueError: they have not.
    """
    lengths = {name: len(value) for name, value in variables.items()}
    refuse(
        len(set(lengths.values())) > 1,
        f"{operation}: variables must have equally many samples, got {lengths}",
    )
    refuse(0 in lengths.values(), f"{operation}: got no samples; is the table empty?")
