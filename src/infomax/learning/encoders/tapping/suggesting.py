"""Which layers of a module may be tapped: found by one batch of blank images."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from infomax.learning.encoders.features import evaluating
from infomax.learning.encoders.tapping.hooks import calls_of, unchanged
from infomax.learning.encoders.tapping.outputs import Reading, num_prefix_tokens, tensor_in

USUAL_SIDE = 8
"""Longer side of the local map that is suggested, where there is one of about so many places."""


@dataclass(frozen=True)
class PossibleTaps:
    """The layers of a module that give maps, and those that give a global vector.

    maps: the last layer that gives a map of these rows and columns, in the order in which they finish.
    vectors: the layers that give vectors or tokens, with the dimension of these. failure: why none is known.
    """

    maps: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    vectors: Mapping[str, int] = field(default_factory=dict)
    local: str | None = None
    global_: str | None = None
    failure: str | None = None


def blank_images(module: nn.Module, image_shape: tuple[int, ...]) -> Tensor:
    """Return two blank images of the device and precision of a module."""
    images = torch.zeros(2, *image_shape)
    for parameter in module.parameters():
        return images.to(parameter)
    return images


def possible_taps(module: nn.Module, image_shape: tuple[int, int, int]) -> PossibleTaps:
    """Return which layers of a module can be tapped for such images; the module does not change."""
    names = [name for name, _ in module.named_modules()]
    try:
        with evaluating(module):
            calls = calls_of(module, names, blank_images(module, image_shape))
    except Exception as error:  # whatever a stranger's module raises; it is told
        return PossibleTaps(failure=f"it fails on images {[2, *image_shape]} ({error})")
    outputs = {
        name: output
        for name, made in calls.items()
        if len(made) == 1 and unchanged(made[0]) and (output := tensor_in(made[0][0])) is not None
        and output.ndim > 1 and len(output) == 2
    }  # fmt: skip
    if len(outputs) > 1:
        outputs.pop("", None)  # the module itself gives what one of its layers gives
    reading = Reading(image_shape[1:], num_prefix=num_prefix_tokens(module))
    maps = _maps(outputs, reading)
    vectors = _vectors(outputs, reading)
    sides = {name: max(grid) for name, grid in maps.items()}
    nearest = min(sides, key=lambda name: abs(math.log(sides[name] / USUAL_SIDE)), default=None)
    return PossibleTaps(maps, vectors, nearest, _summary(module, vectors))


def _maps(outputs: Mapping[str, Tensor], reading: Reading) -> dict[str, tuple[int, int]]:
    """Return the last layer with a map of each size."""
    found: dict[tuple[int, int], str] = {}
    for name, output in outputs.items():
        try:
            read = reading.map_of(name, output)
        except ValueError:
            continue
        found[read.shape[2], read.shape[3]] = name
    return {name: grid for grid, name in found.items()}


def _vectors(outputs: Mapping[str, Tensor], reading: Reading) -> dict[str, int]:
    """Return the layers with a vector, or tokens that give one; of the last only the last layer."""
    found, last_tokens = {}, None
    for name, output in outputs.items():
        try:
            found[name] = reading.vector_of(name, output).shape[1]
        except ValueError:
            continue
        if output.ndim == 3:
            found.pop(last_tokens, None)
            last_tokens = name
    return found


def _summary(module: nn.Module, vectors: Mapping[str, int]) -> str | None:
    """Return the layer that is suggested for the global feature: the last before a linear output layer."""
    names = list(vectors)
    while len(names) > 1 and _is_output(module.get_submodule(names[-1])):
        names.pop()
    return names[-1] if names else None


def _is_output(layer: nn.Module) -> bool:
    """Return whether a layer is an output layer, or nothing: linear, without a nonlinearity."""
    leaves = [part for part in layer.modules() if not [*part.children()]]
    return all(isinstance(part, nn.Linear | nn.Dropout | nn.Identity | nn.Flatten) for part in leaves)
