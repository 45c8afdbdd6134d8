"""Rung 5, for readers: a run folder as one HTML page that needs nothing else.

Example:
    write_report("runs/a")  # writes runs/a/report.html
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infomax.report.page import write_report

_HOME = {"write_report": "page"}

__all__ = ["write_report"]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
