"""The self-adaptive network: layers of local linear units that grow, by Hebb's rule or to be informative.

    yᵢ = Σⱼ sⱼ wᵢⱼ x(i + j),    dwᵢⱼ/dt = k₁ + Σₗ (Qⱼₗ + k₂) sₗ wᵢₗ,    −limit ≤ w ≤ limit

Every unit has a place on a square lattice that is closed to a torus, and synapses at places j around its own
in the layer below, of density s: its arbor, Gaussian. Q is the covariance of what arrives there, in units of
its variance. k₁ and k₂ say how much all weights together may be: where k₂ is well below 0, Σ s w comes to
about k₁/(|k₂| − mean Q). The rule is Hebb's, averaged over the ensemble of inputs: nothing is sampled, and
the covariance of a layer follows from that of the layer below and the weights, Q′ = W Q Wᵀ.

Layers mature one after the other. What a unit becomes depends on Q, and so on the layers below: units of B
sum noise, so that neighbours are correlated; those of C become opponent, centre against surround; through
more such layers Q comes to wave like a Mexican hat; and units of G, their weights balanced (k₁ = 0), prefer
one orientation.

The same architecture may instead be asked for I(L; M), see `climb_within_arbors`.

Reference: Linsker (1986), From basic network principles to neural architecture, I–III; MacKay and Miller
(1990), Analysis of Linsker's application of Hebbian rules to linear networks.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize

from infomax.information.tables import Number
from infomax.principle.linear import LinearUnits

Autocovariance = Float[np.ndarray, "side side"]  # of places apart by [y, x], on a torus

# ----------------------------------------------------------------------------------------- places


@dataclass(frozen=True, eq=False)
class Arbor:
    """Where a unit has synapses: places [k, 2] seen from its own, and the share s [k] of them at each."""

    offsets: Int[np.ndarray, "k 2"]
    density: Float[np.ndarray, " k"]

    @property
    def reach(self) -> int:
        """How far the furthest synapse is, along an axis."""
        return int(np.abs(self.offsets).max())


def gaussian_arbor(spread: Number, *, reach: Number = 2.6) -> Arbor:
    """s ∝ exp(−r²/2 spread²) at the places within reach·spread.

    Args:
        spread: the standard deviation along an axis, in places.
        reach: where the arbor ends, in spreads.
    Raises: ValueError: not positive.
    Example:
        >>> gaussian_arbor(0.5, reach=2).density.round(3)  # the four nearest neighbours, and the place itself
        array([0.088, 0.088, 0.649, 0.088, 0.088])
    """
    if not (0 < spread < math.inf and 0 < reach < math.inf):
        raise ValueError(f"gaussian_arbor: spread and reach must be positive, got {spread} and {reach}")
    axis = np.arange(-int(reach * spread), int(reach * spread) + 1)
    offsets = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    squared = (offsets**2).sum(axis=1)
    kept = squared <= (reach * spread) ** 2
    density = np.exp(-squared[kept] / (2 * spread**2))
    return Arbor(offsets[kept], density / density.sum())


def places(side: int, offsets: Int[np.ndarray, "k 2"]) -> Int[np.ndarray, "n k"]:
    """The numbers y·side + x of the places at `offsets` from each of the n = side² places."""
    y, x = np.divmod(np.arange(side * side), side)
    return (y[:, None] + offsets[:, 0]) % side * side + (x[:, None] + offsets[:, 1]) % side


def response_matrix(weights: Float[np.ndarray, "n k"], arbor: Arbor, side: int) -> Float[np.ndarray, "n n"]:
    """W of y = W x: row i has s w of unit i at the places of its synapses, and 0 elsewhere.

    Raises: ValueError: not one unit a place, or an arbor that reaches around the torus.
    """
    _check_fits("response_matrix", arbor, side)
    if weights.shape != (side * side, len(arbor.density)):
        raise ValueError(
            f"response_matrix: weights must be [{side * side}, {len(arbor.density)}], a unit at each "
            f"place of the torus and a weight for each place of the arbor, got shape {weights.shape}"
        )
    matrix = np.zeros((side * side, side * side))
    np.put_along_axis(matrix, places(side, arbor.offsets), arbor.density * weights, axis=1)
    return matrix


# ------------------------------------------------------------------------------------ covariances


def white_noise(side: int) -> Autocovariance:
    """Of independent activities of variance 1, those of layer A."""
    autocovariance = np.zeros((side, side))
    autocovariance[0, 0] = 1
    return autocovariance


def covariances_between(
    autocovariance: Autocovariance, offsets: Int[np.ndarray, "k 2"], others: Int[np.ndarray, "m 2"]
) -> Float[np.ndarray, "k m"]:
    """Q of places around a unit, two by two."""
    apart = (others[None] - offsets[:, None]) % len(autocovariance)
    return autocovariance[apart[..., 0], apart[..., 1]]


def covariance_matrix(autocovariance: Autocovariance) -> Float[np.ndarray, "n n"]:
    """Of all places two by two."""
    every = _every_place(len(autocovariance))
    return covariances_between(autocovariance, every, every)


def propagate(matrix: Float[np.ndarray, "m n"], autocovariance: Autocovariance) -> Float[np.ndarray, "m m"]:
    """W Q Wᵀ, the exact covariance of the units' responses; W Q is a convolution of every row."""
    rows = matrix.reshape(-1, *autocovariance.shape)  # [m, side, side]
    convolved = np.fft.irfft2(
        np.fft.rfft2(rows) * np.fft.rfft2(autocovariance).real, s=autocovariance.shape
    ).reshape(matrix.shape)
    return convolved @ matrix.T


