"""WebDataset archives: .tar files whose members share a name up to its first dot, one sample a name."""

import io
import itertools
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

from infomax.errors import refuse
from infomax.files import most_bytes, parse_json, sized
from infomax.learning.data.sources.columns import UnknownColumn, label_column, seen_of_several
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
    with path.open("rb") as file:
        for key, field, fields in archive_samples(file, path.name, column):
            yield {"__key__": key, column or "image": fields[field], "label": usual_label(fields)}


def archive_samples(file: Any, name: str, column: str | None) -> Iterator[tuple[str, str, "Fields"]]:
    """Yield key, field of the value and all fields of each sample that has a value.

    Args:
        file: the archive, which can seek.
        name: of it, for messages.
        column: the field of the values; None for that of the image.

    Raises:
        UnknownColumn: no sample has that field.
    """
    seen: dict[str, None] = {}
    for key, fields in _samples(file):
        field = _image_field(fields) if column is None else column.lower()
        seen.update(dict.fromkeys(fields))
        if field is not None and field in fields:
            yield key, field, fields
    if column is not None and column.lower() not in seen:
        raise UnknownColumn(name, column, seen)


def archive_labels(path: Path, column: str | None, chosen: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield key and label of each sample of a file; see `labels_in`."""
    with path.open("rb") as file:
        yield from labels_in(file, path.name, column, chosen)


def labels_in(file: Any, name: str, column: str | None, chosen: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield key and label of each sample that has a value, without reading the values.

    Args:
        file, name, column: as of `archive_samples`.
        chosen: fields of the labels, or keys of the sample's JSON; several give a list. () for the usual one.

    Raises:
        UnknownColumn: no sample has one of the chosen.
    """
    seen: dict[str, None] = {}
    for key, _, fields in archive_samples(file, name, column):
        described = _described(fields)
        seen.update(dict.fromkeys([*described, *fields]))
        values = [described.get(one, _text(fields.get(one.lower()))) for one in chosen]
        yield key, (values[0] if len(values) == 1 else values) if chosen else usual_label(fields)
    for one in chosen:
        if one not in seen and one.lower() not in seen:
            raise UnknownColumn(name, one, seen)


def _text(content: bytes | None) -> int | str | None:
    """Return what a field holds: a whole number, or text."""
    text = None if content is None else content.decode(errors="replace").strip()
    return int(text) if text and re.fullmatch(r"-?\d+", text) else text


def seen_in(file: Any, name: str, column: str | None) -> tuple[str, ...]:
    """Return a line on the field that is seen, where the first sample has several images and none was chosen.

    Args:
        file, name, column: as of `archive_samples`.
    """
    first = next(archive_samples(file, name, None), None) if column is None else None
    return () if first is None else seen_of_several(first[1], _image_fields(first[2]), None)


def _image_fields(fields: "Fields") -> list[str]:
    """Return the fields with the suffix of an image."""
    return [field for field in fields if suffix(f"image.{field}") in _IMAGE_SUFFIXES]


def _image_field(fields: "Fields") -> str | None:
    """Return the field with the shortest name among those with the suffix of an image."""
    return min(_image_fields(fields), key=len, default=None)


@final
class Fields(Mapping[str, bytes]):
    """The fields of a sample by name; each is read when it is asked for, while its archive is open.

    Args:
        archive: holds them.
        members: by the name of the field.
        limit: bytes that a field may have.
    """

    def __init__(self, archive: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo], limit: int):
        self._archive, self._members, self._limit = archive, members, limit

    def __getitem__(self, field: str) -> bytes:
        member = self._members[field]
        size = member.size
        refuse(
            size > self._limit,
            f"{member.name!r} has {sized(size)}, expected at most {sized(self._limit)}",
        )
        file = self._archive.extractfile(member)
        return b"" if file is None else file.read()

    def __contains__(self, field: object) -> bool:
        return field in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def size(self, field: str) -> int:
        """Return the bytes that a field says it has."""
        return self._members[field].size


def _samples(file: Any) -> Iterator[tuple[str, Fields]]:
    """Yield the key and the fields of each sample. Links in an archive are not followed.

    Raises:
        ValueError: a member that is read says that it is larger than the archive; the archive is cut.
    """
    limit = min(file.seek(0, io.SEEK_END), most_bytes())
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:") as archive:
        files = (member for member in archive if member.isfile())
        members = (member for member in files if is_visible(member.name.rsplit("/", 1)[-1]))
        for key, sample in itertools.groupby(members, lambda member: re.sub(r"\.[^/]*$", "", member.name)):
            yield key, Fields(archive, {one.name[len(key) + 1 :].lower(): one for one in sample}, limit)
        file.seek(archive.offset)
        refuse(file.read(tarfile.BLOCKSIZE).strip(b"\0"), f"it is damaged or cut at byte {archive.offset:,}")


def usual_label(fields: Mapping[str, bytes]) -> Any:
    """Return the label of a sample: its field ``cls``, or what its JSON calls a label; None without one."""
    if "cls" in fields:
        return _text(fields["cls"])
    described = _described(fields)
    column = label_column(described)
    return None if column is None else described[column]


def _described(fields: Mapping[str, bytes]) -> Mapping[str, Any]:
    described = parse_json(fields.get("json", b"{}"), {})
    return described if isinstance(described, dict) else {}
