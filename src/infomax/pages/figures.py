"""The look of figures: colours that can be told apart, and axes with faint lines in place of a frame."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#3a7ebf", "#d17a22", "#2f9e77", "#a05fb5", "#c2504e", "#7f8c3b")
"""The colours of curves and bars, in this order; legible on white and on black."""

PALE = "#b9c6d3"
"""The colour of a value that is in doubt."""

INK, SOFT = "#22262b", "#666d75"
"""The colours of titles, and of labels, reference lines and controls. Those of pages are in base.css."""


def remove_frame(axes: "Axes", ink: str = INK) -> None:
    """Leave a faint line at the bottom and faint lines for values, all of one colour, and no other frame."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set(color=ink, alpha=0.35)
    axes.grid(axis="y", color=ink, alpha=0.12, linewidth=0.8)
