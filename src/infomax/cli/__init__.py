"""The command `infomax`."""

from infomax.cli.main import main

__all__ = ["main"]
