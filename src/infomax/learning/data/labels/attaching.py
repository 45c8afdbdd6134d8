"""Labels for decoded things: from a table, from the source's own columns or folders, or none."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from infomax.errors import refuse
from infomax.learning.data.labels.choice import LabelChoice
from infomax.learning.data.labels.meaning import (
    MAX_DENSE,
    Asked,
    Labelled,
    Nothing,
    meaning_of,
    meaning_of_names,
)
from infomax.learning.data.labels.tables import (
    LabelTable,
    joined,
    label_columns,
    read_metadata,
    read_table,
)
from infomax.learning.data.labels.texts import distinct, label_texts
from infomax.learning.data.sources.columns import UnknownColumn
from infomax.learning.data.sources.source import Source


class Things(NamedTuple):
    """Decoded things that labels are wanted for.

    Attributes:
        source, split: where they come from.
        names: of those that were decoded.
        texts: labels that came with them, as JSON.
        lost: labels of those that were left out, as JSON.
    """

    source: Source
    split: str
    names: Sequence[str]
    texts: pa.ChunkedArray
    lost: tuple[str, ...] = ()


Found = tuple[Labelled, tuple[str, ...]]
Named = tuple[str, Any]  # the name of a thing, and its label
"""Labels, and notes on how they were found."""


def attached(things: Things, choice: LabelChoice) -> Found:
    """Return the labels of things, and notes for the line that says what was read.

    Labels that nobody has asked for stop nothing: where they make no sense, the words say why.

    Raises:
        ValueError: the table or column is not there or does not fit; labels cannot be what the user says.
    """
    if not choice.is_automatic:
        return _attached(things, choice)
    try:
        return _attached(things, choice)
    except ValueError as error:
        why = str(error).removeprefix("data: ").removeprefix("labels: ")
        return Nothing(f"unlabelled, because {why}").read(things.texts), ()


def _attached(things: Things, choice: LabelChoice) -> Found:
    source = things.source
    if choice.word == "none":
        return Nothing("unlabelled, as asked").read(things.texts), ()
    if choice.table is not None:
        return _from_table(read_table(choice.table, source.root), things, choice)
    if choice.word == "folders":
        refuse(
            source.root is None,
            f"labels: {source.name} has no class folders; expected none, a column, or FILE.csv[:column]",
        )
        return _own(things, choice)
    metadata = read_metadata(source.root, source.metadata) if source.root and source.metadata else None
    if metadata is not None and (choice.columns or label_columns(metadata, metadata.key)):
        return _from_table(metadata, things, choice)
    is_usual = choice.columns in ((), (source.label_option,)) and source.root is None
    found, notes = _own(things, choice) if is_usual or not choice.columns else _from_columns(things, choice)
    return found, (*notes, *([_no_labels(metadata)] if metadata else []))


def _no_labels(metadata: LabelTable) -> str:
    others = [name for name in metadata.frame.columns if name != metadata.key]
    return f"{metadata.name} holds {', '.join(others) or 'names only'}; --labels COLUMN takes one as labels"


def _from_table(table: LabelTable, things: Things, choice: LabelChoice) -> Found:
    source = things.source
    every = _names(source) if source.root is not None else things.names
    found = joined(table, things.names, every=every, columns=choice.columns, form=choice.form)
    return meaning_of(found.everywhere, found.asked).read(found.texts), found.notes


def _names(source: Source) -> Iterator[str]:
    """Yield the names of the things of all splits."""
    for split in source.splits:
        yield from (name for name, _ in source.labels(split))


def _from_columns(things: Things, choice: LabelChoice) -> Found:
    """Return labels from columns of the source that the user named."""
    option = ",".join(choice.columns)
    names = choice.columns if len(choice.columns) > 1 else None
    where = f"column {option}" if names is None else f"columns {option}"
    asked = Asked(where, option, option, choice.form, names, is_chosen=True)
    label = dict(things.source.labels(things.split, choice.columns))
    own = label_texts(label.get(name) for name in things.names)
    return _meant(own, asked, things, choice.columns), ()


def _own(things: Things, choice: LabelChoice) -> Found:
    """Return the labels that the source has by itself: class folders, or its usual column."""
    source = things.source
    if source.classes == ():
        words = source.label_words if source.root is not None else "unlabelled"
        return Nothing(words).read(things.texts), ()
    if source.root is not None:
        label = dict(source.labels(things.split))
        own = label_texts(label.get(name) for name in things.names)
        return meaning_of_names(source.classes or (), "folder names").read(own), ()
    if source.classes is not None and choice.form is None:
        return meaning_of_names(source.classes, source.label_words).read(things.texts), ()
    option = source.label_option
    asked = Asked(source.label_words, option, option or "label", choice.form, None, not choice.is_automatic)
    return _meant(things.texts, asked, things, ()), ()


def _meant(own: Any, asked: Asked, things: Things, columns: Sequence[str]) -> Labelled:
    """Return labels by their meaning in all splits; that of small whole numbers needs no other split."""
    source, others = things.source, [one for one in things.source.splits if one != things.split]
    chunks = [*own.chunks] if isinstance(own, pa.ChunkedArray) else [own]
    if not columns:
        chunks.append(pa.array(things.lost, pa.string()))
    if asked.form is not None or not _is_dense(own):
        for split in others:
            chunks.append(label_texts(label for _, label in _tolerant(source.labels, split, columns)))
    return meaning_of(pa.chunked_array(chunks, pa.string()), asked).read(own)


def _tolerant(labels: Callable[..., Iterator[Named]], split: str, columns: Sequence[str]) -> Iterator[Named]:
    """Yield the labels of a split; none where it does not have these columns."""
    try:
        yield from labels(split, columns)
    except UnknownColumn:
        return


def _is_dense(texts: Any) -> bool:
    values, _ = distinct(texts)
    return bool(values) and all(isinstance(one, int) and -1 <= one < MAX_DENSE for one in values)
