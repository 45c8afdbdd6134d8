"""The story in docs/story: each statement leads to a section that exists and to a test that exists."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[1]
STORY = ROOT / "docs" / "story"
PAGES = sorted(STORY.glob("*.md"))
FIGURES = sorted((STORY / "figures").glob("*.svg"))
TABLE = (STORY / "statements.md").read_text()
ROWS = [line for line in TABLE.splitlines() if line.startswith("| ")]
STATEMENTS = [row for row in ROWS if "](test:" in row]


def slug(heading):
    """The anchor of a heading, as MyST makes it: letters, digits and hyphens."""
    return re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")


def anchors(page):
    return {slug(heading) for heading in re.findall(r"^#{1,3} (.*)$", page.read_text(), re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text()
    for path, name in re.findall(r"\]\(test:([\w./]+)#(\w+)\)", text):
        assert re.search(rf"^def {name}\(", (ROOT / "tests" / path).read_text(), re.MULTILINE), name
    for path, anchor in re.findall(r"\]\(((?:\.\./)?[\w-]+\.md)(?:#([\w-]+))?\)", text):
        assert not anchor or anchor in anchors(STORY / path), f"{path}#{anchor}"
        assert (STORY / path).is_file()


def test_every_statement_has_a_verdict_a_section_and_a_test():
    assert len(STATEMENTS) == len([row for row in ROWS if not row.startswith("| the article says")]) > 70
    for row in STATEMENTS:
        said, holds, shown, test = re.split(r"(?<!\\) \| ", row.strip("| "))
        assert said and holds and re.search(r"\]\([\w-]+\.md#[\w-]+\)", shown) and "](test:" in test, row


def test_statements_are_counted():
    number, half = re.search(r"There are (\d+) statements; (\d+) of them hold only half", TABLE).groups()
    assert len(STATEMENTS) == int(number) and sum("| half: " in row for row in STATEMENTS) == int(half)


def test_every_section_with_a_quotation_is_in_the_table():
    """Sections are the headings; a quotation begins a line with ">"."""
    linked = set(re.findall(r"\(([\w-]+\.md#[\w-]+)\)", "\n".join(STATEMENTS)))
    for page in PAGES:
        for section in re.split(r"^(?=#{1,3} )", page.read_text(), flags=re.MULTILINE)[1:]:
            heading, _, body = section.lstrip("#").partition("\n")
            if re.search(r"^> ", body, re.MULTILINE) and not section.startswith("# "):
                assert f"{page.name}#{slug(heading)}" in linked, heading


def test_references():
    text = (STORY / "references.bib").read_text()
    entries = dict(re.findall(r"^@\w+\{(\w+),\n(.*?)^\}", text, re.MULTILINE | re.DOTALL))
    numbers = re.findall(r"Number (\d+) of the article", text)
    assert numbers == [str(number) for number in range(1, 12)]
    for key, fields in entries.items():
        assert re.search(r"^  (doi|eprint|url|pages) = ", fields, re.MULTILINE), key
        assert re.search(r"^  keywords = \{(article|since)\}", fields, re.MULTILINE), key
    pages = "\n".join(page.read_text() for page in PAGES)
    cited = {key for keys in re.findall(r"\{cite:\w+\}`([^`]+)`", pages) for key in keys.split(",")}
    assert cited == entries.keys()


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_figures_are_text_in_the_colour_of_the_page(figure):
    text = figure.read_text()
    names = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(text).iter()}
    assert {"title", "desc", "text"} <= names and 'role="img"' in text
    assert set(re.findall(r'(?:fill|stroke)="([^"]+)"', text)) <= {"none", "currentColor"}
    assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]
    assert any(f":file: figures/{figure.name}" in page.read_text() for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_fits_its_column(page):
    assert not [line for line in page.read_text().splitlines() if re.match(r"(>>>|\.\.\.) .{79}", line)]
