"""Repeats an evaluation as its file records it, and compares the numbers."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from infomax.errors import refuse
from infomax.evaluation.evaluating import made_of
from infomax.evaluation.given import Given
from infomax.evaluation.in_parts.probing import prepared
from infomax.evaluation.protocols import IDENTITY, PROTOCOLS
from infomax.evaluation.representations import name_of
from infomax.learning.distributed.launching import own_device
from infomax.learning.encoders.saving import PretrainedEncoder
from infomax.learning.training.run import Run
from infomax.learning.views.table import views_from


@dataclass(frozen=True)
class Repeated:
    """An evaluation beside its repetition.

    Attributes:
        file: its name in the run folder.
        num_compared: numbers that both have.
        largest_difference: between a number and its repetition.
        notes: what stands in one of them only, or differs in what was evaluated.
    """

    file: str
    num_compared: int
    largest_difference: float
    notes: tuple[str, ...] = ()


def repeat(
    run: Run, file: Path, before: Mapping[str, Any], encoder: PretrainedEncoder, source: Any = None
) -> Repeated:
    """Repeat an evaluation and compare.

    Args:
        run: the run, or the folder of its encoder.
        file: where the evaluation lies.
        before: what it holds.
        encoder: that of the run.
        source: another place of the same data.

    Raises:
        ValueError: it does not say how it was made, or no longer can be.
        FileNotFoundError: its data are not there.
    """
    how, data = before.get("repeat"), before.get("data") or {}
    if how is None:
        raise ValueError(f"verify: {file.name} does not say how it was made; evaluate anew with --overwrite")
    protocol = PROTOCOLS.find(before["protocol"], "verify")
    given = Given(
        source if source is not None else data["source"],
        **{key: data.get(key) for key in IDENTITY if key != "source"},
        skip_broken=how["skip_broken"],
    )
    seeing = PretrainedEncoder(encoder.encoder, views_from(how["views"]))
    parts, evaluate = prepared(
        given, seeing.to(own_device() if protocol.shared else "cpu"), protocol, run.folder
    )
    found = evaluate(_restored(protocol.options(), how["options"]), name=name_of(run, seeing))
    now = {"rows": found.rows, "targets": found.targets, "measures": found.measures}
    notes = tuple(
        f"the {what} of {file.name} {'are' if what == 'data' else 'is'} another now"
        for what, one in made_of(run, parts).items()
        if one != how[what]
    )
    return _compared(file.name, dict(_numbers(before)), dict(_numbers(now)), notes)


def _restored(default: Any, values: Mapping[str, Any]) -> Any:
    """Return options with recorded values: tuples where JSON has lists, and options within options."""
    known = {one.name for one in fields(default)}
    refuse(not values.keys() <= known, f"verify: no option {', '.join(sorted(values.keys() - known))}")
    return replace(default, **{name: _value(getattr(default, name), one) for name, one in values.items()})


def _value(default: Any, value: Any) -> Any:
    if is_dataclass(default) and isinstance(value, Mapping):
        return _restored(default, value)
    return tuple(value) if isinstance(value, list) else value


def _numbers(result: Mapping[str, Any]) -> Iterator[tuple[tuple[Any, ...], float]]:
    """Yield each number of a result with what it is of: accuracies, values of targets and of measures."""
    for row in result["rows"]:
        names = (row.get(key) for key in ("representation", "layer", "regime", "probe", "labels"))
        yield (*names, "accuracy"), row["accuracy"]
    for row in result["targets"]:
        for name, one in row["measures"].items():
            if one["value"] is not None:
                yield (row["representation"], row["target"], row["probe"], name), one["value"]
    for row in result["measures"]:
        yield (row["representation"], row.get("layer"), row["measure"]), row["value"]


def _compared(
    file: str,
    before: Mapping[tuple[Any, ...], float],
    now: Mapping[tuple[Any, ...], float],
    notes: tuple[str, ...],
) -> Repeated:
    both = before.keys() & now.keys()
    only = before.keys() ^ now.keys()
    notes += (f"{len(only)} numbers stand in one of both only",) if only else ()
    notes += () if both else (f"{file} holds no number to compare",)
    differences = [abs(before[key] - now[key]) for key in both]
    largest = math.nan if any(map(math.isnan, differences)) else max(differences, default=0.0)
    return Repeated(file, len(both), largest, notes)
