"""Figures of measured information in bits: a heat map of all pairs, and a ranking with error bars."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from infomax.errors import did_you_mean
from infomax.estimation.tables.pairwise import PairwiseInformation
from infomax.estimation.tables.rank import Ranking
from infomax.estimation.tables.results.show import Row, is_doubtful, shortened
from infomax.files import replacing
from infomax.pages.figures import COLOURS, PALE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".png", ".svg", ".pdf")
MAX_WRITTEN = 15  # columns of a heat map with values written into its cells
MAX_ROWS = 40  # in a ranking
MAX_NAME = 30
MAX_P_VALUE = 0.05  # higher adjusted p-values are drawn pale
DOUBTFUL = "undersampled: may be bias alone"

_Found = TypeVar("_Found")


def heat_map(found: PairwiseInformation, axes: "Axes", first: str | None = None) -> None:
    """Draw a square for each pair, darker for more bits; similar columns stand together.

    Grey: the diagonal, and pairs that were refused. A hatched square is undersampled.

    Args:
        found: all pairs of columns.
        axes: where to draw.
        first: the column that comes before the others, such as a target.
    """
    from matplotlib import colormaps
    from matplotlib.colors import PowerNorm
    from matplotlib.ticker import MaxNLocator

    order = heat_map_order(found, first)
    names = [shortened(found.names[place], MAX_NAME) for place in order]
    bits = (found.value / math.log(2))[np.ix_(order, order)]
    colours = colormaps["Blues"].with_extremes(bad="0.9")
    most = max(float(np.nanmax(bits)), 1e-9)
    norm = PowerNorm(0.5, vmin=0, vmax=most, clip=True)  # shows weak ones too
    image = axes.imshow(bits, cmap=colours, norm=norm)
    ticks = [tick for tick in MaxNLocator(4).tick_values(0, most) if tick <= most]
    label = "mutual information, bits"
    axes.figure.colorbar(image, ax=axes, label=label, shrink=0.6, pad=0.02, ticks=ticks)
    size = 9 if len(names) <= MAX_ROWS else 6.5
    places = range(len(names))
    axes.set_xticks(places, names, rotation=60, ha="right", rotation_mode="anchor", fontsize=size)
    axes.set_yticks(places, names, fontsize=size)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if first is not None:
        axes.axhline(0.5, color="white", linewidth=3)
        axes.axvline(0.5, color="white", linewidth=3)
    _hatch(found, order, axes)
    if len(names) <= MAX_WRITTEN:
        _write_values(axes, bits, _are_saturated(found)[np.ix_(order, order)])


def heat_map_order(found: PairwiseInformation, first: str | None = None) -> list[int]:
    """Return the places of the columns in a heat map: the first one, then the others by clusters.

    Columns are as far apart as 1 − √(1 − e^{−2I}), which is 0 where they determine each other; for Gaussian
    pairs the root is |ρ|. Average linkage, with like leaves side by side.

    Raises:
        ValueError: no column of that name.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if first is not None and first not in found.names:
        raise ValueError(f"heat_map: no column {first!r}; {did_you_mean(first, found.names)}")
    places = [place for place, name in enumerate(found.names) if name != first]
    lead = [] if first is None else [found.names.index(first)]
    if len(places) < 3:
        return [*lead, *places]
    nats = np.nan_to_num(found.value[np.ix_(places, places)])
    distances = 1 - np.sqrt(-np.expm1(-2 * np.maximum(nats, 0)))
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), "average", optimal_ordering=True)
    return [*lead, *(places[leaf] for leaf in leaves_list(tree))]


