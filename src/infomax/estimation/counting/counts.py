"""Counting: entropy and information of labels, of any type and number, from how often each occurs.

An estimator is a function of a histogram: counts of labels to entropy, in nats. Information follows by the
chain rule, with the same function for every term,

    I(X;Y|Z) = H(X,Z) + H(Y,Z) − H(X,Y,Z) − H(Z),

where Z is a constant if nothing is given. A joint variable is a variable whose labels are tuples. Only tuples
that occur are kept: memory grows with the number of samples, not with the alphabets.

Below, c are the counts of the k labels seen, n = Σ c, p = c / n, and K is the number of possible labels.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import xlog1py, xlogy

from infomax.estimation.counting.doubt import Doubt
from infomax.estimation.counting.histograms import Histogram, Margins
from infomax.estimation.counting.mechanism import Counting, by_chain_rule, check_num_labels
from infomax.estimation.counting.nsb import posterior_entropy
from infomax.ranges import Count


@dataclass(frozen=True)
class PlugIn(Counting):
    """H = −Σ p log p, of the relative frequencies: the maximum-likelihood estimate.

    Too low by about (K − 1) / 2n. Information is too high by (|X| − 1)(|Y| − 1) / 2n where nothing depends,
    and is reliable only where n is much larger than the number of cells. An estimate says where its bias
    exceeds a third of the standard error, which is that of the sampling alone.

    Example:
        >>> PlugIn().entropy(list("abacabad"))
        1.21 ± 0.25 nats (PlugIn, n=8; biased: too low by about 0.24 nats)
        >>> PlugIn().estimate([0, 0, 1, 1], ["a", "a", "b", "b"]).bits
        1.0
    """

    _corrects_bias = False

    def histogram_entropy(self, histogram: Histogram) -> Any:
        """Return −Σ p log p."""
        return histogram.plug_in()

    def _entropy_error(self, histogram: Histogram, value: Any) -> Any:
        return histogram.sampling_error()

    def _information(self, margins: Margins, doubt: Doubt) -> tuple[Any, Any]:
        return by_chain_rule(self, margins), self._name


@dataclass(frozen=True)
class MillerMadow(Counting):
    """H = −Σ p log p + (k − 1) / 2n, k the number of labels seen: without the first term of the bias.

    Good once most labels have been seen; before that, still too low.

    Example:
        >>> round(MillerMadow().entropy_of_counts([5, 5]).value, 4)  # log 2 + 0.05
        0.7431

    Reference: Miller (1955).
    """

    def histogram_entropy(self, histogram: Histogram) -> Any:
        """Return −Σ p log p + (k − 1) / 2n."""
        return histogram.miller_madow()

    def _entropy_error(self, histogram: Histogram, value: Any) -> Any:
        return histogram.error_of(value)

    def _information(self, margins: Margins, doubt: Doubt) -> tuple[Any, Any]:
        return by_chain_rule(self, margins), self._name


@dataclass(frozen=True)
class Grassberger(Counting):
    """H = ψ(n) − Σ p G(c),  G(c) = ψ(c) + ½ (−1)^c ( ψ((c+1)/2) − ψ(c/2) ); 0 if k = 1.

    Nearly unbiased where labels are seen several times, and less biased than the plug-in where many are rare.
    Odd and even counts scatter it by about √k / 2n. ψ(n) is right for a fixed n; the paper's log n, which is
    larger by 1/2n, is for a Poisson number of samples.

    Example:
        >>> round(Grassberger().entropy_of_counts([10, 5, 3, 2, 1, 1]).value, 4)
        1.6531

    Reference: Grassberger (2003), Entropy estimates from insufficient samplings; Schürmann (2004).
    """

    def histogram_entropy(self, histogram: Histogram) -> Any:
        """Return ψ(n) − Σ p G(c)."""
        return histogram.grassberger()

    def _entropy_error(self, histogram: Histogram, value: Any) -> Any:
        return histogram.error_of(value)

    def _information(self, margins: Margins, doubt: Doubt) -> tuple[Any, Any]:
        return by_chain_rule(self, margins), self._name


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

    def histogram_entropy(self, histogram: Histogram) -> Any:
        """Return −Σ q log q / (1 − (1 − q)^n)."""
        c, n = histogram.counts, histogram.num_samples
        seen_before = np.maximum(1 - histogram.share_alone, 1 / n)
        q = seen_before[..., None] * histogram.probabilities
        coverage = -np.expm1(xlog1py(n[..., None], -q))  # 1 − (1 − q)^n
        terms = np.divide(xlogy(q, q), coverage, out=np.zeros_like(q), where=c > 0)
        return -terms.sum(axis=-1)

    def _entropy_error(self, histogram: Histogram, value: Any) -> Any:
        return histogram.error_of(value)

    def _information(self, margins: Margins, doubt: Doubt) -> tuple[Any, Any]:
        return by_chain_rule(self, margins), self._name


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

    num_labels: Count | tuple[Count, ...] | None = None

    def __post_init__(self) -> None:
        check_num_labels("JamesStein", self.num_labels)

    def histogram_entropy(self, histogram: Histogram) -> Any:
        """Return −Σ q log q."""
        p, size = histogram.probabilities, np.asarray(histogram.num_labels, dtype=float)
        noise = 1 - np.vecdot(p, p)
        signal = (histogram.num_samples - 1) * (np.vecdot(p, p) - 1 / size)
        shrinkage = np.divide(noise, signal, out=np.ones_like(signal), where=noise < signal)
        q_unseen = shrinkage / size
        q = q_unseen[..., None] + (1 - shrinkage)[..., None] * p
        num_others = size - p.shape[-1]  # labels beyond those that p has
        return -xlogy(q, q).sum(axis=-1) - num_others * xlogy(q_unseen, q_unseen)

    def _entropy_error(self, histogram: Histogram, value: Any) -> Any:
        return histogram.error_of(value)

    def _information(self, margins: Margins, doubt: Doubt) -> tuple[Any, Any]:
        return by_chain_rule(self, margins), self._name


@dataclass(frozen=True)
class NSB(Counting):
    """H = E[H | counts], with a prior that is nearly flat over entropies from 0 to log K.

    Often the best of these where n is near or below K. It needs K; the number of labels seen is a poor guess
    where n is small. The standard error of an entropy is its posterior standard deviation. That of
    information is as for the others (see `Counting`), because the posteriors of its four entropies belong to
    different models. `nsb` has the formulas.

    Args:
        num_labels: K of every variable, or a tuple in the order x, y, given; None: as many as were seen.

    Example:
        >>> counts = [4, 12, 4, 5, 3, 1, 5, 1, 2, 2, 2, 2, 11, 3, 4, 12, 12, 1, 2]
        >>> NSB(num_labels=100).entropy_of_counts(counts)
        2.81 ± 0.12 nats (NSB, K=100, n=88)

    Reference: Nemenman, Shafee and Bialek (2001).
    """

    num_labels: Count | tuple[Count, ...] | None = None

    def __post_init__(self) -> None:
        check_num_labels("NSB", self.num_labels)

    def histogram_entropy(self, histogram: Histogram) -> Any:
        """Return the posterior mean."""
        return _posterior(histogram)[..., 0]

    def _entropy_error(self, histogram: Histogram, value: Any) -> Any:
        return _posterior(histogram)[..., 1]

    def _information(self, margins: Margins, doubt: Doubt) -> tuple[Any, Any]:
        return by_chain_rule(self, margins), self._name


def _posterior(histogram: Histogram) -> np.ndarray:
    """Return posterior mean and standard deviation of each histogram: [..., 2]."""
    rows = np.atleast_2d(histogram.counts)
    sizes = np.broadcast_to(histogram.num_labels, len(rows))
    found = [posterior_entropy(c[c > 0], int(k)) for c, k in zip(rows, sizes, strict=True)]
    return np.reshape(found, (*histogram.counts.shape[:-1], 2))
