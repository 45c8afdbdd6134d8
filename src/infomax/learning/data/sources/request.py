"""A source as the user named it, and what to look for in it."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from infomax.learning.data.sources.files import TABLE_SUFFIXES, FileKind, Tree, suffix, walk


@dataclass(frozen=True)
class Request:
    """A source as the user named it: text, a path or an object.

    Attributes:
        source: what the user gave.
        column: the column that was chosen by name.
        wanted: the files that hold one thing each.
        labels: what folders are said to be: ``folders`` for classes, ``none``; "" where nothing is said.
    """

    source: Any
    column: str | None
    wanted: FileKind
    labels: str = ""

    @property
    def is_named(self) -> bool:
        """True if the source is text or a path, not an object."""
        return isinstance(self.source, str | Path)

    @cached_property
    def path(self) -> Path:
        """The source as a path."""
        return Path(self.source).expanduser()

    @cached_property
    def is_folder(self) -> bool:
        """True if the source is a folder that exists."""
        return self.is_named and self.path.is_dir()

    @cached_property
    def is_file(self) -> bool:
        """True if the source is a file that exists."""
        return self.is_named and self.path.exists() and not self.path.is_dir()

    @cached_property
    def tree(self) -> Tree:
        """All that lies below the folder."""
        return walk(self.path)

    @property
    def files(self) -> list[str]:
        """The visible files below the folder."""
        return self.tree.files

    def files_with(self, suffixes: Collection[str]) -> list[str]:
        """Return the files below the folder that have one of these suffixes."""
        return [file for file in self.files if suffix(file) in suffixes]

    @cached_property
    def tables(self) -> list[str]:
        """The files of tables below the folder.

        Those that `datasets` caches beside its data, labels of files, and embeddings by infomax do not count.
        """
        tables = self.files_with(TABLE_SUFFIXES)
        return [file for file in tables if not Path(file).name.startswith(("cache-", "metadata."))]
