"""Recipes from options of the command line, from YAML files and from what a run folder holds.

Every field of a recipe is an option, dotted: ``--train.minutes 5``; the end of its name is enough where no
other field has it: ``--minutes 5``. The values of `jsonargparse` are typed as the fields are; the
configurations themselves are built here, so that each kind of views or method needs to be known to nobody
but its own table.
"""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infomax.errors import nearest
from infomax.files import read_yaml
from infomax.learning.methods.amdim import AMDIMConfig
from infomax.learning.methods.table import METHODS
from infomax.learning.training.config import BUDGETS, Recipe, budget_in, one_budget
from infomax.learning.views.table import views_like
from infomax.ranges import ranges_in

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

SYNONYMS = {"learning_rate": "lr", "num_epochs": "epochs", "max_steps": "steps", "gpus": "devices"}
"""Names that other programs have for some fields, for suggestions."""

LOGGERS = "--train.loggers"
"""The option whose value is a list of names."""
FIRST = ("train.", "optimizer.")
"""The parts that every recipe has; a short name means a field of theirs first."""


def recipe_from_options(default: Recipe, options: Sequence[str], operation: str = "pretrain") -> Recipe:
    """Return `default`, changed by ``--config FILE``, ``--dotted.option value`` and short names of options.

    A budget (steps, minutes or epochs) that is given takes the place of the recipe's; one that is given as an
    option takes the place of a file's.

    Args:
        default: the recipe whose fields are the options.
        options: what the command line holds.
        operation: the command, for messages.

    Raises:
        ValueError: an unknown option (the nearest is suggested), a value of the wrong type, or two budgets.
    """
    from jsonargparse import ArgumentError

    leaves = option_names(default)
    given = _bracketed([_whole_name(option, leaves, operation) for option in options], default)
    _check_names(leaves, given, operation)
    parser = _parser(replace(default, train=default.train.without_budget()))
    try:
        values = parser.parse_args(given).as_dict()
        by_option = parser.parse_args(_without_config(given)).as_dict()
    except ArgumentError as error:
        message = " ".join(str(error).split())
        raise ValueError(f"{operation}: {message}; --dry-run shows all options") from error
    budget = budget_in(by_option["train"]) or budget_in(values["train"]) or default.train.budget
    if budget:
        one_budget(operation, budget)
    values["train"] |= {**dict.fromkeys(BUDGETS), **budget}
    return _rebuilt(default, values)


def recipe_from_mapping(values: Mapping[str, Any]) -> Recipe:
    """Return the recipe that ``recipe.yaml`` holds.

    Earlier versions wrote the steps of a run beside the minutes or epochs that they came from; steps count.

    Raises:
        ValueError: an unknown method or kind of views.
    """
    method = METHODS.find_named(values["method"].get("name", AMDIMConfig.kind), "recipe")
    default = Recipe(method=method(), views=views_like(values["views"]))
    recipe = _rebuilt(default, _parser(default).parse_object(dict(values)).as_dict())
    steps = recipe.train.steps
    return recipe if steps is None else replace(recipe, train=recipe.train.with_budget(steps=steps))


def option_names(recipe: Recipe) -> list[str]:
    """Return the names of all options: the fields of the recipe, dotted."""
    return list(_dotted(asdict(recipe)))


@dataclass(frozen=True)
class Described:
    """A field of a recipe: its name as an option, its value as it would be typed, and what it is."""

    name: str
    value: str
    text: str


def described_fields(recipe: Recipe) -> list[Described]:
    """Return all fields of a recipe, each with its value, its range and what the docstring of its class says.

    Example:
        >>> [(one.name, one.value) for one in described_fields(Recipe())][:2]
        [('data', 'null'), ('split', 'train')]
    """
    return [*_described(recipe, "")]


def idle_settings(config: Any, prefix: str = "") -> Iterator[str]:
    """Yield a line for each field that is not at its default and has no effect beside others.

    Args:
        config: a recipe, or a part of one, whose `without_effect` names such fields.
        prefix: of the names.

    Example:
        >>> [*idle_settings(Recipe(stream_window=5))]
        ['stream_window 5 has no effect: the data are decoded once, not streamed']
    """
    reasons = getattr(config, "without_effect", {})
    for one in fields(config):
        value, default = getattr(config, one.name), one.default
        if is_dataclass(value):
            yield from idle_settings(value, f"{prefix}{one.name}.")
        elif one.name in reasons and value and value != default:
            yield f"{prefix}{one.name} {as_typed(value)} has no effect: {reasons[one.name]}"


def differences(recipe: Any, default: Any) -> dict[str, tuple[str, str]]:
    """Return the fields in which a recipe, or a part of one, differs from another: by name, both as typed."""
    ours, others = ({one.name: one.value for one in _described(x, "")} for x in (recipe, default))
    return {name: (ours[name], others[name]) for name in ours if ours[name] != others.get(name)}


