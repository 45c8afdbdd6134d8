"""Many pairs of columns measured in parallel, with the time that takes; what is done is kept on Ctrl-C."""

import os
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import polars as pl
from joblib import Parallel, effective_n_jobs, parallel_config

from infomax.estimation.resampling.series import IF_IN_TIME, USE_SHIFTS, serial_dependence
from infomax.estimation.tables.cluster import lost_work
from infomax.estimation.tables.columns import Column
from infomax.estimation.tables.measuring import Measuring, pair_kind
from infomax.estimation.tables.testing import (
    DEFAULT_TESTED_ROWS,
    adjusted,
    extended,
    is_for_series,
    null_name,
)

MAX_SECONDS = 20
"""A run that takes longer says so before it begins."""
NUM_TIMED_ROWS = 2000
MAX_LOOKED_AT = 20
"""Results by G-test in which is looked for rows that follow each other."""
MAX_LOSSES = 10
"""Times that a cluster may lose work, with its workers, in one run."""

SCHEMA: Mapping[str, type[pl.DataType]] = {
    "value": pl.Float64,
    "standard_error": pl.Float64,
    "bits": pl.Float64,
    "bits_error": pl.Float64,
    "num_samples": pl.Int64,
    "p_value": pl.Float64,
    "adjusted_p_value": pl.Float64,
    "num_permutations": pl.Int64,
    "kind": pl.String,
    "method": pl.String,
    "cautions": pl.String,
    "untested": pl.String,
    "refused": pl.String,
}


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with what was measured until then.

    Args:
        message: what is missing.
        result: of those columns that were measured.
    """

    def __init__(self, message: str, result: Any) -> None:
        super().__init__(message)
        self.result = result


@dataclass(frozen=True)
class Measured:
    """Rows of results.

    Args:
        frame: a row for each result, in no order.
        notes: what is to be said about p-values.
        num_missing: results that are missing because the run was stopped.
        stopped: whether it was stopped, also where permutations alone are missing.
    """

    frame: pl.DataFrame
    notes: tuple[str, ...] = ()
    num_missing: int = 0
    stopped: bool = False

    def finish(self, result: Any) -> Any:
        """Return the result of a whole run; raise it where the run was stopped.

        Raises:
            Interrupted: it was.
        """
        if not self.stopped:
            return result
        whole = len(self.frame) + self.num_missing
        missing = f"{self.num_missing} of {whole} results are missing"
        rough = "p-values at their floor got no more permutations"
        raise Interrupted(missing if self.num_missing else rough, result)


def measure_all(
    operation: str,
    tasks: Iterable[Any],
    num_results: int,
    measuring: Measuring,
    *,
    num_rows: int,
    num_workers: int,
    progress: bool,
) -> Measured:
    """Run `joblib` tasks that return rows, and add permutations where p-values need them.

    Raises:
        ValueError: every row was refused.
        KeyboardInterrupt: before there was a row.
    """
    with bar_of(num_results, progress) as bar:
        rows, stopped = _until_stopped(tasks, num_workers, bar)
        if not stopped:
            stopped = _extend(rows, num_workers, num_rows, bar)
    if not rows:
        raise KeyboardInterrupt
    if all(row["refused"] for row in rows):
        more = f" (and so on, for all {len(rows)})" if len(rows) > 1 else ""
        raise ValueError(f"{operation}: {rows[0]['refused']}{more}")
    return Measured(as_frame_of_rows(rows), _notes(rows, measuring), num_results - len(rows), stopped)


def _until_stopped(tasks: Iterable[Any], num_workers: int, bar: Any) -> tuple[list[dict[str, Any]], bool]:
    """Return the rows of all tasks, or those that are done when Ctrl-C is pressed."""
    rows: list[dict[str, Any]] = []
    try:
        for row in chain.from_iterable(_results(tasks, num_workers)):
            rows.append(row)
            bar(advance=1)
    except KeyboardInterrupt:
        return rows, True
    return rows, False


def _results(tasks: Iterable[Any], num_workers: int) -> Iterator[list[dict[str, Any]]]:
    """Yield what tasks return, in their order; what a cluster lost with a worker is done again."""
    lost = lost_work()
    waiting: Any = [*tasks] if lost else tasks
    for losses in range(MAX_LOSSES + 1):
        parallel: Any = Parallel(n_jobs=num_workers, prefer="threads", return_as="generator")
        done = 0
        try:
            for result in parallel(waiting):
                yield result
                done += 1
            return
        except lost:
            if losses == MAX_LOSSES:
                raise
            waiting = waiting[done:]


def _extend(rows: list[dict[str, Any]], num_workers: int, num_rows: int, bar: Any) -> bool:
    """Add permutations where p-values need them; return whether Ctrl-C was pressed."""
    try:
        extended(rows, num_workers, num_rows, lambda what: bar(description=what))
    except KeyboardInterrupt:
        return True
    return False


@contextmanager
def bar_of(total: int, progress: bool, what: str = "measuring") -> Generator[Callable[..., None]]:
    """Yield a function that moves a bar on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    shown = progress and console.is_terminal
    with Progress(console=console, transient=True, disable=not shown) as bar:
        number = bar.add_task(what, total=total)
        yield lambda **how: bar.update(number, **how)


