"""The verdict of an evaluation: are learned features better than a random encoder's, and than raw data?"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float
from scipy.stats import t as student

from infomax.evaluation.probes.probe import accuracy_interval
from infomax.evaluation.results import RANDOM_ENCODER, is_baseline

Z = 1.96
"""Standard errors on each side of a value that its 95 % interval holds."""

RULE = (
    "Two accuracies differ clearly where their difference is larger than 1.96 times its standard error. That "
    "error is made of the intervals by the number of tests, as if tests were independent, and of the spread "
    "over draws of labels or seeds of a probe. All are tested on the same things, so the true error is "
    "usually smaller. Numbers are compared by their mean R² and the mean of their intervals, tags by their "
    "mean average precision and Student's t over the differences of tags. One training was measured: what "
    "another seed of training would change is not in it."
)
"""How it is decided, for the record of a result and the report."""

NEARLY_ALL = 0.99
"""Accuracy, R² or precision from which on hardly anything is left to be better by."""

CLEAN = (None, "frozen")
"""Regimes in which a classifier knows nothing of the test data."""
LEADING = {"number": ("r2", "R²"), "tag": ("average_precision", "average precision")}
"""The measure by which each kind of target is compared, and what it is called."""

Row = Mapping[str, Any]


@final
@dataclass(frozen=True)
class Comparison:
    """Learned features beside one baseline: by the same probe, with the same labels and tests.

    Attributes:
        name: of the learned features.
        against: the baseline.
        probe: by which they are compared.
        labels: that the probe had.
        value: what the learned features got.
        other: what the baseline got.
        margin: by how much they have to differ, to differ clearly.
        shown: both values with their intervals, in words.
        where: on what, in words.
        constant: what the best constant answer gets, if that is known.
    """

    name: str
    against: str
    probe: str
    labels: str
    value: float
    other: float
    margin: float
    shown: tuple[str, str]
    where: str
    constant: float | None = None

    @property
    def says_nothing(self) -> bool:
        """True where both are so near a constant answer that no difference was to be expected."""
        return self.constant is not None and bool(max(self.value, self.other) - self.constant <= self.margin)

    @property
    def is_full(self) -> bool:
        """True where both are so near 1 that hardly anything is left to tell them apart by."""
        return bool(min(self.value, self.other) >= NEARLY_ALL)

    @property
    def difference(self) -> float:
        """Learned minus baseline."""
        return self.value - self.other

    @property
    def outcome(self) -> str:
        """The learned features are ``better``, ``worse``, or there is ``no clear difference``."""
        if not abs(self.difference) > self.margin:
            return "no clear difference"
        return "better" if self.difference > 0 else "worse"

    @property
    def record(self) -> dict[str, Any]:
        """For the record of a result."""
        known = {
            key: one
            for key, one in asdict(self).items()
            if key not in ("shown", "where", "other", "constant")
        }
        margin = self.margin if np.isfinite(self.margin) else None
        return {**known, "margin": margin, "difference": self.difference, "outcome": self.outcome}


def verdict(rows: Sequence[Row], noun: str = "image", targets: Sequence[Row] = ()) -> dict[str, Any] | None:
    """Return whether learned features are better than each baseline; None where nothing can be compared.

    The words are of the linear probe with all labels, or of the first rows where there is none; where another
    probe or number of labels says otherwise, they name it. Numbers and tags are told of after classes.

    Args:
        rows: of an evaluation; those of a regime that knows the test data are left out.
        noun: one of the things that were tested on.
        targets: of an evaluation, see `Assessment`.

    Returns:
        words; better: whether they say so of every baseline; comparisons: of each probe and number of labels;
        rule: `RULE`.
    """
    classes = comparisons([row for row in rows if row.get("regime") in CLEAN], noun)
    parts = [classes, *(target_comparisons(targets, kind, noun) for kind in LEADING)]
    parts = [found for found in parts if found]
    if not parts:
        return None
    return {
        "words": " ".join(_words(found, noun) for found in parts),
        "better": all(_better(found[0]) for found in parts),
        "comparisons": [one.record for found in parts for some in found for one in some],
        "rule": RULE,
    }


def comparisons(rows: Sequence[Row], noun: str = "image") -> list[list[Comparison]]:
    """Return learned features beside each baseline: of each probe and number of labels, the leading first."""

    def compared(learned: Row, baseline: Row) -> Comparison:
        label = "" if learned["labels"] == "all" else f", {learned['labels']}"
        return Comparison(
            learned["representation"],
            baseline["representation"],
            learned["probe"],
            learned["labels"],
            learned["accuracy"],
            baseline["accuracy"],
            Z * float(np.hypot(standard_error(learned), standard_error(baseline))),
            (_percent(learned), _percent(baseline)),
            f"on {learned['num_test']:,} test {noun}s ({learned['probe']} probe{label})",
            learned.get("chance"),
        )

    keys = dict.fromkeys((row["labels"], row["probe"]) for row in rows)
    order = sorted(keys, key=lambda key: (key[0] != "all", key[1] != "linear"))
    some = [best_layers(row for row in rows if (row["labels"], row["probe"]) == key) for key in order]
    return _beside(some, compared)


def target_comparisons(targets: Sequence[Row], kind: str, noun: str = "image") -> list[list[Comparison]]:
    """Return learned features beside each baseline, of each probe of numbers, or of tags.

    Args:
        targets: of an evaluation, see `Assessment`.
        kind: of the targets, a key of `LEADING`.
        noun: one of the things that were tested on.
    """
    rows = [row for row in targets if row["kind"] == kind and row["target"]]
    measure, called = LEADING[kind]
    found = []
    for probe in dict.fromkeys(row["probe"] for row in rows):
        values: dict[str, dict[str, Any]] = {}
        for row in rows:
            if row["probe"] == probe:
                values.setdefault(row["representation"], {})[row["target"]] = row["measures"][measure]
        num = max(row["num_test"] for row in rows)
        shown = [{"representation": name, "measured": one, "probe": probe} for name, one in values.items()]
        where = f"on {num:,} test {noun}s ({probe} probe)"
        found.append((shown, where))
    return [
        one
        for shown, where in found
        for one in _beside([shown], lambda a, b, where=where: _of_targets(a, b, kind, called, where))
    ]


def _beside(
    some: Iterable[Sequence[Row]], compared: Callable[[Row, Row], Comparison | None]
) -> list[list[Comparison]]:
    """Return the learned row of each group beside each baseline of the group."""
    found = []
    for rows in some:
        learned = next((row for row in rows if not is_baseline(row)), None)
        made = [compared(learned, row) for row in rows if learned and is_baseline(row)]
        found.append([one for one in made if one])
    return [one for one in found if one]


def _of_targets(learned: Row, baseline: Row, kind: str, called: str, where: str) -> Comparison | None:
    """The means over targets of which both are known, and by how much they have to differ; None for none."""
    ours, theirs = learned["measured"], baseline["measured"]
    known = [one for one in ours if one in theirs and None not in (ours[one]["value"], theirs[one]["value"])]
    if not known:
        return None
    values = np.array([[of[one]["value"] for one in known] for of in (ours, theirs)])
    intervals = [(ours[one]["interval"], theirs[one]["interval"]) for one in known]
    margin = _by_intervals(intervals) if None not in sum(intervals, ()) else _by_spread(values[0] - values[1])
    means = float(values[0].mean()), float(values[1].mean())
    what = f"mean {called} of {len(known)} {kind}s" if len(known) > 1 else f"{called} of {', '.join(known)}"
    shown = f"{what} {means[0]:.3f}", f"{means[1]:.3f}"
    return Comparison(
        learned["representation"],
        baseline["representation"],
        learned["probe"],
        "all",
        means[0],
        means[1],
        margin,
        shown,
        where,
        float(np.mean([ours[one]["constant"] for one in known])) if kind == "number" else None,
    )


def _by_intervals(intervals: Sequence[Any]) -> float:
    """Mean over targets of half of the widths of both intervals together."""
    halves = [[(high - low) / 2 for low, high in pair] for pair in intervals]
    return float(np.mean([np.hypot(*pair) for pair in halves]))


def _by_spread(differences: Float[np.ndarray, " t"]) -> float:
    """Half of Student's 95 % interval of the mean of differences; infinite for a single one."""
    num = len(differences)
    if num == 1:
        return float("inf")
    return float(student.ppf(0.975, num - 1) * differences.std(ddof=1) / np.sqrt(num))


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


