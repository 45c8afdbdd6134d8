"""Critics: networks (x, y) -> scores[i, j] = f(x_i, y_j) of every pair in a batch; and how bounds use them.

    >>> import torch
    >>> Separable(3, 5)(torch.zeros(8, 3), torch.zeros(8, 5)).shape
    torch.Size([8, 8])

All but `Concatenated` score m × n pairs from m + n embeddings, and the scores are their largest array. x and
y may have different numbers of rows.

A `CriticObjective` says how a critic is trained, and which number is reported, for instance

    >>> JENSEN_SHANNON.value.__name__, JENSEN_SHANNON.kind
    ('nwj_of_log_ratio', 'lower bound')

The two functions differ where the best one to train by is no estimate (JSD), or the value has no good
gradient (SMILE). Some bounds need a second network beside the critic: a baseline, u(x, y), a moving average.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from jaxtyping import Float

from infomax.errors import naming_extras, refuse
from infomax.estimation import bounds
from infomax.estimation.estimate import Kind
from infomax.fitting import check_sizes, perceptron

with naming_extras("infomax.estimation.critics"):
    import torch
    from torch import Tensor, nn
    from torch.nn.functional import relu


class Bilinear(nn.Module):
    """f(x, y) = xᵀ W y + a·x + b·y + c. Memory: m·n scores.

    The linear terms allow for means that are not 0. Enough only for weakly dependent Gaussians: their log
    ratio also has squares, xᵢ² and yᵢ².
    """

    def __init__(self, dim_x: int, dim_y: int):
        super().__init__()
        check_sizes("Bilinear", dim_x=dim_x, dim_y=dim_y)
        self.dim_x: int = dim_x
        self.dim_y: int = dim_y
        self.weight: nn.Parameter = nn.Parameter(torch.empty(dim_x + 1, dim_y + 1))
        nn.init.uniform_(self.weight, -1 / math.sqrt(dim_x * dim_y), 1 / math.sqrt(dim_x * dim_y))

    def forward(self, x: Float[Tensor, "m dim_x"], y: Float[Tensor, "n dim_y"]) -> Float[Tensor, "m n"]:
        """Return the scores of all pairs."""
        _check_rows("Bilinear", x, y, self.dim_x, self.dim_y)
        return _with_one(x) @ self.weight @ _with_one(y).T


class Separable(nn.Module):
    """f(x, y) = ⟨g(x), h(y)⟩, with two perceptrons. Memory: m·n scores, (m + n)·hidden activations.

    Fast; the critic for large batches. The rank of the score matrix is at most `embedding`.

    Args:
        dim_x: columns of x.
        dim_y: columns of y.
        hidden: widths of the hidden layers of each network.
        embedding: width of g(x) and h(y).
    """

    def __init__(self, dim_x: int, dim_y: int, *, hidden: Sequence[int] = (256, 256), embedding: int = 32):
        super().__init__()
        check_sizes("Separable", dim_x=dim_x, dim_y=dim_y, embedding=embedding)
        self.dim_x: int = dim_x
        self.dim_y: int = dim_y
        self.embed_x: nn.Sequential = perceptron([dim_x, *hidden, embedding])
        self.embed_y: nn.Sequential = perceptron([dim_y, *hidden, embedding])

    def forward(self, x: Float[Tensor, "m dim_x"], y: Float[Tensor, "n dim_y"]) -> Float[Tensor, "m n"]:
        """Return the scores of all pairs."""
        _check_rows("Separable", x, y, self.dim_x, self.dim_y)
        return self.embed_x(x) @ self.embed_y(y).T


class Distance(nn.Module):
    """f(x, y) = c − ½‖g(x) − h(y)‖²: compatible pairs have nearby embeddings. Memory: as `Separable`.

    It has the squares that a scalar product lacks, and needs fewer columns: for jointly Gaussian variables
    and InfoNCE (which ignores a function of x alone), one for each canonical correlation. At most c, which is
    learned.

    Args:
        dim_x: columns of x.
        dim_y: columns of y.
        hidden: widths of the hidden layers of each network.
        embedding: width of g(x) and h(y).
    """

    def __init__(self, dim_x: int, dim_y: int, *, hidden: Sequence[int] = (256, 256), embedding: int = 32):
        super().__init__()
        check_sizes("Distance", dim_x=dim_x, dim_y=dim_y, embedding=embedding)
        self.dim_x: int = dim_x
        self.dim_y: int = dim_y
        self.embed_x: nn.Sequential = perceptron([dim_x, *hidden, embedding])
        self.embed_y: nn.Sequential = perceptron([dim_y, *hidden, embedding])
        self.highest: nn.Parameter = nn.Parameter(torch.zeros(()))

    def forward(self, x: Float[Tensor, "m dim_x"], y: Float[Tensor, "n dim_y"]) -> Float[Tensor, "m n"]:
        """Return the scores of all pairs."""
        _check_rows("Distance", x, y, self.dim_x, self.dim_y)
        g, h = self.embed_x(x), self.embed_y(y)
        return self.highest + g @ h.T - g.square().sum(1)[:, None] / 2 - h.square().sum(1) / 2


class Concatenated(nn.Module):
    """f(x, y) = one perceptron of [x; y]. Memory: m·n·hidden activations in each layer, for the gradient.

    The most expressive and the most expensive: a batch of 64 is usual, and one of 1024 takes 1 GiB for each
    layer of 256 units. The first layer is linear in [x; y]; it is computed for x and for y separately, and
    added.

    Args:
        dim_x: columns of x.
        dim_y: columns of y.
        hidden: widths of the hidden layers, at least one.
    """

    def __init__(self, dim_x: int, dim_y: int, *, hidden: Sequence[int] = (256, 256)):
        super().__init__()
        check_sizes("Concatenated", dim_x=dim_x, dim_y=dim_y)
        self.dim_x: int = dim_x
        self.dim_y: int = dim_y
        refuse(not hidden, "Concatenated: hidden must have at least one layer, got none; (256, 256) is usual")
        self.first: nn.Linear = nn.Linear(dim_x + dim_y, hidden[0])
        self.rest: nn.Sequential = perceptron([*hidden, 1])

    def forward(self, x: Float[Tensor, "m dim_x"], y: Float[Tensor, "n dim_y"]) -> Float[Tensor, "m n"]:
        """Return the scores of all pairs."""
        _check_rows("Concatenated", x, y, self.dim_x, self.dim_y)
        weight_x, weight_y = self.first.weight.split([self.dim_x, self.dim_y], dim=1)
        of_x, of_y = x @ weight_x.T, y @ weight_y.T + self.first.bias
        return self.rest(relu(of_x[:, None] + of_y)).squeeze(2)  # [m, n, hidden] -> [m, n]


def _with_one(rows: Tensor) -> Tensor:
    return torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1)


def _check_rows(operation: str, x: Tensor, y: Tensor, dim_x: int, dim_y: int) -> None:
    for name, rows, dim in (("x", x, dim_x), ("y", y, dim_y)):
        if rows.ndim != 2 or rows.shape[1] != dim:
            raise ValueError(
                f"{operation}: {name} must be [rows, {dim}], as when the critic was made, got "
                f"{list(rows.shape)}; are x and y in order?"
            )


# ---------------------------------------------------------------------------------------- objectives


@dataclass(frozen=True)
class CriticObjective:
    """How a critic is trained, and which number is then reported.

    Args:
        train: scores [n, n] to a scalar that training maximises.
        value: scores [n, n] to the nats that are reported.
        kind: how the expectation of the value compares with I(X;Y).
        network: (dim_x, dim_y) to a module (x, y, scores) -> the second argument of `train` and `value`; it
            is trained with the critic. None: they take the scores alone.
        capped: True: the value is at most log n, for n rows scored at a time. False: it has no such ceiling,
            and rests on a mean of e^score. None: not known.
    """

    train: Callable[..., Tensor]
    value: Callable[..., Tensor]
    kind: Kind
    network: Callable[[int, int], nn.Module] | None = None
    capped: bool | None = None

    @property
    def name(self) -> str:
        """The function that trains, and the reported one where that is another."""
        names = [_name(self.train), _name(self.value)]
        return " then ".join(dict.fromkeys(names))


def _name(function: Any) -> str:
    return getattr(getattr(function, "func", function), "__name__", type(function).__name__).lstrip("_")


class LogBaseline(nn.Module):
    """log a(x), a perceptron of x."""

    def __init__(self, dim_x: int, dim_y: int, hidden: int = 128):
        super().__init__()
        self.of_x: nn.Sequential = perceptron([dim_x, hidden, 1])

    def forward(
        self, x: Float[Tensor, "n dim_x"], y: Float[Tensor, "n dim_y"], scores: Float[Tensor, "n n"]
    ) -> Float[Tensor, " n"]:
        """Return log a(x_i)."""
        return self.of_x(x).squeeze(1)


class SecondCritic(nn.Module):
    """u(x, y) of the positives: a perceptron of [x; y], less the positive's score.

    u is to be near −log r, and the scores near log r: the perceptron learns the difference.
    """

    def __init__(self, dim_x: int, dim_y: int, hidden: int = 128):
        super().__init__()
        self.of_pair: nn.Sequential = perceptron([dim_x + dim_y, hidden, 1])

    def forward(
        self, x: Float[Tensor, "n dim_x"], y: Float[Tensor, "n dim_y"], scores: Float[Tensor, "n n"]
    ) -> Float[Tensor, " n"]:
        """Return u(x_i, y_i)."""
        return self.of_pair(torch.cat([x, y], dim=1)).squeeze(1) - scores.diagonal()


class MovingAverage(nn.Module):
    """The log of MINE's moving average of earlier batches; it changes in training mode only."""

    def __init__(self, dim_x: int, dim_y: int, decay: float = 0.99):
        super().__init__()
        self.decay = decay
        self.log_average: Tensor | None = None

    def forward(
        self, x: Float[Tensor, "n dim_x"], y: Float[Tensor, "n dim_y"], scores: Float[Tensor, "n n"]
    ) -> Float[Tensor, ""] | None:
        """Return log A before this batch, None before the first."""
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


