"""The linear units that convey most, found by gradient ascent, where no closed form is known.

What is varied are rows v; each unit's weights are its row, scaled to the limit of this unit. Only the
direction of a row counts, so the ascent has no constraints to watch. It ends at a maximum near the start,
which need not be the highest.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import OptimizeResult, minimize

from infomax.information.tables import Number
from infomax.principle.linear import LinearUnits

Rows = Float[np.ndarray, "k d"]
Scaled = Callable[[np.ndarray], tuple[LinearUnits, np.ndarray]]  # rows -> units, and the scale of each row


def climb_with_powers(units: LinearUnits, powers: Float[np.ndarray, " k"]) -> LinearUnits:
    """Return where gradient ascent of I(L; M) leads from `units`, each kept at its own power, w R wᵀ.

    For limits that differ from unit to unit. More power never conveys less, so each unit uses its limit.

    Args:
        units: the start.
        powers: the limits.
    Raises:
        ValueError: not one positive power for each unit, or a unit that does not respond.
        RuntimeError: no convergence.
    """
    return _climb_to_limits("climb_with_powers", units, units.received, powers)


def climb_with_norms(units: LinearUnits, norms: Float[np.ndarray, " k"]) -> LinearUnits:
    """Return where gradient ascent of I(L; M) leads from `units`, each kept at its own squared norm, w wᵀ.

    See `climb_with_powers`.

    Example:
        >>> from infomax.principle.optima import best_units_of_norm
        >>> start = LinearUnits([[0.1, 1.0], [0.3, 0.2]], signal=np.diag([4.0, 1.0]))
        >>> units = climb_with_norms(start, np.array([1.5, 0.5]))
        >>> units.information() <= best_units_of_norm(start.signal, norm=2, num_units=2).information()
        True
    """
    return _climb_to_limits("climb_with_norms", units, np.eye(len(units.signal)), norms)


def climb_within_arbors(
    units: LinearUnits, *, tolerance: Number = 1e-6, max_iterations: int = 500
) -> LinearUnits:
    """Return where gradient ascent of I(L; M) leads while each unit keeps its synapses and its norm.

    A unit has synapses where its weights are not 0 at first.

    Args:
        units: the start.
        tolerance: the ascent ends when an iteration gains less than this share of I(L; M).
        max_iterations: the most iterations.
    Raises:
        ValueError: a unit without synapses.
        RuntimeError: no convergence.
    Example:
        >>> start = LinearUnits([[1.0, 0.9], [0.9, 1.0]], signal=np.eye(2), output_noise=0.1)
        >>> units = climb_within_arbors(start)
        >>> bool(abs(units.responses[0, 1]) < 0.01 < start.responses[0, 1])  # units alike come to differ
        True
    """
    norms = np.linalg.norm(units.weights, axis=1, keepdims=True)
    if not (norms > 0).all():
        raise ValueError(
            f"climb_within_arbors: unit {int(np.argmin(norms))} has no synapses: all its weights are 0, "
            "and would stay so; leave it out, or start elsewhere"
        )

    def scaled(rows: np.ndarray) -> tuple[LinearUnits, np.ndarray]:
        scale = norms / np.linalg.norm(rows, axis=1, keepdims=True)
        return replace(units, weights=scale * rows), scale

    options = {"maxiter": max_iterations, "ftol": tolerance, "gtol": 0.0}
    best, found = _climb(units.weights / norms, units.weights != 0, scaled, gradient_at_fixed_norms, options)
    if not found.success:
        raise RuntimeError(
            f"climb_within_arbors: no convergence ({found.message}); allow more iterations, or a larger "
            "tolerance"
        )
    return best


def gradient_at_fixed_norms(units: LinearUnits) -> Rows:
    """Return ∂I/∂W less each row's part along w: how I(L; M) changes while no norm does."""
    slope, weights = units.gradient(), units.weights
    along = (slope * weights).sum(axis=1, keepdims=True) / (weights**2).sum(axis=1, keepdims=True)
    return slope - along * weights


def _climb_to_limits(operation: str, units: LinearUnits, gram: np.ndarray, limits: np.ndarray) -> LinearUnits:
    """Ascend with w G wᵀ of each unit at its limit."""
    sizes = np.einsum("kd,de,ke->k", units.weights, gram, units.weights)
    _check_limits(operation, sizes, limits)

    def scaled(rows: np.ndarray) -> tuple[LinearUnits, np.ndarray]:
        scale = np.sqrt(limits / np.einsum("kd,de,ke->k", rows, gram, rows))[:, None]
        return replace(units, weights=scale * rows), scale

    def gradient(here: LinearUnits) -> Rows:
        slope = here.gradient()
        outward = (slope * here.weights).sum(axis=1, keepdims=True) / limits[:, None]
        return slope - outward * (here.weights @ gram)

    options = {"maxiter": 5000, "ftol": 1e-15, "gtol": 1e-9}
    everywhere = np.ones(units.weights.shape, dtype=bool)
    best, found = _climb(units.weights, everywhere, scaled, gradient, options)
    steepest = float(np.abs(found.jac).max())
    if not steepest < 1e-4:
        raise RuntimeError(f"{operation}: no convergence, the slope is still {steepest:.2g}; start elsewhere")
    return best


def _climb(
    start: Rows,
    where: Bool[np.ndarray, "k d"],
    scaled: Scaled,
    gradient: Callable[[LinearUnits], Rows],
    options: Mapping[str, Any],
) -> tuple[LinearUnits, OptimizeResult]:
    """Ascend I(L; M) over rows v by L-BFGS.

    Args:
        start: the first rows.
        where: entries that vary; the others are 0.
        scaled: the units whose weights are rows scaled to their limits.
        gradient: ∂I/∂W of units, as far as their limits allow.
        options: of L-BFGS.
    Returns:
        The units, and how the ascent ended.
    """

    def at(flat: np.ndarray) -> tuple[LinearUnits, np.ndarray]:
        rows = np.zeros(start.shape)
        rows[where] = flat
        return scaled(rows)

    def descent(flat: np.ndarray) -> tuple[float, np.ndarray]:
        here, scale = at(flat)
        return -here.information(), -(scale * gradient(here))[where]

    found = minimize(descent, start[where], jac=True, method="L-BFGS-B", options=dict(options))
    return at(found.x)[0], found


def _check_limits(operation: str, sizes: np.ndarray, limits: np.ndarray) -> None:
    if limits.shape != sizes.shape or not (limits > 0).all() or not np.isfinite(limits).all():
        raise ValueError(
            f"{operation}: expected one positive limit for each of {len(sizes)} units, got {limits}"
        )
    if not (sizes > 0).all():
        raise ValueError(
            f"{operation}: unit {int(np.argmin(sizes))} has no power to scale; start from random weights"
        )
