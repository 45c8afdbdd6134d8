"""Counting: entropy and information of labels, of any type and number, from how often each occurs.

An estimator is a function of a histogram: counts of labels to entropy, in nats. Information follows by the
chain rule, with the same function for every term,

    I(X;Y|Z) = H(X,Z) + H(Y,Z) − H(X,Y,Z) − H(Z),

where Z is a constant if nothing is given. A joint variable is a variable whose labels are tuples. Only tuples
that occur are kept: memory grows with the number of samples, not with the alphabets.

Below, c are the counts of the k labels seen, n = Σ c, p = c / n, and K is the number of possible labels.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import digamma, xlog1py, xlogy

from infomax.errors import refuse
from infomax.estimation.counting.nsb import posterior_entropy
from infomax.estimation.estimate import Estimate
from infomax.estimation.samples import as_codes, joint_codes, to_array

# ---------------------------------------------------------------------------------------- histograms


@dataclass(frozen=True, eq=False)
class Histogram:
    """How often each label occurs, and how many labels are possible; or a stack of such, one in each row.

    Args:
        counts: c, integers [..., labels]; 0 where a label was not seen.
        num_labels: K, at least the number of labels seen: [...].
    """

    counts: np.ndarray
    num_labels: Any

    @property
    def num_samples(self) -> Any:
        """n = Σ c."""
        return self.counts.sum(axis=-1)

    @property
    def num_seen(self) -> Any:
        """k = #{c > 0}."""
        return np.count_nonzero(self.counts, axis=-1)

    @property
    def probabilities(self) -> np.ndarray:
        """p = c / n."""
        return self.counts / self.counts.sum(axis=-1, keepdims=True)

    def plug_in(self) -> Any:
        """Return −Σ p log p."""
        return np.log(self.num_samples) - xlogy(self.counts, self.counts).sum(axis=-1) / self.num_samples

    def sampling_error(self) -> Any:
        """Return √( Var(log p) / n + (k − 1) / 2n² ), the standard error of `plug_in` (Harris 1975).

        The second term is the one that remains where all labels have the same frequency.
        """
        return _sampling_error(_log(self.counts), self.counts, self.num_seen - 1)


def _log(counts: np.ndarray) -> np.ndarray:
    """Return log c, and 0 where c = 0, which has no weight."""
    return np.log(np.maximum(counts, 1))


def _sampling_error(local: np.ndarray, counts: np.ndarray, degrees: Any) -> Any:
    """Return √( Var(local) / n + degrees / 2n² ): delta method to second order for a mean of local values."""
    n = counts.sum(axis=-1)
    deviations = local - (np.vecdot(counts, local) / n)[..., None]
    return np.sqrt(np.vecdot(counts, deviations**2) / n**2 + degrees / (2 * n**2))


Margins = list[tuple[Histogram, np.ndarray]]  # of xz, yz, xyz, z: the histogram, and its count for every cell


def _margins_of_tables(tables: np.ndarray, num_labels: np.ndarray) -> Margins:
    """Return the margins of tables [m, x, y] with alphabets [m, 2]: cells are [m, x · y], Z is a constant."""

    def margin(kept: list[int]) -> tuple[Histogram, np.ndarray]:
        gone = tuple(1 + axis for axis in (0, 1) if axis not in kept)
        summed = tables.sum(axis=gone, keepdims=True)
        histogram = Histogram(summed.reshape(len(tables), -1), num_labels[:, kept].prod(axis=1, dtype=float))
        return histogram, np.broadcast_to(summed, tables.shape).reshape(len(tables), -1)

    return [margin(kept) for kept in ([0], [1], [0, 1], [])]


def _margins_of_cells(counts: np.ndarray, codes: list[np.ndarray], num_labels: np.ndarray) -> Margins:
    """Return the margins of one table from its cells that are not empty.

    Args:
        counts: how often each cell occurs.
        codes: where each cell lies, on each axis.
        num_labels: of each axis.
    """
    varying = {axis for axis, code in enumerate(codes) if code.any()}

    def margin(kept: list[int]) -> tuple[Histogram, np.ndarray]:
        size = math.prod(num_labels[kept].tolist())
        if varying <= set(kept):  # the cells themselves
            return Histogram(counts, size), counts
        labels = [codes[axis] for axis in kept if axis in varying]
        joint = joint_codes(*labels) if labels else np.zeros_like(codes[0])
        summed = np.bincount(joint, weights=counts).astype(np.int64)
        return Histogram(summed, size), summed[joint]

    z = list(range(2, len(codes)))
    return [margin(kept) for kept in ([0, *z], [1, *z], [0, 1, *z], z)]


