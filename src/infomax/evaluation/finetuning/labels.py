"""How many labels, and which: a share, a number or so many of each class, drawn by class."""

import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from infomax.errors import refuse
from infomax.evaluation.probes.few_labels import stratified_draw
from infomax.learning.data.dataset import Dataset


@dataclass(frozen=True)
class LabelBudget:
    """How many labels: a share of those there are, a number in all, or a number of each class.

    A share and a total are divided among the classes in proportion to their labels, by largest remainders.

    Example:
        >>> [str(LabelBudget.parse(text)) for text in ("10%", "500", "50/class")]
        ['10 %', '500 in all', '50 per class']
        >>> LabelBudget(total=10).counts(np.array([0] * 60 + [1] * 30 + [2] * 20)).tolist()
        [5, 3, 2]
    """

    share: float | None = None
    total: int | None = None
    per_class: int | None = None

    def __post_init__(self):
        given = [one for one in (self.share, self.total, self.per_class) if one is not None]
        refuse(
            len(given) != 1,
            "labels: expected one of share, total and per_class, got "
            f"{self.share}, {self.total}, {self.per_class}",
        )
        refuse(
            not (given[0] > 0 and (self.share or 0) <= 1),
            f"labels: expected more than none and at most 100 %, got {self}",
        )

    @staticmethod
    def parse(text: str) -> "LabelBudget":
        """Return the budget that ``10%``, ``500`` or ``50/class`` means.

        Raises:
            ValueError: another text, none at all, or more than 100 %.
        """
        return LabelBudget(*_parsed(text.strip()))

    @staticmethod
    def is_one(text: str) -> bool:
        """Return whether a text is an amount of labels rather than the place where they are.

        Example:
            >>> [LabelBudget.is_one(text) for text in ("10%", "50/class", "labels.csv:age", "0")]
            [True, True, False, True]
        """
        return re.fullmatch(r"\s*-?[\d.]+\s*(%|/class)?\s*", text) is not None

    def __str__(self) -> str:
        if self.share is not None:
            return f"{100 * self.share:g} %"
        return f"{self.total} in all" if self.total is not None else f"{self.per_class} per class"

    def counts(self, labels: Int[np.ndarray, " n"]) -> Int[np.ndarray, " k"]:
        """Return how many labels to draw of each class that occurs.

        Raises:
            ValueError: there are fewer.
        """
        there = np.unique(labels, return_counts=True)[1]
        wanted = self._wanted(there)
        short = int(np.argmax(wanted > there))
        refuse(
            (wanted > there).any(),
            f"labels: {self} are wanted, {wanted[short]} of one class, but there are {len(labels)} in "
            f"all and {there[short]} of that class; lower the number",
        )
        return wanted

    def _wanted(self, there: Int[np.ndarray, " k"]) -> Int[np.ndarray, " k"]:
        """The budget divided among classes of these numbers of labels."""
        if self.per_class is not None:
            return np.full(len(there), self.per_class)
        num_labels = int(there.sum())
        total = self.total if self.total is not None else round((self.share or 0) * num_labels)
        exact = there * min(total, 2**53) / num_labels
        wanted = np.floor(exact).astype(int)
        wanted[np.argsort(wanted - exact, kind="stable")[: total - wanted.sum()]] += 1
        return wanted


def _parsed(text: str) -> tuple[float | None, int | None, int | None]:
    """Share, total and number for each class, of which one is given."""
    try:
        if text.endswith("%"):
            return float(text[:-1]) / 100, None, None
        if text.endswith("/class"):
            return None, None, int(text.removesuffix("/class"))
        return None, int(text), None
    except ValueError as error:
        raise ValueError(
            f"labels: expected a share such as 10%, a number such as 500, or 50/class; got {text!r}"
        ) from error


def draws(train: Dataset, labels: LabelBudget, num_draws: int, seed: int) -> list[Int[np.ndarray, " m"]]:
    """Return the rows of several draws of labels, by class and without replacement, each sorted.

    Args:
        train: labelled.
        labels: how many are drawn.
        num_draws: how often.
        seed: draw i is a function of (seed, i).

    Raises:
        ValueError: there is no draw; more labels are wanted than there are; a class would get a single label
            or none.
    """
    refuse(num_draws < 1, f"finetune: num_draws must be at least 1, got {num_draws}")
    counts, classes = labels.counts(train.labels), np.unique(train.labels)
    least = train.class_names([int(classes[counts.argmin()])])[0]
    refuse(
        counts.min() < 2,
        f"finetune: of {labels} labels, class {least} would get {counts.min()}; expected at least 2 of each "
        "class, one of them to stop training by; use more labels",
    )
    return [stratified_draw(train.labels, counts, np.random.default_rng([seed, i])) for i in range(num_draws)]
