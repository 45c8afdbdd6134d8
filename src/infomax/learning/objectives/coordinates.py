"""Coordinate tasks: predict from the features of an image where on the map its local features lie.

    absolute   maximise  E log p(row, column | y, c)               c the local feature at (row, column)
    relative   maximise  E log p(row₂ − row₁, column₂ − column₁ | y, c₁, c₂)

y is the global feature. p is a softmax over the whole grid, not a product of one over rows and one over
columns, because row and column depend on one another where a feature fits several places, such as the
corners. It has at most (2·rows − 1)(2·columns − 1) outputs. The value minus `chance` is a lower bound, in
expectation, on the information between features and coordinates (Barber and Agakov 2003).

Reference: Hjelm et al. (2018), section 4.3 and appendix A.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from infomax.errors import refuse
from infomax.fitting import perceptron
from infomax.information.measures import entropy
from infomax.learning.distributed.groups import at_least_float32

DEFAULT_NUM_HIDDEN = 512
"""Units of the hidden layer of a task."""

DEFAULT_NUM_LOCATIONS = 1
"""Places, or pairs of places, asked for in each image."""


@dataclass(frozen=True)
class CoordinatesTold:
    """How well coordinates are predicted.

    log_likelihood: in nats, at most 0, to be maximised.
    chance: the log-likelihood of the best guess without features, which is minus the entropy of the
    coordinates.
    accuracy: the share of exactly right predictions; without gradient.
    """

    log_likelihood: Float[Tensor, ""]
    chance: float
    accuracy: Float[Tensor, ""]


class AbsoluteCoordinates(nn.Module):
    """A prediction of the row and column of a local feature, from it and the global feature.

    Args:
        dim_global: d of the global feature.
        dim_local: c, channels of the map.
        side: of a square map, or (rows, columns).
        num_hidden: units of the one hidden layer.
        num_locations: places asked for in each image, drawn at random.

    Raises:
        ValueError: a map of a single place; another count below 1.
    """

    def __init__(
        self,
        dim_global: int,
        dim_local: int,
        side: int | tuple[int, int],
        num_hidden: int = DEFAULT_NUM_HIDDEN,
        num_locations: int = DEFAULT_NUM_LOCATIONS,
    ):
        super().__init__()
        rows, columns = _check_sizes(self, side, num_hidden, num_locations)
        self.rows: int = rows
        self.columns: int = columns
        self.num_locations: int = num_locations
        num_places = rows * columns
        self.tell: nn.Sequential = perceptron((dim_global + dim_local, num_hidden, num_places))
        self.chance: float = -float(entropy(torch.full((num_places,), 1 / num_places, dtype=torch.float64)))

    def forward(self, global_: Float[Tensor, "b d"], local: Float[Tensor, "b c h w"]) -> CoordinatesTold:
        """Return how well places, drawn from torch's generator, are predicted, in at least float32."""
        _check_map(self, (self.rows, self.columns), local)
        shape = (len(local), self.num_locations)
        place = torch.randint(self.rows * self.columns, shape, device=local.device)
        features = _features(global_, local, place)
        return _told(self.tell, features, place, self.chance)


class RelativeCoordinates(nn.Module):
    """A prediction of the displacement from one local feature to another, from both and the global feature.

    The two lie in different places. All pairs of places are equally likely, and small displacements therefore
    more likely than large ones.

    Args:
        dim_global: d of the global feature.
        dim_local: c, channels of the map.
        side: of a square map, or (rows, columns).
        num_hidden: units of the one hidden layer.
        num_locations: pairs of places asked for in each image, drawn at random.

    Raises:
        ValueError: a map of a single place; another count below 1.
    """

    def __init__(
        self,
        dim_global: int,
        dim_local: int,
        side: int | tuple[int, int],
        num_hidden: int = DEFAULT_NUM_HIDDEN,
        num_locations: int = DEFAULT_NUM_LOCATIONS,
    ):
        super().__init__()
        rows, columns = _check_sizes(self, side, num_hidden, num_locations)
        self.rows: int = rows
        self.columns: int = columns
        self.num_locations = num_locations
        probabilities = displacement_probabilities((rows, columns)).flatten()
        self.tell: nn.Sequential = perceptron((dim_global + 2 * dim_local, num_hidden, len(probabilities)))
        self.chance: float = -float(entropy(probabilities))

    def forward(self, global_: Float[Tensor, "b d"], local: Float[Tensor, "b c h w"]) -> CoordinatesTold:
        """Return how well displacements of pairs, drawn from torch's generator, are predicted."""
        _check_map(self, (self.rows, self.columns), local)
        shape = (len(local), self.num_locations)
        first = torch.randint(self.rows * self.columns, shape, device=local.device)
        num_places = self.rows * self.columns
        second = (first + torch.randint(1, num_places, shape, device=local.device)) % num_places
        features = _features(global_, local, first, second)
        displacement = displacement_index(first, second, (self.rows, self.columns))
        return _told(self.tell, features, displacement, self.chance)


