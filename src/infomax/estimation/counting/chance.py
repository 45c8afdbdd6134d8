"""The plug-in information that chance alone gives: its mean where nothing depends, at fixed margins.

If two variables are independent, the count c of a pair of labels that occur a and b times among n samples is
hypergeometric, with mean λ = ab / n; and the plug-in information is on average

    E = Σ E[ c log(c / λ) ] / n,

the expected mutual information of Vinh, Epps and Bailey (2010). It is about (|X| − 1)(|Y| − 1) / 2n in a well
sampled table, and as large as an entropy where each label occurs once. Pairs with the same a and b have the
same term, so that the cost is at most that of 2n terms, whatever the number of labels. Given Z, E is the mean
over its labels.

The variance is that of c log(c / λ) − c + λ, summed over all pairs: the terms that are subtracted sum to 0,
and what is left of a pair hardly depends on the others.
"""

import numpy as np
from jaxtyping import Float, Shaped
from scipy.special import gammaln, xlogy

SMALL_MEAN = 12.0
"""Sums over c are taken up to this λ; above it a series in 1/λ, whose error is below 0.1 %."""

NEGLIGIBLE = 1e-10


def chance_of_tables(
    of_x: Shaped[np.ndarray, "m x 1"], of_y: Shaped[np.ndarray, "m 1 y"], of_all: Shaped[np.ndarray, "m 1 1"]
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Return E and the variance for each table, from its margins [m, x, 1], [m, 1, y] and [m, 1, 1]: [m].

    Example:
        >>> of_x, of_y, of_all = np.array([[[1], [1]]]), np.array([[[1, 1]]]), np.array([[[2]]])
        >>> chance_of_tables(of_x, of_y, of_all)[0].round(4)
        array([0.6931])
    """
    means, variances = _terms(of_x, of_y, of_all)
    n = of_all[:, 0, 0]
    return means.sum(axis=(1, 2)) / n, variances.sum(axis=(1, 2)) / n**2


def chance_of_groups(
    of_xz: np.ndarray, z_of_xz: np.ndarray, of_yz: np.ndarray, z_of_yz: np.ndarray, of_z: np.ndarray
) -> tuple[float, float]:
    """Return E and the variance of one table, given Z.

    Args:
        of_xz: how often each joint label (x, z) occurs; `z_of_xz` has its z. Likewise `of_yz`.
        of_z: how often each z occurs.
    """
    a, z_a, repeats_a = _distinct(of_xz, z_of_xz)
    b, z_b, repeats_b = _distinct(of_yz, z_of_yz)
    first, past = (np.searchsorted(z_b, z_a, side) for side in ("left", "right"))
    sizes = past - first  # how many b meet each a
    i = np.repeat(np.arange(len(a)), sizes)
    j = np.arange(len(i)) - np.repeat(np.cumsum(sizes) - sizes - first, sizes)
    times, n = repeats_a[i] * repeats_b[j], float(of_z.sum())
    means, variances = _terms(a[i], b[j], of_z[z_a[i]])
    return float(means @ times) / n, float(variances @ times) / n**2


def _distinct(counts: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the distinct pairs of a count and a z, in order of z, and how many there are of each."""
    order = np.lexsort((counts, z))
    counts, z = counts[order], z[order]
    starts = np.flatnonzero(np.append(True, (counts[1:] != counts[:-1]) | (z[1:] != z[:-1])))
    return counts[starts], z[starts], np.diff(np.append(starts, len(counts)))


def _terms(a: np.ndarray, b: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and variance of c log(c / λ) − c + λ, c hypergeometric; 0 where a or b is 0."""
    a, b, n = (np.asarray(count, dtype=float) for count in (a, b, n))
    mean = a * b / n
    large = mean >= SMALL_MEAN
    if large.all():
        return _series(a, b, n)
    means, variances = np.zeros(mean.shape), np.zeros(mean.shape)
    a, b, n = np.broadcast_arrays(a, b, n)
    means[large], variances[large] = _series(a[large], b[large], n[large])
    small = ~large & (mean > 0)
    if small.any():
        means[small], variances[small] = _sums_over_counts(a[small], b[small], n[small])
    return means, variances


def _series(a: np.ndarray, b: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return v / 2λ − μ₃ / 6λ² + v² / 4λ³, v the variance and μ₃ the third moment of c; and v² / 2λ²."""
    inverse = n / (a * b)
    relative = (n - a) / n * ((n - b) / np.maximum(n - 1, 1))  # v / λ
    skew = (n - 2 * a) / n * ((n - 2 * b) / np.maximum(n - 2, 1))  # μ₃ / v
    return relative * (1 / 2 + inverse * (relative / 4 - skew / 6)), relative**2 / 2


def _sums_over_counts(a: np.ndarray, b: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return sums over c, from the smallest possible one upwards, until all the rest is negligible."""
    c = np.maximum(a + b - n, 0)
    others = n - a - b + c
    log_ways = sum(gammaln(count + 1) for count in (a, b, n - a, n - b)) - gammaln(n + 1)
    p = np.exp(log_ways - sum(gammaln(count + 1) for count in (c, a - c, b - c, others)))
    mean = a * b / n
    log_mean = np.log(mean)
    total, squares, seen = np.zeros_like(c), np.zeros_like(c), np.zeros_like(c)
    while True:
        term = xlogy(c, c) - c * log_mean
        total += p * term
        squares += p * (term - c + mean) ** 2
        seen += p
        p = p * np.maximum(a - c, 0) * np.maximum(b - c, 0) / ((c + 1) * (others + 1))
        c, others = c + 1, others + 1
        if (p <= NEGLIGIBLE).all() and c.min() > SMALL_MEAN:
            total = total / seen
            return total, np.maximum(squares / seen - total**2, 0)
