"""Probes: how well labels can be read off features, by a classifier fitted to some labels, tested on others.

Every probe is a fit (`fit_linear`, `fit_mlps`, `fit_nearest_neighbors`), which is given training features and
labels only, followed by a count of what the classifier gets right on the test set. So nothing about the test
set can influence a fit. What has to be chosen (a regularisation strength, a number of steps) is chosen on a
stratified part of the training labels; then the fit is repeated on all of them.

Labels are integers, −1 for "none": such rows are left out, and counted in the settings. A class of the test
set that never occurs among the training labels counts as errors.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from infomax.evaluation.probes.classifiers import Array, Classifier, Device, ProbeData, labelled
from infomax.evaluation.probes.linear import LOGIT_VARIANCES, fit_linear
from infomax.evaluation.probes.mlp import fit_mlps

__all__ = ["Probe", "ProbeResult", "assess", "few_labels", "linear_probe", "mlp_probe"]


@dataclass(frozen=True)
class ProbeResult:
    """What a probe found.

    accuracy: share right in the test set, the mean of `accuracies`, one for each fit or draw.
    std: their sample standard deviation; None for a single one.
    num_labels: labels that a fit used, validation included. num_test: labels it was tested on.
    chance: share of the commonest class in the test set.
    settings: everything that was chosen, by the caller, by the seed or by validation; fit for JSON.
    """

    probe: str
    accuracy: float
    std: float | None
    accuracies: tuple[float, ...]
    num_labels: int
    num_test: int
    chance: float
    settings: dict[str, Any]


Probe = Callable[..., ProbeResult]
"""Called as probe(train_features, train_labels, test_features, test_labels, seed=...)."""


def linear_probe(
    train_features: Array,
    train_labels: Array,
    test_features: Array,
    test_labels: Array,
    *,
    seed: int = 0,
    logit_variances: Sequence[float] = LOGIT_VARIANCES,
    device: Device = "cpu",
) -> ProbeResult:
    """Test accuracy of multinomial logistic regression on standardised features; see `fit_linear`.

    Args:
        train_features: [n, d], NumPy or torch. train_labels: [n], integers, −1 for none.
        test_features: [m, d]. test_labels: [m].
        seed: of the validation parts.

    Returns:
        One deterministic fit, so `std` is None. Settings: C, how it was validated, …

    Raises:
        ValueError: shapes that do not fit, NaN or infinity, no labels.

    Example:
        >>> features, labels = np.eye(4)[[0, 1] * 8], np.array([3, 7] * 8)
        >>> linear_probe(features, labels, features, labels).accuracy
        1.0
    """
    data = ProbeData.of("linear_probe", train_features, train_labels, test_features, test_labels)
    classifier = fit_linear(
        data.train_features, data.train_labels, seed=seed, logit_variances=logit_variances, device=device
    )
    return assess("linear", [classifier], data)


def mlp_probe(
    train_features: Array,
    train_labels: Array,
    test_features: Array,
    test_labels: Array,
    *,
    seed: int = 0,
    num_seeds: int = 3,
    num_hidden: int = 1024,
    device: Device = "cpu",
) -> ProbeResult:
    """Test accuracy of networks with one hidden layer on standardised features; see `fit_mlps`.

    Args:
        train_features: [n, d], NumPy or torch. train_labels: [n], integers, −1 for none.
        test_features: [m, d]. test_labels: [m].
        seed: of the validation part and of the first network.
        num_seeds: networks, with different initial weights, order of rows and dropout.
        num_hidden: hidden units, at most.

    Returns:
        Mean and standard deviation over the networks.

    Raises:
        ValueError: shapes that do not fit, NaN or infinity, no labels, or a single one.

    Reference: the classifiers of Bachman et al. (2019).
    """
    data = ProbeData.of("mlp_probe", train_features, train_labels, test_features, test_labels)
    classifiers = fit_mlps(
        data.train_features,
        data.train_labels,
        seed=seed,
        num_seeds=num_seeds,
        num_hidden=num_hidden,
        device=device,
    )
    return assess("mlp", classifiers, data)


def few_labels(
    probe: Probe,
    train_features: Array,
    train_labels: Array,
    test_features: Array,
    test_labels: Array,
    *,
    labels_per_class: int = 5,
    num_draws: int = 10,
    seed: int = 0,
) -> ProbeResult:
    """A probe fitted to a few labels of each class, drawn without replacement, several times.

    Draws are functions of the labels and of (seed, draw): different features of the same rows meet the same
    draws. Validation has these few labels only; the test set is used whole each time.

    Args:
        probe: such as `linear_probe`, or ``functools.partial(mlp_probe, num_seeds=1)``.
        train_features, train_labels, test_features, test_labels: as for the probe.
        labels_per_class: drawn from each class that occurs in train_labels.

    Returns:
        Mean and sample standard deviation over draws, of the probe's mean accuracy in each. Settings that
        differ between draws are lists.

    Raises:
        ValueError: a class has fewer labels than are to be drawn; as the probe.
    """
    if labels_per_class < 1 or num_draws < 1:
        raise ValueError(
            "few_labels: labels_per_class and num_draws must be at least 1, "
            f"got {labels_per_class} and {num_draws}"
        )
    features, labels, num_unlabelled = labelled("few_labels", "train", train_features, train_labels)
    results = []
    for draw in range(num_draws):
        randomness = np.random.default_rng([seed, draw])
        rows = stratified_draw("few_labels", labels, labels_per_class, randomness)
        fit_seed = int(randomness.integers(2**31))
        results.append(probe(features[rows], labels[rows], test_features, test_labels, seed=fit_seed))
    settings = {
        **_merged([result.settings for result in results]),
        "labels_per_class": labels_per_class,
        "num_draws": num_draws,
        "draws_seed": seed,
        "num_unlabelled_train": num_unlabelled,
    }
    accuracies = [result.accuracy for result in results]
    first = results[0]
    return result_of(first.probe, accuracies, first.num_labels, first.num_test, first.chance, settings)


def assess(probe: str, classifiers: Sequence[Classifier], data: ProbeData) -> ProbeResult:
    """What classifiers fitted to the training rows get right on the test rows.

    Args:
        probe: its name.
        classifiers: of one kind, with the same settings; one for each seed.
    """
    labels = data.test_labels
    accuracies = [float(np.mean(one.predict(data.test_features) == labels)) for one in classifiers]
    chance = float(np.unique(labels, return_counts=True)[1].max() / len(labels))
    settings = {**classifiers[0].settings, **data.num_unlabelled}
    return result_of(probe, accuracies, len(data.train_labels), len(labels), chance, settings)


def result_of(
    probe: str,
    accuracies: Sequence[float],
    num_labels: int,
    num_test: int,
    chance: float,
    settings: dict[str, Any],
) -> ProbeResult:
    """The result of fits or draws that got these accuracies."""
    std = float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else None
    mean = float(np.mean(accuracies))
    return ProbeResult(probe, mean, std, tuple(accuracies), num_labels, num_test, chance, settings)


def stratified_draw(
    operation: str, labels: Int[np.ndarray, " n"], labels_per_class: int, randomness: np.random.Generator
) -> Int[np.ndarray, " m"]:
    """Rows of so many labels of each class, sorted.

    Raises:
        ValueError: a class has fewer.
    """
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < labels_per_class:
        raise ValueError(
            f"{operation}: {labels_per_class} labels of each class are to be drawn, but class "
            f"{classes[counts.argmin()]} has {counts.min()}; lower labels_per_class"
        )
    rows = [
        randomness.choice(np.flatnonzero(labels == one), labels_per_class, replace=False) for one in classes
    ]
    return np.sort(np.concatenate(rows))


def _merged(settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Each setting once where all draws share it, else as a list over draws."""
    return {
        key: value if all(one[key] == value for one in settings) else [one[key] for one in settings]
        for key, value in settings[0].items()
    }
