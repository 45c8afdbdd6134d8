"""A folder of results to one HTML page that needs nothing else: every statement with its evidence.

Statements for which the folder holds no evidence say so, with the command that makes it.
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from infomax.files import replacing
from infomax.principle.evidence import Statement
from infomax.principle.experiments import EXPERIMENTS
from infomax.principle.results import Result, Results

_NUM_SHOWN = 12


def write_page(results: Results) -> Path:
    """Write ``principle.html`` into a folder of results, from what lies there.

    Returns:
        The path of the page. An earlier one is replaced: it can be made again at any time.

    Raises:
        ValueError: a file of the folder cannot be read.
        FileNotFoundError: the figure of an experiment is missing.
    """
    found = results.read()
    page = _template().render(
        statements=[(statement, _about(statement, found)) for statement in Statement],
        experiments=EXPERIMENTS,
        missing=[name for name in EXPERIMENTS if name not in {result.experiment for result in found}],
        figures={result.experiment: _data_uri(results.figure(result.experiment)) for result in found},
        numbers={result.experiment: flat(result.numbers) for result in found},
        found=found,
    )
    with replacing(results.page) as path:
        path.write_text(page, encoding="utf-8")
    return results.page


def _about(statement: Statement, found: Sequence[Result]) -> list[Result]:
    return [result for result in found if result.statement == statement]


def flat(numbers: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested numbers as lines of text: dotted key -> value, long lists cut short.

    Example:
        >>> flat({"bits": {"low noise": 1.23456, "high": [1, 2]}, "units": 2})
        {'bits.low noise': '1.235', 'bits.high': '1, 2', 'units': '2'}
    """
    lines: dict[str, str] = {}
    for key, value in numbers.items():
        if isinstance(value, Mapping):
            lines |= flat(value, f"{prefix}{key}.")
        else:
            lines[f"{prefix}{key}"] = _text(value)
    return lines


def _text(value: Any) -> str:
    if isinstance(value, bool | str) or value is None:
        return str(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        if value and isinstance(value[0], list | tuple):
            return f"{len(value)} rows"
        shown = ", ".join(_text(one) for one in value[:_NUM_SHOWN])
        return shown if len(value) <= _NUM_SHOWN else f"{shown}, … ({len(value)} in all)"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _data_uri(picture: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode()


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.jinja")
