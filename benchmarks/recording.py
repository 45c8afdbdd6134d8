"""What benchmarks share: the report of one run, with machine, versions and commit, as JSON and Markdown."""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
from pathlib import Path

from infomax.files import replacing

RESULTS = Path(__file__).parent / "results"
WRITTEN: set[Path] = set()
"""Files that this process wrote, and may replace."""


def arguments_of(docstring, **options):
    """--save and --overwrite, and one option more for each keyword, with its default."""
    parser = argparse.ArgumentParser(
        description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--save", action="store_true", help="write the results into benchmarks/results")
    parser.add_argument("--overwrite", action="store_true", help="replace earlier results")
    for name, default in options.items():
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=type(default), default=default, help=f"default {default}")
    return parser.parse_args()


def environment(*packages):
    """Date, commit, machine, threads, and the version of each package."""
    root = Path(__file__).parent.parent
    head = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(head, cwd=root, capture_output=True, text=True)
    return {
        "date": datetime.date.today().isoformat(),
        "commit": commit.stdout.strip(),
        "machine": f"{cpu_name()}, {os.cpu_count()} cores",
        "threads": os.environ.get("OMP_NUM_THREADS", "OMP_NUM_THREADS is not set"),
        "load when started": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        **{name: version_of(name) for name in packages},
    }


def cpu_name():
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.processor())


def version_of(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def markdown(title, environment, results):
    """A page: the environment, then a table of rows under each heading of `results`."""
    lines = [f"# {title}", "", *(f"- {key}: {value}" for key, value in environment.items())]
    for heading, rows in results.items():
        if not rows:
            lines += ["", f"## {heading}", "", "none"]
            continue
        columns = list(dict.fromkeys(key for r in rows for key in r))
        lines += ["", f"## {heading}", "", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
        lines += ["| " + " | ".join(shown(r.get(c, "")) for c in columns) + " |" for r in rows]
    return "\n".join(lines) + "\n"


def shown(value):
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def report(name, title, environment, results, arguments):
    """Print the page; with --save, write results/NAME.json and .md."""
    page = markdown(title, environment, results)
    print(page)
    if arguments.save:
        data = {"environment": environment, "results": results}
        save(f"{name}.json", json.dumps(data, indent=1, ensure_ascii=False) + "\n", arguments.overwrite)
        save(f"{name}.md", page, arguments.overwrite)


def recorded(name, *headings):
    """The tables of earlier calls, by heading; empty ones of these headings where there are none."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text())["results"] if path.exists() else {one: [] for one in headings}


def add(rows, key, values):
    """Put a row into a table, in place of one of the same key; rows are in the order of their keys."""
    others = [row for row in rows if not key.items() <= row.items()]
    rows[:] = sorted([*others, {**key, **values}], key=lambda row: [row[name] for name in key])


def save(name, text, overwrite):
    path = RESULTS / name
    if path.exists() and not overwrite and path not in WRITTEN:
        raise SystemExit(f"{path} exists; give --overwrite to replace it")
    with replacing(path) as beside:
        beside.write_text(text)
    WRITTEN.add(path)
