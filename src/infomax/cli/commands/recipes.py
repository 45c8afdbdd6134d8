"""``infomax recipes``."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from infomax.cli.output import Answer, grid


@dataclass(frozen=True)
class Recipes:
    """List the recipes: their purpose, image size, batch and budget."""

    def __call__(self) -> Answer:
        """Return what each recipe is for, by name."""
        from infomax.learning.training.recipes import RECIPES

        first: dict[Any, str] = {}
        found = {name: _facts(make, first.setdefault(make, name), name) for name, make in RECIPES.items()}
        steps = ["next: infomax pretrain RECIPE --data DIR --out RUN; infomax pretrain RECIPE --help"]
        return Answer(found, lambda: _shown(found), steps)


def summaries_of_recipes() -> dict[str, str]:
    """Return a line about each recipe, by name."""
    from infomax.learning.training.recipes import RECIPES

    return {name: _summary(recipe) for name, recipe in RECIPES.items()}


def _summary(recipe: Callable[[], Any]) -> str:
    return (recipe.__doc__ or "").splitlines()[0]


def _facts(make: Callable[[], Any], first_name: str, name: str) -> dict[str, Any]:
    """Return what matters for the choice of a recipe; the size of views is null where the data decides it."""
    recipe = make()
    return {
        "summary": _summary(make) if name == first_name else f"another name of {first_name}",
        "method": recipe.method.kind,
        "inputs": [_shape(part) for part in recipe.views.parts],
        "batch_size": recipe.train.batch_size,
        "budget": recipe.train.budget,
        "data": recipe.data,
    }


def _shown(found: dict[str, dict[str, Any]]) -> Iterator[Any]:
    rows = [(name, *_cells(facts)) for name, facts in found.items()]
    yield grid(rows, ("recipe", "size", "batch", "budget", "for"))


def _shape(part: Any) -> list[int] | None:
    try:
        return list(part.input_shape)
    except ValueError:
        return None


def _cells(facts: dict[str, Any]) -> tuple[str, ...]:
    shapes = facts["inputs"]
    sizes = dict.fromkeys("×".join(map(str, dict.fromkeys(one[1:]))) if one else "any" for one in shapes)
    budget = ", ".join(f"{amount:,.4g} {name}" for name, amount in facts["budget"].items())
    return ", ".join(sizes), str(facts["batch_size"]), budget, facts["summary"]
