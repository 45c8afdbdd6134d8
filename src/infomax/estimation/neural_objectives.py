"""What a neural estimator does with a bound: the function to train by, the function to report, its kind.

    >>> from infomax.estimation.neural_objectives import JENSEN_SHANNON
    >>> JENSEN_SHANNON.value.__name__, JENSEN_SHANNON.kind
    ('nwj_of_log_ratio', 'lower bound')

The two differ where the best function to train by is no estimate (JSD), or the value has no good gradient
(SMILE). Some bounds need a second network beside the critic: a baseline, u(x, y), a moving average.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.estimation import bounds
from infomax.estimation.estimate import Kind
from infomax.fitting import perceptron


@dataclass(frozen=True)
class Objective:
    """How a critic is trained, and which number is then reported.

    Args:
        train: scores [n, n] to a scalar that training maximises.
        value: scores [n, n] to the nats that are reported.
        kind: what the value is, its expectation compared with I(X;Y).
        network: (dim_x, dim_y) to a module (x, y, scores) -> what `train` and `value` take as a second
            argument; trained with the critic. None: they take the scores alone.
    """

    train: Callable[..., Tensor]
    value: Callable[..., Tensor]
    kind: Kind
    network: Callable[[int, int], nn.Module] | None = None

    @property
    def name(self) -> str:
        """The function that trains, and the one reported where it is another."""
        names = [_name(self.train), _name(self.value)]
        return " then ".join(dict.fromkeys(names))


def _name(function: Any) -> str:
    return getattr(getattr(function, "func", function), "__name__", type(function).__name__).lstrip("_")


class LogBaseline(nn.Module):
    """log a(x), a perceptron of x."""

    def __init__(self, dim_x: int, dim_y: int, hidden: int = 128):
        super().__init__()
        self.of_x = perceptron([dim_x, hidden, 1])

    def forward(
        self, x: Float[Tensor, "n dim_x"], y: Float[Tensor, "n dim_y"], scores: Float[Tensor, "n n"]
    ) -> Float[Tensor, " n"]:
        """log a(x_i)."""
        return self.of_x(x).squeeze(1)


class OfPositives(nn.Module):
    """u(x, y) of the positives: a perceptron of [x; y], less the positive's score.

    u should come near −log r, and the scores near log r; so the perceptron learns the difference.
    """

    def __init__(self, dim_x: int, dim_y: int, hidden: int = 128):
        super().__init__()
        self.of_pair = perceptron([dim_x + dim_y, hidden, 1])

    def forward(
        self, x: Float[Tensor, "n dim_x"], y: Float[Tensor, "n dim_y"], scores: Float[Tensor, "n n"]
    ) -> Float[Tensor, " n"]:
        """u(x_i, y_i)."""
        return self.of_pair(torch.cat([x, y], dim=1)).squeeze(1) - scores.diagonal()


class MovingAverage(nn.Module):
    """The log of MINE's moving average of the batches before this one; still where it is not in training."""

    def __init__(self, dim_x: int, dim_y: int, decay: float = 0.99):
        super().__init__()
        self.decay = decay
        self.log_average: Tensor | None = None

    def forward(
        self, x: Float[Tensor, "n dim_x"], y: Float[Tensor, "n dim_y"], scores: Float[Tensor, "n n"]
    ) -> Float[Tensor, ""] | None:
        """log A before this batch, None before the first."""
        before = self.log_average
        if self.training:
            self.log_average = bounds.mine(scores.detach(), before, self.decay)[1]
        return before


def _mine(scores: Tensor, log_average: Tensor | None) -> Tensor:
    return bounds.mine(scores, log_average)[0]


def _infonce_of_half_log_ratio(scores: Tensor) -> Tensor:
    return bounds.infonce(2 * scores)


def _donsker_varadhan(scores: Tensor, log_average: Tensor | None) -> Tensor:
    return bounds.donsker_varadhan(scores)


