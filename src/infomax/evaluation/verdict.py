"""Whether learned features are better than those of a random encoder, and than raw data: in words."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from infomax.evaluation.probes.probe import accuracy_interval
from infomax.evaluation.results import RANDOM_ENCODER, is_baseline

Z = 1.96
"""Standard errors on each side of a value that its 95 % interval holds."""

RULE = (
    "Two values differ clearly where their difference is larger than 1.96 times its standard error. That "
    "error is made of the intervals by the number of tests, as if tests were independent, and of the spread "
    "over draws of labels or seeds of a probe. All are tested on the same things, so the true error is "
    "usually smaller. One training was measured: what another seed of training would change is not in it."
)
"""How it is decided, for the record of a result and the report."""

CLEAN = (None, "frozen")
"""Regimes in which a classifier knows nothing of the test data."""

Row = Mapping[str, Any]


@final
@dataclass(frozen=True)
class Comparison:
    """A row of learned features beside one of a baseline: same probe, labels and test rows."""

    learned: Row
    baseline: Row

    @property
    def difference(self) -> float:
        """Learned minus baseline."""
        return self.learned["accuracy"] - self.baseline["accuracy"]

    @property
    def margin(self) -> float:
        """By how much two values have to differ, to differ by more than chance explains."""
        return Z * float(np.hypot(standard_error(self.learned), standard_error(self.baseline)))

    @property
    def outcome(self) -> str:
        """The learned features are ``better``, ``worse``, or there is ``no clear difference``."""
        if abs(self.difference) <= self.margin:
            return "no clear difference"
        return "better" if self.difference > 0 else "worse"

    @property
    def record(self) -> dict[str, Any]:
        """For the record of a result."""
        row = self.learned
        return {
            "probe": row["probe"],
            "labels": row["labels"],
            "against": self.baseline["representation"],
            "difference": self.difference,
            "margin": self.margin,
            "outcome": self.outcome,
        }


def verdict(rows: Sequence[Row], noun: str = "image") -> dict[str, Any] | None:
    """Return whether learned features are better than each baseline; None where nothing can be compared.

    The words are of the linear probe with all labels, or of the first rows where there is none; where another
    probe or number of labels says otherwise, they name it.

    Args:
        rows: of an evaluation; those of a regime that knows the test data are left out.
        noun: one of the things that were tested on.

    Returns:
        words; better: whether they say so of every baseline; comparisons: of each probe and number of labels;
        rule: `RULE`.
    """
    found = comparisons([row for row in rows if "accuracy" in row and row.get("regime") in CLEAN])
    if not found:
        return None
    leading, others = found[0], found[1:]
    return {
        "words": " ".join(filter(None, [_words(leading, noun), _otherwise(leading, others)])),
        "better": _better(leading),
        "comparisons": [one.record for some in found for one in some],
        "rule": RULE,
    }


def comparisons(rows: Sequence[Row]) -> list[list[Comparison]]:
    """Return learned features beside each baseline, of each probe and number of labels, the leading first."""
    keys = dict.fromkeys((row["labels"], row["probe"]) for row in rows)
    order = sorted(keys, key=lambda key: (key[0] != "all", key[1] != "linear"))
    found = []
    for labels, probe in order:
        best = best_layers(row for row in rows if (row["labels"], row["probe"]) == (labels, probe))
        learned = next((row for row in best if not is_baseline(row)), None)
        found.append([Comparison(learned, row) for row in best if learned and is_baseline(row)])
    return [some for some in found if some]


def best_layers(rows: Iterable[Row]) -> list[Row]:
    """Return the row of the best layer of each representation."""
    best: dict[str, Row] = {}
    for row in rows:
        name = row["representation"]
        best[name] = max(best.get(name, row), row, key=lambda one: one["accuracy"])
    return list(best.values())


def interval(row: Row) -> tuple[float, float]:
    """Return the 95 % interval of an accuracy by the number of test rows: as the row holds it, or Wilson's.

    Example:
        >>> [round(one, 3) for one in interval({"accuracy": 0.5, "num_test": 100})]
        [0.404, 0.596]
    """
    low, high = row.get("interval") or accuracy_interval(row["accuracy"], row["num_test"])
    return low, high


def standard_error(row: Row) -> float:
    """Return the standard error of a row's accuracy: by its test rows, and by its draws or seeds."""
    low, high = interval(row)
    std, num = row.get("std") or 0.0, max(1, len(row.get("accuracies", ())))
    return float(np.hypot((high - low) / (2 * Z), std / np.sqrt(num)))


def _better(some: Sequence[Comparison]) -> bool:
    return all(one.outcome == "better" for one in some)


def _words(some: Sequence[Comparison], noun: str) -> str:
    """Return what comparisons of one probe say, and what can be done where features are not better."""
    row = some[0].learned
    lost = [one for one in some if one.outcome != "better"]
    name, where = row["representation"], f"on {row['num_test']:,} test {noun}s ({_probe(row)})"
    if not lost:
        return (
            f"{name} is better than {_names(some)} here: {_value(row)} against {_values(some)} {where}. One "
            "training was measured; another may give a little more or less."
        )
    measured = f"{_value(row)} against {_values(lost)} {where}"
    return f"{name} is {_claims(lost)} here: {measured}. {_remedy(lost, noun)}"


def _claims(lost: Sequence[Comparison]) -> str:
    """Return what learned features are worse than, and what they are not clearly better than."""
    worse = [one for one in lost if one.outcome == "worse"]
    unclear = [one for one in lost if one.outcome != "worse"]
    claims = [f"worse than {_names(worse)}"] if worse else []
    claims += [f"not clearly better than {_names(unclear)}"] if unclear else []
    return " and ".join(claims)


def _remedy(lost: Sequence[Comparison], noun: str) -> str:
    """Return what can be done; what is better without training is named."""
    best = max(lost, key=lambda one: one.baseline["accuracy"])
    if best.outcome == "worse" and best.baseline["representation"] != RANDOM_ENCODER:
        name = best.baseline["representation"]
        return f"Train longer or with more {noun}s, or use {name}, which need no training."
    if best.outcome == "worse":
        return f"Train longer or with more {noun}s."
    points = f"{100 * best.margin:.1f} points"
    return (
        f"Train longer or with more {noun}s; so many tests show differences of {points} or more, and more "
        "of them smaller ones."
    )


def _otherwise(leading: Sequence[Comparison], others: Sequence[Sequence[Comparison]]) -> str:
    """Return which other probes and numbers of labels say otherwise than the leading."""
    other = [some[0].learned for some in others if _better(some) != _better(leading)]
    if not other:
        return ""
    probes = "; ".join(_probe(row) for row in other)
    if _better(leading):
        return f"It is not better than all of these by: {probes}."
    return f"It is better than all of these by: {probes}."


def _probe(row: Row) -> str:
    labels = "" if row["labels"] == "all" else f", {row['labels']}"
    return f"{row['probe']} probe{labels}"


def _names(some: Sequence[Comparison]) -> str:
    names = [one.baseline["representation"] for one in some]
    return " and ".join(f"a {name}" if name == RANDOM_ENCODER else name for name in names)


def _values(some: Sequence[Comparison]) -> str:
    return " and ".join(_value(one.baseline) for one in some)


def _value(row: Row) -> str:
    """Return an accuracy in percent, with its interval."""
    low, high = interval(row)
    return f"{100 * row['accuracy']:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
