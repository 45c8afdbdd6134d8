"""The counting estimator for a table of columns: chosen for each pair by how well its labels are sampled."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from infomax.estimation.counting.adjusted import AdjustedPlugIn
from infomax.estimation.counting.counts import MillerMadow
from infomax.estimation.counting.doubt import Doubt
from infomax.estimation.counting.histograms import Histogram, Margins
from infomax.estimation.counting.mechanism import Counting, by_chain_rule

MAX_DISTANCE = 1 / 2
"""`MillerMadow` is taken where it differs from `AdjustedPlugIn` by at most so many sampling errors."""


@dataclass(frozen=True)
class SuitedCounting(Counting):
    """I by `MillerMadow` where a table is well sampled, else by `AdjustedPlugIn`; `method` names it.

    Well sampled means that the two differ by at most half of a sampling error. Elsewhere Miller and Madow's
    value is too high, by as much as 1.9 nats for 2,500 × 20 independent labels and 10,000 samples, and would
    rank noise of many labels above what matters. Entropies are Miller and Madow's where those differ from
    Grassberger's by at most half of a sampling error, else Grassberger's.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> noise, coin = rng.integers(1000, size=2000), rng.integers(2, size=2000)
        >>> found = SuitedCounting().estimate(noise, coin)
        >>> found.method, abs(found.value) < 0.03
        ('AdjustedPlugIn', True)
        >>> SuitedCounting().estimate(coin, rng.integers(2, size=2000)).method
        'MillerMadow'
    """

    def histogram_entropy(self, histogram: Histogram) -> Any:
        """Return −Σ p log p + (k − 1) / 2n, or Grassberger's value."""
        simple, careful = histogram.miller_madow(), histogram.grassberger()
        well_sampled = np.abs(simple - careful) <= MAX_DISTANCE * histogram.sampling_error()
        return np.where(well_sampled, simple, careful)

    def _entropy_error(self, histogram: Histogram, value: Any) -> Any:
        return histogram.error_of(value)

    def _information(self, margins: Margins, doubt: Doubt) -> tuple[Any, Any]:
        miller_madow = by_chain_rule(MillerMadow(), margins)
        well_sampled = np.abs(miller_madow - doubt.adjusted) <= MAX_DISTANCE * doubt.sampling_error
        names = np.where(well_sampled, MillerMadow.__name__, AdjustedPlugIn.__name__)
        return np.where(well_sampled, miller_madow, doubt.adjusted), names
