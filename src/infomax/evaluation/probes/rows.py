"""Rows of features with their labels, checked; and their scaling, which is fitted to training rows alone.

Labels are integers; −1 marks a row without a label.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from infomax.errors import refuse
from infomax.evaluation.probes.stored import Rows, StoredRows, blocks

Array = np.ndarray | Tensor
Features = Array | StoredRows
"""Rows [n, d]: in memory, or `StoredRows`, which were checked as they were written."""
Device = str | torch.device

BLOCK = 4096
"""Rows that are handled at a time."""


# --------------------------------------------------------------------------------------------- checking


@dataclass(frozen=True)
class ProbeData:
    """Labelled rows to fit to and labelled rows to test on.

    Attributes:
        num_unlabelled: how many rows without a label were left out of each, by the names that settings use.
    """

    train_features: Float[np.ndarray, "n d"] | StoredRows
    train_labels: Int[np.ndarray, " n"]
    test_features: Float[np.ndarray, "m d"] | StoredRows
    test_labels: Int[np.ndarray, " m"]
    num_unlabelled: dict[str, int]

    @staticmethod
    def of(
        operation: str,
        train_features: Features,
        train_labels: Array,
        test_features: Features,
        test_labels: Array,
    ) -> "ProbeData":
        """Return the labelled rows, checked.

        Raises:
            ValueError: as `labelled`; the test features have another number of columns than the training
                features.
        """
        train, y, train_left_out = labelled(operation, "train", train_features, train_labels)
        test, test_y, test_left_out = labelled(operation, "test", test_features, test_labels)
        refuse(
            train.shape[1] != test.shape[1],
            f"{operation}: train_features are {list(train.shape)}, test_features {list(test.shape)}; "
            "both must come from the same encoder",
        )
        left_out = {"num_unlabelled_train": train_left_out, "num_unlabelled_test": test_left_out}
        return ProbeData(train, y, test, test_y, left_out)


def labelled(
    operation: str, part: str, features: Features, labels: Array
) -> tuple[Rows, Int[np.ndarray, " n"], int]:
    """Return the rows that have a label, their labels, and the number of rows that have none.

    Raises:
        ValueError: features are not [n, d] and finite; labels are not n integers ≥ −1; no row has a label.
    """
    features = as_rows(operation, f"{part}_features", features)
    labels = _as_labels(operation, f"{part}_labels", labels, len(features))
    known = labels >= 0
    refuse(not known.any(), f"{operation}: all {len(labels)} {part}_labels are −1 (none); label some rows")
    if known.all():
        return features, labels, 0
    return features[known], labels[known], int(np.count_nonzero(~known))


def as_rows(operation: str, name: str, features: Features) -> Rows:
    """Return stored rows as they are, others as `as_features` does."""
    return features if isinstance(features, StoredRows) else as_features(operation, name, features)


def as_features(operation: str, name: str, features: Array) -> Float[np.ndarray, "n d"]:
    """Return features as rows of float32 or float64.

    Raises:
        ValueError: features do not have two axes, are not numbers, or are not finite.
    """
    features = _as_array(features)
    refuse(
        features.ndim != 2 or 0 in features.shape or features.dtype.kind not in "fiub",
        f"{operation}: {name} must be numbers [n, d], got {features.dtype} {list(features.shape)}; "
        "give one row for each image, flattened if need be",
    )
    features = features.astype(np.result_type(features.dtype, np.float32), copy=False)
    finite = np.isfinite(features).all(1)
    refuse(
        not finite.all(),
        f"{operation}: {name} must be finite, got NaN or infinity in {np.count_nonzero(~finite)} of "
        f"{len(features)} rows, first in row {int(finite.argmin())}; did training diverge?",
    )
    return features


def _as_labels(operation: str, name: str, labels: Array, n: int) -> Int[np.ndarray, " n"]:
    labels = _as_array(labels)
    refuse(
        labels.shape != (n,) or labels.dtype.kind not in "iu",
        f"{operation}: {name} must be integers [{n}], one for each row of features, "
        f"got {labels.dtype} {list(labels.shape)}",
    )
    refuse(labels.min() < -1, f"{operation}: {name} must be ≥ 0, or −1 for none, got {labels.min()}")
    return labels.astype(np.int64)


def as_numbers(operation: str, name: str, values: Array, n: int) -> Float[np.ndarray, " n"]:
    """Return numbers as float64; NaN where one is missing.

    Raises:
        ValueError: they are not n numbers, or one is infinite.
    """
    values = _as_array(values)
    refuse(
        values.shape != (n,) or values.dtype.kind not in "fiub",
        f"{operation}: {name} must be numbers [{n}], one for each row of features, NaN where missing, "
        f"got {values.dtype} {list(values.shape)}",
    )
    refuse(np.isinf(values).any(), f"{operation}: {name} must be finite, or NaN where missing, got infinity")
    return values.astype(np.float64)


def _as_array(values: Array) -> np.ndarray:
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        return (values.float() if values.is_floating_point() and values.itemsize < 4 else values).numpy()
    return np.asarray(values)


# ---------------------------------------------------------------------------------------------- scaling


@dataclass(frozen=True)
class Scaling:
    """z = (x − mean) · inverse_scale, by the training features; a feature constant among them becomes 0."""

    mean: Float[np.ndarray, " d"]
    inverse_scale: Float[np.ndarray, " d"]

    @property
    def num_varying(self) -> int:
        """How many features are not constant, at least 1."""
        return max(1, int(np.count_nonzero(self.inverse_scale)))

    def __call__(self, features: Float[np.ndarray, "m d"], device: Device) -> Float[Tensor, "m d"]:
        """Return scaled features, float32, on the device."""
        z = np.empty(features.shape, np.float32)
        for start in range(0, len(features), BLOCK):
            rows = slice(start, start + BLOCK)
            z[rows] = (features[rows] - self.mean) * self.inverse_scale
        return torch.from_numpy(z).to(device)


def scale_each(features: Rows) -> Scaling:
    """Return the scaling that gives every feature mean 0 and variance 1: units of features do not matter."""
    mean, std, varies = _moments(features)
    return Scaling(mean, np.divide(1, std, out=np.zeros_like(std), where=varies))


def scale_together(features: Rows) -> Scaling:
    """Return the scaling that gives every feature mean 0, and all features together a mean variance of 1.

    A feature that varies little, such as a pixel at the border, stays small.
    """
    mean, std, varies = _moments(features)
    common = np.sqrt(np.square(std).mean(where=varies)) if varies.any() else 1.0
    return Scaling(mean, varies / common)


SCALINGS: Mapping[str, Callable[[Rows], Scaling]] = {"each": scale_each, "together": scale_together}
"""The scalings that validation chooses from, by the names that settings use."""


def pieces(features: Rows) -> Iterator[np.ndarray]:
    """Yield rows some at a time: 4096 of an array, stored ones as they are read."""
    if isinstance(features, StoredRows):
        yield from features.blocks()
    else:
        yield from (features[start : start + BLOCK] for start in range(0, len(features), BLOCK))


def _moments(features: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and std in float64, and whether a feature varies by more than the resolution of its numbers."""
    n, zeros = len(features), np.zeros(features.shape[1])
    mean = sum((block.sum(0, dtype=np.float64) for block in blocks(features)), start=zeros) / n
    squares = (np.square(piece - mean).sum(0) for piece in pieces(features))
    std = np.sqrt(sum(squares, start=zeros) / n)
    return mean, std, std > np.finfo(features.dtype).eps * np.abs(mean)
