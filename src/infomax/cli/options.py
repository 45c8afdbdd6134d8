"""Options of a command, read off the fields of its dataclass: name, type, default and help stand there."""

from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, field, fields
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

LETTERS: Mapping[Any, str | None] = {int: "N", float: "X", str: None}
"""The word for a value of a type in the help; None: the option's name."""


def argument(text: str, *, default: Any = MISSING, **how: Any) -> Any:
    """Return a field that is given by its place.

    Args:
        text: help.
        default: without it, the argument is required.
        how: keywords of `ArgumentParser.add_argument`, before those that follow from the type.
    """
    nargs = {} if default is MISSING else {"nargs": "?"}
    return option(text, default=default, by_place=True, **{**nargs, **how})


def option(
    text: str,
    *,
    default: Any = MISSING,
    by_place: bool = False,
    flag: str | None = None,
    python: str | None = None,
    **how: Any,
) -> Any:
    """Return a field that is given as ``--name value``, or by `flag`; see also `argument`.

    Args:
        python: the name of the same in Python, where it is another, so that errors can name the option.
    """
    metadata = {"help": text, "by_place": by_place, "flag": flag, "python": python, "how": how}
    return field(default=default, kw_only=True, metadata=metadata)


def options_of(load: Callable[[], Mapping[str, type]]) -> Any:
    """Return a field for the options of other dataclasses; it holds those that are given, by name.

    Args:
        load: returns the dataclasses, each by the name of what it configures, or "". Their fields with a
            ``help`` are options; a name that several of them have is one option.
    """
    return field(default_factory=dict, kw_only=True, metadata={"configs": load})


def add_options(parser: ArgumentParser, command: type) -> None:
    """Add a command's options to a parser. What is not given stays out: the dataclass has its default."""
    for flag, keywords in options_in(command).items():
        parser.add_argument(flag, default=SUPPRESS, **keywords)


def read_options(command: type, given: Mapping[str, Any]) -> Any:
    """Return the command, made of what has been given, by name."""
    given = {name: tuple(x) if isinstance(x, list) else x for name, x in given.items()}
    values = {one.name: given[one.name] for one in fields(command) if one.name in given}
    for one in fields(command):
        if "configs" in one.metadata:
            names = {
                option.name for config in one.metadata["configs"]().values() for option in fields(config)
            }
            values[one.name] = {name: given[name] for name in names & given.keys()}
    return command(**values)


def options_in(command: type) -> dict[str, dict[str, Any]]:
    """Return the keywords of `ArgumentParser.add_argument` for each option, as it is typed."""
    found: dict[str, dict[str, Any]] = {}
    for label, one, kind in _labelled(command, ""):
        by_place = one.metadata.get("by_place", False)
        flag = one.name if by_place else _flag(one)
        text = f"{label}: {_help(one)}" if label else _help(one)
        if flag in found:
            found[flag]["help"] += f"; {text}"
            continue
        by_flag = {} if by_place else {"dest": one.name, "required": one.default is MISSING}
        found[flag] = {**_by_type(one, kind), **by_flag, **one.metadata.get("how", {}), "help": text}
    return found


def flags_of(command: type) -> dict[str, str]:
    """Return the options that are given by a flag, by their names and by those in Python."""
    named = [one for _, one, _ in _labelled(command, "") if not one.metadata.get("by_place", False)]
    typed = {one.name: _flag(one) for one in named}
    return typed | {one.metadata["python"]: _flag(one) for one in named if one.metadata.get("python")}


def _flag(one: Field[Any]) -> str:
    return one.metadata.get("flag") or f"--{one.name.replace('_', '-')}"


def _labelled(command: type, label: str) -> Iterator[tuple[str, Field[Any], Any]]:
    """Yield the options of a command and of the dataclasses in it: the name of these, field and type."""
    kinds = get_type_hints(command)
    for one in fields(command):
        for name, config in one.metadata.get("configs", dict)().items():
            yield from _labelled(config, name)
        if "help" in one.metadata:
            yield label, one, kinds[one.name]


def _by_type(one: Field[Any], kind: Any) -> dict[str, Any]:
    """Return the keywords that follow from a type; of a union, the first type counts.

    The values of a `Sequence` stand apart, those of a tuple have commas between them. 0 means None where the
    default is another number that could be None.
    """
    if kind is bool:
        return {"action": "store_true"}
    off = NoneType in get_args(kind) and one.default is not None
    kind = get_args(kind)[0] if get_origin(kind) in (Union, UnionType) else kind
    parts, commas = get_args(kind), get_origin(kind) is tuple
    single = parts[0] if parts else kind
    number = len(parts) if commas and ... not in parts else None
    metavar = {"metavar": "A,B"} if commas else {"metavar": LETTERS[single]} if LETTERS.get(single) else {}
    return {"type": _reader(single, commas, number, off), **metavar}


def _reader(kind: Any, commas: bool, number: int | None, off: bool) -> Callable[[str], Any]:
    """Return what reads an option: a value, or with `commas` several, a certain `number` of them if given."""

    def read(text: str) -> Any:
        try:
            values = tuple(kind(part) for part in (text.split(",") if commas else [text]))
        except ValueError:
            values = ()
        if not values or number not in (None, len(values)):
            form = f"{number or 'some'} values, with commas between, of" if commas else "a value of"
            raise ArgumentTypeError(f"expected {form} type {kind.__name__}, got {text!r}")
        return None if off and not any(values) else values if commas else values[0]

    return read


def _help(one: Field[Any]) -> str:
    """Return the help of a field with its default."""
    text, shown = one.metadata["help"], _shown(one.default)
    return (f"{text} (default: {shown})" if shown else text).replace("%", "%%")


def _shown(default: Any) -> str:
    """Return a default as it would be typed; nothing where it is off or missing."""
    if isinstance(default, tuple):
        return ",".join(map(_shown, default))
    if default is None or default is False or default is MISSING:
        return ""
    return f"{default:g}" if isinstance(default, float) else str(default)
