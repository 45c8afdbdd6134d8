"""Memory that a network would take, estimated before anything is allocated."""

import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infomax.errors import refuse

if TYPE_CHECKING:
    from torch import nn

COPIES_IN_TRAINING = 4
"""Numbers that training keeps for each weight: itself, its gradient and two moments."""
MIN_BYTES_OF_A_VALUE = 2
"""Bytes of a value of a map in training, at the least."""
CGROUP = Path("/sys/fs/cgroup/memory.max")
"""Where Linux says how much a container may take."""


@cache
def total_memory() -> int:
    """Return the bytes of memory that this machine, or its container, has."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = CGROUP.read_text().strip() if CGROUP.is_file() else ""
    return min(whole, int(limit)) if limit.isdigit() else whole


def sketched(build: Callable[[], "nn.Module"]) -> "nn.Module":
    """Return the network that a function builds, without memory for its weights and without drawing them."""
    import torch

    with torch.device("meta"):
        return build()


def check_step_fits(
    operation: str, learner: Any, shapes: Sequence[tuple[int, ...]], batch_size: int, memory: int, remedy: str
) -> None:
    """Check that the weights of what learns, and the maps of a batch, fit into memory.

    Args:
        operation: for the message.
        learner: has `encoders`, one for each shape or one for all; `sketched`.
        shapes: of the views of a thing.
        batch_size: things in a batch.
        memory: bytes that there are.
        remedy: for the message.

    Raises:
        ValueError: they do not.
    """
    encoders = [*learner.encoders]
    maps = sum(
        _all_maps(encoders[min(number, len(encoders) - 1)], shape) for number, shape in enumerate(shapes)
    )
    weights = 4 * COPIES_IN_TRAINING * num_weights(learner)
    needed = weights + MIN_BYTES_OF_A_VALUE * batch_size * maps
    what = f"{num_weights(learner):,} weights and the maps of {batch_size} views {list(shapes[0])} would take"
    _refuse_beyond(operation, what, needed, memory, remedy)


def num_weights(module: "nn.Module") -> int:
    """Return how many numbers a module keeps."""
    return sum(one.numel() for one in (*module.parameters(), *module.buffers()))


def _refuse_beyond(operation: str, what: str, needed: int, memory: int, remedy: str) -> None:
    sizes = f"{needed / 2**30:,.0f} GiB at least, and there are {memory / 2**30:,.1f}"
    refuse(needed > memory, f"{operation}: {what} {sizes}; {remedy}")


def _all_maps(encoder: "nn.Module", shape: tuple[int, ...]) -> int:
    """Return the values that the convolutions and linear layers of an encoder give for one view."""
    import torch
    from torch import nn

    sizes: list[int] = []

    def count(module: nn.Module, given: Any, made: torch.Tensor) -> None:
        sizes.append(made.numel())

    kinds = (nn.Conv2d, nn.Linear)
    hooks = [one.register_forward_hook(count) for one in encoder.modules() if isinstance(one, kinds)]
    training = encoder.training
    with torch.no_grad():
        encoder.eval()(torch.empty(1, *shape, device="meta"))
    encoder.train(training)
    for hook in hooks:
        hook.remove()
    return sum(sizes)
