"""The command ``infomax``: reads the options, runs one command, and says in one line what went wrong."""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from shutil import get_terminal_size
from textwrap import fill
from typing import Any

import infomax
from infomax import interrupts
from infomax.cli.commands import COMMANDS
from infomax.cli.options import add_options, options_in, read_options
from infomax.cli.output import Answer, Unfinished, give
from infomax.cli.wording import as_typed, plain_warnings
from infomax.errors import Diverged, did_you_mean, naming_extras
from infomax.learning.distributed.launching import complain, end_with_command, is_of_another_process
from infomax.ranges import check_ranges


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    It is 0 when it worked, 2 for bad input, 1 if training diverged or a run is not verified, 130 after
    Ctrl-C, 143 after SIGTERM.

    Args:
        arguments: what follows ``infomax``; by default what was typed, and signals are answered too.
    """
    ended: Callable[[int], int] = int
    if arguments is None:
        interrupts.listen()
        end_with_command()
        arguments, ended = sys.argv[1:], interrupts.came().ended
    came, as_json = interrupts.came(), False
    try:
        try:
            try:
                command, as_json = read_command(arguments)
                with naming_extras(arguments[0]), plain_warnings(arguments):
                    answer = command()
            except Unfinished as unfinished:
                give(unfinished.answer, as_json)
                raise
            give(answer, as_json)
            return ended(answer.code if isinstance(answer, Answer) else 0)
        except Exception as error:
            return ended(_told(error, arguments, came))
    except KeyboardInterrupt as interrupt:  # also while an error is told
        ended(came.exit_code)
        return _complain("; ".join([came.what, *interrupt.args]), came.exit_code)


def _told(error: Exception, arguments: Sequence[str], came: interrupts.Interrupts) -> int:
    """Say in a line what went wrong, and return the exit code; raise what should not have happened."""
    if came.number is not None:  # a signal that was raised in C, as another error
        return _complain(came.what, came.exit_code)
    if is_of_another_process(error):
        return _complain(f"{arguments[0]}: another process has ended; give the same command again", 2)
    if not isinstance(error, (ValueError, OSError, Diverged)):
        raise error
    return _complain(as_typed(arguments, error), 1 if isinstance(error, Diverged) else 2)


def read_command(arguments: Sequence[str]) -> tuple[Any, bool]:
    """Return the command that the arguments name, with its options; and whether they ask for JSON.

    Raises:
        ValueError: no such command, or no such option; the nearest is suggested.
        SystemExit: help was asked for, or an argument is missing or has a wrong value.
    """
    if not arguments or arguments[0].startswith("-"):
        _overview().parse_args(arguments or ["--help"])
    name, *rest = arguments
    if name not in COMMANDS:
        raise ValueError(f"no command {name!r}; {did_you_mean(name, COMMANDS)}")
    command = COMMANDS[name]
    flags = [flag for flag in options_in(command) if flag.startswith("-")]
    takes_rest = "rest" in [one.name for one in fields(command)]
    typed = _joined(rest, [*flags, "--json", "--help"]) if takes_rest else rest
    given, unknown = _parser(name, command, rest).parse_known_args(typed)
    if unknown and not takes_rest:
        raise ValueError(f"{name}: no option {unknown[0]}; {did_you_mean(unknown[0], flags)}")
    made = read_options(command, {**vars(given), "rest": unknown, "arguments": arguments})
    check_ranges(made, name, off="it may be left out")
    return made, given.json


def _joined(arguments: Sequence[str], flags: Sequence[str]) -> list[str]:
    """Return the arguments with ``--name=value`` for options of other names, whose values are theirs."""
    joined: list[str] = []
    for argument in arguments:
        last = joined[-1] if joined else ""
        waits = last.startswith("--") and "=" not in last and last not in flags
        if waits and not argument.startswith("--"):
            joined[-1] = f"{last}={argument}"
        else:
            joined.append(argument)
    return joined


def _overview() -> ArgumentParser:
    """Return the parser of the command without a command: it knows them all, and none of their options."""
    parser = ArgumentParser(prog="infomax", description=(infomax.__doc__ or "").splitlines()[0])
    parser.add_argument("--version", action="version", version=f"infomax {infomax.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=command.__doc__)
    return parser


def _parser(name: str, command: Any, arguments: Sequence[str]) -> ArgumentParser:
    """Return the parser of one command. What its help ends with is put together only for who asks for it."""
    asked = {"-h", "--help"} & set(arguments)
    parser = ArgumentParser(
        prog=f"infomax {name}",
        description=_fitted(command.__doc__ or ""),
        epilog=_fitted(command.notes(arguments)) if asked and hasattr(command, "notes") else None,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_options(parser, command)
    parser.add_argument("--json", action="store_true", help="print JSON on a terminal too")
    return parser


def _fitted(text: str) -> str:
    """Return a text whose lines fit the terminal; those that do stay as they are."""
    width = max(get_terminal_size().columns, 40)
    wrapped = partial(fill, width=width, break_on_hyphens=False)
    return "\n".join(line if len(line) <= width else wrapped(line) for line in text.splitlines())


def _complain(error: object, code: int) -> int:
    """Say in a line what went wrong, and return the exit code."""
    complain(f"infomax: {error}")
    return code
