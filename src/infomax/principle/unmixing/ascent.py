"""Ascend the likelihood: first on few of the samples, then on more, at last on all.

On few samples a step is cheap, and precise enough while it is larger than their sampling error.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from infomax.principle.unmixing.likelihood import BLOCK, Matrix, WhiteSamples
from infomax.principle.unmixing.rules import NaturalGradient, QuasiNewton

MIN_SAMPLES = 2**12
"""Samples to begin with, or as many as W has elements if that is more: on fewer, noise hides the sources."""
GROWTH = 4
"""Each stage has so many times the samples of the one before."""
STEPS_BETWEEN_CHOICES = 4
"""After so many steps densities are chosen again."""
MAX_ELEMENT = 0.3
"""The largest element of a step E."""
MAX_HALVINGS = 12
SAMPLES_FOR_PAIRS = 2**10
"""Samples that decide whether two sources are mixed half and half."""
WORTH_TURNING = 0.03
"""Nats that a pair of sources must gain to be turned."""

Choice = Int[np.ndarray, " d"]  # for each source, which of the densities


class Unmixing(NamedTuple):
    """W, the density of each source and E yᵢ² there, the largest |Gᵢⱼ| left, and the number of steps."""

    matrix: Float[np.ndarray, "d d"]
    chosen: Int[np.ndarray, " d"]
    power: Float[np.ndarray, " d"]
    steepest: float
    num_steps: int


def maximize_likelihood(
    samples: WhiteSamples, rule: NaturalGradient | QuasiNewton, *, tolerance: float, max_steps: int
) -> Unmixing:
    """Return where L has a maximum, climbed from where the rule begins.

    Args:
        samples: white.
        rule: which way to step.
        tolerance: on the largest |Gᵢⱼ|.
        max_steps: the most steps in all.
    """
    stages = list(_stages(samples, tolerance))
    unmixing, num_steps = rule.start(stages[0][0], max_steps)
    ascent = _Ascent(stages[0][0], rule, unmixing)
    for part, goal in stages:
        if part is not ascent.samples:
            ascent = _Ascent(part, rule, ascent.unmixing)
        num_steps += ascent.run(goal, max_steps - num_steps)
        if part is stages[0][0]:
            num_steps += ascent.untangle(goal, max_steps - num_steps)
    here = ascent.here
    return Unmixing(ascent.unmixing, ascent.chosen, here.power, here.steepest, num_steps)


def _stages(samples: WhiteSamples, tolerance: float) -> Iterator[tuple[WhiteSamples, float]]:
    """Samples, and the tolerance on them: the sampling error of G; at last all, and what is asked for."""
    total, dim = samples.rows.shape
    size = max(MIN_SAMPLES, dim**2)
    while size * 1.5 < total:
        yield samples.first(size), max(tolerance, size**-0.5)
        size *= GROWTH
    yield samples, tolerance


class _Ascent:
    """The state of an ascent on some samples: W, the density of each source, and the moments there."""

    def __init__(self, samples: WhiteSamples, rule: NaturalGradient | QuasiNewton, unmixing: Matrix) -> None:
        self.samples, self.rule = samples, rule
        self.begin(unmixing, samples.likeliest(unmixing))

    def begin(self, unmixing: Matrix, chosen: Choice) -> None:
        """Begin again, from W and densities of its sources."""
        self.unmixing, self.chosen = unmixing, chosen
        self.here = self.samples.moments(unmixing, chosen)
        self.rule.forget()

    def run(self, tolerance: float, max_steps: int) -> int:
        """Step until G is small and the densities chosen stay the same; return the number of steps."""
        for num_steps in range(max_steps):
            converged = self.here.steepest < tolerance
            due = converged or num_steps % STEPS_BETWEEN_CHOICES == STEPS_BETWEEN_CHOICES - 1
            changed = due and self.choose()
            if (converged and not changed) or not self.step():
                return num_steps
        return max_steps

    def choose(self) -> bool:
        """Choose the densities again; return whether any has changed."""
        better = self.samples.likeliest(self.unmixing)
        changed = not np.array_equal(better, self.chosen)
        if changed:
            self.begin(self.unmixing, better)
        return changed

    def step(self) -> bool:
        """Step where the rule says, halved until this is uphill; return whether it ever was."""
        step = self.rule.direction(self.here)
        step = step * min(1, MAX_ELEMENT / np.abs(step).max())
        rounding = np.finfo(self.samples.rows.dtype).eps * abs(self.here.value)
        for _ in range(MAX_HALVINGS):
            unmixing = self.unmixing + step @ self.unmixing
            there = self.samples.moments(unmixing, self.chosen)
            if there.value > self.here.value - rounding:
                self.rule.learn(step, self.here, there)
                self.unmixing, self.here = unmixing, there
                return True
            step = step / 2
        return False

    def untangle(self, tolerance: float, max_steps: int) -> int:
        """Turn pairs of sources by 45° and ascend again, while L gains; return the number of steps.

        Half of one source and half of another is where L is flat and an ascent may end: if the one source has
        heavy tails and the other light ones, both mixtures may have heavy tails. (Tichavský, Koldovský and
        Oja, 2006, test for this too.)
        """
        num_steps = 0
        while num_steps < max_steps:
            before = self.unmixing, self.chosen, self.here.value
            turned = self._turned()
            if turned is None:
                break
            self.begin(turned, self.samples.likeliest(turned))
            num_steps += self.run(tolerance, max_steps - num_steps)
            if self.here.value <= before[2]:
                self.begin(*before[:2])
                break
        return num_steps

    def _turned(self) -> Matrix | None:
        """W with pairs turned where this makes the first few samples likelier; None if it does nowhere."""
        rows = self.samples.rows[:SAMPLES_FOR_PAIRS]
        y = self.unmixing @ rows.T
        scale = np.sqrt(np.mean(y * y, axis=1, keepdims=True))
        unmixing, gains = self.unmixing / scale, self._gains_of_turning(y / scale)
        if gains.max() < WORTH_TURNING:
            return None
        while gains.max() >= WORTH_TURNING:
            i, j = np.unravel_index(gains.argmax(), gains.shape)
            unmixing[[i, j]] = [unmixing[i] + unmixing[j], unmixing[i] - unmixing[j]] / np.sqrt(2)
            gains[[i, j]] = gains[:, [i, j]] = -np.inf
        return unmixing

    def _gains_of_turning(self, y: Float[np.ndarray, "d n"]) -> Matrix:
        """The gain in E log p of each pair, at unit variance, by a turn of 45°; −∞ where j ≤ i."""

        def likelihood(sources: Float[np.ndarray, "k n"]) -> Float[np.ndarray, " k"]:
            return np.max([density(sources)[0].mean(axis=1) for density in self.samples.densities], axis=0)

        def of_row(i: int) -> Float[np.ndarray, " d"]:
            turned = [
                likelihood((y[i] + other) / np.sqrt(2)) + likelihood((y[i] - other) / np.sqrt(2))
                for other in others
            ]
            return np.concatenate(turned) - alone[i] - alone

        alone, others = likelihood(y), np.array_split(y, -(-y.size // BLOCK))
        gains = np.stack(list(self.samples.apply(of_row, range(len(y)))))
        gains[np.tril_indices(len(y))] = -np.inf
        return gains
