"""``infomax search``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infomax.cli.options import option
from infomax.cli.output import Answer, table
from infomax.cli.shared import EncoderCommand, features, knn
from infomax.ranges import Count

NUM_SHOWN = 10
"""Images of a query that a terminal shows."""


@dataclass(frozen=True)
class Search(EncoderCommand):
    """Find the images nearest to a query by their representations; write a picture and a table."""

    query: Sequence[str] = option(
        "image files, or names or numbers of images in the data", metavar="IMAGE", nargs="+"
    )
    features: str | None = features()
    num: Count = option("number of images for each query", default=20)
    knn: str = knn()
    out: str = option("picture to write; the table is the .csv beside it", default="search.png")
    overwrite: bool = option("replace the picture and the table", default=False)

    @staticmethod
    def notes(_: Sequence[str] = ()) -> str:
        """Return what else there is."""
        return (
            "`infomax similarity` searches the maps of local features instead: it draws which\n"
            "parts of other images a query, or one cell of it, predicts."
        )

    def __call__(self) -> Answer:
        """Return the images nearest to each query, and where the picture and the table are."""
        from infomax.evaluation.grouping.searching import search_of_run
        from infomax.learning.training.run import Run

        found = search_of_run(
            Run(self.run),
            self.query,
            self.data(),
            encoder=self.encoder(),
            features=self.features,
            num=self.num,
            knn=self.knn,
            out=self.out,
            overwrite=self.overwrite,
        )
        files = [f"search: {found['by']}", f"table: {found['table']}", f"open {found['picture']}"]
        return Answer(found, lambda: [*map(_table, found["queries"])], files)


def _table(one: Mapping[str, Any]) -> Any:
    rows = [(near["name"], f"{near['cosine']:.3f}") for near in one["found"][:NUM_SHOWN]]
    rows += [(f"… {len(one['found']) - NUM_SHOWN} more in the table", "")] if one["found"][NUM_SHOWN:] else []
    return table(("name", "cosine"), rows, f"Nearest to {one['query']}")
