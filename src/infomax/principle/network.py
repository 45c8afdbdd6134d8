"""The self-adaptive network: layers of local linear units that grow one after the other by Hebb's rule.

    yᵢ = Σⱼ sⱼ wᵢⱼ x(i + j)

Every unit has a place on a square lattice, and synapses at places j around its own in the layer below, of
density s: its arbor, Gaussian (`arbors`). Its weights w grow by Hebb's rule (`hebb`). The covariance of a
layer follows exactly from that of the layer below and the weights, Q′ = W Q Wᵀ.

What a unit becomes depends on Q, and so on the layers below. Units of layer B sum noise, so that neighbours
are correlated. Units of C become opponent, centre against surround; through more such layers Q comes to wave
like a Mexican hat. Units of G, whose weights are balanced (k₁ = 0), prefer one orientation.

The same architecture can maximise I(L; M) instead: see `climbing.climb_within_arbors`.

Reference: Linsker (1986), From basic network principles to neural architecture, I–III.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from infomax.information.tables import Number
from infomax.principle.arbors import (
    Arbor,
    Autocovariance,
    average_over_places,
    gaussian_arbor,
    propagate,
    response_matrix,
    white_noise,
)
from infomax.principle.hebb import HebbRule, grow


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """A layer before it grows: its name, where its units have synapses, and the rule for their weights."""

    name: str
    arbor: Arbor
    rule: HebbRule


@dataclass(frozen=True, eq=False)
class Layer:
    """A layer that has grown: its plan, the autocovariance of what it receives, and the weights [n, k]."""

    plan: LayerPlan
    received: Autocovariance
    weights: Float[np.ndarray, "n k"]

    @property
    def matrix(self) -> Float[np.ndarray, "n n"]:
        """W of y = W x."""
        return response_matrix(self.weights, self.plan.arbor, len(self.received))

    @property
    def covariance(self) -> Float[np.ndarray, "n n"]:
        """W Q Wᵀ, the exact covariance of its responses."""
        return propagate(self.matrix, self.received)


def linsker_plans(spread: Number = 1.2, *, lateral: Arbor | None = None) -> tuple[LayerPlan, ...]:
    """Return the plans of layers B to G.

    In B nothing keeps weights from their limit. C has arbors √3 times as wide, and k₁, k₂ in the regime where
    about two thirds of the synapses become excitatory: Σ s w = k₁/(|k₂| − mean Q) = 0.16, with a limit of
    0.5. D to F are much the same. In G k₁ = 0 balances the weights, so that modes of two lobes lead.

    Args:
        spread: of the arbors of B, in places; those of C are √3 times as wide, the others twice.
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
    """Return the layers grown one after the other, the first from white noise.

    A layer receives the covariance of the layer below averaged over places, in units of its variance.

    Raises:
        ValueError: no plans, or an arbor that reaches around the torus.
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