# ---------------------------------------------------------------------------------------- the mechanism


class Counting(ABC):
    """The common part of counting estimators, which differ in `histogram_entropy` alone.

    Alphabets: `num_labels` is the number of possible labels of every variable, or a tuple of one number for
    each in the order x, y, given. None means as many as were seen (or as there are counts, zeros included). A
    joint variable has their product. Only `JamesStein` and `NSB` use it.

    Standard errors are those of the plug-in value by the delta method to second order; they do not vanish
    under independence, where they are too large by a factor of up to √3. Where most labels, or pairs of
    labels, are seen once or twice, every estimator has a bias that the standard error does not include, and a
    corrected value scatters more than the standard error says.
    """

    num_labels: int | tuple[int, ...] | None = None

    @abstractmethod
    def histogram_entropy(self, histogram: Histogram) -> tuple[Any, Any]:
        """Return H and its standard error, in nats; of each histogram, where they are stacked."""

    def entropy(self, x: Any) -> Estimate:
        """Return H(X) in nats, from n labels of any hashable type, or from rows [n, d].

        `local` is −log p of each sample.

        Raises:
            ValueError: no samples, missing values, more labels than `num_labels`.
        """
        (codes,) = as_codes(self._name, x=x)
        counts = np.bincount(codes)
        local = np.log(len(codes) / counts)[codes]
        return self._entropy(counts, self._sizes([len(counts)]), local)

    def entropy_of_counts(self, counts: Any) -> Estimate:
        """Return H in nats, from how often each label occurs, zeros included: integers of any shape.

        Raises:
            ValueError: negative counts, fractions, or all 0; more labels than `num_labels`.
        """
        counts = _as_counts(self._name, counts).ravel()
        sizes = self._sizes([np.count_nonzero(counts)], default=[len(counts)])
        return self._entropy(counts[counts > 0], sizes, None)

    def estimate(self, x: Any, y: Any, *, given: Any = None) -> Estimate:
        """Return I(X;Y), or I(X;Y|given), in nats, from n labels each, of any hashable type, or rows [n, d].

        `local` is log p(x,y|z) / p(x|z) p(y|z) of each sample; its mean is the plug-in information.

        Raises:
            ValueError: no samples, different lengths, missing values, more labels than `num_labels`.
        """
        codes = as_codes(self._name, x=x, y=y, given=given)
        sizes = self._sizes([int(code.max()) + 1 for code in codes])
        cell_of = joint_codes(*codes)
        counts = np.bincount(cell_of)
        sample_in = np.empty(len(counts), dtype=np.intp)  # some sample in each cell
        sample_in[cell_of] = np.arange(len(cell_of))
        return self._of_cells(counts, [code[sample_in] for code in codes], sizes, cell_of)

    def information_of_counts(self, table: Any) -> Estimate:
        """Return I(X;Y), or I(X;Y|Z), in nats, from counts of the pairs [x, y] or of the triples [x, y, z].

        Raises:
            ValueError: not 2 or 3 axes; negative counts, fractions, or all 0; more labels than `num_labels`.
        """
        table = _as_counts(self._name, table)
        refuse(
            table.ndim not in (2, 3),
            f"{self._name}: information needs counts [x, y] or [x, y, z], got {list(table.shape)}; "
            "for an entropy call entropy_of_counts",
        )
        codes = list(np.nonzero(table))
        sizes = self._sizes([len(np.unique(code)) for code in codes], default=table.shape)
        return self._of_cells(table[tuple(codes)], codes, sizes, None)

    def information_of_tables(self, tables: Any) -> list[Estimate]:
        """Return I(X;Y) in nats of many tables at once, each as `information_of_counts` gives it.

        There is one difference: the labels are those that occur in a table. Empty rows and columns only pad
        it to the shape of the others.

        Args:
            tables: counts of pairs, integers [m, x, y].

        Raises:
            ValueError: not 3 axes; a table with negative counts, fractions, or all 0, or with more labels
                than `num_labels`.

        Example:
            >>> tables = [[[2, 0], [0, 2]], [[1, 1], [1, 1]]]
            >>> [found.bits for found in PlugIn().information_of_tables(tables)]
            [1.0, 0.0]
        """
        tables = _as_tables(self._name, tables)
        sizes = self._sizes(np.stack([tables.any(axis=other).sum(axis=1) for other in (2, 1)], axis=1))
        values, errors, _ = self._information(_margins_of_tables(tables, sizes))
        columns = values.tolist(), errors.tolist(), tables.sum(axis=(1, 2)).tolist(), sizes
        return [Estimate(v, e, n, method=self._method(k)) for v, e, n, k in zip(*columns, strict=True)]

    def _entropy(self, counts: np.ndarray, sizes: np.ndarray, local: np.ndarray | None) -> Estimate:
        value, error = self.histogram_entropy(Histogram(counts, sizes[0]))
        return Estimate(
            float(value), float(error), int(counts.sum()), method=self._method(sizes), local=local
        )

    def _of_cells(
        self, counts: np.ndarray, codes: list[np.ndarray], sizes: np.ndarray, cell_of: np.ndarray | None
    ) -> Estimate:
        """Return the information of one table from its cells; `cell_of` has the cell of each sample."""
        value, error, local = self._information(_margins_of_cells(counts, codes, sizes))
        samples = None if cell_of is None else local[cell_of]
        return Estimate(
            float(value), float(error), int(counts.sum()), method=self._method(sizes), local=samples
        )

    def _information(self, margins: Margins) -> tuple[Any, Any, np.ndarray]:
        """Return the value by the chain rule, its standard error, and the pointwise values of the cells."""
        h_xz, h_yz, h_xyz, h_z = (self.histogram_entropy(histogram)[0] for histogram, _ in margins)
        local, error = _pointwise(margins)
        return h_xz + h_yz - h_xyz - h_z, error, local

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _method(self, sizes: np.ndarray) -> str:
        matters = "num_labels" in vars(self)
        return f"{self._name}, K={'×'.join(map(str, sizes))}" if matters else self._name

    def _sizes(self, num_seen: Any, default: Any = None) -> np.ndarray:
        """Return the alphabet of each variable: [..., variables]."""
        num_seen = np.asarray(num_seen)
        if self.num_labels is None:
            return num_seen if default is None else np.asarray(default)
        num_variables = num_seen.shape[-1]
        sizes = self.num_labels
        sizes = sizes if isinstance(sizes, tuple) else (sizes,) * num_variables
        refuse(
            len(sizes) != num_variables,
            f"{self._name}: got num_labels for {len(sizes)} variables, expected {num_variables}; "
            "give one number for each variable, or one for all",
        )
        too_few = (num_seen > sizes).any(axis=-1)
        if too_few.any():
            raise ValueError(
                f"{self._name}: num_labels = {self.num_labels}, but "
                f"{' and '.join(map(str, num_seen[too_few][0]))} "
                "different labels were seen; set it to the number of labels that are possible"
            )
        return np.broadcast_to(sizes, num_seen.shape)


