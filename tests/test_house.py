"""The house: imports go one way, importing infomax stays light, every public name exists."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import infomax

SOURCE = Path(infomax.__file__).parent
STOREYS = ["information", "estimation", "principle", "learning", "evaluation", "report", "cli"]
STRANGERS = {("principle", "learning")}  # stand side by side: the upper may not import the lower either
EVERYWHERE = {"files", "errors", "fitting", "registry"}


def imported_parts(path):
    """Parts of infomax that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            modules = [node.module] if node.module != "infomax" else [f"infomax.{a.name}" for a in node.names]
        yield from (m.split(".")[1] for m in modules if m.startswith("infomax."))


def test_imports_go_one_way():
    seen = set()
    for path in SOURCE.rglob("*.py"):
        part = path.relative_to(SOURCE).with_suffix("").parts[0]
        if part in ("__init__", *EVERYWHERE):
            continue
        assert part in STOREYS, f"{path} stands in no storey"
        for other in set(imported_parts(path)) - EVERYWHERE:
            assert STOREYS.index(other) <= STOREYS.index(part), f"{path} imports from {other}, above it"
            assert (other, part) not in STRANGERS, f"{path} imports from {other}, beside it"
            seen.add((other, part))
    assert ("estimation", "learning") in seen


def test_importing_is_light():
    code = (
        "import sys, infomax, infomax.cli, infomax.information; "
        "heavy = {'torch', 'lightning', 'scipy', 'sklearn', 'kornia', 'datasets'} & sys.modules.keys(); "
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_every_public_name_exists():
    for name in infomax.__all__:
        assert getattr(infomax, name) is not None
    assert set(infomax.__all__) <= set(dir(infomax))


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="entrpoy"):
        getattr(infomax, "entrpoy")  # noqa: B009
