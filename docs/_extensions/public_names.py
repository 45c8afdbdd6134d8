"""The role of `name` in docstrings: a link where a package offers the name, plain code elsewhere.

Signatures show the type of a number without its range.
"""

import re
from importlib import import_module

from docutils import nodes
from docutils.parsers.rst import roles
from sphinx import addnodes

PACKAGES = ("information", "estimation", "principle", "learning", "evaluation", "report")


def public_names():
    """Return the place in the reference of each public name, by its short and its full form."""
    places = {"pretrain": "infomax.pretrain"}
    for package in reversed(PACKAGES):
        for name in import_module(f"infomax.{package}").__all__:
            places[name] = places[f"infomax.{package}.{name}"] = f"infomax.{package}.{name}"
    return places


def role_of(places):
    def role(_name, rawtext, text, _line, inliner, _options=None, _content=()):
        code = nodes.literal(rawtext, text, classes=["xref", "py", "py-obj"])
        if text not in places:
            return [code], []
        document = inliner.document.settings.env.docname
        where = {"refdomain": "py", "reftype": "obj", "reftarget": places[text], "refdoc": document}
        return [addnodes.pending_xref(rawtext, code, refwarn=False, refexplicit=True, **where)], []

    return role


DOCUMENTED_AS = {
    "lightning.pytorch.callbacks.callback.Callback": "lightning.pytorch.callbacks.Callback",
    "numpy.random._generator.Generator": "numpy.random.Generator",
    "polars.dataframe.frame.DataFrame": "polars.DataFrame",
    "polars.lazyframe.frame.LazyFrame": "polars.LazyFrame",
    "polars.series.series.Series": "polars.Series",
    "torch.nn.modules.module.Module": "torch.nn.Module",
    "torch.optim.optimizer.Optimizer": "torch.optim.Optimizer",
}
"""The names under which other projects document what a signature calls by the file that holds it."""


def use_documented_name(_app, _env, node, _contnode):
    """Change the target of a link to the name that its project documents; others find the page."""
    target = node.get("reftarget")
    node["reftarget"] = DOCUMENTED_AS.get(target, target)


RANGE = re.compile(r"~typing\.Annotated\[(.+?), ~infomax\.ranges\.Range\(.*?\)\](?=[\], )|]|$)")


def without_ranges(_app, _what, _name, _obj, _options, signature, returned):
    """Return a signature with ``int`` in place of ``Annotated[int, Range(...)]``."""
    return (RANGE.sub(r"\1", signature), returned) if signature else None


def setup(app):
    app.connect("autodoc-process-signature", without_ranges)
    app.connect("missing-reference", use_documented_name, priority=400)  # before intersphinx
    roles.register_local_role("name", role_of(public_names()))
    return {"parallel_read_safe": True}
