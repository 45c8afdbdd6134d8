"""``infomax groups``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from infomax.cli.options import option
from infomax.cli.output import Answer, table
from infomax.cli.shared import EncoderCommand, features, knn
from infomax.ranges import Count, Range, Seed


@dataclass(frozen=True)
class Groups(EncoderCommand):
    """Find groups, near-duplicates and outliers without labels; write a page with a map, and tables."""

    features: str | None = features()
    num: Count | None = option(
        "number of groups for k-means; by default the silhouette decides", default=None
    )
    method: str = option(
        "kmeans, or hdbscan, which finds dense groups and leaves other images without a group",
        default="kmeans",
    )
    same: Annotated[float, Range(above=0, most=1)] | None = option(
        "smallest cosine of near-duplicates; by default, ten times as close as neighbours usually are",
        default=None,
        metavar="COSINE",
    )
    knn: str = knn()
    seed: Seed = option("seed of samples and of first centres", default=0)
    out: str | None = option(
        "folder to write; by default groups in the run folder, or groups-NAME for other data", default=None
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
            knn=self.knn,
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
    words = [found[key]["words"] for key in ("groups", "duplicates", "outliers")] + found["approximated"]
    return [table(("", "number", "share"), cells), *(one[:1].upper() + one[1:] for one in words)]
