"""The site: formulas are MathML, sliders compute what the library computes, pages ask no network."""

import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from infomax.information import Channel, entropy

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


SLIDERS = {
    "coin": ("coinEntropy", lambda p: entropy([p, 1 - p], base=2)),
    "flips": ("channelCapacity", lambda error: Channel.binary_symmetric(error).capacity(base=2).lower),
}


def node():
    """Node.js, also the one that Playwright brings."""
    if found := shutil.which("node"):
        return found
    playwright = pytest.importorskip("playwright")
    return str(Path(playwright.__file__).parent / "driver" / "node")


@pytest.mark.parametrize("figure", SLIDERS)
def test_sliders_compute_what_the_library_computes(figure):
    function, exact = SLIDERS[figure]
    script = ROOT / "docs/_static/site/information.js"
    grid = np.linspace(0, 1, 41).tolist()
    code = (
        f"const m = require({json.dumps(str(script))}); console.log(JSON.stringify({grid}.map(m.{function})))"
    )
    told = subprocess.run([node(), "-e", code], capture_output=True, text=True, check=True)
    assert json.loads(told.stdout) == pytest.approx([exact(p) for p in grid], abs=1e-9)


@pytest.mark.parametrize("figure", SLIDERS)
def test_curves_are_drawn_where_the_library_has_them(figure):
    """The curve and the dot of a figure: p between x = 60 and 360, bits between y = 190 and 30."""
    text = (ROOT / f"docs/story/figures/{figure}.svg").read_text()
    points = [point.split(",") for point in re.search(r'points="([^"]+)"', text)[1].split()]
    dot = re.search(r'cx="([\d.]+)" cy="([\d.]+)"', text).groups()
    assert len(points) > 50
    for x, y in [*points, dot]:
        p = (float(x) - 60) / 300
        assert (190 - float(y)) / 160 == pytest.approx(SLIDERS[figure][1](p), abs=1e-3)
