"""Every package that is imported is declared, where it is needed: in the core, or in an extra."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import infomax
from infomax.errors import EXTRAS

ROOT = Path(__file__).parents[1]
SOURCE = Path(infomax.__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ROOMS_OF_THE_CORE = {"cli", "estimation", "information", "pages", "principle"}
FILES_OF_THE_CORE = {"__init__", "__main__", "errors", "files", "hashes", "interrupts", "lazy", "registry"}
LEARNED = ("dime", "entropies", "extrapolated", "flow", "telescoping", "training")
HEAVY = {f"estimation/{name}.py" for name in ("bounds", "critics", "neural", "latent")}
HEAVY |= {f"estimation/learned/{name}.py" for name in LEARNED}
BROUGHT = {"triton": "torch"}  # by a declared package, on some machines only
DISTRIBUTIONS = packages_distributions()
USED_BY_OTHERS = {"tensorboard", "wandb", "docstring-parser", "onnx", "onnxscript"}  # Lightning, help, torch
OPTIONAL = {"pandas", "torchvision"}  # what a user passes in, never imported before


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def distributions(requirements):
    """The packages that requirements name, extras of infomax itself replaced by what they hold."""
    found = set()
    for requirement in requirements:
        name, extras = re.match(r"([\w.-]+)(?:\[([\w,]+)\])?", requirement).groups()
        if name == "infomax":
            found |= {one for extra in extras.split(",") for one in declared(extra)}
        else:
            found.add(normal(name))
    return found


def declared(extra=None):
    return distributions(
        PROJECT["dependencies"] if extra is None else PROJECT["optional-dependencies"][extra]
    )


@cache
def imports(path):
    """(module, whether on the import of the file itself) of each package that a file imports."""
    tree = ast.parse(path.read_text())
    inside = {
        node
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef) or _for_type_checkers(outer)
        for node in ast.walk(outer)
    }
    found = []
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
        for name in {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"infomax"}:
            found.append((name, node not in inside))
    return found


def _for_type_checkers(node):
    return isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"


def distributions_of(module):
    """Return the distributions that may provide a module; one not installed is taken to be named as it is."""
    module = BROUGHT.get(module, module)
    return {normal(name) for name in DISTRIBUTIONS.get(module, [module])}


def is_light(path):
    relative = path.relative_to(SOURCE)
    room = relative.with_suffix("").parts[0]
    return room in ROOMS_OF_THE_CORE | FILES_OF_THE_CORE and str(relative) not in HEAVY


FILES = sorted(SOURCE.rglob("*.py"))


def test_every_import_is_declared():
    everything = declared() | declared("all")
    undeclared = {
        f"{path.relative_to(SOURCE)}: {module}"
        for path in FILES
        for module, _ in imports(path)
        if module not in OPTIONAL and not distributions_of(module) & everything
    }
    assert not undeclared


def test_every_declared_package_is_imported():
    imported = {one for path in FILES for module, _ in imports(path) for one in distributions_of(module)}
    assert not declared() - imported
    assert not declared("all") - imported - USED_BY_OTHERS


def test_core_modules_need_the_core_alone():
    """On import; what a function imports may be an extra, and `needs` or `naming_extras` says so."""
    core = declared()
    heavy = {
        f"{path.relative_to(SOURCE)}: {module}"
        for path in FILES
        if is_light(path)
        for module, at_import in imports(path)
        if at_import and not distributions_of(module) & core
    }
    assert not heavy


def test_messages_name_the_extra_that_brings_a_package():
    for module, extra in EXTRAS.items():
        assert distributions_of(module) <= declared(extra), f"{module} is not in the extra {extra}"
    extras = {module for path in FILES for module, _ in imports(path)}
    of_extras = {module for module in extras if not distributions_of(module) & declared()}
    assert of_extras - OPTIONAL - BROUGHT.keys() <= EXTRAS.keys()


def test_all_is_all():
    tools = {"all", "docs", "site", "dev", "trust", "fuzz", "bench"}
    extras = PROJECT["optional-dependencies"].keys() - tools
    assert declared("all") == {one for extra in extras for one in declared(extra)}


@pytest.mark.parametrize("extra", [None, *PROJECT["optional-dependencies"]])
def test_constraints_pin_everything_declared(extra):
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line[0] != "#"]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)  # no local versions, no addresses
    assert declared(extra) <= {normal(line.split("==")[0]) for line in lines}
