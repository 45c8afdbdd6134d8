"""The mean log-likelihood L(W) of white samples, its natural gradient, and its curvature.

Cost of one evaluation: two products of [d, d] and [d, n], one tanh, exp and log of every source. Blocks of
samples stay in a core's cache and are shared among the threads that BLAS may use; sums do not depend on how
many threads there are.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from threadpoolctl import ThreadpoolController

from infomax.principle.unmixing.densities import Density, Values

BLOCK = 2**15
"""Values of y at a time: they and what is computed from them stay in a core's cache."""
SHARE = 2**18
"""Values of y that a thread takes at a time."""
MIN_CURVATURE = 0.03

Matrix = Float[np.ndarray, "d d"]
OverShares = Callable[[Callable[..., Any], Sequence[Any]], Iterator[Any]]  # as `map`


class Moments(NamedTuple):
    """Means over samples at some W.

    value: L(W), nats. gradient: G. slope: E ψᵢ′. power: E yᵢ². curvature: 1 + E[ψᵢ′ yᵢ²].
    """

    value: float
    gradient: Float[np.ndarray, "d d"]
    slope: Float[np.ndarray, " d"]
    power: Float[np.ndarray, " d"]
    curvature: Float[np.ndarray, " d"]

    @property
    def steepest(self) -> float:
        """The largest |Gᵢⱼ|."""
        return float(np.abs(self.gradient).max())

    def newton(self, gradient: Matrix) -> Matrix:
        """Return the inverse of the curvature at independence, kept positive, times `gradient`."""
        a = np.outer(self.slope, self.power)
        smallest = (a + a.T - np.sqrt((a - a.T) ** 2 + 4)) / 2  # eigenvalue of [[a_ij, 1], [1, a_ji]]
        a += np.maximum(MIN_CURVATURE - smallest, 0)
        np.fill_diagonal(a, 0)  # so that a_ij a_ji − 1 is not 0 there
        step = (a.T * gradient - gradient.T) / (a * a.T - 1)
        np.fill_diagonal(step, np.diag(gradient) / np.maximum(self.curvature, MIN_CURVATURE))
        return step


@dataclass(frozen=True)
class WhiteSamples:
    """White samples, and what their sources may be distributed like.

    Args:
        rows: z [n, d].
        densities: what a source may be distributed like.
        apply: applies a function to shares of the samples, one after the other or in threads.
    """

    rows: Float[np.ndarray, "n d"]
    densities: Sequence[Density]
    apply: OverShares = map

    def first(self, num_samples: int) -> "WhiteSamples":
        """Return the first few samples."""
        return replace(self, rows=self.rows[:num_samples])

    def moments(self, unmixing: Matrix, chosen: Int[np.ndarray, " d"]) -> Moments:
        """Return L, its gradient and curvature, where source i has density `chosen[i]`."""

        def sums(y: Values) -> tuple[Values, Values]:
            score = np.empty_like(y)
            each = np.empty((5, len(y)))
            for k in np.unique(chosen):
                own = slice(None) if np.all(chosen == k) else chosen == k
                score[own], each[:, own] = _sums(self.densities[k], y[own])
            return each, score @ y.T

        (log_p, _, slope, curved, power), score_y = self._mean(sums, unmixing)
        gradient = np.eye(len(unmixing)) - score_y
        value = np.linalg.slogdet(unmixing)[1] + log_p.sum()
        return Moments(float(value), gradient, slope, power, 1 + curved)

    def likeliest(self, unmixing: Matrix) -> Int[np.ndarray, " d"]:
        """Return, for each source, the likeliest of the densities under which L has a maximum, not a saddle.

        There is a maximum where E ψ′ E y² > E ψ y. If no density has one, the one that comes closest is
        taken. For two densities, super- and sub-Gaussian, this is the rule of extended InfoMax. Likelihoods
        are compared at the best scale, the maximum over t of t + E log p(eᵗ y), to second order in t.
        """

        def sums(y: Values) -> tuple[Values]:
            return (np.stack([_sums(density, y)[1] for density in self.densities]),)

        ((log_p, score_y, slope, curved, power),) = (np.moveaxis(s, 1, 0) for s in self._mean(sums, unmixing))
        margin = slope * power - score_y
        at_best_scale = log_p + (1 - score_y) ** 2 / (2 * (score_y + curved))
        likeliest = np.where(margin > 0, at_best_scale, -np.inf).argmax(axis=0)
        return np.where(np.any(margin > 0, axis=0), likeliest, margin.argmax(axis=0))

    def _mean(self, sums: Callable[[Values], tuple[Values, ...]], unmixing: Matrix) -> list[Values]:
        """Each of `sums` of blocks of y [d, b], added up over all samples and divided by their number."""
        num_samples, dim = self.rows.shape
        weights = unmixing.astype(self.rows.dtype)
        block, share = (max(size // dim, 1) for size in (BLOCK, SHARE))

        def of_share(start: int) -> Sequence[Values]:
            rows = self.rows[start : start + share]
            blocks = (rows[first : first + block] for first in range(0, len(rows), block))
            return reduce(_added, (sums(weights @ part.T) for part in blocks))

        over_shares = self.apply if share < num_samples else map
        shares = over_shares(of_share, range(0, num_samples, share))
        return [total / num_samples for total in reduce(_added, shares)]


@contextmanager
def threads() -> Generator[OverShares]:
    """Give a map over as many threads as BLAS may use, each of them with a BLAS of one thread."""
    blas = ThreadpoolController().select(user_api="blas")
    workers = max((library["num_threads"] for library in blas.info()), default=1)
    with blas.limit(limits=1), ThreadPoolExecutor(workers) as pool:
        yield pool.map


def _sums(density: Density, y: Float[np.ndarray, "d b"]) -> tuple[Values, Values]:
    """ψ(y); and for each source Σ log p, Σ ψ y, Σ ψ′, Σ ψ′ y², Σ y² over samples."""
    log_p, score, slope = density(y)
    squares = y * y
    each = [log_p.sum(1), _dot(score, y), slope.sum(1), _dot(slope, squares), squares.sum(1)]
    return score, np.stack(each)


def _added(one: Sequence[Values], other: Sequence[Values]) -> list[Values]:
    return [a + b for a, b in zip(one, other, strict=True)]


def _dot(a: Values, b: Values) -> Values:
    return np.einsum("db,db->d", a, b)
