"""Probes: how well labels can be read off features, by a classifier fitted to some labels, tested on others.

Every probe fits a classifier to training features and labels alone, and counts what the classifier gets right
on the test set: nothing of the test set can influence a fit. What has to be chosen, such as the strength of a
regularisation or a number of steps, is chosen on a stratified part of the training labels; then the fit is
repeated on all of them.

Labels are integers; −1 marks a row without a label, which is left out, and counted in the settings. A test
row of a class that never occurs among the training labels counts as an error.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from infomax.evaluation.probes.classifiers import FittedClassifier
from infomax.evaluation.probes.rows import ProbeData


@dataclass(frozen=True)
class ProbeResult:
    """Result of a probe.

    Attributes:
        accuracy: share right in the test set, the mean of `accuracies`, which has one for each fit or draw.
        std: sample standard deviation of `accuracies`; None for a single one.
        num_labels: labels that a fit used, those for validation included.
        num_test: labels it was tested on.
        chance: share of the most frequent class in the test set.
        settings: everything that the caller, the seed or validation chose; fit for JSON.
    """

    probe: str
    accuracy: float
    std: float | None
    accuracies: tuple[float, ...]
    num_labels: int
    num_test: int
    chance: float
    settings: dict[str, Any]

    @staticmethod
    def of(
        probe: str,
        accuracies: Sequence[float],
        num_labels: int,
        test_labels: Int[np.ndarray, " m"],
        settings: dict[str, Any],
    ) -> "ProbeResult":
        """Return the result of fits or draws that had these accuracies on these test labels."""
        mean, std = mean_and_std(accuracies)
        num_test = len(test_labels)
        return ProbeResult(
            probe, mean, std, tuple(accuracies), num_labels, num_test, chance(test_labels), settings
        )


Probe = Callable[..., ProbeResult]
"""Called as probe(train_features, train_labels, test_features, test_labels, seed=...)."""


def tested(probe: str, classifiers: Sequence[FittedClassifier], data: ProbeData) -> ProbeResult:
    """Return what classifiers fitted to the training rows get right on the test rows.

    Args:
        probe: its name.
        classifiers: one for each seed, all with the same settings.
        data: the rows they were fitted to, and those to test them on.
    """
    labels = data.test_labels
    accuracies = [float(np.mean(one.predict(data.test_features) == labels)) for one in classifiers]
    settings = {**classifiers[0].settings, **data.num_unlabelled}
    return ProbeResult.of(probe, accuracies, len(data.train_labels), labels, settings)


def chance(labels: Int[np.ndarray, " n"]) -> float:
    """Return the share of the most frequent class: the accuracy of the best constant answer.

    Example:
        >>> chance(np.array([3, 3, 3, 7]))
        0.75
    """
    return float(np.unique(labels, return_counts=True)[1].max() / len(labels))


def mean_and_std(accuracies: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean and the sample standard deviation, which is None for a single accuracy."""
    std = float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None
    return float(np.mean(accuracies)), std
