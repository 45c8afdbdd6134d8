"""Encoders as files that need no infomax, checked against the original."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import infomax
from infomax.errors import did_you_mean, needs, refuse
from infomax.files import replacing
from infomax.learning.encoders.features import check_finite_weights
from infomax.learning.encoders.saving import PretrainedEncoder, description_of
from infomax.learning.exporting.formats import FORMATS, ExportFormat
from infomax.learning.exporting.graph import EncoderGraph
from infomax.learning.exporting.inputs import Port

MAX_DIFFERENCE = 1e-4
"""Largest difference of an output from the original's; a share of its largest value where that is above 1."""
CHECKED_BATCHES = (1, 3)
"""Sizes of the random batches by which a file is compared with the original."""


@dataclass(frozen=True)
class Exported:
    """A file with an encoder, and what goes in and comes out.

    file, format: where it is, and of which kind. input, outputs: tensors by name. difference: the largest
    from the original, measured on random batches. opens: Python that uses it.
    """

    file: Path
    format: str
    input: Port
    outputs: tuple[Port, ...]
    difference: float
    opens: str


def export_encoder(
    encoder: PretrainedEncoder,
    out: str | Path,
    *,
    format: str | None = None,
    local: bool = False,
    overwrite: bool = False,
) -> Exported:
    """Write an encoder to a file that other tools read, and compare what is in it with the original.

    The input is pixels as files hold them, or values as they were measured. The file holds the range that the
    run recorded, the centre crop and the normalisation. Batches may have any size.

    Args:
        encoder: as of `load_encoder`.
        out: the file.
        format: ``torch-export`` (.pt2), ``onnx`` (.onnx) or ``safetensors`` (.safetensors: weights with their
            description, for `load_encoder`); None to go by the suffix of the file.
        local: give the local maps beside the embedding.
        overwrite: replace an existing file.

    Raises:
        ValueError: an unknown format; a suffix that is not the format's; an encoder that torch.export cannot
            follow; weights that are not finite; a file that does not give what the original gives.
        FileExistsError: the file exists.
        MissingExtra: ``onnx`` without the extra ``export``.
    """
    out = Path(out)
    name = format_named(format, out)
    check_free(out, overwrite)
    kind = FORMATS[name]
    for package in kind.packages:
        needs(package, extra="export", operation="export")
    check_finite_weights("export", encoder)
    graph = EncoderGraph(encoder, local=local, measured=kind.measured)
    with replacing(out) as path:
        kind.write(graph, _note(graph), path)
        difference = _difference(kind, graph, path)
    opens = kind.opens.format(file=str(out), input=graph.input.name)
    return Exported(out, name, graph.input, graph.outputs, difference, opens)


def format_named(name: str | None, out: Path) -> str:
    """Return the name of the format of a file.

    Raises:
        ValueError: there is no such format, or none of this suffix, or the two differ.
    """
    suffixes = {one: kind.suffix for one, kind in FORMATS.items()}
    refuse(
        name is not None and name not in FORMATS,
        f"export: no format {name!r}; {did_you_mean(str(name), FORMATS)}",
    )
    fitting = [one for one, suffix in suffixes.items() if suffix == out.suffix.lower()]
    listed = ", ".join(f"{suffix} for {one}" for one, suffix in suffixes.items())
    refuse(
        not fitting or name not in (None, *fitting),
        f"export: received the file {out}{f' for {name}' if name else ''}; its suffix must be {listed}",
    )
    return fitting[0]


def check_free(out: Path, overwrite: bool) -> None:
    """Check that a file may be written.

    Raises:
        FileExistsError: it exists.
    """
    if out.exists() and not overwrite:
        raise FileExistsError(f"export: {out} exists; give --overwrite to replace it, or choose another file")


def _note(graph: EncoderGraph) -> Mapping[str, Any]:
    """Return what a file says of itself, for JSON."""
    return {
        "infomax": infomax.__version__,
        "encoder": description_of(graph.encoder.encoder, graph.encoder.views),
        "input": asdict(graph.input),
        "outputs": [asdict(one) for one in graph.outputs],
    }


def _difference(kind: ExportFormat, graph: EncoderGraph, path: Path) -> float:
    """Return the largest difference between a file and the original.

    Raises:
        ValueError: it is too large.
    """
    run, largest = kind.run(path, graph), 0.0
    for num in CHECKED_BATCHES:
        seen = graph.example(num, seed=num)
        for (name, expected), got in zip(graph.original(seen).items(), run(seen), strict=True):
            refuse(
                got.shape != expected.shape,
                f"export: {name} came out as {list(got.shape)}, expected {list(expected.shape)}; "
                "nothing was written",
            )
            difference = float(np.abs(got - expected).max() / max(1.0, np.abs(expected).max()))
            refuse(
                not difference <= MAX_DIFFERENCE,
                f"export: {name} differs from the original's by {difference:.2g}, at most {MAX_DIFFERENCE:g} "
                "is expected; nothing was written; choose another --format",
            )
            largest = max(largest, difference)
    return largest
