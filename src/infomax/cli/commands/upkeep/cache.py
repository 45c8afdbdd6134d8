"""``infomax cache``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from infomax.cli.options import argument, option
from infomax.cli.output import Answer, table
from infomax.errors import did_you_mean, refuse

if TYPE_CHECKING:
    from infomax.learning.data.cache import Entry


ACTIONS = ("list", "prune")


@dataclass(frozen=True)
class Cache:
    """List the decoded data in the cache, or remove the least recently used until it fits a size."""

    action: str = argument("list or prune", default="list", metavar="list|prune")
    limit: str | None = option(
        "size to prune to, such as 20G; 0 removes all that is not in use; by default $INFOMAX_CACHE_LIMIT",
        default=None,
        metavar="SIZE",
    )

    @staticmethod
    def notes(_: Sequence[str] = ()) -> str:
        """Return where the cache is, and how it is kept within a size."""
        return (
            "The cache is in $INFOMAX_CACHE/datasets, by default ~/.cache/infomax/datasets. With\n"
            "INFOMAX_CACHE_LIMIT=20G in the environment it is pruned to that size whenever new data\n"
            "is decoded. What a process has open stays."
        )

    def __call__(self) -> Answer:
        """Return what is kept, and what was removed."""
        from infomax.learning.data.cache import cache_folder, cache_limit, entries_in, prune

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
        "name": entry.folder.name,
        "source": entry.source,
        "split": entry.split,
        "bytes": entry.num_bytes,
        "last_used": when.isoformat(timespec="seconds"),
        "in_use": entry.in_use,
    }


def _shown(found: Mapping[str, Any]) -> Iterator[Any]:
    from infomax.files import sized

    if found["entries"]:
        yield table(("decoded data", "split", "size", "last used", "entry"), map(_row, found["entries"]))
    if "removed" in found:
        total = sum(one["bytes"] for one in found["removed"])
        yield f"removed: {len(found['removed']):,} entries, {sized(total)}"
    limit = "no limit" if found["limit"] is None else f"limit {sized(found['limit'])}"
    yield f"{found['folder']}: {len(found['entries']):,} entries, {sized(found['bytes'])}, {limit}"


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    from infomax.files import sized

    used = "in use" if one["in_use"] else one["last_used"][:16].replace("T", " ")
    return one["source"] or "–", one["split"] or "–", sized(one["bytes"]), used, one["name"][:8]
