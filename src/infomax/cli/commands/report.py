"""``infomax report``."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from infomax.cli.options import option
from infomax.cli.output import Answer, entries, next_steps
from infomax.cli.shared import labels, module, pages, pixel_range, run_folder, skip_broken, split
from infomax.errors import refuse
from infomax.files import absolute

if TYPE_CHECKING:
    from infomax.evaluation.given import Given


@dataclass(frozen=True)
class Report:
    """Write the report of a run, report.html: map, groups, neighbours, evaluation results, curves."""

    run: str = run_folder()
    data: str | None = option(
        "images or signals to show; by default those of the last evaluation, or else of training",
        default=None,
        type=absolute,
        metavar="DATA",
    )
    split: str | None = split("name of one part of the data to show; by default all")
    column: str | None = option("for a table: the column to read", default=None)
    labels: str | None = labels()
    skip_broken: bool = skip_broken()
    range: str | None = pixel_range()
    pages: str | None = pages()
    module: str | None = module()
    no_pictures: bool = option("do not read images; use only the files in the run folder", default=False)
    overwrite: bool = option("replace an earlier report", default=False)

    def __call__(self) -> Answer:
        """Return where the page is, what is on it, and what makes the rest."""
        from infomax.learning.encoders.own import load_own_encoder
        from infomax.report.page import report_run

        how = {"range": self.range, "pages": self.pages}
        written = report_run(
            self.run,
            self._given(),
            load=lambda folder: load_own_encoder(folder, self.module, **how),
            pictures=not self.no_pictures,
            overwrite=self.overwrite,
        )
        found = {
            "report": str(written.path),
            "shown": list(written.shown),
            "missing": dict(written.missing),
            "notes": list(written.notes),
        }
        rows = {"on the page": ", ".join(written.shown)}
        more = next_steps(written.missing) if written.missing else []
        return Answer(found, lambda: [entries(rows)], [*more, f"open {written.path}"])

    def _given(self) -> "Given | None":
        """Return the data to show; None where none is named."""
        from infomax.evaluation.given import Given

        how = {"split": self.split, "column": self.column, "labels": self.labels}
        read = {"skip-broken": self.skip_broken, "range": self.range, "pages": self.pages}
        for name, value in {**how, **read}.items():
            refuse(value and self.data is None, f"report: --{name} says how --data is read; give --data, too")
        refuse(
            self.no_pictures and self.data is not None,
            "report: --no-pictures reads no images, got --data; leave one of them out",
        )
        return None if self.data is None else Given(self.data, skip_broken=self.skip_broken, **how)
