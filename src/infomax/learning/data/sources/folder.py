"""A folder of files that hold one thing each: ``[split/][class/]...file``."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NoReturn, final

from infomax.learning.data.sources.columns import no_columns
from infomax.learning.data.sources.files import ARRAY_SUFFIX, hash_files
from infomax.learning.data.sources.request import Request
from infomax.learning.data.sources.source import Item, Source
from infomax.learning.data.sources.splits import in_order, split_folders


@final
class Folder(Source):
    """Files of images, signals or arrays below one folder.

    Subfolders called train, test, val, ... are splits; without them everything is ``train``. The subfolders
    below that are the classes, sorted by name over all splits, if there are at least two of them.
    """

    def __init__(self, root: Path, files: Sequence[str]):
        self.name, self._root = str(root), root
        self._files = split_folders([*files])
        self.splits = in_order(self._files)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the class folders of all splits."""
        names = {self._class_name(split, file) for split in self.splits for file in self._files[split].files}
        named = sorted(name for name in names if name is not None)
        return tuple(named) if len(named) > 1 else ()

    def _class_name(self, split: str, file: str) -> str | None:
        folders = file.split("/")[1 if self._files[split].inside else 0 : -1]
        return folders[0] if folders else None

    def items(self, split: str) -> Iterator[Item]:
        """Yield the files, sorted by path."""
        for file in self._files[split].files:
            label = self._class_name(split, file) if self.classes else None
            yield Item(_printable(file), self._root / file, label)

    def count(self, split: str) -> int:
        """Return the number of files."""
        return len(self._files[split].files)

    def digest(self, split: str) -> str:
        """Return a hash of the paths and bytes of the files."""
        return hash_files(self._root, self._files[split].files)

    def select(self, column: str) -> NoReturn:
        """Refuse: files that hold one thing each have no columns."""
        raise no_columns(self.name, column, "is a folder of files that hold one thing each")


def open_folder(request: Request) -> Folder | None:
    """Return the folder's files of the wanted kind, or its arrays; None where tables are to be read.

    Raises:
        ValueError: the folder also holds tables, and no column says that these are meant.
    """
    if not request.is_folder:
        return None
    files = request.files_with(request.wanted.suffixes)
    if request.tables:
        if files and request.column is None:
            raise _two_kinds(request, files[0])
        return None
    files = files or request.files_with(frozenset({ARRAY_SUFFIX}))
    return Folder(request.path, files) if files else None


def _two_kinds(request: Request, file: str) -> ValueError:
    return ValueError(
        f"data: {request.path} holds both {request.wanted.noun} files (such as {file}) and tables (such as "
        f"{request.tables[0]}), expected one kind; give the folder or the file that you mean, or a column"
    )


def _printable(path: str) -> str:
    """Return `path` with bytes that are not UTF-8 written as escapes."""
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")
