"""Curves as inline SVG, in the colours of the page that shows them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from jaxtyping import Float
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from infomax.pages.figures import INK, remove_frame, svg_element

Rows = Float[np.ndarray, " rows"]

WIDE, NARROW = (7.6, 3.4), (3.66, 2.1)
"""Width and height in inches of charts on screens and on phones; text keeps its size."""

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


@dataclass(frozen=True)
class Chart:
    """Curves over an axis.

    Args:
        x: where the values of all lines lie.
        lines: at least one.
        x_label: what is written along the axis.
        y_label: what is written along the other.
        floor: the lowest value that is shown, however low the curves begin.
    """

    x: Rows
    lines: Sequence[Line]
    x_label: str
    y_label: str
    floor: float | None = None

    def for_every_width(self) -> Markup:
        """Return two ``<svg>`` elements, of which the page shows the one that fits."""
        return self._element("chart wide", WIDE) + self._element("chart narrow", NARROW)

    def small(self) -> Markup:
        """Return one small ``<svg>`` element."""
        return self._element("chart", NARROW)

    def _element(self, kind: str, size: tuple[float, float]) -> Markup:
        with matplotlib.rc_context({"svg.fonttype": "none", "text.parse_math": False}):
            text = svg_element(self._figure(size))
        names = ", ".join(line.label for line in self.lines if line.label)
        described = escape(f"{self.y_label} against {self.x_label}" + (f": {names}" if names else ""))
        labelled = text.replace("<svg", f'<svg class="{kind}" role="img" aria-label="{described}"', 1)
        return Markup(labelled)  # nosec B704 # SVG by Matplotlib, which escapes text; the label is escaped

    def _figure(self, size: tuple[float, float]) -> Figure:
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        for line in self.lines:
            _draw(axes, self.x, line)
        if self.floor is not None:
            lowest = min(float(np.nanmin(line.values)) for line in self.lines)
            axes.set_ylim(bottom=max(min(lowest, 0.0), self.floor))
        _dress(axes, self.x_label, self.y_label)
        _write_names(axes, self.lines, size[1])
        return figure


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
    remove_frame(axes)
    axes.tick_params(length=0, colors=INK, labelsize=8.5)
    axes.set_xlabel(x_label, color=INK, fontsize=9)
    axes.set_ylabel(y_label, color=INK, fontsize=9)
    axes.locator_params(nbins=5)
    axes.margins(x=0.01)


def _write_names(axes: Axes, lines: Sequence[Line], inches: float) -> None:
    """Write the names of curves right of their ends, moved apart where they would overlap."""
    named = [line for line in lines if line.label and np.isfinite(line.values).any()]
    low, high = axes.get_ylim()
    height, at = 0.22 / inches * (high - low), -math.inf
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
