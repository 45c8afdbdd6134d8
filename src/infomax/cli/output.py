"""How results are given: tables on a terminal, JSON elsewhere; and tables on stderr."""

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import get_terminal_size
from textwrap import wrap
from typing import Any

MAX_RATIO = 1.5
"""Ratio of the largest class of a test set to its smallest up to which they count as equal."""
MAX_TARGETS = 8
"""Numbers or tags up to which each has rows in a table."""
MEASURES = {"r2": "R²", "spearman": "Spearman", "average_precision": "average precision", "auroc": "AUROC"}
"""Names of measures in tables."""


@dataclass(frozen=True)
class Answer:
    """The result of a command, for people and for programs.

    found: the JSON object. shown: returns what a terminal shows: lines of text, or things that rich prints;
    without it, each entry of `found` is a line. next: what to do or to open next; the last lines. code: the
    exit code.
    """

    found: Mapping[str, Any]
    shown: Callable[[], Iterable[Any]] | None = None
    next: Sequence[str] = ()
    code: int = 0


class Unfinished(KeyboardInterrupt):
    """Ctrl-C, with the answer that there is until then."""

    def __init__(self, message: str, answer: Answer) -> None:
        super().__init__(message)
        self.answer = answer


def give(answer: Answer | Mapping[str, Any] | None, as_json: bool = False) -> None:
    """Print an answer on stdout: readable on a terminal, else, or where it is wanted, as one JSON object.

    Args:
        answer: what a command returns; a mapping is an answer that is shown entry by entry. None: nothing.
        as_json: JSON on a terminal, too.
    """
    if answer is None:
        return
    try:
        _print(answer if isinstance(answer, Answer) else Answer(answer), as_json)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def on_terminal() -> bool:
    """Return whether a person reads what is printed on stdout."""
    return sys.stdout.isatty()


def _print(answer: Answer, as_json: bool) -> None:
    if as_json or not on_terminal():
        plain = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
        print(json.dumps(answer.found, indent=2, ensure_ascii=plain))
        return
    _show(answer, sys.stdout)


def _show(answer: Answer, file: Any) -> None:
    from rich.console import Console

    console = Console(file=file, highlight=False, markup=False)
    for one in answer.shown() if answer.shown else [entries(answer.found)]:
        console.print(one)
    for line in answer.next:
        console.print(line, soft_wrap=True)  # a command that is copied has no break within


def show_on_stderr(answer: Answer) -> None:
    """Show an answer on stderr as a terminal would show it, where the answer itself goes into a pipe."""
    if not on_terminal():
        _show(answer, sys.stderr)


def entries(values: Mapping[str, Any]) -> Any:
    """Return a table of names and values, for a terminal."""
    rows = [(name.replace("_", " "), _as_text(value)) for name, value in values.items()]
    return grid([row for row in rows if row[1]])


