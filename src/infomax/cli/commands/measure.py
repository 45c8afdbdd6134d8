"""``infomax measure``."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from shutil import get_terminal_size
from textwrap import fill
from types import MappingProxyType
from typing import Annotated, Any

from infomax.cli.options import argument, option, options_of
from infomax.cli.output import Answer, Unfinished, show_on_stderr
from infomax.errors import refuse
from infomax.estimation.tables import DEFAULT_PERMUTATIONS, DEFAULT_SAMPLED_ROWS
from infomax.estimation.tables.cluster import on_cluster
from infomax.ranges import Count, Range, Seed

SEVERAL: dict[str, Any] = {"nargs": "+", "action": "extend"}

EXAMPLES = """\
examples:
  infomax measure table.csv                        all pairs of columns
  infomax measure table.csv --target label         how much each column tells about label
  infomax measure table.csv --target label --given age
  infomax measure table.csv --target label --decompose age sex
  infomax measure panel.csv --target y --given id y@1 --lag 1 2 --group id
  infomax measure big/*.parquet --target label     one table, larger than memory

The result is a table on a terminal, and JSON in a pipe or a file.
y@2 is the column y, two rows earlier.

"""


@dataclass(frozen=True)
class Reading:
    """How a table is read."""

    separator: str | None = option(
        "sign between the columns of a text file: ;, tab, …; guessed by default", default=None, metavar="SIGN"
    )
    decimal: str | None = option(
        "decimal sign of a text file: . or ,; guessed by default", default=None, metavar="SIGN"
    )
    thousands: str | None = option(
        "sign between thousands; by default guessed for each column", default=None, metavar="SIGN"
    )
    encoding: str | None = option(
        "encoding of a text file: utf-8, latin-1, …; guessed by default", default=None, metavar="NAME"
    )
    no_header: bool = option("the first line holds values; columns are column_1, column_2, …", default=False)
    missing: Sequence[str] = option(
        "more words that mean a missing value: unknown, -999, …", default=(), metavar="WORD", **SEVERAL
    )
    keep: Sequence[str] = option(
        "words that usually mean a missing value, but are values here, such as NA for Namibia",
        default=(),
        metavar="WORD",
        **SEVERAL,
    )
    split: str = option(
        "one of several parts of a dataset, or a sheet of a workbook", default="train", metavar="NAME"
    )

    in_parts: str = option(
        "read the table in batches, with little memory: labels are counted in all rows, numbers are "
        "measured on some rows; auto: if the whole table would take more than half of the memory",
        default="auto",
        choices=("auto", "always", "never"),
    )
    sampled_rows: Annotated[int, Range(2)] | None = option(
        f"rows on which numbers are measured, if it is read in parts (by default {DEFAULT_SAMPLED_ROWS})",
        default=None,
        python="num_sampled_rows",
    )

    def frame(self, table: Sequence[str], rows: int | None = None) -> Any:
        """Return the table, with what was guessed about it, or one that is read in parts.

        Args:
            table: files.
            rows: rows that are to be drawn from one that is read in parts.
        """
        from infomax.estimation.tables.parts.opening import is_too_large, open_parts
        from infomax.estimation.tables.read import read_frame

        whole = table[0] if len(table) == 1 else table
        apart = ("no_header", "in_parts", "sampled_rows")
        settings = {name: value for name, value in vars(self).items() if name not in apart}
        settings["header"] = not self.no_header
        if self.in_parts == "always" or (self.in_parts == "auto" and is_too_large(whole)):
            number = rows or self.sampled_rows or DEFAULT_SAMPLED_ROWS
            return open_parts(whole, num_sampled_rows=number, **settings)
        refuse(
            self.sampled_rows,
            "measure: --sampled-rows is for a table that is read in parts, and this one is read whole; use "
            "--rows, or --in-parts always",
        )
        return read_frame(whole, **settings)


@dataclass(frozen=True)
class Measure:
    """Measure how many bits the columns of a table tell about one of them, or about each other."""

    table: Sequence[str] = argument(
        "one or several files (.csv, .csv.gz, .parquet, .xlsx, .json, …), - for standard input, or "
        "hf:owner/name on the Hugging Face hub",
        nargs="+",
    )
    target: Sequence[str] = option(
        "rank the other columns by what they tell about this column; by default all pairs are measured",
        default=(),
        action="append",
        metavar="COLUMN",
    )
    given: Sequence[str] = option(
        "columns that are already known: rank the others by what they add",
        default=(),
        metavar="COLUMN",
        **SEVERAL,
    )
    lag: Sequence[Annotated[int, Range(0)]] = option(
        "for rows in time order: measure columns N rows before the target",
        default=(),
        metavar="N",
        **SEVERAL,
    )
    pairs: bool = option("rank pairs of columns by what they tell about the target together", default=False)
    decompose: Sequence[str] = option(
        "two to four columns of labels: split what they tell about the target into redundant, unique "
        "and synergistic parts",
        default=(),
        metavar="COLUMN",
        **SEVERAL,
    )
    redundancy: str = option(
        "how --decompose defines redundancy; auto: broja for two columns, williams-beer for more",
        default="auto",
        choices=("auto", "broja", "williams-beer"),
    )
    group: str | None = option(
        "column that says which rows belong together, such as a patient; lags and shuffles stay "
        "within a group",
        default=None,
        metavar="COLUMN",
    )
    weights: str | None = option("column with the weight of each row", default=None, metavar="COLUMN")
    kind: Sequence[str] = option(
        "set the kind of a column, labels or continuous, if infomax guesses wrong",
        default=(),
        metavar="COLUMN=KIND",
        **SEVERAL,
    )
    estimator: Sequence[str] = option(
        "estimator for one kind of pairs (labels, continuous, or mixed: one column of each), such as "
        "labels=nsb",
        default=(),
        metavar="KIND=NAME",
        **SEVERAL,
    )
    permutations: Annotated[int, Range(0)] | None = option(
        f"permutations for each p-value at first (by default {DEFAULT_PERMUTATIONS}, and none for all "
        "pairs); small p-values get more; 0 leaves p-values out",
        default=None,
        python="num_permutations",
    )
    null: str | None = option(
        "how rows are shuffled: permutations, or, for series, shifts, blocks or blocks=ROWS; by "
        "default shifts with --lag, else permutations",
        default=None,
        metavar="NAME",
    )
    tested_rows: Annotated[int, Range(2)] | None = option(
        "shuffle at most N random rows (20000 by default); values use all rows",
        default=None,
        python="num_tested_rows",
    )
    rows: Count | None = option("measure only N random rows", default=None)
    plot: str | None = option(
        "draw the result into a new .png, .svg or .pdf file", default=None, metavar="FILE"
    )
    heat_map: str | None = option(
        "also measure all pairs, and draw them with the target first", default=None, metavar="FILE"
    )
    seed: Seed = option("seed of everything that is random", default=0)
    scheduler: str | None = option(
        "address of a Dask cluster to measure on: tcp://HOST:PORT", default=None, metavar="ADDRESS"
    )
    reading: Mapping[str, Any] = options_of(lambda: {"": Reading})

    @staticmethod
    def notes(_: Sequence[str] = ()) -> str:
        """Return examples, what is printed where, and the names of the estimators."""
        from infomax.estimation.choices import ESTIMATORS

        return EXAMPLES + fill(f"Estimators: {', '.join(ESTIMATORS)}.", 78, break_on_hyphens=False)

    def __call__(self) -> Answer:
        """Return what was found; where that goes into a pipe, show it on stderr, too."""
        from infomax.estimation.tables.running import Interrupted

        self._check()
        frame = self._frame()
        try:
            with on_cluster(self.scheduler):
                found, draw = self._found(frame)
        except Interrupted as interrupt:
            raise Unfinished(str(interrupt), self._answer(interrupt.result)) from None
        return self._answer(found, self._draw(frame, found, draw))

    def _found(self, frame: Any) -> tuple[Any, Any]:
        """Return the result, and what draws it."""
        from infomax.estimation.tables import joint, pairwise, rank
        from infomax.estimation.tables.results.draw import heat_map, ranking_chart

        settings = self._settings()
        if not self.target:
            return pairwise.pairwise(frame, **settings, **self._tests()), heat_map
        if self.decompose:
            return self._decomposed(frame), None
        if self.pairs:
            del settings["group"]
            return joint.rank_pairs(frame, self.target[0], **settings), None
        lags = {"given": self.given, "lags": self.lag or (0,)}
        ranking = rank.rank_columns(frame, self.target[0], **lags, **settings, **self._tests())
        return ranking, ranking_chart

    def _decomposed(self, frame: Any) -> Any:
        """Return the atoms of what the columns tell about the target."""
        from infomax.estimation.tables.decompose import MEASURES, decompose_table

        measure = None if self.redundancy == "auto" else MEASURES[self.redundancy]
        kinds = self._settings()["kinds"]
        return decompose_table(
            frame, self.target[0], self.decompose, measure=measure, kinds=kinds, seed=self.seed
        )

    def _draw(self, frame: Any, found: Any, draw: Any) -> dict[str, str]:
        """Return the pictures that were drawn, by the name of their option."""
        from functools import partial

        from infomax.estimation.tables.pairwise import pairwise
        from infomax.estimation.tables.results.draw import heat_map, save_picture

        pictures = {"plot": str(save_picture(draw, found, self.plot))} if self.plot else {}
        if self.heat_map:
            first = self.target[0] if self.target else None
            whole = pairwise(frame, **self._settings()) if self.target else found
            pictures["heat_map"] = str(save_picture(partial(heat_map, first=first), whole, self.heat_map))
        return pictures

    def _answer(self, found: Any, pictures: Mapping[str, str] = MappingProxyType({})) -> Answer:
        """Return what was found, what was drawn, and what can be done next."""
        from infomax.estimation.tables.results.show import as_table

        drawn = [f"drawn: {path}" for path in pictures.values()]
        answer = Answer(
            {
                "table": self.table[0] if len(self.table) == 1 else [*self.table],
                **found.to_mapping(),
                **pictures,
            },
            lambda: [as_table(found, get_terminal_size().columns, further=drawn)],
            [self._next(found)],
        )
        show_on_stderr(answer)
        return answer

    def _next(self, found: Any) -> str:
        if not self.target:
            return "next: --target COLUMN ranks the others by it; --plot FILE draws all pairs"
        if self.decompose:
            return "next: --pairs looks for other columns that tell something only together"
        if self.pairs:
            return "next: --given COLUMN ranks what the others tell beyond it"
        first = found[0]
        best = f"{first['column']}@{first['lag']}" if first["lag"] else first["column"]
        given = shlex.join([*self.given, best])
        pairs = "" if self.given or self.lag or self.group else " --pairs,"
        return f"next: --given {given} (what the others add),{pairs} --plot FILE"

    def _frame(self) -> Any:
        """Return the table, or the rows that are drawn from it."""
        read = Reading(**self.reading).frame(self.table, self.rows)
        if self.rows is None or self.rows >= len(read):
            return read
        if not hasattr(read, "frame"):
            return read.sample(self.seed)
        note = f"{self.rows:,} of {len(read):,} rows, drawn at random"
        return replace(read, frame=read.frame.sample(self.rows, seed=self.seed), notes=(*read.notes, note))

    def _settings(self) -> dict[str, Any]:
        """Return what all measurements have in common."""
        from infomax.estimation.choices import ESTIMATORS

        names = _by_name("--estimator", "KIND=NAME, such as labels=nsb", self.estimator)
        return {
            "kinds": _by_name("--kind", "COLUMN=KIND, such as age=labels", self.kind),
            "estimators": {kind: ESTIMATORS.find(name, "measure")() for kind, name in names.items()},
            "weights": self.weights,
            "group": self.group,
            "seed": self.seed,
            "progress": True,
        }

    def _tests(self) -> dict[str, Any]:
        """Return what belongs to p-values, where it is given."""
        given = {
            "num_permutations": self.permutations,
            "null": None if self.null is None else _null(self.null),
            "num_tested_rows": self.tested_rows,
        }
        return {name: value for name, value in given.items() if value is not None}

    def _check(self) -> None:
        from infomax.estimation.tables.results.draw import check_picture

        targets = ", ".join(self.target)
        refuse(len(self.target) > 1, f"measure: got the targets {targets}; expected one --target")
        refuse(
            not self.target and (self.given or self.lag or self.pairs or self.decompose),
            "measure: --given, --lag, --pairs and --decompose are for information about a column; say which "
            "with --target",
        )
        refuse(
            self.redundancy != "auto" and not self.decompose,
            "measure: --redundancy belongs to --decompose; name its columns, or leave it out",
        )
        others = (self.given, self.lag, self.pairs, self.plot, self.group, self.weights, self.estimator)
        refuse(
            self.decompose and (any(others) or self._tests()),
            "measure: --decompose cannot be combined with --given, --lag, --pairs, --group, --weights, "
            "--estimator, --plot or p-values; leave those out",
        )
        refuse(
            self.pairs and (self.given or self.lag or self.plot or self.group or self._tests()),
            "measure: --pairs cannot be combined with --given, --lag, --group, --plot or p-values; leave "
            "those out",
        )
        refuse(
            self.rows is not None and self.rows < 1, f"measure: --rows must be at least 1, got {self.rows}"
        )
        refuse(
            self.rows and (self.lag or any("@" in name for name in self.given)),
            "measure: --rows draws rows at random, but lags need all rows in order; leave out --rows or "
            "the lags",
        )
        self._check_tests()
        for picture in filter(None, (self.plot, self.heat_map)):
            check_picture(picture)

    def _check_tests(self) -> None:
        tests = self._tests()
        refuse(
            {"null", "num_tested_rows"} & {*tests} and not tests.get("num_permutations", self.target),
            "measure: --null and --tested-rows are for p-values, and there are none; "
            "give --permutations 199, or leave them out",
        )


def _null(text: str) -> Any:
    """Return how rows are shuffled, by its name on the command line; blocks can have a length."""
    from infomax.errors import did_you_mean
    from infomax.estimation.resampling.nulls import Blocks, CircularShifts, WholeGroup

    nulls = {"permutations": WholeGroup, "shifts": CircularShifts, "blocks": Blocks}
    name, _, length = text.partition("=")
    refuse(name not in nulls, f"measure: no null {name!r}; {did_you_mean(name, nulls)}")
    refuse(
        length and not (name == "blocks" and length.isdecimal()),
        f"measure: --null expects blocks=ROWS, such as blocks=24, got {text!r}",
    )
    return Blocks(int(length)) if length else nulls[name]()


def _by_name(flag: str, expected: str, texts: Sequence[str]) -> dict[str, str]:
    """Return NAME=VALUE texts as a mapping."""
    for text in texts:
        refuse("=" not in text, f"measure: {flag} expects {expected}, got {text!r}")
    return {name: value for name, _, value in (text.rpartition("=") for text in texts)}
