"""Words for what a run learned, and from what: they follow from its views and its method."""

from collections.abc import Mapping
from typing import Any

from infomax.learning.methods.table import METHODS
from infomax.learning.training.run import Run
from infomax.learning.views.kinds import SingleViews
from infomax.learning.views.table import views_like
from infomax.pages.templates import flat
from infomax.report.reading import json_file, read


def words_of_training(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the noun of what was learned from, and what the method learns and its bits bound.

    Args:
        settings: what recipe.yaml holds; what is missing is taken from the defaults.

    Raises:
        ValueError: an unknown method or kind of views.
    """
    parts = views_like(settings.get("views") or {}).parts
    noun = parts[0].noun if len(parts) == 1 else "pair"
    method = METHODS.find_named(method_name(settings), "report")
    words = {"noun": noun, "thing": with_article(noun)}
    return {
        "learned_from": noun,
        "learns": method.learns.format(**words),
        "bounds": method.bounds.format(**words),
    }


def made_with(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return what environment.json says of versions, machine and data, a line each.

    The settings of each stretch of training stay in the file: the recipe is on the page.
    """
    shown = {name: value for name, value in environment.items() if name not in ("asked", "recipes", "stages")}
    stretches = [
        f"{one.get('first_step', 0):,} to {one.get('last_step', 0):,}"
        for one in environment.get("stages", [])
    ]
    return flat(shown, _text) | ({"steps": "; ".join(stretches)} if stretches else {})


def _text(value: Any) -> str:
    return (", ".join(map(str, value)) or "none") if isinstance(value, list) else str(value)


def method_name(settings: Mapping[str, Any]) -> str:
    """Return the name of the method; recipes of early versions do not name theirs, which is AMDIM."""
    return (settings.get("method") or {}).get("name", "amdim")


def noun_of_encoder(files: Run, views: SingleViews) -> str:
    """Return the noun of what the encoder in a folder sees: by its description, else by the run's views."""
    description = read(files.encoder.with_suffix(".json"), json_file) or {}
    own = description.get("views")
    return views_like(own).parts[0].noun if own else views.noun


def with_article(noun: str) -> str:
    """Return a noun with its article.

    Example:
        >>> with_article("image"), with_article("signal")
        ('an image', 'a signal')
    """
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
