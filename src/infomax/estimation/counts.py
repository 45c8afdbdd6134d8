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
    """How often each label occurs, and how many labels there are; or stacks of such, one a row.

    Args:
        counts: c, integers [..., labels]; 0 where a label was not seen.
        num_labels: K, at least as many as were seen: [...].
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
        """−Σ p log p."""
        return np.log(self.num_samples) - xlogy(self.counts, self.counts).sum(axis=-1) / self.num_samples

    def sampling_error(self) -> Any:
        """√( Var(log p) / n + (k − 1) / 2n² ), of the plug-in entropy (Harris 1975).

        The second term is what remains where all labels are equally frequent.
        """
        return _sampling_error(_log(self.counts), self.counts, self.num_seen - 1)


def _log(counts: np.ndarray) -> np.ndarray:
    """log c; 0 where c = 0, which has no weight."""
    return np.log(np.maximum(counts, 1))


def _sampling_error(local: np.ndarray, counts: np.ndarray, degrees: Any) -> Any:
    """√( Var(local) / n + degrees / 2n² ): delta method, to second order, for a mean of pointwise values."""
    n = counts.sum(axis=-1)
    deviations = local - (np.vecdot(counts, local) / n)[..., None]
    return np.sqrt(np.vecdot(counts, deviations**2) / n**2 + degrees / (2 * n**2))


Margins = list[tuple[Histogram, np.ndarray]]  # of xz, yz, xyz, z: the histogram, and its count at every cell


def _margins_of_tables(tables: np.ndarray, num_labels: np.ndarray) -> Margins:
    """Of tables [m, x, y], alphabets [m, 2]: cells are [m, x · y], and Z is a constant."""

    def margin(kept: list[int]) -> tuple[Histogram, np.ndarray]:
        gone = tuple(1 + axis for axis in (0, 1) if axis not in kept)
        summed = tables.sum(axis=gone, keepdims=True)
        histogram = Histogram(summed.reshape(len(tables), -1), num_labels[:, kept].prod(axis=1, dtype=float))
        return histogram, np.broadcast_to(summed, tables.shape).reshape(len(tables), -1)

    return [margin(kept) for kept in ([0], [1], [0, 1], [])]


def _margins_of_cells(counts: np.ndarray, codes: list[np.ndarray], num_labels: np.ndarray) -> Margins:
    """Of one table by the cells that are not empty: how often each occurs, and where it lies on each axis."""
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
    def histogram_entropy(self, histogram: Histogram) -> tuple[Any, Any]:
        """H and its standard error, in nats: of each histogram, where they are stacked."""

    def entropy(self, x: Any) -> Estimate:
        """H(X) in nats, from n labels of any hashable kind, or from rows [n, d]; `local` is −log p of each.

        Raises:
            ValueError: no samples, missing values, more labels than `num_labels`.
        """
        (codes,) = as_codes(self._name, x=x)
        counts = np.bincount(codes)
        local = np.log(len(codes) / counts)[codes]
        return self._entropy(counts, self._sizes([len(counts)]), local)

    def entropy_of_counts(self, counts: Any) -> Estimate:
        """H in nats, from how often each label occurs, zeros included: integers of any shape.

        Raises:
            ValueError: negative, fractional, or all 0; more labels than `num_labels`.
        """
        counts = _as_counts(self._name, counts).ravel()
        sizes = self._sizes([np.count_nonzero(counts)], default=[len(counts)])
        return self._entropy(counts[counts > 0], sizes, None)

    def estimate(self, x: Any, y: Any, *, given: Any = None) -> Estimate:
        """I(X;Y), or I(X;Y|given), in nats, from n labels each, of any hashable kind, or from rows [n, d].

        `local` is log p(x,y|z) / p(x|z) p(y|z) of each sample; its mean is the plug-in information.

        Raises:
            ValueError: no samples, unequal lengths, missing values, more labels than `num_labels`.
        """
        codes = as_codes(self._name, x=x, y=y, given=given)
        sizes = self._sizes([int(code.max()) + 1 for code in codes])
        cell_of = joint_codes(*codes)
        counts = np.bincount(cell_of)
        sample_in = np.empty(len(counts), dtype=np.intp)  # some sample in each cell
        sample_in[cell_of] = np.arange(len(cell_of))
        return self._of_cells(counts, [code[sample_in] for code in codes], sizes, cell_of)

    def information_of_counts(self, table: Any) -> Estimate:
        """I(X;Y), or I(X;Y|Z), in nats, from counts of the pairs [x, y] or of the triples [x, y, z].

        Raises:
            ValueError: not 2 or 3 axes; negative, fractional, or all 0; more labels than `num_labels`.
        """
        table = _as_counts(self._name, table)
        if table.ndim not in (2, 3):
            raise ValueError(
                f"{self._name}: information needs counts [x, y] or [x, y, z], got {list(table.shape)}; "
                "for an entropy call entropy_of_counts"
            )
        codes = list(np.nonzero(table))
        sizes = self._sizes([len(np.unique(code)) for code in codes], default=table.shape)
        return self._of_cells(table[tuple(codes)], codes, sizes, None)

    def information_of_tables(self, tables: Any) -> list[Estimate]:
        """I(X;Y) in nats of many tables at once, each as `information_of_counts` gives it.

        But labels are those that occur in a table: where rows or columns of it are empty, they only fill it
        up to the shape of the others.

        Args:
            tables: counts of pairs, integers [m, x, y].

        Raises:
            ValueError: not 3 axes; a table of counts that are negative, fractional, or all 0, or with more
                labels than `num_labels`.

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
        """Of one table by its cells; local values, if it is known in which cell each sample lies."""
        value, error, local = self._information(_margins_of_cells(counts, codes, sizes))
        samples = None if cell_of is None else local[cell_of]
        return Estimate(
            float(value), float(error), int(counts.sum()), method=self._method(sizes), local=samples
        )

    def _information(self, margins: Margins) -> tuple[Any, Any, np.ndarray]:
        """The chain rule; its standard error; and the pointwise values of the cells."""
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
        """The alphabet of each variable: [..., variables]."""
        num_seen = np.asarray(num_seen)
        if self.num_labels is None:
            return num_seen if default is None else np.asarray(default)
        num_variables = num_seen.shape[-1]
        sizes = self.num_labels
        sizes = sizes if isinstance(sizes, tuple) else (sizes,) * num_variables
        if len(sizes) != num_variables:
            raise ValueError(
                f"{self._name}: got num_labels for {len(sizes)} variables, expected {num_variables}; "
                "give one number for each variable, or one for all"
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
    """log p(x,y|z) / p(x|z) p(y|z) of every cell, and the standard error of the plug-in information.

    To second order Î − I is a mean of the first plus a quadratic form gᵀMg / 2n, where g is white noise over
    the k_xyz cells and M = P_xz + P_yz − P_z − 1, P being projections onto functions of the margins. Its
    variance is tr M² / 2n²: under independence (k_x − 1)(k_y − 1) / 2n², that of χ² / 2n; for Y = X, Harris'.
    """
    (xz, n_xz), (yz, n_yz), (xyz, n_xyz), (z, n_z) = margins
    of_both = n_xyz / np.maximum(n_xz, 1) * n_xyz / np.maximum(n_yz, 1)
    trace_of_product = of_both.sum(axis=-1) - z.num_seen  # of the projections within each z
    trace = xyz.num_seen - xz.num_seen - yz.num_seen + z.num_seen + 2 * trace_of_product
    local = _log(n_xyz) + _log(n_z) - _log(n_xz) - _log(n_yz)
    return local, _sampling_error(local, n_xyz, np.maximum(trace, 0.0))  # below 0 by rounding alone


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

    def histogram_entropy(self, histogram: Histogram) -> tuple[Any, Any]:
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

    def histogram_entropy(self, histogram: Histogram) -> tuple[Any, Any]:
        """−Σ p log p + (k − 1) / 2n."""
        correction = (histogram.num_seen - 1) / (2 * histogram.num_samples)
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

    def histogram_entropy(self, histogram: Histogram) -> tuple[Any, Any]:
        """ψ(n) − Σ p G(c)."""
        c = np.maximum(histogram.counts, 1)  # labels that were not seen have p = 0
        g = digamma(c) + (0.5 - c % 2) * (digamma((c + 1) / 2) - digamma(c / 2))
        value = digamma(histogram.num_samples) - np.vecdot(histogram.probabilities, g)
        return np.where(histogram.num_seen > 1, value, 0.0), histogram.sampling_error()


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

    def histogram_entropy(self, histogram: Histogram) -> tuple[Any, Any]:
        """−Σ q log q / (1 − (1 − q)^n)."""
        c, n = histogram.counts, histogram.num_samples
        num_singletons = np.minimum((c == 1).sum(axis=-1), n - 1)
        q = (1 - num_singletons / n)[..., None] * histogram.probabilities
        coverage = -np.expm1(xlog1py(n[..., None], -q))  # 1 − (1 − q)^n
        terms = np.divide(xlogy(q, q), coverage, out=np.zeros_like(q), where=c > 0)
        return -terms.sum(axis=-1), histogram.sampling_error()


@dataclass(frozen=True)
class JamesStein(Counting):
    """H = −Σ q log q over K labels,  q = λ/K + (1−λ) p,  λ = min(1, (1 − Σ p²) / (n−1) (Σ p² − 1/K)).

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

    def histogram_entropy(self, histogram: Histogram) -> tuple[Any, Any]:
        """−Σ q log q."""
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

    def histogram_entropy(self, histogram: Histogram) -> tuple[Any, Any]:
        """Posterior mean and standard deviation."""
        rows = np.atleast_2d(histogram.counts)
        sizes = np.broadcast_to(histogram.num_labels, len(rows))
        found = [posterior_entropy(c[c > 0], int(k)) for c, k in zip(rows, sizes, strict=True)]
        means, deviations = np.reshape(found, (*histogram.counts.shape[:-1], 2)).T
        return means, deviations


# ---------------------------------------------------------------------------------------- checks


def _check_num_labels(operation: str, num_labels: int | tuple[int, ...] | None) -> None:
    sizes = num_labels if isinstance(num_labels, tuple) else () if num_labels is None else (num_labels,)
    if any(size < 1 for size in sizes):
        raise ValueError(
            f"{operation}: num_labels must be at least 1, got {num_labels}; it counts the possible labels"
        )


def _as_tables(operation: str, tables: Any) -> np.ndarray:
    """Integers of the same shape [m, x, y]."""
    tables = _as_counts(operation, tables)
    if tables.ndim != 3:
        raise ValueError(
            f"{operation}: many tables are counts [m, x, y], got {list(tables.shape)}; "
            "for one table call information_of_counts"
        )
    empty = ~tables.any(axis=(1, 2))
    if empty.any():
        raise ValueError(
            f"{operation}: counts must not all be 0, as in {int(empty.sum())} of {len(tables)} tables; "
            "leave out tables without samples"
        )
    return tables


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