DONSKER_VARADHAN = CriticObjective(bounds.donsker_varadhan, bounds.donsker_varadhan, "neither", capped=False)
"""E₊ s − log E₋ e^s; at most I in the limit of many held-out samples, too high for few."""
MINE = CriticObjective(_mine, _donsker_varadhan, "neither", MovingAverage, capped=False)
"""Donsker–Varadhan's value, trained with the gradient of a moving average."""
NWJ = CriticObjective(bounds.nwj, bounds.nwj, "lower bound", capped=False)
"""Its value is a lower bound in expectation, for any number of held-out samples."""
TUBA = CriticObjective(bounds.tuba, bounds.tuba, "lower bound", LogBaseline, capped=False)
"""NWJ with a learned baseline a(x)."""
INTERPOLATED = CriticObjective(
    partial(bounds.interpolated, alpha=0.01),
    partial(bounds.interpolated, alpha=0.01),
    "lower bound",
    LogBaseline,
    capped=False,
)
"""Between TUBA and InfoNCE, α = 0.01; at most 1 + log(100 (n − 1))."""
INFONCE = CriticObjective(bounds.infonce, bounds.infonce, "lower bound", capped=True)
"""At most log n for n samples scored at a time; little scatter."""
JENSEN_SHANNON = CriticObjective(bounds.jensen_shannon, bounds.nwj_of_log_ratio, "lower bound", capped=False)
"""Trained by the Jensen–Shannon divergence, reported by NWJ(s + 1)."""
NWJ_OF_LOG_RATIO = CriticObjective(
    bounds.nwj_of_log_ratio, bounds.nwj_of_log_ratio, "lower bound", capped=False
)
"""Trained and reported by NWJ(s + 1)."""
REVERSE_KL = CriticObjective(bounds.reverse_kl, bounds.infonce, "lower bound", capped=True)
"""Trained by the reverse Kullback–Leibler divergence, reported by InfoNCE. Often far below the truth, or 0:
too high scores of positives cost nothing. Included for comparison."""
SQUARED_HELLINGER = CriticObjective(
    bounds.squared_hellinger, _infonce_of_half_log_ratio, "lower bound", capped=True
)
"""Trained by the squared Hellinger distance, whose best critic is ½ log r; reported by InfoNCE of 2s."""
SMILE = CriticObjective(bounds.jensen_shannon, bounds.smile, "neither", capped=False)
"""Trained by the Jensen–Shannon divergence, reported by Donsker–Varadhan with clipped scores (τ = 5)."""
FLO = CriticObjective(bounds.flo, bounds.flo, "lower bound", SecondCritic, capped=False)
"""The Fenchel–Legendre bound, with a second network u(x, y)."""

