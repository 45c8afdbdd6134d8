"""Rows of Parquet, Arrow or WebDataset files, or of the hub, read one by one with Hugging Face `datasets`."""

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple, final

from infomax.errors import refuse
from infomax.estimation.tables.reading.columnar import check_stream
from infomax.learning.data.sources.archives import archive_labels, open_archive, seen_in
from infomax.learning.data.sources.columns import (
    UnknownColumn,
    label_column,
    of_images,
    seen_of_several,
    value_column,
)
from infomax.learning.data.sources.files import TABLE_SUFFIXES, checked, stamp, suffix, unpacked, within
from infomax.learning.data.sources.request import Request
from infomax.learning.data.sources.source import Item, Source, agreed_classes
from infomax.learning.data.sources.splits import in_order, split_of_file


class Part(NamedTuple):
    """A piece of a split.

    Attributes:
        name: for messages and for the names of rows.
        open: returns the rows as a Hugging Face dataset. It is given the column that was chosen by name, or
            None: an archive makes one of its fields a column only if it is wanted.
        num_rows: None where only reading the rows would tell.
        labels: returns the key and the label of each row, as `archive_labels`; None for rows with columns.
        inside: returns a value whose path, where it has one, may be opened; see `within`.
        archive: the file of an archive, whose samples may have several images.
    """

    name: str
    open: Callable[[str | None], Any]
    num_rows: int | None
    labels: Callable[[str | None, Sequence[str]], Iterator[tuple[str, Any]]] | None = None
    inside: Callable[[Any], Any] = partial(within, folder=None, root=None)
    archive: Path | None = None


class _Columns(NamedTuple):
    """The columns of a table that matter here, and the types of all."""

    features: dict[str, Any]
    value: str
    label: str | None

    def undecoded(self, rows: Any) -> Iterable[dict[str, Any]]:
        """Return the rows with these columns only, files of pictures and sounds as their bytes."""
        from datasets import Audio, Image

        wanted = [name for name in (self.value, self.label, "__key__") if name in self.features]
        feature = self.features[self.value]
        rows = rows.select_columns(wanted)
        if isinstance(feature, Image | Audio):
            return rows.cast_column(self.value, type(feature)(decode=False))
        return rows


