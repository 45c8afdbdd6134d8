"""Parquet and Arrow files hold for pyarrow what they hold for Polars, and damaged ones are refused."""

import datetime as dt
from decimal import Decimal

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

from infomax.estimation.tables.read import read_frame
from infomax.estimation.tables.reading.columnar import check_stream, read_parquet, scan_arrow, scan_parquet

DAY = dt.datetime(2024, 5, 1, 12)
FRAME = pl.DataFrame(
    {
        "whole": [1, None, 3],
        "small": pl.Series([1, 2, 3], dtype=pl.Int8),
        "single": pl.Series([0.5, np.nan, 2], dtype=pl.Float32),
        "text": ["x", "ü", None],
        "category": pl.Series(["u", "v", "u"], dtype=pl.Categorical),
        "choice": pl.Series(["u", "v", "u"], dtype=pl.Enum(["v", "u"])),
        "time": [DAY] * 3,
        "zone": pl.Series([DAY] * 3).dt.replace_time_zone("Europe/Berlin"),
        "span": [dt.timedelta(1)] * 3,
        "decimal": [Decimal("1.50")] * 3,
        "yes": [True, None, False],
        "bytes": [b"a"] * 3,
        "list": [[1], [2, 3], []],
        "array": pl.Series([[1, 2]] * 3, dtype=pl.Array(pl.Int64, 2)),
        "struct": [{"q": 1}] * 3,
        "null": [None] * 3,
    }
)


@pytest.mark.parametrize("compression", ["uncompressed", "zstd", "lz4"])
def test_columns_are_those_that_polars_reads(tmp_path, compression):
    packed, arrow = tmp_path / "t.parquet", tmp_path / "t.arrow"
    FRAME.write_parquet(packed, compression=compression)
    FRAME.write_ipc(arrow, compression=compression)
    assert_frame_equal(read_parquet(packed), pl.read_parquet(packed))
    assert_frame_equal(scan_arrow([arrow]).collect(), pl.read_ipc(arrow))


def test_files_follow_each_other_and_give_what_is_wanted(tmp_path):
    paths = [tmp_path / f"{number}[*].parquet" for number in range(2)]
    for number, path in enumerate(paths):
        FRAME.with_columns(part=pl.lit(number)).write_parquet(path)
    both = scan_parquet([paths[0], paths[1].read_bytes()])
    assert both.collect()["part"].to_list() == [0] * 3 + [1] * 3
    assert both.select("yes", "whole").filter(pl.col("whole") == 3).collect().rows() == [(False, 3)] * 2
    assert both.head(2).select("part").collect().rows() == [(0,), (0,)]


@pytest.mark.parametrize("value", [0x73, 0xFF])
@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_any_byte_of_a_table_may_be_damaged(tmp_path, kind, value):
    """One of them makes Polars ask for 2 EiB: a number of values that is negative."""
    path = tmp_path / f"t.{kind}"
    frame = pl.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None]})
    (frame.write_parquet if kind == "parquet" else frame.write_ipc)(path, compression="uncompressed")
    content, refused = path.read_bytes(), 0
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([value]) + content[at + 1 :])
        try:
            read_frame(path)
        except ValueError as error:
            refused += 1
            assert path.name in str(error) and "\n" not in str(error)
    assert refused > len(content) // 10


def of_offsets(offsets):
    """A batch of texts that begin at these places."""
    buffers = [None, pa.py_buffer(np.array(offsets, np.int32)), pa.py_buffer(b"abcdef")]
    return pa.record_batch({"name": pa.Array.from_buffers(pa.string(), len(offsets) - 1, buffers)})


@pytest.mark.parametrize("write", [pa.ipc.new_file, pa.ipc.new_stream])
def test_texts_that_begin_beyond_the_file_are_refused(tmp_path, write):
    for name, offsets in {"good": [0, 3, 6], "bad": [0, 1 << 30, 6]}.items():
        batch = of_offsets(offsets)
        with write(tmp_path / f"{name}.arrow", batch.schema) as file:
            file.write_batch(batch)
    check_stream(tmp_path / "good.arrow")
    with pytest.raises(OSError, match="offset"):
        check_stream(tmp_path / "bad.arrow")
    if write is pa.ipc.new_file:
        assert read_frame(tmp_path / "good.arrow").frame["name"].to_list() == ["abc", "def"]
        with pytest.raises(ValueError, match=r"bad\.arrow cannot be read as a table: .*offset"):
            read_frame(tmp_path / "bad.arrow")
