"""``infomax recipes``."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from infomax.cli.output import Answer, grid


@dataclass(frozen=True)
class Recipes:
    """List the recipes: what each is for, with its image size, batch and budget."""

    def __call__(self) -> Answer:
        """Return what each recipe is for, by name."""
        from infomax.learning.training.recipes import RECIPES

        found = {name: _facts(recipe) for name, recipe in RECIPES.items()}
        steps = ["next: infomax pretrain RECIPE --data DIR --out RUN; infomax pretrain RECIPE --help"]
        return Answer(found, lambda: _shown(found), steps)


def summaries_of_recipes() -> dict[str, str]:
    """Return a line about each recipe, by name."""
    from infomax.learning.training.recipes import RECIPES

    return {name: _summary(recipe) for name, recipe in RECIPES.items()}


def _summary(recipe: Callable[[], Any]) -> str:
    return (recipe.__doc__ or "").splitlines()[0]


def _facts(make: Callable[[], Any]) -> dict[str, Any]:
    """Return what matters for the choice of a recipe."""
    recipe = make()
    return {
        "summary": _summary(make),
        "method": recipe.method.kind,
        "inputs": [list(part.input_shape) for part in recipe.views.parts],
        "batch_size": recipe.train.batch_size,
        "budget": recipe.train.budget,
        "data": recipe.data,
    }


def _shown(found: dict[str, dict[str, Any]]) -> Iterator[Any]:
    rows = [(name, *_cells(facts)) for name, facts in found.items()]
    yield grid(rows, ("recipe", "size", "batch", "budget", "for"))


def _cells(facts: dict[str, Any]) -> tuple[str, ...]:
    sizes = dict.fromkeys("×".join(map(str, dict.fromkeys(shape[1:]))) for shape in facts["inputs"])
    budget = ", ".join(f"{amount:,.4g} {name}" for name, amount in facts["budget"].items())
    return ", ".join(sizes), str(facts["batch_size"]), budget, facts["summary"]
