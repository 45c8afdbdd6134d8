"""Names that a package offers, loaded when they are first used.

A package's ``__init__.pyi`` says where each name is defined, once for type checkers and for Python::

    from .data.loading import load_images as load_images       # offered
    from .training.recipes import recipe_named                 # only needed in the next line
    recipe = recipe_named                                      # offered by another name
    __version__: str                                           # defined in the package itself

Nothing is imported here before a name is asked for, so that importing a package costs next to nothing.
"""

from collections.abc import Callable


def lazy_names(package: str, file: str) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package, as the stub beside it says; ``__all__`` follows.

    Args:
        package: its ``__name__``.
        file: its ``__file__``.

    Example:
        ``__getattr__, __dir__ = lazy_names(__name__, __file__)``
    """
    offered: dict[str, tuple[str, str] | None] = {}

    def names() -> list[str]:
        if not offered:
            offered.update(_offered(file))
        return sorted(offered)

    def get(name: str) -> object:
        if name == "__all__":
            return names()
        home = None if name.startswith("__") else names() and offered.get(name)
        if not home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return _loaded(package, name, *home)

    return get, names


def _loaded(package: str, name: str, module: str, attribute: str) -> object:
    from importlib import import_module

    from infomax.errors import naming_extras

    with naming_extras(f"{package}.{name}"):
        return getattr(import_module(f"{package}.{module}"), attribute)


def _offered(file: str) -> dict[str, tuple[str, str] | None]:
    """Return each name that a stub offers, with its module, relative to the package, and its name there."""
    import ast
    from pathlib import Path

    found, names = {}, {}
    for node in ast.parse(Path(file).with_suffix(".pyi").read_text()).body:
        match node:
            case ast.ImportFrom(module=str(module), names=aliases, level=1):
                found |= {one.name: (module, one.name) for one in aliases}
                names |= {one.name: one.name for one in aliases if one.asname}
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name(id=original)):
                names[name] = original
            case ast.AnnAssign(target=ast.Name(id=name)):
                names[name] = name
            case _:
                pass
    return {name: found.get(original) for name, original in names.items()}