OBJECTIVES: dict[Any, CriticObjective] = {
    bounds.donsker_varadhan: DONSKER_VARADHAN,
    bounds.mine: MINE,
    bounds.nwj: NWJ,
    bounds.kl: NWJ,
    bounds.nwj_of_log_ratio: NWJ_OF_LOG_RATIO,
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
"""The objective of each bound; `Neural` uses it for a bound that is given alone."""


def as_objective(bound: CriticObjective | Callable[..., Tensor]) -> CriticObjective:
    """Return an objective unchanged, that of a bound, or that of any other function, of kind "neither".

    Raises:
        ValueError: not a function; an upper bound, which is not for maximising.

    Example:
        >>> as_objective(bounds.smile) is SMILE, as_objective(lambda scores: scores.mean()).kind
        (True, 'neither')
    """
    if isinstance(bound, CriticObjective):
        return bound
    if not callable(bound):
        raise ValueError(
            f"Neural: bound must be a function of scores or a CriticObjective, got {bound!r}; "
            "for instance infomax.estimation.bounds.infonce"
        )
    if bound in (bounds.club, bounds.leave_one_out):
        raise ValueError(
            f"Neural: {bound.__name__} is an upper bound for known densities, and cannot train a critic; "
            "use a lower bound, for instance infonce"
        )
    return OBJECTIVES.get(bound, CriticObjective(bound, bound, "neither"))
