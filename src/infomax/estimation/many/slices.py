"""Sliced information: what projections of X and Y onto few directions tell about each other.

With A and B uniform among the frames of k orthonormal directions,

    k-sliced information = E I(AᵀX; BᵀY | A, B),     max-sliced = sup over A, B of I(AᵀX; BᵀY)

and k = 1 is sliced information. These are other quantities than I(X;Y): each is at most that, zero only where
X and Y are independent, and estimated at the rate of k dimensions, whatever the number of columns. But they
may grow under processing, as no mutual information does: turn or stretch the columns and they change.
Compare values of the same columns only, in the same units.

Reference: Goldfeld and Greenewald (2021), Sliced mutual information; Goldfeld, Greenewald, Nuradha and Reeves
(2022), k-sliced mutual information; Tsur, Goldfeld and Greenewald (2023), Max-sliced mutual information.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

from infomax.errors import refuse
from infomax.estimation.estimate import Estimate, Estimator
from infomax.estimation.resampling.replicates import check_number, check_seed, on_one_core
from infomax.estimation.samples import as_rows, check_whole

MAX_ROWS_SEARCHED = 1000
"""Most rows on which directions are compared during a search."""
NUM_STARTS = 20
"""Random frames that are tried before the best one is improved."""


def sliced_information(
    x: Any, y: Any, estimator: Estimator, *, num_directions: int = 1, num_slices: int = 200, seed: int = 0
) -> Estimate:
    """Return the mean of I(AᵀX; BᵀY) over random frames A, B, in nats; not the mutual information of X and Y.

    The standard error includes the scatter of the slices and that of the samples. All slices share the
    samples, so this part is the mean error of a slice, reduced by as much as averaging over slices reduces
    the scatter of pointwise values. `kind` is that of the estimator.

    Cost: `num_slices` estimates in k + k columns.

    Args:
        x: [n] or [n, d].
        y: [n] or [n, d].
        estimator: of the information of two projections, such as `KSG()`.
        num_directions: k, at most the columns of x and of y.
        num_slices: frames drawn.
        seed: of the frames.

    Raises:
        ValueError: more directions than columns, fewer than 2 slices, or samples that the estimator refuses.

    Example:
        >>> from infomax.estimation.gaussian import Gaussian
        >>> x = np.random.default_rng(0).standard_normal((5000, 2))
        >>> y = 0.8 * x + 0.6 * np.random.default_rng(1).standard_normal((5000, 2))
        >>> found = sliced_information(x, y, Gaussian())
        >>> abs(found.value - 0.2231) < 3 * found.standard_error  # −log (1 + .6)/2; I(X;Y) is 1.02
        True
    """
    operation = "sliced_information"
    check_number(operation, "num_slices", num_slices)
    check_seed(operation, seed)
    x, y = as_rows(operation, x=x, y=y)
    _check_directions(operation, num_directions, x, y)
    found: list[Estimate] = []
    for index in range(num_slices):
        rng = np.random.default_rng([seed, index])
        a, b = (_frame(rng, rows.shape[1], num_directions) for rows in (x, y))
        found.append(estimator.estimate(x @ a, y @ b))
    return _mean_of_slices(found, num_directions)


def _mean_of_slices(found: Sequence[Estimate], num_directions: int) -> Estimate:
    """Return the mean estimate, with the scatter of the slices and of the samples."""
    values = np.array([one.value for one in found])
    errors = np.array([one.standard_error for one in found])
    locals_ = [one.local for one in found if one.local is not None]
    local, share = None, 1.0
    if len(locals_) == len(found):
        local = np.mean(locals_, axis=0)
        scatter = float(np.mean([one.std() for one in locals_]))
        share = float(local.std()) / scatter if scatter > 0 else 1.0
    of_slices = float(values.std(ddof=1)) / math.sqrt(len(values))
    of_samples = share * float(errors.mean())
    cautioned = sum(bool(one.cautions) for one in found)
    doubt = (f"biased: {cautioned} of {len(found)} slices have cautions of their own",)
    prefix = "sliced" if num_directions == 1 else f"{num_directions}-sliced"
    return Estimate(
        float(values.mean()),
        math.hypot(of_slices, of_samples),
        found[0].num_samples,
        kind=found[0].kind,
        method=f"{prefix}, {len(found)} slices, {found[0].method}",
        local=local,
        cautions=doubt if cautioned > len(found) / 10 else (),
    )


@dataclass(frozen=True, eq=False)
class MaxSlice:
    """The directions that were found to tell most of each other.

    Args:
        estimate: I(AᵀX; BᵀY) on rows that the search has not seen.
        x_directions: A, orthonormal columns [d_x, k].
        y_directions: B, [d_y, k].
    """

    estimate: Estimate
    x_directions: Float[np.ndarray, "x k"]
    y_directions: Float[np.ndarray, "y k"]


def max_sliced_information(
    x: Any,
    y: Any,
    estimator: Estimator,
    *,
    num_directions: int = 1,
    num_evaluations: int = 300,
    seed: int = 0,
) -> MaxSlice:
    """Return the frames A, B with the largest I(AᵀX; BᵀY) found, and this information.

    Directions are sought on half of the rows, drawn at random, and the information is estimated on the other
    half, so that the search does not raise it. It is then at most the max-sliced information, apart from the
    estimator's own bias: `kind` is "neither", because a search need not find the best directions. It begins
    at the canonical directions and at 20 random frames, and improves the best by Powell's method.

    Cost: `num_evaluations` estimates of up to 1,000 rows in k + k columns. For up to some dozens of columns.

    Args:
        x: [n] or [n, d].
        y: [n] or [n, d].
        estimator: of the information of two projections, such as `KSG()`.
        num_directions: k, at most the columns of x and of y.
        num_evaluations: of the search; it ends with the line search in which they run out.
        seed: of the halves and of the random frames.

    Raises:
        ValueError: more directions than columns, or too few samples.

    Example:
        >>> from infomax.estimation.gaussian import Gaussian
        >>> x, y = np.random.default_rng(0).standard_normal((2, 2000, 3))
        >>> y[:, 2] += x[:, 0]
        >>> found = max_sliced_information(x, y, Gaussian())
        >>> found.estimate.value > 0.3, bool(abs(found.x_directions[0, 0]) > 0.99)  # ½ log 2 = .347
        (True, True)
    """
    operation = "max_sliced_information"
    check_whole(operation, "num_evaluations", num_evaluations, least=1, remedy="300 is usual")
    check_seed(operation, seed)
    x, y = as_rows(operation, x=x, y=y)
    _check_directions(operation, num_directions, x, y)
    n, dims = len(x), (x.shape[1], y.shape[1])
    refuse(
        n < 2 * sum(dims) + 4,
        f"{operation}: {sum(dims)} columns need {2 * sum(dims) + 4} rows, got {n}; give more rows",
    )
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    seen, kept = order[: n // 2], order[n // 2 :]
    few = seen[:MAX_ROWS_SEARCHED]
    alone = on_one_core(estimator)

    def missing(flat: np.ndarray) -> float:
        a, b = _frames(flat, dims, num_directions)
        return -alone.estimate(x[few] @ a, y[few] @ b).value

    starts = [_canonical(x[seen], y[seen], num_directions)]
    starts += [rng.standard_normal(sum(dims) * num_directions) for _ in range(NUM_STARTS)]
    best = min(starts, key=missing)
    options: dict[str, Any] = {"maxfev": num_evaluations, "ftol": 1e-4, "xtol": 1e-3}
    improved = minimize(missing, best, method="Powell", options=options).x
    a, b = _frames(np.asarray(min(best, improved, key=missing)), dims, num_directions)
    found = estimator.estimate(x[kept] @ a, y[kept] @ b)
    method = f"max-sliced, {num_directions} directions, held-out half, {found.method}"
    return MaxSlice(replace(found, kind="neither", method=method), a, b)


def _frame(rng: np.random.Generator, dim: int, num_directions: int) -> np.ndarray:
    """Return a uniform frame of orthonormal columns [dim, k], by QR of a Gaussian matrix."""
    q, r = np.linalg.qr(rng.standard_normal((dim, num_directions)))
    return q * np.sign(np.diag(r))


def _frames(flat: np.ndarray, dims: tuple[int, int], num_directions: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the frames that span two matrices, given as one vector."""
    matrices = np.split(flat.reshape(sum(dims), num_directions), [dims[0]])
    a, b = (np.linalg.qr(matrix)[0] for matrix in matrices)
    return a, b


