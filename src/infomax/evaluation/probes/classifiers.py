"""Features and labels, checked and standardised; the classifier that a fit returns; validation parts.

Labels are integers, −1 for "none". A fit sees training features and labels only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Array = np.ndarray | Tensor
Device = str | torch.device

_BLOCK = 4096  # rows handled at a time
_FEW = 2000  # labels up to which validation is by folds, so that none is spared


@dataclass(frozen=True)
class Classifier:
    """A fitted classifier.

    classes: the labels it can answer, sorted.
    num_features: d.
    scores: features [b, d] -> scores [b, k]; the highest names the class, at equal scores the smallest label.
    settings: what was chosen in fitting it, by the caller, by the seed or by validation.
    """

    classes: Int[np.ndarray, " k"]
    num_features: int
    scores: Callable[[np.ndarray], Tensor]
    settings: dict[str, Any]

    def predict(self, features: Array) -> Int[np.ndarray, " n"]:
        """The label of each row of features [n, d], by blocks of rows.

        Raises:
            ValueError: features not [n, d] and finite, or another d than in training.
        """
        return self.classes[self._scores("predict", features).argmax(1)]

    def log_probabilities(self, features: Array) -> Float[np.ndarray, "n k"]:
        """log softmax of the scores, for classifiers fitted by cross-entropy, of rows [n, d] by blocks.

        Raises:
            ValueError: as `predict`.
        """
        scores = torch.from_numpy(self._scores("log_probabilities", features))
        return scores.log_softmax(1).numpy()

    def _scores(self, operation: str, features: Array) -> Float[np.ndarray, "n k"]:
        features = as_features(operation, "features", features)
        if features.shape[1] != self.num_features:
            raise ValueError(
                f"{operation}: features must have the {self.num_features} columns of the training features, "
                f"got {list(features.shape)}; both must come from the same encoder"
            )
        blocks = (features[start : start + _BLOCK] for start in range(0, len(features), _BLOCK))
        return np.concatenate([self.scores(block).cpu().numpy() for block in blocks])


@dataclass(frozen=True)
class Scaling:
    """z = (x − mean) · inverse_scale, by the training features; a feature constant among them becomes 0."""

    mean: Float[np.ndarray, " d"]
    inverse_scale: Float[np.ndarray, " d"]

    @property
    def num_varying(self) -> int:
        """How many features are not constant; 1 if all are."""
        return max(1, int(np.count_nonzero(self.inverse_scale)))

    def __call__(self, features: Float[np.ndarray, "m d"], device: Device) -> Float[Tensor, "m d"]:
        """Scaled features, float32, on the device."""
        z = np.empty(features.shape, np.float32)
        for start in range(0, len(features), _BLOCK):
            rows = slice(start, start + _BLOCK)
            z[rows] = (features[rows] - self.mean) * self.inverse_scale
        return torch.from_numpy(z).to(device)


def scale_each(features: Float[np.ndarray, "n d"]) -> Scaling:
    """Mean 0, variance 1 of every feature: nothing depends on their units."""
    mean, std, varies = _moments(features)
    return Scaling(mean, np.divide(1, std, out=np.zeros_like(std), where=varies))


def scale_together(features: Float[np.ndarray, "n d"]) -> Scaling:
    """Mean 0 of every feature, mean variance 1: what varies little, as pixels at a border, stays small."""
    mean, std, varies = _moments(features)
    common = np.sqrt(np.square(std).mean(where=varies)) if varies.any() else 1.0
    return Scaling(mean, varies / common)


SCALINGS = {"each": scale_each, "together": scale_together}


def _moments(features: Float[np.ndarray, "n d"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, std (in float64) and whether a feature varies by more than the resolution of its numbers."""
    mean = features.mean(0, dtype=np.float64)
    blocks = (features[start : start + _BLOCK] - mean for start in range(0, len(features), _BLOCK))
    std = np.sqrt(sum(np.square(block).sum(0) for block in blocks) / len(features))
    return mean, std, std > np.finfo(features.dtype).eps * np.abs(mean)


