"""A panel of some images, each with the maps of another view of it and of the most similar other images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from infomax.evaluation.representations import sees_images
from infomax.evaluation.similarity.fields import Field, receptive_field
from infomax.evaluation.similarity.maps import (
    GLOBAL,
    Place,
    SimilarityMaps,
    comparable,
    describe,
    features_at,
    score,
    target_scores,
)
from infomax.evaluation.similarity.painting import Painter, marked, plain_pictures, scaled, usual
from infomax.evaluation.splits import some_of
from infomax.learning.data.dataset import Dataset
from infomax.learning.encoders.features import example_features, features_of_rows
from infomax.learning.encoders.saving import PretrainedEncoder

ASKED: tuple[tuple[Place, int], ...] = ((GLOBAL, 7), ((5, 2, 2), 5))
"""The rows of a query: the place of the source, and the side of the maps that are searched."""


def has_panel(encoder: PretrainedEncoder) -> bool:
    """Return whether a panel can be drawn: images, maps of the sides that it asks for, one dimension."""
    sides = example_features(encoder.encoder).local.keys()
    return sees_images(encoder) and {side for _, side in ASKED} <= sides and comparable(encoder.encoder)


def similarity_panel(
    encoder: PretrainedEncoder,
    images: Dataset,
    *,
    num_queries: int = 4,
    num_others: int = 6,
    max_images: int = 1000,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Return pictures of queries, each with the maps of another view of it and of the most similar images.

    A query has two rows: its global feature with the 7×7 maps, and the middle cell of its 5×5 map with the
    5×5 maps. Queries are drawn from different classes where there are labels.

    Args:
        encoder: as of `similarity_maps`.
        images: those to draw from.
        num_queries: how many queries.
        num_others: other images of each row.
        max_images: images that are searched, drawn at random.
        seed: of the drawn images and of the other view.

    Returns:
        pictures: uint8 [rows, 2 + num_others, h, w, 3]; the query with the field of the source framed, the
        other view, the other images. sources: what each row asks. names: of the image in each place.
    """
    randomness = np.random.default_rng(seed)
    some = some_of(images, max_images, randomness)
    queries = _from_different_classes(some, min(num_queries, len(some)), randomness)
    own, rows = _rows(encoder, some, queries, seed)
    panel = []
    for q, query in enumerate(queries):
        framed = plain_pictures(encoder, some.batch(np.array([query])))[0]
        for row in rows:
            near = [i for i in SimilarityMaps(row.scores[q]).most_similar if i != query][:num_others]
            shown = [own[q], *plain_pictures(encoder, some.batch(np.array(near, int)))]
            names = [some.names[int(i)] for i in (query, query, *near)]
            panel.append((row.painted(q, framed, near, shown), describe(row.source, row.side), names))
    pictures, sources, names = zip(*panel, strict=True)
    return {
        "pictures": np.stack(pictures),
        "sources": np.array(sources, dtype=str),
        "names": np.array(names, dtype=str),
    }


@dataclass(frozen=True)
class _Row:
    """Question of a row of the panel, and the scores that answer it.

    scores: of each query with all images. own_scores: of each query with another view of itself.
    """

    source: Place
    side: int
    scores: Float[Tensor, "q n s s2"]
    own_scores: Float[Tensor, "q s s2"]
    painter: Painter
    field: Field

    def painted(
        self,
        q: int,
        query: UInt8[np.ndarray, "h w c"],
        near: Sequence[int],
        shown: Sequence[UInt8[np.ndarray, "h w c"]],
    ) -> UInt8[np.ndarray, "m h2 w2 3"]:
        """The query with the field framed; then, with their maps, its other view and the images near it."""
        maps = torch.cat([self.own_scores[q : q + 1], self.scores[q][near]]).numpy()
        weights = scaled(maps, usual(self.scores[q]))
        tiles = [self.painter.overlay(*one) for one in zip(shown, weights, strict=True)]
        return np.stack([marked(query, self.field), *tiles])


def _rows(
    encoder: PretrainedEncoder, images: Dataset, queries: Int[np.ndarray, " q"], seed: int
) -> tuple[UInt8[np.ndarray, "q h w c"], list[_Row]]:
    """Pictures of another view of each query, and the rows."""
    features = features_of_rows(encoder, images, queries)
    asked = [(features_at(features, source), side) for source, side in ASKED]
    found = target_scores(encoder, asked, images)
    with torch.random.fork_rng([]), torch.no_grad():
        torch.manual_seed(seed)
        (views,) = encoder.views.random_views(1)(images.batch(queries))
        local = encoder.encoder(views).local
    every = torch.arange(len(queries))
    rows = [
        _Row(
            source,
            side,
            scores,
            score(vectors, local[side])[every, every],
            Painter.of(encoder, side),
            receptive_field(encoder.encoder, source),
        )
        for (source, side), (vectors, _), scores in zip(ASKED, asked, found, strict=True)
    ]
    return encoder.views.pictures(views), rows


def _from_different_classes(
    images: Dataset, number: int, randomness: np.random.Generator
) -> Int[np.ndarray, " q"]:
    order = randomness.permutation(len(images))
    turn = np.zeros(len(images), int)
    for one in np.unique(images.labels):
        members = order[images.labels[order] == one]
        turn[members] = np.arange(len(members))
    return order[np.argsort(turn[order], kind="stable")][:number]
