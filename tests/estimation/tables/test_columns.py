"""Kinds and codes of columns, lags, and normal scores; refusals of what is no table."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri
from scipy.stats import rankdata

from infomax.estimation.neighbors.ksg import KSG
from infomax.estimation.tables.columns import Column, columns_of, named
from infomax.estimation.tables.reading.frames import ReadFrame

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


def test_guesses_that_could_be_wrong_are_said():
    few, many = [1, 2, 3, 5] * 10, [*range(30)] * 4
    table = {
        "dose": few,
        "yes": [0, 1] * 20,
        "age": list(range(40)),
        "name": [f"n{i}" for i in range(40)],
    }
    assert columns_of("f", table).notes == (
        "dose: 4 different numbers, taken as labels; --kind dose=continuous",
        "name: 40 of 40 labels occur once, taken as identifiers; --kind name=labels",
    )
    postal, text = [10_000 + 100 * x for x in many], [str(x) for x in many]
    table = {"zip_code": many, "postal": postal, "age": many, "id": text}
    assert columns_of("f", table).notes == (
        "zip_code: 30 different whole numbers, taken as continuous; --kind zip_code=labels",
        "postal: 30 different whole numbers, taken as continuous; --kind postal=labels",
        "id: text of numbers, taken as numbers; --kind id=labels keeps the text; 30 different whole numbers, "
        "taken as continuous; --kind id=labels",
    )
    assert not columns_of("f", table, dict.fromkeys(table, "labels")).notes
    assert columns_of("f", {"zip": ["02134", "10001"] * 9}).notes == (
        "zip: numbers that begin with 0, taken as labels; --kind zip=continuous",
    )
    assert columns_of("f", {"city": ["Oslo", "-"] * 9}).notes == (
        "city: '-' in 9 rows taken as a label; --missing '-' if it means no value",
    )


def test_text_that_is_nearly_numeric():
    """Some odd cells leave numbers numbers, and are named; few numbers with other labels stay labels."""
    numbers = np.random.default_rng(0).normal(size=1000).round(4)
    cells = [*map(str, numbers[:997]), "abc", "x", "x"]
    (column,) = columns_of("f", {"age": cells})
    assert column.kind == "continuous"
    np.testing.assert_array_equal(column.values, [*numbers[:997], np.nan, np.nan, np.nan])
    assert column.note == (
        "age: 3 of 1,000 cells are not numbers ('abc', 'x'), taken as missing; "
        "--kind age=labels keeps the text"
    )
    (forced,) = columns_of("f", {"age": ["1", "2", "x", "y"]}, {"age": "continuous"})
    assert forced.note == "age: 2 of 4 cells are not numbers ('x', 'y'), taken as missing"
    (labels,) = columns_of("f", {"age": cells}, {"age": "labels"})
    assert labels.kind == "labels" and labels.values.max() == len({*cells}) - 1
    (grade,) = columns_of("f", {"grade": ["1", "2", "3", "4"] * 24 + ["K"] * 4 + ["?"]})
    assert grade.kind == "labels" and grade.values.max() == 4 and grade.values[-1] == -1


def test_text_of_times_is_times():
    days = [datetime.date(2020, 1, 1) + datetime.timedelta(days=i) for i in range(N)]
    expected = [86400.0 * (day - datetime.date(1970, 1, 1)).days for day in days]
    for cells in (list(map(str, days)), [f"{day:%d.%m.%Y}" for day in days]):
        (column,) = columns_of("f", {"day": cells})
        assert column.kind == "continuous"
        np.testing.assert_array_equal(column.values, expected)


def test_categories_are_labels_even_of_numbers():
    table = pd.DataFrame({"shop": pd.Categorical([*range(30)] * 4)})
    (column,) = columns_of("f", table)
    assert column.kind == "labels" and column.values.max() == 29
    (column,) = columns_of("f", table, {"shop": "continuous"})
    np.testing.assert_array_equal(column.values, table["shop"].astype(float))


def test_large_whole_numbers_are_told_apart():
    ids = [2**60 + i for i in range(N)]
    (column,) = columns_of("f", {"id": ids})
    assert column.kind == "identifiers" and len({*column.values.tolist()}) == N
    assert (
        column.note == "id: whole numbers beyond 2⁵³, taken as identifiers; --kind id=continuous rounds them"
    )
    for offset in (2**60, 2**63, 2**70):
        (column,) = columns_of("f", {"id": [offset + i % 10 for i in range(N)]})
        assert column.kind == "labels"
        np.testing.assert_array_equal(column.values, np.arange(N) % 10)
    (column,) = columns_of("f", {"id": [None, *ids]})
    assert column.values[0] == -1
    assert columns_of("f", {"id": ids}, {"id": "continuous"})[0].kind == "continuous"


def test_row_numbers_without_a_name_are_left_out():
    table = {"": range(N), "x": range(N)}
    found = columns_of("f", table)
    assert [column.name for column in found] == ["x"]
    assert found.notes == ("the first column: has row numbers and no name; left out",)
    assert len(columns_of("f", table, {"": "continuous"})) == 2
    assert len(columns_of("f", {"": [1, 1], "x": [1, 2]})) == 2
    assert [column.name for column in columns_of("f", pd.DataFrame({"x": [1, 2]}, index=[5, 6]))] == ["x"]
    for unnamed in ("Unnamed: 0", "__UNNAMED__0"):
        assert [column.name for column in columns_of("f", {unnamed: [3, 1], "x": [1, 2]})] == ["x"]


def test_odd_columns_are_left_out_and_said():
    found = columns_of("f", {"x": [1.0, 2.0], "tags": [["a"], ["b"]]})
    assert [column.name for column in found] == ["x"] and found.left_out[0].name == "tags"
    assert found.notes == ("tags: holds lists; give each of their entries a column; left out",)
    with pytest.raises(ValueError, match=r"f: column tags holds lists.*; expected numbers, labels or times"):
        columns_of("f", {"x": [1.0, 2.0], "tags": [["a"], ["b"]]}, {"tags": "labels"})


def test_columns_are_a_sequence():
    found = columns_of("f", TABLE)
    assert len(found) == len([*found]) == TABLE.width
    assert found[0].name == "text" and [column.name for column in found[1:3]] == ["yes", "grade"]


def test_a_read_frame_brings_its_notes():
    read = ReadFrame(pl.DataFrame({"x": ["1.5", "2.5", "3.5"]}).cast(pl.Categorical), ("t.csv: a guess",))
    found = columns_of("f", read)
    assert found[0].kind == "continuous" and found.notes == ("t.csv: a guess",)


def test_weights_and_groups():
    table = {"x": range(4), "w": [1, 0, 2, 1], "g": [7, 7, 8, None]}
    found = columns_of("f", table, weights="w", group="g")
    assert [column.name for column in found] == ["x"]
    np.testing.assert_array_equal(found.weights, [1.0, 0, 2, 1])
    assert found.groups.name == "g"
    np.testing.assert_array_equal(found.groups.values, [0, 0, 1, -1])
    assert columns_of("f", table).weights is None


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, -2, 3], r"weights w must be finite and at least 0, got -2 in row 1 \(1 such row\)"),
        ([1, None, np.inf], r"weights w must be .* got nan in row 1 \(2 such rows\); drop those rows"),
        ([0, 0, 0], "weights w are all 0"),
        (["a", "b", "c"], "weights w are String; expected numbers"),
        ([[1], [2], [3]], "column w holds lists"),
    ],
)
def test_weights_that_are_none(weights, message):
    with pytest.raises(ValueError, match=message):
        columns_of("f", {"x": [1, 2, 3], "w": weights}, weights="w")


def test_weights_and_groups_that_clash():
    table = {"x": [1, 2], "w": [1, 2]}
    with pytest.raises(ValueError, match="f: w cannot hold both weights and groups"):
        columns_of("f", table, weights="w", group="w")
    with pytest.raises(ValueError, match="f: w holds weights or groups, which have no kind"):
        columns_of("f", table, {"w": "labels"}, weights="w")
    with pytest.raises(ValueError, match=r"f: no column 'W'; did you mean 'w'\?"):
        columns_of("f", table, weights="W")


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(0, 4))
def test_earlier_rows_of_the_same_group(labels, lag):
    """As pandas shifts groups, in any order of rows; the rows of a missing group have none."""
    table = pd.DataFrame({"g": labels, "x": np.arange(len(labels)) + 0.5})
    groups = Column(
        "g", "labels", np.array([label if label else -1 for label in labels]) - (np.array(labels) > 0)
    )
    column = Column("x", "continuous", table["x"].to_numpy())
    if lag > 0 and lag >= max(np.bincount(labels)[1:], default=0):
        with pytest.raises(
            ValueError, match=f"x@{lag}: a lag must be from 0 to .* the largest group of g has"
        ):
            column.earlier(lag, groups)
        return
    expected = table.groupby("g")["x"].shift(lag).where(table["g"] > 0) if lag else table["x"]
    np.testing.assert_array_equal(column.earlier(lag, groups).values, expected)


def test_lags_within_groups_find_what_lags_across_miss():
    """Series of four rows, a random walk each, sorted by time: the row before is another series' row."""
    rng = np.random.default_rng(0)
    walks = rng.normal(size=(300, 1)) * 3 + rng.normal(size=(300, 4)).cumsum(axis=1)
    x = Column("x", "continuous", walks.T.ravel())
    groups = Column("g", "labels", np.tile(np.arange(300), 4))
    within, across = x.earlier(1, groups), x.earlier(1)
    assert within.present.sum() == 900 and not within.present[:300].any()
    rows = within.present
    assert KSG().estimate(x.values[rows], within.values[rows]).value > 0.8
    assert KSG().estimate(x.values[1:], across.values[1:]).value < 0.1


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
    with pytest.raises(ValueError, match=r"f: no column ' Grade'; did you mean 'grade'\?"):
        named("f", columns, " Grade")
    with pytest.raises(ValueError, match=r"f: no column 'grade@x'"):
        named("f", columns, "grade@x")
