"""Run experiments one after another; write what each finds at once, and the page of all."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from infomax.errors import did_you_mean, refuse
from infomax.principle.experiments import EXPERIMENTS
from infomax.principle.experiments.page import write_page
from infomax.principle.experiments.results import Result, Results
from infomax.progress import stages


def experiments_named(names: Sequence[str]) -> list[str]:
    """Return these experiments, each once and in their usual order; all if none is named.

    Raises:
        ValueError: no such experiment; the nearest is suggested.
    """
    for name in names:
        if name not in EXPERIMENTS:
            raise ValueError(f"principle: no experiment {name!r}; {did_you_mean(name, EXPERIMENTS)}")
    return [name for name in EXPERIMENTS if name in names or not names]


def run_experiments(names: Sequence[str], folder: str | Path, *, seed: int = 0) -> list[Result]:
    """Run experiments and write what they find; progress goes to stderr.

    Args:
        names: of experiments; all are run if none is named.
        folder: for the results; it may hold results of others.
        seed: of all randomness.
    Raises:
        ValueError: an unknown experiment, a seed below 0, or a file in the folder that cannot be read.
        FileExistsError: results of one of them are there already.
    """
    names, results = experiments_named(names), Results(folder)
    refuse(seed < 0, f"principle: the seed must be at least 0, got {seed}")
    results.check_free(names)
    results.read()  # a file that cannot be read is found before anything is computed
    results.folder.mkdir(parents=True, exist_ok=True)
    done = []
    with stages(len(names)) as progress:
        for name in names:
            progress.begin(name)
            done.append(_run(name, results, seed))
            progress.tell(_line(done[-1]))
    return done


def _run(name: str, results: Results, seed: int) -> Result:
    start = time.perf_counter()
    evidence = EXPERIMENTS[name](seed)
    result = results.write(name, evidence, seed=seed, seconds=time.perf_counter() - start)
    write_page(results)
    return result


def _line(result: Result) -> Text:
    verdict = ("holds", "green") if result.holds else ("does not hold", "red")
    return Text.assemble(
        (result.experiment, "bold"), " ", verdict, f" ({result.seconds:.0f} s): {result.finding}"
    )
