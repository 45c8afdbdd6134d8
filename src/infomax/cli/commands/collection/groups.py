"""``infomax groups``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from infomax.cli.options import option
from infomax.cli.output import Answer, table
from infomax.cli.shared import EncoderCommand
from infomax.ranges import Count, Range, Seed


@dataclass(frozen=True)
class Groups(EncoderCommand):
    """Find groups, near-duplicates and outliers without labels, as a page with a map and as tables."""

    features: str | None = option(
        "features of the same data by `infomax embed` (.parquet, .csv, .npz, .npy); computed without it",
        default=None,
        metavar="FILE",
    )
    num: Count | None = option(
        "number of groups of k-means; chosen by the silhouette without it", default=None
    )
    method: str = option(
        "kmeans, or hdbscan: dense groups, and images that are in no group", default="kmeans"
    )
    same: Annotated[float, Range(above=0, most=1)] | None = option(
        "cosine from which images are near-duplicates; ten times as close as neighbours "
        "usually are without it",
        default=None,
        metavar="COSINE",
    )
    seed: Seed = option("seed of samples and of first centres", default=0)
    out: str | None = option(
        "folder to write; by default groups, or groups-NAME for other data, in the run folder", default=None
    )
    file_format: str = option(
        "format of the tables: csv or parquet", default="csv", flag="--format", metavar="FORMAT"
    )
    overwrite: bool = option("replace earlier groups", default=False)

    def __call__(self) -> Answer:
        """Return what was found, and where the page and the tables are."""
        from infomax.evaluation.grouping.looking import groups_of_run
        from infomax.learning.training.run import Run
        from infomax.report.collection.page import write_groups

        made = groups_of_run(
            Run(self.run),
            self.data(),
            encoder=self.encoder(),
            features=self.features,
            num_groups=self.num,
            method=self.method,
            same=self.same,
            seed=self.seed,
            out=self.out,
            file_format=self.file_format,
            overwrite=self.overwrite,
        )
        page = write_groups(made)
        found = {"page": str(page), **made.found}
        files = [f"tables: {', '.join(made.found['files'])}", f"open {page}"]
        return Answer(found, lambda: _shown(made.found), files)


def _shown(found: Mapping[str, Any]) -> list[Any]:
    groups = found["groups"]
    total = sum(groups["sizes"]) + groups["num_without"]
    rows = [(f"group {one}", size) for one, size in enumerate(groups["sizes"], 1)]
    rows += [("no group", groups["num_without"])] if groups["num_without"] else []
    cells = [(name, f"{size:,}", f"{100 * size / total:.1f} %") for name, size in rows]
    words = [found[key]["words"] for key in ("groups", "duplicates", "outliers")]
    return [table(("", "number", "share"), cells), *(one[:1].upper() + one[1:] for one in words)]
