"""Tables of every library become the same columns; odd columns are left out and named."""

import datetime
import decimal
import uuid

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse

from infomax.estimation.tables.reading.frames import ReadFrame, as_frame, as_series

NUMBERS = [1.5, None, 3.0]
LABELS = ["a", "b", None]
TABLE = pl.DataFrame({"x": NUMBERS, "y": LABELS})


class Capsule:
    def __arrow_c_stream__(self, requested_schema=None):
        return TABLE.__arrow_c_stream__(requested_schema)


class Interchange:
    def __dataframe__(self, **how):
        return TABLE.to_pandas().__dataframe__(**how)


class ToPandas:
    def to_pandas(self):
        return TABLE.to_pandas()


class Axis:
    """A variable of xarray, as far as it is looked at."""

    def __init__(self, values, dims, coords=None):
        self.values, self.dims, self.coords, self.shape = values, dims, coords or {}, values.shape


class Dataset(dict):
    """A data set of xarray: a mapping of variables."""

    dims, coords = ("t",), {"t": Axis(np.arange(3), ("t",))}

    @property
    def data_vars(self):
        return self


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "table",
    [
        TABLE,
        TABLE.lazy(),
        ReadFrame(TABLE),
        TABLE.to_pandas(),
        TABLE.to_pandas().convert_dtypes(),
        TABLE.to_pandas().convert_dtypes(dtype_backend="pyarrow"),
        TABLE.to_arrow(),
        TABLE.to_arrow().to_batches()[0],
        Capsule(),
        Interchange(),
        ToPandas(),
        {"x": NUMBERS, "y": LABELS},
        {"x": np.array([1.5, np.nan, 3]), "y": pd.Series(LABELS, index=[7, 7, 8])},
        {"x": np.ma.array([1.5, 2, 3], mask=[0, 1, 0]), "y": np.ma.array(["a", "b", "c"], mask=[0, 0, 1])},
        {"x": pa.array(NUMBERS), "y": pa.array(LABELS).dictionary_encode()},
        {"x": pl.Series(NUMBERS), "y": tuple(LABELS)},
        [{"x": 1.5, "y": "a"}, {"y": "b"}, {"x": 3.0}],
        Dataset(x=Axis(np.array([1.5, np.nan, 3]), ("t",)), y=Axis(np.array(LABELS, dtype=object), ("t",))),
        np.rec.fromarrays([np.array([1.5, np.nan, 3]), np.array(LABELS, dtype=object)], names=["x", "y"]),
    ],
    ids=lambda table: type(table).__name__,
)  # fmt: skip
def test_tables_of_every_library(table):
    frame = as_frame("f", table).frame
    assert frame.columns == ["x", "y"]
    assert frame["x"].fill_nan(None).to_list() == NUMBERS
    assert frame["y"].cast(pl.String).to_list() == LABELS


def test_arrays():
    torch = pytest.importorskip("torch")
    values = np.array([[1.0, 2], [3, 4], [5, 6]])
    half = torch.tensor(values, dtype=torch.bfloat16, requires_grad=True)
    for array in (
        values,
        np.asfortranarray(values),
        torch.tensor(values),
        half,
        scipy.sparse.csr_array(values),
    ):
        frame = as_frame("f", array).frame
        assert frame.columns == ["0", "1"] and frame.rows() == [(1, 2), (3, 4), (5, 6)]
    masked = as_frame("f", np.ma.array(values, mask=[[0, 1], [0, 0], [0, 0]])).frame
    assert masked.rows() == [(1, None), (3, 4), (5, 6)]
    assert as_frame("f", [(1, "a"), (2, None)]).frame.rows() == [(1, "a"), (2, None)]
    columns = Axis(values, ("time", "place"), {"place": Axis(np.array(["p", "q"]), ("place",))})
    assert as_frame("f", columns).frame.columns == ["p", "q"]


def test_datasets_of_xarray_along_several_axes():
    """Rows of variables along different axes do not belong together, even where they are as many."""
    time, place, both = Axis(np.arange(3), ("t",)), Axis(np.arange(3), ("p",)), Axis(np.eye(3), ("t", "p"))
    read = as_frame("f", Dataset(a=time, b=both))
    assert read.frame.columns == ["a"] and [one.name for one in read.left_out] == ["b"]
    with pytest.raises(ValueError, match=r"a along t, b along p; select variables along one axis, or"):
        as_frame("f", Dataset(a=time, b=place))
    with pytest.raises(ValueError, match=r"got Dataset that is no table \(b along t and p; select"):
        as_frame("f", Dataset(b=both))
    with pytest.raises(ValueError, match="axes t, p, c; select two, or one variable for each column"):
        as_frame("f", Axis(np.ones((3, 2, 2)), ("t", "p", "c")))