def _pointwise(margins: Margins) -> tuple[np.ndarray, Any]:
    """Return log p(x,y|z) / p(x|z) p(y|z) of every cell, and the standard error of the plug-in information.

    To second order, Î − I is a mean of these values plus a quadratic form gᵀMg / 2n. g is white noise over
    the k_xyz cells, and M = P_xz + P_yz − P_z − 1, where P are projections onto functions of the margins. Its
    variance is tr M² / 2n²: (k_x − 1)(k_y − 1) / 2n² under independence, which is that of χ² / 2n; and
    Harris's for Y = X.
    """
    (xz, n_xz), (yz, n_yz), (xyz, n_xyz), (z, n_z) = margins
    of_both = n_xyz / np.maximum(n_xz, 1) * n_xyz / np.maximum(n_yz, 1)
    trace_of_product = of_both.sum(axis=-1) - z.num_seen  # tr P_xz P_yz − tr P_z
    trace = xyz.num_seen - xz.num_seen - yz.num_seen + z.num_seen + 2 * trace_of_product
    local = _log(n_xyz) + _log(n_z) - _log(n_xz) - _log(n_yz)
    return local, _sampling_error(local, n_xyz, np.maximum(trace, 0.0))  # below 0 only by rounding


# ---------------------------------------------------------------------------------------- the estimators


