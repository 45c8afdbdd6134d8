"""Names that a package offers, loaded when they are first used.

A package's ``__init__.pyi`` says where each name is defined, once for type checkers and for Python::

    from .data.loading import load_images as load_images       # offered
    from .training.recipes import recipe_named                 # only needed in the next line
    recipe = recipe_named                                      # offered by another name
"""

import ast
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from infomax.errors import naming_extras

Names = tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]


def lazy_names(package: str, file: str) -> Names:
    """Return ``__getattr__``, ``__dir__`` and ``__all__`` of a package, as the stub beside it says.

    Args:
        package: its ``__name__``.
        file: its ``__file__``.

    Example:
        ``__getattr__, __dir__, __all__ = lazy_names(__name__, __file__)``
    """
    homes = _homes(Path(file).with_suffix(".pyi").read_text())

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, attribute = homes[name]
        with naming_extras(f"{package}.{name}"):
            return getattr(import_module(f"{package}.{module}"), attribute)

    names = sorted(homes)
    return get, lambda: names, names


def _homes(stub: str) -> dict[str, tuple[str, str]]:
    """Return the module, relative to the package, and the name within it, of each name that a stub offers."""
    found, offered = {}, {}
    for node in ast.parse(stub).body:
        match node:
            case ast.ImportFrom(module=str(module), names=aliases, level=1):
                found |= {one.name: (module, one.name) for one in aliases}
                offered |= {one.name: one.name for one in aliases if one.asname}
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name(id=original)):
                offered[name] = original
    return {name: found[original] for name, original in offered.items()}
