"""p-values of pairs of columns: how rows are shuffled, how often, and how p-values are adjusted.

Two columns of labels get a G-test where independence would put at least 5 rows into every cell: 2n times the
plug-in information is compared with χ². It takes no time. All other pairs get permutations, in rounds:

1. `num_permutations` for every pair. Pairs whose columns have the same values without their order share them:
   all numbers, because they are ranks; and a label column with all numbers. Where null values are not shared,
   a pair stops as soon as `STOP_AFTER` of them are as large as the estimate.
2. More for the pairs at their floor, where no null value was as large: as many as an adjusted p-value below
   `LOW_ENOUGH` takes, step by step, because a pair that is there by chance soon leaves. The work is limited
   by `MAX_SHUFFLED_ROWS`.

A pair gets more shuffles only where it stands at the floor, and this keeps p-values exact: for t below the
floor of a round, p ≤ t needs that the pair stood there, and that the next round gives so few.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped
from scipy.stats import chi2, false_discovery_control
from scipy.stats.contingency import crosstab

from infomax.errors import refuse
from infomax.estimation.counting.counts import Counting, PlugIn
from infomax.estimation.estimate import Estimator
from infomax.estimation.resampling.nulls import Blocks, CircularShifts, Null, WholeGroup, WithinGroups
from infomax.estimation.resampling.permutation import PermutationTest, permutation_test
from infomax.estimation.resampling.shared import SharedNulls
from infomax.estimation.tables.columns import Column
from infomax.estimation.tables.parts.counting import Cells

MIN_EXPECTED = 5  # rows in every cell under independence, for a G-test (Cochran's rule)
STOP_AFTER = 20
LOW_ENOUGH = 0.01
"""Adjusted p-values below this are not made lower by more permutations."""
GROWTH = 5
"""Shuffles of a round, as a multiple of those before it."""
MAX_SHUFFLED_ROWS = 50_000_000
"""Rows × shuffles added in all, for every set of null values: 25,000 shuffles of 2,000 rows."""
DEFAULT_TESTED_ROWS = 20_000
MAX_TESTED_CELLS = 1 << 22
"""Cells, empty ones included, of the largest table of counts that gets a G-test."""


@dataclass(frozen=True)
class Testing:
    """How pairs of columns are tested.

    Args:
        num_permutations: the first round for every pair; 0 for no p-values.
        null: how rows are shuffled: `WholeGroup` for independent rows, which is None too, `CircularShifts` or
            `Blocks` for series, without groups of their own.
        groups: the group of each row, as codes [n]; shuffles and shifts stay within it.
        rows: True in the rows that are tested, [n]; None: all.
        seed: of the shuffles.
    """

    num_permutations: int = 0
    null: Null | None = None
    groups: np.ndarray | None = None
    rows: np.ndarray | None = None
    seed: int = 0
    shared: SharedNulls = field(default_factory=SharedNulls)

    def __post_init__(self) -> None:
        refuse(
            self.num_permutations < 0,
            f"measure: num_permutations must be at least 0, got {self.num_permutations}; "
            "0 leaves p-values out",
        )
        refuse(
            not (self.null is None or isinstance(self.null, WholeGroup | CircularShifts | Blocks)),
            "measure: null must be None, WholeGroup(), CircularShifts() or Blocks(length), got "
            f"{self.null!r}; for rows in groups, give the column of groups",
        )
        refuse(
            getattr(self.null, "groups", None) is not None,
            "measure: a null for a table has no groups of its own, because rows with missing values are left "
            "out; give the column of groups instead",
        )

    def __getstate__(self) -> dict[str, Any]:  # another process shares null values of its own
        return {name: value for name, value in vars(self).items() if name != "shared"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, shared=SharedNulls(state["seed"]))

    def __bool__(self) -> bool:
        return self.num_permutations > 0

    def untested(self, given: Sequence[Column]) -> str | None:
        """Return why there can be no test given these columns, as far as they show; None where there can."""
        labels = [column.has_labels for column in given]
        if labels and is_for_series(self.null):
            return "series are shifted whole, which no condition allows; leave one of the two out"
        if any(labels) and not all(labels):
            return "given labels and numbers together, no shuffle is known to be fair; give one kind alone"
        if labels and not all(labels) and self.groups is not None:
            return "given numbers, rows cannot be shuffled within groups; leave one of the two out"
        return None

    @property
    def by_g_test(self) -> bool:
        """True where rows are taken to be independent, as a G-test needs."""
        return not is_for_series(self.null) and self.groups is None

    def test(
        self,
        x: np.ndarray,
        y: np.ndarray,
        given: np.ndarray | None = None,
        *,
        estimator: Estimator,
        rows: np.ndarray,
        shared: bool = False,
    ) -> PermutationTest:
        """Return the test of I(X;Y) = 0, or of I(X;Y|given) = 0, after the first round.

        Args:
            x: values as the estimator takes them, [m].
            y: values, [m].
            given: numbers, [m] or [m, d], or codes of labels, [m].
            estimator: of the statistic.
            rows: which rows of the table they are, [m].
            shared: whether many pairs have the same null values, and a test need not stop early.

        Raises:
            ValueError: what the null does not suit.
        """
        how: dict[str, Any] = {"num_permutations": self.num_permutations, "num_workers": 1}
        if given is None and isinstance(estimator, Counting):
            estimator = PlugIn()  # as a G-test has it, and quick
        if given is None and self.by_g_test:
            return self.shared.test(x, y, estimator, stop_after=None if shared else STOP_AFTER, **how)
        how |= {"null": self._null(given, rows), "seed": self.seed, "stop_after": STOP_AFTER}
        return permutation_test(x, y, estimator, given=given, **how)

    def _null(self, given: np.ndarray | None, rows: np.ndarray) -> Null | None:
        groups = None if self.groups is None else self.groups[rows]
        if isinstance(self.null, CircularShifts | Blocks):
            return replace(self.null, groups=groups)
        if given is None:
            return None if groups is None else WithinGroups(groups)
        if given.dtype.kind == "i":
            return WithinGroups(given if groups is None else np.column_stack([groups, given]))
        return None


def is_for_series(null: Null | None) -> bool:
    """Return whether rows are taken to be in the order of time."""
    return isinstance(null, CircularShifts | Blocks)


def null_name(null: Null | None) -> str:
    """Return what a null shuffles, in a word or a few."""
    if isinstance(null, Blocks):
        return "shuffles of blocks" + (f" of {null.length} rows" if null.length else "")
    return "shifts" if isinstance(null, CircularShifts) else "permutations"


def extended(
    rows: Sequence[dict[str, Any]],
    num_workers: int,
    num_rows: int,
    progress: Callable[[str], None] = lambda _: None,
) -> None:
    """Add permutations to the rows at their floor, and set their p-values, until those are low enough.

    Args:
        rows: of the result; "test" holds the test of those with permutations.
        num_workers: cores, −1 for all.
        num_rows: that are shuffled.
        progress: is told what is done.
    """
    tested = [row for row in rows if row["p_value"] is not None]
    while True:
        at_floor = [row for row in tested if row["test"] is not None and row["test"].is_at_floor]
        number = _next_round(at_floor, len(tested), num_rows)
        if number is None:
            return
        progress(f"{number:,} permutations for {len(at_floor)} of {len(tested)} results")
        for row in at_floor:
            row["test"] = row["test"].extended(number, num_workers=num_workers)
            row["p_value"], row["num_permutations"] = row["test"].p_value, len(row["test"].null)


def _next_round(at_floor: list[dict[str, Any]], num_tested: int, num_rows: int) -> int | None:
    """Return how many permutations the rows at the floor get next; None where they need or get no more.

    R rows at the floor of m permutations have adjusted p-values of at most tests / R (m + 1).
    """
    if not at_floor:
        return None
    nulls = {(row["method"], row["num_samples"]) if row["shared"] else id(row) for row in at_floor}
    number = min(len(row["test"].null) for row in at_floor)
    needed = int(num_tested / (len(at_floor) * LOW_ENOUGH))
    most = MAX_SHUFFLED_ROWS // (num_rows * len(nulls))
    step = needed if needed <= 2 * GROWTH * number else GROWTH * number
    following = min(step, most)
    return following if following > number else None


def adjusted(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values adjusted for the false discovery rate (Benjamini and Hochberg, 1995); None stays.

    Example:
        >>> adjusted([0.01, None, 0.04])
        [0.02, None, 0.04]
    """
    places = [place for place, p in enumerate(p_values) if p is not None]
    found: list[float | None] = [None] * len(p_values)
    if places:
        values = false_discovery_control(np.array([p_values[place] for place in places], dtype=float))
        for place, value in zip(places, values.tolist(), strict=True):
            found[place] = value
    return found


