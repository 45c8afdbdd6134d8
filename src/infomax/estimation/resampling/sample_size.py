"""Sample-size curves: how an estimate depends on the number of samples, and its value for infinitely many.

    E Î(n) = I + b_n,   b_m = b_n (n/m)^p

Parts of m rows out of n have a larger bias b_m. The slope of Î(m) − Î(n) on (n/m)^p − 1, by weighted least
squares through 0, is therefore b_n, and Î(n) − b_n is the estimate for infinitely many rows. The parts of one
size make up the whole sample: the contribution of each row cancels in those differences, which are far more
precise than the estimates.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from infomax.errors import refuse
from infomax.estimation.estimate import Estimate, Estimator
from infomax.estimation.resampling.replicates import (
    JointSamples,
    check_number,
    on_one_core,
    part_size,
    replicates,
)

MIN_ERROR = 1e-9  # of a mean over parts, in nats; anything below is rounding


@dataclass(frozen=True, eq=False)
class SampleSizeCurve:
    """Estimates at several numbers of samples, and for infinitely many.

    Args:
        sizes: rows in a part, [s].
        values: nats; at each size, the mean over the parts of one shuffle, for each of several shuffles, [s,
            r].
        whole: the estimate of all rows.
        extrapolated: the estimate for infinitely many rows.
    """

    sizes: np.ndarray
    values: np.ndarray
    whole: Estimate
    extrapolated: Estimate

    @property
    def means(self) -> Float[np.ndarray, " s"]:
        """The mean estimate at each size, [s]."""
        return self.values.mean(axis=1)

    @property
    def spreads(self) -> Float[np.ndarray, " s"]:
        """The standard deviation over shuffles at each size, [s]; over new samples it would be larger."""
        return self.values.std(axis=1, ddof=1)


def sample_size_curve(
    x: Any,
    y: Any,
    estimator: Estimator,
    *,
    given: Any = None,
    fractions: Sequence[float] = (1 / 4, 1 / 3, 1 / 2),
    num_repeats: int = 20,
    power: float = 1.0,
    seed: int = 0,
    num_workers: int = -1,
) -> SampleSizeCurve:
    """Return estimates of parts of the samples, and their extrapolation to infinitely many.

    The bias is assumed to fall as n^{−p} from the smallest part on; where it falls more slowly, some of it
    remains. The standard error is the root mean square difference between this extrapolation and the same one
    from random halves of the rows. It contains the scatter, and the change of the extrapolation as n doubles,
    which is large where the assumption fails.

    Counting has p = 1 once most cells have been seen; `KSG` about 1 with one column each, about ½ with three.
    Mean error before and after over 60 samples, and in brackets the standard deviation of the latter, and the
    mean of its standard error:

    ===================================  ===  =======  ======  ==============
    samples                               p   before   after   (sd, error)
    ===================================  ===  =======  ======  ==============
    `PlugIn`, 4 × 4 table, n = 100       1    +0.042   −0.010  (0.081, 0.098)
    `MillerMadow`, the same              1    +0.001   −0.039  (0.080, 0.101)
    `KSG`, independent, n = 500          1    −0.003   −0.005  (0.043, 0.058)
    `KSG`, ρ = 0.75, n = 500             1    −0.003   −0.005  (0.049, 0.067)
    `KSG`, ρ = 0.9999, n = 500           1    −0.253   +0.000  (0.041, 0.205)
    `KSG`, 3-D, ρ = 0.9, n = 1,000       1    −0.316   −0.202  (0.045, 0.122)
    `KSG`, 3-D, ρ = 0.9, n = 1,000       ½    −0.316   +0.008  (0.055, 0.095)
    ===================================  ===  =======  ======  ==============

    An estimate without bias is better left as it is.

    Args:
        x: samples, as `estimator` takes them.
        y: samples.
        estimator: any object with ``estimate(x, y, given=…)``.
        given: samples of what is known already.
        fractions: sizes of the parts as shares of n, two or more; at most ½, so that no row is left out.
        num_repeats: shuffles that are cut into parts at each size, and random halves.
        power: p, the power of n by which the bias falls.
        seed: of shuffles and halves.
        num_workers: threads, −1 for all cores. The values do not depend on it.

    Raises:
        ValueError: fewer than two fractions, one that is not between 0 and 1, parts of fewer than 2 rows,
            fewer than 2 repeats, or a power of 0 or less.

    Example:
        >>> from infomax.estimation.counting.counts import PlugIn
        >>> x, y = np.random.default_rng(0).integers(4, size=(2, 400))  # 9 / 800 nats too much, on average
        >>> curve = sample_size_curve(x, y, PlugIn())
        >>> curve.means.round(3)
        array([0.048, 0.036, 0.024])
        >>> curve.whole
        0.0118 ± 0.0092 nats (PlugIn, n=400; biased: too high by about 0.011 nats)
        >>> curve.extrapolated
        -0.0001 ± 0.0096 nats (PlugIn, extrapolated, n=400)

    Reference: Strong, Koberle, de Ruyter van Steveninck and Bialek (1998); Treves and Panzeri (1995).
    """
    _check(fractions, power)
    check_number("sample_size_curve", "num_repeats", num_repeats)
    samples = JointSamples.of("sample_size_curve", x, y, given)
    sizes = _sizes(fractions, len(samples))
    whole = estimator.estimate(samples.x, samples.y, given=samples.given)
    alone = on_one_core(estimator)
    values = np.array(
        [
            replicates(_mean_over_parts(samples, size, alone), num_repeats, [seed, size], num_workers)
            for size in sizes
        ]
    )
    slope = _slope(np.array(sizes) / len(samples), values - whole.value, power)

    def extrapolated_half(rng: np.random.Generator) -> float:
        half = samples.take(rng.choice(len(samples), len(samples) // 2, replace=False))
        means = [_mean_over_parts(half, size, alone)(rng) for size in _sizes(fractions, len(half))]
        return _extrapolate(half.value(alone), np.array(means), slope)

    value = _extrapolate(whole.value, values.mean(axis=1), slope)
    changes = replicates(extrapolated_half, num_repeats, [seed], num_workers) - value
    extrapolated = Estimate(
        value,
        float(np.sqrt(np.mean(changes**2))),
        len(samples),
        kind=whole.kind,
        method=f"{whole.method}, extrapolated",
    )
    return SampleSizeCurve(np.array(sizes), values, whole, extrapolated)


def _mean_over_parts(
    samples: JointSamples, size: int, estimator: Estimator
) -> Callable[[np.random.Generator], float]:
    """Return the mean estimate of the parts into which a shuffle of the rows is cut, as a function of rng."""

    def mean(rng: np.random.Generator) -> float:
        order = rng.permutation(len(samples))
        parts = [order[start : start + size] for start in range(0, len(samples) - size + 1, size)]
        return float(np.mean([samples.take(rows).value(estimator) for rows in parts]))

    return mean


def _slope(fractions: np.ndarray, differences: np.ndarray, power: float) -> np.ndarray:
    """Return weights [s]: mean differences times these add up to their slope on (n/m)^p − 1, the bias."""
    growth = fractions**-power - 1
    errors = np.maximum(differences.std(axis=1, ddof=1) / np.sqrt(differences.shape[1]), MIN_ERROR)
    return growth / errors**2 / (growth**2 / errors**2).sum()


def _extrapolate(value: float, means: np.ndarray, slope: np.ndarray) -> float:
    return float(value - slope @ (means - value))


def _sizes(fractions: Sequence[float], num_samples: int) -> list[int]:
    return [part_size("sample_size_curve", fraction, num_samples) for fraction in fractions]


def _check(fractions: Sequence[float], power: float) -> None:
    refuse(
        len(set(fractions)) < 2,
        f"sample_size_curve: expected two or more fractions, got {tuple(fractions)}; one alone does not show "
        "whether the curve fits",
    )
    refuse(not power > 0, f"sample_size_curve: power must be above 0, got {power}; 1 is usual")
