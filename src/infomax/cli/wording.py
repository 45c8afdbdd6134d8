"""Errors and warnings in the words of the command line: its commands and options, not names of Python."""

import re
import sys
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from infomax.cli.commands import COMMANDS
from infomax.cli.options import flags_of


def as_typed(arguments: Sequence[str], error: BaseException) -> str:
    """Return an error's message in the words of who typed the arguments.

    It begins with the command, or with one of its options; and where it names a parameter of Python that is
    an option, it names the option.

    Example:
        >>> error = ValueError("rank_columns: num_tested_rows must be at least 2, got 1")
        >>> as_typed(["measure", "table.csv"], error)
        'measure: --tested-rows must be at least 2, got 1'
        >>> as_typed(["embed", "runs/a"], FileNotFoundError("runs/a holds no encoder.json"))
        'embed: runs/a holds no encoder.json'
    """
    message = _text_of(error)
    if not arguments or arguments[0] not in COMMANDS:
        return message
    flags = flags_of(COMMANDS[arguments[0]])
    head, rest = _head_of(message, arguments[0], flags)
    return f"{head}: {_with_flags(rest, flags)}"


@contextmanager
def plain_warnings(arguments: Sequence[str] = ()) -> Generator[None]:
    """Within, a warning is one line on stderr without the place in the code, and each is shown once.

    It is told in the words of who typed the arguments. Of several processes, the first speaks. Which
    warnings are shown at all is left to Python's filters.
    """
    said: set[str] = set()

    def show(message: Any, *_: Any, **__: Any) -> None:
        from infomax.learning.distributed.launching import started

        told = as_typed(arguments, message).removeprefix(f"{' '.join(arguments[:1])}: ")
        text, place = " ".join(told.split()), started()
        if text not in said and (place is None or place.rank == 0):
            said.add(text)
            print(f"warning: {text}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _text_of(error: BaseException) -> str:
    """Return an error's message; of an error of the system, the file and what is wrong with it."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _head_of(message: str, command: str, flags: Mapping[str, str]) -> tuple[str, str]:
    """Return what a message is about, as it was typed, and the rest of it.

    A message begins with an operation and a colon. One that is a function of Python gives way to the command;
    other first words stay, behind it.
    """
    head, colon, rest = message.partition(": ")
    if not colon or not re.fullmatch(r"[\w-]+", head):
        return (command, message) if not head.startswith("--") else (head, rest)
    if head == command or head.startswith("--"):
        return head, rest
    if head in flags:
        return flags[head], rest
    return (command, rest) if _is_function(head) else (command, message)


def _is_function(name: str) -> bool:
    import infomax

    return name.islower() and ("_" in name or name in dir(infomax))


def _with_flags(text: str, flags: Mapping[str, str]) -> str:
    """Return a text with options in place of parameters.

    A name with an underscore is one of Python; another one is a parameter only where it must or cannot be
    something.
    """
    text = re.sub(r"(--[\w-]+) \(\w+=[^()]*\)", r"\1", text)  # such as: --skip-broken (skip_broken=True)
    for name, flag in flags.items():
        whole = rf"(?<![\w./'-]){re.escape(name)}(?![\w./'=-])"
        place = whole if "_" in name else rf"(?:^|(?<=[;:] )){whole}(?= (?:must|cannot)\b)"
        text = re.sub(place, flag, text)
    return text