def validation_parts(targets: Int[np.ndarray, " n"], seed: int) -> list[Bool[np.ndarray, " n"]]:
    """Masks of rows to hold out, stratified by class: five folds up to 2000 rows, else one tenth.

    No more folds than the commonest class has rows; none at all if that is a single one, or if a fit would
    be left with fewer than two rows. With 5 rows a class, each fold leaves 4 of each to the fit.
    """
    n, most = len(targets), int(np.bincount(targets).max())
    num_folds = min(5, most) if n <= _FEW else 10
    if most < 2 or n - -(-n // num_folds) < 2:
        return []
    order = np.random.default_rng(seed).permutation(n)
    order = order[
        np.argsort(targets[order], kind="stable")
    ]  # shuffled within classes, one class after another
    fold = np.empty(n, np.int64)
    fold[order] = np.arange(n) % num_folds
    return [fold == i for i in range(num_folds if n <= _FEW else 1)]


def validation_settings(parts: list[Bool[np.ndarray, " n"]]) -> dict[str, Any]:
    """What to state of a choice made by these held-out parts."""
    kind = {0: "none", 1: "held out"}.get(len(parts), f"{len(parts)} folds")
    return {"validation": kind, "num_validation": int(sum(part.sum() for part in parts))}


@dataclass(frozen=True)
class ProbeData:
    """Labelled rows to fit to and to test on. num_unlabelled: rows left out, of each."""

    train_features: Float[np.ndarray, "n d"]
    train_labels: Int[np.ndarray, " n"]
    test_features: Float[np.ndarray, "m d"]
    test_labels: Int[np.ndarray, " m"]
    num_unlabelled: dict[str, int]

    @staticmethod
    def of(
        operation: str, train_features: Array, train_labels: Array, test_features: Array, test_labels: Array
    ) -> "ProbeData":
        """Checked before anything is fitted.

        Raises:
            ValueError: as `labelled`; or test features of another d than the training features.
        """
        train, y, train_left_out = labelled(operation, "train", train_features, train_labels)
        test, test_y, test_left_out = labelled(operation, "test", test_features, test_labels)
        if train.shape[1] != test.shape[1]:
            raise ValueError(
                f"{operation}: train_features are {list(train.shape)}, test_features {list(test.shape)}; "
                "both must come from the same encoder"
            )
        left_out = {"num_unlabelled_train": train_left_out, "num_unlabelled_test": test_left_out}
        return ProbeData(train, y, test, test_y, left_out)


def labelled(
    operation: str, part: str, features: Array, labels: Array
) -> tuple[Float[np.ndarray, "n d"], Int[np.ndarray, " n"], int]:
    """The rows that have a label, as NumPy arrays, and how many have none.

    Raises:
        ValueError: features not [n, d] and finite; labels not n integers ≥ −1; none left.
    """
    features = as_features(operation, f"{part}_features", features)
    labels = _as_labels(operation, f"{part}_labels", labels, len(features))
    known = labels >= 0
    if not known.any():
        raise ValueError(f"{operation}: {part}_labels are all −1 (none), [{len(labels)}]; label some rows")
    if known.all():
        return features, labels, 0
    return features[known], labels[known], int(np.count_nonzero(~known))


def as_features(operation: str, name: str, features: Array) -> Float[np.ndarray, "n d"]:
    """Features as float32 or float64 NumPy rows.

    Raises:
        ValueError: not two axes, not numbers, or not finite.
    """
    features = _as_array(features)
    if features.ndim != 2 or 0 in features.shape or features.dtype.kind not in "fiub":
        raise ValueError(
            f"{operation}: {name} must be numbers [n, d], got {features.dtype} {list(features.shape)}; "
            "one row for each image, flattened if need be"
        )
    features = features.astype(np.result_type(features.dtype, np.float32), copy=False)
    finite = np.isfinite(features).all(1)
    if not finite.all():
        raise ValueError(
            f"{operation}: {name} must be finite, got NaN or infinity in {np.count_nonzero(~finite)} of "
            f"{len(features)} rows, first in row {int(finite.argmin())}; did training diverge?"
        )
    return features


def _as_labels(operation: str, name: str, labels: Array, n: int) -> Int[np.ndarray, " n"]:
    labels = _as_array(labels)
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{operation}: {name} must be integers [{n}], one for each row of features, "
            f"got {labels.dtype} {list(labels.shape)}"
        )
    if labels.min() < -1:
        raise ValueError(f"{operation}: {name} must be ≥ 0, or −1 for none, got {labels.min()}")
    return labels.astype(np.int64)


def _as_array(values: Array) -> np.ndarray:
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        return (values.float() if values.is_floating_point() and values.itemsize < 4 else values).numpy()
    return np.asarray(values)
