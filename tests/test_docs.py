"""What README and pages show is what happens: their Python blocks are run, the README's commands too."""

import ast
import doctest
import re
import shlex
import shutil
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from benchmarks import docs_tables
from jinja2 import meta
from PIL import Image

from infomax.cli import main
from infomax.cli.commands import COMMANDS
from infomax.cli.main import read_command
from infomax.pages.figures import dark_form

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs" / "_extensions"))
import command_help  # noqa: E402
from public_names import PACKAGES  # noqa: E402

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SMALL = "--train.steps 2 --train.batch_size 8 --method.encoder.width 4 --method.encoder.embedding_dim 16"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks(page):
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    result = doctest.testfile(str(page), module_relative=False, optionflags=flags)
    assert result.failed == 0


def commands(page):
    for block in re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL):
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            if line.lstrip().startswith("$ "):
                yield line.lstrip()[2:].split("#")[0].strip()


def test_readme_commands(tmp_path, monkeypatch, capsys):
    """Every `infomax` command of the README in order, on a few photographs, training cut short."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INFOMAX_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for name in ("photos/cats", "photos/dogs"):
        Path(name).mkdir(parents=True)
        for number in range(12):
            Image.fromarray(rng.integers(0, 256, (70, 90, 3), np.uint8)).save(f"{name}/{number}.jpg")
    shutil.copy("photos/cats/3.jpg", "photo.jpg")
    shutil.copytree("photos/cats", "plates")
    treated = [f"{number}.jpg,{'ab'[number % 2]}" for number in range(12)]
    Path("plates.csv").write_text("\n".join(["file,treatment", *treated]))
    rows = [f"{'ab'[number % 2]},{number % 2 + rng.random():.6f}" for number in range(60)]
    Path("table.csv").write_text("\n".join(["label,weight", *rows]))
    ran = set()
    for command in commands(ROOT / "README.md"):
        program, *arguments = shlex.split(command)
        if program != "infomax":
            continue
        if arguments[0] == "pretrain":
            arguments += SMALL.split()
        if arguments[0] == "evaluate":
            arguments += ["--labels-per-class", "2"]
        if arguments[0] == "principle":
            arguments.insert(1, "two-terms")
        assert main(arguments) == 0, capsys.readouterr().err
        ran.add(arguments[0])
    named = {"recipes", "pretrain", "report", "groups", "search", "embed", "evaluate", "measure", "principle"}
    assert named <= ran


def test_make_targets_exist():
    """`make` commands of README and pages name targets of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        command.split()[1] for page in PAGES for command in commands(page) if command.startswith("make ")
    }
    assert {"demo", "test"} <= named <= targets


def test_commands_of_the_pages_are_understood():
    """Every `infomax` command of a page has options that exist; lines that end with a backslash go on."""
    seen = set()
    for page in PAGES:
        for line in commands(page):
            program, *arguments = shlex.split(line) or [""]
            if program != "infomax" or "…" in line or "--help" in arguments:
                continue
            read_command(arguments)
            seen.add(arguments[0])
    assert seen == set(COMMANDS)