DONSKER_VARADHAN = Objective(bounds.donsker_varadhan, bounds.donsker_varadhan, "lower bound")
"""E₊ s − log E₋ e^s, whose value is high for few held-out samples."""
MINE = Objective(_mine, _donsker_varadhan, "lower bound", MovingAverage)
"""Donsker–Varadhan, trained with the gradient of a moving average."""
NWJ = Objective(bounds.nwj, bounds.nwj, "lower bound")
"""Its value is a lower bound in expectation, for any number of held-out samples."""
TUBA = Objective(bounds.tuba, bounds.tuba, "lower bound", LogBaseline)
"""NWJ with a baseline a(x) that is learned, too."""
INTERPOLATED = Objective(
    partial(bounds.interpolated, alpha=0.01),
    partial(bounds.interpolated, alpha=0.01),
    "lower bound",
    LogBaseline,
)
"""Between TUBA and InfoNCE, α = 0.01: at most log(100 (n − 1))."""
INFONCE = Objective(bounds.infonce, bounds.infonce, "lower bound")
"""At most log n for n samples scored at a time; little scatter."""
JENSEN_SHANNON = Objective(bounds.jensen_shannon, bounds.nwj_of_log_ratio, "lower bound")
"""Trained by the Jensen–Shannon divergence, read by NWJ(s + 1)."""
REVERSE_KL = Objective(bounds.reverse_kl, bounds.infonce, "lower bound")
"""Trained by the reverse Kullback–Leibler divergence, read by InfoNCE. Often far below the truth, or 0:
nothing keeps scores from being too high where positives are. Here for the comparison."""
SQUARED_HELLINGER = Objective(bounds.squared_hellinger, _infonce_of_half_log_ratio, "lower bound")
"""Trained by the squared Hellinger distance, whose best critic is ½ log r, read by InfoNCE of 2s."""
SMILE = Objective(bounds.jensen_shannon, bounds.smile, "neither")
"""Trained by the Jensen–Shannon divergence, read by Donsker–Varadhan with clipped scores (τ = 5)."""
FLO = Objective(bounds.flo, bounds.flo, "lower bound", OfPositives)
"""The Fenchel–Legendre bound, with a second network u(x, y)."""

OF_BOUND: dict[Any, Objective] = {
    bounds.donsker_varadhan: DONSKER_VARADHAN,
    bounds.mine: MINE,
    bounds.nwj: NWJ,
    bounds.kl: NWJ,
    bounds.nwj_of_log_ratio: Objective(bounds.nwj_of_log_ratio, bounds.nwj_of_log_ratio, "lower bound"),
    bounds.tuba: TUBA,
    bounds.interpolated: INTERPOLATED,
    bounds.infonce: INFONCE,
    bounds.infonce_by_image: INFONCE,
    bounds.jensen_shannon: JENSEN_SHANNON,
    bounds.reverse_kl: REVERSE_KL,
    bounds.squared_hellinger: SQUARED_HELLINGER,
    bounds.smile: SMILE,
    bounds.flo: FLO,
}
"""What is meant by a bound alone."""


def as_objective(bound: Objective | Callable[..., Tensor]) -> Objective:
    """An objective as it is; the objective meant by a bound; that of any other function, of kind "neither".

    Example:
        >>> as_objective(bounds.smile) is SMILE, as_objective(lambda scores: scores.mean()).kind
        (True, 'neither')

    Raises: ValueError: not a function; an upper bound, which is not for maximising.
    """
    if isinstance(bound, Objective):
        return bound
    if not callable(bound):
        raise ValueError(
            f"Neural: bound must be a function of scores or an Objective, got {bound!r}; "
            "for instance infomax.estimation.bounds.infonce"
        )
    if bound in (bounds.club, bounds.leave_one_out):
        raise ValueError(
            f"Neural: {bound.__name__} is an upper bound for known densities, and cannot train a critic; "
            "use a lower bound, for instance infonce"
        )
    return OF_BOUND.get(bound, Objective(bound, bound, "neither"))