@final
class Tables(Source):
    """Rows with a column of values and perhaps one of labels.

    Args:
        name: for messages.
        parts: the pieces of each split.
        digest: returns the digest of a split, or None.
        column: the column of the values; None for the first that looks like an image's.
    """

    def __init__(
        self,
        name: str,
        parts: Mapping[str, Sequence[Part]],
        digest: Callable[[str], str | None],
        column: str | None = None,
    ):
        self.name: str = name
        self._parts, self._digest, self._column = parts, digest, column
        self.splits: tuple[str, ...] = in_order(parts)

    @cached_property
    def _columns(self) -> dict[str, _Columns]:
        return {split: self._columns_of(split) for split in self.splits}

    def _columns_of(self, split: str) -> _Columns:
        from datasets import ClassLabel, Image

        part = self._parts[split][0]
        with naming(part):
            rows = part.open(self._column)
            features = dict(rows.features or rows._resolve_features().features)
        value = value_column(part.name, features, typed=_of_type(features, Image), chosen=self._column)
        label = label_column(features, typed=_of_type(features, ClassLabel), value=value)
        return _Columns(features, value, label)

    @property
    def notes(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Which column is seen, where several hold images."""
        each = [self._seen(self._parts[split][0], columns) for split, columns in self._columns.items()]
        return tuple(dict.fromkeys(note for notes in each for note in notes))

    def _seen(self, part: Part, columns: _Columns) -> tuple[str, ...]:
        if part.archive is None:
            return seen_of_several(columns.value, of_images(columns.features), self._column)
        with naming(part), part.archive.open("rb") as file:
            return seen_in(file, part.name, self._column)

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names by the type of the label column; () without one, None where only the labels tell."""
        return self._found_classes

    @cached_property
    def _found_classes(self) -> tuple[str, ...] | None:
        from datasets import ClassLabel

        labels = {
            split: columns.features[columns.label]
            for split, columns in self._columns.items()
            if columns.label
        }
        names = {split: tuple(kind.names) for split, kind in labels.items() if isinstance(kind, ClassLabel)}
        if names:
            return agreed_classes(self.name, names)
        are_text = {split: "string" in str(getattr(kind, "dtype", "")) for split, kind in labels.items()}
        refuse(
            len(set(are_text.values())) > 1,
            f"data: the labels of {self.name} are text in some splits and numbers in others "
            f"({', '.join(are_text)}), expected one kind; write them again as text, or none (--labels none)",
        )
        return None if labels else ()

    @property
    def label_option(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The column of the labels."""
        return next((columns.label for columns in self._columns.values() if columns.label), "label")

    @property
    def label_words(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Where labels stand: in a column."""
        return f"column {self.label_option}"

    def labels(self, split: str, columns: Sequence[str] = ()) -> Iterator[tuple[str, Any]]:
        """Yield the name of each row with its label; of several columns, with the list of their values.

        Raises:
            UnknownColumn: there is no such column.
        """
        usual = self._columns[split].label
        wanted = [*columns] or ([usual] if usual else [])
        for part in self._parts[split]:
            with naming(part):
                if part.labels is not None:
                    found = part.labels(self._column, columns)
                    yield from ((f"{part.name}:{key}", label) for key, label in found)
                    continue
                yield from self._rows_of_labels(part, wanted)

    def _rows_of_labels(self, part: Part, wanted: Sequence[str]) -> Iterator[tuple[str, Any]]:
        rows = part.open(self._column)
        names = [*(rows.features or rows._resolve_features().features)]
        for column in wanted:
            if column not in names:
                raise UnknownColumn(part.name, column, names)
        keys = [name for name in ("__key__",) if name in names and name not in wanted]
        some = rows.select_columns([*wanted, *keys]) if wanted else rows
        for number, row in enumerate(some):
            labels = [row[column] for column in wanted] or [None]
            yield f"{part.name}:{row.get('__key__', number)}", labels[0] if len(labels) == 1 else labels

    def items(self, split: str) -> Iterator[Item]:
        """Yield the rows of one part after the other, named ``file:row`` (WebDataset: ``file:key``)."""
        columns = self._columns[split]
        for part in self._parts[split]:
            with naming(part):
                for number, row in enumerate(columns.undecoded(part.open(self._column))):
                    name = f"{part.name}:{row.get('__key__', number)}"
                    label = row[columns.label] if columns.label else None
                    yield Item(name, _value(row[columns.value], part), label)

    def count(self, split: str) -> int | None:
        """Return the number of rows, where the format tells it."""
        counts = [part.num_rows for part in self._parts[split]]
        return None if None in counts else sum(filter(None, counts))

    def digest(self, split: str) -> str | None:
        """Return the stamp of the files; None if their rows hold only paths of other files."""
        first = next(self.items(split), None)
        return None if first is None or _is_path(first.value) else self._digest(split)

    def select(self, column: str) -> Source:
        """Return the same rows, their values from `column`.

        Raises:
            ValueError: there is no such column.
        """
        selected = Tables(self.name, self._parts, self._digest, column)
        selected._columns_of(self.splits[0])
        return selected


def _value(value: Any, part: Part) -> Any:
    """Return a value to decode, or why there is none."""
    try:
        return unpacked(checked(part.inside(value)))
    except Exception as error:  # readers of damaged arrays raise nearly anything; it is reported by name
        return error


def _of_type(features: Mapping[str, Any], kind: type) -> list[str]:
    return [name for name, feature in features.items() if isinstance(feature, kind)]


def _is_path(value: Any) -> bool:
    return isinstance(value, str | Path) or (isinstance(value, dict) and value.get("bytes") is None)


@contextmanager
def naming(part: Part) -> Generator[None]:
    """Add the name of what is read to the errors of a reader."""
    try:
        yield
    except UnknownColumn:
        raise
    except Exception as error:
        why = " ".join(str(error).split()) or "it has no images"
        raise ValueError(
            f"data: cannot read {part.name}: {why}; "
            "expected a whole Parquet, Arrow or WebDataset file; copy or download it again"
        ) from error


def open_tables(request: Request) -> Tables | None:
    """Return the rows of a file or of all tables below a folder; None where there is no such file."""
    if request.is_file and suffix(request.path.name) in TABLE_SUFFIXES:
        return _tables(str(request.path), request.path.parent, [request.path.name])
    if request.is_folder and request.tables:
        return _tables(str(request.path), request.path, request.tables)
    return None


def _tables(name: str, root: Path, files: Sequence[str]) -> Tables:
    splits: dict[str, list[str]] = defaultdict(list)
    for file in files:
        splits[split_of_file(file)].append(file)
    parts = {split: [_file_part(root, file) for file in paths] for split, paths in splits.items()}
    return Tables(name, parts, lambda split: stamp(root, splits[split]))


def _file_part(root: Path, file: str) -> Part:
    archive = root / file if suffix(file) == ".tar" else None
    labels = archive and partial(archive_labels, archive)
    inside = partial(within, folder=(root / file).parent, root=root)
    part = Part(file, partial(_open_file, root / file), None, labels, inside, archive)
    with naming(part):
        if suffix(file) == ".arrow":
            check_stream(root / file)
        return part._replace(num_rows=_num_rows(root / file))


def _open_file(path: Path, column: str | None) -> Any:
    """Return the rows of a file; its reader is taken itself, since `load_dataset` reports to the network."""
    from datasets.packaged_modules.arrow.arrow import Arrow
    from datasets.packaged_modules.parquet.parquet import Parquet

    files = {"train": [str(path)]}
    match suffix(path.name):
        case ".tar":
            return open_archive(path, column)
        case ".arrow":
            return Arrow(data_files=files).as_streaming_dataset("train")
        case _:
            # row group by row group, in small batches: memory for one row group rather than for the file
            rows: Any = Parquet(data_files=files, batch_size=256).as_streaming_dataset("train")
            return rows.reshard()


def _num_rows(path: Path) -> int | None:
    from pyarrow import parquet

    return parquet.read_metadata(path).num_rows if suffix(path.name) == ".parquet" else None
