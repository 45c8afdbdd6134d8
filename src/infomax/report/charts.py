"""Curves as inline SVG, in the colours of the page that shows them."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from jaxtyping import Float
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from infomax.pages.figures import remove_frame

Rows = Float[np.ndarray, " rows"]

TEXT_COLOUR = "#0b0c0d"
"""Stands for the colour of the page's text, whatever it is: light or dark."""

NUM_MEANS = 40
"""A curve of more rows gets a running mean over a fortieth of them."""


@dataclass(frozen=True)
class Line:
    """One curve of a chart.

    Args:
        label: its name, written at its end; empty for none.
        values: NaN where there is none.
        colour: of the curve and of its name.
        dashed: as for a ceiling.
    """

    label: str
    values: Rows
    colour: str
    dashed: bool = False

    @property
    def end(self) -> float:
        """The mean of the last fortieth, which is where the running mean ends."""
        values = self.values[np.isfinite(self.values)]
        return float(values[-max(1, len(values) // NUM_MEANS) :].mean())


def chart(
    x: Rows,
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    *,
    size: tuple[float, float] = (7.6, 3.4),
    floor: float | None = None,
) -> Markup:
    """Return curves as an ``<svg>`` element.

    Args:
        x: where the values of all lines lie.
        lines: at least one.
        x_label: what is written along the axis.
        y_label: what is written along the other.
        size: inches.
        floor: the lowest value that is shown, however low the curves begin.
    """
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "infomax", "text.parse_math": False}):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        for line in lines:
            _draw(axes, x, line)
        if floor is not None:
            lowest = min(float(np.nanmin(line.values)) for line in lines)
            axes.set_ylim(bottom=max(min(lowest, 0.0), floor))
        _dress(axes, x_label, y_label)
        _write_names(axes, lines)
        text = _svg(figure)
    names = ", ".join(line.label for line in lines if line.label)
    described = escape(f"{y_label} against {x_label}" + (f": {names}" if names else ""))
    labelled = text.replace("<svg", f'<svg class="chart" role="img" aria-label="{described}"', 1)
    return Markup(labelled)  # nosec B704 # SVG by Matplotlib, which escapes text; the label is escaped


def _svg(figure: Figure) -> str:
    """The figure without a header, in the text colour of the page."""
    file = io.StringIO()
    no_metadata = dict.fromkeys(["Creator", "Date", "Format", "Type"])
    figure.savefig(file, format="svg", transparent=True, metadata=no_metadata)
    text = file.getvalue()
    return text[text.index("<svg") :].replace(TEXT_COLOUR, "currentColor")


def _draw(axes: Axes, x: Rows, line: Line) -> None:
    """Draw a dashed line thin; a curve of many rows faint, and its running mean over it."""
    there = np.isfinite(line.values)
    x, y = x[there], line.values[there]
    if line.dashed:
        axes.plot(x, y, color=line.colour, linewidth=1, linestyle=(0, (4, 3)), alpha=0.6)
        return
    width = max(1, len(y) // NUM_MEANS)
    axes.plot(x, y, color=line.colour, linewidth=0.8, alpha=0.35 if width > 1 else 1)
    if width > 1:
        means = np.convolve(y, np.ones(width) / width, mode="valid")
        axes.plot(x[width - 1 :], means, color=line.colour, linewidth=1.8)
    elif len(y) == 1:
        axes.plot(x, y, "o", color=line.colour, markersize=4)


def _dress(axes: Axes, x_label: str, y_label: str) -> None:
    remove_frame(axes, TEXT_COLOUR)
    axes.tick_params(length=0, colors=TEXT_COLOUR, labelsize=8.5)
    axes.set_xlabel(x_label, color=TEXT_COLOUR, fontsize=9)
    axes.set_ylabel(y_label, color=TEXT_COLOUR, fontsize=9)
    axes.locator_params(nbins=5)
    axes.margins(x=0.01)


def _write_names(axes: Axes, lines: Sequence[Line]) -> None:
    """Write the names of curves right of their ends, moved apart where they would overlap."""
    named = [line for line in lines if line.label and np.isfinite(line.values).any()]
    low, high = axes.get_ylim()
    height, at = 0.065 * (high - low), -math.inf
    for line in sorted(named, key=lambda line: line.end):
        at = max(line.end, at + height, low)
        axes.annotate(
            f"{line.label}: {line.end:.1f}",
            (1.0, at),
            xytext=(6, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            color=line.colour,
            fontsize=9,
            va="center",
            annotation_clip=False,
        )
