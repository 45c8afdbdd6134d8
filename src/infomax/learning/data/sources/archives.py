"""WebDataset archives: .tar files whose members share a name up to its first dot, one sample a name."""

import itertools
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infomax.learning.data.sources.columns import UnknownColumn, label_column
from infomax.learning.data.sources.files import IMAGE_FILES, is_visible, suffix


def open_archive(path: Path, column: str | None) -> Any:
    """Return the samples as an iterable dataset. (The loader of `datasets` refuses mixed image formats.)"""
    from datasets import IterableDataset

    return IterableDataset.from_generator(_rows, gen_kwargs={"path": path, "column": column})


def _rows(path: Path, column: str | None) -> Iterator[dict[str, Any]]:
    """Yield the samples that have an image or, where it is chosen, the field `column`.

    Raises:
        UnknownColumn: no sample has that field.
    """
    seen: dict[str, None] = {}
    for key, fields in _samples(path):
        field = _image_field(fields) if column is None else column.lower()
        seen.update(dict.fromkeys(fields))
        if field in fields:
            yield {"__key__": key, column or "image": fields[field], "label": _label(fields)}
    if column is not None and column.lower() not in seen:
        raise UnknownColumn(path.name, column, seen)


def _image_field(fields: Mapping[str, bytes]) -> str | None:
    """Return the field with the shortest name among those with the suffix of an image."""
    images = [field for field in fields if suffix(f"image.{field}") in IMAGE_FILES.suffixes]
    return min(images, key=len, default=None)


def _samples(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield the key and the fields of each sample."""
    with tarfile.open(path) as archive:
        members = (member for member in archive if member.isfile() and is_visible(Path(member.name).name))
        for key, sample in itertools.groupby(members, lambda member: re.sub(r"\.[^/]*$", "", member.name)):
            yield key, {one.name[len(key) + 1 :].lower(): _content(archive, one) for one in sample}


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return b"" if file is None else file.read()


def _label(fields: Mapping[str, bytes]) -> int | str | None:
    if "cls" in fields:
        text = fields["cls"].decode().strip()
        return int(text) if re.fullmatch(r"-?\d+", text) else text
    described = json.loads(fields.get("json", b"{}"))
    column = label_column(described) if isinstance(described, dict) else None
    return None if column is None else described[column]
