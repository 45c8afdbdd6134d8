"""Samples as estimators take them: rows of numbers, or rows of labels; equal lengths; nothing missing."""

import contextlib
from typing import Any

import numpy as np


def as_rows(operation: str, **variables: Any) -> list[np.ndarray]:
    """Each variable as float64 [n, d]; a vector becomes one column.

    Args:
        operation: who asks, for the messages.
        variables: by name, arrays [n] or [n, d], NumPy or Torch or a frame's columns; None ones are left out.

    Raises:
        ValueError: not numbers, more than two axes, no rows, unequal lengths, or NaN and infinite values.

    Example:
        >>> [rows.shape for rows in as_rows("KSG", x=[1, 2, 3], y=[[1, 0], [0, 1], [1, 1]])]
        [(3, 1), (3, 2)]
    """
    rows = {name: _floats(operation, name, value) for name, value in variables.items() if value is not None}
    _check_lengths(operation, rows)
    return list(rows.values())


def as_codes(operation: str, **variables: Any) -> list[np.ndarray]:
    """Each variable as integer codes [n], equal codes for equal rows; labels may be of any hashable kind.

    Args:
        operation: who asks, for the messages.
        variables: by name, sequences of n labels, or arrays [n, d] whose rows are the labels.

    Raises:
        ValueError: no rows, unequal lengths, or missing values (None, NaN).

    Example:
        >>> as_codes("PlugIn", x=["b", "a", "b"], y=[(0, 1), (0, 1), (1, 1)])
        [array([1, 0, 1]), array([0, 0, 1])]
    """
    codes = {name: _codes(operation, name, value) for name, value in variables.items() if value is not None}
    _check_lengths(operation, codes)
    return list(codes.values())


def joint_codes(*codes: np.ndarray) -> np.ndarray:
    """Codes of the tuples (a, b, …) of equally long code vectors, without a dense table: [n].

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
    """Each value's rank among those that occur: [n]; integers that lie close are counted, not sorted."""
    if np.can_cast(values.dtype, np.int64) and len(values):
        values = values.astype(np.int64)
        if int(values.max()) - int(values.min()) < 4 * len(values):
            offsets = values - values.min()
            return (np.cumsum(np.bincount(offsets) > 0) - 1)[offsets]
    return np.unique(values, return_inverse=True)[1]


def to_array(value: Any) -> np.ndarray:
    """NumPy array of a NumPy, Torch, Polars or pandas value, or of a sequence."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return value.to_numpy() if hasattr(value, "to_numpy") else np.asarray(value)


def _floats(operation: str, name: str, value: Any) -> np.ndarray:
    try:
        array = to_array(value).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{operation}: {name} must be numbers [n] or [n, d] ({error}); "
            "labels are for the counting estimators"
        ) from None
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(
            f"{operation}: {name} must be [n] or [n, d], got {list(array.shape)}; flatten each sample"
        )
    bad = ~np.isfinite(array).all(axis=1)
    if bad.any():
        raise ValueError(
            f"{operation}: {name} must be finite, got NaN or infinity in {bad.sum()} of {len(array)} rows, "
            f"first in row {int(bad.argmax())}; drop or fill those rows"
        )
    return array


def _codes(operation: str, name: str, value: Any) -> np.ndarray:
    array = value if isinstance(value, list | tuple) else to_array(value)
    if not isinstance(array, list | tuple) and array.ndim > 1:
        array = array.reshape(len(array), -1)  # [n, d]
        missing = array != array if array.dtype.kind in "fc" else np.zeros(array.shape, bool)
        codes = np.unique(array, axis=0, return_inverse=True)[1].reshape(-1)
    elif isinstance(array, np.ndarray) and array.dtype.kind in "biufSU":
        missing = array != array
        codes = _ranks(array)
    else:
        labels = list(array)
        missing = np.array([label is None or label != label for label in labels], dtype=bool)
        codes = _codes_of_objects(operation, name, labels)
    if missing.any():
        raise ValueError(
            f"{operation}: {name} has {int(missing.sum())} missing values; "
            "drop those rows, or give missing a label of its own"
        )
    return codes


def _codes_of_objects(operation: str, name: str, labels: list[Any]) -> np.ndarray:
    """Codes in sorted order where labels can be sorted, in order of appearance otherwise."""
    try:
        distinct = list(dict.fromkeys(labels))
    except TypeError as error:
        raise ValueError(f"{operation}: labels of {name} must be hashable ({error}); use tuples") from None
    with contextlib.suppress(TypeError):
        distinct.sort()
    code_of = {label: code for code, label in enumerate(distinct)}
    return np.fromiter((code_of[label] for label in labels), dtype=np.int64, count=len(labels))


def _check_lengths(operation: str, variables: dict[str, np.ndarray]) -> None:
    lengths = {name: len(value) for name, value in variables.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{operation}: variables must have equally many samples, got {lengths}")
    if 0 in lengths.values():
        raise ValueError(f"{operation}: got no samples; is the table empty?")
