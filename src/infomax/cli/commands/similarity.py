"""``infomax similarity``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from infomax.cli.options import option
from infomax.cli.output import Answer, grid
from infomax.cli.shared import EncoderCommand
from infomax.evaluation.options import DEFAULT_CELL_SIDE, DEFAULT_NUM_SIMILAR, DEFAULT_TARGET
from infomax.ranges import Count, Range, Side


@dataclass(frozen=True)
class Similarity(EncoderCommand):
    """Draw the parts of other images that an image, or one of its cells, predicts."""

    query: str = option("an image file, or the number or name of an image in the data", metavar="IMAGE")
    cell: tuple[Annotated[int, Range(0)], Annotated[int, Range(0)]] | None = option(
        "cell of a local map of the query; by default the whole query", default=None, metavar="ROW,COLUMN"
    )
    cell_side: Side = option(
        "side of the map that has the cell",
        default=DEFAULT_CELL_SIDE,
        metavar="SIDE",
        flag="--source",
        python="source_side",
    )
    target: Side | None = option(
        f"side of the maps to search; by default {DEFAULT_TARGET}, or for a cell the side of its map",
        default=None,
        metavar="SIDE",
    )
    num: Count = option("number of images to draw", default=DEFAULT_NUM_SIMILAR, python="num_images")
    out: str = option(
        "picture to write: .png, .svg or .pdf",
        default="similarity.png",
        metavar="FILE",
    )
    overwrite: bool = option("replace the picture", default=False)

    @staticmethod
    def notes(_: Sequence[str] = ()) -> str:
        """Return what else there is."""
        return (
            "`infomax search` compares whole images by their representations instead, several at once.\n"
            "Without --split, the split test is searched if there is one."
        )

    def __call__(self) -> Answer:
        """Return the picture and the most similar images."""
        from infomax.evaluation.similarity.searching import similarity_of_run
        from infomax.learning.training.run import Run

        found = similarity_of_run(
            Run(self.run),
            self.query,
            self.data(),
            encoder=self.encoder(),
            cell=self.cell,
            source_side=self.cell_side,
            target=self.target,
            num_images=self.num,
            out=self.out,
            overwrite=self.overwrite,
        )
        return Answer(found, lambda: _shown(found), [f"open {found['picture']}"])


def _shown(found: Mapping[str, Any]) -> Iterator[Any]:
    """Yield what a terminal shows: the query, and a row for each of the most similar images."""
    yield f"{found['source']} of {found['query']}, compared with {found['num_images']:,} images"
    yield grid(map(_row, found["images"]), ("score", "probability", "cell", "image"))


def _row(image: Mapping[str, Any]) -> tuple[str, ...]:
    cell = ",".join(map(str, image["cell"]))
    return f"{image['score']:.3f}", f"{100 * image['probability']:.1f} %", cell, image["name"]
