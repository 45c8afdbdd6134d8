"""Write the page of a folder of results: one HTML file, each statement with its evidence.

A statement for which the folder holds no evidence says so, with the command that makes it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infomax.files import replacing
from infomax.pages.templates import data_uri, flat, page_template
from infomax.principle.experiments import EXPERIMENTS
from infomax.principle.experiments.evidence import Statement
from infomax.principle.experiments.results import Result, Results

_TEMPLATES = Path(__file__).parent / "templates"
MAX_SHOWN = 12
"""Numbers of a list that are shown."""


def write_page(results: Results) -> Path:
    """Write ``principle.html`` into a folder of results, from what lies there.

    Returns:
        The path of the page. An earlier one is replaced: it can be made again at any time.
    Raises:
        ValueError: a file of the folder cannot be read.
        FileNotFoundError: the figure of an experiment is missing.
    """
    found = results.read()
    page = page_template(_TEMPLATES).render(
        statements=[(statement, _about(statement, found)) for statement in Statement],
        experiments=EXPERIMENTS,
        missing=[name for name in EXPERIMENTS if name not in {result.experiment for result in found}],
        figures={one.experiment: _picture(results.figure(one.experiment, ".svg")) for one in found},
        numbers={one.experiment: flat(one.numbers, as_text) for one in found},
        found=found,
    )
    with replacing(results.page) as path:
        path.write_text(page, encoding="utf-8")
    return results.page


def _about(statement: Statement, found: Sequence[Result]) -> list[Result]:
    return [result for result in found if result.statement == statement]


def _picture(path: Path) -> str:
    return data_uri("image/svg+xml", path.read_bytes())


def as_text(value: Any) -> str:
    """Return a number, or a list of them, as a line of text; long lists are cut short.

    Example:
        >>> as_text(1.23456), as_text([1, 2]), as_text(12345)
        ('1.235', '1, 2', '12,345')
    """
    if isinstance(value, bool | str) or value is None:
        return str(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return _list_as_text(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _list_as_text(values: Sequence[Any]) -> str:
    if values and isinstance(values[0], list | tuple):
        return f"{len(values)} rows"
    shown = ", ".join(as_text(one) for one in values[:MAX_SHOWN])
    return shown if len(values) <= MAX_SHOWN else f"{shown}, … ({len(values)} in all)"
