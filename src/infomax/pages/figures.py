"""The look of figures: colours that can be told apart, faint lines in place of a frame, light and dark."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infomax.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#3a7ebf", "#d17a22", "#2f9e77", "#a05fb5", "#c2504e", "#7f8c3b")
"""The colours of curves and bars, in this order; legible on white and on black."""

PALE = "#b9c6d3"
"""The colour of a value that is in doubt."""

INK, SOFT = "#22262b", "#666d75"
"""The colours of titles, and of labels, reference lines and controls. Those of pages are in base.css."""


_DARK_PAGE = "#14181e"
_MAX_INK, _MAX_HUE = 0.6, 0.06
"""Greys below this value are ink; colours whose parts differ by less than this are greys."""

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


def dark_form(path: Path) -> Path:
    """Return the path of the form of a picture that is for dark pages: ``NAME_dark.png``."""
    return path.with_name(f"{path.stem}_dark{path.suffix}")


def save_for_light_and_dark(figure: "Figure", path: Path, *, dpi: int) -> None:
    """Write a figure as PNG on white, and its `dark_form`, which is transparent and has light ink.

    The figure itself has light ink afterwards.
    """
    with replacing(path) as light:
        figure.savefig(light, dpi=dpi, facecolor="white", format="png")
    make_ink_light(figure)
    with replacing(dark_form(path)) as dark:
        figure.savefig(dark, dpi=dpi, transparent=True, format="png")


def make_ink_light(figure: "Figure") -> None:
    """Make dark greys of a figure light; colours, images and the words on images stay as they are."""
    from matplotlib.collections import Collection
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.text import Text

    for artist in figure.findobj():
        match artist:
            case Text() if not _is_on_picture(artist):
                artist.set_color(_light(artist.get_color()))
            case Line2D():
                artist.set_color(_light(artist.get_color()))
                artist.set_markerfacecolor(_light(artist.get_markerfacecolor()))
                artist.set_markeredgecolor(_light(artist.get_markeredgecolor()))
            case Patch():
                artist.set_edgecolor(_light(artist.get_edgecolor()))
                artist.set_facecolor(_light(artist.get_facecolor()))
            case Collection():
                artist.set_edgecolor([_light(one) for one in artist.get_edgecolor()])
            case Legend():
                artist.get_frame().set_facecolor(_DARK_PAGE)
            case _:
                pass


def _light(colour: Any) -> Any:
    """Return the light grey for a dark grey, and any other colour as it is."""
    from matplotlib.colors import to_rgba

    red, green, blue, alpha = to_rgba(colour)
    is_ink = max(red, green, blue) - min(red, green, blue) < _MAX_HUE and red < _MAX_INK
    return (0.9 - red / 2,) * 3 + (alpha,) if is_ink else (red, green, blue, alpha)


def _is_on_picture(text: Any) -> bool:
    axes = text.axes
    return axes is not None and text in axes.texts and bool(axes.images or axes.collections)


def shortened(name: str, most: int) -> str:
    """Return a name of at most so many characters: of a longer one the end, which tells files apart.

    Example:
        >>> shortened("2024/05/trip/IMG_0056.jpg", 14), shortened("IMG_0056.jpg", 14)
        ('…/IMG_0056.jpg', 'IMG_0056.jpg')
    """
    return name if len(name) <= most else f"…{name[1 - most :]}"


def remove_frame(axes: "Axes", ink: str = INK) -> None:
    """Leave a faint line at the bottom and faint lines for values, all of one colour, and no other frame."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set(color=ink, alpha=0.35)
    axes.grid(axis="y", color=ink, alpha=0.12, linewidth=0.8)
