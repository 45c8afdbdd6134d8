"""A table of names: what the command line, the help and the docs read, each entry loaded when it is used."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Generic, TypeVar

from infomax.errors import did_you_mean, refuse

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """A mapping of names to objects, some of which are still unloaded, as ``"package.module:name"``.

    Args:
        what: what an entry is, for messages: ``"bound"``.
        entries: by name, an object, or where it is found.

    Example:
        >>> table = Registry("measure", {"entropy": "infomax.information.measures:entropy"})
        >>> [*table], float(table["entropy"]([0.5, 0.5], base=2))
        (['entropy'], 1.0)
    """

    def __init__(self, what: str, entries: Mapping[str, T | str]):
        self.what = what
        self._entries: dict[str, T | str] = dict(entries)

    def __getitem__(self, name: str) -> T:
        entry = self._entries[name]
        if isinstance(entry, str):
            entry = self._entries[name] = loaded(entry)
        return entry  # pyright: ignore[reportReturnType]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def register(self, name: str, entry: T) -> T:
        """Add an entry.

        Raises:
            ValueError: the name is taken by another entry.
        """
        if name in self._entries and self[name] is not entry:
            raise ValueError(f"register: there is a {self.what} {name!r} already; choose another name")
        self._entries[name] = entry
        return entry

    def check(self, name: str, operation: str) -> None:
        """Check that there is an entry of that name.

        Raises:
            ValueError: there is none; the nearest name is suggested.
        """
        refuse(name not in self, f"{operation}: no {self.what} {name!r}; {did_you_mean(name, self)}")

    def find(self, name: str, operation: str) -> T:
        """Return the entry of that name.

        Raises:
            ValueError: there is none; the nearest name is suggested.
        """
        self.check(name, operation)
        return self[name]


def loaded(place: str) -> Any:
    """Return the object at a place, imported now.

    A light module names so what is built by a heavy one, which knows the light one.

    Args:
        place: ``"package.module:attribute"``.

    Example:
        >>> loaded("infomax.files:replacing").__name__
        'replacing'
    """
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)
