"""Rules for steps: along the natural gradient, or quasi-Newton.

Mixtures of many sources are near Gaussian, where the curvature vanishes. Quasi-Newton steps therefore begin
at a fixed point of rotations, as FastICA's do.

Reference: Amari, Cichocki and Yang (1996); Ablin, Cardoso and Gramfort (2018); Hyvärinen (1999), Fast and
robust fixed-point algorithms for independent component analysis, for the start.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from infomax.principle.unmixing.densities import Values
from infomax.principle.unmixing.likelihood import Matrix, Moments, WhiteSamples

MAX_PAIRS = 8
"""Steps that L-BFGS remembers."""
MAX_ROTATIONS = 50
STILL = 1e-3
"""Rotations end when 1 − |cos| of the angle that a source turns by is less than this, on average."""


@dataclass
class NaturalGradient:
    """Steps E = rate · G, the rate doubled from step to step and halved until a step leads uphill."""

    rate: float = 0.5

    def start(self, samples: WhiteSamples, max_steps: int) -> tuple[Matrix, int]:
        """Return W = I, and 0 steps."""
        return np.eye(samples.rows.shape[1]), 0

    def direction(self, here: Moments) -> Matrix:
        """Return rate · G."""
        return self.rate * here.gradient

    def learn(self, step: Matrix, before: Moments, after: Moments) -> None:
        """Double the rate of a step that was good."""
        self.rate = 2 * float(np.linalg.norm(step) / np.linalg.norm(before.gradient))

    def forget(self) -> None:
        """Do nothing: the rate stays good."""


@dataclass
class QuasiNewton:
    """Steps E = H⁻¹ G, H the curvature at independence, corrected by L-BFGS for the latest steps."""

    pairs: deque[tuple[Values, Values]] = field(default_factory=lambda: deque(maxlen=MAX_PAIRS))

    def start(self, samples: WhiteSamples, max_steps: int) -> tuple[Matrix, int]:
        """Return a fixed point of W ← (E[ψ(y) yᵀ] − E ψ′) W, made orthonormal, and the number of steps.

        It is a start for sources of heavy tails and of light ones. The steps end when sources hardly turn.
        """
        dim = samples.rows.shape[1]
        covariance = (samples.rows.T @ samples.rows / len(samples.rows)).astype(float)
        unmixing, same = _orthonormal(np.eye(dim), covariance), np.zeros(dim, dtype=int)
        for num_steps in range(min(max_steps, MAX_ROTATIONS)):
            here = samples.moments(unmixing, same)
            turned = (np.eye(dim) - here.gradient - np.diag(here.slope)) @ unmixing
            turned = _orthonormal(turned, covariance)
            cosines = np.abs(np.sum(turned @ covariance * unmixing, axis=1))
            unmixing = turned
            if np.mean(1 - cosines) < STILL:
                return unmixing, num_steps + 1
        return unmixing, min(max_steps, MAX_ROTATIONS)

    def direction(self, here: Moments) -> Matrix:
        """Return the result of the two loops of L-BFGS, with H⁻¹ between them."""
        direction, projections = here.gradient, []
        for step, change in reversed(self.pairs):
            projections.append(np.vdot(step, direction) / np.vdot(step, change))
            direction = direction - projections[-1] * change
        direction = here.newton(direction)
        for (step, change), projection in zip(self.pairs, reversed(projections), strict=True):
            excess = np.vdot(change, direction) / np.vdot(step, change)
            direction = direction + (projection - excess) * step
        return direction

    def learn(self, step: Matrix, before: Moments, after: Moments) -> None:
        """Remember how the gradient fell along a step, if it fell."""
        change = before.gradient - after.gradient
        if np.vdot(step, change) > 0:
            self.pairs.append((step, change))

    def forget(self) -> None:
        """Forget what was learned of another curvature."""
        self.pairs.clear()


def _orthonormal(unmixing: Matrix, covariance: Float[np.ndarray, "d d"]) -> Matrix:
    """(W C Wᵀ)^−½ W: the nearest matrix for which the sources are white."""
    variances, axes = np.linalg.eigh(unmixing @ covariance @ unmixing.T)
    return (axes / np.sqrt(variances)) @ axes.T @ unmixing
