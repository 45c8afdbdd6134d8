"""Kinds and codes of columns, lags, and normal scores; refusals of what is no table."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri
from scipy.stats import rankdata

from infomax.estimation.tables.columns import Column, columns_of, named

N = 40
TABLE = pl.DataFrame(
    {
        "text": ["b", "a", None, "c"] * 10,
        "yes": [True, False, None, True] * 10,
        "grade": [3, 1, 2, 1] * 10,
        "dose": [0.5, 1.5, None, 0.5] * 10,
        "age": list(range(N)),
        "rain": [0.0] * 18 + [float(i) for i in range(22)],
        "name": [f"n{i}" for i in range(N)],
        "day": [datetime.date(2020, 1, 1) + datetime.timedelta(days=i) for i in range(N)],
        "empty": [None] * N,
    }
).with_columns(category=pl.col("text").cast(pl.Categorical), infinite=pl.col("age").cast(pl.Float64) / 0)
KINDS = {
    "text": "labels", "yes": "labels", "grade": "labels", "dose": "labels", "age": "continuous",
    "rain": "continuous", "name": "identifiers", "day": "continuous", "empty": "labels", "category": "labels",
    "infinite": "labels",
}  # fmt: skip


def test_kinds_of_a_polars_frame():
    assert {column.name: column.kind for column in columns_of("f", TABLE)} == KINDS
    assert {column.name: column.kind for column in columns_of("f", TABLE.lazy())} == KINDS


def test_pandas_mappings_and_arrays_are_the_same_table():
    expected = {column.name: column for column in columns_of("f", TABLE)}
    mapping = {name: TABLE[name].to_list() for name in TABLE.columns if name != "infinite"}
    for table in (TABLE.to_pandas().drop(columns="infinite"), mapping):
        for column in columns_of("f", table):
            assert column.kind == KINDS[column.name]
            np.testing.assert_array_equal(column.present, expected[column.name].present)
            if column.name in ("grade", "age", "rain"):
                np.testing.assert_array_equal(column.values, expected[column.name].values)
    by_number = columns_of("f", TABLE.select("age", "rain").to_numpy())
    assert [column.name for column in by_number] == ["0", "1"]
    np.testing.assert_array_equal(by_number[1].values, TABLE["rain"].to_numpy())
    assert columns_of("f", pd.DataFrame({7: [1.5, 2.5]}))[0].name == "7"


def test_codes_are_those_of_equal_labels():
    text, yes, grade, dose, *_ = columns_of("f", TABLE)
    assert (text.values[:4] == [text.values[0], text.values[1], -1, text.values[3]]).all()
    assert sorted(text.values[[0, 1, 3]]) == [0, 1, 2]
    np.testing.assert_array_equal(yes.values[:4], [1, 0, -1, 1])
    np.testing.assert_array_equal(grade.values[:4], [2, 0, 1, 0])
    np.testing.assert_array_equal(dose.values[:4], [0, 1, -1, 0])


def test_nan_is_missing_and_infinity_is_not():
    (column,) = columns_of("f", {"x": [1.0, np.nan, np.inf, -2.0]})
    np.testing.assert_array_equal(column.present, [True, False, True, True])
    np.testing.assert_array_equal(np.argsort(column.normal_scores(0).values), [3, 0, 2, 1])


def test_kinds_can_be_overruled():
    kinds = {"grade": "continuous", "age": "labels", "name": "labels"}
    columns = {column.name: column for column in columns_of("f", TABLE, kinds)}
    assert {name: columns[name].kind for name in kinds} == kinds
    np.testing.assert_array_equal(columns["grade"].values[:4], [3.0, 1, 2, 1])
    assert columns["age"].has_labels


@given(st.lists(st.one_of(st.none(), st.integers(-3, 3), st.floats(-2, 2)), min_size=1, max_size=40))
def test_normal_scores_keep_the_order_and_break_ties(values):
    column = Column("x", "continuous", np.array([np.nan if v is None else v for v in values], dtype=float))
    scores, present = column.normal_scores(1).values, column.present
    np.testing.assert_array_equal(np.isnan(scores), ~present)
    scores, values, n = scores[present], column.values[present], int(present.sum())
    np.testing.assert_allclose(np.sort(scores), ndtri(np.arange(1, n + 1) / (n + 1)))
    np.testing.assert_array_equal(rankdata(scores)[np.argsort(scores)], np.arange(1, n + 1))
    assert (np.diff(values[np.argsort(scores)]) >= 0).all()


def test_ties_are_broken_independently_of_other_columns():
    first, second = (Column(name, "continuous", np.zeros(1000)).normal_scores(0) for name in ("a", "b"))
    assert abs(np.corrcoef(first.values, second.values)[0, 1]) < 0.1
    np.testing.assert_array_equal(
        first.values, Column("a", "continuous", np.zeros(1000)).normal_scores(0).values
    )


def test_earlier_rows():
    text, *_, rain = columns_of("f", TABLE.select("text", "rain"))
    for column in (text, rain):
        earlier = named("f", [text, rain], f"{column.name}@2")
        assert earlier.name == f"{column.name}@2"
        assert not earlier.present[:2].any()
        np.testing.assert_array_equal(earlier.values[2:], column.values[:-2])
        assert named("f", [text, rain], f"{column.name}@0") is column
    with pytest.raises(ValueError, match=r"rain@40: a lag must be from 0 to 39"):
        named("f", [rain], "rain@40")
    odd = Column("a@1", "labels", np.array([0, 1]))
    assert named("f", [odd], "a@1") is odd


@pytest.mark.parametrize(
    ("table", "kinds", "message"),
    [
        (5, {}, r"f: got int that is no table \(shape \[\]\); expected a frame \(Polars, pandas"),
        (np.zeros(3), {}, r"f: got ndarray that is no table \(shape \[3\]\)"),
        ({"a": [1, 2], "b": [1]}, {}, "f: got dict that is no table .*; expected"),
        ({}, {}, "f: got a table of 0 rows and 0 columns"),
        ({"a": []}, {}, "f: got a table of 0 rows and 1 columns"),
        (
            {"a": [[1], [2]]},
            {},
            "f: no column can be measured: a holds lists; give each of their entries a column",
        ),
        ({"a": [object()]}, {}, "f: no column can be measured: a holds objects of the type object"),
        ({"a": [1.0]}, {"b": "labels"}, "f: no column 'b'; there are a"),
        ({"a": [1.0]}, {"a": "label"}, r"f: a: no kind 'label'; did you mean labels\?"),
        (
            {"a": ["x"]},
            {"a": "continuous"},
            "f: column a is text without numbers or times, which cannot be continuous; make it labels",
        ),
    ],
)
def test_refusals(table, kinds, message):
    with pytest.raises(ValueError, match=message):
        columns_of("f", table, kinds)


def test_unknown_names_suggest_the_nearest():
    columns = columns_of("f", TABLE)
    with pytest.raises(ValueError, match=r"f: no column 'grad'; did you mean grade\?"):
        named("f", columns, "grad")
    with pytest.raises(ValueError, match=r"f: no column 'grade@x'"):
        named("f", columns, "grade@x")