def _words(found: Sequence[Sequence[Comparison]], noun: str) -> str:
    """Return what the leading comparisons say, and which others say otherwise."""
    leading, others = found[0], found[1:]
    return " ".join(filter(None, [_claim(leading, noun), _otherwise(leading, others)]))


def _claim(some: Sequence[Comparison], noun: str) -> str:
    """Return what comparisons of one probe say, and what can be done where features are not better."""
    lost = [one for one in some if one.outcome != "better"]
    first = (lost or some)[0]
    measured = f"{first.shown[0]} against {_joined(one.shown[1] for one in lost or some)} {first.where}"
    if not lost:
        return (
            f"{first.name} is better than {_names(some)} here: {measured}. One training was measured; "
            "another may give a little more or less."
        )
    return f"{first.name} is {_losses(lost)} here: {measured}. {_remedy(lost, noun)}"


def _losses(lost: Sequence[Comparison]) -> str:
    """Return what learned features are worse than, and what they are not clearly better than."""
    worse = [one for one in lost if one.outcome == "worse"]
    unclear = [one for one in lost if one.outcome != "worse"]
    claims = [f"worse than {_names(worse)}"] if worse else []
    claims += [f"not clearly better than {_names(unclear)}"] if unclear else []
    return " and ".join(claims)


