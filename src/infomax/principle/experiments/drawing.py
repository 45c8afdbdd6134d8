"""The look of the experiments' figures: quiet axes, and colours that can be told apart on white."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = ("#3a7ebf", "#d17a22", "#2f9e77", "#a05fb5", "#c2504e", "#7f8c3b")
INK, SOFT = "#22262b", "#666d75"


def panels(
    num_columns: int, *, num_rows: int = 1, size: tuple[float | int, float | int] = (9.6, 3.4)
) -> tuple[Figure, list[Axes]]:
    """A figure and its axes, row by row; no window and no global state, so that it can be made anywhere."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(num_rows, num_columns, squeeze=False)
    return figure, list(axes.ravel())


def dress(axes: Axes, title: str, x_label: str = "", y_label: str = "") -> None:
    """Title and labels, faint lines for values, and nothing else."""
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set_xlabel(x_label, fontsize=9, color=SOFT)
    axes.set_ylabel(y_label, fontsize=9, color=SOFT)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set(color=INK, alpha=0.35)
    axes.grid(axis="y", color=INK, alpha=0.12, linewidth=0.8)
    axes.tick_params(length=0, which="both", colors=SOFT, labelsize=8.5)


def show_picture(axes: Axes, picture, title: str = "") -> None:
    """An image or a receptive field: zero in the middle of the grey scale, no axes."""
    largest = abs(picture).max() or 1.0
    axes.imshow(picture, cmap="gray", vmin=-largest, vmax=largest, interpolation="nearest")
    axes.set_title(title, fontsize=9, color=SOFT)
    axes.set_axis_off()