def average_over_places(covariance: Float[np.ndarray, "n n"]) -> Autocovariance:
    """Mean over units i of the covariance of i and i + d, for every d: the ensemble has no places."""
    side = math.isqrt(len(covariance))
    partners = places(side, _every_place(side))  # [n, n distances]
    return np.take_along_axis(covariance, partners, axis=1).mean(axis=0).reshape(side, side)


def _every_place(side: int) -> Int[np.ndarray, "n 2"]:
    return np.stack(np.divmod(np.arange(side * side), side), axis=1)


# ------------------------------------------------------------------------------------ Hebb's rule


@dataclass(frozen=True, eq=False)
class HebbRule:
    """dw/dt = k₁ + (Q + k₂) s w within ±limit, and what lateral connections make of it.

    Args:
        k1: growth that does not depend on activity.
        k2: how much Σ s w counts; well below 0, it holds that sum at k₁/(|k₂| − mean Q).
        limit: of the size of a weight.
        lateral: connections within the layer: unit i also responds to `strength` Σ_d density(d) y(i + d), so
            that its weights grow with what its neighbours' responses are correlated with.
        strength: of all lateral connections of a unit together.
    """

    k1: Number
    k2: Number
    limit: Number = 0.5
    lateral: Arbor | None = None
    strength: Number = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.k1) and math.isfinite(self.k2) and 0 < self.limit < math.inf):
            raise ValueError(
                "HebbRule: k1 and k2 must be finite and limit positive, "
                f"got k1={self.k1}, k2={self.k2}, limit={self.limit}"
            )
        if not 0 <= self.strength < math.inf:
            raise ValueError(
                f"HebbRule: the strength of lateral connections must be at least 0, got {self.strength}"
            )


def hebbian_growth(
    weights: Float[np.ndarray, "n k"], arbor: Arbor, autocovariance: Autocovariance, rule: HebbRule
) -> Float[np.ndarray, "n k"]:
    """dw/dt of every weight, without the limits: the ensemble average ⟨y x⟩ and what k₁ and k₂ add."""
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
    """Weights [n, k] that have matured, from small random ones: nearly all are then at a limit.

    Steps of dw/dt, each cut off at the limits, nearly as long as they may be before the sum that k₂ holds
    would swing; until weights change by less than `tolerance` of their size in a step, on average.

    Args:
        num_units: n, by default one at each place, as lateral connections need.
        start: the largest weight at first.
    Raises:
        ValueError: an arbor that reaches around the torus; lateral connections among fewer units than places.
        RuntimeError: weights that go on changing.
    Example:
        >>> sums = grow(gaussian_arbor(0.8), white_noise(8), HebbRule(k1=0.5, k2=0), seed=0)
        >>> bool((sums == 0.5).all())  # as in B: nothing keeps weights from their limit
        True
    """
    side = len(autocovariance)
    num_units = side * side if num_units is None else num_units
    _check_growth(arbor, autocovariance, rule, num_units)
    rate = 1.8 / _steepness(arbor, autocovariance, rule)
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
    """Rates λ, the fastest first, and weights [modes, k] of what grows by itself: (Q + k₂) s w = λ w.

    Without limits weights tend to the first mode. A mode that no k₁ feeds starts from noise only; the one of
    equal signs has its rate lowered by k₂. Which modes lead says what units become.

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
    """The largest rate at which a mode may decay: a step of twice its inverse would make it swing."""
    rates, _ = growth_modes(arbor, autocovariance, 0.0)
    lateral = 1.0 if rule.lateral is None else max(1.0, float(rule.strength))
    return max(float(rates[0]) * lateral, abs(float(rule.k2)))


def _check_growth(arbor: Arbor, autocovariance: Autocovariance, rule: HebbRule, num_units: int) -> None:
    side = len(autocovariance)
    _check_fits("grow", arbor, side)
    if num_units < 1 or (rule.lateral is not None and num_units != side * side):
        raise ValueError(
            f"grow: num_units must be at least 1, and with lateral connections one at each of the "
            f"{side * side} places, got {num_units}"
        )


def _check_fits(operation: str, arbor: Arbor, side: int) -> None:
    if 2 * arbor.reach >= side:
        raise ValueError(
            f"{operation}: an arbor that reaches {arbor.reach} places does not fit on a torus of side "
            f"{side}; the side must be at least {2 * arbor.reach + 1}"
        )


# ------------------------------------------------------------------------------------ the network


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """A layer before it grows: its name, where its units have synapses, and the rule for their weights."""

    name: str
    arbor: Arbor
    rule: HebbRule


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer that has grown: its plan, the weights [n, k], and the autocovariance of what it receives."""

    plan: LayerPlan
    received: Autocovariance
    weights: Float[np.ndarray, "n k"]

    @property
    def matrix(self) -> Float[np.ndarray, "n n"]:
        """W of y = W x."""
        return response_matrix(self.weights, self.plan.arbor, len(self.received))

    @property
    def covariance(self) -> Float[np.ndarray, "n n"]:
        """W Q Wᵀ of its responses, exactly."""
        return propagate(self.matrix, self.received)


