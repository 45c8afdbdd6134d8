"""Run experiments one after another, write what each finds as soon as it is there, and the page of all."""

import time
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from infomax.principle.experiments import EXPERIMENTS
from infomax.principle.page import write_page
from infomax.principle.results import Result, Results


def experiments_named(names: Sequence[str]) -> list[str]:
    """These experiments, each once and in their usual order; all of them if none is named.

    Raises: ValueError: no such experiment; the nearest is suggested.
    """
    for name in names:
        if name not in EXPERIMENTS:
            near = get_close_matches(name, EXPERIMENTS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(EXPERIMENTS)}"
            raise ValueError(f"principle: no experiment {name!r}; {hint}")
    return [name for name in EXPERIMENTS if name in names or not names]


def run_experiments(names: Sequence[str], folder: str | Path, *, seed: int = 0) -> list[Result]:
    """Run experiments, all if none is named, and write what they find; progress goes to stderr.

    Raises:
        ValueError: an unknown experiment, or a seed below 0.
        FileExistsError: results of one of them are there already.
    """
    names, results = experiments_named(names), Results(folder)
    if seed < 0:
        raise ValueError(f"principle: the seed must be at least 0, got {seed}")
    results.check_free(names)
    results.read()  # what cannot be read is found out before anything is computed
    results.folder.mkdir(parents=True, exist_ok=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    done = []
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=len(names))
        for name in names:
            progress.update(task, description=name)
            done.append(_run(name, results, seed))
            progress.console.print(_line(done[-1]))
            progress.advance(task)
    return done


def _run(name: str, results: Results, seed: int) -> Result:
    start = time.perf_counter()
    evidence = EXPERIMENTS[name](seed)
    result = results.write(name, evidence, seed=seed, seconds=time.perf_counter() - start)
    write_page(results)
    return result


def _line(result: Result) -> str:
    verdict = "[green]holds[/]" if result.holds else "[red]does not hold[/]"
    return f"[bold]{result.experiment}[/] {verdict} ({result.seconds:.0f} s): {escape(result.finding)}"
