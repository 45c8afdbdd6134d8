"""Options of AMDIM's objective: how features are scored against each other, and on which maps."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from infomax.ranges import NotEmpty, Positive, Side, Weight, check_ranges

Scales = Annotated[tuple[tuple[Side, Side], ...], NotEmpty()]

AMDIM_SCALES: Scales = ((1, 5), (1, 7), (5, 5))
"""(side of the source map, side of the target map) of each prediction; a side of 1 is the global feature."""


def usual_scales(sides: Iterable[int]) -> Scales:
    """Return which scales predict which, as AMDIM does, for maps of these sides.

    The global feature predicts each map, and the smallest map predicts itself. Without maps the global
    feature predicts that of the other view.

    Example:
        >>> usual_scales([7, 5]), usual_scales([8]), usual_scales([])
        (((1, 5), (1, 7), (5, 5)), ((1, 8), (8, 8)), ((1, 1),))
    """
    found = sorted(sides)
    return (*((1, side) for side in found), (found[0], found[0])) if found else ((1, 1),)


@dataclass(frozen=True)
class Scoring:
    """How a source scores targets, and what becomes of the scores.

    clip: c; scores s become c tanh(s / c). None leaves them as they are.
    penalty_weight: λ; the mean square of the scores before clipping, times λ, is subtracted.
    temperature: T, of the posterior over the components of a mixture. At a low one only the best component
    learns. The prediction of a single vector does not depend on it.

    Raises:
        ValueError: a clip or temperature that is not above 0, or a negative weight.
    """

    clip: Positive | None = 20.0
    penalty_weight: Weight = 0.05
    temperature: Positive = 1.0

    def __post_init__(self) -> None:
        check_ranges(self, "scoring")


DEFAULT_SCORING = Scoring()
"""As in Bachman et al. (2019)."""
