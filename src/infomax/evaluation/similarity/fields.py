"""Receptive fields: what part of a view a feature depends on."""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from infomax.evaluation.embedding import device_of
from infomax.evaluation.similarity.maps import Place, features_at
from infomax.learning.encoders.features import evaluating, example_features


@dataclass(frozen=True)
class Field:
    """A rectangle of a view, px: rows top to bottom − 1, columns left to right − 1."""

    top: int
    left: int
    bottom: int
    right: int


def receptive_field(encoder: nn.Module, place: Place, *, num_probes: int = 4) -> Field:
    """Return where the gradient of a feature with respect to random images is not zero.

    Args:
        encoder: of images.
        place: of the feature: `GLOBAL`, or (side, row, column).
        num_probes: random images; a pixel counts if the gradient reaches it in any of them.
    """
    with evaluating(encoder), torch.enable_grad():
        torch.manual_seed(0)
        shape = cast(tuple[int, ...], encoder.input_shape)
        views = torch.randn(num_probes, *shape, device=device_of(encoder))
        views.requires_grad_(True)
        (gradient,) = torch.autograd.grad(features_at(encoder(views), place).square().sum(), views)
    seen = (gradient != 0).any(dim=1).any(dim=0)
    rows, columns = (torch.nonzero(seen.any(dim=axis)).flatten() for axis in (1, 0))
    return Field(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def cell_centers(
    encoder: nn.Module, side: int
) -> tuple[Float[np.ndarray, " rows"], Float[np.ndarray, " columns"]]:
    """Return the centres of the fields of a map's rows and columns, px, evenly spaced from first to last.

    Where all cells see the same, as tokens of a transformer do, they are those of a grid over the view.
    """
    rows, columns = example_features(encoder).local[side].shape[2:]
    first, last = (receptive_field(encoder, (side, *at)) for at in ((0, 0), (rows - 1, columns - 1)))
    _, height, width = cast(tuple[int, int, int], encoder.input_shape)
    return (
        _even(first.top + first.bottom, last.top + last.bottom, rows, height),
        _even(first.left + first.right, last.left + last.right, columns, width),
    )


def _even(first: int, last: int, number: int, length: int) -> Float[np.ndarray, " number"]:
    """Return places from half of one number to half of the other, or along the length where these agree."""
    if last <= first:
        return (np.arange(number) + 0.5) * length / number
    return np.linspace(first, last, number) / 2
