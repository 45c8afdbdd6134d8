"""The formats of exported encoders: how each is written, and how what was written is run."""

import json
import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from safetensors.torch import save_file

from infomax.errors import refuse
from infomax.learning.encoders.own import tapped_module
from infomax.learning.encoders.saving import NOTE, load_encoder, weights_of
from infomax.learning.exporting.graph import EncoderGraph

Run = Callable[[np.ndarray], tuple[np.ndarray, ...]]
"""A batch to the outputs of an encoder."""


class ExportFormat(ABC):
    """A format of files.

    suffix: of its files. opens: Python that computes the embedding of a batch, for people; {file} and {input}
    stand for the file and the name of what goes in. measured: whether pixels go in as files hold them.
    packages: what it needs, of the extra ``export``.
    """

    suffix: ClassVar[str]
    opens: ClassVar[str]
    measured: ClassVar[bool] = True
    packages: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def write(self, graph: EncoderGraph, note: Mapping[str, Any], path: Path) -> None:
        """Write a graph, and a description of it, to a file."""

    @abstractmethod
    def run(self, path: Path, graph: EncoderGraph) -> Run:
        """Return what runs a file that was written for a graph."""


class TorchExport(ExportFormat):
    """A program of torch.export: runs wherever torch does, without the code of the encoder."""

    suffix = ".pt2"
    opens = "torch.export.load({file!r}).module()({input})"

    def write(self, graph: EncoderGraph, note: Mapping[str, Any], path: Path) -> None:
        """Write the program; the description is its extra file ``infomax``."""
        torch.export.save(_program(graph), path, extra_files={NOTE: json.dumps(note)})

    def run(self, path: Path, graph: EncoderGraph) -> Run:
        """Return what runs the program."""
        module = torch.export.load(path).module()
        return lambda seen: tuple(x.detach().numpy() for x in module(torch.from_numpy(seen)))


class ONNX(ExportFormat):
    """A graph of ONNX, for onnxruntime and all that reads its files."""

    suffix = ".onnx"
    packages: ClassVar[tuple[str, ...]] = ("onnx", "onnxscript", "onnxruntime")
    opens = "onnxruntime.InferenceSession({file!r}).run(None, {{{input!r}: {input}}})"

    def write(self, graph: EncoderGraph, note: Mapping[str, Any], path: Path) -> None:
        """Write the graph; the description is in its metadata."""
        names = [one.name for one in graph.outputs]
        with _without_notices():
            program = torch.onnx.export(
                _program(graph),
                input_names=[graph.input.name],
                output_names=names,
                dynamo=True,
                verbose=False,
            )
        refuse(program is None, "export: torch gave no ONNX graph; try --format torch-export")
        assert program is not None
        program.model.metadata_props[NOTE] = json.dumps(note)
        program.save(path)

    def run(self, path: Path, graph: EncoderGraph) -> Run:
        """Return what runs the graph, on the CPU."""
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return lambda seen: tuple(np.asarray(x) for x in session.run(None, {graph.input.name: seen}))


class Safetensors(ExportFormat):
    """Weights, and the description that builds the encoder again, in one file for `load_encoder`."""

    suffix = ".safetensors"
    opens = "infomax.load_encoder({file!r})({input}).representation"
    measured = False

    def write(self, graph: EncoderGraph, note: Mapping[str, Any], path: Path) -> None:
        """Write the weights under the names that they have in the encoder."""
        save_file(weights_of(graph.encoder.encoder), path, metadata={"format": "pt", NOTE: json.dumps(note)})

    def run(self, path: Path, graph: EncoderGraph) -> Run:
        """Return what runs the encoder that is in the file."""
        encoder = graph.encoder.encoder
        module = deepcopy(tapped_module(encoder)) if hasattr(encoder, "module_class") else None
        again = EncoderGraph(load_encoder(path, module), local=graph.local, measured=False)
        return lambda seen: tuple(x.detach().numpy() for x in again(torch.from_numpy(seen)))


FORMATS: Mapping[str, ExportFormat] = {
    "torch-export": TorchExport(),
    "onnx": ONNX(),
    "safetensors": Safetensors(),
}
"""Formats by the names that the command line knows."""


def _program(graph: EncoderGraph) -> Any:
    """Return the program of a graph for batches of any size.

    Raises:
        ValueError: torch cannot follow the encoder.
    """
    example = (torch.from_numpy(graph.example(2)),)
    try:
        with torch.no_grad():
            return torch.export.export(
                graph, example, dynamic_shapes=({0: torch.export.Dim("b")},), strict=False
            )
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"export: torch.export cannot follow this encoder ({reason}); {_remedy(reason)}--format "
            "safetensors writes its weights, which need its code"
        ) from error


def _remedy(reason: str) -> str:
    """Return what can be done about a reason of torch, where that is known."""
    if "Constraints violated" in reason:
        return "it takes batches of one size only: where its code has len(x), write x.shape[0]; "
    return ""


@contextmanager
def _without_notices() -> Generator[None]:
    """Keep quiet that torchvision is not installed, and what torch will once change in itself."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning, message=".*LeafSpec")
            yield
    finally:
        logger.setLevel(level)