# ---------------------------------------------------------------------------------------- G-tests


def suits_g_test(tables: Shaped[np.ndarray, "m x y"]) -> Bool[np.ndarray, " m"]:
    """Return which tables [m, x, y] have two labels a side, and 5 rows expected in every cell: [m]."""
    n = tables.sum(axis=(1, 2))
    margins = tables.sum(axis=2), tables.sum(axis=1)
    vary = [np.count_nonzero(margin, axis=1) > 1 for margin in margins]
    rarest = [np.where(margin > 0, margin, n[:, None]).min(axis=1, initial=n.max()) for margin in margins]
    return vary[0] & vary[1] & (rarest[0] * rarest[1] >= MIN_EXPECTED * n)


def g_test(tables: Shaped[np.ndarray, "m x y"]) -> list[float]:
    """Return p-values of 2n·Î against χ², of tables [m, x, y]; never 0, but the least number of a float."""
    found = PlugIn().information_of_tables(tables)
    statistics = [2 * estimate.num_samples * estimate.value for estimate in found]
    degrees = [np.count_nonzero(tables.any(axis=axis), axis=1) - 1 for axis in (1, 2)]
    return np.maximum(chi2.sf(statistics, degrees[0] * degrees[1]), np.finfo(float).tiny).tolist()


def g_test_of_labels(x: np.ndarray, y: np.ndarray) -> float | None:
    """Return the p-value of a G-test of two columns of labels; None where it does not suit."""
    num_cells = len(np.unique(x)) * len(np.unique(y))
    if MIN_EXPECTED * num_cells > len(x):
        return None
    table: Any = crosstab(x, y).count
    return g_test(table[None])[0] if suits_g_test(table[None])[0] else None


def g_test_of_cells(cells: Cells) -> float | None:
    """Return the p-value of a G-test of the table with these cells; None where it does not suit."""
    (height, x), (width, y) = (_places(code) for code in (cells.x, cells.y))
    if MIN_EXPECTED * height * width > cells.counts.sum() or height * width > MAX_TESTED_CELLS:
        return None
    table = np.zeros((1, height, width), np.int64)
    table[0, x, y] = cells.counts
    return g_test(table)[0] if suits_g_test(table)[0] else None


def _places(codes: np.ndarray) -> tuple[int, np.ndarray]:
    """Return the number of different codes, and the place of each among them."""
    labels, places = np.unique(codes, return_inverse=True)
    return len(labels), places