def task(function: Any, key: Mapping[str, Any], *arguments: Any) -> list[dict[str, Any]]:
    """Return the row that a function returns, after its key; on one core, because tasks share the cores."""
    with parallel_config(backend="sequential"):
        return [{**key, **function(*arguments)}]


def stacked_task(function: Any, keys: Sequence[Mapping[str, Any]], *arguments: Any) -> list[dict[str, Any]]:
    """Return the rows that a function returns, each after its key; on one core, as in `task`."""
    with parallel_config(backend="sequential"):
        return [{**key, **row} for key, row in zip(keys, function(*arguments), strict=True)]


def as_frame_of_rows(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Return rows as a frame, with bits, and p-values adjusted for their number."""
    kept = [{name: value for name, value in row.items() if name not in ("test", "shared")} for row in rows]
    frame = pl.DataFrame(kept, schema_overrides=_kept_schema(kept[0]), infer_schema_length=None)
    return frame.with_columns(
        bits=pl.col("value") / np.log(2),
        bits_error=pl.col("standard_error") / np.log(2),
        adjusted_p_value=pl.Series(adjusted([row["p_value"] for row in rows]), dtype=pl.Float64),
    ).select(*(name for name in frame.columns if name not in SCHEMA), *SCHEMA)


def _kept_schema(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: dtype for name, dtype in SCHEMA.items() if name in row}


def _notes(rows: Sequence[Mapping[str, Any]], measuring: Measuring) -> tuple[str, ...]:
    """Return what is to be said about p-values: why there are none, and when they are doubtful."""
    notes = []
    cautions = [(row, one) for row in rows if row["test"] is not None for one in row["test"].cautions]
    if cautions:
        row, caution = cautions[0]
        others = f" (and so in {len(cautions)} results)" if len(cautions) > 1 else ""
        notes.append(f"p-values: {_first_key(row)}: {_of_table(caution, others)}")
    untested = [row for row in rows if row["untested"]]
    if untested:
        more = f" (and so for {len(untested)} results)" if len(untested) > 1 else ""
        notes.append(f"no p-value: {_first_key(untested[0])}: {untested[0]['untested']}{more}")
    if measuring.testing.rows is not None and any(row["num_permutations"] for row in rows):
        tested, number = int(measuring.testing.rows.sum()), len(measuring.testing.rows)
        series = is_for_series(measuring.testing.null)
        which = f"the first {tested:,} of {number:,} rows" if series else f"{tested:,} of {number:,} rows"
        shuffled = null_name(measuring.testing.null)
        notes.append(f"p-values by {shuffled} are from {which}{'' if series else ', drawn at random'}")
    return tuple(notes)


def on_g_tests(
    measured: Measured, pair_of: Callable[[Mapping[str, Any]], tuple[Column, Column] | None]
) -> list[str]:
    """Return a line where labels got a G-test, which takes rows as independent, and rows follow each other.

    It looks at the lowest p-values, and at no more rows of them than are shuffled by default. There is no
    line where shuffled rows have one.
    """
    if any("rows follow each other" in note for note in measured.notes):
        return []
    by_g_test = pl.col("p_value").is_not_null() & pl.col("num_permutations").is_null()
    for row in measured.frame.filter(by_g_test).sort("p_value").head(MAX_LOOKED_AT).to_dicts():
        x, y = pair_of(row) or (None, None)
        if x is None or y is None:
            continue
        rows = np.flatnonzero(x.present & y.present)[:DEFAULT_TESTED_ROWS]
        if caution := serial_dependence(x.values[rows], y.values[rows]):
            return [f"p-values: {_first_key(row)}: {_of_table(caution)}"]
    return []


def _of_table(caution: str, others: str = "") -> str:
    """Return a caution about rows that follow each other in the words of tables, and others as they are."""
    observed, is_of_series, remedy = caution.partition(IF_IN_TIME)
    if not is_of_series:
        return caution + others
    what = "--null shifts" if remedy == USE_SHIFTS else "rows that are further apart"
    return (
        f"{observed}{others}; p is too small for series, which need {what}, and right where rows were only "
        "sorted"
    )


def _first_key(row: Mapping[str, Any]) -> str:
    name = str(row.get("column") or f"{row.get('x')}, {row.get('y')}")
    return f"{name}@{row['lag']}" if row.get("lag") else name


# ---------------------------------------------------------------------------------------- time


def announce(
    pairs: Sequence[tuple[Column, Column]],
    given: Sequence[Column],
    measuring: Measuring,
    num_workers: int,
    progress: bool,
) -> None:
    """Print on stderr how long a run will take, where it is long and `progress` is wanted."""
    if not progress or not pairs:
        return
    seconds = expected_seconds(pairs, given, measuring, num_workers)
    if seconds > MAX_SECONDS:
        print(announcement(seconds, pairs, measuring), file=sys.stderr)


def announcement(seconds: float, pairs: Sequence[tuple[Column, Column]], measuring: Measuring) -> str:
    """Return how long a run will take, and in a second line what is quicker."""
    n, number = len(pairs[0][1]), measuring.testing.num_permutations
    what = f"{n:,} rows, {len(pairs):,} results" + (f", {number} permutations" if number else "")
    quicker = [*(["--permutations 0"] if number else []), *(["--rows 20000"] if n > 40_000 else [])]
    remedy = f"\nquicker: {' or '.join(quicker)}" if quicker else ""
    return f"about {_duration(seconds)} ({what}){remedy}"


def expected_seconds(
    pairs: Sequence[tuple[Column, Column]], given: Sequence[Column], measuring: Measuring, num_workers: int
) -> float:
    """Return how long a run takes, from the time of one pair of each kind on some rows."""
    by_kind: dict[Any, list[tuple[Column, Column]]] = {}
    for x, y in pairs:
        if "identifiers" not in (x.kind, y.kind):
            by_kind.setdefault((pair_kind([x, y, *given]), x.has_labels), []).append((x, y))
    return sum(_seconds(alike, given, measuring) for alike in by_kind.values()) / _num_cores(num_workers)


def _seconds(pairs: list[tuple[Column, Column]], given: Sequence[Column], measuring: Measuring) -> float:
    """Return the seconds on one core for pairs of one kind."""
    testing, n = measuring.testing, len(pairs[0][0])
    rows = np.random.default_rng(0).permutation(n)[:NUM_TIMED_ROWS]
    some = [_some(column, rows) for column in (*pairs[0], *given)]
    quick = measuring.without_tests()
    began = time.perf_counter()
    quick.pair(some[0], some[1], some[2:])
    one = (time.perf_counter() - began) / len(rows)  # of one row
    tested = int(testing.rows.sum()) if testing.rows is not None else n
    complete = all(column.present.all() for column in (*pairs[0], *given))
    num_nulls = 1 if complete and measuring.shares_nulls(*pairs[0], given) else len(pairs)
    g_tested = pair_kind([*pairs[0], *given]) == "labels" and testing.by_g_test and not given
    untested = g_tested or testing.untested(given) is not None
    return one * (n * len(pairs) + (0 if untested else testing.num_permutations * num_nulls * tested))


def _some(column: Column, rows: np.ndarray) -> Column:
    return replace(column, values=column.values[rows])


def _num_cores(num_workers: int) -> float:
    available: Any = effective_n_jobs(num_workers)
    return max(min(available, os.cpu_count() or 1) * 0.8, 1.0)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(round(seconds, -1), 10):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
