"""Tables that the commands show on stderr, beside the JSON on stdout."""

from collections.abc import Mapping, Sequence
from typing import Any


def show_accuracies(result: Mapping[str, Any]) -> None:
    """Print the accuracies of an evaluation, and what else it measured; only the first process does."""
    from rich.console import Console

    from infomax.learning.distributed.groups import rank

    console = Console(stderr=True, quiet=rank() > 0)
    console.print(
        _table(
            "Accuracy on the test images",
            ("representation", "probe", "labels", "accuracy"),
            [_accuracy_cells(row) for row in short_rows(result)],
        )
    )
    if result.get("measures"):
        console.print(
            _table(
                "What the features know",
                ("representation", "measure of Y", "value", "kind"),
                [_measure_cells(row) for row in result["measures"]],
            )
        )


def short_rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of an evaluation with what matters most in them."""
    keys = ("representation", "layer", "regime", "probe", "labels", "accuracy", "std", "num_labels")
    return [{key: row[key] for key in keys if key in row} for row in result["rows"]]


def listing(title: str, lines: Mapping[str, str]) -> str:
    """Return names and what they mean, for the end of a help text."""
    width = max(map(len, lines)) + 2
    return f"{title}:\n" + "\n".join(f"  {name:{width}}{line}" for name, line in lines.items())


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Any:
    from rich.table import Table

    table = Table(*heads, title=title)
    for row in rows:
        table.add_row(*row)
    return table


def _accuracy_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a row; beside the representation, its layer or regime where there are several."""
    name = ", ".join(str(row[key]) for key in ("representation", "layer", "regime") if row.get(key))
    spread = "" if row["std"] is None else f" ± {row['std']:.3f}"
    labels = f"{row['num_labels']:,} ({row['labels']})"
    return name, row["probe"], labels, f"{row['accuracy']:.3f}{spread}"


def _measure_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    value = f"{row['value']:.3f} ± {row['standard_error']:.3f} {row['unit']}".rstrip()
    return row["representation"], row["measure"], value, row["kind"]
