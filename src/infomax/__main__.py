"""``infomax``, and ``python -m infomax``: the command, which answers signals from its first imports on."""

import sys

from infomax.interrupts import leave, listen


def start() -> int:
    """Run the command that was typed, and return its exit code; after a signal, leave with it."""
    return leave(run())


def run() -> int:
    """Run the command that was typed; return its exit code."""
    listen()
    from infomax.cli import main

    return main()


if __name__ == "__main__":
    sys.exit(start())
