"""``infomax recipes``."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipes:
    """List the recipes."""

    def __call__(self) -> dict[str, str]:
        """Return what each recipe is for, by name."""
        return summaries_of_recipes()


def summaries_of_recipes() -> dict[str, str]:
    """Return a line about each recipe, by name."""
    from infomax.learning.training.recipes import RECIPES

    return {name: (recipe.__doc__ or "").splitlines()[0] for name, recipe in RECIPES.items()}
