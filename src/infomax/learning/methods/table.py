"""The table of methods."""

from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.dim import DIMConfig
from infomax.learning.methods.method import MethodConfig
from infomax.registry import Registry

METHODS: Registry[type[MethodConfig]] = Registry(
    "method",
    {method.kind: method for method in (AMDIMConfig, DIMConfig)},
    group="infomax.methods",
)
"""Configurations of the methods, by the name that a recipe gives them."""


def register_method(method: type[MethodConfig]) -> type[MethodConfig]:
    """Add a method to the table; also a class decorator.

    Raises:
        ValueError: there is another method of that name.
    """
    return METHODS.register(method.kind, method)
