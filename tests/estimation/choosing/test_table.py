"""The table of the documentation is the rule of the code."""

from pathlib import Path

from infomax.estimation.choices import ESTIMATORS
from infomax.estimation.choosing.rule import RULE

PAGE = Path(__file__).parents[3] / "docs" / "estimation.md"


def test_the_page_has_the_rule_line_by_line():
    section = PAGE.read_text().split("## One call")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    expected = ["| x and y | picked | checked by | why |"]
    for case in RULE:
        names = [f"`{ESTIMATORS[name].__name__}`" if name else "–" for name in (case.first, case.second)]
        expected.append(f"| {case.words} | {' | '.join(names)} | {case.why} |")
    assert rows == expected
