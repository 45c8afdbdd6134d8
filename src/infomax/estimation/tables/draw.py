"""Figures of measured information in bits: a heat map of all pairs, and a ranking with error bars."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from infomax.estimation.tables.pairwise import PairwiseInformation
from infomax.estimation.tables.rank import Ranking
from infomax.files import replacing
from infomax.pages.figures import COLOURS, PALE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".png", ".svg", ".pdf")
MAX_WRITTEN = 15  # columns of a heat map with values written into its cells
MAX_ROWS = 40  # in a ranking
MAX_P_VALUE = 0.05  # higher adjusted p-values are drawn pale

_Found = TypeVar("_Found")


def heat_map(found: PairwiseInformation, axes: "Axes") -> None:
    """Draw a square for each pair, darker for more bits; grey on the diagonal, and where one was refused."""
    from matplotlib import colormaps

    bits = found.value / math.log(2)
    colours = colormaps["Blues"].with_extremes(bad="0.9")
    image = axes.imshow(bits, cmap=colours, vmin=0, vmax=max(float(np.nanmax(bits)), 1e-9))
    axes.figure.colorbar(image, ax=axes, label="mutual information, bits", shrink=0.8)
    places = range(len(found.names))
    axes.set_xticks(places, [_short(name) for name in found.names], rotation=45, ha="right")
    axes.set_yticks(places, [_short(name) for name in found.names])
    axes.spines[:].set_visible(False)
    if len(found.names) <= MAX_WRITTEN:
        _write_values(axes, bits)


def ranking_chart(ranking: Ranking, axes: "Axes") -> None:
    """Draw the bits of each column ± one standard error; pale where the adjusted p-value is high."""
    rows = ranking.frame.filter(ranking.frame["value"].is_not_null()).head(MAX_ROWS)
    bits, errors = (rows[what].to_numpy() / math.log(2) for what in ("value", "standard_error"))
    doubtful = (rows["adjusted_p_value"] > MAX_P_VALUE).fill_null(False).to_numpy()
    places = np.arange(len(rows))
    for chosen, colour, label in (
        (~doubtful, COLOURS[0], None),
        (doubtful, PALE, f"adjusted p-value above {MAX_P_VALUE}"),
    ):
        if chosen.any():
            axes.barh(
                places[chosen], bits[chosen], xerr=errors[chosen], color=colour, ecolor="0.3", label=label
            )
    if doubtful.any():
        axes.legend(frameon=False, loc="lower right")
    names = [_short(f"{name}@{lag}" if lag else name) for name, lag in rows.select("column", "lag").rows()]
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    given = f", given {', '.join(ranking.given)}" if ranking.given else ""
    axes.set_xlabel(f"information about {ranking.target}{given}, bits ± standard error")


def check_picture(path: str | Path) -> Path:
    """Return the path, if a picture can be written there.

    Raises:
        ValueError: the suffix names no format.
        FileExistsError: the file exists already.
        FileNotFoundError: the folder does not exist.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"plot: the suffix of {path} names no format; expected one of {', '.join(FORMATS)}")
    if path.exists():
        raise FileExistsError(f"plot: {path} exists; choose another file or move it away")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"plot: there is no folder {path.parent}; make it first")
    return path


def save_picture(draw: "Callable[[_Found, Axes], None]", found: _Found, path: str | Path) -> Path:
    """Draw into a new file, .png, .svg or .pdf; its size grows with the number of columns.

    Raises:
        ValueError, FileExistsError, FileNotFoundError: as `check_picture`.
    """
    import matplotlib
    from matplotlib.figure import Figure

    path = check_picture(path)
    with matplotlib.rc_context({"text.parse_math": False, "svg.hashsalt": "infomax"}):
        figure = Figure(figsize=_size(found), layout="constrained")
        draw(found, figure.add_subplot())
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=150, bbox_inches="tight")
    return path


def _size(found: object) -> tuple[float, float]:
    """Width and height in inches."""
    if isinstance(found, PairwiseInformation):
        side = min(max(4.0, 2.5 + 0.32 * len(found.names)), 40.0)
        return side + 1, side
    rows = min(len(found.frame), MAX_ROWS) if isinstance(found, Ranking) else MAX_ROWS
    return 7.0, 1.2 + 0.3 * rows


def _write_values(axes: "Axes", bits: np.ndarray) -> None:
    dark = 0.6 * np.nanmax(bits)
    for row, column in zip(*np.nonzero(~np.isnan(bits)), strict=True):
        value = bits[row, column]
        colour = "white" if value > dark else "black"
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)


def _short(name: str) -> str:
    return name if len(name) <= 30 else f"{name[:29]}…"
