"""Write the tables of README.md and docs/ from the recorded results.

    python benchmarks/docs_tables.py            # after new results were recorded
    python benchmarks/docs_tables.py --check    # exit 1 and name the pages whose tables differ

A table stands between two comments, which readers do not see. The first holds its Jinja template, in which
every JSON or CSV file of benchmarks/results has a variable of its name:

    <!-- table from results:
    | probe | accuracy |
    |---|---|
    {% for row in digits.results.Accuracy %}
    | {{ row.probe }} | {{ row.mean | short }} ± {{ row.std | short }} |
    {% endfor %}
    -->
    …
    <!-- end of table -->

Filters: ``short(digits=3)`` writes a number as .727, ``fixed(digits)`` as 0.727, ``signed(digits)`` as
+0.727; ``value`` leaves the error out of "0.72 ± 0.01"; ``with_error`` is the mean ± standard error of a
list, ``cost(whole)`` that of whole − list; ``one(**values)`` takes the only row that has these values;
``significant(digits)`` writes 18,220 or 0.44; ``rate(batch)`` is the images a second from the first to the
last row of a training's metrics.

A table that is arithmetic and cannot be computed from results stands after a comment
``<!-- arithmetic: … -->``, which says where its numbers come from.
"""

import argparse
import csv
import json
import math
import re
from pathlib import Path
from statistics import mean, stdev

from jinja2 import Environment, StrictUndefined

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
TABLE = re.compile(
    r"(?P<head><!-- table from results:\n(?P<template>.*?)-->\n)(?P<table>.*?)(?P<end><!-- end of table -->)",
    re.DOTALL,
)
DECIMAL = re.compile(r"(?<![\w.])\d*\.\d+")


def fixed(number, digits=3):
    """A number with so many decimals, with a true minus sign."""
    return f"{number:.{digits}f}".replace("-", "−")


def short(number, digits=3):
    """A number between −1 and 1 without the zero before the point."""
    return fixed(number, digits).replace("0.", ".", 1) if abs(number) < 1 else fixed(number, digits)


def signed(number, digits=3):
    return f"{number:+.{digits}f}".replace("-", "−")


def value(text):
    """The first number of "0.72 ± 0.01"."""
    number = text.partition(" ± ")[0].replace("-", "−")
    return number.replace("0.", ".", 1) if number.lstrip("−").startswith("0.") else number


def with_error(numbers, digits=3, write=short):
    """Mean ± standard error, of two numbers or more."""
    return f"{write(mean(numbers), digits)} ± {short(stdev(numbers) / len(numbers) ** 0.5, digits)}"


def cost(numbers, whole):
    """How much lower these numbers are than those of the whole, seed by seed; empty for the whole."""
    lower = [other - number for number, other in zip(numbers, whole, strict=True)]
    return with_error(lower, write=signed) if any(lower) else ""


def significant(number, digits=3):
    """A number rounded to so many digits, with commas between thousands."""
    rounded = float(f"{number:.{digits}g}")
    decimals = max(digits - 1 - math.floor(math.log10(abs(rounded))), 0) if rounded else 0
    return f"{rounded:,.{decimals}f}".replace("-", "−")


def rate(rows, batch):
    """Images a second from the first to the last row of metrics, all that a training does included."""
    first, last = rows[0], rows[-1]
    seconds = float(last["seconds"]) - float(first["seconds"])
    return (int(last["step"]) - int(first["step"])) * batch / seconds


def one(rows, **values):
    """The only row that has these values."""
    found = [row for row in rows if all(row.get(key) == value for key, value in values.items())]
    if len(found) != 1:
        raise ValueError(f"expected one row with {values}, found {len(found)}")
    return found[0]


FILTERS = (fixed, short, signed, significant, value, with_error, cost, rate, one)


def environment():
    made = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
    made.filters.update({f.__name__: f for f in FILTERS})
    return made


def results():
    """What was recorded, by file name; of a CSV file the rows, as text."""
    folder = ROOT / "benchmarks" / "results"
    found = {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))}
    tables = {file.stem: list(csv.DictReader(file.open())) for file in sorted(folder.glob("*.csv"))}
    return found | tables


def by_hand(page):
    """The first lines of tables with two decimal numbers or more that are not made here, nor arithmetic."""
    rest = TABLE.sub("", page)
    tables = re.findall(r"(<!-- arithmetic:[^>]*-->\n\n?)?^(\|.*\n)((?:\|.*(?:\n|\Z))+)", rest, re.MULTILINE)
    return [head.strip() for noted, head, body in tables if not noted and len(DECIMAL.findall(body)) > 1]


def written(page, recorded):
    """The text of a page with all its tables made anew."""

    def table(found):
        made = environment().from_string(found["template"]).render(recorded).strip()
        return f"{found['head']}\n{made}\n\n{found['end']}"

    return TABLE.sub(table, page)


def differing():
    """The pages whose tables are not those of the results, with the text that they should have."""
    recorded = results()
    texts = {page: (page.read_text(), written(page.read_text(), recorded)) for page in PAGES}
    return {page: new for page, (old, new) in texts.items() if old != new}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a table differs")
    check = parser.parse_args().check
    pages = differing()
    for page, text in pages.items():
        print(f"{page.relative_to(ROOT)}: {'differs from the results' if check else 'written'}")
        if not check:
            page.write_text(text)
    raise SystemExit(1 if check and pages else 0)


if __name__ == "__main__":
    main()