def _remedy(lost: Sequence[Comparison], noun: str) -> str:
    """Return what can be done, or why these data cannot tell; what is better without training is named."""
    if all(one.is_full for one in lost):
        return "All of these are nearly always right, so that these data cannot tell them apart."
    if all(one.says_nothing for one in lost):
        return "None of these tells more than a constant answer does."
    best = max(lost, key=lambda one: one.other)
    if best.outcome == "worse" and best.against != RANDOM_ENCODER:
        return f"Train longer or with more {noun}s, or use {best.against}, which need no training."
    tests = "" if best.outcome == "worse" else f"; more test {noun}s would show smaller differences"
    return f"Train longer or with more {noun}s{tests}."


def _otherwise(leading: Sequence[Comparison], others: Sequence[Sequence[Comparison]]) -> str:
    """Return which other probes and numbers of labels say otherwise than the leading."""
    other = [some[0] for some in others if _better(some) != _better(leading)]
    if not other:
        return ""
    probes = "; ".join(
        f"{_WRITTEN.get(one.probe, one.probe)} probe{'' if one.labels == 'all' else f', {one.labels}'}"
        for one in other
    )
    if _better(leading):
        return f"These probes do not find it better than every baseline: {probes}."
    return f"These probes find it better than every baseline: {probes}."


_WRITTEN = {"mlp": "MLP", "svm": "SVM"}
"""Names of probes that are abbreviations, as they stand in a sentence."""


def _names(some: Sequence[Comparison]) -> str:
    return _joined(f"a {one.against}" if one.against == RANDOM_ENCODER else one.against for one in some)


def _joined(texts: Iterable[str]) -> str:
    return " and ".join(texts)


def _percent(row: Row) -> str:
    """Return an accuracy in percent, with its interval."""
    low, high = interval(row)
    return f"{100 * row['accuracy']:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
