"""Charts of metrics.csv, and how far a run has come."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from infomax.pages.figures import COLOURS, INK
from infomax.report.charts import Chart, Line, Rows

LOWEST_SHOWN = -1.0
"""In bits. Bounds of the first steps may lie far below zero, where they say nothing."""

ONLINE = {"online_linear": "linear", "online_mlp": "MLP"}


def training_charts(metrics: Mapping[str, Rows], noun: str) -> dict[str, Any]:
    """Return the charts of a run, its terms, and its last step, epoch and second.

    Args:
        metrics: the columns of metrics.csv.
        noun: one of the things learned from.
    """
    x = "epoch" if _has(metrics, "epoch") else "step"
    bits, online = bits_curves(metrics), _online_curves(metrics)
    return {
        "bits": bits and Chart(metrics[x], bits, x, "bits", LOWEST_SHOWN).for_every_width(),
        "terms": [(_arrow(term), words) for term in _terms(metrics) if (words := term_words(term))],
        "off_panel": bool(bits) and min(np.nanmin(line.values) for line in bits) < LOWEST_SHOWN,
        "online": online and Chart(metrics[x], online, x, "% of training views").for_every_width(),
        "small": [
            Chart(metrics[x], [Line("", metrics[name], COLOURS[0])], x, label).small()
            for name, label in _small(noun).items()
            if _has(metrics, name)
        ],
        **{name: _last(metrics, name) for name in ("step", "epoch", "seconds")},
    }


def bits_curves(metrics: Mapping[str, Rows]) -> list[Line]:
    """Return the bound of each term, with its ceiling; with one ceiling if all are the same."""
    terms = _terms(metrics)
    colours = dict(zip(terms, COLOURS * len(terms), strict=False))
    lines = [Line(_arrow(term), metrics[f"bits_{term}"], colours[term]) for term in terms]
    ceilings = {term: metrics[f"ceiling_{term}"] for term in terms if _has(metrics, f"ceiling_{term}")}
    if len({tuple(np.nan_to_num(values)) for values in ceilings.values()}) == 1:
        return [*lines, Line("ceiling", next(iter(ceilings.values())), INK, dashed=True)]
    return lines + [
        Line(f"ceiling {_arrow(term)}", values, colours[term], dashed=True)
        for term, values in ceilings.items()
    ]


def term_words(term: str) -> str:
    """Return what a term measures; "" where its name does not say which scale predicts which.

    Example:
        >>> term_words("1to5")
        'How well one view as a whole predicts each place of the other, on a map of side 5'
        >>> term_words("1to1"), term_words("global")
        ('How well one view as a whole predicts the other as a whole', '')
    """
    source, to, target = term.partition("to")
    if not (to and source.isdecimal() and target.isdecimal()):
        return ""
    one = "one view as a whole" if source == "1" else f"each place of one view, on a map of side {source},"
    other = "the other as a whole" if target == "1" else f"each place of the other, on a map of side {target}"
    return f"How well {one} predicts {other}"


def _terms(metrics: Mapping[str, Rows]) -> list[str]:
    return [
        name.removeprefix("bits_") for name in metrics if name.startswith("bits_") and _has(metrics, name)
    ]


def _small(noun: str) -> dict[str, str]:
    """Metrics with a small chart of their own, and what is written beside it."""
    return {
        "value": "objective, nats",
        "penalty": "penalty, nats",
        "prior_divergence": "divergence from the prior, nats",
        "prior_marginal_distance": "distance from the prior's marginals",
        "accuracy_absolute_coordinates": "accuracy of absolute coordinates",
        "accuracy_relative_coordinates": "accuracy of relative coordinates",
        "images_per_second": f"{noun}s per second",
        "learning_rate": "learning rate",
    }


def _online_curves(metrics: Mapping[str, Rows]) -> list[Line]:
    """Accuracy of the classifiers that are trained along with the encoder, in percent."""
    return [
        Line(label, 100 * metrics[name], colour)
        for (name, label), colour in zip(ONLINE.items(), COLOURS, strict=False)
        if _has(metrics, name)
    ]


def _arrow(term: str) -> str:
    return term.replace("to", " → ")


def _has(metrics: Mapping[str, Rows], name: str) -> bool:
    return name in metrics and bool(np.isfinite(metrics[name]).any())


def _last(metrics: Mapping[str, Rows], name: str) -> float | None:
    return float(metrics[name][np.isfinite(metrics[name])][-1]) if _has(metrics, name) else None
