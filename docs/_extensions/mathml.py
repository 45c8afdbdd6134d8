"""Write the formulas of the pages as MathML when the pages are built: no script and no network is needed.

latex2mathml reads the LaTeX. Two things that browsers do not do with its output are done here: the names of
functions get space around them, and letters of a variant become letters of Unicode.
"""

import itertools
import re
import unicodedata
from xml.etree import ElementTree as ET

from docutils.nodes import SkipNode
from latex2mathml.converter import convert

BARS = set("|‖∣⟨⟩")
OPENING, CLOSING = "([{⟨", ")]}⟩"
THIN = {"width": "0.1667em"}


def mathml(latex, display="inline"):
    """Return the MathML of a formula."""
    root = ET.fromstring(convert(latex.replace(r"\operatorname", r"\mathrm"), display=display))
    if unknown := re.search(r"\\[A-Za-z]*", "".join(root.itertext())):
        raise ValueError(f"mathml: {unknown[0]} of {latex!r} is unknown to latex2mathml; use another command")
    for node in list(root.iter()):
        node.tag = node.tag.rpartition("}")[2]
        mend(node)
    for node in list(root.iter()):
        space_functions(node)
        space_signs(node)
    root.attrib = {"xmlns": "http://www.w3.org/1998/Math/MathML", "display": display}
    return ET.tostring(root, encoding="unicode")


def mend(node):
    """Make signs operators, letters of a variant letters of Unicode, and a named width a number."""
    text = node.text or ""
    if node.tag == "mi" and text in {";", *BARS}:
        node.tag = "mo"
    if node.tag == "mo" and text in BARS:
        node.attrib = {"stretchy": "false", **node.attrib, "lspace": "0", "rspace": "0"}
    if node.attrib.get("mathvariant") == "double-struck":
        node.text = double_struck(text)
        del node.attrib["mathvariant"]
    if node.attrib.get("width") == "negativethinmathspace":
        node.attrib["width"] = f"-{THIN['width']}"


def double_struck(letter):
    """Return 𝔼 for E; ℝ and a few more are older than the others and have other names."""
    names = (f"{form} {letter}" for form in ("DOUBLE-STRUCK CAPITAL", "MATHEMATICAL DOUBLE-STRUCK CAPITAL"))
    return next(unicodedata.lookup(name) for name in names if has_letter(name))


def has_letter(name):
    """Return whether Unicode has a letter of this name."""
    try:
        return bool(unicodedata.lookup(name))
    except KeyError:
        return False


def is_function(node):
    """Return whether a node is a name such as log, with or without an index."""
    if node.tag in ("msub", "msup", "msubsup"):
        return is_function(node[0])
    name = node.text or ""
    return node.tag == "mi" and len(name) > 1 and name.isascii()


def is_bracket(node, brackets):
    """Return whether a node is one of the brackets."""
    return node.tag == "mo" and bool(node.text) and node.text in brackets


def space_functions(node):
    """Put thin spaces between the names of functions and what stands beside them, as TeX does."""
    for before, after in list(itertools.pairwise(node)):
        starts = is_function(before) and after.tag != "mspace" and not is_bracket(after, OPENING)
        ends = is_function(after) and (before.tag not in ("mo", "mspace") or is_bracket(before, CLOSING))
        if node.tag in ("mrow", "mtd", "math") and (starts or ends):
            node.insert(list(node).index(after), ET.Element("mspace", THIN))


def space_signs(node):
    """Make a minus behind an operator or an opening bracket the sign of what comes next."""
    for before, after in itertools.pairwise(node):
        if after.tag == before.tag == "mo" and after.text in ("−", "+") and not is_bracket(before, CLOSING):
            after.attrib["form"] = "prefix"


def visit_inline(self, node):
    """Write a formula inside a line, and leave its LaTeX out."""
    self.body.append(mathml(node.astext()))
    raise SkipNode


def visit_block(self, node):
    """Write a formula on lines of its own, which scrolls by itself where the page is narrow."""
    formula = mathml(node.astext(), display="block")
    self.body.append(f'<div class="formula" role="group" aria-label="formula" tabindex="0">{formula}</div>\n')
    raise SkipNode


def setup(app):
    """Tell Sphinx of this way to write formulas."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
