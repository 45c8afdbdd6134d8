"""Similarity maps: where other images, or another view, hold what a feature tells.

    score(i, cell) = ⟨source, target_i(cell)⟩ / √d            nats-like: log odds, up to a constant, that the
    p(i, cell) = softmax of the scores over all cells of all i   cell is of the source's own image

The source is the global feature of a query image or one cell of a local map of it; targets are the cells of
local maps. An encoder that was trained by AMDIM has learned to make these scores high for two views of one
image, and low for two images. (Where training clipped scores, by c · tanh(s / c), the maps are not clipped.)

Fig. 4 of Bachman, Hjelm, Buchwalter (2019).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from infomax.learning.encoders.amdim import Features, evaluating, example_features
from infomax.learning.encoders.saving import PretrainedEncoder
from infomax.learning.views.pairing import Seen

GLOBAL = 1
"""The source that is the global feature; otherwise (side of a map, row, column), of signals (side, place)."""
Source = int | tuple[int, ...]

_BLOCK = 256  # images encoded at a time


@dataclass(frozen=True)
class SimilarityMaps:
    """scores: of every cell. probabilities: their softmax over all cells of all images."""

    scores: Float[Tensor, "n *places"]

    @property
    def probabilities(self) -> Float[Tensor, "n *places"]:
        """That a cell is the one that belongs to the source, if one of all these does; they sum to 1."""
        return self.scores.flatten().softmax(0).view_as(self.scores)

    @property
    def log_odds(self) -> Float[Tensor, " n"]:
        """Of each image: log Σ over its cells of exp(score); images are sorted by it."""
        return self.scores.flatten(1).logsumexp(1)


def similarity_maps(
    encoder: PretrainedEncoder,
    query: UInt8[Tensor, "c h w"] | Float[Tensor, "c t"],
    images: Seen,
    *,
    source: Source = GLOBAL,
    target: int = 7,
) -> SimilarityMaps:
    """⟨source of the query, each cell of each image⟩ / √d, streamed over the images.

    Args:
        encoder: with features all of one dimension d, as AMDIM's.
        query: an image as the encoder takes it (or a signal).
        images: to look into.
        source: `GLOBAL`, or (side, row, column) of a cell of a local map of the query.
        target: side of the local maps looked into.

    Raises:
        ValueError: no such map or cell; features of several dimensions.

    Example:
        ``similarity_maps(encoder, images.batch([0])[0], images).scores`` has the shape [n, 7, 7].
    """
    check_comparable(encoder.encoder, source, target)
    vector = source_vectors(encoder(query[None]), source)
    return SimilarityMaps(next(iter(target_scores(encoder, [(vector, target)], images)))[0])


def source_vectors(features: Features, source: Source) -> Float[Tensor, "b d"]:
    """The global feature of each, or that of one cell."""
    if isinstance(source, int):
        return features.global_
    side, *place = source
    return features.local[side][(slice(None), slice(None), *place)]


def score(vectors: Float[Tensor, "q d"], local: Float[Tensor, "n d *places"]) -> Float[Tensor, "q n *places"]:
    """⟨vector, cell⟩ / √d, of every vector with every cell."""
    scores = torch.einsum("qd,ndl->qnl", vectors.float(), local.flatten(2).float())
    return scores.reshape(len(vectors), len(local), *local.shape[2:]) / vectors.shape[1] ** 0.5


def target_scores(
    encoder: PretrainedEncoder, sources: Sequence[tuple[Float[Tensor, "q d"], int]], images: Seen
) -> list[Float[Tensor, "q n *places"]]:
    """Of each (vectors, side of the target map), in one pass over the images."""
    device = next(encoder.parameters()).device
    found: list[list[Tensor]] = [[] for _ in sources]
    for start in range(0, len(images), _BLOCK):
        local = encoder(images.batch(slice(start, start + _BLOCK)).to(device)).local
        for parts, (vectors, target) in zip(found, sources, strict=True):
            parts.append(score(vectors, local[target]).cpu())
    return [torch.cat(parts, dim=1) for parts in found]


def comparable(encoder: nn.Module) -> bool:
    """Whether global and local features are all of one dimension, so that they can be multiplied."""
    features = example_features(encoder)
    return {x.shape[1] for x in (features.global_, *features.local.values())} == {features.global_.shape[1]}


def check_comparable(encoder: nn.Module, source: Source, target: int) -> None:
    """Make sure that there are such a source and such a target.

    Raises:
        ValueError: there are not.
    """
    features = example_features(encoder)
    if not comparable(encoder):
        dimensions = {1: features.global_.shape[1], **{s: x.shape[1] for s, x in features.local.items()}}
        raise ValueError(
            f"similarity: features must be all of one dimension, got {dimensions} by side; Deep InfoMax "
            "compares them by critics, which are not kept: use an encoder trained by AMDIM"
        )
    side, *place = (source,) if isinstance(source, int) else source
    needed = {target} | ({side} if place else set())
    if needed - features.local.keys() or (side != GLOBAL and not place):
        raise ValueError(
            f"similarity: got source {source} and target {target}; the source is {GLOBAL} (global) or a cell "
            f"(side, row, column), and there are maps of sides {', '.join(map(str, sorted(features.local)))}"
        )
    shape = features.local[side].shape[2:] if place else ()
    if len(place) != len(shape) or any(not 0 <= at < most for at, most in zip(place, shape, strict=True)):
        raise ValueError(f"similarity: no cell {tuple(place)} in a map of {'×'.join(map(str, shape))} cells")


@dataclass(frozen=True)
class Field:
    """A rectangle of a view, px: rows top to bottom − 1, columns left to right − 1."""

    top: int
    left: int
    bottom: int
    right: int


def receptive_field(encoder: nn.Module, source: Source, *, num_probes: int = 4) -> Field:
    """What a feature depends on: where its gradient with respect to random images is not zero.

    Args:
        encoder: of images.
        source: `GLOBAL`, or (side, row, column).
        num_probes: random images; a pixel counts if the gradient reaches it in any of them.
    """
    with evaluating(encoder), torch.enable_grad():
        torch.manual_seed(0)
        device = next(encoder.parameters()).device
        views = torch.randn(num_probes, *cast(tuple[int, ...], encoder.input_shape), device=device)
        views.requires_grad_(True)
        (gradient,) = torch.autograd.grad(source_vectors(encoder(views), source).square().sum(), views)
    seen = (gradient != 0).any(dim=1).any(dim=0)
    rows, columns = (torch.nonzero(seen.any(dim=axis)).flatten() for axis in (1, 0))
    return Field(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)


def cell_centers(
    encoder: nn.Module, side: int
) -> tuple[Float[np.ndarray, " side"], Float[np.ndarray, " side"]]:
    """Centres of the fields of a map's rows and of its columns, px; evenly spaced from first to last."""
    first, last = (receptive_field(encoder, (side, at, at)) for at in (0, side - 1))
    rows = np.linspace(first.top + first.bottom, last.top + last.bottom, side) / 2
    columns = np.linspace(first.left + first.right, last.left + last.right, side) / 2
    return rows, columns


def describe(source: Source, target: int) -> str:
    """A prediction in words."""
    if isinstance(source, int):
        return f"global → {target}×{target}"
    side, *place = source
    return f"cell {', '.join(map(str, place))} of {side}×{side} → {target}×{target}"
