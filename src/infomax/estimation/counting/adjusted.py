"""Information adjusted for chance: 0 on average where nothing depends, however many labels there are.

The plug-in information of two independent variables is above 0, the more so the more labels they have
(`chance`). It is adjusted by what it would be if the labels of one variable were shuffled, in nats by
`AdjustedPlugIn`, or as a share of an entropy by `adjusted_mutual_information`, as scikit-learn does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import entr

from infomax.errors import refuse
from infomax.estimation.counting.doubt import Doubt
from infomax.estimation.counting.histograms import Histogram, Margins
from infomax.estimation.counting.mechanism import Counting
from infomax.estimation.samples import as_codes
from infomax.information.measures import arithmetic_mean

Yardstick = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class AdjustedPlugIn(Counting):
    """I = u·H,  u = (I_plug-in − E) / (H − E): E by chance alone, H the lesser entropy.

    Right on average where nothing depends, and where one variable determines the other, however few samples a
    pair of labels has. In between, the error may be half of E. It is largest where a weak dependence is
    spread over many pairs of labels; the value is then too low. Where every label occurs once, E = H, and the
    value is 0. H has Miller and Madow's correction, and entropies are theirs.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> labels, noise = rng.integers(500, size=2000), rng.integers(5, size=2000)
        >>> abs(AdjustedPlugIn().estimate(labels, noise).value) < 0.03
        True
        >>> round(AdjustedPlugIn().estimate(labels, labels % 5).value, 2)  # log 5
        1.61

    Reference: Vinh, Epps and Bailey (2010), for u.
    """

    def histogram_entropy(self, histogram: Histogram) -> Any:
        """Return −Σ p log p + (k − 1) / 2n."""
        return histogram.miller_madow()

    def _entropy_error(self, histogram: Histogram, value: Any) -> Any:
        return histogram.error_of(value)

    def _information(self, margins: Margins, doubt: Doubt) -> tuple[Any, Any]:
        return doubt.adjusted, self._name


def expected_mutual_information(table: Any) -> float:
    """Return the plug-in information, in nats, that is expected if the labels of one variable are shuffled.

    Args:
        table: counts of pairs, integers [x, y].

    Raises:
        ValueError: not 2 axes.

    Example:
        >>> expected_mutual_information([[1, 0], [0, 1]])  # log 2, as every shuffled table has
        0.6931471805599453

    Reference: Vinh, Epps and Bailey (2010), equation 24a.
    """
    from sklearn.metrics.cluster import expected_mutual_information as expected

    counts = np.asarray(table)
    refuse(
        counts.ndim != 2,
        f"expected_mutual_information: counts of pairs are [x, y], got {list(counts.shape)}",
    )
    counts = counts[counts.any(axis=1)][:, counts.any(axis=0)].astype(np.int64)
    return float(expected(counts, int(counts.sum())))


def adjusted_mutual_information(x: Any, y: Any, *, yardstick: Yardstick = arithmetic_mean) -> float:
    """Return (I − E) / (yardstick(H(X), H(Y)) − E): 1 for the same groups, 0 on average by chance.

    E is the `expected_mutual_information`. The value may be below 0. Use it to compare groupings, and
    `AdjustedPlugIn` for how much one variable tells about another, with an error bar.

    Args:
        x: n labels of any hashable type, or rows [n, d]; so is `y`.
        yardstick: a function of the two entropies: `arithmetic_mean`, `geometric_mean`, `numpy.minimum`,
            `numpy.maximum` or another.

    Raises:
        ValueError: no samples, different lengths, missing values; the yardstick is not above E, as where each
            label occurs once, or where a variable is constant.

    Example:
        >>> adjusted_mutual_information(["a", "a", "b", "b"], [1, 1, 0, 0])
        1.0
        >>> round(adjusted_mutual_information([0, 0, 1, 1], [0, 0, 1, 2]), 4)
        0.5714

    Reference: Vinh, Epps and Bailey (2010), table 2.
    """
    name = "adjusted_mutual_information"
    table = _table(name, x, y)
    expected = expected_mutual_information(table)
    return _ratio(name, *_terms(table, yardstick), expected)


def normalized_information(x: Any, y: Any, *, yardstick: Yardstick = arithmetic_mean) -> float:
    """Return I / yardstick(H(X), H(Y)) of the relative frequencies, from 0 to 1, not adjusted for chance.

    It rises with the number of labels, also where nothing depends. From probabilities,
    `infomax.information.normalized_mutual_information` is the same.

    Args:
        x: n labels of any hashable type, or rows [n, d]; so is `y`.
        yardstick: as in `adjusted_mutual_information`.

    Raises:
        ValueError: no samples, different lengths, missing values; the yardstick is 0, as where a variable is
            constant.

    Example:
        >>> normalized_information(["a", "a", "b", "b"], [1, 1, 0, 0])
        1.0

    Reference: Vinh, Epps and Bailey (2010), table 2.
    """
    name = "normalized_information"
    return _ratio(name, *_terms(_table(name, x, y), yardstick), 0.0)


def _table(operation: str, x: Any, y: Any) -> np.ndarray:
    """Return counts of pairs [x, y]."""
    of_x, of_y = as_codes(operation, x=x, y=y)
    shape = int(of_x.max()) + 1, int(of_y.max()) + 1
    return np.bincount(of_x * shape[1] + of_y, minlength=shape[0] * shape[1]).reshape(shape)


def _terms(table: np.ndarray, yardstick: Yardstick) -> tuple[float, float]:
    """Return the plug-in information and the yardstick."""
    n = table.sum()
    h_x, h_y, h_xy = (
        float(entr(counts / n).sum()) for counts in (table.sum(axis=1), table.sum(axis=0), table)
    )
    return h_x + h_y - h_xy, float(yardstick(h_x, h_y))


def _ratio(operation: str, information: float, whole: float, expected: float) -> float:
    if not whole - expected > 1e-12:
        raise ValueError(
            f"{operation}: the entropies allow {whole:.4g} nats, and chance alone gives {expected:.4g}: "
            "0/0 has no value; leave out variables that are constant, or whose labels all differ"
        )
    return (information - expected) / (whole - expected)
