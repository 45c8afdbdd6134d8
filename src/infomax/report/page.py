"""Write the page of a run folder: one HTML file that needs nothing else, no network, no files beside it.

The page is whole without labels: a map of the features, groups, neighbours, similarity maps, views, curves.
Where there are evaluations, it begins with what they found. What is missing in the folder is left out of the
page, with a note of the command that makes it.
"""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import UndefinedError

from infomax.errors import in_one_line
from infomax.evaluation.given import Given
from infomax.evaluation.protocols import results_beside
from infomax.files import Unreadable, check_free, replacing
from infomax.learning.encoders.saving import PretrainedEncoder, load_encoder
from infomax.learning.training.options import as_typed
from infomax.learning.training.run import Run
from infomax.pages.templates import flat, page_template
from infomax.report.evaluation import finetuning_tables, tables_of_evaluations
from infomax.report.gallery import gallery
from infomax.report.looking import Part, look, parts_of
from infomax.report.pictures import similarity_sheet, views_sheet
from infomax.report.reading import arrays_file, environment_file, metrics_file, read, result_file
from infomax.report.training import training_charts
from infomax.report.wording import made_with, method_name, words_of_training

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Report:
    """A page that has been written.

    Attributes:
        path: of the page.
        shown: names of its parts.
        missing: what it lacks, and the command that makes it.
        notes: why there are no pictures, or what they show, in words.
    """

    path: Path
    shown: tuple[str, ...]
    missing: Mapping[str, str]
    notes: tuple[str, ...]


def write_report(run: str | Path, data: Given | Any = None, **options: Any) -> Path:
    """Write ``report.html`` into a run folder, from what else lies in it; return its path.

    Args:
        run, data, options: as of `report_run`.

    Raises:
        FileNotFoundError: not a run folder.
        ValueError: a file of the folder, or `data`, cannot be read.
    """
    return report_run(run, data, **options).path


def report_run(
    run: str | Path,
    data: Given | Any = None,
    *,
    load: Callable[[Path], PretrainedEncoder] = load_encoder,
    pictures: bool = True,
    overwrite: bool = False,
) -> Report:
    """Write ``report.html`` into a run folder, from what else lies in it; return what is on the page.

    An encoder without a gallery gets one: ``gallery.npz``, and ``similarity.npz`` where its maps can be
    compared, of up to 2,000 of the images that it learned from, if they can still be found. No label is used.

    Args:
        run: a run folder with recipe.yaml (or the folder of one of its encoders), and what there is of
            environment.json, metrics.csv, views.npz, evaluation.json (and those of other protocols and data),
            finetuning.json, gallery.npz, similarity.npz.
        data: images to show, in place of those of an earlier gallery: a source, or `Given`.
        load: returns the encoder in a folder, see `load_own_encoder`.
        pictures: False: make no gallery; read nothing but the run folder.
        overwrite: replace an earlier page.

    Returns:
        The page, and what is on it.

    Raises:
        FileNotFoundError: not a run folder.
        FileExistsError: there is a page already.
        ValueError: a file of the folder, or `data`, cannot be read.
    """
    files = Run(run)
    settings = files.training.read_settings()
    check_free("report", files.report, overwrite)
    parts = parts_of(files, settings)
    notes = look(parts, None if data is None else Given.of(data), load) if pictures else ()
    content = {**_trained(files.training, settings), **_evaluated(parts), "notes": notes}
    missing = _missing(files, parts, content)
    try:
        page = page_template(_TEMPLATES).render(
            **content, missing=missing, run=shlex.quote(str(files.folder))
        )
    except (UndefinedError, TypeError, ValueError) as error:
        raise Unreadable(
            f"report: results in {files.folder} lack what a page shows ({in_one_line(error)}); move them "
            "away, and evaluate again"
        ) from error
    with replacing(files.report) as path:
        path.write_text(page, encoding="utf-8")
    return Report(files.report, _shown(content), missing, notes)


def _trained(files: Run, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The part on training: settings, machine, curves and views."""
    words = words_of_training(settings)
    environment = read(files.environment, environment_file) or {}
    charts = partial(_charts, noun=words["learned_from"])
    return {
        "title": _title(settings),
        **words,
        "recipe": flat(settings, as_typed),
        "environment": environment,
        "made": made_with(environment),
        "training": read(files.metrics, charts),
        "views": read(files.views, lambda path: views_sheet(arrays_file(path))),
    }


def _charts(path: Path, noun: str) -> dict[str, Any] | None:
    metrics = metrics_file(path)
    return metrics and training_charts(metrics, noun)


def _evaluated(parts: tuple[Part, ...]) -> dict[str, Any]:
    """The part on encoders: what evaluations found, fine-tuning, and pictures."""
    found = [
        {**one, "encoder": part.title, "noun": part.noun}
        for part in parts
        for one in tables_of_evaluations(part.run.folder, part.noun)
    ]
    tuned = [
        {**one, "encoder": part.title}
        for part in parts
        for file in (part.run.finetuning, *results_beside(part.run.finetuning))
        if (one := read(file, lambda path: finetuning_tables(result_file(path))))
    ]
    return {
        "evaluations": found,
        "leading": [one for one in found if not one["tunes_on_test"]],
        "finetunings": tuned,
        "galleries": [one for part in parts if (one := _gallery(part))],
    }


def _gallery(part: Part) -> dict[str, Any] | None:
    images = read(part.run.gallery, lambda path: gallery(arrays_file(path), part.noun))
    similarity = read(part.run.similarity, lambda path: similarity_sheet(arrays_file(path)))
    return images and {
        **images,
        "title": part.title,
        "noun": part.noun,
        "folder": shlex.quote(str(part.run.folder)),
        "similarity": similarity,
    }


def _shown(content: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the parts of a page, in their order."""
    galleries, training = content["galleries"], content["training"]
    there = {
        "results": content["evaluations"],
        "map": any(one["has_map"] for one in galleries),
        "groups": any(one["groups"] for one in galleries),
        "neighbours": any(one["queries"] for one in galleries),
        "similarity maps": any(one["similarity"] for one in galleries),
        "views": content["views"],
        "curves": training,
        "fine-tuning": content["finetunings"],
        "recipe": content["recipe"],
        "environment": content["environment"],
    }
    return tuple(name for name, one in there.items() if one)


def _missing(files: Run, parts: tuple[Part, ...], content: Mapping[str, Any]) -> dict[str, str]:
    """The parts that a page lacks, and the commands that make them."""
    folder, first = shlex.quote(str(files.folder)), shlex.quote(str(parts[0].run.folder))
    finished = all(part.run.encoder.is_file() for part in parts)
    missing = {} if finished else {"the encoder": f"infomax pretrain --resume {folder}"}
    if finished and not content["galleries"]:
        missing["map, groups and neighbours"] = f"infomax report {folder} --data DATA"
    if finished and not content["evaluations"]:
        column = f" --column {shlex.quote(parts[0].title)}" if parts[0].title else ""
        missing["how well labels can be told"] = f"infomax evaluate {first} --data DATA{column}"
    return missing


def _title(settings: Mapping[str, Any]) -> str:
    method, data = method_name(settings).upper(), settings.get("data")
    return f"{method} on {Path(str(data)).name}" if data else method
