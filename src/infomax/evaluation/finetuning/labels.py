"""How many labels, and which: a share, a number or so many of each class, drawn by class."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Int

from infomax.errors import refuse
from infomax.evaluation.probes.few_labels import stratified_draw
from infomax.learning.data.dataset import Dataset
from infomax.learning.data.targets import counted
from infomax.ranges import Count, Range, check_ranges


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

    share: Annotated[float, Range(above=0, most=1)] | None = None
    total: Count | None = None
    per_class: Count | None = None

    def __post_init__(self) -> None:
        given = [one for one in (self.share, self.total, self.per_class) if one is not None]
        refuse(
            len(given) != 1,
            "num_labels: expected one of share, total and per_class, got "
            f"{self.share}, {self.total}, {self.per_class}",
        )
        check_ranges(self, "num_labels")

    @staticmethod
    def parse(text: str) -> "LabelBudget":
        """Return the budget that ``10%``, ``500`` or ``50/class`` means.

        Raises:
            ValueError: another text, none at all, or more than 100 %.
        """
        return LabelBudget(*_parsed(text.strip()))

    def __str__(self) -> str:
        if self.share is not None:
            return f"{100 * self.share:g} %"
        return f"{self.total} in all" if self.total is not None else f"{self.per_class} per class"

    def counts(self, labels: Int[np.ndarray, " n"]) -> Int[np.ndarray, " k"]:
        """Return how many labels to draw of each class that occurs; of so many a class, 0 of a rarer one.

        Raises:
            ValueError: there are fewer in all, or no class has as many.
        """
        there = np.unique(labels, return_counts=True)[1]
        wanted = self._wanted(there)
        refuse(
            wanted.sum() > there.sum() if self.per_class is None else (wanted > there).all(),
            f"num_labels: {self} are wanted, {wanted.max()} of one class, but there are {len(labels)} in all "
            f"and {there.max()} of the largest class; lower the number",
        )
        return np.where(wanted > there, 0, wanted)

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
            f"num_labels: expected a share such as 10%, a number such as 500, or 50/class; got {text!r}"
        ) from error


def drawn_classes(train: Dataset, labels: LabelBudget) -> tuple[Int[np.ndarray, " k"], list[str]]:
    """Return how many labels to draw of each class that occurs, and the names of those left out (0).

    A class is left out if it would get fewer than two labels, one of which is to stop training by, or has
    fewer than are to be drawn.

    Raises:
        ValueError: more labels are wanted than there are; fewer than two classes would be left.
    """
    classes, counts = np.unique(train.labels, return_counts=True)
    wanted = labels.counts(train.labels)
    few = wanted < 2
    names = train.class_names(classes.tolist())
    short = int(np.argmin(np.where(wanted == 0, counts, wanted)))
    got = f"would get {wanted[short]}" if wanted[short] else f"has {counts[short]}"
    refuse(
        len(classes) < 2,
        f"finetune: expected two classes or more, got {counted(len(classes), 'class')} ({', '.join(names)}); "
        "label others",
    )
    refuse(
        len(classes) - few.sum() < 2,
        f"finetune: of {labels} labels, class {names[short]} {got}; expected at least 2 of each class, "
        "one of them to stop training by, and two such classes; use another number of labels",
    )
    return np.where(few, 0, wanted), [name for name, left_out in zip(names, few, strict=True) if left_out]


def draws(train: Dataset, labels: LabelBudget, num_draws: int, seed: int) -> list[Int[np.ndarray, " m"]]:
    """Return the rows of several draws of labels, by class and without replacement, each sorted.

    Rare classes are left out, see `drawn_classes`.

    Args:
        train: labelled.
        labels: how many are drawn.
        num_draws: how often.
        seed: draw i is a function of (seed, i).

    Raises:
        ValueError: there is no draw; as `drawn_classes`.
    """
    refuse(num_draws < 1, f"finetune: num_draws must be at least 1, got {num_draws}")
    counts, _ = drawn_classes(train, labels)
    return [stratified_draw(train.labels, counts, np.random.default_rng([seed, i])) for i in range(num_draws)]
