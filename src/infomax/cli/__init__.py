"""The command `infomax`."""

from infomax.cli.commands import main

__all__ = ["main"]
