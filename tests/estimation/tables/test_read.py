"""Tables from anywhere: the columns that are wanted, and clear errors for the rest."""

import gzip

import polars as pl
import pytest

from infomax.estimation.tables.read import read_frame

ROWS = {"age": [31, 42, None, 27], "city": ["Oslo", "Rome", "Rome", None], "paid": [True, False, True, True]}


@pytest.fixture
def frame():
    return pl.DataFrame(ROWS)


def assert_same(read, frame):
    assert read.columns == frame.columns
    assert read.with_columns(pl.col("city").cast(pl.String)).rows() == frame.rows()


@pytest.mark.parametrize("suffix", ["csv", "tsv", "txt", "parquet", "arrow", "feather", "ipc", "jsonl"])
def test_files_of_every_kind(tmp_path, frame, suffix):
    path = tmp_path / f"table.{suffix}"
    write = {
        "csv": frame.write_csv,
        "tsv": lambda p: frame.write_csv(p, separator="\t"),
        "txt": lambda p: frame.write_csv(p, separator="\t"),
        "parquet": frame.write_parquet,
        "jsonl": frame.write_ndjson,
    }.get(suffix, frame.write_ipc)
    write(path)
    assert_same(read_frame(path), frame)
    assert read_frame(path, ["city", "city"]).columns == ["city"]
    assert read_frame(path, ["city"]).schema["city"] == pl.Categorical


def test_compressed_text_and_patterns(tmp_path, frame):
    (tmp_path / "table.csv.gz").write_bytes(gzip.compress(frame.write_csv().encode()))
    assert_same(read_frame(tmp_path / "table.csv.gz"), frame)
    frame[:3].write_parquet(tmp_path / "part-0.parquet")
    frame[3:].write_parquet(tmp_path / "part-1.parquet")
    assert_same(read_frame(tmp_path / "part-*.parquet"), frame)


@pytest.mark.parametrize("missing", ["", "NA", "N/A", "NaN", "nan", "null", "NULL"])
def test_what_counts_as_missing_in_text(tmp_path, missing):
    (tmp_path / "t.csv").write_text(f"x,label\n1.5,a\n{missing},{missing}\n2,b\n")
    read = read_frame(tmp_path / "t.csv")
    assert read["x"].to_list() == [1.5, None, 2.0]
    assert read["label"].null_count() == 1


def test_types_are_inferred_from_the_whole_file(tmp_path):
    (tmp_path / "t.csv").write_text("x\n" + "1\n" * 5000 + "unknown\n")
    assert read_frame(tmp_path / "t.csv")["x"].n_unique() == 2


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
    assert read_frame(tmp_path / "t.parquet").columns == ["x"]
    with pytest.raises(ValueError, match=r"column tags is List.*expected numbers, labels or times"):
        read_frame(tmp_path / "t.parquet", ["tags"])


def test_unknown_columns_suggest_the_nearest(tmp_path, frame):
    frame.write_csv(tmp_path / "t.csv")
    with pytest.raises(ValueError, match=r"t.csv has no column 'agee'; did you mean age\?"):
        read_frame(tmp_path / "t.csv", ["agee"])
    with pytest.raises(ValueError, match="no column 'zzz'; there are age, city, paid"):
        read_frame(tmp_path / "t.csv", ["zzz"])


def test_what_is_no_table(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*none.csv"):
        read_frame(tmp_path / "none.csv")
    with pytest.raises(ValueError, match=r"is a folder, but not one that datasets.save_to_disk wrote"):
        read_frame(tmp_path)
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"is not a known kind of table; expected one of .csv"):
        read_frame(tmp_path / "t.xlsx")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(ValueError, match=r"broken.parquet cannot be read as a table"):
        read_frame(tmp_path / "broken.parquet")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ValueError, match=r"empty.csv"):
        read_frame(tmp_path / "empty.csv")
    (tmp_path / "head.csv").write_text("a,b\n")
    with pytest.raises(ValueError, match=r"head.csv has no rows"):
        read_frame(tmp_path / "head.csv")
    with pytest.raises(ValueError, match="expected hf:owner/name"):
        read_frame("hf:")


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
