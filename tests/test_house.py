"""The house: imports go one way and in no circle, rooms are small, importing stays light, words are kept."""

import ast
import re
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import infomax

SOURCE = Path(infomax.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
EVERYWHERE = {"errors", "files", "fitting", "hashes", "interrupts", "lazy", "memory", "pages", "progress",
              "ranges", "registry"}  # fmt: skip
STOREYS = ["information", "estimation", "principle", "learning", "evaluation", "report", "workflow", "cli",
            "__main__"]  # fmt: skip
BESIDE = {("principle", "learning"), ("learning", "principle")}
ROOMS = ["data", "views", "encoders", "distributed", "objectives", "methods", "training",
         "exporting"]  # fmt: skip
MAX_FILES = 13
KINDS = {"ViewsConfig", "SignalViewsConfig", "PairedViewsConfig", "TemporalViewsConfig", "SingleViews",
         "Dataset", "Pairs", "Stream", "AMDIMConfig", "DIMConfig", "AMDIMEncoder", "SignalEncoder",
         "TappedEncoder", "AugmentedViews", "AugmentedSignals", "AMDIM", "DIM"}  # fmt: skip


def module_of(path):
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def imported(path):
    """Modules of infomax that a file imports, wherever in it, also for type checkers."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if (found := whole if whole in MODULES else node.module) in MODULES:
                    yield found


ARROWS = {module: set(imported(path)) - {module, "infomax"} for module, path in MODULES.items()}


def storey(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else None


def test_imports_go_one_way():
    seen = set()
    for module, targets in ARROWS.items():
        part = storey(module)
        if part is None or part in EVERYWHERE:
            assert all(storey(target) in (None, *EVERYWHERE) for target in targets), module
            continue
        assert part in STOREYS, f"{module} stands in no storey"
        for other in {storey(target) for target in targets} - EVERYWHERE - {None}:
            assert STOREYS.index(other) <= STOREYS.index(part), f"{module} imports from {other}, above it"
            assert (other, part) not in BESIDE, f"{module} imports from {other}, beside it"
            seen.add((other, part))
    assert {("estimation", "learning"), ("learning", "evaluation")} <= seen


def test_rooms_of_learning_stand_in_order():
    for module, targets in ARROWS.items():
        parts = module.split(".")
        if parts[1:2] != ["learning"] or len(parts) < 3:
            continue
        for target in targets:
            other = target.split(".")
            if other[1] == "learning" and len(other) > 2:
                assert ROOMS.index(other[2]) <= ROOMS.index(parts[2]), f"{module} imports {target}"


def test_probes_know_no_encoder():
    probes = [module for module in ARROWS if module.startswith("infomax.evaluation.probes")]
    assert len(probes) > 5
    assert not [(module, t) for module in probes for t in ARROWS[module] if t.startswith("infomax.learning")]


def test_there_is_no_circle():
    """Not even of imports inside functions or for type checkers; packages' own tables of names aside."""
    arrows = {m: {t for t in ts if MODULES[t].stem != "__init__"} for m, ts in ARROWS.items()}
    done, path = set(), []

    def visit(module):
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module in done:
            return
        path.append(module)
        for target in sorted(arrows[module]):
            visit(target)
        done.add(path.pop())

    for module in arrows:
        visit(module)


def test_no_folder_needs_scrolling():
    counts = Counter(path.parent for path in FILES if path.stem not in ("__init__", "__main__"))
    assert not {str(folder): num for folder, num in counts.items() if num > MAX_FILES}


def test_kinds_are_asked_not_tested():
    """No isinstance over kinds of views, datasets, methods or encoders outside of their own rooms."""
    found = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("isinstance", "issubclass"):
                names = {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)}
                found += [f"{module_of(path)}: {name}" for name in names & KINDS]
    assert not [one for one in found if not re.match(r"infomax\.learning\.(views|data|encoders)\.", one)]


def functions():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node


def num_lines(node):
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def test_functions_are_short():
    lengths = sorted(num_lines(node) for _, node in functions())
    assert statistics.median(lengths) <= 5 and lengths[len(lengths) * 9 // 10] <= 15


def docstrings():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
            if isinstance(node, kinds) and (text := ast.get_docstring(node)):
                yield path, getattr(node, "name", "module"), text


def test_docstrings_say_what_is_done():
    """None begins as half a sentence, and sections have the names that the documentation reads."""
    sections = {"Args", "Attributes", "Example", "Examples", "Raises", "Returns", "Yields", "Reference",
                "References", "Warns"}  # fmt: skip
    halves = [(str(path), name) for path, name, text in docstrings() if re.match(r"(Of|That|Whether|What|Such|So) ", text)]  # fmt: skip # noqa: E501
    odd = [
        (str(path), name, line)
        for path, name, text in docstrings()
        for line in re.findall(r"^([A-Z]\w+):$", text, re.MULTILINE)
        if line not in sections
    ]
    assert not halves and not odd


def test_importing_is_light():
    code = (
        "import sys, infomax, infomax.cli, infomax.information, infomax.learning.training.recipes; "
        "heavy = {'torch', 'lightning', 'scipy', 'sklearn', 'kornia', 'datasets', 'jsonargparse'} & "
        "sys.modules.keys(); sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("package", ["", ".information", ".estimation", ".principle", ".learning", ".evaluation", ".report"])  # fmt: skip # noqa: E501
def test_every_public_name_exists(package):
    module = __import__(f"infomax{package}", fromlist=["*"])
    assert len(module.__all__) > 0
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert set(module.__all__) <= set(dir(module))


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="entrpoy"):
        getattr(infomax, "entrpoy")  # noqa: B009
