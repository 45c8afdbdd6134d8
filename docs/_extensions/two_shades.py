"""Save each figure of the gallery twice, for light and for dark pages; the theme shows the one that fits."""

from pathlib import Path

import matplotlib.pyplot as plt

from infomax.pages.figures import dark_form, save_for_light_and_dark

DPI = 100
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
        save_for_light_and_dark(figure, path, dpi=DPI)
        for shade, target in {"light": path, "dark": dark_form(path)}.items():
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
