"""Gaussian variables, whose entropies and information follow from determinants of covariances.

Covariance matrices are [..., d, d], NumPy or Torch; results are of the same kind, and differentiable.

Reference: Cover and Thomas (2006), chapter 8.
"""

import math
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from array_api_compat import array_namespace, device

from infomax.errors import refuse
from infomax.information.tables import Array, Number, as_real, in_base, same_namespace, to_numpy
from infomax.ranges import Range, check_numbers

MIN_SHARE_LEFT = 16
"""Units of rounding, for each coordinate, up to which nothing is left of its variance given those before."""


def gaussian_entropy(covariance: Array, *, base: Number = math.e) -> Array:
    """Return h(X) = ½ log det(2πe Σ), the differential entropy, which may be negative.

    Args:
        covariance: Σ [..., d, d], symmetric and positive definite.
        base: 2 for bits.
    Raises:
        ValueError: not square, not symmetric, or not positive definite.
    Example:
        >>> round(float(gaussian_entropy([[1.0]])), 6)  # ½ log 2πe
        1.418939
    """
    covariance = check_covariance("gaussian_entropy", covariance)
    d = covariance.shape[-1]
    return in_base((_log_det("gaussian_entropy", covariance) + d * math.log(2 * math.pi * math.e)) / 2, base)


def gaussian_mutual_information(covariance: Array, dim_x: int, *, base: Number = math.e) -> Array:
    """Return I(X;Y) = ½ log( det Σ_x det Σ_y / det Σ ) = −½ Σ log(1 − ρᵢ²), ρᵢ the canonical correlations.

    Args:
        covariance: Σ of (X, Y) together, X in the first `dim_x` coordinates.
        dim_x: how many coordinates X has.
        base: 2 for bits.
    Raises:
        ValueError: no covariance, not positive definite, or a dim_x that leaves X or Y empty.
    Example:
        >>> round(float(gaussian_mutual_information([[1, .75], [.75, 1]], 1)), 4)
        0.4133
    """
    covariance = check_covariance("gaussian_mutual_information", covariance)
    d = covariance.shape[-1]
    check_numbers("gaussian_mutual_information", Annotated[int, Range(1, d - 1)], dim_x=dim_x)
    parts = (covariance[..., :dim_x, :dim_x], covariance[..., dim_x:, dim_x:], covariance)
    x, y, xy = (_log_det("gaussian_mutual_information", part) for part in parts)
    return in_base((x + y - xy) / 2, base)


def gaussian_conditional_mutual_information(
    covariance: Array, x: Sequence[int], y: Sequence[int], given: Sequence[int], *, base: Number = math.e
) -> Array:
    """Return I(X;Y|Z) of jointly Gaussian variables, each a list of coordinates.

    If X is the past of one series, Y the present and Z the past of another, this is the transfer entropy.

    Args:
        covariance: of all coordinates.
        x: the coordinates of X, from 0.
        y: those of Y.
        given: those of Z.
        base: 2 for bits.
    Raises:
        ValueError: no covariance, or not positive definite; coordinates that it lacks, or named twice.
    """
    name = "gaussian_conditional_mutual_information"
    covariance, named = check_covariance(name, covariance), [*x, *y, *given]
    last = covariance.shape[-1] - 1
    refuse(
        not {*named} <= {*range(last + 1)} or len({*named}) < len(named),
        f"{name}: expected coordinates from 0 to {last}, each in one of x, y and given, got {named}",
    )
    groups = ([*x, *given], [*y, *given], named, [*given])
    xz, yz, xyz, z = (_log_det_of(name, covariance, group) for group in groups)
    return in_base((xz + yz - xyz - z) / 2, base)


def gaussian_kl_divergence(
    mean_p: Array, covariance_p: Array, mean_q: Array, covariance_q: Array, *, base: Number = math.e
) -> Array:
    """Return D(p‖q) = ½ [ tr(Σ_q⁻¹Σ_p) + δᵀΣ_q⁻¹δ − d + log(det Σ_q / det Σ_p) ], δ = μ_q − μ_p.

    Raises:
        ValueError: no covariance, not positive definite, or different numbers of coordinates.
    Example:
        >>> round(float(gaussian_kl_divergence([0.0], [[1.0]], [1.0], [[1.0]])), 6)
        0.5
    """
    name = "gaussian_kl_divergence"
    covariance_p, covariance_q = check_covariance(name, covariance_p), check_covariance(name, covariance_q)
    mean_p, mean_q = as_real(name, mean_p, like=covariance_p), as_real(name, mean_q, like=covariance_p)
    xp = same_namespace(name, mean_p, covariance_p, mean_q, covariance_q)
    if {mean_p.shape[-1], mean_q.shape[-1], covariance_p.shape[-1]} != {covariance_q.shape[-1]}:
        raise ValueError(
            f"{name}: means and covariances must have the same number of coordinates, got "
            f"{mean_p.shape[-1]}, {covariance_p.shape[-1]}, {mean_q.shape[-1]}, {covariance_q.shape[-1]}"
        )
    log_ratio = _log_det(name, covariance_q) - _log_det(name, covariance_p)
    shift = (mean_q - mean_p)[..., None]
    distance = xp.sum(shift * xp.linalg.solve(covariance_q, shift), axis=(-2, -1))
    trace = xp.linalg.trace(xp.linalg.solve(covariance_q, covariance_p)) + distance
    return in_base((trace - covariance_p.shape[-1] + log_ratio) / 2, base)


