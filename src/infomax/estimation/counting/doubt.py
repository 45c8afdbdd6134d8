"""How far a counted information may be off: what chance adds to it, and what that leaves open.

The plug-in information I is too high, by E (see `chance`) where nothing depends, and not at all where one
variable determines the other, so that I = H, the lesser of the two entropies. In between, the share

    u = (I − E) / (H − E)

is the adjusted mutual information of Vinh, Epps and Bailey (2010), and u·H the *adjusted value*. It has no
bias at both ends, and none for a mixture of the two. Elsewhere it is off by up to about 3 E u (1 − u), and,
where dependence is weak and spread over many pairs of labels, by up to a quarter of what separates it from
Miller and Madow's value. The standard error of a value takes half of each of these, and its whole distance to
the adjusted value, together with the sampling error:

    √( a² s² + (value − u·H)² + (1.5 E u (1−u))² + ((MM − u·H) / 8)² + (u f)² ),

where s is the error of the plug-in value, by the delta method or the jackknife, whichever is larger,
a = 1 + (1 − u) E / (H − E) says how much the adjustment enlarges it, and f is the share of samples alone with
their label of the variable with the lesser entropy. The factors 1.5 and 1/8 were found by simulation;
`Counting` has its result.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from infomax.estimation.counting.histograms import Histogram, Margins

MAX_ALONE = 1 / 3
"""Above this share of samples that are alone with their labels, an estimate is called undersampled."""

MAX_BIAS = 1 / 3
"""Above this ratio of a known bias to the standard error, an estimate is called biased."""

MANY_SAMPLES = 20  # in a cell, on average

NO_RANGE = 1e-9  # nats: chance explains the whole entropy, as where each label occurs once


@dataclass(frozen=True, eq=False)
class Doubt:
    """How far the plug-in information of a table, or of each of many, may be off.

    Args:
        adjusted: u·H.
        sampling_error: s, of the plug-in value.
        open_error: the error of `adjusted`.
        share_alone: the share of samples that are alone in their cell.
        local: of every cell: [..., cells].
    """

    adjusted: Any
    sampling_error: Any
    open_error: Any
    share_alone: Any
    local: np.ndarray

    def error_of(self, value: Any) -> Any:
        """Return the standard error of a value, with what its bias may be."""
        return np.sqrt(self.open_error**2 + (value - self.adjusted) ** 2)


def doubt_about(margins: Margins) -> Doubt:
    """Return what is known about the plug-in information."""
    local = margins.local()
    sampling_error = margins.sampling_error(local)
    information = np.vecdot(margins.xyz.counts, local) / margins.xyz.num_samples
    entropy, correction, alone = _lesser(margins)
    chance, wide = margins.chance, entropy - margins.chance > NO_RANGE
    gap = np.where(wide, entropy - chance, 1.0)
    share = np.where(wide, (information - chance) / gap, 0.0)
    adjusted = share * (entropy + correction)
    u = np.clip(share, 0, 1)
    s = np.maximum(sampling_error, _jackknife_error(margins))
    enlarged = np.where(wide, s * (1 + (1 - u) * chance / gap), np.inf)
    enlarged = np.minimum(enlarged, np.maximum(entropy, s))
    miller_madow = information + _correction(margins)
    terms = enlarged, 1.5 * chance * u * (1 - u), (miller_madow - adjusted) / 8, u * alone
    constant = np.maximum(margins.xz.constant_error(), margins.yz.constant_error())
    open_error = np.maximum(np.sqrt(sum(term**2 for term in terms)), constant)
    return Doubt(adjusted, sampling_error, open_error, margins.xyz.share_alone, local)


def _jackknife_error(margins: Margins) -> Any:
    """Return the jackknife's error where cells hold few samples, else 0: then it is the lesser one."""
    sparse = margins.xyz.num_samples < MANY_SAMPLES * margins.xyz.num_seen
    return np.where(sparse, margins.jackknife_error(), 0.0) if np.any(sparse) else 0.0


def _lesser(margins: Margins) -> tuple[Any, Any, Any]:
    """Return the lesser of H(X|Z) and H(Y|Z), its Miller–Madow correction, and its share of lone samples."""
    z = margins.z
    of_z = z.plug_in()
    h_x, h_y = margins.xz.plug_in() - of_z, margins.yz.plug_in() - of_z
    of_x = h_x <= h_y

    def chosen(quantity: Any) -> Any:
        return np.where(of_x, quantity(margins.xz), quantity(margins.yz))

    correction = chosen(lambda histogram: (histogram.num_seen - z.num_seen) / (2 * z.num_samples))
    return np.minimum(h_x, h_y), correction, chosen(lambda histogram: histogram.share_alone)


def _correction(margins: Margins) -> Any:
    """Return what Miller and Madow add to the plug-in information."""
    seen: list[Histogram] = [margins.xz, margins.yz, margins.xyz, margins.z]
    k_xz, k_yz, k_xyz, k_z = (histogram.num_seen for histogram in seen)
    return (k_xz + k_yz - k_xyz - k_z) / (2 * margins.z.num_samples)
