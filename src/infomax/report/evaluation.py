"""Tables of what evaluations found: representations down, probes across."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from infomax.evaluation.protocols import PROTOCOLS, evaluations
from infomax.evaluation.results import is_baseline, layered
from infomax.pages.templates import flat
from infomax.report.reading import json_file, read

T = TypeVar("T")
Row = Mapping[str, Any]


def tables_by_protocol(folder: Path) -> list[dict[str, Any]]:
    """Return the tables of each protocol, in the order of the protocols.

    A file may hold another protocol than its name says, as those of earlier versions do.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, path in evaluations(folder).items():
        evaluation = read(path, json_file)
        if evaluation:
            tables = evaluation_tables({"protocol": name, **evaluation})
            found[tables["protocol"]] = tables
    order = [*PROTOCOLS, *found]
    return sorted(found.values(), key=lambda one: order.index(one["protocol"]))


def evaluation_tables(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rows of an evaluation as tables, and as headlines, one for each number of labels."""
    rows, protocol = evaluation["rows"], PROTOCOLS.get(evaluation["protocol"])
    pretraining, data = evaluation.get("pretraining") or {}, evaluation.get("data") or {}
    return {
        **{key: value for key, value in evaluation.items() if key != "rows"},
        "note": evaluation.get("note") or (protocol.note if protocol else ""),
        "tunes_on_test": bool(protocol and protocol.tunes_on_test),
        "pretraining": pretraining,
        "data": data,
        "transfer": _named(pretraining.get("source")) != _named(data.get("source")) and bool(pretraining),
        "measures": _measures(evaluation.get("measures", [])),
        "tables": [_table(some) for some in _by_labels(rows)],
        "headlines": [_headline(some) for some in _by_labels(rows)],
        "settings": [((layered(row), row["probe"], row["labels"]), _settings(row)) for row in rows],
    }


def finetuning_tables(finetuning: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rows of finetuning.json as tables, one for each number of labels."""
    rows = [
        {**row, "representation": f"{row['representation']}, {row['probe']}", "probe": "accuracy"}
        for row in finetuning["rows"]
    ]
    return {
        **finetuning,
        "tables": [_table(some) for some in _by_labels(rows)],
        "settings": [((row["representation"], row["labels"]), _settings(row)) for row in rows],
    }


def _by_labels(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows of the same number of labels together."""
    return [[row for row in rows if row["labels"] == one] for one in _unique(row["labels"] for row in rows)]


def _table(rows: Sequence[Row]) -> dict[str, Any]:
    """Accuracies, and the best of each probe."""
    probes = _unique(row["probe"] for row in rows)
    return {
        "labels": rows[0]["labels"],
        "num_labels": sorted({row["num_labels"] for row in rows}),
        "num_test": sorted({row["num_test"] for row in rows}),
        "chance": rows[0]["chance"],
        "probes": probes,
        "representations": _unique(layered(row) for row in rows),
        "cells": {(layered(row), row["probe"]): row for row in rows},
        "best": {probe: max(row["accuracy"] for row in rows if row["probe"] == probe) for probe in probes},
    }


def _measures(rows: Sequence[Row]) -> dict[str, Any]:
    """Other measures of each representation."""
    return {
        "names": _unique(row["measure"] for row in rows),
        "representations": _unique(row["representation"] for row in rows),
        "cells": {(row["representation"], row["measure"]): row for row in rows},
    }


def _headline(rows: Sequence[Row]) -> dict[str, Any]:
    """One probe, the linear if there is one: learned features beside the baselines."""
    probes = _unique(row["probe"] for row in rows)
    probe = "linear" if "linear" in probes else probes[0]
    rows = _best_layers([row for row in rows if row["probe"] == probe])
    learned = next((row for row in rows if not is_baseline(row)), None)
    others = [row for row in rows if is_baseline(row)]
    strongest = max(others, key=lambda row: row["accuracy"], default=None)
    margin = learned["accuracy"] - strongest["accuracy"] if learned and strongest else None
    return {"probe": probe, "rows": rows, "learned": learned, "strongest": strongest, "margin": margin}


def _best_layers(rows: Sequence[Row]) -> list[Row]:
    """The row of the best layer of each representation."""
    return [
        max((row for row in rows if row["representation"] == one), key=lambda row: row["accuracy"])
        for one in _unique(row["representation"] for row in rows)
    ]


def _settings(row: Row) -> dict[str, str]:
    return flat(row.get("settings", {}), setting_text)


def setting_text(value: Any) -> str:
    """Return a value of a recipe or of a probe as text."""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _named(source: Any) -> str:
    """A source by the end of its path."""
    return Path(str(source)).name


def _unique(values: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(values))
