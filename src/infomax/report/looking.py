"""Look at images through the encoders of a run, where their pictures have not been made yet."""

import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from infomax.evaluation.gallery import make_pictures
from infomax.evaluation.given import Given
from infomax.learning.encoders.saving import PretrainedEncoder
from infomax.learning.training.run import Run
from infomax.learning.views.table import views_like
from infomax.report.wording import noun_of_encoder


@dataclass(frozen=True)
class Part:
    """One encoder of a page: where its files lie, what it sees, and its name where there are several."""

    run: Run
    noun: str
    title: str = ""


def parts_of(files: Run, settings: Mapping[str, Any]) -> tuple[Part, ...]:
    """Return the encoders of a page: that in the folder, or each of the run's.

    Args:
        files: a run folder, or the folder of one of its encoders.
        settings: of the run.
    """
    views = views_like(settings.get("views") or {})
    if files.training is not files:
        return (Part(files, noun_of_encoder(files, views.parts[0])),)
    runs = [(Run(files.folder / place.folder), place) for place in views.encoders]
    return tuple(Part(run, noun_of_encoder(run, place.views), place.folder.name) for run, place in runs)


def look(
    parts: tuple[Part, ...], data: Given | None, load: Callable[[Path], PretrainedEncoder]
) -> tuple[str, ...]:
    """Make the pictures of each encoder that has none, or of all where data is given; return what was said.

    Without data, those are taken that the encoder learned from; where they cannot be read, that is said.

    Raises:
        ValueError: data that is given cannot be read.
    """
    notes = []
    for part in parts:
        if (data is None and part.run.gallery.exists()) or not part.run.encoder.is_file():
            continue
        said = _looked(part, data, load)
        print(said, file=sys.stderr)
        notes.append(said)
    return tuple(notes)


def _looked(part: Part, data: Given | None, load: Callable[[Path], PretrainedEncoder]) -> str:
    of = f"{part.title}: " if part.title else ""
    if data is not None:
        if part.title and data.column is None:
            data = replace(data, column=part.title)
        return f"{of}the page shows {make_pictures(part.run, load(part.run.folder), data)}"
    try:
        return f"{of}the page shows {make_pictures(part.run, load(part.run.folder))}"
    except (ValueError, OSError) as error:
        folder = shlex.quote(str(part.run.folder))
        return (
            f"{of}no map, groups or neighbours: {error}. `infomax report {folder} --data DATA` makes them of "
            f"any {part.noun}s"
        )
