"""How well a tag can be read off features, against all rows without it: average precision and AUROC.

    average precision  =  Σ_i (recall_i − recall_{i−1}) precision_i     over test rows, the surest first
    AUROC              =  P( score of a row with the tag > score of one without ), ties count half

A constant answer has an average precision of the share of rows with the tag, and an AUROC of ½.
"""

from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.metrics import average_precision_score, roc_auc_score

from infomax.evaluation.probes.linear import fit_linear
from infomax.evaluation.probes.neighbors import DEFAULT_K, DEFAULT_TEMPERATURE, neighbor_means
from infomax.evaluation.probes.rows import Array
from infomax.evaluation.probes.targets.target import Measured, TargetResult, TargetRows

MIN_TRAIN, MIN_TEST = 5, 2
"""Rows with a tag, and rows without it, that it needs in each part."""


def tag_probe(
    train_features: Array,
    train_values: Array,
    test_features: Array,
    test_values: Array,
    *,
    seed: int = 0,
    target: str = "",
) -> TargetResult:
    """Return average precision and AUROC on the test rows of logistic regression of having a tag.

    It is the linear probe of two classes, with the tag and without it: C and the scaling are chosen as there
    (`fit_linear`). Rows are ranked by the log odds of the tag.

    Args:
        train_features: [n, d], NumPy or torch.
        train_values: [n], 0 or 1, NaN where missing.
        test_features: [m, d].
        test_values: [m].
        seed: of the validation parts.
        target: name of the tag.

    Raises:
        ValueError: shapes that do not fit, NaN or infinity in features, no value known, or one value only.

    Example:
        >>> x, y = np.eye(4)[[0, 1] * 8], np.array([0.0, 1.0] * 8)
        >>> tag_probe(x, y, x, y, target="cat").measures["auroc"]
        Measured(value=1.0, interval=None, constant=0.5)
    """
    rows = TargetRows.of("tag_probe", train_features, train_values, test_features, test_values)
    classifier = fit_linear(rows.train_features, rows.train_values.astype(np.int64), seed=seed)
    without, having = classifier.log_probabilities(rows.test_features).T
    settings = {**classifier.settings, "num_with_tag": int(rows.train_values.sum())}
    return _tested("linear", target, rows, having - without, settings)


def tag_neighbor_probe(
    train_features: Array,
    train_values: Array,
    test_features: Array,
    test_values: Array,
    *,
    seed: int = 0,
    target: str = "",
    k: int = DEFAULT_K,
    temperature: float = DEFAULT_TEMPERATURE,
) -> TargetResult:
    """Return average precision and AUROC of the weighted share of the k nearest rows that have a tag.

    The weights are those of `fit_nearest_neighbors`; see `neighbor_means`.

    Args:
        train_features, train_values, test_features, test_values, target: as of `tag_probe`.
        seed: not used, since nothing is random; all probes are called alike.
        k: neighbours.
        temperature: of their weights.

    Raises:
        ValueError: as `tag_probe`.
    """
    rows = TargetRows.of("tag_neighbor_probe", train_features, train_values, test_features, test_values)
    share = neighbor_means(rows.train_features, rows.train_values, k=k, temperature=temperature)
    settings = {
        "k": min(k, len(rows.train_values)),
        "temperature": temperature,
        "similarity": "cosine",
        "num_with_tag": int(rows.train_values.sum()),
    }
    return _tested("nearest neighbours", target, rows, share(rows.test_features), settings)


def _tested(
    probe: str, target: str, rows: TargetRows, scores: Float[np.ndarray, " m"], settings: dict[str, Any]
) -> TargetResult:
    having = rows.test_values == 1
    precision, auroc = average_precision_score(having, scores), roc_auc_score(having, scores)
    measures = {
        "average_precision": Measured(float(precision), None, float(having.mean())),
        "auroc": Measured(float(auroc), None, 0.5),
    }
    return rows.result(probe, "tag", target, measures, settings)


def unfit_tag(train_values: Float[np.ndarray, " n"], test_values: Float[np.ndarray, " m"]) -> str:
    """Return why a tag cannot be probed, in words; "" where it can.

    Example:
        >>> unfit_tag(np.array([0.0, 1.0] * 9), np.array([0.0, 0.0, 1.0]))
        '1 test row has it, expected at least 2'
    """
    for part, values, least in (("training", train_values, MIN_TRAIN), ("test", test_values, MIN_TEST)):
        for value, having in ((1, "it"), (0, "it not")):
            num = int(np.sum(values == value))
            if num < least:
                rows = f"{num} {part} row has" if num == 1 else f"{num} {part} rows have"
                return f"{rows} {having}, expected at least {least}"
    return ""
