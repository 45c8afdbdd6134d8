"""Signed sums of entropies of labels, from how often each joint label of a set occurs.

    Σ c_S H(X_S),     local value of a sample: −Σ c_S log p_S

To second order, the plug-in sum deviates by the mean of the local values plus a quadratic form gᵀMg / 2n with
white noise g over the cells and M = Σ c_S P_S, where P_S projects onto functions of the labels of S; its
variance is tr M² / 2n², with

    tr P_S P_T = Σ n(s, t)² / n(s) n(t)

over the joint labels (s, t) of S and T. Of two variables, this is the error of `PlugIn`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from infomax.estimation.counting.counts import MillerMadow
from infomax.estimation.counting.doubt import MAX_ALONE
from infomax.estimation.counting.histograms import Histogram, sampling_error
from infomax.estimation.counting.mechanism import Counting
from infomax.estimation.estimate import Estimate
from infomax.estimation.many.quantities import Terms
from infomax.estimation.samples import as_codes, joint_codes

Group = tuple[int, ...]


@dataclass(frozen=True)
class SumsOfCounts:
    """Σ c_S H(X_S) of labels, each entropy by the same counting estimator.

    `kind` is "estimate". The standard error holds the sampling error to second order, and how far the value
    is from that of Miller and Madow's and of Chao, Wang and Jost's entropies, which is about what its bias
    may be. The joint labels of all variables must be sampled well: where more than a third of the samples
    have joint labels that no other sample has, the caution "undersampled" says so.

    Cost: one count of n samples for each set, and for each pair of sets.

    Args:
        counting: the estimator of entropies; its `num_labels`, if any, must be None.
    """

    counting: Counting = field(default_factory=MillerMadow)

    def estimate_sum(self, variables: Sequence[Any], terms: Terms) -> Estimate:
        """Return Σ c_S H(X_S) in nats, from variables of labels of any kind, [n], or rows [n, d].

        Raises:
            ValueError: different numbers of samples, or missing values.
        """
        codes = as_codes("SumsOfCounts", **{f"variable {i}": v for i, v in enumerate(variables)})
        cell_of = joint_codes(*codes)
        counts = np.bincount(cell_of)
        some = np.empty(len(counts), dtype=np.intp)
        some[cell_of] = np.arange(len(cell_of))  # a sample in each cell
        cells = _Cells(counts, [code[some] for code in codes])
        value = cells.sum(terms, self.counting.histogram_entropy)
        others = (cells.sum(terms, how) for how in (Histogram.miller_madow, Histogram.chao_wang_jost))
        distances = [value - other for other in others]
        local = cells.local(terms)
        error = sampling_error(local, counts, max(cells.trace(terms), 0.0))
        alone = (counts == 1).sum() / len(cell_of)
        return Estimate(
            value,
            float(np.linalg.norm([error, *distances])),
            len(cell_of),
            method=f"sum of entropies, {type(self.counting).__name__}",
            local=local[cell_of],
            cautions=(f"undersampled: {alone:.0%} of the samples are the only ones with their labels",)
            if alone > MAX_ALONE
            else (),
        )


class _Cells:
    """The joint labels of all variables that occur, and how often."""

    def __init__(self, counts: np.ndarray, codes: list[np.ndarray]) -> None:
        self._counts, self._codes = counts, codes

    def _labels(self, group: Group) -> np.ndarray:
        """Return the joint label of these variables in each cell."""
        return joint_codes(*(self._codes[i] for i in group)) if group else np.zeros_like(self._codes[0])

    def _of(self, labels: np.ndarray) -> np.ndarray:
        """Return how many samples have each label."""
        return np.bincount(labels, weights=self._counts).astype(np.int64)

    def sum(self, terms: Terms, entropy: Any) -> float:
        """Return Σ c_S H(X_S), with H a function of histograms."""
        total = 0.0
        for group, sign in terms.items():
            seen = self._of(self._labels(group))
            possible = float(np.prod([int(self._codes[i].max()) + 1 for i in group], dtype=float))
            total += sign * float(entropy(Histogram(seen, possible)))
        return total

    def local(self, terms: Terms) -> np.ndarray:
        """Return −Σ c_S log p_S of each cell."""
        local, n = np.zeros(len(self._counts)), self._counts.sum()
        for group, sign in terms.items():
            labels = self._labels(group)
            local -= sign * np.log(self._of(labels)[labels] / n)
        return local

    def trace(self, terms: Terms) -> float:
        """Return tr M² of M = Σ c_S P_S, with the empty set that makes the signs sum to 0."""
        signed = {**terms, (): -sum(terms.values())}
        return sum(c * d * self._trace(s, t) for s, c in signed.items() for t, d in signed.items())

    def _trace(self, one: Group, other: Group) -> float:
        """Return tr P_S P_T = Σ n(s, t)² / n(s) n(t)."""
        s, t = self._labels(one), self._labels(other)
        _, first, both = np.unique(s * (int(t.max()) + 1) + t, return_index=True, return_inverse=True)
        n_s, n_t = self._of(s)[s[first]], self._of(t)[t[first]]
        return float((self._of(both) ** 2 / (n_s * n_t)).sum())