def ranking_chart(ranking: Ranking, axes: "Axes") -> None:
    """Draw the bits of each column ± one standard error.

    Pale: the adjusted p-value is high. Hatched: undersampled, so that the value may be bias alone. An arrow:
    the samples cannot show more.
    """
    rows = [row for row in ranking if row["value"] is not None][:MAX_ROWS]
    for label, colour, hatch, belongs in _LOOKS:
        places = [place for place, row in enumerate(rows) if belongs(row)]
        bits, errors = ([rows[place][what] for place in places] for what in ("bits", "bits_error"))
        how: dict[str, Any] = {"label": label, "ecolor": "0.3", "error_kw": {"linewidth": 1}}
        how |= {"color": colour} if hatch is None else {"fc": "white", "ec": colour, "hatch": hatch}
        if places:
            axes.barh(places, bits, xerr=errors, **how)
    for place, row in enumerate(rows):
        if "saturated" in (row["cautions"] or ""):
            axes.plot(row["bits"], place, marker=">", color=COLOURS[0], clip_on=False)
    if len(axes.get_legend_handles_labels()[1]) > 1 or any(map(is_doubtful, rows)):
        axes.legend(frameon=False, loc="lower right", fontsize=8)
    names = [f"{row['column']}@{row['lag']}" if row["lag"] else row["column"] for row in rows]
    axes.set_yticks(range(len(rows)), [shortened(name, MAX_NAME) for name in names])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(_label(ranking))
    if ranking.target_entropy is not None and ranking.target_entropy.value > 0:
        _draw_shares(axes, ranking.target_entropy.bits, ranking.target)


_LOOKS: tuple[tuple[str, str, str | None, Callable[[Row], bool]], ...] = (
    (
        f"adjusted p-value up to {MAX_P_VALUE}, or none",
        COLOURS[0],
        None,
        lambda row: not is_doubtful(row) and not _is_pale(row),
    ),
    (
        f"adjusted p-value above {MAX_P_VALUE}",
        PALE,
        None,
        lambda row: not is_doubtful(row) and _is_pale(row),
    ),
    (DOUBTFUL, COLOURS[1], "////", lambda row: is_doubtful(row)),
)


def _is_pale(row: Row) -> bool:
    return row["adjusted_p_value"] is not None and row["adjusted_p_value"] > MAX_P_VALUE


def _label(ranking: Ranking) -> str:
    given = f", given {', '.join(ranking.given)}" if ranking.given else ""
    measured = sum(row["value"] is not None for row in ranking)
    some = f"; the first {MAX_ROWS} of {measured} columns" if measured > MAX_ROWS else ""
    return f"information about {ranking.target}{given}, bits ± standard error{some}"


def _draw_shares(axes: "Axes", whole: float, target: str) -> None:
    """Draw shares of the target's entropy along the upper edge."""
    units: Any = (lambda bits: 100 * bits / whole, lambda part: part * whole / 100)
    upper = axes.secondary_xaxis("top", functions=units)
    upper.set_xlabel(f"% of the {whole:.3f} bits of {target}", fontsize=8)
    upper.tick_params(labelsize=8)
    upper.spines["top"].set_visible(False)


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
        number = len(found.names)
        side = min(max(4.0, 2.5 + (0.32 if number <= MAX_ROWS else 0.16) * number), 40.0)
        return side + 1, side
    rows = min(len(found), MAX_ROWS) if isinstance(found, Ranking) else MAX_ROWS
    return 7.0, 1.5 + 0.25 * rows


def _hatch(found: PairwiseInformation, order: list[int], axes: "Axes") -> None:
    from matplotlib.patches import Rectangle

    place = {found.names[column]: at for at, column in enumerate(order)}
    for row in filter(is_doubtful, found):
        a, b = place[row["x"]], place[row["y"]]
        for x, y in ((a, b), (b, a)):
            square = Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, hatch="////", edgecolor=COLOURS[1], lw=0)
            axes.add_patch(square)


def _are_saturated(found: PairwiseInformation) -> np.ndarray:
    """Return which pairs tell at least what was measured: [d, d]."""
    place = {name: at for at, name in enumerate(found.names)}
    saturated = np.zeros((len(found.names), len(found.names)), dtype=bool)
    for row in found:
        if "saturated" in (row["cautions"] or ""):
            a, b = place[row["x"]], place[row["y"]]
            saturated[a, b] = saturated[b, a] = True
    return saturated


def _write_values(axes: "Axes", bits: np.ndarray, saturated: np.ndarray) -> None:
    dark = 0.4 * np.nanmax(bits)
    for row, column in zip(*np.nonzero(~np.isnan(bits)), strict=True):
        value = float(bits[row, column])
        colour = "white" if value > dark else "black"
        at_least = "≥" if saturated[row, column] else ""
        written = f"{at_least}{round(value, 2) + 0.0:.2f}"  # no minus before 0
        axes.text(column, row, written, ha="center", va="center", fontsize=7, color=colour)
