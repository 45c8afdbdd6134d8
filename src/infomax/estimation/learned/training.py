"""Parts that learned estimators share: rows that train, stop and report; normal scores; falling rates.

Rows are split into folds. Each fold is reported on by networks that were trained on the others, so that every
row is reported on once, by networks that have not seen it. A part of the others stops training early.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float, Int

from infomax.errors import naming_extras, refuse
from infomax.estimation.canonical import NormalScores
from infomax.fitting import ascend, seeded
from infomax.ranges import Count, Positive, Range, Seed, Weight, check_ranges

with naming_extras("infomax.estimation.learned"):
    import torch
    from torch import Tensor, nn

MIN_ROWS_A_FOLD = 16
"""Rows that are needed to report on, and as many to stop early."""
WARM_UP = 0.1
"""Share of the steps in which the rate rises; then it falls to 0 along half a cosine."""


@dataclass(frozen=True)
class Training:
    """How the networks of an estimator are trained.

    Args:
        max_steps: steps of AdamW at most.
        batch_size: rows a step.
        lr: the highest learning rate.
        weight_decay: of all weights.
        num_folds: parts of the rows; each is reported on by networks of the others.
        validation_fraction: share of the other rows that stop training early.
        evaluate_every: steps between two looks at the rows that stop.
        seed: of the folds, the first weights and the batches.
        device: where to compute; None for a GPU where there is one.
    """

    max_steps: Count = 1000
    batch_size: Annotated[int, Range(2)] = 256
    lr: Positive = 1e-3
    weight_decay: Weight = 0.3
    num_folds: Annotated[int, Range(2)] = 4
    validation_fraction: Annotated[float, Range(above=0, below=1)] = 0.125
    evaluate_every: Count = 50
    seed: Seed = 0
    device: str | torch.device | None = None

    def __post_init__(self) -> None:
        check_ranges(self, "Training")

    def folds(self, operation: str, num_rows: int) -> "list[Fold]":
        """Return the folds of so many rows.

        Raises:
            ValueError: too few rows.
        """
        order = np.random.default_rng(self.seed).permutation(num_rows)
        parts = np.array_split(order, self.num_folds)
        num_stopping = round(self.validation_fraction * (num_rows - len(parts[0])))
        refuse(
            min(len(parts[-1]), num_stopping) < MIN_ROWS_A_FOLD,
            f"{operation}: {num_rows} rows leave {len(parts[-1])} to report on and {num_stopping} to stop "
            f"early; needed are {MIN_ROWS_A_FOLD} each: give more rows, or fewer folds",
        )
        folds = []
        for part in parts:
            others = order[~np.isin(order, part)]
            folds.append(Fold(others[num_stopping:], others[:num_stopping], part))
        return folds

    def tensor(self, rows: np.ndarray) -> Tensor:
        """Return rows as the networks take them."""
        device = torch.device(self.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        return torch.from_numpy(np.ascontiguousarray(rows)).to(device, torch.float32)

    def fit(
        self,
        operation: str,
        make: Callable[[], nn.Module],
        value: Callable[..., Tensor],
        train: Sequence[Tensor],
        stopping: Sequence[Tensor],
        patience: int = 8,
    ) -> nn.Module:
        """Return a module whose value is highest on the rows that stop; it is no longer trained.

        Args:
            operation: the name of the caller, for error messages.
            make: makes the module; its first weights are a function of the seed.
            value: (module, rows) to what is maximised.
            train: rows to train on, [n, d] each.
            stopping: rows that stop training.
            patience: looks without a new best value before training stops.
        """
        with seeded(self.seed, 0, torch.device("cpu")):
            module = make()
        module.to(train[0].device)
        optimizer = torch.optim.AdamW(
            module.parameters(), lr=self.lr, weight_decay=self.weight_decay, maximize=True
        )
        batches = self._batches(train)
        rates = (self.lr * rate(step / self.max_steps) for step in range(self.max_steps + 1))

        def next_value() -> Tensor:
            for group in optimizer.param_groups:
                group["lr"] = next(rates)
            return value(module, *next(batches))

        ascend(
            operation,
            module,
            optimizer,
            next_value,
            lambda: value(module, *stopping).item(),
            max_steps=self.max_steps,
            evaluate_every=self.evaluate_every,
            patience=patience,
            remedy="use a lower lr",
        )
        return module.requires_grad_(False)

    def _batches(self, rows: Sequence[Tensor]) -> Iterator[list[Tensor]]:
        """Yield batches of different rows without end: a function of the seed and the step."""
        num_rows, epoch = len(rows[0]), 0
        size = min(self.batch_size, num_rows)
        while True:
            order = np.random.default_rng((self.seed, epoch)).permutation(num_rows)
            for batch in torch.from_numpy(order).to(rows[0].device).split(size)[: num_rows // size]:
                yield [part[batch] for part in rows]
            epoch += 1


@dataclass(frozen=True, eq=False)
class Fold:
    """The numbers of the rows that train, that stop training, and that are reported on."""

    train: Int[np.ndarray, " a"]
    stopping: Int[np.ndarray, " b"]
    reported: Int[np.ndarray, " c"]

    def scores(self, rows: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        """Return all rows as normal scores that the training rows define; they have the same information."""
        return NormalScores.of(rows[self.train]).apply(rows) if rows.shape[1] else rows

    def parts(self, *tensors: Tensor) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Return the rows that train, that stop and that are reported on, of each tensor."""
        of = [[tensor[rows] for tensor in tensors] for rows in (self.train, self.stopping, self.reported)]
        return of[0], of[1], of[2]


def rate(progress: float) -> float:
    """Return the share of the highest rate after this share of the steps.

    Example:
        >>> [round(rate(share), 2) for share in (0.0, 0.05, 0.1, 0.55, 1.0)]
        [0.05, 0.53, 1.0, 0.5, 0.0]
    """
    if progress < WARM_UP:
        return 0.05 + 0.95 * progress / WARM_UP
    return (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP))) / 2


def smooth_perceptron(widths: Sequence[int]) -> nn.Sequential:
    """Return linear layers of these widths with SiLU between them.

    Example:
        >>> [type(layer).__name__ for layer in smooth_perceptron([3, 64, 1])]
        ['Linear', 'SiLU', 'Linear']
    """
    layers: list[Any] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.SiLU()] * bool(layers) + [nn.Linear(before, after)]
    return nn.Sequential(*layers)
