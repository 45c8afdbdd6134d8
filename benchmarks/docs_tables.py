"""Write the tables of README.md and docs/ from the recorded results.

    python benchmarks/docs_tables.py            # after new results were recorded
    python benchmarks/docs_tables.py --check    # exit 1 and name the pages whose tables differ

A table stands between two comments, which readers do not see. The first holds its Jinja template, in which
every file of benchmarks/results has a variable of its name:

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
list, ``cost(whole)`` that of whole − list; ``one(**values)`` takes the only row that has these values.
"""

import argparse
import json
import re
from pathlib import Path
from statistics import mean, stdev

from jinja2 import Environment, StrictUndefined

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
TABLE = re.compile(
    r"(?P<head><!-- table from results:\n(?P<template>.*?)-->\n)(?P<table>.*?)(?P<end><!-- end of table -->)",
    re.DOTALL,
)


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


def one(rows, **values):
    """The only row that has these values."""
    found = [row for row in rows if all(row.get(key) == value for key, value in values.items())]
    if len(found) != 1:
        raise ValueError(f"expected one row with {values}, found {len(found)}")
    return found[0]


def environment():
    made = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)
    made.filters.update(
        fixed=fixed, short=short, signed=signed, value=value, with_error=with_error, cost=cost, one=one
    )
    return made


def results():
    files = sorted((ROOT / "benchmarks" / "results").glob("*.json"))
    return {file.stem: json.loads(file.read_text()) for file in files}


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
