"""Embeddings in several files, ``features-00007-of-00064.parquet``, each written once.

Beside them lies ``features-of-00064.json``, the record of what they are made of. A call that finds it goes on
where another one stopped, if encoder, data and settings are the same, and refuses otherwise.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xxhash
from torch import nn

from infomax.errors import refuse
from infomax.evaluation.outputs.formats import suffix_of
from infomax.files import read_json, replacing

MAX_PARTS = 99_999
"""Most files, so that names sort as numbers do."""


def part_path(out: str | Path, number: int, num_parts: int) -> Path:
    """Return the file of a part.

    Example:
        >>> part_path("features.csv.gz", 7, 64).name
        'features-00007-of-00064.csv.gz'
    """
    stem, suffix = _split(Path(out))
    return Path(out).with_name(f"{stem}-{number:05}-of-{num_parts:05}{suffix}")


def parts_pattern(out: str | Path, num_parts: int) -> str:
    """Return the pattern that all parts fit."""
    stem, suffix = _split(Path(out))
    return str(Path(out).with_name(f"{stem}-*-of-{num_parts:05}{suffix}"))


def record_path(out: str | Path, num_parts: int) -> Path:
    """Return the file that records what the parts are made of."""
    stem, _ = _split(Path(out))
    return Path(out).with_name(f"{stem}-of-{num_parts:05}.json")


def rows_of_part(num_rows: int, number: int, num_parts: int) -> slice:
    """Return the rows of a part: consecutive ones, as many as of any other, or one more or less.

    Example:
        >>> [rows_of_part(10, number, 4) for number in range(4)]
        [slice(0, 2, None), slice(2, 5, None), slice(5, 7, None), slice(7, 10, None)]
    """
    return slice(number * num_rows // num_parts, (number + 1) * num_rows // num_parts)


def begin_or_go_on(out: str | Path, num_parts: int, record: Mapping[str, Any]) -> None:
    """Write the record of what the parts will be made of, or check that of parts that are there.

    Raises:
        ValueError: they are made of something else.
    """
    path = record_path(out, num_parts)
    if not path.exists():
        with replacing(path) as beside:
            beside.write_text(json.dumps(dict(record), indent=1))
        return
    found = read_json(path, "embed", "move it and its parts away", {"type": "object"})
    other = [name for name, value in record.items() if found.get(name) != value]
    refuse(
        other,
        f"embed: the parts beside {path} were made with another {' and another '.join(other)}; choose "
        "another --out, or move them and the record away",
    )


def weights_hash(encoder: nn.Module) -> str:
    """Return a hash of the names and weights of an encoder."""
    hasher = xxhash.xxh3_128()
    for name, weights in sorted(encoder.state_dict().items()):
        hasher.update(name.encode())
        hasher.update(weights.detach().cpu().contiguous().numpy().tobytes())
    return hasher.hexdigest()


def check_num_parts(num_parts: int, num_rows: int) -> None:
    """Check that there is a row for each part.

    Raises:
        ValueError: there is not.
    """
    most = min(num_rows, MAX_PARTS)
    refuse(not 1 <= num_parts <= most, f"embed: expected 1 to {most:,} parts, got {num_parts:,}")


def _split(out: Path) -> tuple[str, str]:
    suffix = suffix_of(out)
    return out.name[: -len(suffix)], out.name[-len(suffix) :]
