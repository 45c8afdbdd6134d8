"""Similarity maps: scores of a source feature with every cell of the local maps of other images.

    score(i, cell) = ⟨source, target_i(cell)⟩ / √d           up to a constant, log odds that the cell is of
    p(i, cell) = softmax of the scores over all cells of all i   the image that the source is of

The source is the global feature of a query image, or one cell of a local map of it; targets are the cells of
local maps. An encoder trained by AMDIM has learned to make these scores high for two views of one image, and
low for two images. Where training clipped scores, by c · tanh(s / c), the maps are not clipped.

Reference: Bachman, Hjelm and Buchwalter (2019), figure 4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from infomax.errors import refuse
from infomax.evaluation.options import DEFAULT_TARGET
from infomax.learning.data.dataset import Dataset
from infomax.learning.encoders.features import Features, example_features, features_of_rows
from infomax.learning.encoders.saving import PretrainedEncoder

GLOBAL = 1
"""The place of the global feature."""
Place = int | tuple[int, ...]
"""Where a feature stands: `GLOBAL`, or the cell (side of a map, row, column); of signals (side, position)."""

_BLOCK = 256  # images encoded at a time


@dataclass(frozen=True)
class SimilarityMaps:
    """The scores of every cell of every image."""

    scores: Float[Tensor, "n *places"]

    @property
    def probabilities(self) -> Float[Tensor, "n *places"]:
        """Softmax of the scores over all cells of all images.

        It is the probability that a cell belongs to the source, if exactly one of all these cells does.
        """
        return self.scores.flatten().softmax(0).view_as(self.scores)

    @property
    def log_odds(self) -> Float[Tensor, " n"]:
        """log Σ exp(score) over the cells of each image."""
        return self.scores.flatten(1).logsumexp(1)

    @property
    def most_similar(self) -> list[int]:
        """The images, the one with the highest log odds first."""
        return self.log_odds.argsort(descending=True, stable=True).tolist()


def similarity_maps(
    encoder: PretrainedEncoder,
    query: UInt8[Tensor, "c h w"] | Float[Tensor, "c h w"] | Float[Tensor, "c t"],
    images: Dataset,
    *,
    source: Place = GLOBAL,
    target: int = DEFAULT_TARGET,
) -> SimilarityMaps:
    """Return ⟨source of the query, each cell of each image⟩ / √d, streamed over the images.

    Args:
        encoder: with features all of one dimension d, as AMDIM's.
        query: an image as the encoder takes it, or a signal.
        images: those to search.
        source: the place of a feature of the query: `GLOBAL`, or (side, row, column) of a cell.
        target: side of the local maps to search.

    Raises:
        ValueError: there is no such map or cell; features have several dimensions.

    Example:
        ``similarity_maps(encoder, images.batch(slice(0, 1))[0], images).scores`` has the shape [n, 7, 7].
    """
    check_comparable(encoder.encoder, source, target)
    vector = features_at(encoder(query[None]), source)
    return SimilarityMaps(target_scores(encoder, [(vector, target)], images)[0][0])


def features_at(features: Features, place: Place) -> Float[Tensor, "b d"]:
    """Return the global feature of each, or that of one cell."""
    if isinstance(place, int):
        return features.predicting
    side, *cell = place
    return features.local[side][(slice(None), slice(None), *cell)]


def score(vectors: Float[Tensor, "q d"], local: Float[Tensor, "n d *places"]) -> Float[Tensor, "q n *places"]:
    """Return ⟨vector, cell⟩ / √d of every vector with every cell."""
    scores = torch.einsum("qd,ndl->qnl", vectors.float(), local.flatten(2).float())
    return scores.reshape(len(vectors), len(local), *local.shape[2:]) / vectors.shape[1] ** 0.5


def target_scores(
    encoder: PretrainedEncoder, asked: Sequence[tuple[Float[Tensor, "q d"], int]], images: Dataset
) -> list[Float[Tensor, "q n *places"]]:
    """Return the scores of several (vectors, side of the target map), in one pass over the images."""
    for vectors, _ in asked:
        refuse(
            not torch.isfinite(vectors).all(),
            "similarity: the query's features hold NaN or infinity; did training diverge? train anew",
        )
    found: list[list[Tensor]] = [[] for _ in asked]
    for start in range(0, len(images), _BLOCK):
        local = features_of_rows(encoder, images, slice(start, start + _BLOCK)).local
        for parts, (vectors, target) in zip(found, asked, strict=True):
            parts.append(score(vectors, local[target]).cpu())
    return [torch.cat(parts, dim=1) for parts in found]


def comparable(encoder: nn.Module) -> bool:
    """Return whether all features have one dimension, so that products of them can be taken."""
    features = example_features(encoder)
    return {x.shape[1] for x in (features.predicting, *features.local.values())} == {
        features.predicting.shape[1]
    }


def check_comparable(encoder: nn.Module, source: Place, target: int) -> None:
    """Check that the encoder has such a source and such a target.

    Raises:
        ValueError: it has not.
    """
    features = example_features(encoder)
    dimensions = {GLOBAL: features.predicting.shape[1], **{s: x.shape[1] for s, x in features.local.items()}}
    refuse(
        not comparable(encoder),
        f"similarity: features must be all of one dimension, got {dimensions} by side; Deep InfoMax compares "
        "them by critics, which are not kept: use an encoder trained by AMDIM",
    )
    side, *cell = (source,) if isinstance(source, int) else source
    needed = {target} | ({side} if cell else set())
    refuse(
        needed - features.local.keys() or (side != GLOBAL and not cell),
        f"similarity: got source {source} and target {target}; the source is {GLOBAL} (global) or a cell "
        f"(side, row, column), and there are maps of sides {', '.join(map(str, sorted(features.local)))}",
    )
    shape = features.local[side].shape[2:] if cell else ()
    refuse(
        len(cell) != len(shape) or any(not 0 <= at < most for at, most in zip(cell, shape, strict=True)),
        f"similarity: no cell {tuple(cell)} in a map of {'×'.join(map(str, shape))} cells",
    )


def describe(source: Place, target: int, local: Mapping[int, Tensor] | None = None) -> str:
    """Return a prediction in words; `local` are maps of any image, where some are not square."""
    sizes = {side: "×".join(map(str, x.shape[2:])) for side, x in (local or {}).items()}
    size_of = {side: sizes.get(side, f"{side}×{side}") for side in (target, _side(source))}
    if isinstance(source, int):
        return f"whole image → {size_of[target]}"
    side, *cell = source
    return f"cell {', '.join(map(str, cell))} of {size_of[side]} → {size_of[target]}"


def _side(place: Place) -> int:
    return place if isinstance(place, int) else place[0]
