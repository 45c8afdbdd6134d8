"""Sphinx configuration."""

import re
import sys
from pathlib import Path

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
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "mathml",
    "sphinx_gallery.gen_gallery",
    "sphinxcontrib.bibtex",
]
exclude_patterns = ["_build", "gallery/*.ipynb", "gallery/*.py", "gallery/*.zip", "gallery/*.json"]
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
myst_url_schemes = {
    "http": None,
    "https": None,
    "mailto": None,
    "test": "https://github.com/infomax-developers/infomax/blob/main/tests/{{path}}#:~:text={{fragment}}",
}  # [a test](test:information/test_measures.py#test_xor_and_copies); tests/test_story.py looks for each
bibtex_bibfiles = ["story/references.bib"]
default_role = "code"

autosummary_generate = True
autodoc_typehints = "none"
autodoc_default_options = {
    "members": True,
    "exclude-members": "set_fit_request, set_transform_request, set_score_request",  # scikit-learn's own
}
napoleon_use_rtype = False
napoleon_use_ivar = True  # fields of a NamedTuple are members already, and would be described twice
suppress_warnings = ["config.cache", "myst.xref_missing"]

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "within_subsection_order": FileNameSortKey,
    "download_all_examples": False,
    "show_memory": False,
    "min_reported_time": 10_000,
    "abort_on_example_error": True,
}

html_theme = "pydata_sphinx_theme"
html_title = "infomax"
html_static_path = ["_static/site"]
html_css_files = ["site.css"]
html_theme_options = {
    "show_toc_level": 2,
    "show_prev_next": True,
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 8,
}
html_sidebars = {"getting-started": []}  # a page without sections beside it


def escape_mathematics(app, what, name, obj, options, lines):
    """In docstrings ``|X|`` and ``global_`` are mathematics and names, not substitutions and links."""
    for number, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "..")):
            lines[number] = re.sub(r"(?<=\w)_(?!\w)", r"\\_", line.replace("|", r"\|"))


def setup(app):
    app.connect("autodoc-process-docstring", escape_mathematics, priority=900)
