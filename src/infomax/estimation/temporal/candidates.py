"""Candidates for the past that matters, what each tells about the target, and whether it is more than chance.

A candidate is one series at one lag. Null values come from candidates whose rows are permuted, all alike, so
that candidates stay as dependent on each other as they are, and lose the target and the condition. Largest
over all candidates, they make the test of the largest information hold its level however many candidates
there are (the maximum statistic).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from infomax.estimation.estimate import Estimate, Estimator
from infomax.estimation.gaussian import Gaussian
from infomax.estimation.resampling.replicates import JointSamples, indexed_replicates, on_one_core

BATCH = 20
"""Permutations between two looks at whether the test is decided."""
MIN_SHARE_LEFT = 1e-10
"""Least share of a column's variance that a condition leaves if it does not determine the column."""

ROUNDING = 1e-12
"""Differences up to which a null value counts as equal: those of labels repeat, but for rounding."""


class Candidate(NamedTuple):
    """The values of a series `lag` rows before the target's."""

    series: str
    lag: int


@dataclass(frozen=True, eq=False)
class Past:
    """The target at each time, and all candidates at that time.

    Args:
        y: the target, [n, 1].
        columns: candidates, [n] each.
        estimator: of conditional information.
        level: at which a test finds something.
        num_permutations: m of each test.
        seed: of the permutations.
        num_workers: threads.
    """

    y: np.ndarray
    columns: dict[Candidate, np.ndarray]
    estimator: Estimator
    level: float
    num_permutations: int
    seed: int
    num_workers: int
    _left: dict[tuple[Candidate, ...], tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def rows(self, candidates: Sequence[Candidate]) -> np.ndarray | None:
        """Return the columns of candidates, [n, candidates]; None for no candidate."""
        return np.column_stack([self.columns[one] for one in candidates]) if candidates else None

    def estimate(self, candidates: Sequence[Candidate], given: Sequence[Candidate]) -> Estimate:
        """Return I(candidates; y | given)."""
        return self.estimator.estimate(self.rows(candidates), self.y, given=self.rows(given))

    def informations(
        self, candidates: Sequence[Candidate], given: Sequence[Candidate], order: Any = slice(None)
    ) -> np.ndarray:
        """Return I(c; y | given) of each candidate, its rows in the order given: [candidates]."""
        rows, condition = self.rows(candidates), self.rows(given)
        assert rows is not None
        if isinstance(self.estimator, Gaussian):
            key = tuple(given)
            if key not in self._left:
                self._left[key] = _left_of(self.y, condition)
            return _gaussian_informations(rows[order], *self._left[key])
        alone = on_one_core(self.estimator)
        return np.array([JointSamples(one[order], self.y, condition).value(alone) for one in rows.T])

    def p_value(self, observed: float, null_value: Callable[[np.ndarray], float]) -> float:
        """Return (1 + number of null values ≥ observed) / (1 + m); m ends as soon as p must exceed the level.

        Args:
            observed: the information.
            null_value: the same from candidates whose rows are in another order.
        """
        most = int(self.level * (1 + self.num_permutations)) - 1  # so many null values may be as large
        as_large = num = 0
        while num < self.num_permutations and as_large <= most:
            batch = range(num, min(num + BATCH, self.num_permutations))
            values = indexed_replicates(lambda i: null_value(self._order(i)), batch, self.num_workers)
            least = observed - ROUNDING * max(1.0, abs(observed))
            as_large, num = as_large + int((values >= least).sum()), batch.stop
        return (1 + as_large) / (1 + num)

    def _order(self, index: int) -> np.ndarray:
        return np.random.default_rng([self.seed, index]).permutation(len(self.y))


def _left_of(y: np.ndarray, given: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return an orthonormal basis of the condition, and what it leaves of y, of length 1."""
    condition = np.ones((len(y), 1)) if given is None else np.hstack([np.ones((len(y), 1)), given])
    basis, _ = np.linalg.qr(condition)
    left = y - basis @ (basis.T @ y)
    return basis, left / np.linalg.norm(left)


def _gaussian_informations(rows: np.ndarray, basis: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Return −½ log(1 − ρ²) of each column, ρ the correlation of what the condition leaves of it and of y.

    A column that the condition determines, such as a copy, tells nothing more: 0. One that determines y
    tells ∞.
    """
    length = np.vecdot(rows.T, rows.T)
    length_left = length - ((basis.T @ rows) ** 2).sum(axis=0)
    determined = length_left <= MIN_SHARE_LEFT * length
    squared = (rows.T @ left)[:, 0] ** 2 / np.where(determined, np.inf, length_left)
    determines = squared >= 1 - MIN_SHARE_LEFT
    return np.where(determines, np.inf, -np.log1p(-np.where(determines, 0, squared)) / 2)
