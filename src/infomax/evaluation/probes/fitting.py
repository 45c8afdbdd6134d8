"""What fits of small networks have in common: seeded randomness, and stopping where held-out rows say so."""

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn


@contextmanager
def seeded(seed: int, number: int, device: torch.device) -> Iterator[None]:
    """Inside, randomness is a function of (seed, number); afterwards the generators are as they were."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0] >> 1))
        yield


def batches(n: int, batch_size: int) -> Iterator[Int[Tensor, " b"]]:
    """Rows of one step after another, without end: whole batches of random passes, of all n if fewer."""
    size = min(batch_size, n)
    while True:
        yield from torch.randperm(n)[: n // size * size].split(size)


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
) -> int:
    """Maximise while the held-out value rises; the best weights stay in the model, in evaluation mode.

    Args:
        operation: who asks, for the message.
        optimizer: of the model's parameters, made with ``maximize=True``.
        value: of the next batch, with gradient; the model is in training mode.
        held_out: on other rows; the model is in evaluation mode, without gradient.
        max_steps: at most.
        evaluate_every: steps between looks at the held-out value; one comes before the first step.
        patience: looks without a new best value before it ends.

    Returns:
        The step whose weights are kept.

    Raises:
        ValueError: a held-out value that is not finite.
    """
    best_step, best_value, best = 0, _look(operation, 0, model, held_out), copy.deepcopy(model.state_dict())
    step, stale = 0, 0
    while step < max_steps and stale < patience:
        model.train()
        for _ in range(min(evaluate_every, max_steps - step)):
            optimizer.zero_grad(set_to_none=True)
            value().backward()
            optimizer.step()
            step += 1
        found = _look(operation, step, model, held_out)
        stale += 1
        if found > best_value:
            best_step, best_value, best, stale = step, found, copy.deepcopy(model.state_dict()), 0
    model.load_state_dict(best)
    return best_step


@torch.no_grad()
def _look(operation: str, step: int, model: nn.Module, held_out: Callable[[], float]) -> float:
    model.eval()
    value = held_out()
    if not math.isfinite(value):
        raise ValueError(
            f"{operation}: the held-out value is {value} after {step} steps; use a lower learning rate"
        )
    return value
