"""A folder of files that hold one thing each: ``[split/][class/]...file``, or ``column/`` before these."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

from infomax.learning.data.labels.tables import METADATA
from infomax.learning.data.sources.columns import no_columns
from infomax.learning.data.sources.files import ARRAY_SUFFIXES, stamp, suffix
from infomax.learning.data.sources.layout import layout_of
from infomax.learning.data.sources.request import Request
from infomax.learning.data.sources.source import Item, Source
from infomax.learning.data.sources.splits import canonical_split, in_order
from infomax.learning.data.targets import listed

REPEATED = "links to folders that are read already"
"""Where links are named that are not followed."""


@final
class Folder(Source):
    """Files of images, signals or arrays below one folder; see `layout_of` for splits and classes.

    Args:
        root: the folder.
        files: relative to it, those of things.
        unreadable: why some of them cannot be opened; and folders that cannot be read.
        others: files that are no things, by their kind.
        labels: what folders are said to be.
        column: the folder on top that alone is read, as a column of a table; names are relative to it, so
            that a file has the same name in each such folder.
    """

    def __init__(
        self,
        root: Path,
        files: Sequence[str],
        unreadable: Mapping[str, OSError],
        others: Mapping[str, Sequence[str]],
        labels: str = "",
        column: str | None = None,
    ):
        self.name: str = str(root)
        self.root: Path | None = root
        self._column, self._unreadable = column, unreadable
        self._root = root if column is None else root / column
        self._layout = layout = layout_of(str(self._root), files, labels)
        self._files = {split: [*inside] for split, inside in layout.splits.items()}
        self.splits: tuple[str, ...] = in_order(self._files)
        closed = [path for path in unreadable if path.endswith("/")]
        for path in closed:
            split = canonical_split(path.partition("/")[0])
            self._files[split if split in self._files else self.splits[0]].append(path)
        beside = {"beside the splits": layout.outside} if layout.outside else {}
        self.left_out: Mapping[str, tuple[str, ...]] = {
            kind: tuple(map(_printable, names)) for kind, names in {**others, **beside}.items()
        }
        of_column = () if column is None else (f"column {column} is the folder {self._root}",)
        self.notes: tuple[str, ...] = (*of_column, *layout.notes)
        self.label_words: str = layout.words

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the class folders of all splits."""
        return self._layout.classes

    def items(self, split: str) -> Iterator[Item]:
        """Yield the files, sorted by path."""
        for file in self._files[split]:
            yield Item(_printable(file), self._unreadable.get(file) or self._root / file, None)

    def labels(self, split: str, columns: Sequence[str] = ()) -> Iterator[tuple[str, Any]]:
        """Yield each file with its class folder.

        Raises:
            ValueError: a column is named; only tables have columns.
        """
        if columns:
            raise ValueError(
                f"labels: {self.name} is a folder of files without metadata.csv, got the column "
                f"{', '.join(columns)}; expected none, folders, or a table: --labels FILE.csv[:column]"
            )
        files = self._layout.splits[split]
        yield from zip(
            map(_printable, files), self._layout.labels.get(split, [None] * len(files)), strict=True
        )

    def count(self, split: str) -> int:
        """Return the number of files."""
        return len(self._files[split])

    def digest(self, split: str) -> str:
        """Return the stamp of the files."""
        return stamp(self._root, self._files[split])

    def select(self, column: str) -> "Folder":
        """Return this, where it was opened as that column.

        Raises:
            ValueError: there is no folder of that name on top.
        """
        if column == self._column:
            return self
        files = [file for split in self.splits for file in self._files[split]]
        tops = sorted({file.partition("/")[0] for file in files if "/" in file})
        what = "is a folder of files that hold one thing each"
        raise no_columns(self.name, column, what, listed(tops) if tops else "")


def open_folder(request: Request) -> Folder | None:
    """Return the folder's files of the wanted kind, or its arrays; None where tables are to be read.

    Raises:
        ValueError: the folder also holds tables, and no column says that these are meant.
    """
    if not request.is_folder:
        return None
    files = request.files_with(request.wanted.readable)
    if tables := request.tables:
        own = [file for file in tables if files and _is_embedding(request.path / file)]
        if files and request.column is None and len(own) < len(tables):
            raise _two_kinds(request, files[0], next(file for file in tables if file not in own))
        if len(own) < len(tables):
            return None
    files = files or request.files_with(ARRAY_SUFFIXES)
    if not files:
        return None
    others, unreadable, column = _others(request, files), request.tree.unreadable, request.column or ""
    if inside := _within(column, files):
        files = inside
        unreadable = {path: unreadable[f"{column}/{path}"] for path in _within(column, unreadable)}
        others = {kind: below for kind, names in others.items() if (below := _within(column, names))}
    folder = Folder(request.path, files, unreadable, others, request.labels, column if inside else None)
    folder.metadata = tuple(file for file in request.files if file.rpartition("/")[2] in METADATA)
    return folder


def _within(column: str, files: Iterable[str]) -> list[str]:
    """Return the paths of what lies in the folder `column`, relative to it."""
    return [file[len(column) + 1 :] for file in files if file.startswith(f"{column}/")]


def _others(request: Request, files: Sequence[str]) -> dict[str, list[str]]:
    """Return the files that are no things, by their kind, the most frequent first."""
    taken, others = set(files), defaultdict(list)
    for file in request.files:
        if file not in taken and file.rpartition("/")[2] not in METADATA:
            others[request.wanted.called(suffix(file))].append(file)
    ordered = dict(sorted(others.items(), key=lambda kind: -len(kind[1])))
    runs = {"runs of infomax": [*request.tree.runs]} if request.tree.runs else {}
    repeated = {REPEATED: [*request.tree.repeated]} if request.tree.repeated else {}
    return {**ordered, **runs, **repeated}


def _is_embedding(path: Path) -> bool:
    """Return whether a table was written by `infomax embed`."""
    from pyarrow import ArrowException, parquet

    if suffix(path.name) != ".parquet":
        return False
    try:
        names = parquet.read_schema(path).names
    except (OSError, ArrowException):
        return False
    return {"name", "embedding"} <= set(names)


def _two_kinds(request: Request, file: str, table: str) -> ValueError:
    return ValueError(
        f"data: {request.path} holds both {request.wanted.noun} files (such as {file}) and tables (such as "
        f"{table}), expected one kind; give the folder or the file that you mean, or a column"
    )


def _printable(path: str) -> str:
    """Return `path` with bytes that are not UTF-8 written as escapes."""
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")
