"""Signed sums of entropies of numbers from nearest neighbours, all in one box around each row.

The k nearest rows in all columns define a cube around each row, of the same side for every set S of
variables. With n_S rows in the projection on S,

    Σ c_S H(X_S) = ψ(n) Σ c_S − c_all ψ(k) − ⟨Σ_{S ≠ all} c_S ψ(n_S)⟩

The logs of the side cancel, as every variable is balanced, and so do most of the errors of the entropies.
Counts include the row itself; distances are in the max norm. Labels are equal, or infinitely far: neighbours
have the same labels as the row, and n_S counts rows with its labels of S.

Reference: Kraskov, Stögbauer and Grassberger (2004), equation 23, for TC; Frenzel and Pompe (2007), for
further sums in the same box; Ross (2014), for a label and a number.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import digamma

from infomax.errors import refuse
from infomax.estimation.estimate import Estimate
from infomax.estimation.many.quantities import Terms
from infomax.estimation.neighbors.ranges import Within, sample_of_rows, within, within_each
from infomax.estimation.neighbors.search import (
    Neighbors,
    check_num_neighbors,
    check_num_samples,
    most_repeats,
    nearest,
    scale_cautions,
)
from infomax.estimation.samples import as_codes, as_rows, check_lengths, joint_codes

LARGER = 4  # times k, with which the value is compared


@dataclass(frozen=True)
class SumsOfNeighbors:
    """Σ c_S H(X_S) of continuous variables, or of these and labels together, from the k nearest neighbours.

    `kind` is "estimate": consistent for any density. The bias grows with the number of columns, as
    (k/n)^{2/d}, and is part of the error: it is extrapolated from 4k neighbours, and a caution
    stands where it exceeds the scatter. Distances are compared across the variables: give all the same
    spread.

    Cost: a search in all columns, and n²/64 steps for each set of several columns.

    Args:
        num_neighbors: k; fewer in a cell, the rows with the same labels of all variables, of k rows or fewer.
        num_workers: threads, −1 for all cores.
        labels: places of the variables that hold labels, from 0.
    """

    num_neighbors: int = 3
    num_workers: int = -1
    labels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_num_neighbors("SumsOfNeighbors", self.num_neighbors, self.num_workers)

    def estimate_sum(self, variables: Sequence[Any], terms: Terms) -> Estimate:
        """Return Σ c_S H(X_S) in nats, from variables [n] or [n, d].

        Raises:
            ValueError: n ≤ k; numbers that repeat a value more than k times; labels alone, or which together
                occur once; places of labels that are not there.
        """
        table = self._read(variables)
        found = self._boxes(table, terms).estimate(f"sum of neighbours, k={self.num_neighbors}")
        found = self._with_bias(found, table, terms)
        return replace(found, cautions=(*found.cautions, *scale_cautions(np.hstack(table.numbers))))

    def _read(self, variables: Sequence[Any]) -> "_Table":
        """Return the variables as numbers and as codes of labels."""
        named = {f"variable {i}": value for i, value in enumerate(variables)}
        held = [f"variable {i}" for i in self.labels]
        refuse(
            not set(held) < set(named),
            f"SumsOfNeighbors: labels must be places from 0 to {len(variables) - 1}, and not all of them, "
            f"got {self.labels}; for labels alone there is SumsOfCounts",
        )
        numbers = {name: value for name, value in named.items() if name not in held}
        rows = dict(zip(numbers, as_rows("SumsOfNeighbors", **numbers), strict=True))
        codes = dict(
            zip(held, as_codes("SumsOfNeighbors", **{name: named[name] for name in held}), strict=True)
        )
        check_lengths("SumsOfNeighbors", {**rows, **codes})
        self._check(rows, [*codes.values()])
        none = np.empty((len(next(iter(rows.values()))), 0))
        return _Table([rows.get(name, none) for name in named], [codes.get(name) for name in named])

    def _check(self, rows: Mapping[str, np.ndarray], codes: Sequence[np.ndarray]) -> None:
        k = self.num_neighbors
        check_num_samples("SumsOfNeighbors", len(next(iter(rows.values()))), k)
        for name, one in rows.items():
            most = most_repeats(one, k)
            refuse(
                most > k,
                f"SumsOfNeighbors: {name} must be continuous, but one of its values occurs {most} times, "
                f"more than num_neighbors = {k}; name it in labels=, or use SumsOfCounts for labels alone",
            )
        alone = int((np.bincount(joint_codes(*codes)) == 1).sum()) if codes else 0
        refuse(
            alone,
            f"SumsOfNeighbors: {alone} combinations of the labels occur once, and have no neighbours; merge "
            "rare labels, or leave these rows out",
        )

    def _boxes(self, table: "_Table", terms: Terms) -> "_Boxes":
        every = tuple(range(len(table.numbers)))
        points, cells = table.of(every)
        neighbors = nearest(points, self.num_neighbors, cells=cells, num_workers=self.num_workers)
        groups = [group for group in terms if len(group) < len(every)]
        if self.labels:
            ranges = [within(p, neighbors.radii, cells=c) for p, c in map(table.of, groups)]
        else:
            parts = [table.of(group)[0] for group in groups]
            ranges = within_each(parts, neighbors.radii, self.num_workers)
        return _Boxes(neighbors, [terms[group] for group in groups], ranges, terms.get(every, 0))

    def _with_bias(self, found: Estimate, table: "_Table", terms: Terms) -> Estimate:
        """Return the estimate with the bias that more neighbours show, as a part of its error."""
        n, dim = len(table.numbers[0]), sum(one.shape[1] for one in table.numbers)
        larger = min(LARGER * self.num_neighbors, n // 4)
        if larger <= self.num_neighbors:
            return found
        wide = float(replace(self, num_neighbors=larger)._boxes(table, terms).local().mean())
        bias = (found.value - wide) / ((larger / self.num_neighbors) ** (2 / dim) - 1)
        side = "low" if bias > 0 else "high"
        cautions = (f"biased: too {side} by about {abs(bias):.2g} nats, as k={larger} shows",)
        return replace(
            found,
            standard_error=math.hypot(found.standard_error, bias),
            cautions=cautions if abs(bias) > found.standard_error else (),
        )


@dataclass(frozen=True, eq=False)
class _Table:
    """The columns of numbers of each variable, [n, 0] for labels, and its codes, None for numbers."""

    numbers: list[np.ndarray]
    codes: list[np.ndarray | None]

    def of(self, group: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the numbers of some variables, and the joint codes of their labels, if there are any."""
        codes = [code for code in (self.codes[i] for i in group) if code is not None]
        return np.hstack([self.numbers[i] for i in group]), joint_codes(*codes) if codes else None


@dataclass(frozen=True, eq=False)
class _Boxes:
    """The rows in the box around each row, and in its projections with their signs c_S."""

    neighbors: Neighbors
    signs: list[int]
    ranges: list[Within]
    whole: int

    def local(self) -> np.ndarray:
        """Return the pointwise values."""
        local = -self.whole * digamma(self.neighbors.num)
        local = local + (sum(self.signs) + self.whole) * digamma(len(local))
        for sign, one in zip(self.signs, self.ranges, strict=True):
            local = local - sign * digamma(one.counts)
        return local

    def estimate(self, method: str) -> Estimate:
        """Return the mean, with its error by the infinitesimal jackknife, as in `neighbors.boxes`."""
        local, num = self.local(), self.neighbors.num
        rows = sample_of_rows(len(local), *self.ranges)
        influence = (local - self.whole * self.neighbors.totals(1 / num))[rows]
        for sign, one in zip(self.signs, self.ranges, strict=True):
            influence = influence - sign * one.totals(1 / one.counts, rows)
        error = influence.std(ddof=1) / math.sqrt(len(local))
        return Estimate(float(local.mean()), float(error), len(local), method=method, local=local)
