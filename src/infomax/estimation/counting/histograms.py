"""Histograms of labels, and the four histograms whose entropies make an information.

Below, c are the counts of the k labels seen, n = Σ c, p = c / n. Counts are integers, or, where samples have
weights, sums of weights scaled to the effective number of samples (Kish): n = (Σ w)² / Σ w².
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Shaped
from scipy.special import digamma, exp1, xlogy

from infomax.estimation.counting.chance import chance_of_groups, chance_of_tables
from infomax.estimation.samples import joint_codes

MAX_TABULATED = 100  # counts; beyond, c (log c − ψ(c)) is within 0.001 of 1/2
MAX_RATIO = 500.0


@dataclass(frozen=True, eq=False)
class Histogram:
    """How often each label occurs, and how many labels are possible; or a stack of such, one in each row.

    Args:
        counts: c, [..., labels]; 0 where a label was not seen.
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

    @property
    def share_alone(self) -> Any:
        """Return the share of samples that are the only one with their label.

        It estimates the probability that the next sample has a label not seen before.

        Reference: Good (1953), who has it from Turing.
        """
        return np.where(self.counts <= 1, self.counts, 0).sum(axis=-1) / self.num_samples

    @property
    def num_twice(self) -> Any:
        """f₂ = #{c = 2}; with weights, #{1 < c ≤ 2}."""
        return np.count_nonzero((self.counts > 1) & (self.counts <= 2), axis=-1)

    @property
    def least(self) -> Any:
        """How often the rarest of the labels seen occurs."""
        return np.where(self.counts > 0, self.counts, np.inf).min(axis=-1)

    def plug_in(self) -> Any:
        """Return −Σ p log p."""
        return np.log(self.num_samples) - xlogy(self.counts, self.counts).sum(axis=-1) / self.num_samples

    def miller_madow(self) -> Any:
        """Return −Σ p log p + (k − 1) / 2n."""
        return self.plug_in() + (self.num_seen - 1) / (2 * self.num_samples)

    def grassberger(self) -> Any:
        """Return ψ(n) − Σ p G(c); counts between two integers have a value between theirs."""
        c = np.where(self.counts > 0, self.counts, 1)  # labels not seen have p = 0
        g = digamma(c) + (np.abs(c % 2 - 1) - 0.5) * (digamma((c + 1) / 2) - digamma(c / 2))
        value = digamma(self.num_samples) - np.vecdot(self.probabilities, g)
        return np.where(self.num_seen > 1, value, 0.0)

    def chao_wang_jost(self) -> Any:
        """Return Σ p (ψ(n) − ψ(c)), with what labels not seen yet add: (f₁ / n) e^a E₁(a), a ≈ 2 f₂ / f₁.

        f₁ and f₂ are the numbers of labels seen once and twice; a is the mean count, in n further samples, of
        a label that was seen once. Exact but for terms of 1/n² where rare labels are equally frequent.

        Reference: Chao, Wang and Jost (2013), Entropy and the species accumulation curve.
        """
        c, n = self.counts, self.num_samples
        seen = self.plug_in() + digamma(n) - np.log(n) + np.interp(c, *_log_less_digamma()).sum(axis=-1) / n
        once, twice = self.share_alone * n, self.num_twice
        ratio = np.where(twice > 0, 2 * twice / np.maximum(once, 1), 2 / np.maximum(once - 1, 2 / n))
        a = np.minimum(ratio, MAX_RATIO)
        return seen + once / n * np.exp(a) * exp1(a)

    def sampling_error(self) -> Any:
        """Return √( Var(log p) / n + (k − 1) / 2n² ), the standard error of `plug_in` (Harris 1975).

        The second term is the one that remains where all labels have the same frequency.
        """
        return sampling_error(_log(self.counts), self.counts, self.num_seen - 1)

    def error_of(self, value: Any) -> Any:
        """Return the standard error of a corrected entropy, with what its bias may be.

        It is √( s² + d² + f² ): s is the larger of `sampling_error` and the jackknife's, d the distance to
        the value of Miller and Madow or of Grassberger, whichever is farther, and f the `share_alone`, which
        is about what labels not seen yet may add.
        """
        s = np.maximum(self.sampling_error(), sampling_error(_last_share(self.counts), self.counts, 0))
        d = np.maximum(np.abs(value - self.miller_madow()), np.abs(value - self.grassberger()))
        return np.maximum(np.sqrt(s**2 + d**2 + self.share_alone**2), self.constant_error())

    def constant_error(self) -> Any:
        """Return (1 + log n) / 2n where one label was seen, half of what another one may add; else 0."""
        n = self.num_samples
        return np.where(self.num_seen > 1, 0.0, (1 + np.log(n)) / (2 * n))


