"""WebDataset archives: .tar files whose members share a name up to its first dot, one sample a name."""

import itertools
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from infomax.errors import refuse
from infomax.files import most_bytes, parse_json, sized
from infomax.learning.data.sources.columns import UnknownColumn, label_column
from infomax.learning.data.sources.files import IMAGE_FILES, is_visible, suffix

_IMAGE_SUFFIXES = IMAGE_FILES.suffixes | IMAGE_FILES.packages.keys()


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


def archive_labels(path: Path, column: str | None, chosen: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield key and label of each sample, as `open_archive` yields samples.

    Args:
        path: the archive.
        column: the field of the values, if one was chosen.
        chosen: fields of the labels, or keys of the sample's JSON; several give a list. () for the usual one.

    Raises:
        UnknownColumn: no sample has one of the chosen.
    """
    seen: dict[str, None] = {}
    for key, fields in _samples(path):
        field = _image_field(fields) if column is None else column.lower()
        if field not in fields:
            continue
        described = _described(fields)
        seen.update(dict.fromkeys([*described, *fields]))
        values = [described.get(one, _text(fields.get(one.lower()))) for one in chosen]
        yield key, (values[0] if len(values) == 1 else values) if chosen else _label(fields)
    for one in chosen:
        if one not in seen and one.lower() not in seen:
            raise UnknownColumn(path.name, one, seen)


def _text(content: bytes | None) -> int | str | None:
    """Return what a field holds: a whole number, or text."""
    text = None if content is None else content.decode(errors="replace").strip()
    return int(text) if text and re.fullmatch(r"-?\d+", text) else text


def _image_field(fields: Mapping[str, bytes]) -> str | None:
    """Return the field with the shortest name among those with the suffix of an image."""
    images = [field for field in fields if suffix(f"image.{field}") in _IMAGE_SUFFIXES]
    return min(images, key=len, default=None)


def _samples(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield the key and the fields of each sample. Links in an archive are not followed.

    Raises:
        ValueError: a member says that it is larger than the archive.
    """
    limit = min(path.stat().st_size, most_bytes())
    with tarfile.open(path, "r:") as archive:
        members = (member for member in archive if member.isfile() and is_visible(Path(member.name).name))
        for key, sample in itertools.groupby(members, lambda member: re.sub(r"\.[^/]*$", "", member.name)):
            yield key, {one.name[len(key) + 1 :].lower(): _content(archive, one, limit) for one in sample}


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, limit: int) -> bytes:
    size = member.size
    refuse(size > limit, f"{member.name!r} has {sized(size)}, expected at most {sized(limit)}")
    file = archive.extractfile(member)
    return b"" if file is None else file.read()


def _label(fields: Mapping[str, bytes]) -> Any:
    if "cls" in fields:
        return _text(fields["cls"])
    described = _described(fields)
    column = label_column(described)
    return None if column is None else described[column]


def _described(fields: Mapping[str, bytes]) -> Mapping[str, Any]:
    described = parse_json(fields.get("json", b"{}"), {})
    return described if isinstance(described, dict) else {}