def texts_of(path):
    """The texts in a module, with … for what a message fills in."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_messages_of_troubleshooting_are_those_of_the_library():
    """Each message of a table occurs in the source; … stands for anything."""
    said = "\n".join(text for path in (ROOT / "src").rglob("*.py") for text in texts_of(path))
    page = (ROOT / "docs" / "help" / "troubleshooting.md").read_text()
    messages = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    assert len(messages) > 15
    for message in messages:
        for part in re.split(r" ?… ?", message):
            assert part.strip(" ,:") in said, (message, part)


def anchors_of(page):
    """The anchors of a page's headings, as MyST makes them."""
    headings = re.findall(r"^#{1,3} (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_pages_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for path, anchor in re.findall(r"\]\((?!https?:|test:|mailto:)([^)#\s]*)(?:#([\w-]+))?\)", text):
        target = page.parent / path if path else page
        made = "gallery" in target.parts  # sphinx-gallery writes these pages
        assert made or target.exists(), path
        assert made or not anchor or anchor in anchors_of(target), f"{path}#{anchor}"


def test_recipes_named_in_the_pages_exist():
    from infomax.learning.training.recipes import RECIPES

    for page in PAGES:
        for name in re.findall(r"`?(amdim-[a-z0-9-]+)", page.read_text()):
            if name in ("amdim-", "amdim_stl10"):
                continue
            assert name in RECIPES or name == "amdim-cifar10", f"{page.name}: {name}"


def listed():
    """The names that the reference lists, in full."""
    pages = sorted((ROOT / "docs" / "reference").glob("*.md"))
    found = [re.findall(r"^ {3}~?(infomax\.[\w.]+)$", page.read_text(), re.MULTILINE) for page in pages]
    return [name for names in found for name in names]


def named(name):
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


@pytest.mark.parametrize("package", ["", *PACKAGES])
def test_the_reference_lists_every_public_name(package):
    """A page lists what a package offers: by its public name, and a table of names where it is defined."""
    module = import_module(f"infomax.{package}".rstrip("."))
    things = {id(named(name)) for name in listed()}
    missing = [name for name in module.__all__ if id(getattr(module, name)) not in things]
    assert missing in ([], ["__version__"]), f"list these on a page of docs/reference: {missing}"


def test_the_reference_lists_public_names_only_and_once():
    names = listed()
    assert len(names) == len(set(names))
    homes = {f"infomax.{package}" for package in PACKAGES} | {
        "infomax",
        "infomax.estimation.bounds",
        "infomax.errors",
    }
    offered = {id(getattr(module, name)) for module in map(import_module, homes) for name in dir(module)}
    for name in names:
        is_table = name.rpartition(".")[2].isupper() and id(named(name)) in offered
        assert name.rpartition(".")[0] in homes or is_table, name


def test_the_reference_shows_the_help_of_every_command():
    page = (ROOT / "docs" / "reference" / "commands.md").read_text()
    assert sorted(re.findall(r"^```\{command-help\} (\S+)$", page, re.MULTILINE)) == sorted(COMMANDS)
    assert "usage: infomax measure" in command_help.help_of("measure")


def test_tables_are_those_of_the_recorded_results():
    """After recording new results, `python benchmarks/docs_tables.py` writes the tables anew."""
    assert [str(page) for page in docs_tables.differing()] == []


def test_a_table_of_other_numbers_is_noticed():
    head = "<!-- table from results:\n| a |\n|---|\n| {{ run.mean | short }} |\n-->\n"
    page = f"{head}\n| old |\n\n<!-- end of table -->"
    made = docs_tables.written(page, {"run": {"mean": 0.5}})
    assert made.endswith("-->\n\n| a |\n|---|\n| .500 |\n\n<!-- end of table -->")
    assert docs_tables.written(made, {"run": {"mean": 0.5}}) == made


def test_tables_of_numbers_come_from_results():
    """A table with two decimal numbers is made from results, or a comment says what it is computed from."""
    pages = [page for page in PAGES if page.name != "lab-notebook.md"]  # a log of what was seen at the time
    assert {str(page): found for page in pages if (found := docs_tables.by_hand(page.read_text()))} == {}


def test_a_table_written_by_hand_is_noticed():
    table = "| a | b |\n|---|---|\n| x | 0.1 ± .02 |\n"
    assert docs_tables.by_hand(f"Text\n\n{table}") == ["| a | b |"]
    assert docs_tables.by_hand(f"{table[:-1]}") == ["| a | b |"]
    assert docs_tables.by_hand(f"Text\n\n<!-- arithmetic: see the text -->\n\n{table}\nText") == []
    assert docs_tables.by_hand(table.replace("0.1 ± .02", "infomax.entropy, 0.1")) == []
    made = f"<!-- table from results:\n{table}-->\n\n{table}\n<!-- end of table -->"
    assert docs_tables.by_hand(made) == []
    assert docs_tables.by_hand(f"{made}\n\n{table}") == ["| a | b |"]


def broken_lines(text):
    """Rows of tables with other cells than their head, and items of lists that follow another in its line."""
    text = re.sub(r"<!--.*?-->|^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"^.*(?<=[.:;]) - [A-Z`].*$|^\d\..*\. \d\. [A-Z].*$", text, re.MULTILINE)
    for block in re.split(r"\n\s*\n", text):
        rows = block.strip().splitlines()
        if rows and rows[0].startswith("|"):
            num_bars = len(re.findall(r"(?<!\\)\|", rows[0]))
            found += [row for row in rows if len(re.findall(r"(?<!\\)\|", row)) != num_bars]
    return found


def test_no_table_or_list_is_broken():
    pages = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
    assert {str(page): found for page in pages if (found := broken_lines(page.read_text()))} == {}


def test_what_wrapping_breaks_is_noticed():
    assert broken_lines("| a | b |\n|---|---|\n| x | y |") == []
    assert (
        broken_lines("| a | b |\n|---|---|\n| x | y\nz |\n| u | v | | x | y |")[-1] == "| u | v | | x | y |"
    )
    assert broken_lines("- One. - Two") == ["- One. - Two"]
    assert broken_lines("3. Three. 4. Four") == ["3. Three. 4. Four"]
    assert broken_lines("It is 2 - 1.\n\n```\n| a | b |\n|---|\n```") == []


def test_every_drawn_picture_has_a_form_for_dark_pages():
    """Photographs (.jpg) are the same on both."""
    shown = {
        (page.parent / name).resolve()
        for page in PAGES
        for name in re.findall(r"[(\s\"]([\w./-]+\.png)\)?\s", page.read_text())
        if (page.parent / name).is_file()
    }
    assert len(shown) > 20
    assert [path for path in shown if not path.stem.endswith("_dark") and not dark_form(path).is_file()] == []


def test_every_result_is_shown_or_named_by_a_page():
    """A file of benchmarks/results fills a table, or a page names it or the page written with it."""
    pages = "\n".join(page.read_text() for page in PAGES)
    used = set(re.findall(r"results/(\w+)\.\w+", pages))
    templates = "\n".join(found["template"] for found in docs_tables.TABLE.finditer(pages))
    names = meta.find_undeclared_variables(docs_tables.environment().parse(templates))
    assert docs_tables.results().keys() - used - names == set()
