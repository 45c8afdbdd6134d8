"""The table of protocols: the ways to evaluate an encoder.

    >>> for name, protocol in PROTOCOLS.items():
    ...     print(f"{name:7}{protocol.summary}")
    clean  probes of the representation, beside raw data and a random encoder
    paper  as the published AMDIM code evaluates, beside the same classifiers tested cleanly
    dim    every layer by several classifiers, and what Y knows, as in Deep InfoMax

A protocol is one file: a frozen dataclass of its options, a function that returns an `Assessment`, and
`register_protocol`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infomax.errors import did_you_mean, refuse
from infomax.evaluation.options import CleanOptions, DIMOptions, PaperOptions
from infomax.files import read_json
from infomax.registry import Registry, loaded

if TYPE_CHECKING:
    from infomax.evaluation.results import Assessment


@dataclass(frozen=True)
class Protocol:
    """A way to evaluate an encoder.

    Attributes:
        name: in options and file names.
        summary: what it does, in one line.
        note: what its numbers are, and what they are not; written with the results.
        file: name of the file in a run folder that holds its results on the first data, such as
            ``evaluation-dim.json``; of other data see `result_file`.
        options: class of what can be chosen, a dataclass with defaults.
        function: called as ``function(encoder, split, options, name=...)``, returns an `Assessment`; or
            ``"module:function"``, where it is found.
        needs_images: for a protocol of encoders of images only, what it does with images; else "".
        shared: whether several processes can share the work; otherwise it runs in one.
        leads: whether the pictures of its test images replace those of an earlier evaluation; otherwise they
            are written only where there are none.
        tunes_on_test: whether anything is estimated on test images; the report warns, and does not begin with
            its numbers.
    """

    name: str
    summary: str
    note: str
    file: str
    options: type[Any]
    function: "str | Callable[..., Assessment]"
    needs_images: str = ""
    shared: bool = False
    leads: bool = False
    tunes_on_test: bool = False

    def chosen(self, options: Mapping[str, Any]) -> Any:
        """Return the options with these values.

        Raises:
            ValueError: an option that the protocol does not have.
        """
        known = [one.name for one in fields(self.options)]
        for name in options:
            refuse(
                name not in known,
                f"evaluate: the {self.name} protocol has no option {name}; {did_you_mean(name, known)}",
            )
        return self.options(**options)

    def evaluate(self, *arguments: Any, **keywords: Any) -> "Assessment":
        """Call the function, which is loaded now."""
        function = loaded(self.function) if isinstance(self.function, str) else self.function
        return function(*arguments, **keywords)


_TABLE = (
    Protocol(
        "clean",
        "probes of the representation, beside raw data and a random encoder",
        "The encoder stays as it is; nothing is fitted to test images, and all of them count.",
        "evaluation.json",
        CleanOptions,
        "infomax.evaluation.clean:evaluate_clean",
        shared=True,
        leads=True,
    ),
    Protocol(
        "paper",
        "as the published AMDIM code evaluates, beside the same classifiers tested cleanly",
        "As the published AMDIM code evaluates: batch norm, of the encoder and of the MLP, is re-estimated "
        "on up to 50 batches of test images, so the classifier knows their statistics before it is tested on "
        "them; they are shuffled, and those of the last incomplete batch are left out. Use it to compare "
        "with published numbers, and for nothing else. “Frozen” are the same classifiers without all that. "
        "Unlike in the published code, the encoder's batch norm does not change while they are trained.",
        "evaluation-paper.json",
        PaperOptions,
        "infomax.evaluation.paper:evaluate_paper",
        tunes_on_test=True,
    ),
    Protocol(
        "dim",
        "every layer by several classifiers, and what Y knows, as in Deep InfoMax",
        "As the Deep InfoMax paper evaluates: every layer by several classifiers, on frozen features; "
        "nothing is estimated on test images.",
        "evaluation-dim.json",
        DIMOptions,
        "infomax.evaluation.dim:evaluate_dim",
        needs_images="decodes images",
    ),
)

PROTOCOLS: Registry[Protocol] = Registry("protocol", {protocol.name: protocol for protocol in _TABLE})
"""The protocols, by the names that options use."""


def register_protocol(protocol: Protocol) -> Protocol:
    """Add a protocol to the table.

    Raises:
        ValueError: there is another protocol of that name.
    """
    return PROTOCOLS.register(protocol.name, protocol)


IDENTITY = ("source", "column", "split", "labels", "groups")
"""Names of the choices by which data are told from other data."""


def result_file(
    operation: str, first: Path, data: Mapping[str, Any], name: str | None = None
) -> tuple[Path, str]:
    """Return the file in a run folder for the results on some data, and the name of the data.

    The first data have the file `first`, such as ``evaluation.json``. The results on other data stand beside
    it, ``evaluation-NAME.json``, so that none replaces another. Data are the same where their source, column,
    split, labels and groups are.

    Args:
        operation: for error messages.
        first: file of the results on the first data.
        data: source, column, split, labels and groups; None or absent where they were not chosen.
        name: of the data, to use for the file in any case; by default made of these.

    Raises:
        ValueError: that name is taken, by a protocol or by other data.
    """
    of_data = name or _name_of(data)
    if name is None and (not first.exists() or _same(first, data)):
        return first, of_data
    remedy = f"got --name {name}; choose another" if name else "choose one by --name"
    refuse(
        re.fullmatch(r"[\w.-]+", of_data) is None,
        f"{operation}: a name has letters, digits, dots and dashes, {remedy}",
    )
    path = first.with_name(f"{first.stem}-{of_data}.json")
    refuse(
        path.name in {one.file for one in PROTOCOLS.values()},
        f"{operation}: {path.name} is the name of results of a protocol, {remedy}",
    )
    refuse(
        path.exists() and not _same(path, data),
        f"{operation}: {path} holds results on other data, labels or groups, {remedy}",
    )
    return path, of_data


def _name_of(data: Mapping[str, Any]) -> str:
    """A name made of what was chosen, fit for a file."""
    chosen = [str(data[key]) for key in IDENTITY if data.get(key)]
    name = "-".join(Path(one).name or one for one in chosen)
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "data"


_OF_DATA = {"type": "object", "properties": {"data": {"type": ["object", "null"]}}}


def _same(path: Path, data: Mapping[str, Any]) -> bool:
    """Return whether a file holds results on these data; one that does not say which is taken for one."""
    try:
        known = read_json(path, "evaluate", "move it away", _OF_DATA).get("data") or {}
    except ValueError:
        return True
    return not known or all(known.get(key) == data.get(key) for key in IDENTITY)


def results_beside(first: Path) -> list[Path]:
    """Return the files of results on further data (`result_file`) by their names, those of no protocol."""
    files = {protocol.file for protocol in PROTOCOLS.values()}
    return sorted(path for path in first.parent.glob(f"{first.stem}-*.json") if path.name not in files)


def evaluations(folder: str | Path) -> dict[str, Path]:
    """Return the files of results in a run folder by name, in the order of the table, then others.

    The name is that of the protocol for the first data that it was used on, and else ``NAME`` of
    ``evaluation-NAME.json``. Each file says itself by which protocol and on which data it was found:
    ``protocol``, and ``name``, ``source``, ``column``, ``split`` and ``labels`` in ``data``.
    """
    files = {protocol.file: name for name, protocol in PROTOCOLS.items()}
    other = results_beside(Path(folder) / "evaluation.json")
    files |= {path.name: path.stem.removeprefix("evaluation-") for path in other}
    return {name: Path(folder) / file for file, name in files.items() if (Path(folder) / file).is_file()}
