"""Critics: networks (x, y) -> scores[i, j] = f(x_i, y_j), of every pair in a batch.

    >>> import torch
    >>> Separable(3, 5)(torch.zeros(8, 3), torch.zeros(8, 5)).shape
    torch.Size([8, 8])

All but `Concatenated` score m × n pairs from m + n embeddings: the scores are their largest array. x and y
may be of different numbers of rows.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from infomax.fitting import check_sizes, perceptron


class Bilinear(nn.Module):
    """f(x, y) = xᵀ W y + a·x + b·y + c. Memory: m·n scores.

    The linear terms let it follow margins that are not centred. Enough for the weak dependence of Gaussians
    only: their log ratio also has squares, xᵢ² and yᵢ².
    """

    def __init__(self, dim_x: int, dim_y: int):
        super().__init__()
        check_sizes("Bilinear", dim_x=dim_x, dim_y=dim_y)
        self.dim_x, self.dim_y = dim_x, dim_y
        self.weight = nn.Parameter(torch.empty(dim_x + 1, dim_y + 1))
        nn.init.uniform_(self.weight, -1 / math.sqrt(dim_x * dim_y), 1 / math.sqrt(dim_x * dim_y))

    def forward(self, x: Float[Tensor, "m dim_x"], y: Float[Tensor, "n dim_y"]) -> Float[Tensor, "m n"]:
        """Scores of all pairs."""
        _check_rows("Bilinear", x, y, self.dim_x, self.dim_y)
        return _with_one(x) @ self.weight @ _with_one(y).T


class Separable(nn.Module):
    """f(x, y) = ⟨g(x), h(y)⟩, two multilayer perceptrons. Memory: m·n scores, (m + n)·hidden activations.

    Quick, and the critic for large batches. `embedding` limits the rank of the score matrix.

    Args:
        dim_x: columns of x.
        dim_y: columns of y.
        hidden: widths of the hidden layers of each network.
        embedding: width of g(x) and h(y).
    """

    def __init__(self, dim_x: int, dim_y: int, *, hidden: Sequence[int] = (256, 256), embedding: int = 32):
        super().__init__()
        check_sizes("Separable", dim_x=dim_x, dim_y=dim_y, embedding=embedding)
        self.dim_x, self.dim_y = dim_x, dim_y
        self.embed_x = perceptron([dim_x, *hidden, embedding])
        self.embed_y = perceptron([dim_y, *hidden, embedding])

    def forward(self, x: Float[Tensor, "m dim_x"], y: Float[Tensor, "n dim_y"]) -> Float[Tensor, "m n"]:
        """Scores of all pairs."""
        _check_rows("Separable", x, y, self.dim_x, self.dim_y)
        return self.embed_x(x) @ self.embed_y(y).T


class Distance(nn.Module):
    """f(x, y) = c − ½‖g(x) − h(y)‖²: pairs that belong together lie together. Memory: as `Separable`.

    Carries the squares that a scalar product lacks, and so does with fewer columns: with one a canonical
    correlation for jointly Gaussian variables and InfoNCE, to which a function of x alone does not matter. At
    most c, which is learned.

    Args:
        dim_x: columns of x.
        dim_y: columns of y.
        hidden: widths of the hidden layers of each network.
        embedding: width of g(x) and h(y).
    """

    def __init__(self, dim_x: int, dim_y: int, *, hidden: Sequence[int] = (256, 256), embedding: int = 32):
        super().__init__()
        check_sizes("Distance", dim_x=dim_x, dim_y=dim_y, embedding=embedding)
        self.dim_x, self.dim_y = dim_x, dim_y
        self.embed_x = perceptron([dim_x, *hidden, embedding])
        self.embed_y = perceptron([dim_y, *hidden, embedding])
        self.highest = nn.Parameter(torch.zeros(()))

    def forward(self, x: Float[Tensor, "m dim_x"], y: Float[Tensor, "n dim_y"]) -> Float[Tensor, "m n"]:
        """Scores of all pairs."""
        _check_rows("Distance", x, y, self.dim_x, self.dim_y)
        g, h = self.embed_x(x), self.embed_y(y)
        return self.highest + g @ h.T - g.square().sum(1)[:, None] / 2 - h.square().sum(1) / 2


class Concatenated(nn.Module):
    """f(x, y) = one perceptron of [x; y]. Memory: m·n·hidden activations a layer, kept for the gradient.

    The most expressive and the dearest: a batch of 64 is usual, one of 1024 takes 1 GiB a layer of 256 units.
    The first layer is linear in [x; y], so it is computed for x and for y apart and added.

    Args:
        dim_x: columns of x.
        dim_y: columns of y.
        hidden: widths of the hidden layers, at least one.
    """

    def __init__(self, dim_x: int, dim_y: int, *, hidden: Sequence[int] = (256, 256)):
        super().__init__()
        check_sizes("Concatenated", dim_x=dim_x, dim_y=dim_y)
        self.dim_x, self.dim_y = dim_x, dim_y
        if not hidden:
            raise ValueError(
                "Concatenated: hidden must name at least one layer, got none; (256, 256) is usual"
            )
        self.first = nn.Linear(dim_x + dim_y, hidden[0])
        self.rest = perceptron([*hidden, 1])

    def forward(self, x: Float[Tensor, "m dim_x"], y: Float[Tensor, "n dim_y"]) -> Float[Tensor, "m n"]:
        """Scores of all pairs."""
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
                f"{operation}: {name} must be [rows, {dim}], as the critic was made, got {list(rows.shape)}; "
                "are x and y in order?"
            )
