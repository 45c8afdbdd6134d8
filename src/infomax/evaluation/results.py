"""Results of evaluations: what a protocol returns, and how its rows are named and written.

A row is a mapping: the representation, its layer or regime where there are several, the number of labels, and
the fields of a `ProbeResult`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from infomax.files import OBJECT, replacing

RANDOM_ENCODER = "random encoder"
"""Name in rows of the encoder of the same shape with random weights."""


_PROPORTION = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_ROW: Mapping[str, Any] = {
    "type": "object",
    "required": ["representation"],
    "properties": {
        **{key: {"type": "string"} for key in ("representation", "probe", "kind", "measure")},
        "accuracy": {**_PROPORTION, "type": "number"},
        **dict.fromkeys(("std", "chance", "balanced_accuracy"), _PROPORTION),
        **{key: {"type": "integer", "minimum": 0} for key in ("num_labels", "num_test")},
        **dict.fromkeys(("settings", "measures"), OBJECT),
        "interval": {"type": ["array", "null"], "items": {"type": ["number", "null"]}, "maxItems": 2},
        "per_class": {
            "type": ["object", "null"],
            "properties": {
                "labels": {"type": "array", "items": {"type": "integer"}},
                "accuracy": {"type": "array", "items": {"type": ["number", "null"]}},
            },
        },
    },
}
_KNOWN = {"type": ["object", "null"]}
RESULT: Mapping[str, Any] = {
    "type": "object",
    "required": ["rows"],
    "properties": {
        **{key: {"type": "array", "items": _ROW} for key in ("rows", "targets", "measures")},
        **dict.fromkeys(("data", "pretraining", "verdict"), _KNOWN),
        **{key: {"type": "array", "items": {"type": "string"}} for key in ("classes", "notes")},
    },
}
"""The schema of results in files, as they are read back."""


@dataclass(frozen=True)
class Assessment:
    """Results of a protocol for an encoder.

    Attributes:
        rows: accuracies; one mapping for each representation, layer, probe and number of labels.
        test_features: representations of the test set by the encoder.
        measures: what else was measured; one mapping for each representation and measure.
        targets: results for numbers and tags; one mapping for each representation, target and probe, with the
            fields of a `TargetResult`. Of several tags, or numbers, also their means, with ``target`` "".
        notes: what was left out or decided, in lines for people to read.
    """

    rows: Sequence[Mapping[str, Any]]
    test_features: Float[np.ndarray, "n d"]
    measures: Sequence[Mapping[str, Any]] = field(default_factory=list)
    targets: Sequence[Mapping[str, Any]] = field(default_factory=list)
    notes: Sequence[str] = ()


def layered(row: Mapping[str, Any]) -> str:
    """Return the representation of a row, with its layer or its regime where it has one.

    Example:
        >>> layered({"representation": "DIM", "layer": "conv"})
        'DIM, conv'
    """
    return ", ".join(str(row[key]) for key in ("representation", "layer", "regime") if row.get(key))


def is_baseline(row: Mapping[str, Any]) -> bool:
    """Return whether a row is of the random encoder or of what was seen itself, such as raw pixels.

    Example:
        >>> [is_baseline({"representation": name}) for name in ("AMDIM", "random encoder", "raw signal")]
        [False, True, True]
    """
    return row["representation"] == RANDOM_ENCODER or row["representation"].startswith("raw ")


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON."""
    with replacing(path) as beside:
        beside.write_text(json.dumps(value, indent=2) + "\n")
