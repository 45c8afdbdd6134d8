"""A folder of results: for each experiment its numbers as JSON and its figure; and one page.

A figure is written as SVG, and as PNG for light and for dark pages.

Experiments can be added to a folder one by one. Nothing in it is ever replaced except the page, which is made
from the rest.
"""

import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import matplotlib
import numpy
import scipy
import sklearn

import infomax
from infomax.files import read_json, reading, replacing
from infomax.information.tables import Number
from infomax.pages.figures import dark_form, save_for_light_and_dark, svg_file
from infomax.principle.experiments import EXPERIMENTS
from infomax.principle.experiments.evidence import Evidence, Statement


@dataclass(frozen=True)
class Result:
    """Evidence as it is kept in a folder: without its figure, and with what made it."""

    experiment: str
    statement: str
    holds: bool
    finding: str
    numbers: Mapping[str, Any]
    seed: int
    seconds: Number
    versions: Mapping[str, str] = field(default_factory=dict)


class Results:
    """The files of a folder of results, by name of experiment."""

    def __init__(self, folder: str | Path):
        self.folder: Path = Path(folder)
        self.page: Path = self.folder / "principle.html"

    def numbers(self, name: str) -> Path:
        """Return the path of what an experiment found."""
        return self.folder / f"{name}.json"

    def figure(self, name: str, suffix: str = ".png") -> Path:
        """Return the path of its figure."""
        return self.folder / f"{name}{suffix}"

    def check_free(self, names: Iterable[str]) -> None:
        """Make sure that no file of these experiments is there: results are never overwritten.

        Raises:
            FileExistsError: there are some, or the folder is a file.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise FileExistsError(
                f"principle: {self.folder} is a file, expected a folder; choose another --out"
            )
        there = sorted(name for name in names if any(path.exists() for path in self._files(name)))
        if there:
            raise FileExistsError(
                f"principle: {self.folder} already holds results of {', '.join(there)}; "
                "choose another --out, or leave those experiments out"
            )

    def write(self, name: str, evidence: Evidence, *, seed: int, seconds: Number) -> Result:
        """Write what an experiment found, and return it.

        Raises:
            ValueError: numbers that JSON does not know, such as NaN.
        """
        result = Result(
            name,
            str(evidence.statement),
            evidence.holds,
            evidence.finding,
            evidence.numbers,
            seed,
            round(float(seconds), 1),
            _versions(),
        )
        text = _as_json(result)
        with replacing(self.figure(name, ".svg")) as path:
            path.write_text(svg_file(evidence.figure), encoding="utf-8")
        save_for_light_and_dark(evidence.figure, self.figure(name), dpi=160)
        with replacing(self.numbers(name)) as path:
            path.write_text(text, encoding="utf-8")
        return result

    def read(self) -> list[Result]:
        """Return all results in the folder, in the order of the statements they are about.

        Raises:
            ValueError: a file that was not written by `write`.
        """
        found = [self._read(name) for name in EXPERIMENTS if self.numbers(name).is_file()]
        order = [str(statement) for statement in Statement]
        return sorted(found, key=lambda result: order.index(result.statement))

    def _read(self, name: str) -> Result:
        path = self.numbers(name)
        remedy = "move it away, and run that experiment again"
        with reading("principle", path, remedy):
            result = Result(**read_json(path, "principle", remedy))
            Statement(result.statement)
            return result

    def _files(self, name: str) -> list[Path]:
        light = self.figure(name)
        return [self.numbers(name), light, dark_form(light), self.figure(name, ".svg")]


def _as_json(result: Result) -> str:
    try:
        return json.dumps(asdict(result), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"principle: the numbers of {result.experiment} cannot be written as JSON ({error}); expected "
            "finite numbers, strings, and lists and mappings of them"
        ) from error


def _versions() -> dict[str, str]:
    modules = (infomax, numpy, scipy, sklearn, matplotlib)
    return {"python": platform.python_version(), **{m.__name__: m.__version__ for m in modules}}
