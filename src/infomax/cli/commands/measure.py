"""``infomax measure``."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from infomax.cli.options import argument, option
from infomax.errors import refuse
from infomax.estimation.tables import DEFAULT_PERMUTATIONS

SEVERAL: dict[str, Any] = {"nargs": "+", "action": "extend"}


@dataclass(frozen=True)
class Measure:
    """Measure how many bits the columns of a table tell about one of them, or about each other."""

    table: str = argument(".csv, .parquet, .arrow, … or hf:owner/name of the Hugging Face hub")
    target: Sequence[str] = option(
        "rank the others by it; all pairs without it", default=(), action="append", metavar="COLUMN"
    )
    given: Sequence[str] = option("columns that are known", default=(), metavar="COLUMN", **SEVERAL)
    lag: Sequence[int] = option(
        "rows by which the target is later; 0 without it", default=(), metavar="N", **SEVERAL
    )
    kind: Sequence[str] = option(
        "labels or continuous, where the kind that is inferred would be wrong",
        default=(),
        metavar="COLUMN=KIND",
        **SEVERAL,
    )
    permutations: int | None = option(
        f"permutations behind a p-value; {DEFAULT_PERMUTATIONS} without it, but none for all pairs",
        default=None,
    )
    rows: int | None = option("measure N rows chosen at random", default=None)
    plot: str | None = option("draw what is found: .png, .svg or .pdf", default=None, metavar="FILE")
    split: str = option("part of a dataset that has several", default="train")
    seed: int = option("of all randomness", default=0)

    @staticmethod
    def notes() -> str:
        """Return what is printed where, and how an earlier row is named."""
        return (
            "On a terminal it prints a table; JSON where the output goes elsewhere.\n"
            "COLUMN@2 is a column two rows earlier."
        )

    def __call__(self) -> dict[str, Any] | None:
        """Return what was found; on a terminal, only show it."""
        from rich.console import Console

        from infomax.estimation.tables.draw import check_picture, save_picture
        from infomax.estimation.tables.show import as_mapping, as_table

        self._check()
        if self.plot:
            check_picture(self.plot)
        found, draw = self._ranked() if self.target else self._pairwise()
        plot = {"plot": str(save_picture(draw, found, self.plot))} if self.plot else {}
        Console(stderr=True).print(as_table(found))
        return None if sys.stdout.isatty() else {"table": self.table, **as_mapping(found), **plot}

    def _ranked(self) -> tuple[Any, Any]:
        """Return the columns ranked by the target, and what draws them."""
        from infomax.estimation.tables.draw import ranking_chart
        from infomax.estimation.tables.rank import rank_columns

        lags = {"given": self.given, "lags": self.lag or (0,)}
        return rank_columns(self._frame(), self.target[0], **lags, **self._settings()), ranking_chart

    def _pairwise(self) -> tuple[Any, Any]:
        """Return the information of all pairs of columns, and what draws it."""
        from infomax.estimation.tables.draw import heat_map
        from infomax.estimation.tables.pairwise import pairwise

        return pairwise(self._frame(), **self._settings()), heat_map

    def _frame(self) -> Any:
        """Return the table, or the rows that are drawn from it."""
        from infomax.estimation.tables.read import read_frame

        frame = read_frame(self.table, split=self.split)
        if self.rows is None or self.rows >= len(frame):
            return frame
        return frame.sample(self.rows, seed=self.seed)

    def _settings(self) -> dict[str, Any]:
        """Return what ranking and pairs have in common."""
        for one in self.kind:
            refuse("=" not in one, f"measure: --kind expects COLUMN=KIND, such as age=labels, got {one!r}")
        kinds = {column: kind for column, _, kind in (one.rpartition("=") for one in self.kind)}
        permutations = {} if self.permutations is None else {"num_permutations": self.permutations}
        return {"kinds": kinds, "seed": self.seed, "progress": True, **permutations}

    def _check(self) -> None:
        targets = ", ".join(self.target)
        refuse(len(self.target) > 1, f"measure: got the targets {targets}; expected one --target")
        refuse(
            not self.target and (self.given or self.lag),
            "measure: --given and --lag are for information about a column; say which with --target",
        )
        refuse(
            self.rows is not None and self.rows < 1, f"measure: --rows must be at least 1, got {self.rows}"
        )
        refuse(
            self.rows and (self.lag or any("@" in name for name in self.given)),
            "measure: --rows picks rows at random, which have no lags; leave one out",
        )