def linsker_plans(spread: Number = 1.2, *, lateral: Arbor | None = None) -> tuple[LayerPlan, ...]:
    """Layers B to G: sums of noise, opponent cells in four layers, and cells that prefer an orientation.

    In B nothing keeps weights from their limit. C has arbors √3 times as wide and k₁, k₂ in the regime where
    about two thirds of the synapses become excitatory, Σ s w = k₁/(|k₂| − mean Q) = 0.16 with a limit of 0.5;
    D to F much the same. In G k₁ = 0 balances the weights, which leaves bilobed modes to lead.

    Args:
        spread: of the arbors of B, in places; those of C are √3 as wide, the others 2.
        lateral: connections among the units of G.
    """
    wide = gaussian_arbor(2 * spread)
    opponent = HebbRule(k1=0.4, k2=-3.0)
    return (
        LayerPlan("B", gaussian_arbor(spread), HebbRule(k1=0.5, k2=0.0)),
        LayerPlan("C", gaussian_arbor(math.sqrt(3) * spread), HebbRule(k1=0.45, k2=-3.0)),
        *(LayerPlan(name, wide, opponent) for name in "DEF"),
        LayerPlan("G", wide, HebbRule(k1=0.0, k2=-3.0, lateral=lateral)),
    )


def develop(plans: Sequence[LayerPlan], side: int, *, seed: int) -> list[Layer]:
    """The layers grown one after the other, the first from white noise.

    A layer sees the covariance of the layer below averaged over places, and in units of its variance.

    Raises: ValueError: no plans, or an arbor that reaches around the torus.
    """
    if not plans:
        raise ValueError("develop: there must be at least one layer to grow, got no plans")
    layers: list[Layer] = []
    received = white_noise(side)
    for depth, plan in enumerate(plans):
        if layers:
            received = average_over_places(layers[-1].covariance)
            received = received / received[0, 0]
        weights = grow(plan.arbor, received, plan.rule, seed=seed + depth)
        layers.append(Layer(plan, received, weights))
    return layers


# ------------------------------------------------------------------------------- most information


def gradient_at_fixed_norms(units: LinearUnits) -> Float[np.ndarray, "k d"]:
    """∂I/∂W less each row's part along w: how I(L; M) changes while all norms stay what they are."""
    slope, weights = units.gradient(), units.weights
    along = (slope * weights).sum(axis=1, keepdims=True) / (weights**2).sum(axis=1, keepdims=True)
    return slope - along * weights


def climb_within_arbors(
    units: LinearUnits, *, tolerance: Number = 1e-6, max_iterations: int = 500
) -> LinearUnits:
    """Where gradient ascent of I(L; M) leads, each unit keeping its synapses and the norm of its weights.

    Synapses are where the weights are not 0 at first. Free variables are multiples of each row of W, of which
    only the direction counts, so that the ascent has no limits to watch. Quasi-Newton (L-BFGS), until an
    iteration brings less than `tolerance` of I(L; M).

    Raises:
        ValueError: a unit without synapses.
        RuntimeError: no convergence.
    Example:
        >>> start = LinearUnits([[1.0, 0.9], [0.9, 1.0]], signal=np.eye(2), output_noise=0.1)
        >>> units = climb_within_arbors(start)
        >>> bool(abs(units.responses[0, 1]) < 0.01 < start.responses[0, 1])  # units alike come to differ
        True
    """
    synapses = units.weights != 0
    norms = np.linalg.norm(units.weights, axis=1, keepdims=True)
    if not (norms > 0).all():
        raise ValueError(
            f"climb_within_arbors: unit {int(np.argmin(norms))} has no synapses: all its weights are 0, "
            "and would stay so; leave it out, or start elsewhere"
        )

    def at(flat: np.ndarray) -> tuple[LinearUnits, Float[np.ndarray, "n 1"]]:
        free = np.zeros(units.weights.shape)
        free[synapses] = flat
        scale = norms / np.linalg.norm(free, axis=1, keepdims=True)
        return replace(units, weights=scale * free), scale

    def descent(flat: np.ndarray) -> tuple[float, np.ndarray]:
        here, scale = at(flat)
        return -here.information(), -(scale * gradient_at_fixed_norms(here))[synapses]

    found = minimize(
        descent,
        (units.weights / norms)[synapses],
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": max_iterations, "ftol": tolerance, "gtol": 0.0},
    )
    if not found.success:
        raise RuntimeError(
            f"climb_within_arbors: no convergence ({found.message}); allow more iterations, or a larger "
            "tolerance"
        )
    return at(found.x)[0]
