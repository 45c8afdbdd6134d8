"""``infomax cache``."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from infomax.cli.options import argument, option
from infomax.cli.output import Answer, table
from infomax.errors import did_you_mean, refuse

if TYPE_CHECKING:
    from infomax.learning.data.cache.folder import Entry


ACTIONS = ("list", "prune")


@dataclass(frozen=True)
class Cache:
    """List the cache, or remove its least recently used entries until it fits a size."""

    action: str = argument("list or prune", default="list", metavar="list|prune")
    limit: str | None = option(
        "size to prune to, such as 20G; 0 removes everything that is not in use; by default "
        "$INFOMAX_CACHE_LIMIT",
        default=None,
        metavar="SIZE",
    )

    @staticmethod
    def notes(_: Sequence[str] = ()) -> str:
        """Return where the cache is, and how it is kept within a size."""
        return (
            "The cache is in $INFOMAX_CACHE/datasets, by default ~/.cache/infomax/datasets. With\n"
            "INFOMAX_CACHE_LIMIT=20G in the environment it is pruned to that size whenever new data\n"
            "is decoded. Files that a process has open stay."
        )

    def __call__(self) -> Answer:
        """Return what is kept, and what was removed."""
        from infomax.learning.data.cache.folder import cache_folder, cache_limit, entries_in, prune

        refuse(
            self.action not in ACTIONS,
            f"cache: received {self.action!r}, expected list or prune; {did_you_mean(self.action, ACTIONS)}",
        )
        folder, limit, removed = cache_folder(True), cache_limit(self.limit), []
        assert folder is not None
        if self.action == "prune":
            if limit is None:
                raise ValueError("cache: prune to which size? give --limit SIZE, or set INFOMAX_CACHE_LIMIT")
            removed = prune(folder, limit)
        refuse(
            self.action == "list" and self.limit is not None,
            "cache: --limit is an option of prune; use infomax cache prune --limit SIZE",
        )
        kept = entries_in(folder)
        found = {
            "folder": str(folder),
            "limit": limit,
            "bytes": sum(one.num_bytes for one in kept),
            "entries": [*map(_facts, kept)],
            **({"removed": [*map(_facts, removed)]} if self.action == "prune" else {}),
        }
        return Answer(found, lambda: _shown(found))


def _facts(entry: "Entry") -> dict[str, Any]:
    when = datetime.fromtimestamp(entry.last_used).astimezone()
    return {
        "name": entry.path.name,
        "kind": entry.kind,
        "source": entry.source,
        "split": entry.split,
        "bytes": entry.num_bytes,
        "last_used": when.isoformat(timespec="seconds"),
        "in_use": entry.in_use,
    }


def _shown(found: Mapping[str, Any]) -> Iterator[Any]:
    """Yield a row for each entry of a source, then the others, counted."""
    named = [one for one in found["entries"] if one["source"]]
    if named:
        yield table(("decoded data", "split", "size", "last used", "entry"), map(_row, named))
    yield from _counts(one for one in found["entries"] if not one["source"])
    if "removed" in found:
        yield f"removed: {_sum(found['removed'])}"
    limit = "no limit" if found["limit"] is None else f"limit {_sized(found['limit'])}"
    yield f"{found['folder']}: {_sum(found['entries'])}, {limit}"


def _counts(entries: Iterator[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each kind of what belongs to no source by name."""
    num, size = Counter[str](), Counter[str]()
    for one in entries:
        num[one["kind"]] += 1
        size[one["kind"]] += one["bytes"]
    yield from (f"{kind}: {num[kind]:,} entries, {_sized(size[kind])}" for kind in num)


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    used = "in use" if one["in_use"] else one["last_used"][:16].replace("T", " ")
    state = used if one["kind"] == "decoded" else f"{used}, {one['kind']}"
    return one["source"], one["split"], _sized(one["bytes"]), state, one["name"][:8]


def _sum(entries: Sequence[Mapping[str, Any]]) -> str:
    return f"{len(entries):,} entries, {_sized(sum(one['bytes'] for one in entries))}"


def _sized(num_bytes: int) -> str:
    from infomax.files import sized

    return sized(num_bytes)