def grid(rows: Iterable[Sequence[str]], heads: Sequence[str] = ()) -> Any:
    """Return rows as a table without lines; only its last column wraps where the terminal is narrow."""
    from rich.table import Table

    made = Table(box=None, show_header=bool(heads), padding=(0, 2, 0, 0), pad_edge=False)
    cells = [*rows]
    for number, head in enumerate(heads or cells[0] if cells else ()):
        made.add_column(head, no_wrap=number < len(cells[0]) - 1)
    for row in cells:
        made.add_row(*row)
    return made


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> Any:
    """Return rows as a table with heads and lines, for a terminal."""
    from rich import box
    from rich.table import Table

    made = Table(*heads, title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        made.add_row(*row)
    return made


def next_steps(commands: Mapping[str, str]) -> list[str]:
    """Return the last lines of an answer: what can be done next, each with its command line.

    What a command is for stands beside it; where that is too wide for the terminal, above it.

    Example:
        >>> next_steps({"what it learned": "infomax report runs/a"})
        ['next:', '  infomax report runs/a  # what it learned']
    """
    width = max(map(len, commands.values()))
    lines = [f"  {line:{width}}  # {why}" for why, line in commands.items()]
    if max(map(len, lines)) > get_terminal_size().columns:
        lines = [text for why, line in commands.items() for text in (f"  # {why}", f"  {line}")]
    return ["next:", *lines]


def page_about(run: str | Path) -> dict[str, str]:
    """Return the next step that writes the page about a run, or replaces the one that is there."""
    from infomax.learning.training.run import Run

    replacing = ["--overwrite"] if Run(run).report.exists() else []
    return {"a page about the run": shlex.join(["infomax", "report", str(run), *replacing])}


def _as_text(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {_as_text(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_as_text, value))
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


def show_accuracies(result: Mapping[str, Any], *notes: str) -> None:
    """Print what an evaluation found, as tables, and notes on stderr; in the first process."""
    from rich.console import Console

    from infomax.learning.distributed.groups import rank

    console = Console(stderr=True, quiet=rank() > 0, highlight=False, markup=False)
    for one in (*accuracies(result), *notes):
        console.print(one, soft_wrap=isinstance(one, str))


def accuracies(result: Mapping[str, Any]) -> Iterator[Any]:
    """Yield what an evaluation found: tables of accuracies, measures, numbers and tags; the verdict; notes.

    Where classes are unequal in the test set, the interval and the balanced accuracy stand beside the
    accuracy.
    """
    rows = result["rows"]
    if rows:
        unequal = any(map(_is_unequal, rows))
        heads = ("representation", "probe", "labels", "accuracy", *(("95 %", "balanced") if unequal else ()))
        data = result.get("data") or {}
        tested = f" ({data['num_test']:,}: {data['test']})" if "test" in data else ""
        title = f"Accuracy on the test images{tested}"
        yield table(heads, [_accuracy(row) + (_beside(row) if unequal else ()) for row in rows], title)
    if result.get("measures"):
        heads = ("representation", "measure of Y", "value", "kind")
        yield table(heads, map(_measure, result["measures"]), "What the features know")
    for kind in dict.fromkeys(row["kind"] for row in result.get("targets") or ()):
        yield from _targets(kind, [row for row in result["targets"] if row["kind"] == kind])
    if result.get("verdict"):
        yield result["verdict"]["words"]
    yield from result.get("notes") or ()


def short_rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of an evaluation with what matters most in them; those of numbers and tags last."""
    keys = ("representation", "layer", "regime", "probe", "labels", "accuracy", "std", "num_labels")
    keys += ("interval", "balanced_accuracy")
    rows = [{key: row[key] for key in keys if key in row} for row in result["rows"]]
    return rows + [
        {
            **{key: row[key] for key in ("representation", "probe", "kind", "target", "num_labels")},
            **{name: one["value"] for name, one in row["measures"].items()},
        }
        for row in result.get("targets") or ()
    ]


def listing(title: str, lines: Mapping[str, str]) -> str:
    """Return names and what they mean, for the end of a help text."""
    width = max(map(len, lines)) + 4
    room = max(get_terminal_size().columns - width, 30)
    whole = [(f"  {name:{width - 2}}", wrap(line, room)) for name, line in lines.items()]
    return "\n".join([f"{title}:", *(head + f"\n{' ' * width}".join(text) for head, text in whole)])


def _accuracy(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a row; beside the representation, its layer or regime where there are several."""
    name = ", ".join(str(row[key]) for key in ("representation", "layer", "regime") if row.get(key))
    spread = "" if row["std"] is None else f" ± {row['std']:.3f}"
    labels = f"{row['num_labels']:,} ({row['labels']})"
    return name, row["probe"], labels, f"{row['accuracy']:.3f}{spread}"


def _is_unequal(row: Mapping[str, Any]) -> bool:
    """Return whether the test set has far more of one class than of another."""
    sizes = (row.get("per_class") or {}).get("num_test") or [1]
    return max(sizes) > MAX_RATIO * min(sizes)


def _beside(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return the cells of the interval and of the balanced accuracy."""
    low, high = row.get("interval") or (None, None)
    balanced = row.get("balanced_accuracy")
    interval = "" if low is None or high is None else f"{low:.2f}–{high:.2f}"
    return interval, "" if balanced is None else f"{balanced:.3f}"


def _targets(kind: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    """Yield a table of what was read off the features of each number or tag; of many, of their means."""
    means = [row for row in rows if not row["target"]]
    num = len({row["target"] for row in rows if row["target"]})
    measures = rows[0]["measures"]
    heads = ("representation", "probe", kind, *(MEASURES.get(str(name), str(name)) for name in measures))
    shown = means if num > MAX_TARGETS else rows
    cells = [
        (
            row["representation"],
            row["probe"],
            row["target"] or f"mean of {num}",
            *(_measured(row["measures"][name]) for name in measures),
        )
        for row in shown
    ]
    title = "with 95 % intervals" if kind == "number" else "in brackets what a constant answer gets"
    yield table(heads, cells, f"On the test images, {title}")
    if num > MAX_TARGETS:
        yield f"each of the {num} {kind}s: in the JSON (--json, or the file in the run folder)"


def _measured(one: Mapping[str, Any]) -> str:
    """Return the cell of a measure, with its interval, or with what a constant answer would get."""
    if one["value"] is None:
        return "–"
    if one.get("interval"):
        low, high = one["interval"]
        return f"{one['value']:.3f} ({low:.2f} to {high:.2f})"
    return f"{one['value']:.3f} ({one['constant']:.2f})"


def _measure(row: Mapping[str, Any]) -> tuple[str, ...]:
    value = f"{row['value']:.3f} ± {row['standard_error']:.3f} {row['unit']}".rstrip()
    return row["representation"], row["measure"], value, row["kind"]
