"""Counting: entropy and information of labels, of any kind and number, from how often each occurs.

An estimator is a function of a histogram: counts of labels -> entropy, in nats. Information follows by the
chain rule, with the same function for every term,

    I(X;Y|Z) = H(X,Z) + H(Y,Z) − H(X,Y,Z) − H(Z),

where Z is a constant if nothing is given. A joint variable is a variable whose labels are tuples; only tuples
that occur are kept, so that memory grows with the number of samples, not with the alphabets.

Below, c are the counts of the k labels seen, n = Σ c, p = c / n, and K is the number of labels there are.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import digamma, xlog1py, xlogy

from infomax.estimation.estimate import Estimate
from infomax.estimation.nsb import posterior_entropy
from infomax.estimation.samples import as_codes, joint_codes, to_array

# ---------------------------------------------------------------------------------------- histograms


@dataclass(frozen=True, eq=False)
class Histogram:
    """How often each label seen occurs, and how many labels there are.

    Args:
        counts: c > 0, integers [k].
        num_labels: K ≥ k.
    """

    counts: np.ndarray
    num_labels: int

    @property
    def num_samples(self) -> int:
        """n = Σ c."""
        return int(self.counts.sum())

    def plug_in(self) -> float:
        """−Σ p log p."""
        return math.log(self.num_samples) - float(xlogy(self.counts, self.counts).sum()) / self.num_samples

    def sampling_error(self) -> float:
        """√( Var(log p) / n + (k − 1) / 2n² ), of the plug-in entropy (Harris 1975).

        The second term is what remains where all labels are equally frequent.
        """
        return _sampling_error(np.log(self.counts), self.counts, len(self.counts) - 1)


def _sampling_error(local: np.ndarray, counts: np.ndarray, degrees: int | float) -> float:
    """√( Var(local) / n + degrees / 2n² ): delta method, to second order, for a mean of pointwise values."""
    n = counts.sum()
    mean = counts @ local / n
    return math.sqrt(counts @ (local - mean) ** 2 / n**2 + degrees / (2 * n**2))


@dataclass(frozen=True, eq=False)
class _SparseTable:
    """The cells of a table that are not empty: how often each occurs, and where it lies on each axis."""

    counts: np.ndarray  # [cells]
    codes: list[np.ndarray]  # one [cells] for each axis
    num_labels: tuple[int, ...]  # of each axis

    def margin(self, *axes: int) -> tuple[Histogram, np.ndarray]:
        """The histogram of these axes together, and its count at every cell: [cells]."""
        num_labels = math.prod(self.num_labels[axis] for axis in axes)
        varying = [axis for axis in axes if self.num_labels[axis] > 1] or axes[:1]
        if len(varying) == sum(size > 1 for size in self.num_labels):  # the cells themselves
            return Histogram(self.counts, num_labels), self.counts
        codes = joint_codes(*(self.codes[axis] for axis in varying))
        counts = np.bincount(codes, weights=self.counts).astype(np.int64)
        return Histogram(counts[counts > 0], num_labels), counts[codes]


# ---------------------------------------------------------------------------------------- the mechanism


class Counting(ABC):
    """What counting estimators have in common; they differ in `histogram_entropy` alone.

    Alphabets: `num_labels` is the number of labels of every variable, or a tuple with one for each in the
    order x, y, given; None is as many as were seen (or as there are counts, zeros included). A joint variable
    has the product of them. Only `JamesStein` and `NSB` make use of it.

    Standard errors are those of the plug-in value by the delta method to second order, so that they do not
    vanish under independence; there they are too large, by a factor of up to √3. Where most labels, or pairs
    of labels, are seen once or twice, every estimator has a bias that they know nothing of, and a corrected
    value scatters more than they say.
    """

    num_labels: int | tuple[int, ...] | None = None

    @abstractmethod
    def histogram_entropy(self, histogram: Histogram) -> tuple[float, float]:
        """H and its standard error, in nats."""

    def entropy(self, x: Any) -> Estimate:
        """H(X) in nats, from n labels of any hashable kind, or from rows [n, d]; `local` is −log p of each.

        Raises: ValueError: no samples, missing values, more labels than `num_labels`.
        """
        (codes,) = as_codes(self._name, x=x)
        counts = np.bincount(codes)
        local = np.log(len(codes) / counts)[codes]
        return self._entropy(Histogram(counts, self._sizes([len(counts)])[0]), local)

    def entropy_of_counts(self, counts: Any) -> Estimate:
        """H in nats, from how often each label occurs, zeros included: integers of any shape.

        Raises: ValueError: negative, fractional, or all 0; more labels than `num_labels`.
        """
        counts = _as_counts(self._name, counts).ravel()
        seen = counts[counts > 0]
        sizes = self._sizes([len(seen)], default=[len(counts)])
        return self._entropy(Histogram(seen, sizes[0]), None)

    def estimate(self, x: Any, y: Any, *, given: Any = None) -> Estimate:
        """I(X;Y), or I(X;Y|given), in nats, from n labels each, of any hashable kind, or from rows [n, d].

        `local` is log p(x,y|z) / p(x|z) p(y|z) of each sample; its mean is the plug-in information.

        Raises: ValueError: no samples, unequal lengths, missing values, more labels than `num_labels`.
        """
        codes = as_codes(self._name, x=x, y=y, given=given)
        sizes = self._sizes([int(code.max()) + 1 for code in codes])
        cell_of = joint_codes(*codes)
        counts = np.bincount(cell_of)
        sample_in = np.empty(len(counts), dtype=np.intp)  # some sample in each cell
        sample_in[cell_of] = np.arange(len(cell_of))
        return self._information(_SparseTable(counts, [code[sample_in] for code in codes], sizes), cell_of)

    def information_of_counts(self, table: Any) -> Estimate:
        """I(X;Y), or I(X;Y|Z), in nats, from counts of the pairs [x, y] or of the triples [x, y, z].

        Raises: ValueError: not 2 or 3 axes; negative, fractional, or all 0; more labels than `num_labels`.
        """
        table = _as_counts(self._name, table)
        if table.ndim not in (2, 3):
            raise ValueError(
                f"{self._name}: information needs counts [x, y] or [x, y, z], got {list(table.shape)}; "
                "for an entropy call entropy_of_counts"
            )
        codes = list(np.nonzero(table))
        sizes = self._sizes([len(np.unique(code)) for code in codes], default=list(table.shape))
        return self._information(_SparseTable(table[tuple(codes)], codes, sizes), None)

    def _entropy(self, histogram: Histogram, local: np.ndarray | None) -> Estimate:
        value, error = self.histogram_entropy(histogram)
        method = self._method((histogram.num_labels,))
        return Estimate(value, error, histogram.num_samples, method=method, local=local)

    def _information(self, table: _SparseTable, cell_of: np.ndarray | None) -> Estimate:
        """The chain rule."""
        method = self._method(table.num_labels)
        if len(table.codes) == 2:  # Z is a constant
            table = _SparseTable(
                table.counts, [*table.codes, np.zeros_like(table.codes[0])], (*table.num_labels, 1)
            )
        margins = [table.margin(*axes) for axes in ((0, 2), (1, 2), (0, 1, 2), (2,))]
        h_xz, h_yz, h_xyz, h_z = (self.histogram_entropy(histogram)[0] for histogram, _ in margins)
        local, error = _pointwise(margins)
        return Estimate(
            h_xz + h_yz - h_xyz - h_z,
            error,
            int(table.counts.sum()),
            method=method,
            local=None if cell_of is None else local[cell_of],
        )

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _method(self, sizes: tuple[int, ...]) -> str:
        matters = "num_labels" in vars(self)
        return f"{self._name}, K={'×'.join(map(str, sizes))}" if matters else self._name

    def _sizes(self, num_seen: list[int], default: list[int] | None = None) -> tuple[int, ...]:
        """The alphabet of each variable."""
        sizes = self.num_labels
        if sizes is None:
            return tuple(default or num_seen)
        sizes = sizes if isinstance(sizes, tuple) else (sizes,) * len(num_seen)
        if len(sizes) != len(num_seen):
            raise ValueError(
                f"{self._name}: got num_labels for {len(sizes)} variables, expected {len(num_seen)}; "
                "give one number for each variable, or one for all"
            )
        if any(size < seen for size, seen in zip(sizes, num_seen, strict=True)):
            raise ValueError(
                f"{self._name}: num_labels = {self.num_labels}, but {' and '.join(map(str, num_seen))} "
                "different labels were seen; set it to the number of labels that are possible"
            )
        return sizes


def _pointwise(margins: list[tuple[Histogram, np.ndarray]]) -> tuple[np.ndarray, float]:
    """log p(x,y|z) / p(x|z) p(y|z) of every cell, and the standard error of the plug-in information.

    To second order Î − I is a mean of the first plus a quadratic form gᵀMg / 2n, where g is white noise over
    the k_xyz cells and M = P_xz + P_yz − P_z − 1, P being projections onto functions of the margins. Its
    variance is tr M² / 2n²: under independence (k_x − 1)(k_y − 1) / 2n², that of χ² / 2n; for Y = X, Harris'.
    """
    (xz, n_xz), (yz, n_yz), (xyz, n_xyz), (z, n_z) = margins
    k_xz, k_yz, k_xyz, k_z = (len(margin.counts) for margin in (xz, yz, xyz, z))
    local = np.log(n_xyz) + np.log(n_z) - np.log(n_xz) - np.log(n_yz)
    trace_of_product = float((n_xyz / n_xz * n_xyz / n_yz).sum()) - k_z  # of the projections within each z
    trace = k_xyz - k_xz - k_yz + k_z + 2 * trace_of_product
    return local, _sampling_error(local, n_xyz, max(trace, 0.0))  # below 0 by rounding alone


# ---------------------------------------------------------------------------------------- the estimators


@dataclass(frozen=True)
class PlugIn(Counting):
    """H = −Σ p log p, of the relative frequencies: the maximum-likelihood estimate.

    Low by about (K − 1) / 2n; information is high by (|X| − 1)(|Y| − 1) / 2n, so that it is to be trusted
    only where n is much greater than the number of cells.

    Example:
        >>> PlugIn().entropy(list("abacabad"))
        1.21 ± 0.25 nats (PlugIn, n=8)
        >>> PlugIn().estimate([0, 0, 1, 1], ["a", "a", "b", "b"]).bits
        1.0
    """

    def histogram_entropy(self, histogram: Histogram) -> tuple[float, float]:
        """−Σ p log p."""
        return histogram.plug_in(), histogram.sampling_error()


@dataclass(frozen=True)
class MillerMadow(Counting):
    """H = −Σ p log p + (k − 1) / 2n, k the number of labels seen: without the first term of the bias.

    Good once most labels have been seen; before that, still low.

    Example:
        >>> round(MillerMadow().entropy_of_counts([5, 5]).value, 4)  # log 2 + 0.05
        0.7431

    Reference: Miller (1955).
    """

    def histogram_entropy(self, histogram: Histogram) -> tuple[float, float]:
        """−Σ p log p + (k − 1) / 2n."""
        correction = (len(histogram.counts) - 1) / (2 * histogram.num_samples)
        return histogram.plug_in() + correction, histogram.sampling_error()


@dataclass(frozen=True)
class Grassberger(Counting):
    """H = ψ(n) − Σ p G(c),  G(c) = ψ(c) + ½ (−1)^c ( ψ((c+1)/2) − ψ(c/2) ); 0 if k = 1.

    Hardly biased where labels are seen several times, and less than the plug-in where many are rare. Odd and
    even counts scatter it by about √k / 2n, which its error leaves out: of two independent variables with two
    labels each, 95 % intervals hold 0 in 80 % of samples. ψ(n) is right for a fixed n; the paper's log n, for
    a Poisson number of samples, is greater by 1/2n.

    Example:
        >>> round(Grassberger().entropy_of_counts([10, 5, 3, 2, 1, 1]).value, 4)
        1.6531

    Reference: Grassberger (2003), Entropy estimates from insufficient samplings; Schürmann (2004).
    """

    def histogram_entropy(self, histogram: Histogram) -> tuple[float, float]:
        """ψ(n) − Σ p G(c)."""
        c, n = histogram.counts, histogram.num_samples
        if len(c) == 1:
            return 0.0, 0.0
        g = digamma(c) + (0.5 - c % 2) * (digamma((c + 1) / 2) - digamma(c / 2))
        return float(digamma(n) - c @ g / n), histogram.sampling_error()


@dataclass(frozen=True)
class ChaoShen(Counting):
    """H = −Σ q log q / (1 − (1 − q)^n),  q = C p,  C = 1 − f₁ / n, f₁ the number of labels seen once.

    C estimates the probability of the labels seen; the denominator is the probability of a label's being
    seen. For many rare labels. Where all samples differ, f₁ = n − 1 stands for n, as C = 0 has no entropy.

    Example:
        >>> round(ChaoShen().entropy_of_counts([4, 2, 1, 1]).value, 4)
        1.5784

    Reference: Chao and Shen (2003).
    """

    def histogram_entropy(self, histogram: Histogram) -> tuple[float, float]:
        """−Σ q log q / (1 − (1 − q)^n)."""
        c, n = histogram.counts, histogram.num_samples
        num_singletons = min(int((c == 1).sum()), n - 1)
        q = (1 - num_singletons / n) * c / n
        coverage = -np.expm1(xlog1py(n, -q))  # 1 − (1 − q)^n
        return -float((xlogy(q, q) / coverage).sum()), histogram.sampling_error()


@dataclass(frozen=True)
class JamesStein(Counting):
    """H = −Σ q log q over K labels,  q = λ/K + (1−λ) p,  λ = min(1, (1 − Σ p²) / (n−1) Σ (p − 1/K)²).

    Frequencies shrunk towards equal ones, as much as their noise calls for. Good where labels are in truth
    about equally frequent, high where few of them carry the probability; so information is low where most
    pairs are impossible and n is small. λ = 1 for a single sample.

    Args:
        num_labels: K of every variable, or a tuple in the order x, y, given; None: as many as were seen.
    Example:
        >>> round(JamesStein(num_labels=10).entropy_of_counts([10, 5, 3, 2, 1, 1]).value, 4)
        1.7848

    Reference: Hausser and Strimmer (2009).
    """

    num_labels: int | tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        _check_num_labels("JamesStein", self.num_labels)

    def histogram_entropy(self, histogram: Histogram) -> tuple[float, float]:
        """−Σ q log q."""
        p, size = histogram.counts / histogram.num_samples, histogram.num_labels
        num_unseen = size - len(p)
        noise = 1 - p @ p
        distance = ((p - 1 / size) ** 2).sum() + num_unseen / size**2
        signal = (histogram.num_samples - 1) * distance
        shrinkage = noise / signal if noise < signal else 1.0
        q, q_unseen = shrinkage / size + (1 - shrinkage) * p, shrinkage / size
        value = -xlogy(q, q).sum() - num_unseen * xlogy(q_unseen, q_unseen)
        return float(value), histogram.sampling_error()


@dataclass(frozen=True)
class NSB(Counting):
    """H = E[H | counts] under a prior nearly flat over entropies from 0 to log K.

    Often the best of these where n is near or below K. It needs K; as many labels as were seen is a poor
    guess where n is small. The error of an entropy is its posterior standard deviation. The error of
    information is that of the plug-in, as the posteriors of its four entropies are not of one model: too
    small where n is below the number of pairs (20 × 20 labels, n = 50: 95 % intervals cover in 70 %).
    Formulas in `nsb`.

    Args:
        num_labels: K of every variable, or a tuple in the order x, y, given; None: as many as were seen.
    Example:
        >>> counts = [4, 12, 4, 5, 3, 1, 5, 1, 2, 2, 2, 2, 11, 3, 4, 12, 12, 1, 2]
        >>> NSB(num_labels=100).entropy_of_counts(counts)
        2.81 ± 0.12 nats (NSB, K=100, n=88)

    Reference: Nemenman, Shafee and Bialek (2001).
    """

    num_labels: int | tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        _check_num_labels("NSB", self.num_labels)

    def histogram_entropy(self, histogram: Histogram) -> tuple[float, float]:
        """Posterior mean and standard deviation."""
        return posterior_entropy(histogram.counts, histogram.num_labels)


# ---------------------------------------------------------------------------------------- checks


def _check_num_labels(operation: str, num_labels: int | tuple[int, ...] | None) -> None:
    sizes = num_labels if isinstance(num_labels, tuple) else () if num_labels is None else (num_labels,)
    if any(size < 1 for size in sizes):
        raise ValueError(
            f"{operation}: num_labels must be at least 1, got {num_labels}; it counts the possible labels"
        )


def _as_counts(operation: str, counts: Any) -> np.ndarray:
    """Integers of the same shape."""
    array = to_array(counts)
    if array.dtype.kind not in "iuf":
        raise ValueError(
            f"{operation}: counts must be numbers, got {array.dtype}; for samples call entropy or estimate"
        )
    valid = np.isfinite(array) & (array >= 0) & (array == np.floor(array))
    if not valid.all():
        raise ValueError(
            f"{operation}: counts must be whole numbers, at least 0, got {array[~valid][0]}; "
            "for samples call entropy or estimate"
        )
    if array.sum() == 0:
        raise ValueError(f"{operation}: counts must not all be 0, got shape {list(array.shape)}; no samples?")
    return array.astype(np.int64)
