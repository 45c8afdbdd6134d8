"""Few labels: draws of some labels of each class, and probes fitted to them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Int

from infomax.errors import refuse
from infomax.evaluation.probes import DEFAULT_LABELS_PER_CLASS, DEFAULT_NUM_DRAWS
from infomax.evaluation.probes.probe import Probe, ProbeResult, mean_and_std
from infomax.evaluation.probes.rows import Array, labelled


def few_labels(
    probe: Probe,
    train_features: Array,
    train_labels: Array,
    test_features: Array,
    test_labels: Array,
    *,
    labels_per_class: int = DEFAULT_LABELS_PER_CLASS,
    num_draws: int = DEFAULT_NUM_DRAWS,
    seed: int = 0,
) -> ProbeResult:
    """Return the accuracy of a probe that is fitted to a few labels of each class, drawn several times.

    Labels are drawn without replacement. The draws depend on the labels and on (seed, draw) alone, so that
    different features of the same rows meet the same draws. The probe validates its choices on these few
    labels; each draw is tested on the whole test set.

    Args:
        probe: such as `linear_probe`, or ``functools.partial(mlp_probe, num_seeds=1)``.
        train_features: as for the probe.
        train_labels: as for the probe.
        test_features: as for the probe.
        test_labels: as for the probe.
        labels_per_class: labels drawn from each class that occurs in train_labels.
        num_draws: how often labels are drawn.
        seed: of the draws.

    Returns:
        Mean and sample standard deviation over draws; the accuracy of a draw is the mean of the probe's.
        Settings that differ between draws are lists.

    Raises:
        ValueError: a class has fewer labels than are to be drawn; as the probe.
    """
    refuse(
        labels_per_class < 1 or num_draws < 1,
        "few_labels: labels_per_class and num_draws must be at least 1, "
        f"got {labels_per_class} and {num_draws}",
    )
    features, labels, num_unlabelled = labelled("few_labels", "train", train_features, train_labels)
    _check_enough("few_labels", labels, labels_per_class)
    results = []
    for draw in range(num_draws):
        randomness = np.random.default_rng([seed, draw])
        rows = stratified_draw(labels, labels_per_class, randomness)
        fit_seed = int(randomness.integers(2**31))
        results.append(probe(features[rows], labels[rows], test_features, test_labels, seed=fit_seed))
    settings = {
        **_merged([result.settings for result in results]),
        "labels_per_class": labels_per_class,
        "num_draws": num_draws,
        "draws_seed": seed,
        "num_unlabelled_train": num_unlabelled,
    }
    accuracies = tuple(result.accuracy for result in results)
    mean, std = mean_and_std(accuracies)
    return replace(results[0], accuracy=mean, std=std, accuracies=accuracies, settings=settings)


def stratified_draw(
    labels: Int[np.ndarray, " n"], counts: int | Int[np.ndarray, " k"], randomness: np.random.Generator
) -> Int[np.ndarray, " m"]:
    """Return rows drawn from each class without replacement, sorted.

    Args:
        labels: class of each row.
        counts: rows to draw from each class: one number for all, or one for each class that occurs.
        randomness: what draws.

    Example:
        >>> stratified_draw(np.array([3, 7, 3, 7]), np.array([0, 2]), np.random.default_rng(0))
        array([1, 3])
    """
    classes = np.unique(labels)
    rows = [
        randomness.choice(np.flatnonzero(labels == one), count, replace=False)
        for one, count in zip(classes, np.broadcast_to(counts, len(classes)), strict=True)
    ]
    return np.sort(np.concatenate(rows))


def _check_enough(operation: str, labels: Int[np.ndarray, " n"], labels_per_class: int) -> None:
    classes, counts = np.unique(labels, return_counts=True)
    refuse(
        counts.min() < labels_per_class,
        f"{operation}: {labels_per_class} labels of each class are to be drawn, but class "
        f"{classes[counts.argmin()]} has {counts.min()}; lower labels_per_class",
    )


def _merged(settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Each setting once where all draws share it, else as a list over draws."""
    return {
        key: value if all(one[key] == value for one in settings) else [one[key] for one in settings]
        for key, value in settings[0].items()
    }