def check_covariance(operation: str, covariance: Array) -> Array:
    """Return a covariance, once it is known to be square, symmetric and finite.

    Raises:
        ValueError: it is not.
    """
    covariance = as_real(operation, covariance)
    if covariance.ndim < 2 or covariance.shape[-1] != covariance.shape[-2]:
        raise ValueError(
            f"{operation}: a covariance must be square [..., d, d], got shape {tuple(covariance.shape)}"
        )
    xp = array_namespace(covariance)
    if not bool(xp.all(xp.isfinite(covariance))):
        raise ValueError(f"{operation}: a covariance must be finite, got ∞ or NaN; find where it comes from")
    asymmetry = xp.max(xp.abs(covariance - xp.linalg.matrix_transpose(covariance))).item()
    if not asymmetry <= 1e3 * xp.finfo(covariance.dtype).eps * xp.max(xp.abs(covariance)).item():
        raise ValueError(f"{operation}: a covariance must be symmetric, got asymmetry {asymmetry:.3g}")
    return covariance


def _log_det(operation: str, covariance: Array) -> Array:
    xp = array_namespace(covariance)
    try:
        pivots = xp.linalg.diagonal(xp.linalg.cholesky(covariance))
    except (np.linalg.LinAlgError, RuntimeError) as error:  # NumPy's, Torch's
        raise _singular(operation) from error
    left = pivots**2 / xp.linalg.diagonal(covariance)
    if not xp.min(left).item() > MIN_SHARE_LEFT * covariance.shape[-1] * xp.finfo(covariance.dtype).eps:
        raise _singular(operation)
    return 2 * xp.sum(xp.log(pivots), axis=-1)


def _singular(operation: str) -> ValueError:
    return ValueError(
        f"{operation}: the covariance must be positive definite; are some coordinates copies or sums of "
        "others, or do fewer samples than coordinates stand behind it?"
    )


def _log_det_of(operation: str, covariance: Array, group: list[int]) -> Array:
    xp = array_namespace(covariance)
    if not group:
        return xp.zeros(covariance.shape[:-2], dtype=covariance.dtype, device=device(covariance))
    index = xp.asarray(group, device=device(covariance))
    return _log_det(operation, xp.take(xp.take(covariance, index, axis=-2), index, axis=-1))


def canonical_correlations(covariance: Array, dim_x: int) -> np.ndarray:
    """Return the correlations ρ₁ ≥ ρ₂ ≥ … of the directions in X and in Y that tell most of one another.

    Args:
        covariance: of (X, Y) together, X in the first `dim_x` coordinates.
        dim_x: how many coordinates X has.
    Raises:
        ValueError: no covariance, not positive definite in X and in Y, or a dim_x that leaves X or Y empty.
    Example:
        >>> canonical_correlations([[1, 0, .5], [0, 1, 0], [.5, 0, 1]], 2)
        array([0.5])

    Reference: Hotelling (1936).
    """
    sigma = to_numpy(check_covariance("canonical_correlations", covariance))
    check_numbers("canonical_correlations", Annotated[int, Range(1, len(sigma) - 1)], dim_x=dim_x)
    for part in (sigma[:dim_x, :dim_x], sigma[dim_x:, dim_x:]):
        _log_det("canonical_correlations", part)  # checks that it is positive definite
    x, y = (np.linalg.cholesky(part) for part in (sigma[:dim_x, :dim_x], sigma[dim_x:, dim_x:]))
    coupled = np.linalg.solve(y, np.linalg.solve(x, sigma[:dim_x, dim_x:]).T)
    correlations = np.linalg.svd(coupled, compute_uv=False)
    if not correlations.max() <= 1 + 1e-9:
        raise ValueError(
            f"canonical_correlations: got a correlation of {correlations.max():.6g}, expected at most 1; the "
            "covariance is not positive semi-definite"
        )
    return np.minimum(correlations, 1.0)  # beyond 1 by rounding