@dataclass(frozen=True)
class PlugIn(Counting):
    """H = −Σ p log p, of the relative frequencies: the maximum-likelihood estimate.

    Too low by about (K − 1) / 2n. Information is too high by (|X| − 1)(|Y| − 1) / 2n, and is reliable only
    where n is much larger than the number of cells.

    Example:
        >>> PlugIn().entropy(list("abacabad"))
        1.21 ± 0.25 nats (PlugIn, n=8)
        >>> PlugIn().estimate([0, 0, 1, 1], ["a", "a", "b", "b"]).bits
        1.0
    """

    def histogram_entropy(self, histogram: Histogram) -> tuple[Any, Any]:
        """Return −Σ p log p."""
        return histogram.plug_in(), histogram.sampling_error()


@dataclass(frozen=True)
class MillerMadow(Counting):
    """H = −Σ p log p + (k − 1) / 2n, k the number of labels seen: without the first term of the bias.

    Good once most labels have been seen; before that, still too low.

    Example:
        >>> round(MillerMadow().entropy_of_counts([5, 5]).value, 4)  # log 2 + 0.05
        0.7431

    Reference: Miller (1955).
    """

    def histogram_entropy(self, histogram: Histogram) -> tuple[Any, Any]:
        """Return −Σ p log p + (k − 1) / 2n."""
        correction = (histogram.num_seen - 1) / (2 * histogram.num_samples)
        return histogram.plug_in() + correction, histogram.sampling_error()


@dataclass(frozen=True)
class Grassberger(Counting):
    """H = ψ(n) − Σ p G(c),  G(c) = ψ(c) + ½ (−1)^c ( ψ((c+1)/2) − ψ(c/2) ); 0 if k = 1.

    Nearly unbiased where labels are seen several times, and less biased than the plug-in where many are rare.
    Odd and even counts scatter it by about √k / 2n, which its standard error leaves out: for two independent
    variables with two labels each, 95 % intervals contain 0 in 80 % of samples. ψ(n) is right for a fixed n;
    the paper's log n, which is larger by 1/2n, is for a Poisson number of samples.

    Example:
        >>> round(Grassberger().entropy_of_counts([10, 5, 3, 2, 1, 1]).value, 4)
        1.6531

    Reference: Grassberger (2003), Entropy estimates from insufficient samplings; Schürmann (2004).
    """

    def histogram_entropy(self, histogram: Histogram) -> tuple[Any, Any]:
        """Return ψ(n) − Σ p G(c)."""
        c = np.maximum(histogram.counts, 1)  # labels not seen have p = 0
        g = digamma(c) + (0.5 - c % 2) * (digamma((c + 1) / 2) - digamma(c / 2))
        value = digamma(histogram.num_samples) - np.vecdot(histogram.probabilities, g)
        return np.where(histogram.num_seen > 1, value, 0.0), histogram.sampling_error()


@dataclass(frozen=True)
class ChaoShen(Counting):
    """H = −Σ q log q / (1 − (1 − q)^n),  q = C p,  C = 1 − f₁ / n, f₁ the number of labels seen once.

    C estimates the total probability of the labels seen; the denominator is the probability that a label is
    seen. For many rare labels. Where all samples differ, f₁ is taken as n − 1 instead of n, because C = 0 has
    no entropy.

    Example:
        >>> round(ChaoShen().entropy_of_counts([4, 2, 1, 1]).value, 4)
        1.5784

    Reference: Chao and Shen (2003).
    """

    def histogram_entropy(self, histogram: Histogram) -> tuple[Any, Any]:
        """Return −Σ q log q / (1 − (1 − q)^n)."""
        c, n = histogram.counts, histogram.num_samples
        num_singletons = np.minimum((c == 1).sum(axis=-1), n - 1)
        q = (1 - num_singletons / n)[..., None] * histogram.probabilities
        coverage = -np.expm1(xlog1py(n[..., None], -q))  # 1 − (1 − q)^n
        terms = np.divide(xlogy(q, q), coverage, out=np.zeros_like(q), where=c > 0)
        return -terms.sum(axis=-1), histogram.sampling_error()


