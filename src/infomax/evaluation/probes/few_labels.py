"""Few labels: draws of some labels of each class, and probes fitted to them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from infomax.errors import refuse
from infomax.evaluation.probes import DEFAULT_LABELS_PER_CLASS, DEFAULT_NUM_DRAWS
from infomax.evaluation.probes.probe import Probe, ProbeResult, accuracy_interval, mean_and_std
from infomax.evaluation.probes.rows import Array, Features, ProbeData
from infomax.evaluation.probes.stored import taken


def few_labels(
    probe: Probe,
    train_features: Features,
    train_labels: Array,
    test_features: Features,
    test_labels: Array,
    *,
    labels_per_class: int = DEFAULT_LABELS_PER_CLASS,
    num_draws: int = DEFAULT_NUM_DRAWS,
    seed: int = 0,
    classes: Sequence[str] = (),
) -> ProbeResult:
    """Return the accuracy of a probe that is fitted to a few labels of each class, drawn several times.

    Labels are drawn without replacement. The draws depend only on the labels and on (seed, draw). So
    different features of the same rows get the same draws. The probe validates its choices on these few
    labels. Each draw is tested on all test rows. Classes with too few labels are left out of the draws and of
    the test, and the settings name them.

    Args:
        probe: such as `linear_probe`, or ``functools.partial(mlp_probe, num_seeds=1)``.
        train_features: as for the probe.
        train_labels: as for the probe.
        test_features: as for the probe.
        test_labels: as for the probe.
        labels_per_class: labels drawn from each class in train_labels that has enough.
        num_draws: how often labels are drawn.
        seed: of the draws.
        classes: names of the labels, for settings and messages.

    Returns:
        Mean and sample standard deviation over draws; the accuracy of a draw is the mean of the probe's.
        Settings that differ between draws are lists.

    Raises:
        ValueError: fewer than two classes have as many labels as are to be drawn, or none of them has test
            rows; as the probe.
    """
    refuse(
        labels_per_class < 1 or num_draws < 1,
        "few_labels: labels_per_class and num_draws must be at least 1, "
        f"got {labels_per_class} and {num_draws}",
    )
    data = ProbeData.of("few_labels", train_features, train_labels, test_features, test_labels)
    rare = too_rare(data.train_labels, labels_per_class)
    why = not_drawable(data.train_labels, data.test_labels, labels_per_class, classes)
    refuse(why, f"few_labels: {why}")
    train, test = (~np.isin(labels, rare) for labels in (data.train_labels, data.test_labels))
    features, labels = data.train_features[train], data.train_labels[train]
    tested_on = data.test_features[test], data.test_labels[test]
    results = []
    for draw in range(num_draws):
        randomness = np.random.default_rng([seed, draw])
        rows = stratified_draw(labels, labels_per_class, randomness)
        fit_seed = int(randomness.integers(2**31))
        results.append(probe(taken(features, rows), labels[rows], *tested_on, seed=fit_seed))
    settings = {
        "labels_per_class": labels_per_class,
        "num_draws": num_draws,
        "draws_seed": seed,
        **data.num_unlabelled,
    }
    if len(rare):
        settings |= {"classes_left_out": names_of(rare, classes), "num_test_left_out": int(np.sum(~test))}
    return _together(results, settings)


def too_rare(labels: Int[np.ndarray, " n"], labels_per_class: int) -> Int[np.ndarray, " k"]:
    """Return the labels that occur less often than so many are to be drawn.

    Example:
        >>> too_rare(np.array([3, 3, 7, 7, 8]), 2)
        array([8])
    """
    there, counts = np.unique(labels, return_counts=True)
    return there[counts < labels_per_class]


def not_drawable(
    train_labels: Int[np.ndarray, " n"],
    test_labels: Int[np.ndarray, " m"],
    labels_per_class: int,
    classes: Sequence[str] = (),
) -> str:
    """Return why so many labels of each class cannot be drawn, in words; "" where they can.

    Example:
        >>> not_drawable(np.array([0, 1]), np.array([0, 1]), 3, ("cat", "dog"))
        '3 labels of each class are to be drawn, but class cat has 1, and no class has as many; draw fewer'
    """
    there, counts = np.unique(train_labels, return_counts=True)
    enough: Bool[np.ndarray, " k"] = counts >= labels_per_class
    wanted = f"{labels_per_class} labels of each class are to be drawn, but"
    if not enough.any() or (len(there) > 1 and enough.sum() < 2):
        least = counts.argmin()
        having = f"only {enough.sum()} class has as many" if enough.any() else "no class has as many"
        name = names_of(there[[least]], classes)[0]
        return f"{wanted} class {name} has {counts[least]}, and {having}; draw fewer"
    if not np.isin(test_labels, there[enough]).any():
        return f"{wanted} no test image is of a class that has as many; draw fewer"
    return ""


def names_of(labels: Iterable[int] | Int[np.ndarray, " k"], classes: Sequence[str] = ()) -> list[str]:
    """Return the names of labels; the labels themselves where they have none."""
    return [classes[one] if 0 <= one < len(classes) else str(one) for one in labels]


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


def _together(results: Sequence[ProbeResult], settings: Mapping[str, Any]) -> ProbeResult:
    """The mean of the results of draws, which were all tested on the same rows."""
    first, accuracies = results[0], tuple(result.accuracy for result in results)
    mean, std = mean_and_std(accuracies)
    balanced = [one.balanced_accuracy for one in results if one.balanced_accuracy is not None]
    shares = [one.per_class["accuracy"] for one in results if one.per_class]
    per_class = {**first.per_class, "accuracy": tuple(np.mean(shares, axis=0).tolist())} if shares else {}
    return replace(
        first,
        accuracy=mean,
        std=std,
        accuracies=accuracies,
        settings={**_merged([result.settings for result in results]), **settings},
        interval=accuracy_interval(mean, first.num_test),
        balanced_accuracy=float(np.mean(balanced)) if balanced else None,
        per_class=per_class,
        confusion={},
    )


def _merged(settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Each setting once where all draws share it, else as a list over draws."""
    return {
        key: value if all(one[key] == value for one in settings) else [one[key] for one in settings]
        for key, value in settings[0].items()
    }
