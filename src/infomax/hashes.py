"""The record of a folder of results: the SHA-256 of each file as it was written, in the form of sha256sum.

A folder keeps a record where it has a file ``SHA256SUMS``; `infomax.files.replacing` adds to it. Lines are
only added: where a file was written anew, its last line counts. ``sha256sum --check`` reads the record, too.
"""

import hashlib
from pathlib import Path

RECORD = "SHA256SUMS"
"""The file that holds the record of a folder."""
REMOVED = 64 * "0"
"""The entry in place of a hash, for a file that was removed on purpose."""


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of what a file holds, in hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def begin_record(folder: str | Path) -> None:
    """Begin the record of a folder with the files that lie in it; a record that is there stays as it is."""
    folder = Path(folder)
    if not (folder / RECORD).exists():
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        lines = [_line(sha256_of(path), path.name) for path in files]
        (folder / RECORD).write_text("".join(lines))


def note_hash(path: str | Path, written: str | Path | None = None) -> None:
    """Add the hash of a file to the record of its folder, if that keeps one.

    Args:
        path: the file.
        written: where its new content lies until it takes the place of the old one. It is noted before, so
            that whenever the process is killed, the file is one of those that were noted.
    """
    record = Path(path).with_name(RECORD)
    if record.is_file():
        _add(record, sha256_of(written or path), Path(path).name)


def remove(path: str | Path) -> None:
    """Remove a file, if there is one, and note that in the record of its folder, if that keeps one."""
    path = Path(path)
    if path.exists() and path.with_name(RECORD).is_file():
        _add(path.with_name(RECORD), REMOVED, path.name)
    path.unlink(missing_ok=True)


def recorded_hashes(folder: str | Path) -> dict[str, list[str]]:
    """Return the hashes of each file in the record of a folder, the last one last; {} where there is none."""
    record = Path(folder) / RECORD
    found: dict[str, list[str]] = {}
    for line in record.read_text().splitlines() if record.is_file() else []:
        digest, _, name = line.partition("  ")
        if name:
            found.setdefault(name, []).append(digest)
    return found


def _add(record: Path, digest: str, name: str) -> None:
    with record.open("a") as file:
        file.write(_line(digest, name))


def _line(digest: str, name: str) -> str:
    return f"{digest}  {name}\n"