@cache
def _log_less_digamma() -> tuple[np.ndarray, np.ndarray]:
    """Return counts c from 0, and c (log c − ψ(c)), which is 1/2 + 1/12c for large c."""
    c = np.arange(1, MAX_TABULATED + 1.0)
    return np.append(0, c), np.append(0, c * (np.log(c) - digamma(c)))


def _log(counts: np.ndarray) -> np.ndarray:
    """Return log c, and 0 where c = 0, which has no weight."""
    return np.log(np.where(counts > 0, counts, 1))


def _last_share(counts: np.ndarray) -> np.ndarray:
    """Return c log c − (c − 1) log (c − 1), by which the c-th sample changes c log c."""
    one_less = np.maximum(counts - 1, 0)
    return xlogy(counts, counts) - xlogy(one_less, one_less)


def sampling_error(local: np.ndarray, counts: np.ndarray, degrees: Any) -> Any:
    """Return √( Var(local) / n + degrees / 2n² ): delta method to second order for a mean of local values."""
    n = counts.sum(axis=-1)
    deviations = local - (np.vecdot(counts, local) / n)[..., None]
    return np.sqrt(np.vecdot(counts, deviations**2) / n**2 + degrees / (2 * n**2))


@dataclass(frozen=True, eq=False)
class Margins:
    """The histograms of (x, z), (y, z), (x, y, z) and z, of one table or, row by row, of many.

    Args:
        xz: and `yz`, `xyz`, `z`: histograms; the labels of `xyz` are called cells.
        of_xz: how often (x, z) of each cell occurs; likewise `of_yz` and `of_z`. [..., cells]
        chance: what the plug-in information is on average if X and Y are independent given Z; see `chance`.
        chance_variance: how it varies then.
    """

    xz: Histogram
    yz: Histogram
    xyz: Histogram
    z: Histogram
    of_xz: np.ndarray
    of_yz: np.ndarray
    of_z: np.ndarray
    chance: Any
    chance_variance: Any

    def local(self) -> np.ndarray:
        """Return log p(x,y|z) / p(x|z) p(y|z) of every cell: [..., cells]."""
        return _log(self.xyz.counts) + _log(self.of_z) - _log(self.of_xz) - _log(self.of_yz)

    def jackknife_error(self) -> Any:
        """Return the standard error of the plug-in information from its values with one sample left out.

        It is above the true one on average (Efron and Stein 1981), and above the `sampling_error` where cells
        hold few samples.
        """
        local = _last_share(self.xyz.counts) + _last_share(self.of_z)
        local = local - _last_share(self.of_xz) - _last_share(self.of_yz)
        return sampling_error(local, self.xyz.counts, 0)

    def sampling_error(self, local: np.ndarray) -> Any:
        """Return the standard error of the plug-in information.

        To second order, Î − I is a mean of the local values plus a quadratic form gᵀMg / 2n. g is white noise
        over the k_xyz cells, and M = P_xz + P_yz − P_z − 1, where P are projections onto functions of the
        margins. Its variance is tr M² / 2n²: (k_x − 1)(k_y − 1) / 2n² under independence, which is that of
        χ² / 2n; and Harris's for Y = X.
        """
        cells, n_xz, n_yz = self.xyz.counts, self.of_xz, self.of_yz
        of_both = cells / np.where(n_xz > 0, n_xz, 1) * cells / np.where(n_yz > 0, n_yz, 1)
        trace_of_product = of_both.sum(axis=-1) - self.z.num_seen  # tr P_xz P_yz − tr P_z
        trace = self.xyz.num_seen - self.xz.num_seen - self.yz.num_seen + self.z.num_seen
        trace = trace + 2 * trace_of_product
        return sampling_error(local, cells, np.maximum(trace, 0.0))  # below 0 only by rounding


