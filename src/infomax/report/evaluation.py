"""The findings of evaluations, for the page: the verdict, and tables of representations and probes."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from infomax.evaluation.protocols import IDENTITY, PROTOCOLS, evaluations
from infomax.evaluation.results import is_baseline, layered
from infomax.evaluation.verdict import best_layers, interval, verdict
from infomax.pages.templates import flat
from infomax.report.classes import confusions, per_class
from infomax.report.reading import read, result_file

T = TypeVar("T")
Row = Mapping[str, Any]

MEASURES = {
    "r2": "R²",
    "spearman": "rank correlation",
    "average_precision": "average precision",
    "auroc": "AUROC",
}
"""Names of the measures of numbers and tags."""
EQUAL = 5e-4
"""Balanced accuracies that differ less from the accuracy are not shown beside it."""


def tables_of_evaluations(folder: Path, noun: str) -> list[dict[str, Any]]:
    """Return the tables of each evaluation, in the order of the protocols; one for each set of data.

    A file may hold another protocol than its name says, as those of earlier versions do.

    Args:
        folder: of the encoder.
        noun: one of the things that were tested on.
    """
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for name, path in evaluations(folder).items():
        tables = read(path, partial(_tables_in, name, noun))
        if tables:
            data = tables["data"].get("name") or ("" if name in PROTOCOLS else name)
            found[tables["protocol"], data, *map(tables["data"].get, IDENTITY)] = tables
    order = [*PROTOCOLS, *(protocol for protocol, *_ in found)]
    return sorted(found.values(), key=lambda one: order.index(one["protocol"]))


def _tables_in(name: str, noun: str, path: Path) -> dict[str, Any]:
    return evaluation_tables({"protocol": name, **result_file(path)}, noun)


def evaluation_tables(evaluation: Mapping[str, Any], noun: str = "image") -> dict[str, Any]:
    """Return the verdict of an evaluation, and its rows as tables, for each number of labels."""
    rows, protocol = evaluation["rows"], PROTOCOLS.get(evaluation["protocol"])
    targets = evaluation.get("targets", [])
    pretraining, data = evaluation.get("pretraining") or {}, evaluation.get("data") or {}
    tunes_on_test = bool(protocol and protocol.tunes_on_test)
    return {
        **{key: value for key, value in evaluation.items() if key != "rows"},
        "note": evaluation.get("note") or (protocol.note if protocol else ""),
        "tunes_on_test": tunes_on_test,
        "pretraining": pretraining,
        "data": data,
        "data_name": data.get("name") or (_named(data["source"]) if data.get("source") else ""),
        "transfer": bool(pretraining) and _are_others(pretraining.get("source"), data.get("source")),
        "verdict": verdict(rows, noun, targets),
        "notes": evaluation.get("notes", []),
        "targets": target_tables(targets),
        "measures": _measures(evaluation.get("measures", [])),
        "tables": [_table(some) for some in _by_labels(rows)],
        "headlines": [_headline(some) for some in _by_labels(rows)],
        "of_classes": _of_classes(rows, evaluation.get("classes") or ()),
        "settings": [((layered(row), row["probe"], row["labels"]), _settings(row)) for row in rows]
        + [((row["representation"], row["probe"], row["target"]), _settings(row)) for row in targets],
    }


def target_tables(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return what was told of numbers and tags: a table for each measure of each probe.

    Each has the targets down, their mean last, and the representations across.

    Args:
        rows: targets of an evaluation, see `Assessment`.
    """
    found = []
    for kind, probe in _unique((row["kind"], row["probe"]) for row in rows):
        some = [row for row in rows if (row["kind"], row["probe"]) == (kind, probe)]
        found += [
            {
                "kind": kind,
                "has_intervals": any(row["measures"][measure].get("interval") for row in some),
                "probe": probe,
                "measure": MEASURES.get(measure, measure),
                "representations": _unique(row["representation"] for row in some),
                "targets": _unique(row["target"] for row in some),
                "num_test": sorted({row["num_test"] for row in some}),
                "cells": {(row["target"], row["representation"]): row["measures"][measure] for row in some},
            }
            for measure in some[0]["measures"]
        ]
    return found


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
        "cells": {(layered(row), row["probe"]): _cell(row) for row in rows},
        "best": {probe: max(row["accuracy"] for row in rows if row["probe"] == probe) for probe in probes},
    }


def _cell(row: Row) -> dict[str, Any]:
    """Accuracy with its spread or its interval, and the balanced accuracy where it is another."""
    balanced = row.get("balanced_accuracy")
    other = balanced is not None and abs(balanced - row["accuracy"]) > EQUAL
    return {
        "accuracy": row["accuracy"],
        "std": row["std"],
        "interval": interval(row),
        "balanced": balanced if other else None,
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
    rows = _of_leading_probe(rows)
    learned = next((row for row in rows if not is_baseline(row)), None)
    return {"probe": rows[0]["probe"], "rows": rows, "learned": learned}


def _of_classes(rows: Sequence[Row], names: Sequence[str]) -> dict[str, Any] | None:
    """The shares right of each class by the leading probe with all labels, and what was taken for what."""
    rows = [row for row in rows if row["labels"] == "all"]
    leading = _of_leading_probe(rows) if rows else []
    shares = per_class(leading, names)
    return shares and {
        "probe": leading[0]["probe"],
        "per_class": shares,
        "confusions": confusions(leading, names),
    }


def _of_leading_probe(rows: Sequence[Row]) -> list[Row]:
    """The linear probe of each representation, or the first; of several layers the best."""
    probes = _unique(row["probe"] for row in rows)
    probe = "linear" if "linear" in probes else probes[0]
    return best_layers(row for row in rows if row["probe"] == probe)


def _settings(row: Row) -> dict[str, str]:
    return flat(row.get("settings", {}), setting_text)


def setting_text(value: Any) -> str:
    """Return a value of a setting of a probe as text; values that are all the same, of several draws, once.

    Example:
        >>> setting_text([0.9765625, 0.9765625]), setting_text([[7], [8]]), setting_text(1000.0)
        ('0.976562 (each of 2)', '7, 8', '1000')
    """
    if not isinstance(value, list | tuple):
        return f"{value:.6g}" if isinstance(value, float) else str(value)
    texts = [setting_text(one) for one in value]
    return f"{texts[0]} (each of {len(texts)})" if len(texts) > 1 and len({*texts}) == 1 else ", ".join(texts)


def _are_others(before: Any, now: Any) -> bool:
    """Return whether a source is not the one before, nor that one, of the same name, at another place."""
    has_moved = _named(before) == _named(now) and not Path(str(before)).exists()
    return before != now and not has_moved


def _named(source: Any) -> str:
    """A source by the end of its path."""
    return Path(str(source)).name


def _unique(values: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(values))
