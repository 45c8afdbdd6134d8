"""Hebb's rule, averaged over the ensemble of inputs: how the weights of local units grow, and to what.

    dwᵢⱼ/dt = k₁ + Σₗ (Qⱼₗ + k₂) sₗ wᵢₗ,    −limit ≤ w ≤ limit

Unit i has weights w at the places j of its arbor, whose density is s. Q is the covariance of what arrives at
these places, in units of its variance. k₁ and k₂ control the sum of all weights: where k₂ is well below 0,
Σ s w comes to about k₁/(|k₂| − mean Q). Nothing is sampled.

Reference: Linsker (1986), From basic network principles to neural architecture, I–III; MacKay and Miller
(1990), Analysis of Linsker's application of Hebbian rules to linear networks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from infomax.information.tables import Number
from infomax.principle.arbors import Arbor, Autocovariance, check_fits, covariances_between
from infomax.ranges import Finite, Positive, Weight, check_numbers

LONGEST_STEP = 1.8
"""A step of 2, in units of the inverse of the fastest rate of decay, would make the sum of weights swing."""


@dataclass(frozen=True, eq=False)
class HebbRule:
    """dw/dt = k₁ + (Q + k₂) s w within ±limit, with or without lateral connections.

    Args:
        k1: growth that does not depend on activity.
        k2: how much Σ s w counts; well below 0, it holds that sum at k₁/(|k₂| − mean Q).
        limit: of the size of a weight.
        lateral: connections within the layer: unit i also responds to `strength` Σ_d density(d) y(i + d), so
            that its weights grow with what its neighbours' responses are correlated with.
        strength: of all lateral connections of a unit together.
    Raises:
        ValueError: k₁ or k₂ not finite, a limit that is not positive, a negative strength.
    """

    k1: Number
    k2: Number
    limit: Number = 0.5
    lateral: Arbor | None = None
    strength: Number = 1.0

    def __post_init__(self) -> None:
        check_numbers("HebbRule", Finite, k1=self.k1, k2=self.k2)
        check_numbers("HebbRule", Positive, limit=self.limit)
        check_numbers("HebbRule", Weight, strength=self.strength)


def hebbian_growth(
    weights: Float[np.ndarray, "n k"], arbor: Arbor, autocovariance: Autocovariance, rule: HebbRule
) -> Float[np.ndarray, "n k"]:
    """Return dw/dt of every weight, without limits: the ensemble average ⟨y x⟩, and what k₁ and k₂ add."""
    synapses = arbor.density * weights
    total = synapses.sum(axis=1, keepdims=True)
    seen, offsets = (
        (synapses, arbor.offsets)
        if rule.lateral is None
        else _with_neighbours(synapses, arbor, rule, len(autocovariance))
    )
    return rule.k1 + rule.k2 * total + seen @ covariances_between(autocovariance, offsets, arbor.offsets)


def grow(
    arbor: Arbor,
    autocovariance: Autocovariance,
    rule: HebbRule,
    *,
    seed: int,
    num_units: int | None = None,
    start: Number = 0.02,
    tolerance: Number = 2e-4,
    max_steps: int = 2000,
) -> Float[np.ndarray, "n k"]:
    """Return mature weights [n, k], grown from small random ones: nearly all are at a limit.

    Steps follow dw/dt, and weights are cut off at the limits. Steps are nearly as long as they can be without
    making the sum that k₂ controls oscillate.

    Args:
        arbor: where each unit has synapses.
        autocovariance: Q, of what arrives at them.
        rule: by which weights grow.
        seed: of the first weights.
        num_units: n; by default one at each place, as lateral connections need.
        start: the largest weight at first.
        tolerance: growth ends when a step changes weights by less than this share of their size, on average.
        max_steps: the most steps.
    Raises:
        ValueError: an arbor that reaches around the torus; lateral connections with fewer units than places.
        RuntimeError: weights still change after `max_steps`.
    Example:
        >>> from infomax.principle.arbors import gaussian_arbor, white_noise
        >>> sums = grow(gaussian_arbor(0.8), white_noise(8), HebbRule(k1=0.5, k2=0), seed=0)
        >>> bool((sums == 0.5).all())  # as in B: nothing keeps weights from their limit
        True
    """
    side = len(autocovariance)
    num_units = side * side if num_units is None else num_units
    _check_growth(arbor, autocovariance, rule, num_units)
    rate = LONGEST_STEP / _steepness(arbor, autocovariance, rule)
    weights = np.random.default_rng(seed).uniform(-start, start, (num_units, len(arbor.density)))
    for _ in range(max_steps):
        grown = weights + rate * hebbian_growth(weights, arbor, autocovariance, rule)
        before, weights = weights, np.clip(grown, -rule.limit, rule.limit)
        if np.abs(weights - before).mean() <= tolerance * np.abs(weights).mean():
            return weights
    raise RuntimeError(
        f"grow: weights still change after {max_steps} steps; allow more, or a larger tolerance"
    )


def growth_modes(
    arbor: Arbor, autocovariance: Autocovariance, k2: Number
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, "k k"]]:
    """Return the rates λ, fastest first, and weights [modes, k] of what grows by itself: (Q + k₂) s w = λ w.

    Without limits weights tend to the first mode. A mode that no k₁ feeds starts from noise only; k₂ lowers
    the rate of the mode whose weights have equal signs. The leading modes decide what units become.

    Reference: MacKay and Miller (1990).
    """
    root = np.sqrt(arbor.density)
    covariance = covariances_between(autocovariance, arbor.offsets, arbor.offsets)
    rates, modes = np.linalg.eigh(root[:, None] * (covariance + k2) * root)
    return rates[::-1], (modes / root[:, None]).T[::-1]


def _with_neighbours(
    synapses: Float[np.ndarray, "n k"], arbor: Arbor, rule: HebbRule, side: int
) -> tuple[Float[np.ndarray, "n m"], Int[np.ndarray, "m 2"]]:
    """Synapses of each unit and, by its lateral connections, of its neighbours, on a square of places."""
    assert rule.lateral is not None
    inner, margin = 2 * arbor.reach + 1, rule.lateral.reach
    outer = arbor.reach + margin
    own = np.zeros((side, side, inner, inner))
    y, x = (arbor.offsets + arbor.reach).T
    own[:, :, y, x] = synapses.reshape(side, side, -1)
    around = np.pad(own, [(margin, margin)] * 2 + [(0, 0)] * 2, mode="wrap")
    square = np.zeros((side, side, 2 * outer + 1, 2 * outer + 1))
    for shift, strength in _lateral_connections(rule):
        dy, dx = shift + margin
        neighbours = around[dy : dy + side, dx : dx + side]
        square[:, :, dy : dy + inner, dx : dx + inner] += strength * neighbours
    axis = np.arange(-outer, outer + 1)
    offsets = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    return square.reshape(side * side, -1), offsets


def _lateral_connections(rule: HebbRule) -> Iterator[tuple[Int[np.ndarray, "2"], float]]:
    """The unit itself, then its neighbours."""
    assert rule.lateral is not None
    yield np.zeros(2, dtype=int), 1.0
    yield from zip(rule.lateral.offsets, rule.strength * rule.lateral.density, strict=True)


def _steepness(arbor: Arbor, autocovariance: Autocovariance, rule: HebbRule) -> float:
    """The largest rate at which a mode may decay."""
    rates, _ = growth_modes(arbor, autocovariance, 0.0)
    lateral = 1.0 if rule.lateral is None else max(1.0, float(rule.strength))
    return max(float(rates[0]) * lateral, abs(float(rule.k2)))


def _check_growth(arbor: Arbor, autocovariance: Autocovariance, rule: HebbRule, num_units: int) -> None:
    side = len(autocovariance)
    check_fits("grow", arbor, side)
    if num_units < 1 or (rule.lateral is not None and num_units != side * side):
        raise ValueError(
            f"grow: num_units must be at least 1, and with lateral connections one at each of the "
            f"{side * side} places, got {num_units}"
        )
