"""The common part of counting estimators: samples or counts in, estimates with their cautions out."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int

from infomax.errors import refuse
from infomax.estimation.counting.doubt import MAX_ALONE, MAX_BIAS, Doubt, doubt_about
from infomax.estimation.counting.histograms import (
    Histogram,
    Margins,
    margins_of_cells,
    margins_of_tables,
)
from infomax.estimation.estimate import Estimate
from infomax.estimation.samples import as_codes, as_weights, check_whole, joint_codes, to_array
from infomax.ranges import Count


class Counting(ABC):
    """The common part of counting estimators, which differ in their value alone.

    Alphabets: `num_labels` is the number of possible labels of every variable, or a tuple of one number for
    each in the order x, y, given. None means as many as were seen (or as there are counts, zeros included). A
    joint variable has their product. Only `JamesStein` and `NSB` use it.

    Weights: labels occur as often as the sum of their weights says. For corrections and errors, the sums are
    scaled to the effective number of samples (Σ w)² / Σ w² (Kish), which `method` names. Rows of weight 0 are
    left out, of `local` too, whose mean by weight is the plug-in value.

    Standard errors include what the bias may be: `doubt` has the formula for information, and
    `Histogram.error_of` for entropies. `PlugIn` gives that of the sampling alone, and says where its bias
    exceeds a third of it ("biased"). An estimate is called "undersampled" where more than a third of the
    samples are alone with their labels.

    Coverage of 95 % intervals without a caution, in 1,008 settings of 100 samples each, drawn anew after the
    factors in `doubt` were chosen: 2 × 2 to 100 × 5 and 30 × 30 labels, equally frequent, by Zipf's law, or
    one of them nine times in ten; n from 50 to 10,000; independent, functions seen through noise of five
    strengths, functions, random conditional distributions. `PlugIn` has cautions in 76 % of them, the others
    in 12 %. Second line: how many settings are below 0.9 beyond the error of their repeats; they cover 0.73
    to 0.84, most where a twentieth of the samples are exceptions from a function.

    `PlugIn`  `MillerMadow`  `Grassberger`  `ChaoShen`  `JamesStein`  `AdjustedPlugIn`  `SuitedCounting`
    0.938     0.974          0.978          0.986       0.984         0.972             0.973
    7         6              1              0           0             5                 6
    """

    num_labels: Count | tuple[Count, ...] | None = None
    _corrects_bias: ClassVar[bool] = True

    @abstractmethod
    def histogram_entropy(self, histogram: Histogram) -> Any:
        """Return H in nats, of each histogram, where they are stacked."""

    @abstractmethod
    def _entropy_error(self, histogram: Histogram, value: Any) -> Any:
        """Return the standard error of an entropy."""

    @abstractmethod
    def _information(self, margins: Margins, doubt: Doubt) -> tuple[Any, Any]:
        """Return the information of one table or of each, and the name of the estimator behind it."""

    def entropy(self, x: Any, *, weights: Any = None) -> Estimate:
        """Return H(X) in nats, from n labels of any hashable type, or from rows [n, d].

        `local` is −log p of each sample.

        Args:
            x: labels.
            weights: of the samples, [n]; None for equal ones.

        Raises:
            ValueError: no samples, missing values, more labels than `num_labels`; weights below 0, not
                finite, or all 0.
        """
        codes, weights = as_weights(self._name, as_codes(self._name, x=x), weights)
        (cell_of,) = map(joint_codes, codes) if weights is None else map(_of_labels_left, codes)
        counts = _counts(cell_of, weights)
        local = np.log(counts.sum() / counts)[cell_of]
        return self._entropy(counts, self._sizes([len(counts)]), local, weights)

    def entropy_of_counts(self, counts: Any) -> Estimate:
        """Return H in nats, from how often each label occurs, zeros included: integers of any shape.

        Raises:
            ValueError: negative counts, fractions, or all 0; more labels than `num_labels`.
        """
        counts = _as_counts(self._name, counts).ravel()
        sizes = self._sizes([np.count_nonzero(counts)], default=[len(counts)])
        return self._entropy(counts[counts > 0], sizes, None, None)

    def estimate(self, x: Any, y: Any, *, given: Any = None, weights: Any = None) -> Estimate:
        """Return I(X;Y), or I(X;Y|given), in nats, from n labels each, of any hashable type, or rows [n, d].

        `local` is log p(x,y|z) / p(x|z) p(y|z) of each sample; its mean is the plug-in information.

        Args:
            x: labels; so are `y` and `given`.
            weights: of the samples, [n]; None for equal ones.

        Raises:
            ValueError: no samples, different lengths, missing values, more labels than `num_labels`; weights
                below 0, not finite, or all 0.
        """
        codes, weights = as_weights(self._name, as_codes(self._name, x=x, y=y, given=given), weights)
        codes = codes if weights is None else list(map(_of_labels_left, codes))
        sizes = self._sizes([int(code.max()) + 1 for code in codes])
        cell_of = joint_codes(*codes)
        counts = _counts(cell_of, weights)
        sample_in = np.empty(len(counts), dtype=np.intp)  # some sample in each cell
        sample_in[cell_of] = np.arange(len(cell_of))
        return self._of_cells(counts, [code[sample_in] for code in codes], sizes, cell_of, weights)

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
        return self._of_cells(table[tuple(codes)], codes, sizes, None, None)

    def information_of_cells(self, counts: Int[np.ndarray, " m"], *codes: Int[np.ndarray, " m"]) -> Estimate:
        """Return what `information_of_counts` gives, from the cells that are not empty alone.

        Args:
            counts: of these cells, above 0.
            codes: the codes of x and of y, and of z where it is given, in each of them.

        Raises:
            ValueError: no counts, or more labels than `num_labels`.
        """
        counts = _as_counts(self._name, counts)
        places = [np.unique(code, return_inverse=True) for code in codes]
        sizes = self._sizes([len(labels) for labels, _ in places])
        return self._of_cells(counts, [place for _, place in places], sizes, None, None)

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
            >>> from infomax.estimation.counting.counts import PlugIn
            >>> tables = [[[2, 0], [0, 2]], [[1, 1], [1, 1]]]
            >>> [found.bits for found in PlugIn().information_of_tables(tables)]
            [1.0, 0.0]
        """
        tables = _as_tables(self._name, tables)
        sizes = self._sizes(np.stack([tables.any(axis=other).sum(axis=1) for other in (2, 1)], axis=1))
        margins = margins_of_tables(tables, sizes)
        doubt = doubt_about(margins)
        values, names = self._information(margins, doubt)
        errors, biases = self._errors(values, doubt)
        num_samples = tables.sum(axis=(1, 2))
        cautions = _cautions(doubt.share_alone, biases, errors, num_samples)
        methods = [
            self._method(*about) for about in zip(sizes, np.broadcast_to(names, len(tables)), strict=True)
        ]
        columns = values.tolist(), errors.tolist(), num_samples.tolist(), methods, cautions
        return [
            Estimate(value, error, n, method=method, cautions=doubts)
            for value, error, n, method, doubts in zip(*columns, strict=True)
        ]

    def _entropy(
        self, counts: np.ndarray, sizes: np.ndarray, local: np.ndarray | None, weights: np.ndarray | None
    ) -> Estimate:
        histogram = Histogram(counts, sizes[0])
        value = self.histogram_entropy(histogram)
        error = self._entropy_error(histogram, value)
        better = np.maximum(histogram.miller_madow(), histogram.grassberger())
        bias = 0.0 if self._corrects_bias else value - better
        num_samples = int(counts.sum()) if weights is None else len(weights)
        (cautions,) = _cautions(*([part] for part in (histogram.share_alone, bias, error, num_samples)))
        method = self._method(sizes, self._name, weights)
        return Estimate(
            float(value), float(error), num_samples, method=method, local=local, cautions=cautions
        )

    def _of_cells(
        self,
        counts: np.ndarray,
        codes: list[np.ndarray],
        sizes: np.ndarray,
        cell_of: np.ndarray | None,
        weights: np.ndarray | None,
    ) -> Estimate:
        """Return the information of one table from its cells; `cell_of` has the cell of each sample."""
        margins = margins_of_cells(counts, codes, sizes)
        doubt = doubt_about(margins)
        value, name = self._information(margins, doubt)
        error, bias = self._errors(value, doubt)
        num_samples = int(counts.sum()) if weights is None else len(weights)
        (cautions,) = _cautions(*([part] for part in (doubt.share_alone, bias, error, num_samples)))
        return Estimate(
            float(value),
            float(error),
            num_samples,
            method=self._method(sizes, str(name), weights),
            local=None if cell_of is None else doubt.local[cell_of],
            cautions=cautions,
        )

    def _errors(self, values: Any, doubt: Doubt) -> tuple[Any, Any]:
        """Return standard errors, and the biases they leave out."""
        if self._corrects_bias:
            return doubt.error_of(values), np.zeros_like(values)
        return doubt.sampling_error, doubt.bias_of(values)

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _method(self, sizes: np.ndarray, name: str, weights: np.ndarray | None = None) -> str:
        matters = "num_labels" in vars(self)
        about = [name, f"K={'×'.join(map(str, sizes))}"] if matters else [name]
        if weights is not None:
            about.append(f"weights worth {len(weights) ** 2 / np.dot(weights, weights):.4g} samples")
        return ", ".join(about)

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


