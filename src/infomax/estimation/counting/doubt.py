"""How far a counted information may be off: what chance adds to it, and what that leaves open.

The plug-in information I is too high, by E (see `chance`) where nothing depends, and not at all where one
variable determines the other, so that I = H, the lesser of the two entropies. In between, the share

    u = (I − E) / (H − E)

is the adjusted mutual information of Vinh, Epps and Bailey (2010), and A = u·H the *adjusted value*. It has
no bias at both ends, and none for a mixture of the two. Elsewhere it is off by up to about 3 E u (1 − u);
where dependence is weak and spread over many pairs of labels, by up to a quarter of what separates it from
Miller and Madow's value MM; and where one variable nearly determines the other, but for exceptions that are
spread over pairs seen once, it is too high by what the pairs not seen yet would take away. Chao, Wang and
Jost's entropies estimate that (`Histogram.chao_wang_jost`); with C, the information by them, the *likely
value* is L = A + u (C − A). The standard error of a value is the root of the sum of these squares::

    value − A,  value − L             its distances to both
    s (1 + (1 − u) E / (H − E))       the sampling error, as the adjustment enlarges it
    1.5 E u (1 − u),  (MM − A) / 8    half of what A may be off
    u f,  u g H / 2                   f, g: the shares of samples alone with their label of the variable with
                                      the lesser entropy, and of the other one
    u d / √(f₂ + 1)                   the error of C: d is the share alone in their cell and not in a margin
    (u (1 + log n) + (1 − u) r) / n   one more sample that is an exception, or a pair of the rarest labels

where s is the largest of the delta method's error, the jackknife's, and 1 − u of the error by chance alone;
f₂ is the number of cells of two samples, and r = log λ⁻¹, λ the expected count of the rarest pair, or 1 if
that is larger. If no exception was seen among n samples, up to 2.3 may be expected with probability 0.1;
hence the last term. The factors 1.5, 1/8 and 1/2 were found by simulation; `Counting` has its result. The
information of a constant is 0, without error.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from infomax.estimation.counting.histograms import Histogram, Margins

MAX_ALONE = 1 / 3
"""Above this share of samples that are alone with their labels, an estimate is called undersampled."""

MAX_BIAS = 1 / 3
"""Above this ratio of a known bias to the standard error, an estimate is called biased."""

MAX_ERRORS = 1.2
"""An error without bias that is smaller than an error with it by more than this ratio is called biased."""

MANY_SAMPLES = 20  # in a cell, on average

SAME_ENTROPY = 1e-12
"""Nats between two entropies that differ by rounding alone."""

NO_RANGE = 1e-9  # nats: chance explains the whole entropy, as where each label occurs once


@dataclass(frozen=True, eq=False)
class Doubt:
    """How far the plug-in information of a table, or of each of many, may be off.

    Args:
        adjusted: u·H.
        likely: L, with pairs not seen yet.
        sampling_error: of the plug-in value, by the delta method.
        open_error: the error of `adjusted`, without its distance to `likely`.
        open_bias: the same without the last term, of one more sample.
        share_alone: the share of samples that are alone in their cell.
        local: of every cell: [..., cells].
    """

    adjusted: Any
    likely: Any
    sampling_error: Any
    open_error: Any
    open_bias: Any
    share_alone: Any
    local: np.ndarray

    def error_of(self, value: Any) -> Any:
        """Return the standard error of a value, with what its bias may be."""
        return np.sqrt(self.open_error**2 + (value - self.adjusted) ** 2 + (value - self.likely) ** 2)

    def bias_of(self, value: Any) -> Any:
        """Return how far a value is from `adjusted` or `likely`, whichever is farther.

        Where this is little, but an error that holds what the bias may be is much larger than that of the
        sampling, it is this error, with a sign.
        """
        distances = value - self.adjusted, value - self.likely
        bias = np.where(np.abs(distances[1]) > np.abs(distances[0]), distances[1], distances[0])
        error = np.sqrt(self.open_bias**2 + distances[0] ** 2 + distances[1] ** 2)
        little = np.abs(bias) <= MAX_BIAS * self.sampling_error
        return np.where(little & (error > MAX_ERRORS * self.sampling_error), np.copysign(error, bias), bias)


def doubt_about(margins: Margins) -> Doubt:
    """Return what is known about the plug-in information."""
    local = margins.local()
    information = np.vecdot(margins.xyz.counts, local) / margins.xyz.num_samples
    entropy, correction, alone, other_alone = _lesser(margins)
    chance, wide = margins.chance, entropy - margins.chance > NO_RANGE
    gap = np.where(wide, entropy - chance, 1.0)
    share = np.where(wide, (information - chance) / gap, 0.0)
    adjusted = share * (entropy + correction)
    u = np.clip(share, 0, 1)
    sampling_error = margins.sampling_error(local)
    s = np.maximum(sampling_error, _jackknife_error(margins))
    s = np.maximum(s, (1 - u) * np.sqrt(margins.chance_variance))
    enlarged = np.where(wide, s * (1 + (1 - u) * chance / gap), np.inf)
    miller_madow = information + _correction(margins)
    terms = [
        np.minimum(enlarged, np.maximum(entropy, s)),
        1.5 * chance * u * (1 - u),
        (miller_madow - adjusted) / 8,
        u * alone,
        u * other_alone * entropy / 2,
        u * _unseen_error(margins),
    ]
    varying = entropy > NO_RANGE
    open_bias = np.where(varying, np.sqrt(sum(term**2 for term in terms)), 0.0)
    open_error = np.where(varying, np.hypot(open_bias, _one_more(margins, u)), 0.0)
    likely = adjusted + u * (_with_unseen(margins, miller_madow) - adjusted)
    return Doubt(adjusted, likely, sampling_error, open_error, open_bias, margins.xyz.share_alone, local)


def _unseen_error(margins: Margins) -> Any:
    """Return how far the part of pairs not seen yet in `_with_unseen` may be off.

    It is about f₁ log(1/a) / n, and a has a relative error of 1 / √(f₂ + 1).
    """
    of_margins = np.maximum(margins.xz.share_alone, margins.yz.share_alone)
    return np.maximum(margins.xyz.share_alone - of_margins, 0) / np.sqrt(margins.xyz.num_twice + 1)


def _one_more(margins: Margins, u: Any) -> Any:
    """Return what one more sample in a cell of its own would change, which these samples cannot exclude.

    Under dependence it is an exception; else a pair of the rarest labels.
    """
    n = margins.xyz.num_samples
    rarest = margins.z.counts.max(axis=-1) / (margins.xz.least * margins.yz.least)
    return (u * (1 + np.log(n)) + (1 - u) * np.maximum(np.log(rarest), 1)) / n


def _with_unseen(margins: Margins, miller_madow: Any) -> Any:
    """Return H(X,Z) + H(Y,Z) − H(X,Y,Z) − H(Z) with what labels not seen yet add to each."""
    some_alone = margins.xyz.share_alone > 0
    if not np.any(some_alone):
        return miller_madow
    histograms = margins.xz, margins.yz, margins.xyz, margins.z
    h_xz, h_yz, h_xyz, h_z = (histogram.chao_wang_jost() for histogram in histograms)
    return np.where(some_alone, h_xz + h_yz - h_xyz - h_z, miller_madow)


def _jackknife_error(margins: Margins) -> Any:
    """Return the jackknife's error where cells hold few samples, else 0: then it is the lesser one."""
    sparse = margins.xyz.num_samples < MANY_SAMPLES * margins.xyz.num_seen
    return np.where(sparse, margins.jackknife_error(), 0.0) if np.any(sparse) else 0.0