def _canonical(x: np.ndarray, y: np.ndarray, num_directions: int) -> np.ndarray:
    """Return the first canonical directions of X and Y as one vector."""
    white: list[np.ndarray] = []
    back: list[np.ndarray] = []
    for rows in (x, y):
        centred = rows - rows.mean(axis=0)
        u, sizes, v = np.linalg.svd(centred, full_matrices=False)
        kept = sizes > 1e-10 * sizes[0]
        white.append(u[:, kept])
        back.append(v[kept].T / sizes[kept])
    left, _, right = np.linalg.svd(white[0].T @ white[1])
    pairs = zip(back, (left, right.T), strict=True)
    return np.vstack([_scaled(one @ turn[:, :num_directions]) for one, turn in pairs]).ravel()


def _scaled(directions: np.ndarray) -> np.ndarray:
    return directions / np.linalg.norm(directions, axis=0)


def _check_directions(operation: str, num_directions: int, x: np.ndarray, y: np.ndarray) -> None:
    check_whole(operation, "num_directions", num_directions, least=1, remedy="1 is usual")
    most = min(x.shape[1], y.shape[1])
    refuse(
        num_directions > most,
        f"{operation}: {num_directions} directions need as many columns in x and in y, got {x.shape[1]} and "
        f"{y.shape[1]}; set num_directions to at most {most}",
    )
