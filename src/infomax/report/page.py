"""Write the page of a run folder: one HTML file that needs nothing else, no network, no files beside it.

What is missing in the folder is left out of the page, with a note of the command that makes it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infomax.files import replacing
from infomax.learning.training.run import Run
from infomax.pages.templates import flat, page_template
from infomax.report.evaluation import finetuning_tables, setting_text, tables_by_protocol
from infomax.report.gallery import gallery
from infomax.report.pictures import similarity_sheet, views_sheet
from infomax.report.reading import arrays_file, json_file, metrics_file, read
from infomax.report.training import training_charts
from infomax.report.wording import method_name, noun_of_encoder, words_of_training

_TEMPLATES = Path(__file__).parent / "templates"


def write_report(run: str | Path) -> Path:
    """Write ``report.html`` into a run folder, from what else lies in it.

    Args:
        run: a run folder with recipe.yaml (or the folder of one of its encoders), and what there is of
            environment.json, metrics.csv, views.npz, evaluation.json (and those of other protocols),
            finetuning.json, gallery.npz, similarity.npz.
    Returns:
        The path of the page. An earlier one is replaced: it can be made again at any time.
    Raises:
        FileNotFoundError: not a run folder.
        ValueError: a file of the folder cannot be read.
    """
    files = Run(run)
    page = page_template(_TEMPLATES).render(**_trained(files.training), **_evaluated(files))
    with replacing(files.report) as path:
        path.write_text(page, encoding="utf-8")
    return files.report


def _trained(files: Run) -> dict[str, Any]:
    """The part on training: settings, machine, curves and views."""
    settings = files.read_settings()
    words = words_of_training(settings)
    metrics, views = read(files.metrics, metrics_file), read(files.views, arrays_file)
    return {
        "title": _title(settings),
        **words,
        "recipe": flat(settings, setting_text),
        "environment": read(files.environment, json_file) or {},
        "training": metrics and training_charts(metrics, words["learned_from"]),
        "views": views and views_sheet(views),
    }


def _evaluated(files: Run) -> dict[str, Any]:
    """The part on evaluations: of each protocol, of fine-tuning, and pictures of test images."""
    found, finetuning = tables_by_protocol(files.folder), read(files.finetuning, json_file)
    similarity, images = read(files.similarity, arrays_file), read(files.gallery, arrays_file)
    return {
        "noun": noun_of_encoder(files, files.training.read_settings()),
        "evaluations": found,
        "evaluation": next((one for one in found if not one["tunes_on_test"]), None),
        "finetuning": finetuning and finetuning_tables(finetuning),
        "similarity": similarity and similarity_sheet(similarity),
        "gallery": images and gallery(images),
    }


def _title(settings: Mapping[str, Any]) -> str:
    method, data = method_name(settings).upper(), settings.get("data")
    return f"{method} on {Path(str(data)).name}" if data else method
