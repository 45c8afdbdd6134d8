"""The look of the experiments' figures."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from infomax.pages.figures import COLOURS, INK, SOFT, remove_frame

__all__ = ["COLOURS", "INK", "SOFT", "dress", "panels", "show_picture"]


def panels(
    num_columns: int, *, num_rows: int = 1, size: tuple[float | int, float | int] = (9.6, 3.4)
) -> tuple[Figure, list[Axes]]:
    """Return a figure and its axes, row by row; it opens no window and changes no global state."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(num_rows, num_columns, squeeze=False)
    return figure, list(axes.ravel())


def dress(axes: Axes, title: str, x_label: str = "", y_label: str = "") -> None:
    """Write title and labels, draw faint lines for values, and remove the frame."""
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set_xlabel(x_label, fontsize=9, color=SOFT)
    axes.set_ylabel(y_label, fontsize=9, color=SOFT)
    remove_frame(axes)
    axes.tick_params(length=0, which="both", colors=SOFT, labelsize=8.5)


def show_picture(axes: Axes, picture: np.ndarray, title: str = "") -> None:
    """Show an image or a receptive field, zero in the middle of the grey scale, without axes."""
    largest = abs(picture).max() or 1.0
    axes.imshow(picture, cmap="gray", vmin=-largest, vmax=largest, interpolation="nearest")
    axes.set_title(title, fontsize=9, color=SOFT)
    axes.set_axis_off()
