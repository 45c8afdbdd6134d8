"""Rung 5, for readers: a run folder as one HTML page that needs nothing else.

``write_report("runs/a")`` writes ``runs/a/report.html``.
"""

from infomax.lazy import lazy_names

__getattr__, __dir__ = lazy_names(__name__, __file__)
