"""CCMI: conditional mutual information as a difference of two, each from the log odds of a classifier.

    I(X;Y|Z) = I(X;Y,Z) − I(X;Z),      I = E₊ s − log E₋ e^s,   s the log odds of "drawn together"

The classifier tells pairs of one row from pairs of different rows; its log odds are the log ratio of joint
and product, and the Donsker–Varadhan value is less hurt by their errors than their mean is. The two terms are
trained and reported on the same rows, so that what they have in common cancels, and the mean of several
repeats is taken.

Cost: two critics a repeat. Assumes nothing of the distributions.

Reference: Mukherjee, Asnani and Kannan (2019), CCMI: Classifier based conditional mutual information
estimation, algorithms 2 and 3.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from infomax.estimation import bounds
from infomax.estimation.critics import CriticObjective
from infomax.estimation.estimate import Estimate
from infomax.estimation.neural import Neural
from infomax.estimation.samples import as_rows
from infomax.ranges import Count, check_ranges

CLASSIFIER = CriticObjective(bounds.jensen_shannon, bounds.donsker_varadhan, "neither", capped=False)
"""Trained as a classifier, by cross-entropy (the Jensen–Shannon form); read by Donsker and Varadhan."""
MIN_ROWS_A_COLUMN = 500
"""Rows for each column of X, Y and Z below which a value has a caution."""


@dataclass(frozen=True)
class CCMI:
    """I(X;Y|Z) = I(X;Y,Z) − I(X;Z), both by classifiers; without a condition I(X;Y).

    The classifier must find in X, Y, Z what Y adds, and misses it where rows are few. Y = X + ΣZ + noise,
    which has 0.347 nats, one repeat of 300 steps: 1,500 rows gave 0.29, 0.26, 0.18 and −0.16 ± 0.27 with 1,
    2, 3 and 5 columns of Z; 5,000 rows and 1,000 steps gave 0.28 with 5. Fewer than 500 rows for each column
    of X, Y and Z have the caution "undersampled". `DifferenceOfEntropies` is the alternative.

    Of kind "neither", as each difference of two learned values. The standard error takes the rows that
    repeats report on to be different ones as far as there are enough.

    Args:
        num_repeats: splits of the rows, each with its own critics.
        neural: how critics are trained; its seed is that of the first repeat.

    Example:
        >>> x, noise, z = np.random.default_rng(0).standard_normal((3, 1500))
        >>> short = Neural(bound=CLASSIFIER, max_steps=150, canonical=False)
        >>> found = CCMI(num_repeats=1, neural=short).estimate(x, x + z + noise, given=z)
        >>> found.kind, abs(found.value - 0.347) < 0.15  # ½ log 2
        ('neither', True)
    """

    num_repeats: Count = 3
    neural: Neural = Neural(bound=CLASSIFIER, canonical=False)  # noqa: RUF009  frozen

    def __post_init__(self) -> None:
        check_ranges(self, "CCMI")

    def estimate(self, x: Any, y: Any, *, given: Any = None) -> Estimate:
        """Return I(X;Y|given), or I(X;Y), in nats, from samples [n] or [n, d].

        Raises:
            ValueError: as `Neural`.
        """
        seeds = range(self.neural.seed, self.neural.seed + self.num_repeats)
        found = [replace(self.neural, seed=seed).estimate(x, y, given=given) for seed in seeds]
        cautions = [*_few_rows(*as_rows("CCMI", x=x, y=y, given=given))]
        cautions += [caution for one in found for caution in one.cautions][:1]
        apart = min(self.num_repeats, 1 / self.neural.test_fraction)
        error = float(np.mean([one.standard_error for one in found])) / math.sqrt(apart)
        return Estimate(
            float(np.mean([one.value for one in found])),
            error,
            found[0].num_samples,
            kind="neither",
            method=f"CCMI, {self.num_repeats} repeats",
            cautions=tuple(cautions),
        )


def _few_rows(*variables: np.ndarray) -> Iterator[str]:
    """Yield the caution that rows are few for a condition, where they are."""
    n, num_columns = len(variables[0]), sum(rows.shape[1] for rows in variables)
    if len(variables) > 2 and n < MIN_ROWS_A_COLUMN * num_columns:
        yield (
            f"undersampled: {n:,} rows are fewer than {MIN_ROWS_A_COLUMN} for each of {num_columns} columns, "
            "and classifiers find too little"
        )
