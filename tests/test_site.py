"""The site: formulas are MathML, sliders compute what the library computes, pages ask no network."""

import importlib.util
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]


def load(path):
    """A module of the documentation, which is no package."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def mathml():
    pytest.importorskip("latex2mathml")
    return load("docs/_extensions/mathml.py").mathml


def formulas():
    for page in sorted((ROOT / "docs").rglob("*.md")):
        text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
        yield from re.findall(r"\$\$(.+?)\$\$", text, re.DOTALL)
        yield from re.findall(r"(?<![\\$])\$([^$\n]+)\$", re.sub(r"\$\$.+?\$\$", "", text, flags=re.DOTALL))


def test_every_formula_of_the_pages_is_known(mathml):
    found = list(formulas())
    assert len(found) > 200
    for latex in found:
        tree = ElementTree.fromstring(mathml(latex))
        assert len(list(tree.iter())) > 1 and "\\" not in "".join(tree.itertext()), latex


def test_functions_stand_apart_and_brackets_close_up(mathml):
    thin = '<mspace width="0.1667em" />'
    assert f"<mi>ln</mi>{thin}<mi>p</mi>" in mathml(r"\ln p") and thin not in mathml(r"\ln(p)")
    assert f"</msub>{thin}<mi>x</mi>" in mathml(r"\log_2 x")
    assert f"<mi>y</mi>{thin}<mi>ln</mi>" in mathml(r"y \ln x") and thin not in mathml(r"x + y")


def test_letters_and_signs(mathml):
    assert "𝔼" in mathml(r"\mathbb E") and "ℝ" in mathml(r"\mathbb R")
    assert "<mo>;</mo>" in mathml("I(X;Y)") and 'lspace="0"' in mathml("H(X|Y)")
    assert '<mo form="prefix">−</mo>' in mathml("x = -y") and "form" not in mathml("x - y")


def test_an_unknown_command_is_refused(mathml):
    with pytest.raises(ValueError, match=r"mathml: .*unknown to latex2mathml; use another command"):
        mathml(r"\unheard{x}")
