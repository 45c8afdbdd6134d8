"""The core works without torch and the other extras, and says in one line how to install what is missing."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infomax.errors import EXTRAS

ROOT = Path(__file__).parents[1]
CORE_BRINGS = {"PIL"}  # matplotlib needs it
ABSENT = sorted(EXTRAS.keys() - CORE_BRINGS)

HIDE = f"""
import sys
class Without:
    '''A finder of modules that finds none of the extras.'''
    def __init__(self, finder): self.finder = finder
    def find_spec(self, name, *rest):
        return None if name.partition(".")[0] in {ABSENT} else self.finder.find_spec(name, *rest)
    def __getattr__(self, name): return getattr(self.finder, name)
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
"""

USE = """
import contextlib, io, json, sys
from pathlib import Path
from importlib.util import find_spec

import numpy as np

import infomax
from infomax.cli import main

def run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    return code, out.getvalue(), err.getvalue()

def refusal(name):
    try:
        getattr(infomax, name)
    except ValueError as error:
        return str(error)

rng = np.random.default_rng(0)
x, noise = rng.standard_normal((2, 200))
labels = rng.integers(2, size=200)
rows = [f"{label},{label + value:.6f}" for label, value in zip(labels, x)]
Path("table.csv").write_text("\\n".join(["label,weight", *rows]))
print(json.dumps({
    "absent": [name for name in ABSENT if find_spec(name) is None],
    "entropy": float(infomax.entropy([0.5, 0.25, 0.125, 0.125], base=2)),
    "capacity": float(infomax.Channel.binary_symmetric(0.11).capacity().lower),
    "miller-madow": infomax.MillerMadow().estimate(labels, 1 - labels).value,
    "ksg": infomax.KSG().estimate(x, x + noise).value,
    "one call": infomax.estimate(*rng.standard_normal((2, 400, 2))).explain(),
    "p_value": infomax.permutation_test(x, x + noise, infomax.KSG(), num_permutations=19).p_value,
    "pairs": len(infomax.pairwise({"x": x, "y": x + noise, "label": labels}).to_frame()),
    "measure": run("measure", "table.csv", "--target", "label", "--plot", "ranking.png"),
    "principle": run("principle", "two-terms", "--out", "principle"),
    "recipes": run("recipes")[0],
    "pretrain": run("pretrain", "amdim-digits", "--out", "run"),
    "neural": refusal("Neural"),
    "bounds": refusal("infonce"),
}))
"""


def used(python, folder, prefix=""):
    """Run the core in a Python of its own, and return what it gave."""
    code = f"{prefix}\nABSENT = {ABSENT}\n{USE}"
    result = subprocess.run([python, "-c", code], capture_output=True, text=True, cwd=folder)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def assert_core_works(found, folder):
    assert found["absent"] == ABSENT
    assert found["entropy"] == 1.75
    assert found["capacity"] == pytest.approx(0.3466, abs=1e-3)
    assert found["miller-madow"] == pytest.approx(0.6931, abs=0.01)
    assert found["ksg"] == pytest.approx(0.3466, abs=0.15) and found["p_value"] == 0.05
    assert found["pairs"] == 3 and found["recipes"] == 0
    code, out, err = found["measure"]
    assert (code, json.loads(out)["rows"][0]["column"]) == (0, "weight"), err
    assert (folder / "ranking.png").exists()
    assert found["principle"][0] == 0, found["principle"][2]
    assert (folder / "principle" / "principle.html").exists()


def assert_names_what_to_install(found):
    command = "which is not installed; pip install 'infomax[learning]'"
    code, out, err = found["pretrain"]
    assert (code, out) == (2, "")
    assert (
        err.startswith("infomax: pretrain: needs ") and err.endswith(f"{command}\n") and err.count("\n") == 1
    )
    assert found["neural"] == f"infomax.Neural: needs torch, {command}"
    assert found["bounds"] == f"infomax.infonce: needs torch, {command}"
    assert re.search(rf"not checked: .*needs torch, {re.escape(command)}", found["one call"])


def test_the_core_without_the_extras(tmp_path):
    found = used(sys.executable, tmp_path, HIDE)
    assert_core_works(found, tmp_path)
    assert_names_what_to_install(found)


@pytest.mark.slow
def test_a_core_install_brings_no_torch(tmp_path):
    """The same, in a new environment with what `pip install infomax` brings."""
    source, venv = tmp_path / "source", tmp_path / "venv"
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "constraints.txt"):
        shutil.copy(ROOT / name, source)
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    python = venv / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "-c", source / "constraints.txt", source]
    result = subprocess.run(install, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    found = used(python, tmp_path)
    assert_core_works(found, tmp_path)
    assert_names_what_to_install(found)
