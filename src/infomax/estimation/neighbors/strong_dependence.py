"""Strong dependence between continuous variables: nearest neighbours after regression.

Shifting Y by any function of X leaves h(Y|X) unchanged. With E = Y − g(X),

    I(X;Y) = h(Y) − h(E) + I(X;E)        for every g.

A good g removes the dependence that nearest neighbours cannot resolve, and moves it into h(Y) − h(E), the
entropies of two ordinary clouds of points. The rest, I(X;E), is small, and KSG estimates it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from infomax.errors import refuse
from infomax.estimation.estimate import Estimate, mean_estimate
from infomax.estimation.neighbors.entropy import KozachenkoLeonenko
from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.neighbors.search import check_num_neighbors, nearest_rows
from infomax.estimation.samples import as_rows

WINDOWS = (4, 8, 16, 32)  # neighbours of a local fit, for each of its coefficients
MAX_CELLS = 2**22  # in the largest array of a batch of local fits
MIN_SAMPLES = 20
MIN_SPREAD = 1e-12  # of whitened rows; anything below is rounding


@dataclass(frozen=True)
class ResidualKSG:
    """I(X;Y) = h(Y) − h(E) + I(X;E), E = Y − g(X): for dependence so strong that `KSG` is too low.

    g predicts every row from other rows, by linear regression on all of them or on the nearest in X, with the
    width that predicts best. Entropies are Kozachenko and Leonenko's. Both directions are tried, Y from X and
    X from Y; the one counts that leaves less to KSG. Exact in the limit for any continuous pair. Where
    neither variable is a smooth function of the other plus noise, KSG itself is better for finite n:
    entropies of distributions with jumps or heavy tails have biases that KSG avoids.

    Mean error at n = 5,000 over 4 seeds, of `KSG` and of this estimator:

    ======================  =======  =======
    nats, distribution        KSG     this
    ======================  =======  =======
    0.4, 1-D Gaussian        +0.003   −0.006
    2, 1-D Gaussian          +0.027   −0.004
    5, 1-D Gaussian          +0.003   +0.002
    10, 1-D Gaussian         −2.780   +0.003
    10, its `wiggly` form    −3.255   −0.140
    10, its `half_cube`      −2.780   −0.003
    2, 3-D Gaussian          −0.113   −0.016
    5, 3-D Gaussian          −0.568   −0.019
    10, 3-D Gaussian         −3.362   −0.015
    0.413, uniform margins   +0.009   −0.043
    0.224, Student t         −0.040   −0.079
    ======================  =======  =======

    Args:
        num_neighbors: k.
        num_workers: threads for the trees, −1 for all cores.

    Example:
        >>> from infomax.information.distributions import correlated_gaussians
        >>> pair = correlated_gaussians(np.sqrt(1 - np.exp(-20)))  # 10 nats
        >>> x, y = pair.sample(2000, np.random.default_rng(0))
        >>> abs(ResidualKSG().estimate(x, y).value - 10) < 0.1, abs(KSG().estimate(x, y).value - 10) > 3
        (True, True)

    Reference: the identity is theorem 8.6.3 of Cover and Thomas (2006), given X; the parts are Kraskov et al.
    (2004) and Kozachenko and Leonenko (1987). Gao, Ver Steeg and Galstyan (2015) show why nearest neighbours
    fail.
    """

    num_neighbors: int = 5
    num_workers: int = -1

    def __post_init__(self) -> None:
        check_num_neighbors("ResidualKSG", self.num_neighbors)

    def estimate(self, x: Any, y: Any, *, given: Any = None) -> Estimate:
        """Return I(X;Y), or I(X;Y|Z) = I(X,Z;Y) − I(Z;Y), in nats, from samples [n] or [n, d].

        Raises:
            ValueError: fewer than 20 samples; repeated values; constant, copied or collinear columns; one
                variable a function of the other, with which the information is infinite.
        """
        x, y, *condition = as_rows("ResidualKSG", x=x, y=y, given=given)
        _check(len(x), self.num_neighbors)
        directions = [self._explain(y, x, *condition), self._explain(x, y, *condition)]
        local, _ = min(directions, key=lambda found: found[1])
        return mean_estimate(f"ResidualKSG, k={self.num_neighbors}", local)

    def _explain(
        self, y: np.ndarray, x: np.ndarray, condition: np.ndarray | None = None
    ) -> tuple[np.ndarray, float]:
        """Return local values of I(X;Y), or I(X;Y|condition), and the part of it that was left to KSG."""
        if condition is None:
            return self._of_pair(x, y)
        (together, left), (without, left_without) = (
            self._of_pair(np.hstack([x, condition]), y),
            self._of_pair(condition, y),
        )
        return together - without, left + left_without

    def _of_pair(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
        x, y = _whiten(x, _size(x))[0], _whiten(y, _size(y))[0]
        residual, log_scale = _whiten(y - _predict(x, y, self.num_workers), 1.0)
        left = KSG(self.num_neighbors, num_workers=self.num_workers).estimate(x, residual)
        entropy = KozachenkoLeonenko(self.num_neighbors, num_workers=self.num_workers).entropy
        local = [e.local for e in (entropy(y), entropy(residual), left) if e.local is not None]
        return local[0] - local[1] - log_scale + local[2], left.value


def _check(num_samples: int, num_neighbors: int) -> None:
    fewest = max(MIN_SAMPLES, num_neighbors + 1)
    refuse(
        num_samples < fewest,
        f"ResidualKSG: regression and {num_neighbors} neighbours need at least {fewest} samples, got "
        f"{num_samples}; use KSG",
    )


def _size(rows: np.ndarray) -> float:
    """Return the size of the rows, with which rounding errors are compared."""
    return float(max(np.abs(rows).max() * 1e-3, rows.std()))


def _whiten(rows: np.ndarray, size: float) -> tuple[np.ndarray, float]:
    """Return the rows with the identity as covariance, and log |det| of the map back."""
    centred = rows - rows.mean(axis=0)
    _, spread, axes = np.linalg.svd(centred / np.sqrt(len(rows) - 1), full_matrices=False)
    refuse(
        len(spread) < rows.shape[1] or spread[-1] <= MIN_SPREAD * size,
        "ResidualKSG: every column must vary, and not be determined by others: one is constant, a "
        "combination of others, or a function of the other variable; leave it out",
    )
    return centred @ axes.T / spread, float(np.log(spread).sum())


def _predict(x: np.ndarray, y: np.ndarray, num_workers: int) -> np.ndarray:
    """Return g(xᵢ) of each row from other rows, by the fit with the smallest geometric mean of errors."""
    num_coefficients = x.shape[1] + 1
    widths = [w * num_coefficients for w in WINDOWS if w * num_coefficients < len(x) // 2]
    fits = [_linear_fit(x, y)]
    if widths:
        neighbors = nearest_rows(x, max(widths), num_workers=num_workers)[:, 1:]
        fits += [_local_fit(x, y, neighbors[:, :width]) for width in widths]
    return min(fits, key=lambda fit: _log_error(y - fit))


def _log_error(errors: np.ndarray) -> float:
    sizes = np.linalg.norm(errors, axis=1)
    return float(np.log(np.maximum(sizes, np.finfo(float).tiny)).mean())


def _linear_fit(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the least-squares prediction of each row from all others: y − residual/(1 − leverage)."""
    basis, _ = np.linalg.qr(np.column_stack([np.ones(len(x)), x]))
    leverage = (basis**2).sum(axis=1, keepdims=True)
    return y - (y - basis @ (basis.T @ y)) / (1 - leverage)


def _local_fit(x: np.ndarray, y: np.ndarray, neighbors: np.ndarray) -> np.ndarray:
    """Return the least-squares prediction of each row from its given neighbours."""
    per_batch = max(MAX_CELLS // (neighbors.shape[1] * (x.shape[1] + 1)), 1)
    batches = [slice(start, start + per_batch) for start in range(0, len(x), per_batch)]
    return np.concatenate([_fit_at(x[b], x[neighbors[b]], y[neighbors[b]]) for b in batches])


def _fit_at(centres: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the intercepts of regressions of y [n, m, dy] on x [n, m, dx] about each centre [n, dx]."""
    design = np.concatenate([np.ones((*x.shape[:2], 1)), x - centres[:, None]], axis=2)
    transposed = design.transpose(0, 2, 1)
    gram, moment = transposed @ design, transposed @ y
    scale = np.sqrt(np.einsum("npp->np", gram)) + np.finfo(float).tiny
    gram = gram / (scale[:, :, None] * scale[:, None, :]) + 1e-9 * np.eye(
        gram.shape[1]
    )  # stable, and any g is valid
    return np.linalg.solve(gram, moment / scale[:, :, None])[:, 0] / scale[:, :1]
