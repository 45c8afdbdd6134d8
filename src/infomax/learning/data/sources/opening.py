"""Any source: a built-in name, a folder, a file, a name on the hub, or a Python object."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from infomax.errors import nearest
from infomax.files import reading
from infomax.learning.data.sources.built_in import BUILT_IN, open_built_in
from infomax.learning.data.sources.files import IMAGE_FILES, FileKind, suffix
from infomax.learning.data.sources.folder import open_folder
from infomax.learning.data.sources.hub import open_hub, open_hugging_face
from infomax.learning.data.sources.objects import open_array_file, open_objects
from infomax.learning.data.sources.request import Request
from infomax.learning.data.sources.source import Source
from infomax.learning.data.sources.tables import open_tables
from infomax.learning.data.streaming.shards import open_shards
from infomax.registry import Registry

Opener = Callable[[Request], Source | None]

SOURCES: Registry[Opener] = Registry(
    "kind of source",
    {
        "objects": open_objects,
        "hugging face": open_hugging_face,
        "hub": open_hub,
        "array file": open_array_file,
        "tables": open_tables,
        "folder": open_folder,
        "built in": open_built_in,
        "shards": open_shards,
    },
)
"""The kinds of sources: each returns the source, or None where it is not of its kind; the last goes first."""


def open_source(
    source: Any, column: str | None = None, wanted: FileKind = IMAGE_FILES, labels: str = ""
) -> Source:
    """Return the source that `source` names or is.

    Args:
        source: a built-in name, a folder, a file, a name on the hub, or a Python object.
        column: of a source that has columns, the one that holds the values; by default the one that has the
            type or the name of an image.
        wanted: of a folder of files that hold one thing each, the files that count.
        labels: what folders are said to be: ``folders`` for classes, ``none``; "" where nothing is said.

    Raises:
        FileNotFoundError: there is no such source, or nothing of that kind in it.
        ValueError: it is of no known kind, or has no such column.
    """
    request = Request(source, column, wanted, labels)
    if request.is_file:
        with reading("data", request.path, "give a file or a folder"):
            pass
    found = (SOURCES[kind](request) for kind in reversed([*SOURCES]))
    opened = next((one for one in found if one is not None), None)
    if opened is None:
        raise _unknown(request)
    return opened if column is None else opened.select(column)


def _unknown(request: Request) -> Exception:
    if request.is_folder:
        return FileNotFoundError(_nothing_in(request))
    if request.is_file:
        return ValueError(
            f"data: received the file {request.path}, expected a .parquet, .arrow, .tar, .npy or .npz "
            f"file or a folder; give the folder of the {request.wanted.noun}s: {request.path.parent}"
        )
    if request.is_named:
        return FileNotFoundError(_missing(request.path))
    return ValueError(
        f"data: received a {type(request.source).__name__}, expected a path, a name or a sequence of "
        f"{request.wanted.noun}s (with len() and [index]), or {{split: sequence}}; wrap them in a list"
    )


def _nothing_in(request: Request) -> str:
    wanted = request.wanted
    kinds = sorted({wanted.called(suffix(file)) for file in request.files})
    found = f"{len(request.files)} files, none of them {wanted.one} ({', '.join(kinds[:8])})"
    return (
        f"data: {request.path} holds {found if kinds else 'no files at all'}; expected {wanted.noun} files "
        f"({wanted.examples}) with or without class folders, or .npy, .parquet, .arrow or .tar files; give "
        "another folder"
    )


def _missing(path: Path) -> str:
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    built_in = nearest(path.name, BUILT_IN, cutoff=0.8)
    known = {name: str(path.with_name(name)) for name in siblings}
    known = ({built_in: built_in} if built_in else {}) | known
    near = nearest(path.name, known)
    remedy = f"did you mean {known[near]}?" if near else "check the path"
    return (
        f"data: {path} does not exist; expected a folder, a file, {', '.join(BUILT_IN)} or hf:owner/name; "
        f"{remedy}"
    )
