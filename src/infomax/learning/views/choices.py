"""The table of augmentation policies that views choose from by name; an entry is loaded when it is used."""

from collections.abc import Callable
from typing import Any

from infomax.registry import Registry

POLICIES: Registry[Callable[..., Any]] = Registry(
    "policy",
    {
        name: f"infomax.learning.views.policies:{name.replace('-', '_')}"
        for name in ("autoaugment-cifar10", "autoaugment-imagenet", "randaugment", "trivialaugment")
    },
    group="infomax.policies",
)
"""Functions of no arguments that make a published policy; or one of a user's own, images to images."""
