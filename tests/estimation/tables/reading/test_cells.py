"""Text cells as numbers and times: missing values, notations, dates, and what is said about the rest."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas._libs.parsers import STR_NA_VALUES

from infomax.estimation.tables.reading.cells import (
    MISSING_SIGNS,
    MISSING_WORDS,
    begins_with_zero,
    exactly,
    parsed,
    texts_of,
)


def read(cells, **how):
    return parsed(texts_of(pl.Series(cells, dtype=pl.String)), **how)


def test_the_words_are_those_of_pandas():
    assert {*MISSING_WORDS} == STR_NA_VALUES


@pytest.mark.parametrize("word", [*MISSING_WORDS, *MISSING_SIGNS, "NaT", "Missing", "N.A.", " ", "  NULL "])
def test_one_odd_cell_leaves_numbers_numbers(word):
    numbers = np.random.default_rng(0).normal(size=1000).round(4)
    cells = [*map(str, numbers)]
    cells[500] = word
    numbers[500] = np.nan
    found = read(cells)
    np.testing.assert_array_equal(found.values.fill_null(np.nan).to_numpy(), numbers)
    assert found.num_other == 0


def test_many_question_marks_are_missing_and_named():
    cells = ["?" if row % 20 == 0 else str(row) for row in range(1000)]
    found = read(cells)
    assert found.values.null_count() == 50
    assert found.note == "'?' in 50 cells taken as missing"


def test_unknown_words_among_numbers_are_counted_and_named():
    found = read([*map(str, range(997)), "abc", "x", "x"])
    assert found.values.null_count() == found.num_other == 3
    assert found.note == "3 of 1,000 cells are not numbers ('abc', 'x'), taken as missing"
    assert read([*map(str, range(89)), *"abcdefghijk"]) is None  # fewer than nine in ten
    assert read([*map(str, range(9)), *"abcdefghijk"], whatever_share=True).num_other == 11


@pytest.mark.parametrize(
    ("cells", "numbers", "example"),
    [
        (["1.5", " 7", "+3", "-2e3", ".5", "5."], [1.5, 7, 3, -2000, 0.5, 5], None),
        (["Infinity", "-inf", "1"], [np.inf, -np.inf, 1], None),
        (["−4", "5"], [-4, 5], None),
        (["0,53", "1,5", "2"], [0.53, 1.5, 2], "'0,53' is read as the number 0.53"),
        (["0,123", "1,234"], [0.123, 1.234], "'0,123' is read as the number 0.123"),
        (["1,234", "1,345,678", "1,000.5"], [1234, 1345678, 1000.5], "'1,234' is read as the number 1234"),
        (["1.234,5", "2.000,25", "7"], [1234.5, 2000.25, 7], "'1.234,5' is read as the number 1234.5"),
        (["1 234", "12 345,5"], [1234, 12345.5], "'1 234' is read as the number 1234"),
        (["1'234.5", "2'000"], [1234.5, 2000], "\"1'234.5\" is read as the number 1234.5"),
        (["45.2%", "3 %"], [45.2, 3], "'45.2%' is read as the number 45.2"),
        (["$3.50", "-$1,200.00", "($3.00)"], [3.5, -1200, -3], "'$3.50' is read as the number 3.5"),
        (["3,50 €", "1.000,00 €"], [3.5, 1000], "'3,50 €' is read as the number 3.5"),
    ],
)  # fmt: skip
def test_notations_of_numbers(cells, numbers, example):
    found = read(cells)
    np.testing.assert_array_equal(found.values.to_numpy(), numbers)
    assert found.note == example


@pytest.mark.parametrize(
    "cells",
    [
        ["192.168.0.1", "10.0.0.1"],
        ["a-1", "b-2"],
        ["1-2", "3-4"],
        ["A12", "B13"],
        ["on 2020-01-02"],
        [""],
        [],
    ],
)
def test_other_text_stays_text(cells):
    assert read(cells) is None


def test_numbers_that_begin_with_zero_are_codes():
    texts = texts_of(pl.Series(["02134", "10001"]))
    assert begins_with_zero(texts.texts) and parsed(texts) is None
    assert parsed(texts, whatever_share=True).values.to_list() == [2134, 10001]
    assert not begins_with_zero(pl.Series(["0", "0.5", "12"]))


@settings(deadline=None)
@given(st.lists(st.floats(-1e9, 1e9).map(lambda x: round(x, 3)), min_size=1, max_size=30), st.sampled_from(
    [(",", "."), (".", ","), (" ", ","), ("'", "."), ("", ".")]
))  # fmt: skip
def test_named_notations_are_read_back(numbers, signs):
    thousands, decimal = signs
    cells = [
        f"{number:,.3f}".replace(",", "T").replace(".", decimal).replace("T", thousands) for number in numbers
    ]
    values = exactly(texts_of(pl.Series([*cells, "NA"])), decimal, thousands)
    np.testing.assert_array_equal(values[:-1].to_numpy(), numbers)
    assert values[-1] is None
    assert exactly(texts_of(pl.Series([*cells, "abc"])), decimal, thousands) is None


MOMENTS = [
    datetime.datetime(2019, 12, 31, 23, 5, 59),
    datetime.datetime(2020, 2, 29, 7, 30, 1),
    datetime.datetime(2024, 7, 4),
]
DAYS = [moment.replace(hour=0, minute=0, second=0) for moment in MOMENTS]


def seconds(moments):
    return [(moment - datetime.datetime(1970, 1, 1)).total_seconds() for moment in moments]


@pytest.mark.parametrize(
    "form",
    ["%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%y", "%d %b %Y",
     "%d-%b-%Y", "%b %d, %Y", "%B %d, %Y", "%d %B %Y", "%d. %B %Y", "%a, %d %b %Y"],
)  # fmt: skip
@pytest.mark.parametrize("clock", ["", " %H:%M:%S", " %I:%M:%S %p", " %H:%M:%S.250"])
def test_forms_of_dates(form, clock):
    found = read([moment.strftime(form + clock) for moment in MOMENTS])
    expected = np.array(seconds(MOMENTS if clock else DAYS)) + 0.25 * clock.endswith("250")
    np.testing.assert_allclose(found.values.to_numpy(), expected, rtol=0, atol=1e-6)
    assert found.num_other == 0


@pytest.mark.parametrize("zone", ["Z", "+02:00", "-0530", " UTC", "+01"])
def test_time_zones(zone):
    cells = [moment.isoformat() + zone for moment in MOMENTS]
    expected = pd.to_datetime(pd.Series([cell.replace(" UTC", "Z") for cell in cells]), utc=True)
    np.testing.assert_allclose(read(cells).values.to_numpy(), expected.map(pd.Timestamp.timestamp))


def test_dates_in_other_forms():
    assert read(["2020-02", "2020-03"]).values.to_list() == seconds(
        [datetime.datetime(2020, month, 1) for month in (2, 3)]
    )
    assert read(["2020Q1", "2020-Q3"]).values.to_list() == seconds(
        [datetime.datetime(2020, month, 1) for month in (1, 7)]
    )
    assert read(["10:30", "11:45:10.5"]).values.to_list() == [37800, 42310.5]
    days = [f"2020-01-{day:02}" for day in range(1, 30)]
    found = read([*days, "NaT", "soon"])
    assert found.values.null_count() == 2
    assert (
        found.note
        == "'NaT' in 1 cell taken as missing; 1 of 30 cells are not times ('soon'), taken as missing"
    )


def test_unclear_dates_are_named():
    assert (
        read(["03/04/2020", "12/11/2020"]).note
        == "'03/04/2020' is read as month/day/year, not as day/month/year"
    )
    assert read(["13/04/2020", "12/11/2020"]).note is None


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(st.none(), st.sampled_from(["a", "b", "", "é", "NA"]), st.text(max_size=3)), max_size=30
    )
)
def test_texts_are_numbered(cells):
    texts = texts_of(pl.Series(cells, dtype=pl.String))
    names = texts.texts.to_list()
    assert [None if code < 0 else names[code] for code in texts.codes] == cells
    assert texts.counts.sum() == sum(cell is not None for cell in cells) and len({*names}) == len(names)
    fewer = texts.without(["a", "NA"])
    kept = [None if cell in ("a", "NA") else cell for cell in cells]
    assert [None if code < 0 else fewer.texts[int(code)] for code in fewer.codes] == kept
