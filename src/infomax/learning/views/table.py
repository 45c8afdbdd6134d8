"""The table of the kinds of views, and views from what a recipe or an encoder's description holds."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from infomax.learning.views.images import ViewsConfig
from infomax.learning.views.kinds import SingleViews, Views
from infomax.learning.views.paired import PairedViewsConfig
from infomax.learning.views.signals import SignalViewsConfig
from infomax.learning.views.temporal import TemporalViewsConfig
from infomax.registry import Registry

VIEWS: Registry[type[Views]] = Registry(
    "kind of views",
    {kind.kind: kind for kind in (ViewsConfig, SignalViewsConfig, TemporalViewsConfig, PairedViewsConfig)},
    group="infomax.views",
)
"""The kinds of views, by the name that a recipe gives them."""


def register_views(kind: type[Views]) -> type[Views]:
    """Add a kind of views to the table; also a class decorator.

    Raises:
        ValueError: there is another kind of that name.
    """
    return VIEWS.register(kind.kind, kind)


def views_like(values: Mapping[str, Any]) -> Views:
    """Return views of the kind that a mapping names, and views within them.

    Other fields are defaults; those that an earlier version did not have are what they meant then.

    Raises:
        ValueError: an unknown kind.
    """
    views = VIEWS.find_named(values.get("name", ViewsConfig.kind), "views")()
    before = {name: one for name, one in views.before.items() if name not in values}
    nested = [one.name for one in fields(views) if is_dataclass(getattr(views, one.name))]
    return replace(views, **before, **{name: views_like(values[name]) for name in nested if name in values})


def views_from(values: Mapping[str, Any]) -> SingleViews:
    """Return the views of one encoder that a mapping describes, as ``encoder.json`` holds them.

    Raises:
        ValueError: an unknown kind, or values that it refuses.
    """
    kind: Any = VIEWS.find_named(values.get("name", ViewsConfig.kind), "views")
    given = {key: tuple(one) if isinstance(one, list) else one for key, one in values.items()}
    return kind(**{**kind.before, **given})
