"""Options of a command, read off the fields of its dataclass: name, type, default and help stand there."""

from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

Configs = Mapping[str, type]
"""Dataclasses of options, each by the name of what it configures; "" where there is one."""

LETTERS: Mapping[Any, str | None] = {int: "N", float: "X", str: None, Path: None}
"""Types of values that can be typed, and what stands for one in the help; None: the option's name."""


def argument(text: str, *, default: Any = MISSING, **how: Any) -> Any:
    """Return a field that is given by its place.

    Args:
        text: help.
        default: without it, the argument is required.
        how: keywords of `ArgumentParser.add_argument`, before those that follow from the type.
    """
    return field(default=default, kw_only=True, metadata={"help": text, "how": how, "by_place": True})


def option(text: str, *, default: Any = MISSING, **how: Any) -> Any:
    """Return a field that is given as ``--name value``; arguments are those of `argument`."""
    return field(default=default, kw_only=True, metadata={"help": text, "how": how})


def options_of(load: Callable[[], Configs]) -> Any:
    """Return a field for the options of other dataclasses; it holds those that are given, by name.

    Args:
        load: returns the dataclasses. A name that several of them have is one option.
    """
    return field(default_factory=dict, kw_only=True, metadata={"configs": load})


@dataclass(frozen=True)
class Option:
    """An option, as argparse needs to know it."""

    name: str
    by_place: bool
    keywords: Mapping[str, Any]

    @property
    def flag(self) -> str:
        """The option as it is typed."""
        return self.name if self.by_place else f"--{self.name.replace('_', '-')}"


def options_in(command: type) -> list[Option]:
    """Return the options of a command, in the order of its fields."""
    return [one for owner in fields(command) for one in _options_of(owner, command)]


def add_options(parser: ArgumentParser, command: type) -> None:
    """Add a command's options to a parser. What is not given stays out: the dataclass has its default."""
    for one in options_in(command):
        by_name = {} if one.by_place else {"dest": one.name}
        parser.add_argument(one.flag, default=SUPPRESS, **by_name, **one.keywords)


def read_options(command: type, given: Mapping[str, Any]) -> Any:
    """Return the command, made of what has been given, by name."""
    given = {name: tuple(x) if isinstance(x, list) else x for name, x in given.items()}
    values = {owner.name: given[owner.name] for owner in fields(command) if owner.name in given}
    for owner in fields(command):
        if "configs" in owner.metadata:
            names = [one.name for one in _options_of(owner, command)]
            values[owner.name] = {name: given[name] for name in names if name in given}
    return command(**values)


def _options_of(owner: Field, command: type) -> Iterator[Option]:
    """Return the options that one field stands for."""
    if "help" in owner.metadata:
        by_place = "by_place" in owner.metadata
        keywords = {**_keywords(owner, get_type_hints(command)[owner.name]), "help": _help(owner)}
        if owner.default is not MISSING and by_place:
            keywords["nargs"] = "?"
        elif not by_place:
            keywords["required"] = owner.default is MISSING
        yield Option(owner.name, by_place, {**keywords, **owner.metadata["how"]})
    elif "configs" in owner.metadata:
        yield from _merged(owner.metadata["configs"]())


def _merged(configs: Configs) -> Iterator[Option]:
    """Return one option for each name; its help says what it means to each of the dataclasses."""
    found: dict[str, dict[str, Any]] = {}
    for label, config in configs.items():
        kinds = get_type_hints(config)
        for one in fields(config):
            if _kind(kinds[one.name])[0] not in LETTERS:
                continue
            text = f"{label}: {_help(one)}".removeprefix(": ")
            if one.name in found:
                found[one.name]["help"] += f"; {text}"
            else:
                found[one.name] = {**_keywords(one, kinds[one.name]), "help": text}
    return (Option(name, False, keywords) for name, keywords in found.items())


def _keywords(one: Field, kind: Any) -> dict[str, Any]:
    """Return the keywords of `ArgumentParser.add_argument` that follow from a type."""
    if kind is bool:
        return {"action": "store_true"}
    single, number = _kind(kind)
    letters = LETTERS[single] if number is None else "A,B"
    off = NoneType in get_args(kind) and one.default not in (None, MISSING)
    metavar = {"metavar": letters} if letters else {}
    choices = {"choices": get_args(kind)} if get_origin(kind) is Literal else {}
    return {"type": _reader(single, number, off), **metavar, **choices}


def _kind(kind: Any) -> tuple[Any, int | None]:
    """Return the type of one value, and how many make an option: None for one, 0 for any number.

    The first type of a union counts. The values of a `Sequence` stand apart, those of a tuple have commas
    between them.
    """
    if get_origin(kind) in (Union, UnionType):
        kind = get_args(kind)[0]
    if get_origin(kind) is Sequence:
        return get_args(kind)[0], None
    if get_origin(kind) is tuple:
        return get_args(kind)[0], 0 if ... in get_args(kind) else len(get_args(kind))
    return (str if get_origin(kind) is Literal else kind), None


def _reader(kind: Any, number: int | None, off: bool) -> Callable[[str], Any]:
    """Return what reads `number` values (see `_kind`). Where the option can be `off`, 0 means None."""

    def read(text: str) -> Any:
        parts = [text] if number is None else text.split(",")
        try:
            values = tuple(map(kind, parts))
        except ValueError:
            values = ()
        if not values or number not in (None, 0, len(values)):
            raise ArgumentTypeError(f"expected {_form(kind, number)}, got {text!r}")
        value = values[0] if number is None else values
        return None if off and not value else value

    return read


def _form(kind: Any, number: int | None) -> str:
    """Return in what form values are typed, for messages."""
    if number is None:
        return f"a value of type {kind.__name__}"
    return f"{number or 'some'} values of type {kind.__name__} with commas between"


def _help(one: Field) -> str:
    """Return the help of a field with its default."""
    text, shown = one.metadata.get("help", ""), _shown(one.default)
    return (f"{text} (default: {shown})" if shown else text).replace("%", "%%")


def _shown(default: Any) -> str:
    """Return a default as it would be typed; nothing where it is off or missing."""
    if isinstance(default, tuple):
        return ",".join(map(_shown, default))
    if default is None or default is False or default is MISSING:
        return ""
    return f"{default:g}" if isinstance(default, float) else str(default)
