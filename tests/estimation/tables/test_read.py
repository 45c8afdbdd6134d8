"""Tables from anywhere: the columns that are wanted, what was guessed, and clear errors for the rest."""

import base64
import bz2
import gzip
import http.server
import io
import json
import lzma
import sys
import threading
import zipfile
import zlib
from types import SimpleNamespace

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from infomax.errors import MissingExtra
from infomax.estimation.tables.columns import columns_of
from infomax.estimation.tables.read import read_frame
from infomax.estimation.tables.reading.cells import MISSING_SIGNS, MISSING_WORDS
from infomax.estimation.tables.reading.files import find

OLD_WORKBOOK = """
eNrtWE1oE1EQ/t5LtvmhSTc1LbRKCQWr1l7Ei5d2VdCeLNWLooImTYTSkkjag+1BqzVHQfCi4qXQi5eqF3/Qg948CBUVBEFI9OhJUPDQ
Zp03u9umdQ8NaLDlfcvMezszb9/sm3mzP28XE+W5R50VrMMAAqjaETTVyARRxDsxQXrbVl2vDRPZGpsKkTAFssnA89ibkIqhincFEg+D
r4gDX4jO4iKGCvlcqoE4zD6khfKhXwQp9yTuEcXRwX61Mh9hvo35A7Z9wfwgS24w7yfbsjiNRWuo94Cbx6dkN+vixAWe8JhPLNmHNrxW
eXzlpnBsDRwqjqbH/09FV7AZ86DIDebyuWJ6vIwkhXAeP+0U8MPbqy9TWt5YuQDJf62Vh3zkt2QQmIF9XqhELCGGDwGlMXBhtDgxWaIM
vW04+3IiN1LIZ5ewAwYbcD2eJrpENEWUJspEVY3mPW2u2dMxzvRm4lm0cD/B+W5S1V66//3dscywdY4lM1zHnWq/U7kHG1fVCBocZw17
yLa9zPcyv8ZX3c79TuZJ8pLanuE2t3N0lm2us7aH5tnPeG/tqunvpn7p2/GnXaWv1h7qLwxWppMLH605dNPTJ0vj1TGLPtEn7t5ReGZ5
rXDrwmfmHX/UiLA0Xd9t95HWgmVEuZvgO3bOvNVR9mKd/WUZZVkCZ6RjL9g+4NpLH3vJ9lH3+s7qq5UdkK14rJRUsVbRiBjKFf1mjaHw
jSFqoiZ8o9burTv81l1DQ0NDQ0NDY6tDuO+C6u016H5XqHfNkPtfZ5moqn+TbFmcQIGOSfosPYI8tUVM1ZU/7TCEdy2xwTHe/0KFkzR7
EWPIsB9jdecvfSuI2vvZ8EDz722heuev1uPnP57/N3i88dk=
"""


ROWS = {"age": [31, 42, None, 27], "city": ["Oslo", "Rome", "Rome", None], "paid": [True, False, True, True]}


@pytest.fixture
def frame():
    return pl.DataFrame(ROWS)


@pytest.fixture
def reads(tmp_path, monkeypatch):
    """Write a file, and read it."""
    monkeypatch.chdir(tmp_path)

    def write_and_read(content, name="t.csv", **options):
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return read_frame(name, **options)

    return write_and_read


def assert_same(read, frame):
    assert read.frame.columns == frame.columns
    assert read.frame.with_columns(pl.col("city").cast(pl.String)).rows() == frame.rows()


