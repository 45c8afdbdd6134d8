"""Show NAME_dark.png in place of NAME.png on dark pages, where both are in one folder."""

from pathlib import Path

from docutils import nodes
from sphinx_gallery.utils import scale_image

from infomax.pages.figures import dark_form

THUMBNAIL = (400, 280)  # pixels, as sphinx-gallery makes them


def make_thumbnails(app):
    """Make a dark form of each thumbnail of the gallery, from the dark form of the example's first figure."""
    for light in Path(app.srcdir, "gallery").rglob("images/thumb/*_thumb.png"):
        figure = light.parent.parent / f"{light.stem.removesuffix('_thumb')}_001_dark.png"
        if figure.is_file():
            scale_image(str(figure), str(dark_form(light)), *THUMBNAIL)


def show_both(app, doctree):
    """Put the dark form beside each picture that has one; the theme shows the one that fits."""
    source, page = Path(app.srcdir), Path(app.env.doc2path(app.env.docname)).parent
    for light in list(doctree.findall(nodes.image)):
        uri = dark_form(Path(light["uri"])).as_posix()
        path = source / uri[1:] if uri.startswith("/") else page / uri
        if light["classes"] or not path.is_file():
            continue
        dark = light.deepcopy()
        dark["uri"] = uri
        light["classes"], dark["classes"] = ["only-light"], ["only-dark"]
        light.parent.insert(light.parent.index(light) + 1, dark)


def setup(app):
    app.connect("builder-inited", make_thumbnails, priority=900)  # after sphinx-gallery
    app.connect("doctree-read", show_both, priority=400)  # before Sphinx collects the pictures
    return {"parallel_read_safe": True}
