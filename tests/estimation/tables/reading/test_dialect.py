"""How text files are written: guessed from their beginning, and said."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infomax.estimation.tables.columns import columns_of
from infomax.estimation.tables.read import read_frame
from infomax.estimation.tables.reading.dialect import TextOptions, guess_dialect, guess_encoding

SIGNS = {",": "','", ";": "';'", "\t": "tab", "|": "'|'"}


@pytest.mark.parametrize("separator", SIGNS)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_separators(separator, ends):
    for rows in (["ab", "12", "34"], [["name", "x"], ["Oslo, Norway", "1.5"], ["Rome", "2"]]):
        text = io.StringIO()
        csv.writer(text, delimiter=separator, lineterminator=ends).writerows(rows)
        found = guess_dialect(text.getvalue().encode(), TextOptions(), ",")
        assert found.separator == separator and found.decimal == "."
        said = f"separator {SIGNS[separator]} (guessed; --separator sets it)"
        assert found.notes == (() if separator == "," else (said,))


@pytest.mark.parametrize(
    ("text", "separator", "decimal"),
    [
        ("1,5;2,5\n3,25;4,1\n", ";", ","),  # without names
        ("x\n0,5\n1,5\n", ";", ","),  # one column
        ("x\n1\n2\n", ",", "."),
        ("a;b\n1,234;2\n5,678;3\n", ";", "."),  # thousands, or not: left to the column
        ("a;b\n1.234,5;2\n", ";", ","),
        ("a;b\n1,5;2.5\n", ";", "."),  # both signs
        ("1.0 2.0\n3.5   4\n", " ", "."),
        ("a note\nanother one\n", ",", "."),
        ("", ",", "."),
    ],
)
def test_signs(text, separator, decimal):
    found = guess_dialect(text.encode(), TextOptions(), ",")
    assert (found.separator, found.decimal) == (separator, decimal)
    assert any("decimal comma" in note for note in found.notes) == (decimal == ",")


def test_what_is_named_is_not_guessed():
    options = TextOptions(separator="semicolon", decimal=",", encoding="latin-1")
    found = guess_dialect("ü|x;y\n1|2;3\n".encode("latin-1"), options, ",")
    assert (found.separator, found.decimal, found.encoding, found.notes) == (";", ",", "latin-1", ())


@pytest.mark.parametrize(
    ("encoding", "guess"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("utf-16-le", "utf-16-le"),
     ("utf-16-be", "utf-16-be"), ("utf-32", "utf-32"), ("latin-1", "cp1252"), ("cp1252", "cp1252")],
)  # fmt: skip
def test_encodings(encoding, guess):
    text = "größe;ziel\n1;2\n3;4\n"
    assert guess_encoding(text.encode(encoding)) == guess
    found = guess_dialect(text.encode(encoding), TextOptions(), ",")
    assert any("encoding" in note for note in found.notes) == (not guess.startswith("utf-8"))
    assert guess_encoding("größe".encode() + "ö".encode()[:1]) == "utf-8"  # cut within a character


def test_lines_of_numbers_and_codes_are_noticed():
    (note,) = guess_dialect(b"1.5,2\n3,4\n", TextOptions(), ",").notes
    assert note == "the first line, '1.5', '2', is taken as names; --no-header if it is a row"
    for text, is_row in (
        ("0.5,red\n0.7,blue\n", True), ("3,red\n4,blue\n5,red\n", True), ("red,small\nred,large\n", True),
        ("land,2001,2002\nPeru,1.5,2\n", False), ("a,b\n1,2\na,b\n3,4\n", False), ("a,b\nx,y\n", False),
    ):  # fmt: skip
        notes = guess_dialect(text.encode(), TextOptions(), ",").notes
        assert any("--no-header" in note for note in notes) == is_row, text
    assert not guess_dialect(b"1.5,2\n3,4\n", TextOptions(header=False), ",").notes
    assert guess_dialect(b"zip,x\n02134,1\nNA,0\n10000,2\n", TextOptions(), ",").codes == (0,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"separator": ";;"}, r"separator must be one character or a name \(tab, .*got ';;'"),
        ({"decimal": "'"}, 'decimal must be . or a comma, got "\'"'),
        ({"decimal": ",", "thousands": ","}, "',' cannot be the decimal sign and the sign of thousands too"),
        ({"encoding": "utf9"}, "no encoding 'utf9'; common ones are utf-8"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        TextOptions(**options)


NUMBERS = st.floats(-1e6, 1e6).map(lambda x: round(x, 4) + 0.0)
LABELS = st.sampled_from(["rød", "blå, mørk", 'say "a"', "x;y"])


@st.composite
def dialects(draw):
    how = {
        "delimiter": draw(st.sampled_from([*SIGNS])),
        "quoting": draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        "lineterminator": draw(st.sampled_from(["\n", "\r\n"])),
    }
    return how, draw(st.sampled_from(".,")), draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS, LABELS), min_size=3, max_size=30), dialects())
def test_numbers_come_back_from_every_dialect(tmp_path_factory, rows, dialect):
    how, decimal, encoding = dialect
    path = tmp_path_factory.mktemp("dialects") / "table.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, **how)
        writer.writerow(["first", "größe", "label"])
        writer.writerows([*(f"{x:.4f}".replace(".", decimal) for x in row[:2]), row[2]] for row in rows)
    first, second, label = columns_of("f", read_frame(path), {"first": "continuous", "größe": "continuous"})
    assert second.name == "größe"
    np.testing.assert_array_equal(first.values, [row[0] for row in rows])
    np.testing.assert_array_equal(second.values, [row[1] for row in rows])
    names = [row[2] for row in rows]
    assert len({*zip(label.values.tolist(), names, strict=True)}) == len({*names}) == label.values.max() + 1
