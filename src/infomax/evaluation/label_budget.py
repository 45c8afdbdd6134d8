"""How many labels, and which: a share, a number or so many of each class, drawn by class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from infomax.learning.views.pairing import Seen


@dataclass(frozen=True)
class LabelBudget:
    """How many labels: a share of those there are, a number in all, or a number of each class.

    A share and a total are divided among the classes as all labels are (by largest remainders).

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
        if len(given) != 1:
            raise ValueError(
                "labels: expected one of share, total and per_class, got "
                f"{self.share}, {self.total}, {self.per_class}"
            )
        if not (given[0] > 0 and (self.share or 0) <= 1):
            raise ValueError(f"labels: expected more than none and at most 100 %, got {self}")

    @staticmethod
    def parse(text: str) -> "LabelBudget":
        """Of ``10%``, ``500`` or ``50/class``."""
        text = text.strip()
        try:
            if text.endswith("%"):
                return LabelBudget(share=float(text[:-1]) / 100)
            if text.endswith("/class"):
                return LabelBudget(per_class=int(text.removesuffix("/class")))
            total = int(text)
        except ValueError as error:
            if str(error).startswith("labels"):
                raise
            raise ValueError(
                f"labels: expected a share such as 10%, a number such as 500, or 50/class; got {text!r}"
            ) from error
        return LabelBudget(total=total)

    def __str__(self) -> str:
        if self.share is not None:
            return f"{100 * self.share:g} %"
        return f"{self.total} in all" if self.total is not None else f"{self.per_class} per class"

    def counts(self, labels: Int[np.ndarray, " n"]) -> Int[np.ndarray, " k"]:
        """Labels to draw of each class that occurs.

        Raises:
            ValueError: more than there are.
        """
        there = np.unique(labels, return_counts=True)[1]
        if self.per_class is not None:
            wanted = np.full(len(there), self.per_class)
        else:
            total = self.total if self.total is not None else round((self.share or 0) * len(labels))
            exact = there * min(total, 2**53) / len(labels)
            wanted = np.floor(exact).astype(int)
            wanted[np.argsort(wanted - exact, kind="stable")[: total - wanted.sum()]] += 1
        if (wanted > there).any():
            short = int(np.argmax(wanted > there))
            raise ValueError(
                f"labels: {self} are wanted, {wanted[short]} of one class, but there are {len(labels)} in "
                f"all and {there[short]} of that class; lower the number"
            )
        return wanted


def draws(train: Seen, labels: LabelBudget, num_draws: int, seed: int) -> list[Int[np.ndarray, " m"]]:
    """Rows of labelled images, so many, drawn by class without replacement, several times; sorted.

    Raises:
        ValueError: no draw; more labels than there are; a class that would get a single one or none.
    """
    if num_draws < 1:
        raise ValueError(f"finetune: num_draws must be at least 1, got {num_draws}")
    counts, classes = labels.counts(train.labels), np.unique(train.labels)
    if counts.min() < 2:
        least = int(classes[counts.argmin()])
        raise ValueError(
            f"finetune: of {labels} labels, class {class_names(train, [least])[0]} would get {counts.min()}; "
            "expected at least 2 of each class, one of them to stop training by; use more labels"
        )
    return [_drawn(train.labels, classes, counts, np.random.default_rng([seed, i])) for i in range(num_draws)]


def _drawn(
    labels: Int[np.ndarray, " n"],
    classes: Int[np.ndarray, " k"],
    counts: Int[np.ndarray, " k"],
    randomness: np.random.Generator,
) -> Int[np.ndarray, " m"]:
    rows = [
        randomness.choice(np.flatnonzero(labels == one), count, replace=False)
        for one, count in zip(classes, counts, strict=True)
    ]
    return np.sort(np.concatenate(rows))


def labelled_part(seen: Seen) -> Seen:
    """Those that have a label."""
    return seen.subset(np.flatnonzero(seen.labels >= 0))


def class_names(seen: Seen, labels: Sequence[int]) -> list[str]:
    """Names of labels; their numbers where they have none."""
    return [seen.classes[label] if label < len(seen.classes) else str(label) for label in labels]