def as_typed(value: Any) -> str:
    """Return a value of a field as it would be typed on the command line.

    >>> as_typed((0.3, 1.0)), as_typed(None), as_typed(((1, 5), (5, 5)))
    ('0.3,1', 'null', '[[1,5],[5,5]]')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        nested = any(isinstance(one, tuple | list) for one in value) or not value
        text = ",".join(f"[{as_typed(x)}]" if isinstance(x, tuple | list) else as_typed(x) for x in value)
        return f"[{text}]" if nested else text
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _described(config: Any, prefix: str) -> Iterator[Described]:
    nested, texts, ranges = _nested(config), _texts(type(config)), ranges_in(type(config))
    for one in fields(config):
        value = getattr(config, one.name)
        if one.name in nested:
            yield from _described(value, f"{prefix}{one.name}.")
        elif one.name != "name":  # of the kind of views or method, which an option does not change
            within = f" ({ranges[one.name]})" if one.name in ranges else ""
            yield Described(prefix + one.name, as_typed(value), texts.get(one.name, "") + within)


def _texts(config: type) -> dict[str, str]:
    """Return what a docstring says of each field, written as ``one, other: of both. third: …``."""
    names = "|".join(one.name for one in fields(config))
    parts = re.split(rf"(?:^|(?<=\s))((?:{names})(?:,\s(?:{names}))*):\s", inspect.getdoc(config) or "")
    texts = {}
    for heads, text in zip(parts[1::2], parts[2::2], strict=True):
        line = " ".join(text.split("\n\n")[0].split()).rstrip(".").replace("``", "").replace("`", "")
        texts |= dict.fromkeys(re.split(r",\s", heads), line)
    return texts


def _without_config(options: Sequence[str]) -> list[str]:
    """Return the options without ``--config FILE``."""
    before = ["", *options][: len(options)]
    return [
        option
        for option, last in zip(options, before, strict=True)
        if last != "--config" and option.partition("=")[0] != "--config"
    ]


def _whole_name(option: str, leaves: Sequence[str], operation: str) -> str:
    """Return an option with the whole name of its field: ``--train.batch_size`` for ``--batch-size``.

    Raises:
        ValueError: several fields have this end.
    """
    if not option.startswith("--"):
        return option
    typed, equals, value = option[2:].partition("=")
    name = typed.replace("-", "_")
    whole = [leaf for leaf in leaves if leaf == name] or [x for x in leaves if x.endswith(f".{name}")]
    first = [leaf for leaf in whole if leaf in {part + name for part in FIRST}]
    if len(first or whole) > 1:
        several = " or ".join(f"--{leaf}" for leaf in whole)
        raise ValueError(f"{operation}: --{typed} is the end of several options; give {several}")
    return f"--{(first or whole or [typed])[0]}{equals}{value}"


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


def _bracketed(options: Sequence[str], default: Recipe) -> list[str]:
    """Return ``48,64`` as YAML's list ``[48,64]``: numbers need no brackets; text stays text.

    Nor do the names of loggers need them, also a single one.
    """
    values = asdict(default)
    texts = {f"--{name}" for name in _dotted(values) if isinstance(_value_in(values, name), str)}
    pairs = zip(["", *options], options, strict=False)
    return [
        one
        if {before, one.partition("=")[0]} & texts
        else re.sub(r"^(--[\w.]+=)?([-+.\de]+(?:,[-+.\de]+)+)$", r"\1[\2]", one)
        if LOGGERS not in (before, one.partition("=")[0])
        else re.sub(r"^(--[\w.]+=|(?!--))(\w+(?:,\w+)*)$", r"\1[\2]", one)
        for before, one in pairs
    ]


def _value_in(values: Any, name: str) -> Any:
    """Return the value of a dotted name."""
    return reduce(lambda inner, key: inner[key], name.split("."), values)


def _check_names(leaves: Sequence[str], options: Sequence[str], operation: str) -> None:
    """Check that each option, and each key of a ``--config`` file, is a field of the recipe.

    Raises:
        ValueError: one is not; the nearest is suggested.
    """
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
        Unreadable: the file is damaged, or holds no settings.
    """
    if not path.exists():
        return []
    remedy = "expected settings such as `train: {steps: 7}`; --dry-run shows all of them"
    return list(_dotted(read_yaml(path, "--config", remedy)))


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
    name = name.replace("-", "_")
    near = nearest(SYNONYMS.get(name, name), ends, cutoff=0.75)
    if not near:
        return "--dry-run shows all options"
    whole = ends[near] if "." in name else near.replace("_", "-")
    return f"did you mean --{whole}?"