def margins_of_tables(tables: Shaped[np.ndarray, "m x y"], num_labels: Shaped[np.ndarray, "m 2"]) -> Margins:
    """Return the margins of tables [m, x, y] with alphabets [m, 2]: cells are [m, x · y], Z is a constant."""
    of_x, of_y = tables.sum(axis=2, keepdims=True), tables.sum(axis=1, keepdims=True)
    of_all = of_x.sum(axis=1, keepdims=True)

    def histogram(counts: np.ndarray, axes: list[int]) -> Histogram:
        return Histogram(counts.reshape(len(tables), -1), num_labels[:, axes].prod(axis=1, dtype=float))

    def at_cells(counts: np.ndarray) -> np.ndarray:
        return np.broadcast_to(counts, tables.shape).reshape(len(tables), -1)

    chance, variance = chance_of_tables(of_x, of_y, of_all)
    return Margins(
        xz=histogram(of_x, [0]),
        yz=histogram(of_y, [1]),
        xyz=histogram(tables, [0, 1]),
        z=histogram(of_all, []),
        of_xz=at_cells(of_x),
        of_yz=at_cells(of_y),
        of_z=at_cells(of_all),
        chance=chance,
        chance_variance=variance,
    )


def margins_of_cells(counts: np.ndarray, codes: list[np.ndarray], num_labels: np.ndarray) -> Margins:
    """Return the margins of one table from its cells that are not empty.

    Args:
        counts: how often each cell occurs.
        codes: where each cell lies, on each axis.
        num_labels: of each axis.
    """
    varying = {axis for axis, code in enumerate(codes) if code.any()}

    def labels(kept: list[int]) -> np.ndarray:
        """Return the joint label of the kept axes for each cell."""
        if varying <= set(kept):  # the cells themselves
            return np.arange(len(counts))
        parts = [codes[axis] for axis in kept if axis in varying]
        return joint_codes(*parts) if parts else np.zeros_like(codes[0])

    z = list(range(2, len(codes)))
    axes = [0, *z], [1, *z], [0, 1, *z], z
    joint = [labels(kept) for kept in axes]
    n_xz, n_yz, n_xyz, n_z = (_sums(label, counts) for label in joint)
    k_xz, k_yz, k_xyz, k_z = (math.prod(num_labels[kept].tolist()) for kept in axes)
    chance, variance = chance_of_groups(n_xz, _z_of(joint[0], joint[3]), n_yz, _z_of(joint[1], joint[3]), n_z)
    return Margins(
        xz=Histogram(n_xz, k_xz),
        yz=Histogram(n_yz, k_yz),
        xyz=Histogram(n_xyz, k_xyz),
        z=Histogram(n_z, k_z),
        of_xz=n_xz[joint[0]],
        of_yz=n_yz[joint[1]],
        of_z=n_z[joint[3]],
        chance=chance,
        chance_variance=variance,
    )


def _sums(labels: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return how often each label occurs, with the type of the counts."""
    return np.bincount(labels, weights=counts).astype(counts.dtype)


def _z_of(labels: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return the z of each label, from those of the cells."""
    of_label = np.zeros(int(labels.max()) + 1, dtype=np.intp)
    of_label[labels] = z
    return of_label
