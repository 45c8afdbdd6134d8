"""Fitting small networks: seeded randomness, batches, early stopping on held-out rows, common layers."""

import copy
import itertools
import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from infomax.errors import naming_extras, refuse

with naming_extras("infomax.fitting"):
    import torch
    from torch import Tensor, nn


@contextmanager
def seeded(seed: int, number: int, device: torch.device) -> Generator[None]:
    """Make torch's randomness a function of (seed, number) inside the block; restore it afterwards."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0] >> 1))
        yield


def batches(n: int, batch_size: int) -> Iterator[Int[Tensor, " b"]]:
    """Yield the row numbers of one batch after another, without end.

    Each pass takes the rows in a new random order and drops the incomplete last batch. With fewer rows than
    `batch_size`, every batch holds all rows.
    """
    size = min(batch_size, n)
    while True:
        yield from torch.randperm(n)[: n // size * size].split(size)


@dataclass(frozen=True, eq=False)
class TrainingCurve:
    """The values seen while a network was trained.

    steps: how many steps were done at each evaluation; the first is 0.
    training: mean of the training values since the evaluation before; at 0, the value of the first step.
    validation: value on the held-out rows.
    """

    steps: Int[np.ndarray, " k"]
    training: Float[np.ndarray, " k"]
    validation: Float[np.ndarray, " k"]

    @property
    def best_step(self) -> int:
        """The step with the highest validation value; its weights are kept."""
        return int(self.steps[self.validation.argmax()])


def ascend(
    operation: str,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    value: Callable[[], Tensor],
    held_out: Callable[[], float],
    *,
    max_steps: int,
    evaluate_every: int,
    patience: int,
    remedy: str = "use a lower learning rate",
) -> TrainingCurve:
    """Maximise a value until it no longer rises on held-out rows; keep the best weights in the model.

    The model ends in evaluation mode.

    Args:
        operation: the name of the caller, for the error message.
        optimizer: of the model's parameters, made with ``maximize=True``.
        value: returns the value of the next batch, with gradient; called in training mode.
        held_out: returns the value on other rows; called in evaluation mode, without gradient.
        max_steps: training stops here at the latest.
        evaluate_every: steps between two evaluations of `held_out`; one more comes before the first step.
        patience: evaluations without a new best value before training stops.
        remedy: what to do where values are not finite, for the error message.

    Raises:
        ValueError: a value is not finite.
    """
    best_value, best = _evaluated(model, held_out), copy.deepcopy(model.state_dict())
    _check_finite(operation, 0, best_value, best_value, remedy)
    evaluations, stale = [(0, math.nan, best_value)], 0
    while (step := evaluations[-1][0]) < max_steps and stale < patience:
        model.train()
        values = [ascend_step(optimizer, value) for _ in range(min(evaluate_every, max_steps - step))]
        if step == 0:
            evaluations[0] = (0, values[0].item(), best_value)
        step, mean, found = step + len(values), torch.stack(values).mean().item(), _evaluated(model, held_out)
        _check_finite(operation, step, mean, found, remedy)
        evaluations.append((step, mean, found))
        stale += 1
        if found > best_value:
            best_value, best, stale = found, copy.deepcopy(model.state_dict()), 0
    model.load_state_dict(best)
    return TrainingCurve(*(np.array(column) for column in zip(*evaluations, strict=True)))


def ascend_step(optimizer: torch.optim.Optimizer, value: Callable[[], Tensor]) -> Tensor:
    """Take one step of an optimizer made with ``maximize=True``; return the value before the step."""
    optimizer.zero_grad(set_to_none=True)
    before = value()
    before.backward()
    optimizer.step()
    return before.detach()


@torch.no_grad()
def _evaluated(model: nn.Module, held_out: Callable[[], float]) -> float:
    model.eval()
    return held_out()


def _check_finite(operation: str, step: int, training: float, held_out: float, remedy: str) -> None:
    refuse(
        not (math.isfinite(training) and math.isfinite(held_out)),
        f"{operation}: values are no longer finite after {step} steps (training {training}, held out "
        f"{held_out}); {remedy}",
    )


def perceptron(widths: Sequence[int]) -> nn.Sequential:
    """Return linear layers of these widths, with ReLU between them.

    Raises:
        ValueError: a width is below 1.

    Example:
        >>> [type(layer).__name__ for layer in perceptron([3, 64, 1])]
        ['Linear', 'ReLU', 'Linear']
    """
    check_sizes("perceptron", **{f"width {i}": width for i, width in enumerate(widths)})
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(itertools.pairwise(widths)):
        layers += [nn.ReLU()] * (i > 0) + [nn.Linear(before, after)]
    return nn.Sequential(*layers)


def mlp_head(num_in: int, num_hidden: int, num_out: int) -> nn.Sequential:
    """Return a classifier with one hidden layer, batch normalisation and dropout of 0.2.

    Example:
        >>> [type(layer).__name__ for layer in mlp_head(8, 64, 2)]
        ['Dropout', 'Linear', 'BatchNorm1d', 'ReLU', 'Dropout', 'Linear']
    """
    return nn.Sequential(
        nn.Dropout(0.2),
        nn.Linear(num_in, num_hidden, bias=False),
        nn.BatchNorm1d(num_hidden),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(num_hidden, num_out),
    )


def check_sizes(operation: str, **sizes: int) -> None:
    """Refuse a network with a size below 1.

    Raises:
        ValueError: one of the sizes is below 1.
    """
    wrong = {name: size for name, size in sizes.items() if size < 1}
    refuse(wrong, f"{operation}: sizes must be at least 1, got {wrong}")
