"""Files written beside and then renamed: a reader never sees half of one, and a failure loses nothing."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


def absolute(source: str) -> str:
    """Return a path as an absolute one, so that it is found again from anywhere; other sources stay."""
    return str(Path(source).resolve()) if Path(source).exists() else source


@contextmanager
def replacing(path: str | Path) -> Generator[Path]:
    """Give a temporary path; what is written there replaces `path` when the block ends without an error.

    Raises:
        FileNotFoundError: the folder of `path` does not exist.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}; make it first")
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
