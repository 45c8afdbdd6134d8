"""Recipes from options of the command line, from YAML files and from what a run folder holds.

Every field of a recipe is an option, dotted: ``--train.minutes 5``. The values of `jsonargparse` are typed as
the fields are; the configurations themselves are built here, so that each kind of views or method needs to be
known to nobody but its own table.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from infomax.errors import nearest
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.table import METHODS
from infomax.learning.training.config import Recipe
from infomax.learning.views.table import views_like

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser


def recipe_from_options(default: Recipe, options: Sequence[str], operation: str = "pretrain") -> Recipe:
    """Return `default`, changed by ``--config FILE`` and ``--dotted.option value``.

    Args:
        default: the recipe whose fields are the options.
        options: what the command line holds.
        operation: the command, for messages.

    Raises:
        ValueError: an unknown option (the nearest is suggested), or a value of the wrong type.
    """
    from jsonargparse import ArgumentError

    bracketed = [_bracketed(option) for option in options]
    _check_names(default, bracketed, operation)
    parser = _parser(default)
    try:
        return _rebuilt(default, parser.parse_args(bracketed).as_dict())
    except ArgumentError as error:
        message = " ".join(str(error).split())
        raise ValueError(f"{operation}: {message}; --dry-run shows all options") from error


def recipe_from_mapping(values: Mapping[str, Any]) -> Recipe:
    """Return the recipe that ``recipe.yaml`` holds.

    Raises:
        ValueError: an unknown method or kind of views.
    """
    method = METHODS.find(values["method"].get("name", AMDIMConfig.kind), "recipe")
    default = Recipe(method=method(), views=views_like(values["views"]))
    return _rebuilt(default, _parser(default).parse_object(dict(values)).as_dict())


def option_names(recipe: Recipe) -> list[str]:
    """Return the names of all options: the fields of the recipe, dotted."""
    return list(_dotted(asdict(recipe)))


def _parser(default: Recipe) -> "ArgumentParser":
    """Return a parser whose options are the fields of the recipe, with its values as defaults."""
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False, parser_mode="yaml")
    parser.add_argument("--config", action="config", help="YAML file; its values give way to options")
    _add_fields(parser, default)
    parser.set_defaults(asdict(default))
    return parser


def _add_fields(parser: "ArgumentParser", config: Any, name: str | None = None) -> None:
    """Add the fields of a configuration, and those of the configurations within it."""
    nested = _nested(config)
    parser.add_class_arguments(type(config), name, skip=set(nested))
    for field in nested:
        _add_fields(parser, getattr(config, field), field if name is None else f"{name}.{field}")


def _rebuilt(config: Any, values: Mapping[str, Any]) -> Any:
    """Return a configuration of the same kinds with these values."""
    nested = _nested(config)
    return type(config)(
        **{
            one.name: _rebuilt(getattr(config, one.name), values[one.name])
            if one.name in nested
            else values[one.name]
            for one in fields(config)
        }
    )


def _nested(config: Any) -> list[str]:
    """Return the fields of a configuration that are configurations themselves."""
    return [one.name for one in fields(config) if is_dataclass(getattr(config, one.name))]


def _bracketed(option: str) -> str:
    """Return ``48,64`` as YAML's list ``[48,64]``: numbers need no brackets on the command line."""
    return re.sub(r"^(--[\w.]+=)?([-+.\de]+(?:,[-+.\de]+)+)$", r"\1[\2]", option)


def _check_names(default: Recipe, options: Sequence[str], operation: str) -> None:
    """Check that each option, and each key of a ``--config`` file, is a field of the recipe.

    Raises:
        ValueError: one is not; the nearest is suggested.
    """
    leaves = option_names(default)
    groups = {leaf[: match.start()] for leaf in leaves for match in re.finditer(r"\.", leaf)}
    known = {"config", "help", *leaves, *groups}
    for name in _names(options):
        if name not in known:
            raise ValueError(f"{operation}: no option --{name}; {_remedy(name, leaves)}")


def _names(options: Sequence[str]) -> Iterator[str]:
    """Yield the names of options, and the dotted keys of the file that ``--config`` names."""
    for number, option in enumerate(options):
        if not option.startswith("--"):
            continue
        name, equals, value = option[2:].partition("=")
        yield name
        if name == "config":
            path = Path(value if equals else next(iter(options[number + 1 :]), ""))
            yield from _keys_of(path)


def _keys_of(path: Path) -> list[str]:
    """Return the dotted keys of a YAML file; none where there is no file, which the parser refuses.

    Raises:
        ValueError: the file holds no mapping.
    """
    if not path.is_file():
        return []
    values = yaml.safe_load(path.read_text())
    if not isinstance(values, Mapping):
        raise ValueError(
            f"--config: {path} holds {type(values).__name__}, expected settings such as "
            "`train: {steps: 7}`; --dry-run shows all of them"
        )
    return list(_dotted(values))


def _dotted(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{key}.")
        else:
            yield prefix + str(key)


def _remedy(name: str, leaves: Sequence[str]) -> str:
    """Return the option whose whole name, or whose end, is nearest to `name`, as a question."""
    parts = {leaf: leaf.split(".") for leaf in leaves}
    ends = {".".join(words[i:]): leaf for leaf, words in parts.items() for i in range(len(words))}
    near = nearest(name, ends, cutoff=0.8)
    return f"did you mean --{ends[near]}?" if near else "--dry-run shows all options"