def workbook(**sheets):
    """A workbook as small as a reader accepts, of rows of numbers and text."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    document = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    links = "application/vnd.openxmlformats-package.relationships+xml"

    def cell(value):
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
        return "<c/>" if value is None else f"<c><v>{value}</v></c>"

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{package}/content-types">'
            f'<Default Extension="rels" ContentType="{links}"/>'
            f'<Default Extension="xml" ContentType="{kinds}.worksheet+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{kinds}.sheet.main+xml"/></Types>',
        )
        file.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="r0" '
            f'Type="{document}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        names = "".join(
            f'<sheet name="{name}" sheetId="{i}" r:id="r{i}"/>' for i, name in enumerate(sheets, 1)
        )
        file.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{document}"><sheets>{names}</sheets></workbook>',
        )
        sheet_links = "".join(
            f'<Relationship Id="r{i}" Type="{document}/worksheet" Target="worksheets/{i}.xml"/>'
            for i in range(1, len(sheets) + 1)
        )
        file.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{package}/relationships">{sheet_links}</Relationships>',
        )
        for i, rows in enumerate(sheets.values(), 1):
            cells = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
            file.writestr(
                f"xl/worksheets/{i}.xml",
                f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>',
            )
    return content.getvalue()


@pytest.mark.parametrize(
    "suffix", ["csv", "tsv", "txt", "parquet", "arrow", "feather", "ipc", "jsonl", "ndjson"]
)
def test_files_of_every_kind(tmp_path, frame, suffix):
    path = tmp_path / f"table.{suffix}"
    write = {
        "csv": frame.write_csv,
        "tsv": lambda p: frame.write_csv(p, separator="\t"),
        "txt": lambda p: frame.write_csv(p, separator="\t"),
        "parquet": frame.write_parquet,
        "jsonl": frame.write_ndjson,
        "ndjson": frame.write_ndjson,
    }.get(suffix, frame.write_ipc)
    write(path)
    assert_same(read_frame(path), frame)
    assert read_frame(path, ["city", "city"]).frame.columns == ["city"]
    assert read_frame(path, ["city"]).frame.schema["city"] == pl.Categorical


def zipped(content):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("table.csv", content)
    return archive.getvalue()


PACKED = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda content: pa.compress(content, codec="zstd", asbytes=True),
    ".zip": zipped,
}


@pytest.mark.parametrize("packed", PACKED)
def test_compressed_files(reads, frame, packed):
    assert_same(reads(PACKED[packed](frame.write_csv().encode()), f"t.csv{packed}"), frame)
    with pytest.raises(ValueError, match=r"measure: broken.csv"):
        reads(PACKED[packed](frame.write_csv().encode())[:12], f"broken.csv{packed}")
    if packed != ".zip":
        lines = PACKED[packed](frame.write_ndjson().encode())
        assert_same(reads(lines, f"t.jsonl{packed}"), frame)


def test_patterns(tmp_path, frame):
    frame[:3].write_parquet(tmp_path / "part-0.parquet")
    frame[3:].write_parquet(tmp_path / "part-1.parquet")
    assert_same(read_frame(tmp_path / "part-*.parquet"), frame)
    for number, part in enumerate((frame[:3], frame[3:])):
        (tmp_path / f"part-{number}.csv.bz2").write_bytes(
            bz2.compress(part.write_csv(separator=";").encode())
        )
    assert_same(read_frame(tmp_path / "part-*.csv.bz2"), frame)
    frame.write_csv(tmp_path / "all [1].csv")
    assert_same(read_frame(tmp_path / "all [1].csv"), frame)


@pytest.mark.parametrize("orient", ["records", "list", "columns", "split"])
def test_json(reads, frame, orient):
    table = pd.DataFrame(ROWS)
    content = json.dumps(ROWS) if orient == "list" else table.to_json(orient=orient)
    assert_same(reads(content, "t.json"), frame)


def test_json_that_is_no_table(reads):
    with pytest.raises(
        ValueError, match=r"t.json is no JSON .*; a file with one object a line ends in .jsonl"
    ):
        reads('{"a": 1}\n{"a": 2}', "t.json")
    with pytest.raises(ValueError, match=r"t.json: no column can be measured: a is one value"):
        reads('{"a": 1}', "t.json")
    read = reads('[{"a": 1, "b": [2]}, {"a": 2, "b": [3]}]', "t.json")
    assert read.frame.columns == ["a"] and [one.name for one in read.left_out] == ["b"]


def test_arrays(tmp_path):
    np.save(tmp_path / "t.npy", np.arange(6.0).reshape(3, 2))
    np.savez(tmp_path / "t.npz", x=[1, 2], y=["a", "b"])
    assert read_frame(tmp_path / "t.npy").frame.columns == ["0", "1"]
    assert read_frame(tmp_path / "t.npz").frame.columns == ["x", "y"]


def test_workbooks(reads, monkeypatch):
    content = workbook(first=[["x", "label"], [1.5, "a"], [None, "NA"], [3, "b"]], second=[["z"], [1], [2]])
    read = reads(content, "t.xlsx")
    assert read.frame["x"].to_list() == [1.5, None, 3] and read.frame["label"].null_count() == 1
    assert read.notes[0] == "t.xlsx: sheet 'first' is read; --split reads another one of second"
    assert reads(content, "t.xlsx", split="second").frame.columns == ["z"]
    with pytest.raises(ValueError, match=r"t.xlsx has no sheet 'secnd'; did you mean second\?"):
        reads(content, "t.xlsx", split="secnd")
    with pytest.raises(ValueError, match=r"t.xlsx cannot be read as a workbook: "):
        reads(b"PK", "t.xlsx")
    monkeypatch.setattr("infomax.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"needs fastexcel, .* pip install 'infomax\[tables\]'"):
        reads(content, "t.xlsx")


def test_old_workbooks(tmp_path):
    """A workbook of Excel 97, as xlwt writes it: x, y; 1.5, a; 2, b."""
    (tmp_path / "t.xls").write_bytes(zlib.decompress(base64.b64decode(OLD_WORKBOOK)))
    read = read_frame(tmp_path / "t.xls")
    assert read.frame["x"].to_list() == [1.5, 2]
    assert read.frame["y"].cast(pl.String).to_list() == ["a", "b"]
    assert read_frame(tmp_path / "t.xls", split="second").frame["z"].to_list() == [5]


@pytest.mark.parametrize("kind", ["csv", "semicolons", "jsonl", "parquet", "csv.gz", "xlsx", "csv.zip"])
def test_standard_input(monkeypatch, frame, kind):
    parquet = io.BytesIO()
    frame.write_parquet(parquet)
    rows = [[*ROWS], *([int(v) if isinstance(v, bool) else v for v in row] for row in frame.rows())]
    content = {
        "csv": frame.write_csv().encode(),
        "semicolons": frame.write_csv(separator=";").encode(),
        "jsonl": frame.write_ndjson().encode(),
        "parquet": parquet.getvalue(),
        "csv.gz": gzip.compress(frame.write_csv().encode()),
        "csv.zip": zipped(frame.write_csv()),
        "xlsx": workbook(only=rows),
    }[kind]
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
    assert_same(read_frame("-"), frame)


def test_addresses(tmp_path, frame):
    """Only what the user names is fetched; here from this machine."""
    frame.write_csv(tmp_path / "t.csv")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, format, *args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        assert_same(read_frame(f"{address}/t.csv"), frame)
        with pytest.raises(ValueError, match=r"cannot read .*/none.csv: HTTP Error 404"):
            read_frame(f"{address}/none.csv")
    finally:
        server.shutdown()
        server.server_close()
    with pytest.raises(ValueError, match=r"cannot read a table at s3://bucket/t.csv; download it"):
        read_frame("s3://bucket/t.csv")


@pytest.mark.parametrize("word", [*MISSING_WORDS, *(sign for sign in MISSING_SIGNS), "NaT", " "])
def test_one_odd_cell_leaves_a_column_of_numbers(reads, word):
    numbers = np.random.default_rng(0).normal(size=200).round(3)
    lines = ["x,label", *(f"{word if row == 150 else x},{'ab'[row % 2]}" for row, x in enumerate(numbers))]
    (x, _) = columns_of("f", reads("\n".join(lines) + "\n"))
    numbers[150] = np.nan
    assert x.kind == "continuous"
    np.testing.assert_array_equal(x.values, numbers)


def test_words_for_missing_values_among_labels(reads):
    lines = "country,x\nNA,1\nDE,2\nNone,3\n-,4\nNA,5\n,6\n"
    read = reads(lines)
    assert read.frame["country"].cast(pl.String).to_list() == [None, "DE", None, "-", None, None]
    assert read.notes == (
        "t.csv: 'NA' in country (2 cells) is taken as missing; --keep NA if it is a label",
        "t.csv: 'None' in country (1 cell) is taken as missing; --keep None if it is a label",
    )
    kept = reads(lines, keep=["NA"])
    assert kept.frame["country"].null_count() == 2 and len(kept.notes) == 1
    assert reads(lines, missing=["-"]).frame["country"].null_count() == 5


def test_named_missing_values(reads, tmp_path):
    assert reads("x\n1.5\n-999\nunknown\n3\n", missing=["-999", "unknown"]).frame["x"].to_list() == [
        1.5,
        None,
        None,
        3,
    ]
    pl.DataFrame({"x": [1.5, -999.0], "y": ["a", "unknown"]}).write_parquet(tmp_path / "t.parquet")
    read = read_frame(tmp_path / "t.parquet", missing=["-999", "unknown"])
    assert read.frame["x"].null_count() == read.frame["y"].null_count() == 1


def test_types_are_inferred_from_the_whole_file(reads):
    read = reads("x\n" + "1\n" * 5000 + "unknown\n")
    assert read.frame["x"].n_unique() == 2
    late = reads(b"x,y\n" + b"1,a\n" * 100_000 + "1,é\n".encode("latin-1"))
    assert late.frame["y"].cast(pl.String)[-1] == "é"
    assert late.notes == (
        "t.csv: encoding cp1252 (guessed, as some characters are no UTF-8; --encoding sets it)",
    )


def test_named_decimal_signs_and_thousands(reads):
    assert reads("x;y\n1.234;2\n5.678;3\n", thousands=".").frame["x"].to_list() == [1234, 5678]
    assert reads('x,y\n"1,5",2\n"2,5",3\n', decimal=",").frame["x"].to_list() == [1.5, 2.5]
    assert reads('x,y\n"1,234",2\n"5,678",3\n', decimal=",").frame["x"].to_list() == [1.234, 5.678]
    assert reads("x;y\n1,234;2\n5,678;3\n", decimal=",").frame["x"].to_list() == [1.234, 5.678]


def test_names(reads):
    assert reads("1,2\n3,4\n", header=False).frame.rows() == [(1, 2), (3, 4)]
    assert reads("1 2\n3  4\n", "t.txt", header=False).frame.columns == ["column_1", "column_2"]
    assert reads(" a , b\n1,2\n").frame.columns == ["a", "b"]
    twice = reads("a,a\n1,2\n")
    assert twice.notes == ("t.csv: a second column a is called a_duplicated_0",)
    assert reads("^x$,y\n1,2\n").frame.columns == ["^x$", "y"]
    assert reads(b"a\r1\r2\r").frame["a"].to_list() == [1, 2]


def test_quotation_marks_inside_of_cells(reads):
    read = reads('size,x\n5" pipe,3\n4" bar,5\n"6, or so",7\n')
    assert read.frame["size"].cast(pl.String).to_list() == ['5" pipe', '4" bar', "6, or so"]
    assert read.frame["x"].to_list() == [3, 5, 7]


def test_a_lone_carriage_return_ends_a_line_where_quotation_marks_stand_inside_of_cells(reads):
    read = reads('size,x\n5" pipe,3\n4" bar,5\n"6, or so",7\n8\r9,1\n')
    assert read.frame["size"].cast(pl.String).to_list() == ['5" pipe', '4" bar', "6, or so", "8", "9"]
    assert read.frame["x"].to_list() == [3, 5, 7, None, 1]
    assert read.notes == ("t.csv: line 5 has 1 of 2 columns; the rest is taken as missing",)


def test_a_message_about_a_long_cell_is_short(reads):
    with pytest.raises(ValueError, match="is a quotation mark left open") as refused:
        reads('a,b\n1,"' + "x" * 200_000 + "\n2,y\n")
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize("mark", ["", '"'])
def test_cells_longer_than_the_limit_of_python(reads, mark):
    long = f"5{mark}" + "x" * 200_000
    read = reads(f"size,x\n{long},3\n4{mark} bar,5\n6\n")
    assert read.frame["size"].cast(pl.String).to_list() == [long, f"4{mark} bar", "6"]
    assert read.frame["x"].to_list() == [3, 5, None]


def test_lines_with_too_many_or_too_few_columns(reads):
    message = (
        r"line 3 has 3 columns, the first line has 2 \(separator ','\); mend the line, or set --separator"
    )
    with pytest.raises(ValueError, match=f"t.csv cannot be read as a table: {message}"):
        reads("a,b\n1,2\n3,4,5\n")
    short = reads("a,b\n1,2\n3\n4,5\n")
    assert short.frame["b"].to_list() == [2, None, 5]
    assert short.notes == ("t.csv: line 3 has 1 of 2 columns; the rest is taken as missing",)


def test_saved_datasets_and_their_splits(tmp_path, frame):
    datasets = pytest.importorskip("datasets")
    dataset = datasets.Dataset.from_dict(ROWS)
    dataset.save_to_disk(tmp_path / "one")
    datasets.DatasetDict(train=dataset, test=dataset.select([0])).save_to_disk(tmp_path / "two")
    assert_same(read_frame(tmp_path / "one"), frame)
    assert len(read_frame(tmp_path / "two", split="test")) == 1
    with pytest.raises(ValueError, match=r"has no split 'tets'; did you mean test\?"):
        read_frame(tmp_path / "two", split="tets")


def test_columns_that_cannot_be_measured_are_left_out_unless_asked_for(tmp_path):
    pl.DataFrame({"x": [1, 2], "tags": [["a"], ["b"]]}).write_parquet(tmp_path / "t.parquet")
    read = read_frame(tmp_path / "t.parquet")
    assert read.frame.columns == ["x"]
    assert columns_of("f", read).notes == (
        "tags: holds lists; give each of their entries a column; left out",
    )
    with pytest.raises(ValueError, match=r"column tags holds lists.*expected numbers, labels or times"):
        read_frame(tmp_path / "t.parquet", ["tags"])


def test_unknown_columns_suggest_the_nearest(tmp_path, frame):
    frame.write_csv(tmp_path / "t.csv")
    with pytest.raises(ValueError, match=r"t.csv has no column 'agee'; did you mean age\?"):
        read_frame(tmp_path / "t.csv", ["agee"])
    with pytest.raises(ValueError, match=r"t.csv has no column ' AGE'; did you mean 'age'\?"):
        read_frame(tmp_path / "t.csv", [" AGE"])
    with pytest.raises(ValueError, match="no column 'zzz'; there are age, city, paid"):
        read_frame(tmp_path / "t.csv", ["zzz"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "t.csv is empty; expected names in the first line, and rows"),
        ("t.csv", b"\n\n", "t.csv is empty"),
        ("t.csv", b"a,b\n", "t.csv has no rows"),
        (
            "t.csv",
            b"PAR1 not really",
            "t.csv is not text, it begins like a .parquet file; give it a name",
        ),
        ("t.csv", bytes(range(256)), "t.csv is not text: its bytes have no meaning in any encoding"),
        ("t.csv", b'a,b\n"5,3\n4,5\n', "t.csv cannot be read as a table: .*is a quotation mark left open"),
        ("t.parquet", b"PAR1 not really", "t.parquet cannot be read as a table: "),
        ("t.foo", b"x", "t.foo is not a known kind of table; expected one of .csv, .*some also .gz"),
        ("t.sav", b"x", "convert t.sav: python -c \"import pandas; pandas.read_spss\\('t.sav'\\).to_parquet"),
        ("t.csv.gz", b"a,b\n1,2\n", "t.csv.gz cannot be unpacked"),
    ],
)
def test_files_that_are_no_table(reads, name, content, message):
    with pytest.raises(ValueError, match=message):
        reads(content, name)


def test_what_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none.csv"):
        read_frame(tmp_path / "none.csv")
    with pytest.raises(ValueError, match=r"is a folder, but not one that datasets.save_to_disk wrote"):
        read_frame(tmp_path)
    with pytest.raises(ValueError, match="expected hf:owner/name"):
        read_frame("hf:")


def test_encodings_that_are_wrong(reads):
    with pytest.raises(
        ValueError, match="some characters are no UTF-8; set --encoding, for example to cp1252"
    ):
        reads("x;y\n1;é\n".encode("latin-1"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"t.csv is not written in utf-16"):
        reads("x;y\n10;é\n".encode("latin-1"), encoding="utf-16")


def test_several_files_have_a_name_that_says_how_many(tmp_path):
    for name in ("part-01.csv", "part-02.csv", "part-10.csv"):
        (tmp_path / name).write_text("x\n1\n")
    found = find([tmp_path / name for name in ("part-01.csv", "part-02.csv", "part-10.csv")])
    assert found.name == f"{tmp_path}/part-*.csv (3 files)"
    assert find([tmp_path / "part-01.csv"] * 2).name == f"{tmp_path}/part-01.csv* (2 files)"
    assert find([tmp_path / "part-01.csv"]).name == f"{tmp_path}/part-01.csv"


def test_archives_of_several_files(reads):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.csv", "x\n1\n")
        file.writestr("b.csv", "x\n1\n")
    with pytest.raises(ValueError, match=r"t.zip holds 2 files \(a.csv, b.csv.*unpack it"):
        reads(archive.getvalue(), "t.zip")


def test_the_hub_is_asked_for_hub_names(monkeypatch):
    datasets = pytest.importorskip("datasets")
    asked = []

    def load_dataset(*args, **keywords):
        asked.append((args, keywords))
        return datasets.Dataset.from_dict(ROWS)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert len(read_frame("hf:owner/name:part@v1", ["age"], split="test")) == 4
    assert asked == [(("owner/name", "part"), {"revision": "v1", "split": "test"})]

    def fails(*_, **__):
        raise ConnectionError("no network\nand so on")

    monkeypatch.setattr(datasets, "load_dataset", fails)
    with pytest.raises(
        ValueError, match="cannot open hf:owner/name on the Hugging Face hub: no network; exp"
    ):
        read_frame("hf:owner/name")
