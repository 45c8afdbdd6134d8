"""A library in Rust that panics is an error like others: in one line, with the file's name."""

import pytest

from infomax.errors import without_panics
from infomax.files import Unreadable, reading


class PanicException(BaseException):  # what pyo3 raises: no Exception
    pass


def test_a_panic_is_an_error():
    with pytest.raises(RuntimeError, match="offset is too large"), without_panics():
        raise PanicException("offset\nis too large")
    with pytest.raises(KeyboardInterrupt), without_panics():
        raise KeyboardInterrupt


def test_a_panic_names_the_file(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    path, words = tmp_path / "a.parquet", r"labels: cannot read .*a.parquet: offset; copy it again"
    with pytest.raises(Unreadable, match=words), reading("labels", path, "copy it again"):
        raise PanicException("offset")
