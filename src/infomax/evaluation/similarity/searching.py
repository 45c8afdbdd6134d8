"""The images of a source that are most similar to a query, drawn with their maps."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped
from matplotlib.figure import Figure
from torch import Tensor

from infomax.errors import refuse
from infomax.evaluation.given import Given, row_of
from infomax.evaluation.options import DEFAULT_CELL_SIDE, DEFAULT_NUM_SIMILAR, DEFAULT_TARGET
from infomax.evaluation.representations import sees_images
from infomax.evaluation.similarity.fields import Field, receptive_field
from infomax.evaluation.similarity.maps import (
    GLOBAL,
    Place,
    SimilarityMaps,
    check_comparable,
    describe,
    similarity_maps,
)
from infomax.evaluation.similarity.painting import Painter, marked, plain_pictures, scaled, usual
from infomax.evaluation.splits import told
from infomax.files import check_free, replacing
from infomax.learning.data.dataset import Dataset
from infomax.learning.data.reading import refuse_inside
from infomax.learning.data.targets import counted
from infomax.learning.encoders.features import example_features
from infomax.learning.encoders.saving import PretrainedEncoder, load_encoder
from infomax.learning.training.run import Run
from infomax.pages.figures import shortened
from infomax.progress import silence, stages

FORMATS = (".png", ".svg", ".pdf")
MAX_COLUMNS = 7
MAX_TITLE = 24
"""Characters of a name that fit above a picture."""
_TILE = 256  # longer side of a picture, px


def similarity_of_run(
    run: Run,
    query: str,
    data: Given | Any,
    *,
    encoder: PretrainedEncoder | None = None,
    cell: tuple[int, int] | None = None,
    source_side: int = DEFAULT_CELL_SIDE,
    target: int | None = None,
    num_images: int = DEFAULT_NUM_SIMILAR,
    out: str | Path = "similarity.png",
    overwrite: bool = False,
) -> dict[str, Any]:
    """Draw the maps of the images most similar to a query; return their scores.

    Args:
        run: a finished run, or any folder with an encoder.
        query: a file, or the number or the name of an image of the data; then it is left out of the others.
        data: a source of the images to search, or `Given`; the split test if there is one, else the first.
        encoder: that of the run, where it has been loaded in a way of its own; see `load_own_encoder`.
        cell: (row, column) of the query's map of `source_side`; None for the global feature.
        source_side: side of the map that the cell is of.
        target: side of the maps to search; None for 7, but for a cell the side of its map.
        num_images: how many are drawn.
        out: .png, .svg or .pdf.
        overwrite: replace an earlier picture.

    Raises:
        ValueError: an encoder of signals, or one whose features have several dimensions; no such cell or
            query.
        FileExistsError: there is such a picture.
    """
    refuse(
        Path(out).suffix not in FORMATS,
        f"similarity: the suffix of {out} says no format; expected .png, .svg or .pdf",
    )
    check_free("similarity", out, overwrite)
    refuse(
        cell is None and source_side != DEFAULT_CELL_SIDE,
        f"similarity: source_side {source_side} is the side of the map of a cell, got no cell; give one, or "
        "leave it out",
    )
    refuse(num_images < 1, f"similarity: at least 1 image must be drawn, got {num_images}")
    given = Given.of(data)
    refuse_inside("similarity", out, given.source)
    encoder = encoder or load_encoder(run.folder)
    place: Place = GLOBAL if cell is None else (source_side, *cell)
    side = target or (DEFAULT_TARGET if cell is None else source_side)
    _check(encoder, place, side)
    images = _loaded(encoder, given)
    read = {"data": told(images.reading, out)}
    with stages() as progress, replacing(out) as path:
        progress.begin(f"comparing the query with {counted(len(images), 'image')}")
        found = _Search.of(encoder, query, images, place, side)
        progress.begin("drawing")
        found.drawn(encoder, num_images).savefig(path, dpi=110)
    return {"picture": str(out), **read, **found.summary(num_images)}


def _check(encoder: PretrainedEncoder, place: Place, side: int) -> None:
    refuse(
        not sees_images(encoder),
        f"similarity: pictures are of images, got an encoder of {encoder.views.noun}s; use similarity_maps",
    )
    check_comparable(encoder.encoder, place, side)


def _loaded(encoder: PretrainedEncoder, given: Given) -> Dataset:
    there = given.splits(encoder.views)
    return given.load(encoder.views, given.split or ("test" if "test" in there else there[0]))


@dataclass(frozen=True)
class _Query:
    """An image to compare others with; row: its place among them, None if it is not one of them."""

    name: str
    pixels: Shaped[Tensor, "c h w"]
    row: int | None

    @staticmethod
    def of(encoder: PretrainedEncoder, text: str, images: Dataset) -> "_Query":
        """The image that a name, a number or a file means."""
        names = [*images.names]
        row = row_of(text, images)
        if row is not None:
            return _Query(names[row], images.batch(np.array([row]))[0], row)
        refuse(
            not Path(text).is_file(),
            f"similarity: {text!r} is no file, and neither the name nor the number of one of {len(names)} "
            f"images, such as {names[0]!r}",
        )
        with silence():
            pixels = encoder.views.load([Path(text)]).batch(slice(0, 1))[0]
        return _Query(Path(text).name, pixels, None)


@dataclass(frozen=True)
class _Search:
    """Result of a search.

    place, side: of the source and of the maps. others: images but the query, the most similar first.
    shares: the part of the probability that each of the others has. question: in words, what was searched.
    """

    query: _Query
    place: Place
    side: int
    images: Dataset
    maps: SimilarityMaps
    field: Field
    others: list[int]
    shares: dict[int, float]
    question: str

    @staticmethod
    def of(encoder: PretrainedEncoder, query: str, images: Dataset, place: Place, side: int) -> "_Search":
        """Search the images."""
        asked = _Query.of(encoder, query, images)
        maps = similarity_maps(encoder, asked.pixels, images, source=place, target=side)
        others = [i for i in maps.most_similar if i != asked.row]
        probabilities = SimilarityMaps(maps.scores[others]).probabilities.double().sum((1, 2)).tolist()
        shares = dict(zip(others, probabilities, strict=True))
        field = receptive_field(encoder.encoder, place)
        question = describe(place, side, example_features(encoder.encoder).local)
        return _Search(asked, place, side, images, maps, field, others, shares, question)

    def summary(self, num_images: int) -> dict[str, Any]:
        """Scores of the most similar images, fit for JSON."""
        return {
            "query": self.query.name,
            "source": self.question,
            "field": [*astuple(self.field)],
            "num_images": len(self.others),
            "images": [
                {"name": self.images.names[i], **self._best(i), "probability": self.shares[i]}
                for i in self.others[:num_images]
            ],
        }

    def _best(self, i: int) -> dict[str, Any]:
        scores = self.maps.scores[i]
        row, column = divmod(int(scores.argmax()), scores.shape[1])
        return {"score": float(scores.max()), "cell": [row, column]}

    def drawn(self, encoder: PretrainedEncoder, num_images: int) -> Figure:
        """The query framed, and images with their maps; the query is among them where it is one of them."""
        shown = [*([] if self.query.row is None else [self.query.row]), *self.others[:num_images]]
        painter, scores = Painter.of(encoder, self.side), self.maps.scores
        framed = marked(plain_pictures(encoder, self.query.pixels[None])[0], self.field, side=_TILE)
        weights = scaled(scores[shown].numpy(), usual(scores))
        pictures = plain_pictures(encoder, self.images.batch(np.array(shown)))
        tiles = [painter.overlay(*one, side=_TILE) for one in zip(pictures, weights, strict=True)]
        heading = f"{self.question}: the most similar image first"
        titles = [f"query:\n{shortened(self.query.name, MAX_TITLE)}", *map(self._title, shown)]
        return _grid([framed, *tiles], titles, heading)

    def _title(self, i: int) -> str:
        label = int(self.images.labels[i])
        classes = self.images.classes
        name = classes[label] if 0 <= label < len(classes) else self.images.names[i]
        share = _percent(self.shares[i]) if i in self.shares else "itself"
        return f"{shortened(name, MAX_TITLE)}\n{share}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share >= 0.001 else "< 0.1 %"


def _grid(pictures: Sequence[np.ndarray], titles: Sequence[str], heading: str) -> Figure:
    columns = min(len(pictures), MAX_COLUMNS)
    rows = -(-len(pictures) // columns)
    figure = Figure(figsize=(1.7 * columns, 2.15 * rows + 0.35), layout="constrained")
    figure.suptitle(heading, fontsize=10)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, picture, title in zip(axes, pictures, titles, strict=False):
        axis.imshow(picture)
        axis.set_title(title, fontsize=8, parse_math=False)
    return figure
