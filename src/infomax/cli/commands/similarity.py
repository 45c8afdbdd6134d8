"""``infomax similarity``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infomax.cli.options import option
from infomax.cli.shared import given, module, pages, pixel_range, run_folder
from infomax.evaluation.options import DEFAULT_CELL_SIDE, DEFAULT_NUM_SIMILAR, DEFAULT_TARGET


@dataclass(frozen=True)
class Similarity:
    """Draw where other images hold what an image, or a cell of it, tells about them."""

    run: str = run_folder()
    query: str = option("a file, or the number or name of an image of the data", metavar="IMAGE")
    given: Mapping[str, Any] = given()
    range: str | None = pixel_range()
    pages: str | None = pages()
    module: str | None = module()
    cell: tuple[int, int] | None = option(
        "cell of a local map of the query; all of the query without it", default=None, metavar="ROW,COLUMN"
    )
    cell_side: int = option(
        "side of the cell's map", default=DEFAULT_CELL_SIDE, metavar="SIDE", flag="--source"
    )
    target: int | None = option(
        f"side of the maps looked into; {DEFAULT_TARGET}, or for a cell that of its map",
        default=None,
        metavar="SIDE",
    )
    num: int = option("images drawn", default=DEFAULT_NUM_SIMILAR)
    out: str = option("picture to write", default="similarity.png")

    def __call__(self) -> dict[str, Any]:
        """Return the picture and the most similar images."""
        from infomax.evaluation.given import Given
        from infomax.evaluation.similarity.searching import similarity_of_run
        from infomax.learning.encoders.own import load_own_encoder
        from infomax.learning.training.run import Run

        return similarity_of_run(
            Run(self.run),
            self.query,
            Given(**self.given),
            encoder=load_own_encoder(self.run, self.module, range=self.range, pages=self.pages),
            cell=self.cell,
            source_side=self.cell_side,
            target=self.target,
            num_images=self.num,
            out=self.out,
        )