ODD = {
    "complex": np.array([1j, 2, 3]),
    "lists": [[1], [2], [3]],
    "tuples": [(1, 2), (3, 4), (5, 6)],
    "dictionaries": [{"a": 1}, {"a": 2}, {"a": 3}],
    "bytes": [b"a", b"b", b"c"],
    "objects": [object(), object(), object()],
    "wide": np.ones((3, 2)),
    "number": 5,
    "word": "abc",
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_column_never_stops_the_others(name):
    read = as_frame("f", {"x": [1, 2, 3], name: ODD[name], "z": ["a", "b", "c"]})
    assert read.frame.columns == ["x", "z"]
    assert [one.name for one in read.left_out] == [name]
    assert str(read.left_out[0]).startswith(f"{name}: ") and str(read.left_out[0]).endswith("; left out")
    with pytest.raises(ValueError, match=f"f: no column can be measured: {name} "):
        as_frame("f", {name: ODD[name]})


def test_odd_columns_of_pandas():
    table = pd.DataFrame(
        {
            "interval": pd.cut([1, 2, 3, 4], 2),
            "period": pd.period_range("2020-01", periods=4, freq="M"),
            "sparse": pd.arrays.SparseArray([0.0, 0, 1, 2]),
            "decimal": [decimal.Decimal("1.5"), decimal.Decimal(2), None, decimal.Decimal(0)],
            "duration": pd.to_timedelta([1, 2, 3, None], "h"),
            "mixed": [1, "a", 2.5, None],
            "category": pd.Categorical([30, 10, None, 10]),
            "nullable": pd.array([1, None, 3, 4], dtype="Int64"),
            "zone": pd.date_range("2020", periods=4, tz="Europe/Oslo"),
            "half": np.arange(4, dtype="float16"),
            "uuid": [uuid.UUID(int=number) for number in range(4)],
            "large": [2**70 + number for number in range(4)],
            "complex": [1j, 2, 3, 4],
            "decimals": pd.array([decimal.Decimal("2.5")] * 4, dtype=pd.ArrowDtype(pa.decimal256(50, 2))),
            "structures": pd.array([{"a": 1}] * 4, dtype=pd.ArrowDtype(pa.struct({"a": pa.int64()}))),
        }
    )
    read = as_frame("f", table)
    assert [one.name for one in read.left_out] == ["complex", "structures"]
    frame = read.frame
    assert frame["interval"].n_unique() == 2
    assert frame["period"].to_list() == [datetime.datetime(2020, month, 1) for month in (1, 2, 3, 4)]
    assert frame["sparse"].to_list() == [0, 0, 1, 2]
    assert frame["decimal"].to_list() == [1.5, 2, None, 0]
    assert frame["mixed"].to_list() == ["1", "a", "2.5", None]
    assert (
        frame["category"].to_list() == ["30", "10", None, "10"] and frame["category"].dtype == pl.Categorical
    )
    assert frame["large"].n_unique() == frame["uuid"].n_unique() == 4
    assert frame["decimals"].to_list() == [2.5] * 4


def test_odd_columns_of_polars_and_arrow():
    frame = pl.DataFrame(
        {
            "x": [1, 2],
            "list": [[1], [2]],
            "struct": [{"a": 1}, {"a": 2}],
            "binary": [b"1", b"2"],
            "array": pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int8, 2)),
            "object": pl.Series([{1}, {2}], dtype=pl.Object),
            "decimal": pl.Series([decimal.Decimal("1.25"), None]),
            "duration": [datetime.timedelta(1), None],
        }
    )
    read = as_frame("f", frame)
    assert read.frame.columns == ["x", "decimal", "duration"] and read.frame["decimal"].to_list() == [
        1.25,
        None,
    ]
    assert [one.name for one in read.left_out] == ["list", "struct", "binary", "array", "object"]
    values = {
        "x": pa.array([1, 2]),
        "list": pa.array([[1], [2]]),
        "months": pa.array([(1, 2, 3), None], type=pa.month_day_nano_interval()),
        "bytes": pa.array([b"1", b"2"]),
        "large": pa.array([decimal.Decimal("1.5")] * 2, type=pa.decimal256(50, 2)),
        "nothing": pa.array([None, None]),
        "codes": pa.array([7, 8]).dictionary_encode(),
    }
    read = as_frame("f", pa.table(values))
    assert read.frame.columns == ["x", "large", "nothing", "codes"] and read.frame["large"].to_list() == [
        1.5,
        1.5,
    ]


def test_equal_names_are_kept_apart():
    table = pd.DataFrame([[1, 2, 3, 4]] * 2, columns=["a", "a", "a_2", "a"])
    read = as_frame("f", table)
    assert read.frame.row(0) == (1, 2, 3, 4) and len({*read.frame.columns}) == 4
    assert read.notes
    levels = pd.MultiIndex.from_tuples([("a", "min"), ("a", "max")])
    assert as_frame("f", pd.DataFrame([[1, 2]], columns=levels)).frame.columns == ["a.min", "a.max"]


def test_one_column():
    assert as_series("x", pd.Series([1, 2])).to_list() == [1, 2]
    for one in (pd.DataFrame({"x": [1, 2]}), pl.DataFrame({"a": [1, 2]}), np.array([[1], [2]])):
        assert as_series("x", one).to_list() == [1, 2]
    assert as_series("x", pd.period_range("2020", periods=2, freq="D")).dtype.is_temporal()
    with pytest.raises(ValueError, match=r"has shape \[2, 2\]; expected one value for each row"):
        as_series("x", np.ones((2, 2)))
    with pytest.raises(ValueError, match="has 2 columns; expected one value for each row"):
        as_series("x", pd.DataFrame({"x": [1], "y": [2]}))


def test_a_read_frame_is_a_table_for_others():
    read = ReadFrame(TABLE, ("a note",))
    assert len(read) == 3
    assert pl.DataFrame(read).equals(TABLE) and pa.table(read).num_rows == 3