def displacement_index(
    first: Int[Tensor, "*shape"], second: Int[Tensor, "*shape"], side: int | tuple[int, int]
) -> Int[Tensor, "*shape"]:
    """Return the number of the displacement between flat locations, row by row from the most negative on.

    Args:
        first, second: the locations.
        side: of a square map, or (rows, columns).

    Example:
        >>> displacement_index(torch.tensor([3, 0]), torch.tensor([0, 3]), side=2)
        tensor([0, 8])
    """
    height, width = _sides(side)
    rows, columns = second // width - first // width, second % width - first % width
    return (rows + height - 1) * (2 * width - 1) + columns + width - 1


def displacement_probabilities(side: int | tuple[int, int]) -> Float[Tensor, "rows columns"]:
    """Return p(Δrow, Δcolumn) of two different places: ∝ (rows − |Δrow|)(columns − |Δcolumn|), 0 at (0, 0).

    Example:
        >>> (displacement_probabilities(2) * 12).round().int().tolist()
        [[1, 2, 1], [2, 0, 2], [1, 2, 1]]
    """
    fits = [length - torch.arange(1 - length, length, dtype=torch.float64).abs() for length in _sides(side)]
    num_pairs = torch.outer(*fits)
    num_pairs[num_pairs.shape[0] // 2, num_pairs.shape[1] // 2] = 0
    return num_pairs / num_pairs.sum()


def _sides(side: int | tuple[int, int]) -> tuple[int, int]:
    """Return rows and columns."""
    return side if isinstance(side, tuple) else (side, side)


def _features(
    global_: Float[Tensor, "b d"], local: Float[Tensor, "b c h w"], *places: Int[Tensor, "b k"]
) -> Float[Tensor, "b k features"]:
    """Return the global feature beside the local ones of each place."""
    cells = local.flatten(2).transpose(1, 2)  # [b, h·w, c]
    images = torch.arange(len(cells), device=cells.device)[:, None]
    at_places = [cells[images, place] for place in places]
    return torch.cat([global_[:, None].expand(-1, places[0].shape[1], -1), *at_places], dim=2)


def _told(
    tell: nn.Module, features: Float[Tensor, "b k features"], truth: Int[Tensor, "b k"], chance: float
) -> CoordinatesTold:
    with torch.autocast(features.device.type, enabled=False):
        logits = tell(at_least_float32(features.flatten(0, 1)))
    accuracy = (logits.detach().argmax(1) == truth.flatten()).float().mean()
    return CoordinatesTold(-cross_entropy(logits, truth.flatten()), chance, accuracy)


def _check_sizes(
    module: nn.Module, side: int | tuple[int, int], num_hidden: int, num_locations: int
) -> tuple[int, int]:
    """Return rows and columns of the map, checked."""
    name, (rows, columns) = type(module).__name__, _sides(side)
    refuse(
        min(rows, columns) < 1 or rows * columns < 2,
        f"{name}: the map must have several places, got {rows}×{columns}; tap an earlier layer",
    )
    refuse(
        min(num_hidden, num_locations) < 1,
        f"{name}: num_hidden and num_locations must be at least 1, got {num_hidden} and {num_locations}; "
        f"{DEFAULT_NUM_HIDDEN} and {DEFAULT_NUM_LOCATIONS} are usual",
    )
    return rows, columns


def _check_map(module: nn.Module, sides: tuple[int, int], local: Tensor) -> None:
    refuse(
        local.shape[-2:] != sides,
        f"{type(module).__name__}: expected a map [b, c, {sides[0]}, {sides[1]}], got {list(local.shape)}; "
        "build it for this side",
    )
