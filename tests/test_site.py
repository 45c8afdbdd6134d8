"""The site: formulas are MathML, sliders compute what the library computes, pages ask no network."""

import importlib.util
import json
import re
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


@pytest.mark.parametrize("figure", SLIDERS)
def test_sliders_compute_what_the_library_computes(node, figure):
    function, exact = SLIDERS[figure]
    script = ROOT / "docs/_static/site/information.js"
    grid = np.linspace(0, 1, 41).tolist()
    code = (
        f"const m = require({json.dumps(str(script))}); console.log(JSON.stringify({grid}.map(m.{function})))"
    )
    told = subprocess.run([node, "-e", code], capture_output=True, text=True, check=True)
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


def in_node(node, script, expression):
    """The value of an expression in which `m` is a script of the site."""
    path = json.dumps(str(ROOT / "docs/_static/site" / script))
    code = f"const m = require({path}); console.log(JSON.stringify({expression}))"
    return json.loads(subprocess.run([node, "-e", code], capture_output=True, text=True, check=True).stdout)


def test_calculators_compute_hours_money_and_bytes(node):
    """By the formulas of the page; the start of the images is a row of its table: 15.2 hours of one GPU."""
    starts = in_node(node, "scale.js", "m.STARTS")
    assert starts.keys() == {"images", "rows"}
    for one in (*starts.values(), {**starts["images"], "passes": 50, "workers": 64, "efficiency": 0.7}):
        found = in_node(node, "scale.js", f"m.cost({json.dumps(one)})")
        hours = one["number"] * one["passes"] / (one["rate"] * one["workers"] * one["efficiency"]) / 3600
        assert found["hours"] == pytest.approx(hours)
        assert found["money"] == pytest.approx(hours * one["workers"] * one["price"])
        assert found["terabytes"] == pytest.approx(one["number"] * one["bytes"] / 1e12)
    alone = {**starts["images"], "workers": 1}
    assert in_node(node, "scale.js", f"m.told({json.dumps(alone)})") == "15.2 hours, 38.1 dollars, 3.07 TB"
    for wrong in ({"rate": 0}, {"number": None}, {"workers": -1}):
        given = json.dumps({**alone, **wrong}).replace("null", "NaN")
        assert in_node(node, "scale.js", f"m.told({given})") == "Expected numbers above 0"


@pytest.fixture(scope="module")
def site_check():
    return load("docs/site_check.py")


BUILT = ROOT / "docs" / "_build" / "html"
PAGE = (
    '<!doctype html><html lang="en" data-theme="light"><head><title>A page</title></head>'
    '<body style="margin: 0">{body}</body></html>'
)


def test_loads_from_elsewhere_are_found(site_check, tmp_path):
    loads = (
        '<script src="https://cdn.example/a.js"></script><link rel="stylesheet" href="//cdn.example/b.css">'
        '<img src="http://example/c.png"><p style="background: url(https://example/d.png)">'
        "<style>@import 'https://example/e.css';</style>"
    )
    links = (
        '<a href="https://example/f">a link</a><link rel="canonical" href="https://example/g">'
        '<img src="h.png">'
    )
    (tmp_path / "page.html").write_text(PAGE.format(body=loads + links))
    (tmp_path / "page.css").write_text("@font-face { src: url('https://example/i.woff2') }")
    found = site_check.requests_of_files(tmp_path)
    assert [re.search(r"([a-z])\.\w+$", line)[1] for line in found] == ["i", "a", "b", "c", "d", "e"]


@pytest.mark.skipif(not BUILT.is_dir(), reason="the site is not built; `make docs` builds it")
def test_the_built_site_loads_nothing_from_elsewhere(site_check):
    assert (BUILT / "index.html").is_file()
    assert site_check.requests_of_files(BUILT) == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("<p>A page.</p>", None),
        ('<div style="width: 700px">wide</div>', "page.html: 700 pixels wide in a window of 360"),
        ("<script>console.error('oh')</script>", "page.html: console: oh"),
        (
            "<script>fetch('https://example.org/')</script>",
            "page.html: asks the network: https://example.org/",
        ),
        ('<p style="color: #aaa">pale</p>', "page.html: light: color-contrast"),
        ('<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">', "page.html: light: image-alt"),
    ],
)
def test_faults_are_seen_in_chromium(site_check, tmp_path, body, fault):
    pytest.importorskip("axe_playwright_python")
    if (chromium := site_check.find_chromium()) is None:
        pytest.skip("Chromium is not installed")
    page = tmp_path / "page.html"
    page.write_text(PAGE.format(body=f"{body}<script></script>"))
    (tmp_path / "favicon.ico").write_bytes(b"")
    found = site_check.look_at(tmp_path, [page], chromium)
    assert found == [] if fault is None else any(line.startswith(fault) for line in found)
