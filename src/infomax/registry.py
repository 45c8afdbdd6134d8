"""A table of names: what the command line, the help and the docs read, each entry loaded when it is used.

An open table also takes parts of a user's own. They are named by their place, ``package.module:function``, or
registered under a name, or given by an installed package as an entry point.
"""

import hashlib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from infomax.errors import did_you_mean, refuse

T = TypeVar("T")

PLACE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
"""The form of a place: ``package.module:function``."""


class Registry(Mapping[str, T], Generic[T]):
    """A mapping of names to objects, some of which are still unloaded, as ``"package.module:name"``.

    Args:
        what: what an entry is, for messages: ``"bound"``.
        entries: by name, an object, or where it is found.
        group: of entry points that give further entries; such a table also takes places. Closed without it.

    Example:
        >>> table = Registry("measure", {"entropy": "infomax.information.measures:entropy"})
        >>> [*table], float(table["entropy"]([0.5, 0.5], base=2))
        (['entropy'], 1.0)
        >>> Registry("measure", {}, group="infomax.measures")["statistics:mean"]([1, 3])
        2
    """

    def __init__(self, what: str, entries: Mapping[str, T | str], *, group: str = ""):
        self.what: str = what
        self.group: str = group
        self._given: dict[str, T | str] = dict(entries)
        self._own: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if self._is_place(name):
            if name not in self._own:
                self._own[name] = part_at(name, self.what)
            return self._own[name]
        entry = self._entries[name]
        if isinstance(entry, str):
            entry = self._entries[name] = loaded(entry)
        return entry  # pyright: ignore[reportReturnType]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries or (isinstance(name, str) and self._is_place(name))

    @cached_property
    def _entries(self) -> dict[str, T | str]:
        """The entries that were given, and those of installed packages, which replace none of them."""
        found = entry_points(group=self.group) if self.group else ()
        return {**{one.name: one.value for one in found}, **self._given}

    def _is_place(self, name: str) -> bool:
        return bool(self.group and PLACE.fullmatch(name))

    def register(self, name: str, entry: T) -> T:
        """Add an entry.

        Raises:
            ValueError: the name is taken by another entry.
        """
        if name in self and self[name] is not entry:
            raise ValueError(f"register: there is a {self.what} {name!r} already; choose another name")
        self._entries[name] = entry
        return entry

    def check(self, name: str, operation: str) -> None:
        """Check that there is an entry of that name; what lies at a place is not looked at yet.

        Raises:
            ValueError: there is none; the nearest name is suggested.
        """
        remedy = did_you_mean(name, self._entries)
        own = "; package.module:function names one of your own" if self.group else ""
        refuse(name not in self, f"{operation}: no {self.what} {name!r}; {remedy}{own}")

    def find(self, name: str, operation: str) -> T:
        """Return the entry of that name.

        Raises:
            ValueError: there is none; the nearest name is suggested.
        """
        self.check(name, operation)
        return self[name]

    def find_named(self, name: Any, operation: str) -> T:
        """Return the entry of a name that a file holds: never a place, so that no file imports anything.

        Raises:
            ValueError: there is none; the nearest name is suggested.
        """
        own = "; import the module that registers one of your own first" if self.group else ""
        refuse(
            name not in self._entries,
            f"{operation}: no {self.what} {name!r}; {did_you_mean(str(name), self._entries)}{own}",
        )
        return self[name]

    def name_of(self, entry: T | str, operation: str) -> str:
        """Return the name of an entry, or the place of a part of one's own, which is found there afterwards.

        Args:
            entry: a name, a place, or the part itself.
            operation: for messages.

        Raises:
            ValueError: no such name; a part without a name at the top of a module.
        """
        if isinstance(entry, str):
            self.check(entry, operation)
            return entry
        place = place_of(entry, operation)
        for name, known in self._entries.items():
            if known is entry or known == place:
                return name
        self._own[place] = entry
        return place

    def record(self, name: str) -> dict[str, Any] | None:
        """Return what is recorded of an entry: module, name and hash; None where infomax has it itself."""
        entry: Any = self[name]
        if getattr(entry, "__module__", "").split(".")[0] == __name__.split(".")[0]:
            return None
        return recorded(entry)


def own_parts(config: Any, choices: "Mapping[str, Registry[Any]]") -> dict[str, dict[str, Any]]:
    """Return the record of each part of a configuration that is not infomax's own, by its field.

    Args:
        config: a configuration.
        choices: the table that each field, dotted, chooses from by name or place.
    """
    chosen = {name: attrgetter(name)(config) for name in choices}
    records = {name: choices[name].record(one) for name, one in chosen.items() if one is not None}
    return {name: record for name, record in records.items() if record is not None}


def place_of(part: Any, operation: str) -> str:
    """Return ``module:name`` of a function or class.

    Raises:
        ValueError: it is a lambda, lies within a function, or has no name.
    """
    module, name = getattr(part, "__module__", None), getattr(part, "__qualname__", None)
    place = f"{module}:{name}"
    refuse(
        name is None or not PLACE.fullmatch(place),
        f"{operation}: a part of one's own is recorded by its name; expected a function or class with a name "
        f"at the top of a module or notebook, got {part!r}; write it with def or class",
    )
    return place


def recorded(part: Any) -> dict[str, Any]:
    """Return module, name and hash of a function or class; and its text, where no module holds it.

    The hash is of the text of the function or class; null where Python does not know the text.

    Example:
        >>> recorded(recorded)["name"]
        'recorded'
    """
    try:
        text = inspect.getsource(part)
    except (OSError, TypeError):
        text = None
    found: dict[str, Any] = {"module": part.__module__, "name": part.__qualname__}
    found["sha256"] = None if text is None else hashlib.sha256(text.encode()).hexdigest()
    return {**found, "text": text} if part.__module__ == "__main__" else found


def imported(module: str) -> ModuleType | None:
    """Return a module that is installed or lies in the current folder; None where there is none."""
    sys.path.insert(0, str(Path.cwd()))
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        return None
    finally:
        sys.path.pop(0)


def part_at(place: str, what: str) -> Any:
    """Return the part of one's own at a place, of a package that is installed or lies in the current folder.

    Args:
        place: ``package.module:function``.
        what: for messages.

    Raises:
        ValueError: there is no such module, or no such name in it.
    """
    module, _, name = place.partition(":")
    found = imported(module)
    if found is None:
        raise ValueError(
            f"{what}: no module {module!r} is installed or lies in {Path.cwd()}, expected one that holds "
            f"{name!r}; start in the folder that holds it, or install it"
        )
    known = [key for key in vars(found) if not key.startswith("_")]
    lost = "; define it again there, before anything else" if module == "__main__" else ""
    refuse(name not in vars(found), f"{what}: {module} has no {name!r}{lost}; {did_you_mean(name, known)}")
    return getattr(found, name)


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
