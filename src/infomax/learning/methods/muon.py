"""Muon: momentum whose direction is made orthogonal, for weights that are matrices; Adam for all others."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

MIN_SIDE = 8
"""Rows and columns that a weight needs to be taken as a matrix."""
REACH = 0.01
"""Singular values from this share of the norm on end between 0.73 and 1.27."""
MARGIN = 1.02
"""By how much more than its norm a matrix is divided, so that rounding leaves no singular value above 1."""
COEFFICIENTS = ((8.0934, -23.6204, 17.4462), (3.6366, -2.7219, 0.5365), (2.6613, -1.9772, 0.4526))
"""Of a s + b s³ + c s⁵ in each iteration: the one nearest to 1 on [u, v], at first u = `REACH` and v = 1.

Its values lie within 1 ± e; the next iteration has [1 − e, 1 + e]. Three of these do what takes five with the
polynomial 3.4445 s − 4.775 s³ + 2.0315 s⁵ each time.
"""


class Muon(torch.optim.Optimizer):
    """Move each matrix W [r, c] by an orthogonal matrix, all other parameters by Adam.

    With the gradient G of a weight of r outputs, all other axes flattened to c columns::

        M ← μ M + (1 − μ) G            U = (1 − μ) G + μ M                     (Nesterov's momentum)
        W ← (1 − η λ) W − η √max(1, r/c) · orthogonal(U)

    The move has the spectral norm η √max(1, r/c), nearly. Adam moves biases, norms, weights of fewer than 8
    rows or columns and, with `max_side`, those of more of both. Where `found_inf` is set to 1, as callers do
    for a gradient that is not finite, a step moves nothing, like those of PyTorch's fused optimizers.

    Args:
        parameters: to be learned.
        lr: η.
        adam_share: rate of Adam, as a share of η.
        momentum: μ.
        weight_decay: λ, of the matrices; Adam's parameters have none.
        betas: of Adam.
        max_side: rows or columns, the fewer of the two, up to which a matrix is made orthogonal: the time
            that this takes grows with their square. None for any number.
        dtype: in which matrices are made orthogonal. bfloat16 suffices, and is the faster one where a
            processor has instructions for it.
        by_adam: those of the parameters that Adam moves, matrices too.

    References: Jordan et al. (2024), "Muon: An optimizer for hidden layers in neural networks"; Amsel et al.
    (2025), "The Polar Express", for polynomials that are best one after the other.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        *,
        adam_share: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
        max_side: int | None = None,
        dtype: torch.dtype = torch.bfloat16,
        by_adam: Iterable[nn.Parameter] = (),
    ):
        self.dtype = dtype
        parameters, apart = list(parameters), {id(one) for one in by_adam}
        matrices = [one for one in parameters if is_matrix(one, max_side) and id(one) not in apart]
        chosen = {id(one) for one in matrices}
        others = [one for one in parameters if id(one) not in chosen]
        self.others: torch.optim.Adam = torch.optim.Adam(
            [{"params": others}], lr=adam_share * lr, betas=betas, fused=True
        )
        moved = {"params": matrices, "lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__([moved, *self.others.param_groups], {})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move all parameters once; return what the closure returns."""
        with torch.enable_grad():
            loss = None if closure is None else closure()
        matrices, others = self.param_groups
        for weight in matrices["params"]:
            if weight.grad is not None:
                self._move(weight, weight.grad, matrices)
        self.others.param_groups, self.others.state = [others], self.state
        self.others.found_inf = self._found_inf  # pyright: ignore[reportAttributeAccessIssue]
        self.others.step()
        return loss

    @property
    def _found_inf(self) -> Tensor | None:
        return getattr(self, "found_inf", None)

    def _move(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if "mean_gradient" not in state:
            state["mean_gradient"] = torch.zeros_like(weight)
        mean = state["mean_gradient"]
        momentum, lr = group["momentum"], group["lr"]
        if self._found_inf is not None:  # the CPU does not wait for it
            gradient = torch.where(self._found_inf > 0, mean, gradient)
            lr = lr * (1 - self._found_inf)
        mean.lerp_(gradient, 1 - momentum)
        direction = orthogonal(torch.lerp(gradient, mean, momentum).flatten(1).to(self.dtype))
        size = math.sqrt(max(1.0, direction.shape[0] / direction.shape[1]))
        weight.mul_(1 - lr * group["weight_decay"])
        weight.sub_(direction.reshape(weight.shape) * (lr * size))


def is_matrix(parameter: nn.Parameter, max_side: int | None = None) -> bool:
    """Return whether a parameter has two or more axes; of rows and columns, the fewer are 8 to `max_side`."""
    side = min(parameter.flatten(1).shape) if parameter.ndim >= 2 else 0
    return MIN_SIDE <= side <= (max_side or side)


def orthogonal(matrix: Float[Tensor, "r c"]) -> Float[Tensor, "r c"]:
    """Return nearly U Vᵀ of the matrix U S Vᵀ, by products of matrices alone.

    Each iteration, X ← a X + b (X Xᵀ) X + c (X Xᵀ)² X, applies the polynomial a s + b s³ + c s⁵ to all
    singular values s, which begin in [0, 1].

    Example:
        >>> found = orthogonal(torch.tensor([[3.0, 0.0, 0.0], [0.0, 0.0, 0.5]]))
        >>> torch.linalg.svdvals(found).sub(1).abs().max().item() < 0.35
        True
    """
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = x / (MARGIN * x.norm()).clamp_min(torch.finfo(x.dtype).tiny)
    for a, b, c in COEFFICIENTS:
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide else x.T
