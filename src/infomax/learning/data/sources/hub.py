"""Data of Hugging Face: a name on its hub, streamed, or an object of its library `datasets`."""

import re
import sys
from collections.abc import Mapping
from typing import Any

from infomax.learning.data.sources.request import Request
from infomax.learning.data.sources.splits import canonical_split
from infomax.learning.data.sources.tables import Part, Tables

_HUB_NAME = re.compile(
    r"(?:hf:)?(?P<repo>[\w.-]+(?:/[\w.-]+)?)(?::(?P<config>[\w.-]+))?(?:@(?P<revision>[\w./-]+))?"
)


def open_hub(request: Request) -> Tables | None:
    """Return the rows of ``hf:owner/name[:configuration][@revision]``; None where the source is no such name.

    Raises:
        ValueError: the name is malformed, unknown, or the hub cannot be reached.
    """
    if not request.is_named:
        return None
    source = str(request.source)
    name = _HUB_NAME.fullmatch(source)
    if name is None and source.startswith("hf:"):
        raise ValueError(f"data: received {source!r}, expected hf:owner/name[:configuration][@revision]")
    if name is None or not (source.startswith("hf:") or _is_like_a_name(request)):
        return None
    return _open(source, name)


def _is_like_a_name(request: Request) -> bool:
    return "/" in str(request.source) and not request.path.parent.exists()


def _open(source: str, name: re.Match[str]) -> Tables:
    import datasets
    import huggingface_hub

    try:
        commit = huggingface_hub.dataset_info(name["repo"], revision=name["revision"]).sha
        splits: Any = datasets.load_dataset(name["repo"], name["config"], revision=commit, streaming=True)
    except Exception as error:
        raise ValueError(
            f"data: cannot open {source} on the Hugging Face hub: {' '.join(str(error).split())}; "
            "expected the name of a dataset there and a network connection, or the path of local data"
        ) from error
    parts = {canonical_split(split): [_part(name["repo"], split, splits[split])] for split in splits}
    return Tables(source, parts, lambda split: f"{source}/{commit}/{split}")


def _part(repo: str, split: str, rows: Any) -> Part:
    sizes = rows.info.splits or {}
    num_rows = sizes[split].num_examples or None if split in sizes else None
    return Part(f"{repo}/{split}", lambda _: rows, num_rows)


def open_hugging_face(request: Request) -> Tables | None:
    """Return the rows of an object of the library `datasets`; None where the source is none."""
    library: Any = sys.modules.get("datasets")  # if nothing has imported it, there is no object of it
    if library is None:
        return None
    with_splits = (library.DatasetDict, library.IterableDatasetDict)
    if not isinstance(request.source, (library.Dataset, library.IterableDataset, *with_splits)):
        return None
    given: Mapping[Any, Any] = (
        request.source if isinstance(request.source, with_splits) else {"train": request.source}
    )
    splits = {canonical_split(name): rows for name, rows in given.items()}
    parts = {split: [_object_part(split, rows)] for split, rows in splits.items()}
    name = type(request.source).__name__
    return Tables(name, parts, lambda split: getattr(splits[split], "_fingerprint", None))


def _object_part(name: str, rows: Any) -> Part:
    num_rows = len(rows) if hasattr(rows, "__len__") else None
    return Part(name, lambda _: rows, num_rows, inside=lambda value: value)  # the user's own paths
