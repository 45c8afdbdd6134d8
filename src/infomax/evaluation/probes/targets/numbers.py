"""How well a number can be read off features: ridge regression and nearest neighbours.

    R²  =  1 − Σ (y − ŷ)² / Σ (y − ȳ)²     over test rows, ȳ their mean

R² is below 0 for answers that are worse than the mean of the test rows, and stays so. Spearman's rank
correlation of y and ŷ knows nothing of their units.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata
from sklearn.linear_model import RidgeCV

from infomax.evaluation.probes.neighbors import DEFAULT_K, DEFAULT_TEMPERATURE, neighbor_means
from infomax.evaluation.probes.rows import SCALINGS, Array
from infomax.evaluation.probes.targets.target import (
    Measured,
    TargetResult,
    TargetRows,
    bootstrap_interval,
)

STRENGTHS = tuple(10.0**power for power in range(-4, 5))
"""Penalties for each feature that validation chooses from."""
MIN_TRAIN, MIN_TEST = 10, 5
"""Known values that a number needs in each part."""

Predict = Callable[[Float[np.ndarray, "m d"]], Float[np.ndarray, " m"]]


def ridge_probe(
    train_features: Array,
    train_values: Array,
    test_features: Array,
    test_values: Array,
    *,
    seed: int = 0,
    target: str = "",
    strengths: Sequence[float] = STRENGTHS,
) -> TargetResult:
    """Return R² and rank correlation on the test rows of ridge regression on standardised features.

    See `fit_ridge`.

    Args:
        train_features: [n, d], NumPy or torch.
        train_values: [n], NaN where missing.
        test_features: [m, d].
        test_values: [m].
        seed: of the bootstrap intervals; the fit is deterministic.
        target: its name.
        strengths: α/d to choose from.

    Raises:
        ValueError: shapes that do not fit, NaN or infinity in features, no value known.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(60, 3))
        >>> found = ridge_probe(x[:40], x[:40, 0], x[40:], x[40:, 0], target="length")
        >>> round(found.measures["r2"].value, 3), found.measures["spearman"].value
        (1.0, 1.0)
    """
    rows = TargetRows.of("ridge_probe", train_features, train_values, test_features, test_values)
    predict, settings = fit_ridge(rows.train_features, rows.train_values, strengths)
    return _tested("ridge", target, rows, predict, settings, seed)


def fit_ridge(
    features: Float[np.ndarray, "n d"],
    values: Float[np.ndarray, " n"],
    strengths: Sequence[float] = STRENGTHS,
) -> tuple[Predict, dict[str, Any]]:
    """Return argmin over w, b of Σ_i (y_i − z_i·w − b)² + α|w|², as a function, and what was chosen.

    z are standardised features: each by itself, or all together, as in `fit_linear`. The scaling and α are
    those with the smallest squared error of rows left out one at a time (`sklearn.linear_model.RidgeCV`).
    """
    fits = []
    for name, scaling in SCALINGS.items():
        scale = scaling(features)
        alphas = [strength * scale.num_varying for strength in strengths]
        fit = RidgeCV(alphas=alphas).fit(scale(features, "cpu").numpy().astype(np.float64), values)
        fits.append((fit, name, scale))
    fit, name, scale = max(fits, key=lambda one: one[0].best_score_)
    settings = {
        "alpha": float(fit.alpha_),
        "scaling": name,
        "strengths": list(strengths),
        "validation": "leave one out",
    }
    return lambda rows: fit.predict(scale(rows, "cpu").numpy().astype(np.float64)), settings


def number_neighbor_probe(
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
    """Return R² and rank correlation of the weighted mean of the k nearest training rows.

    The weights are those of `fit_nearest_neighbors`; see `neighbor_means`.

    Args:
        train_features, train_values, test_features, test_values, seed, target: as of `ridge_probe`.
        k: neighbours.
        temperature: of their weights.

    Raises:
        ValueError: as `ridge_probe`.
    """
    rows = TargetRows.of("number_neighbor_probe", train_features, train_values, test_features, test_values)
    predict = neighbor_means(rows.train_features, rows.train_values, k=k, temperature=temperature)
    settings = {"k": min(k, len(rows.train_values)), "temperature": temperature, "similarity": "cosine"}
    return _tested("nearest neighbours", target, rows, predict, settings, seed)


def _tested(
    probe: str, target: str, rows: TargetRows, predict: Predict, settings: dict[str, Any], seed: int
) -> TargetResult:
    y, answers = rows.test_values, predict(rows.test_features)
    mean = np.full_like(y, rows.train_values.mean())
    measures = {
        "r2": _measured(r2, y, answers, float(r2(y, mean)), seed),
        "spearman": _measured(spearman, y, answers, 0.0, seed),
    }
    return rows.result(probe, "number", target, measures, {**settings, "seed": seed})


def _measured(
    statistic: Callable[..., Any], y: np.ndarray, answers: np.ndarray, constant: float, seed: int
) -> Measured:
    value = float(statistic(y, answers))
    interval = bootstrap_interval(statistic, (y, answers), seed)
    return Measured(value if np.isfinite(value) else None, interval, constant)


def r2(y: np.ndarray, answers: np.ndarray, axis: int = -1) -> Any:
    """Return 1 − Σ (y − ŷ)² / Σ (y − ȳ)² along an axis; NaN where all y are equal.

    Example:
        >>> float(r2(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0])))
        0.5
    """
    left = np.square(y - answers).sum(axis)
    total = np.square(y - y.mean(axis, keepdims=True)).sum(axis)
    return 1 - _ratio(left, total)


def spearman(y: np.ndarray, answers: np.ndarray, axis: int = -1) -> Any:
    """Return the correlation of ranks along an axis; NaN where all y or all answers are equal.

    Example:
        >>> float(spearman(np.array([1.0, 2.0, 9.0]), np.array([0.1, 0.2, 0.3])))
        1.0
    """
    first, second = (_centred(rankdata(one, axis=axis), axis) for one in (y, answers))
    lengths = np.sqrt(np.square(first).sum(axis) * np.square(second).sum(axis))
    return _ratio((first * second).sum(axis), lengths)


def _centred(values: np.ndarray, axis: int) -> np.ndarray:
    return values - values.mean(axis, keepdims=True)


def _ratio(above: Any, below: Any) -> Any:
    return np.divide(above, below, out=np.full(np.shape(below), np.nan), where=np.asarray(below) > 0)


def unfit_number(train_values: Float[np.ndarray, " n"], test_values: Float[np.ndarray, " m"]) -> str:
    """Return why a number cannot be probed, in words; "" where it can.

    Example:
        >>> unfit_number(np.arange(50.0), np.array([1.0, 2.0, np.nan]))
        '2 test values, expected at least 5'
    """
    parts = (("training", train_values, MIN_TRAIN), ("test", test_values, MIN_TEST))
    for part, values, least in parts:
        known = values[~np.isnan(values)]
        if len(known) < least:
            return f"{len(known)} {part} values, expected at least {least}"
        if np.ptp(known) == 0:
            return f"all {len(known)} {part} values are {known[0]:g}"
    return ""