@dataclass(frozen=True)
class JamesStein(Counting):
    """H = −Σ q log q over K labels,  q = λ/K + (1−λ) p,  λ = min(1, (1 − Σ p²) / (n−1) (Σ p² − 1/K)).

    Frequencies are shrunk towards equal ones, by as much as their noise requires. Good where labels are about
    equally frequent; too high where few of them have most of the probability. Information is then too low
    where most pairs are impossible and n is small. λ = 1 for a single sample.

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

    def histogram_entropy(self, histogram: Histogram) -> tuple[Any, Any]:
        """Return −Σ q log q."""
        p, size = histogram.probabilities, np.asarray(histogram.num_labels, dtype=float)
        noise = 1 - np.vecdot(p, p)
        signal = (histogram.num_samples - 1) * (np.vecdot(p, p) - 1 / size)
        shrinkage = np.divide(noise, signal, out=np.ones_like(signal), where=noise < signal)
        q_unseen = shrinkage / size
        q = q_unseen[..., None] + (1 - shrinkage)[..., None] * p
        num_others = size - p.shape[-1]  # labels beyond those that p has
        return -xlogy(q, q).sum(axis=-1) - num_others * xlogy(q_unseen, q_unseen), histogram.sampling_error()


@dataclass(frozen=True)
class NSB(Counting):
    """H = E[H | counts], with a prior that is nearly flat over entropies from 0 to log K.

    Often the best of these where n is near or below K. It needs K; the number of labels seen is a poor guess
    where n is small. The standard error of an entropy is its posterior standard deviation. That of
    information is the one of the plug-in, because the posteriors of its four entropies belong to different
    models; it is too small where n is below the number of pairs (20 × 20 labels, n = 50: 95 % intervals
    contain the truth in 70 %). `nsb` has the formulas.

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

    def histogram_entropy(self, histogram: Histogram) -> tuple[Any, Any]:
        """Return posterior mean and standard deviation."""
        rows = np.atleast_2d(histogram.counts)
        sizes = np.broadcast_to(histogram.num_labels, len(rows))
        found = [posterior_entropy(c[c > 0], int(k)) for c, k in zip(rows, sizes, strict=True)]
        means, deviations = np.reshape(found, (*histogram.counts.shape[:-1], 2)).T
        return means, deviations


# ---------------------------------------------------------------------------------------- checks


def _check_num_labels(operation: str, num_labels: int | tuple[int, ...] | None) -> None:
    sizes = num_labels if isinstance(num_labels, tuple) else () if num_labels is None else (num_labels,)
    refuse(
        any(size < 1 for size in sizes),
        f"{operation}: num_labels must be at least 1, got {num_labels}; it is the number of possible labels",
    )


def _as_tables(operation: str, tables: Any) -> np.ndarray:
    """Return integers of the same shape [m, x, y]."""
    tables = _as_counts(operation, tables)
    refuse(
        tables.ndim != 3,
        f"{operation}: many tables are counts [m, x, y], got {list(tables.shape)}; "
        "for one table call information_of_counts",
    )
    empty = ~tables.any(axis=(1, 2))
    refuse(
        empty.any(),
        f"{operation}: counts must not all be 0, as in {int(empty.sum())} of {len(tables)} tables; "
        "leave out tables without samples",
    )
    return tables


def _as_counts(operation: str, counts: Any) -> np.ndarray:
    """Return integers of the same shape."""
    array = to_array(counts)
    refuse(
        array.dtype.kind not in "iuf",
        f"{operation}: counts must be numbers, got {array.dtype}; for samples call entropy or estimate",
    )
    valid = np.isfinite(array) & (array >= 0) & (array == np.floor(array))
    if not valid.all():
        raise ValueError(
            f"{operation}: counts must be whole numbers, at least 0, got {array[~valid][0]}; "
            "for samples call entropy or estimate"
        )
    refuse(
        array.sum() == 0,
        f"{operation}: counts must not all be 0, got shape {list(array.shape)}; no samples?",
    )
    return array.astype(np.int64)