def _lesser(margins: Margins) -> tuple[Any, Any, Any, Any]:
    """Return the lesser of H(X|Z) and H(Y|Z), its Miller–Madow correction, its share of lone samples.

    And the share of samples that are alone with their label of the other variable. Where both entropies are
    the same, the means of both.
    """
    z = margins.z
    of_z = z.plug_in()
    h_x, h_y = margins.xz.plug_in() - of_z, margins.yz.plug_in() - of_z
    of_x = np.where(np.abs(h_x - h_y) <= SAME_ENTROPY, 0.5, h_x < h_y)  # the weight of X
    of_y = 1 - of_x
    k = of_x * margins.xz.num_seen + of_y * margins.yz.num_seen
    alone_x, alone_y = margins.xz.share_alone, margins.yz.share_alone
    alone, other_alone = of_x * alone_x + of_y * alone_y, of_x * alone_y + of_y * alone_x
    return np.minimum(h_x, h_y), (k - z.num_seen) / (2 * z.num_samples), alone, other_alone


def _correction(margins: Margins) -> Any:
    """Return what Miller and Madow add to the plug-in information."""
    seen: list[Histogram] = [margins.xz, margins.yz, margins.xyz, margins.z]
    k_xz, k_yz, k_xyz, k_z = (histogram.num_seen for histogram in seen)
    return (k_xz + k_yz - k_xyz - k_z) / (2 * margins.z.num_samples)
