"""Tables that the commands show on stderr, beside the JSON on stdout."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def show_accuracies(result: Mapping[str, Any]) -> None:
    """Print the accuracies of an evaluation, and what else it measured; only the first process does."""
    heads = ("representation", "probe", "labels", "accuracy")
    _show("Accuracy on the test images", heads, map(_accuracy, short_rows(result)))
    if result.get("measures"):
        heads = ("representation", "measure of Y", "value", "kind")
        _show("What the features know", heads, map(_measure, result["measures"]))


def short_rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of an evaluation with what matters most in them."""
    keys = ("representation", "layer", "regime", "probe", "labels", "accuracy", "std", "num_labels")
    return [{key: row[key] for key in keys if key in row} for row in result["rows"]]


def listing(title: str, lines: Mapping[str, str]) -> str:
    """Return names and what they mean, for the end of a help text."""
    width = max(map(len, lines)) + 2
    return f"{title}:\n" + "\n".join(f"  {name:{width}}{line}" for name, line in lines.items())


def _show(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    from infomax.learning.distributed.groups import rank

    table = Table(*heads, title=title)
    for row in rows:
        table.add_row(*row)
    Console(stderr=True, quiet=rank() > 0).print(table)


def _accuracy(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a row; beside the representation, its layer or regime where there are several."""
    name = ", ".join(str(row[key]) for key in ("representation", "layer", "regime") if row.get(key))
    spread = "" if row["std"] is None else f" ± {row['std']:.3f}"
    labels = f"{row['num_labels']:,} ({row['labels']})"
    return name, row["probe"], labels, f"{row['accuracy']:.3f}{spread}"


def _measure(row: Mapping[str, Any]) -> tuple[str, ...]:
    value = f"{row['value']:.3f} ± {row['standard_error']:.3f} {row['unit']}".rstrip()
    return row["representation"], row["measure"], value, row["kind"]
