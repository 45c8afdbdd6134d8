"""A manifest: what is known of each shard, kept as long as its name, size and time stay the same."""

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pyarrow as pa
import xxhash
from filelock import FileLock

from infomax.files import replacing
from infomax.learning.data.streaming.addresses import stamp_of
from infomax.learning.data.streaming.shard import Facts, Shard, naming

VERSION = 1
"""Version of what is kept; when it goes up, what is kept is found anew."""
NUM_READS = 8
"""Shards that are looked at together."""


def facts_of(shards: Sequence[Shard], folder: Path | None) -> list[Facts]:
    """Return the facts of shards; those that are kept and still hold are not found again.

    Where several processes want them, one finds them and the others wait.

    Args:
        shards: which.
        folder: where facts are kept; None for nowhere.

    Raises:
        ValueError: a shard is damaged or cannot be reached.
    """
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    lock = nullcontext() if folder is None else FileLock(folder / "lock")
    with lock, ThreadPoolExecutor(NUM_READS) as pool:
        return [*pool.map(partial(_facts, folder=folder), shards)]


def _facts(shard: Shard, folder: Path | None) -> Facts:
    """Return the facts of a shard, from the folder or from the shard."""
    with naming(shard):
        if folder is None:
            return shard.facts()
        stamp = stamp_of(shard.place)
        key = json.dumps([VERSION, shard.place.address, shard.column, stamp])
        path = folder / f"{xxhash.xxh3_128_hexdigest(key.encode())}.arrow"
        return next(_kept(path), None) or _found(shard, path)


def _kept(path: Path) -> Iterator[Facts]:
    """Yield the facts in a file, if there is one and it is whole."""
    try:
        with pa.memory_map(str(path)) as file:
            table = pa.ipc.open_file(file).read_all()
            labels = table["label"].combine_chunks().dictionary_decode()
        about = json.loads(table.schema.metadata[b"facts"])
        os.utime(path)
        yield Facts(int(about["num_rows"]), str(about["digest"]), labels)
    except (OSError, ValueError, LookupError, TypeError, pa.ArrowException):  # not there, or damaged
        return


def _found(shard: Shard, path: Path) -> Facts:
    """Return the facts of a shard, and keep them."""
    facts = shard.facts()
    about = json.dumps({"num_rows": facts.num_rows, "digest": facts.digest})
    column = facts.labels.dictionary_encode()
    schema = pa.schema([("label", column.type)], metadata={"facts": about})
    with replacing(path) as beside, pa.ipc.new_file(str(beside), schema) as writer:
        writer.write(pa.record_batch([column], schema=schema))
    return facts
