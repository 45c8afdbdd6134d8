"""``infomax similarity``."""

from dataclasses import dataclass
from typing import Any

from infomax.cli.options import option
from infomax.cli.shared import column, data, module, pages, pixel_range, run_folder, skip_broken, split
from infomax.evaluation.options import DEFAULT_CELL_SIDE, DEFAULT_NUM_SIMILAR, DEFAULT_TARGET


@dataclass(frozen=True)
class Similarity:
    """Draw where other images hold what an image, or a cell of it, tells about them."""

    run: str = run_folder()
    query: str = option("a file, or the number or name of an image of the data", metavar="IMAGE")
    data: str = data("images to look into")
    split: str | None = split("part of the data; by default test if there is one")
    column: str | None = column()
    range: str | None = pixel_range()
    pages: str | None = pages()
    module: str | None = module()
    skip_broken: bool = skip_broken()
    cell: tuple[int, int] | None = option(
        "cell of a local map of the query; all of the query without it", default=None, metavar="ROW,COLUMN"
    )
    source: int = option("side of the cell's map", default=DEFAULT_CELL_SIDE, metavar="SIDE")
    target: int | None = option(
        f"side of the maps looked into; {DEFAULT_TARGET}, or for a cell that of its map",
        default=None,
        metavar="SIDE",
    )
    num: int = option("images drawn", default=DEFAULT_NUM_SIMILAR)
    out: str = option("picture to write", default="similarity.png")

    def __call__(self) -> dict[str, Any]:
        """Return the picture and the most similar images."""
        from infomax.evaluation.similarity.searching import similarity_of_run
        from infomax.learning.encoders.own import module_of
        from infomax.learning.training.run import Run

        return similarity_of_run(
            Run(self.run),
            self.query,
            self.data,
            split=self.split,
            column=self.column,
            module=module_of(self.run, self.module),
            range=self.range,
            pages=self.pages,
            skip_broken=self.skip_broken,
            cell=self.cell,
            source_side=self.source,
            target=self.target,
            num_images=self.num,
            out=self.out,
        )
