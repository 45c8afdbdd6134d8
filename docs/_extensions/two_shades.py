"""Save each figure of the gallery twice, for light and for dark pages; the theme shows the one that fits."""

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib import colors
from matplotlib.collections import Collection
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

DPI = 100
DARK_PAGE = "#14181e"
MAX_DARK = 0.6  # greys below it are ink
IMAGE = """
.. image-sg:: {path}
   :alt: {alt}
   :srcset: {path}
   :class: sphx-glr-single-img only-{shade}

"""


def scrape_in_two_shades(block, block_vars, gallery_conf):
    """Return the lines that show the open figures, after saving them in both shades."""
    shown = []
    for number in plt.get_fignums():
        figure = plt.figure(number)
        path, alt = Path(next(block_vars["image_path_iterator"])), description(figure)
        for shade in ("light", "dark"):
            target = path if shade == "light" else path.with_name(f"{path.stem}_dark.png")
            if shade == "dark":
                ink_to_chalk(figure)
            figure.savefig(target, dpi=DPI, transparent=shade == "dark")
            place = target.relative_to(gallery_conf["src_dir"]).as_posix()
            shown.append(IMAGE.format(path=f"/{place}", alt=alt, shade=shade))
    plt.close("all")
    return "".join(shown)


def description(figure):
    """Return the titles and labels of a figure, for those who do not see it."""
    title = figure.get_suptitle()
    parts = [
        part
        for axes in figure.axes
        for part in (axes.get_title(), axes.get_xlabel(), axes.get_ylabel())
        if part
    ]
    words = dict.fromkeys([title, *parts] if title else parts)
    return " ".join(", ".join(words).replace("$", "").split()) or "figure"


def chalk(color):
    """Return the light grey for a dark grey, and any other colour as it is."""
    red, green, blue, alpha = colors.to_rgba(color)
    is_ink = max(red, green, blue) - min(red, green, blue) < 0.02 and red < MAX_DARK
    return (0.9 - red / 2,) * 3 + (alpha,) if is_ink else (red, green, blue, alpha)


def ink_to_chalk(figure):
    """Make what is black on white light on dark; pictures, and words on them, stay as they are."""
    for artist in figure.findobj():
        match artist:
            case Text() if not is_on_picture(artist):
                artist.set_color(chalk(artist.get_color()))
            case Line2D():
                artist.set_color(chalk(artist.get_color()))
                artist.set_markerfacecolor(chalk(artist.get_markerfacecolor()))
                artist.set_markeredgecolor(chalk(artist.get_markeredgecolor()))
            case Patch():
                artist.set_edgecolor(chalk(artist.get_edgecolor()))
                artist.set_facecolor(chalk(artist.get_facecolor()))
            case Collection():
                artist.set_edgecolor([chalk(color) for color in artist.get_edgecolor()])
            case Legend():
                artist.get_frame().set_facecolor(DARK_PAGE)


def is_on_picture(text):
    """Return whether a text stands on an image or a mesh of colours."""
    axes = text.axes
    return axes is not None and text in axes.texts and bool(axes.images or axes.collections)
