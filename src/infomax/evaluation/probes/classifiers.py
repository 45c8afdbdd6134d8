"""The fitted classifier, and the rows held out to validate choices: shared by all fits of classifiers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from infomax.errors import refuse
from infomax.evaluation.probes.rows import Features, as_rows, pieces

MAX_FOLDED = 2000
"""Labels up to which validation takes folds, in which every label is used to fit and to validate."""


@dataclass(frozen=True)
class FittedClassifier:
    """A fitted classifier.

    Attributes:
        classes: the labels that it can answer, sorted.
        num_features: d.
        scores: features [b, d] -> scores [b, k]; the highest names the class, among equal scores the smallest
            label.
        settings: what the caller, the seed or validation chose for the fit.
    """

    classes: Int[np.ndarray, " k"]
    num_features: int
    scores: Callable[[np.ndarray], Tensor]
    settings: dict[str, Any]

    def predict(self, features: Features) -> Int[np.ndarray, " n"]:
        """Return the label of each row of features [n, d].

        Raises:
            ValueError: features are not [n, d] and finite, or have another d than the training features.
        """
        return np.concatenate([self.classes[one.argmax(1)] for one in self._scores("predict", features)])

    def log_probabilities(self, features: Features) -> Float[np.ndarray, "n k"]:
        """Return the log softmax of the scores of rows [n, d], for classifiers fitted by cross-entropy.

        Raises:
            ValueError: as `predict`.
        """
        scores = torch.from_numpy(np.concatenate([*self._scores("log_probabilities", features)]))
        return scores.log_softmax(1).numpy()

    def _scores(self, operation: str, features: Features) -> Iterator[Float[np.ndarray, "b k"]]:
        features = as_rows(operation, "features", features)
        refuse(
            features.shape[1] != self.num_features,
            f"{operation}: features must have the {self.num_features} columns of the training features, "
            f"got {list(features.shape)}; both must come from the same encoder",
        )
        yield from (self.scores(piece).cpu().numpy() for piece in pieces(features))


def validation_parts(targets: Int[np.ndarray, " n"], seed: int) -> list[Bool[np.ndarray, " n"]]:
    """Return masks of the rows to hold out, stratified by class: five folds up to 2000 rows, else a tenth.

    There are no more folds than the most frequent class has rows. There are none at all where that class has
    a single row, or where fewer than two rows would be left to fit. With 5 rows of each class, every fold
    leaves 4 of each to the fit. Every part holds a row of a class that is also left to the fit: classes with
    a single row decide nothing.
    """
    n, most = len(targets), int(np.bincount(targets).max())
    num_folds = min(5, most) if n <= MAX_FOLDED else 10
    if most < 2 or n - -(-n // num_folds) < 2:
        return []
    order = np.random.default_rng(seed).permutation(n)
    order = order[np.argsort(targets[order], kind="stable")]  # class after class, shuffled within each
    fold = np.empty(n, np.int64)
    fold[order] = np.arange(n) % num_folds
    parts = [part for i in range(num_folds) if _tells((part := fold == i), targets)]
    return parts if n <= MAX_FOLDED else parts[:1]


def _tells(part: Bool[np.ndarray, " n"], targets: Int[np.ndarray, " n"]) -> bool:
    """Return whether a held-out row has a class that is left to the fit."""
    return bool(np.isin(targets[part], targets[~part]).any())


def validation_settings(parts: list[Bool[np.ndarray, " n"]]) -> dict[str, Any]:
    """Return what settings say about a choice made on these held-out parts."""
    kind = {0: "none", 1: "held out"}.get(len(parts), f"{len(parts)} folds")
    return {"validation": kind, "num_validation": int(sum(part.sum() for part in parts))}
