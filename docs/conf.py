"""Sphinx configuration."""

import os
import re
import sys
from pathlib import Path

from docutils import nodes
from sphinx_gallery.sorting import FileNameSortKey

import infomax

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "infomax"
author = "The infomax developers"
project_copyright = "2026, the infomax developers"
version = release = infomax.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "mathml",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.bibtex",
    "sphinx_design",
    "command_help",
    "dark_pictures",
    "public_names",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "gallery/**.ipynb", "gallery/**.py", "gallery/**.zip", "gallery/**.json"]
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
myst_url_schemes = {
    "http": None,
    "https": None,
    "mailto": None,
    "test": "https://github.com/infomax-developers/infomax/blob/main/tests/{{path}}#:~:text={{fragment}}",
}  # [a test](test:information/test_measures.py#test_xor_and_copies); tests/test_story.py looks for each
bibtex_bibfiles = ["story/references.bib"]
default_role = "name"  # of public_names: a link where the reference has the name

autosummary_generate = True
autodoc_typehints = "signature"
maximum_signature_line_length = 72
python_maximum_signature_line_length = 72
autodoc_default_options = {
    "members": True,
    "exclude-members": "set_fit_request, set_transform_request, set_score_request",  # scikit-learn's own
}
napoleon_use_rtype = False
napoleon_use_ivar = True  # fields of a NamedTuple are members already, and would be described twice
# Inventories of other projects, cut down to the names that signatures show, so that a build asks no network.
ELSEWHERE = {
    "python": "https://docs.python.org/3/",
    "numpy": "https://numpy.org/doc/stable/",
    "scipy": "https://docs.scipy.org/doc/scipy/",
    "torch": "https://docs.pytorch.org/docs/stable/",
    "sklearn": "https://scikit-learn.org/stable/",
    "polars": "https://docs.pola.rs/api/python/stable/",
    "lightning": "https://lightning.ai/docs/pytorch/stable/",
}
intersphinx_mapping = {name: (site, f"inventories/{name}.inv") for name, site in ELSEWHERE.items()}
suppress_warnings = ["config.cache", "myst.xref_missing"]

RUNGS = ("information", "estimation", "principle", "learning", "evaluation")
NUM_PROCESSES = 2  # which run the examples side by side
os.environ.setdefault("OMP_NUM_THREADS", "1")
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "subsection_order": [f"../examples/{rung}" for rung in RUNGS],
    "filename_pattern": r"\.py$",
    "within_subsection_order": FileNameSortKey,
    "download_all_examples": False,
    "image_scrapers": ("two_shades.scrape_in_two_shades",),
    "parallel": NUM_PROCESSES,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,  # its page loads scripts from elsewhere
    "min_reported_time": 10_000,
    "abort_on_example_error": True,
}

html_theme = "pydata_sphinx_theme"
html_title = "infomax"
html_static_path = ["_static/site"]
html_css_files = ["site.css"]
html_js_files = ["information.js", "scale.js"]
html_favicon = "_static/site/icon.svg"
html_context = {"default_mode": "auto"}  # light or dark as the reader prefers
html_theme_options = {
    "show_toc_level": 2,
    "show_prev_next": True,
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 8,
    "collapse_navigation": True,
}
html_sidebars = {"getting-started": []}  # a page without sections beside it


COLON = "\ue000"


def keep_colons(app, what, name, obj, options, lines):
    """Hide the colons of an attribute's first line from napoleon, which takes text before one for a type."""
    if what in ("data", "attribute") and lines:
        lines[0] = lines[0].replace(":", COLON)


def escape_mathematics(app, what, name, obj, options, lines):
    """In docstrings ``|X|`` and ``global_`` are mathematics and names, not substitutions and links."""
    for number, line in enumerate(lines):
        lines[number] = line = line.replace(COLON, ":")
        if not line.lstrip().startswith((">>>", "..")):
            lines[number] = re.sub(r"(?<=\w)_(?!\w)", r"\\_", line.replace("|", r"\|"))


def trim_code(app, doctree):
    """Take off the empty line at the end of a block of code, which doctest needs and a reader does not."""
    for block in doctree.findall(nodes.literal_block):
        if block.rawsource == block.astext():
            block.rawsource = block.rawsource.rstrip("\n")
            block[:] = [nodes.Text(block.rawsource)]


def setup(app):
    app.connect("autodoc-process-docstring", keep_colons, priority=400)
    app.connect("autodoc-process-docstring", escape_mathematics, priority=900)
    app.connect("doctree-read", trim_code)
