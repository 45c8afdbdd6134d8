"""The variants of an ablation: a recipe without one of its parts.

Bachman et al. (2019) add three things to Deep InfoMax: prediction across augmented views, at several scales,
by a stronger encoder. Two more keep the scores in check, a clip and a penalty; and the two views of an image
are flipped together. The recipes for a CPU add filters that whiten, and Muon. Each is left out in turn, all
else being equal, the budget included.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from infomax.errors import refuse
from infomax.learning.training.config import Recipe
from infomax.registry import Registry

WHOLE = "whole"
"""The recipe as it is, with which the others are compared."""


def without_augmentation(recipe: Recipe) -> Recipe:
    """Return the recipe with views that are what was seen: both are the same, as in Deep InfoMax."""
    return replace(recipe, views=recipe.views.without_augmentation())


def with_one_scale(recipe: Recipe) -> Recipe:
    """Return the recipe with one prediction, from the global feature to the finest map."""
    method: Any = recipe.method
    finest = max((scale for scale in method.scales if scale[0] == 1), key=lambda scale: scale[1])
    return replace(recipe, method=replace(method, scales=(finest,)))


def with_global_features_only(recipe: Recipe) -> Recipe:
    """Return the recipe with one prediction, of one global feature by the other: no local features."""
    method: Any = recipe.method
    return replace(recipe, method=replace(method, scales=((1, 1),)))


def with_weaker_encoder(recipe: Recipe) -> Recipe:
    """Return the recipe with an encoder of half the width, and blocks of one residual unit."""
    method: Any = recipe.method
    weaker = replace(method.encoder, width=max(1, method.encoder.width // 2), depth=1)
    return replace(recipe, method=replace(method, encoder=weaker))


def without_clip(recipe: Recipe) -> Recipe:
    """Return the recipe with scores as they are."""
    method: Any = recipe.method
    return replace(recipe, method=replace(method, clip=None))


def without_penalty(recipe: Recipe) -> Recipe:
    """Return the recipe with scores that may grow up to the clip."""
    method: Any = recipe.method
    return replace(recipe, method=replace(method, penalty_weight=0.0))


def with_own_flips(recipe: Recipe) -> Recipe:
    """Return the recipe with views that are flipped independently of each other."""
    views: Any = recipe.views
    return replace(recipe, views=replace(views, shared_flip=False))


def with_random_filters(recipe: Recipe) -> Recipe:
    """Return the recipe with a first layer that begins with random filters."""
    method: Any = recipe.method
    return replace(recipe, method=replace(method, encoder=replace(method.encoder, whitened=False)))


def with_adam(recipe: Recipe) -> Recipe:
    """Return the recipe with Adam for all parameters, at the rate that it has beside Muon."""
    optimizer = recipe.optimizer
    if optimizer.rule == "adam":
        return recipe
    return replace(recipe, optimizer=replace(optimizer, rule="adam", lr=optimizer.adam_share * optimizer.lr))


@dataclass(frozen=True)
class Variant:
    """A recipe without one of its parts.

    Attributes:
        name: in options, tables and folders.
        change: takes the part away.
        needs: what a recipe must have for it, dotted.
    """

    name: str
    change: Callable[[Recipe], Recipe]
    needs: tuple[str, ...] = ()

    def missing(self, recipe: Recipe) -> list[str]:
        """Return what the recipe lacks of what the variant needs."""
        return [path for path in self.needs if not _has(recipe, path.split("."))]

    def changes(self, recipe: Recipe) -> bool:
        """Return whether the recipe has the part; the whole counts as changed."""
        return not self.missing(recipe) and (self.name == WHOLE or self.change(recipe) != recipe)

    def __call__(self, recipe: Recipe) -> Recipe:
        """Return the recipe without the part.

        Raises:
            ValueError: the recipe does not have the part.
        """
        missing = self.missing(recipe)
        refuse(
            missing,
            f"ablate: the variant {self.name!r} changes {' and '.join(missing)}, which this recipe does not "
            "have; leave the variant out",
        )
        refuse(
            not self.changes(recipe),
            f"ablate: the variant {self.name!r} changes nothing, as the recipe is without that part already; "
            "leave the variant out",
        )
        return self.change(recipe)


_TABLE = (
    Variant(WHOLE, lambda recipe: recipe),
    Variant("no augmentation", without_augmentation),
    Variant("one scale", with_one_scale, ("method.scales",)),
    Variant("global only", with_global_features_only, ("method.scales",)),
    Variant("weaker encoder", with_weaker_encoder, ("method.encoder.width", "method.encoder.depth")),
    Variant("no clip", without_clip, ("method.clip",)),
    Variant("no penalty", without_penalty, ("method.penalty_weight",)),
    Variant("own flips", with_own_flips, ("views.shared_flip",)),
    Variant("random filters", with_random_filters, ("method.encoder.whitened",)),
    Variant("adam", with_adam),
)
VARIANTS: Registry[Variant] = Registry("variant", {variant.name: variant for variant in _TABLE})
"""The variants, by the names that options and tables use."""


def _has(value: Any, path: Sequence[str]) -> bool:
    return not path or (hasattr(value, path[0]) and _has(getattr(value, path[0]), path[1:]))
