"""The look of figures: colours that can be told apart, faint lines in place of a frame, light and dark."""

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#3a7ebf", "#d17a22", "#2f9e77", "#a05fb5", "#c2504e", "#7f8c3b")
"""The colours of curves and bars, in this order; legible on white and on black."""

PALE = "#b9c6d3"
"""The colour of a value that is in doubt."""

INK, SOFT = "#22262b", "#666d75"
"""The colours of titles, and of labels, reference lines and controls. Those of pages are in base.css."""


_SHADES = """\
<style>:root { --ink: #22262b; --soft: #666d75; fill: var(--ink); }
@media (prefers-color-scheme: dark) { :root { --ink: #dfe2e5; --soft: #979ea6; } }</style>"""
"""Styles of an SVG file that is shown by itself, light or dark as its reader prefers."""


def svg_element(figure: "Figure") -> str:
    """Return a figure as an ``<svg>`` element of a page, without header and background.

    What is drawn in `INK`, black or `SOFT` takes the page's colours ``--ink`` and ``--soft``.
    """
    import matplotlib

    file = io.StringIO()
    no_metadata = dict.fromkeys(["Creator", "Date", "Format", "Type"])
    width, height = figure.get_size_inches()
    with matplotlib.rc_context({"svg.hashsalt": f"infomax {width} {height}"}):
        figure.savefig(file, format="svg", transparent=True, metadata=no_metadata)
    text = file.getvalue()
    text = text[text.index("<svg") :].replace(INK, "var(--ink)").replace(SOFT, "var(--soft)")
    return text.replace("#000000", "var(--ink)")


def svg_file(figure: "Figure") -> str:
    """Return a figure as the text of an SVG file, light or dark as its reader prefers."""
    before, after = svg_element(figure).split(">", 1)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{before}>{_SHADES}{after}'


def remove_frame(axes: "Axes", ink: str = INK) -> None:
    """Leave a faint line at the bottom and faint lines for values, all of one colour, and no other frame."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set(color=ink, alpha=0.35)
    axes.grid(axis="y", color=ink, alpha=0.12, linewidth=0.8)