def by_chain_rule(counting: Counting, margins: Margins) -> Any:
    """Return H(X,Z) + H(Y,Z) − H(X,Y,Z) − H(Z), each by the same estimator."""
    histograms = margins.xz, margins.yz, margins.xyz, margins.z
    h_xz, h_yz, h_xyz, h_z = (counting.histogram_entropy(histogram) for histogram in histograms)
    return h_xz + h_yz - h_xyz - h_z


def _cautions(shares_alone: Any, biases: Any, errors: Any, num_samples: Any) -> list[tuple[str, ...]]:
    """Return the cautions of each estimate."""
    alone, biases, errors = np.asarray(shares_alone), np.asarray(biases), np.asarray(errors)
    found: list[tuple[str, ...]] = [()] * len(alone)
    doubtful = (alone > MAX_ALONE) | (np.abs(biases) > MAX_BIAS * errors)
    for k in np.flatnonzero(doubtful):
        of_one = []
        if alone[k] > MAX_ALONE:
            share = f"{alone[k]:.0%} of {num_samples[k]:,} samples"
            of_one.append(f"undersampled: {share} are the only ones with their labels")
        if abs(biases[k]) > MAX_BIAS * errors[k]:
            side = "high" if biases[k] > 0 else "low"
            of_one.append(f"biased: too {side} by about {abs(biases[k]):.2g} nats")
        found[k] = tuple(of_one)
    return found


# ---------------------------------------------------------------------------------------- checks


def check_num_labels(operation: str, num_labels: int | tuple[int, ...] | None) -> None:
    """Check that every alphabet is an integer of at least 1.

    Raises:
        ValueError: it is not.
    """
    sizes = num_labels if isinstance(num_labels, tuple) else () if num_labels is None else (num_labels,)
    for size in sizes:
        remedy = "it is the number of possible labels, or a tuple of one for each variable"
        check_whole(operation, "num_labels", size, least=1, remedy=remedy)


def _counts(cell_of: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Return how often each cell occurs; weighted, as many samples in all as the weights are worth."""
    if weights is None:
        return np.bincount(cell_of)
    return np.bincount(cell_of, weights=weights) * (len(weights) / np.dot(weights, weights))


def _of_labels_left(codes: np.ndarray) -> np.ndarray:
    """Return codes without gaps, where rows of weight 0 were left out."""
    return np.unique(codes, return_inverse=True)[1]


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
