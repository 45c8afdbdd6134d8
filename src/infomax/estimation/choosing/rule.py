"""The rule by which `infomax.estimate` chooses: the first case that holds, of those in `RULE`.

The rule was fixed on tasks of its own (Student's t with correlation, twisted and sheared Gaussians of 3 to 20
columns, circles) before the tasks of `benchmarks/estimation_accuracy.py` were measured.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from infomax.estimation.choices import ESTIMATORS
from infomax.estimation.choosing.seeing import Variable
from infomax.estimation.estimate import Estimate, Estimator

FEW_COLUMNS = 3
"""Columns of numbers up to which nearest neighbours come first."""
MIN_ROWS_TO_LEARN = 300
"""Rows that a learned estimator needs."""


@dataclass(frozen=True)
class Seen:
    """The variables that a case asks about: x, y and the condition."""

    x: Variable
    y: Variable
    given: Variable | None = None

    def of_rows(self, rows: np.ndarray) -> "Seen":
        """Return the same of some rows."""
        given = None if self.given is None else self.given.of_rows(rows)
        return Seen(self.x.of_rows(rows), self.y.of_rows(rows), given)

    @property
    def num_rows(self) -> int:
        """Rows of all of them."""
        return len(self.x.values)

    @property
    def num_labels(self) -> int:
        """Variables of x and y that are labels."""
        return (self.x.kind == "labels") + (self.y.kind == "labels")

    @property
    def num_columns(self) -> int:
        """Columns of numbers in all."""
        parts = (self.x, self.y, self.given)
        return sum(part.num_columns for part in parts if part is not None and part.kind == "numbers")

    @property
    def mixed(self) -> bool:
        """True where there are both labels and numbers, the condition included."""
        kinds = {part.kind for part in (self.x, self.y, self.given) if part is not None}
        return len(kinds) > 1

    @property
    def can_learn(self) -> bool:
        """True where the rows are enough for a learned estimator."""
        return self.num_rows >= MIN_ROWS_TO_LEARN


@dataclass(frozen=True)
class Case:
    """One line of the rule.

    Args:
        words: when it holds.
        holds: the same as a function.
        first: the estimator that is picked, a name of `choices.ESTIMATORS`.
        second: one of another family that checks it; None where there is none.
        why: why the first is picked.
    """

    words: str
    holds: Callable[[Seen], bool]
    first: str
    second: str | None
    why: str


RULE: tuple[Case, ...] = (
    Case(
        "labels and labels, also given labels",
        lambda seen: seen.num_labels == 2 and not seen.mixed,
        "suited-counting",
        "chao-shen",
        "counts, with a correction that suits how often the labels occur",
    ),
    Case(
        "labels and numbers together with a condition, or labels given numbers",
        lambda seen: seen.given is not None and seen.mixed,
        "mixed-ksg",
        None,
        "neighbours among rows of the same labels",
    ),
    Case(
        "a label and at most 3 columns of numbers",
        lambda seen: seen.num_labels == 1 and seen.num_columns <= FEW_COLUMNS,
        "ross",
        "from-classifier",
        "neighbours within each label",
    ),
    Case(
        "a label and more columns of numbers",
        lambda seen: seen.num_labels == 1,
        "from-classifier",
        "ross",
        "in many columns a classifier finds the directions that matter",
    ),
    Case(
        "one column of numbers each",
        lambda seen: seen.num_columns == 2 and seen.given is None,
        "ksg",
        "adaptive-partition",
        "hardly biased in two columns, whatever the dependence",
    ),
    Case(
        "numbers given numbers, at most 3 columns in all",
        lambda seen: seen.given is not None and seen.num_columns <= FEW_COLUMNS,
        "ksg",
        "gaussian-copula",
        "little bias in few columns, whatever the dependence",
    ),
    Case(
        "numbers given numbers, more columns, at least 300 rows",
        lambda seen: seen.given is not None and seen.can_learn,
        "gaussian-copula",
        "difference-of-entropies",
        "hardly scatters in many columns",
    ),
    Case(
        "numbers, more than two columns in all, at least 300 rows",
        lambda seen: seen.given is None and seen.can_learn,
        "gaussian-copula",
        "extrapolated-critic",
        "hardly scatters in many columns",
    ),
    Case(
        "numbers, more than two columns in all, fewer rows",
        lambda seen: True,
        "gaussian-copula",
        "ksg",
        "few rows do not teach a network",
    ),
)
"""The first case that holds is taken. Where the second estimator clearly finds more, it is reported instead:
on the tasks of the rule these were too low where they failed. `GaussianCopula` can be too high, too, where x
and y both have several columns whose dependence among themselves is not Gaussian; then the value is disputed.
Where neighbours say that they are saturated, `STRONG` is picked."""

STRONG = "residual-ksg"
"""Picked in place of neighbours that are saturated or biased, and of a second estimator that is saturated."""
AS_THEY_ARE = (STRONG, "from-classifier", "extrapolated-critic")
"""Estimators that take numbers as they are. Ranks lose what is finer than the distance of two rows; and equal
numbers in random order are noise that a classifier or a critic has to learn to leave out."""
HELD_OUT = ("extrapolated-critic", "from-classifier")
"""Estimators that rest on a lower bound from rows not trained on: it refutes what is clearly lower."""
SETTINGS = {"ksg": {"num_neighbors": 5}}
"""Settings other than the defaults."""
STEPS_A_ROW, MAX_STEPS = 0.2, 2000
"""Steps that train a critic: for each row, where that is more than its default, and at most. With too few,
critics of half of the rows learn as much as those of all: the extrapolation does not see what both miss."""


def case_of(seen: Seen) -> Case:
    """Return the first case of `RULE` that holds."""
    return next(case for case in RULE if case.holds(seen))


def estimator_named(name: str, seen: Seen) -> Estimator:
    """Return an estimator, told which variables are labels, on one thread."""
    estimator: Any = ESTIMATORS[name](**SETTINGS.get(name, {}))
    parts = [part for part in (seen.x, seen.y, seen.given) if part is not None]
    labels = tuple(part.name for part in parts if part.kind == "labels")
    if name in ("ross", "mixed-ksg"):
        return replace(estimator, labels=labels)
    if name == "from-classifier":
        return replace(estimator, labels=labels[0])
    if name == "extrapolated-critic":
        steps = min(int(STEPS_A_ROW * seen.num_rows), MAX_STEPS)
        training = replace(estimator.training, max_steps=max(steps, estimator.training.max_steps))
        return replace(estimator, training=training)
    return estimator


def run(name: str, seen: Seen, **settings: Any) -> Estimate:
    """Return what an estimator finds; `settings` are other than those of the rule."""

    def values(part: Variable) -> Any:
        return part.numbers if part.numbers is not None and name in AS_THEY_ARE else part.values

    condition = {} if seen.given is None else {"given": values(seen.given)}
    estimator: Any = estimator_named(name, seen)
    return replace(estimator, **settings).estimate(values(seen.x), values(seen.y), **condition)
