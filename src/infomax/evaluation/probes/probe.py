"""Probes: how well labels can be read off features, by a classifier fitted to some labels, tested on others.

Every probe fits a classifier to training features and labels alone, and counts what the classifier gets right
on the test set: nothing of the test set can influence a fit. What has to be chosen, such as the strength of a
regularisation or a number of steps, is chosen on a stratified part of the training labels; then the fit is
repeated on all of them.

Labels are integers; −1 marks a row without a label, which is left out, and counted in the settings. A test
row of a class that never occurs among the training labels counts as an error.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist
from typing import Any

import numpy as np
from jaxtyping import Int
from sklearn.metrics import confusion_matrix

from infomax.evaluation.probes.classifiers import FittedClassifier
from infomax.evaluation.probes.rows import ProbeData

MAX_CONFUSED = 200
"""Classes up to which a confusion matrix is kept."""
INTERVAL = (
    "95 % interval of the accuracy by the number of test images (Wilson); other runs of training, and other "
    "draws of labels, differ by more"
)
"""The meaning of `ProbeResult.interval`, in words."""


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
        interval: 95 % interval of the accuracy, see `accuracy_interval`; None where it is not known.
        balanced_accuracy: mean over the classes of the test set of the share right in each; None where the
            answers are not known.
        per_class: ``labels`` of the test set, ``num_test`` of each, and ``accuracy``: the share right of
            each, a mean over fits or draws. Empty where the answers are not known.
        confusion: ``labels``, and ``counts`` of test rows of each label (down) that were given each label
            (across), added up over the fits; empty for draws of few labels, and for more than 200 classes.
    """

    probe: str
    accuracy: float
    std: float | None
    accuracies: tuple[float, ...]
    num_labels: int
    num_test: int
    chance: float
    settings: dict[str, Any]
    interval: tuple[float, float] | None = None
    balanced_accuracy: float | None = None
    per_class: Mapping[str, Any] = field(default_factory=dict)
    confusion: Mapping[str, Any] = field(default_factory=dict)

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
        num_test, most = len(test_labels), chance(test_labels)
        interval = accuracy_interval(mean, num_test)
        return ProbeResult(
            probe, mean, std, tuple(accuracies), num_labels, num_test, most, settings, interval
        )

    @staticmethod
    def of_answers(
        probe: str,
        answers: Sequence[Int[np.ndarray, " m"]],
        num_labels: int,
        test_labels: Int[np.ndarray, " m"],
        settings: dict[str, Any],
    ) -> "ProbeResult":
        """Return the result of fits that gave these answers to the test rows, with what each class got."""
        accuracies = [float(np.mean(one == test_labels)) for one in answers]
        result = ProbeResult.of(probe, accuracies, num_labels, test_labels, settings)
        per_class = _per_class(answers, test_labels)
        balanced = float(np.mean(per_class["accuracy"]))
        confusion = _confusion(answers, test_labels)
        return replace(result, balanced_accuracy=balanced, per_class=per_class, confusion=confusion)


Probe = Callable[..., ProbeResult]
"""Called as probe(train_features, train_labels, test_features, test_labels, seed=...)."""


def tested(probe: str, classifiers: Sequence[FittedClassifier], data: ProbeData) -> ProbeResult:
    """Return what classifiers fitted to the training rows get right on the test rows.

    Args:
        probe: its name.
        classifiers: one for each seed, all with the same settings.
        data: the rows they were fitted to, and those to test them on.
    """
    answers = [one.predict(data.test_features) for one in classifiers]
    settings = {**classifiers[0].settings, **data.num_unlabelled}
    return ProbeResult.of_answers(probe, answers, len(data.train_labels), data.test_labels, settings)


def accuracy_interval(accuracy: float, num_test: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of an accuracy on so many independent test rows.

    It tells how far the accuracy of one fit may lie from that on all such rows. It knows nothing of other
    runs of training and of other draws of labels. The accuracy may be a mean of several fits::

        (p + z²/2n ± z √(p (1 − p)/n + z²/4n²)) / (1 + z²/n),     z = 1.96

    Example:
        >>> [round(end, 3) for end in accuracy_interval(0.9, 100)]
        [0.826, 0.945]
    """
    z, n = NormalDist().inv_cdf(0.975), num_test
    middle = accuracy + z * z / (2 * n)
    half = z * math.sqrt(accuracy * (1 - accuracy) / n + (z / (2 * n)) ** 2)
    return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))


def _per_class(
    answers: Sequence[Int[np.ndarray, " m"]], labels: Int[np.ndarray, " m"]
) -> dict[str, tuple[Any, ...]]:
    """Each class of the test set: its label, number of rows, and the share that the fits got right."""
    there, counts = np.unique(labels, return_counts=True)
    accuracy = tuple(float(np.mean([one[labels == k] == k for one in answers])) for k in there)
    return {"labels": tuple(there.tolist()), "num_test": tuple(counts.tolist()), "accuracy": accuracy}


def _confusion(
    answers: Sequence[Int[np.ndarray, " m"]], labels: Int[np.ndarray, " m"]
) -> dict[str, tuple[Any, ...]]:
    """Test rows by label and answer, of all fits; {} for more classes than one looks at."""
    either = np.unique(np.concatenate([labels, *answers]))
    if len(either) > MAX_CONFUSED:
        return {}
    counts = sum(confusion_matrix(labels, one, labels=either) for one in answers)
    return {"labels": tuple(either.tolist()), "counts": tuple(map(tuple, np.asarray(counts).tolist()))}


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
