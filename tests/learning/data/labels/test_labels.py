"""Labels of any kind: from tables, columns and metadata, as classes, numbers or tags."""

import datetime

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from infomax.learning.data.targets import Numbers, Tags


@pytest.fixture
def scans(write, random_pixels):
    """A folder of six images, and a function that writes a table beside it."""
    for number in range(6):
        folder = write(f"scans/img{number:03d}.png", random_pixels(number, 8, 8, 3)).parent

    def _table(columns, name="labels.csv", **options):
        path = folder.parent / name
        frame = pl.DataFrame(columns)
        kinds = {".parquet": frame.write_parquet, ".jsonl": frame.write_ndjson}
        tsv = {"separator": "\t"} if path.suffix == ".tsv" else {}
        kinds.get(path.suffix, frame.write_csv)(path, **tsv, **options)
        return path

    return folder, _table


FILES = [f"img{number:03d}.png" for number in range(6)]


@pytest.mark.parametrize("name", ["labels.csv", "labels.tsv", "labels.parquet", "labels.jsonl"])
def test_a_table_names_the_classes(load, scans, name):
    folder, table = scans
    path = table({"file": [*FILES[:5], "other.png"], "treatment": ["b", "a", "b", "a", None, "c"]}, name)
    loaded = load(folder, labels=path)
    assert (loaded.labels.tolist(), loaded.classes) == ([1, 0, 1, 0, -1, -1], ("a", "b", "c"))
    assert f"3 classes from {name}:treatment (a, b, c), 2 without" in loaded.summary
    assert (
        f"1 row of {name} matches nothing" in loaded.summary and f"1 have no row in {name}" in loaded.summary
    )


@pytest.mark.parametrize(
    "keys",
    [
        FILES,
        [name.removesuffix(".png") for name in FILES],
        [f"/elsewhere/{name}" for name in FILES],
        [f"C:\\scans\\{name}" for name in FILES],
    ],
)
def test_rows_are_found_by_path_file_name_or_stem(load, scans, keys):
    folder, table = scans
    path = table({"x": ["q"] * 6, "key": keys, "label": [*"abcabc"]})
    assert load(folder, labels=path).labels.tolist() == [
        0, 1, 2, 0, 1, 2
    ]  # fmt: skip


def test_stems_that_are_numbers_are_compared_as_numbers(load, write, random_pixels, scans):
    for number in range(3):
        folder = write(f"numbered/{number:04d}.png", random_pixels(number, 8, 8, 3)).parent
    path = scans[1]({"id": [2, 1, 0], "label": ["c", "b", "a"]}, separator=";")
    assert load(folder, labels=path).labels.tolist() == [0, 1, 2]


def test_tables_that_do_not_fit_are_refused(load, scans, write, random_pixels):
    folder, table = scans
    with pytest.raises(ValueError, match=r"no name in labels.csv \(such as x\) is that of one of 6 things"):
        load(folder, labels=table({"file": ["x"], "label": ["a"]}))
    with pytest.raises(ValueError, match=r"names img000.png twice, with the labels \"a\" and \"b\""):
        load(folder, labels=table({"file": [FILES[0]] * 2, "label": ["a", "b"]}))
    with pytest.raises(ValueError, match=r"not clear which column of labels.csv holds labels: file, p, q"):
        load(folder, labels=table({"file": FILES, "p": [*"abcdef"], "q": [*"abcdef"]}))
    with pytest.raises(ValueError, match="has no column 'qq'; did you mean q"):
        load(folder, labels=f"{table({'file': FILES, 'q': [*'abcdef']})}:qq")
    with pytest.raises(ValueError, match=r"there is no file .*nowhere.csv"):
        load(folder, labels="nowhere.csv")
    for name in ("two/a/1.png", "two/b/1.png"):
        two = write(name, random_pixels(0, 8, 8, 3)).parent.parent
    with pytest.raises(ValueError, match=r"names 1, which may be a/1.png or b/1.png; expected one"):
        load(two, labels=table({"file": ["1"], "label": ["a"]}))


COLUMNS = {
    "file": FILES,
    "age": [1.5, 2, None, 4, 5, 6],
    "count": [1, 2, 3, 1, 2, 3],
    "tags": ["x;y", "x", None, "y", "x", "x"],
    "m": [0, 1] * 3,
    "n": [1, 1, 0, 1, 0, 0],
    "day": [datetime.date(2026, 5, day) for day in range(1, 7)],
}


@pytest.mark.parametrize(
    ("column", "kind", "names", "row"),
    [
        ("age", Numbers, ("age",), [1.5]),
        ("count=numbers", Numbers, ("count",), [1]),
        ("age,count", Numbers, ("age", "count"), [1.5, 1]),
        ("tags", Tags, ("x", "y"), [1, 1]),
        ("m,n", Tags, ("m", "n"), [0, 1]),
        ("day", Numbers, ("day (days since 1970)",), [20574]),
    ],
)
def test_numbers_and_tags_are_targets(load, scans, column, kind, names, row):
    folder, table = scans
    loaded = load(folder, labels=f"{table(COLUMNS, 'labels.parquet')}:{column}")
    assert isinstance(loaded.targets, kind) and loaded.targets.names == names and not loaded.labelled
    assert loaded.targets.values[0].tolist() == row
    assert np.isnan(loaded.targets.values[2]).any() == (column.split(",")[0] in ("age", "tags"))
    np.testing.assert_array_equal(loaded.subset(slice(1, 3)).targets.values, loaded.targets.values[1:3])


def test_few_whole_numbers_are_classes_and_it_is_said_how_to_change_that(load, scans):
    folder, table = scans
    path = table(COLUMNS, "labels.parquet")
    loaded = load(folder, labels=f"{path}:count")
    assert loaded.labels.tolist() == [1, 2, 3, 1, 2, 3]
    assert f"(1 to 3; --labels {path}:count=numbers takes them as numbers)" in loaded.summary


def test_metadata_is_found_by_itself_and_said(load, scans, write):
    folder, _ = scans
    lines = "".join(
        f'{{"file_name": "{name}", "label": "{"ab"[i % 2]}", "age": {i}.5}}\n' for i, name in enumerate(FILES)
    )
    write("scans/metadata.jsonl", lines.encode())
    loaded = load(folder)
    assert (
        loaded.labels.tolist() == [0, 1] * 3
        and "2 classes from metadata.jsonl:label (a, b)" in loaded.summary
    )
    assert "left out" not in loaded.summary
    assert load(folder, labels="age").targets.values[1] == 1.5
    assert not load(folder, labels="none").labelled


def test_a_column_that_says_the_split_is_not_followed_and_that_is_said(load, scans):
    folder, table = scans
    path = table({"file": FILES, "label": [*"ababab"], "split": ["train"] * 4 + ["test"] * 2})
    line = "column split of labels.csv is not used; folders such as train/ and test/ are splits"
    assert line in load(folder, labels=path).reading.notes
    assert line not in load(folder, labels=f"{path}:split").reading.notes


def test_metadata_of_each_split_names_files_beside_it(load, write, random_pixels):
    for split in ("train", "test"):
        folder = write(f"set/{split}/1.png", random_pixels(0, 8, 8, 3)).parents[1]
        write(f"set/{split}/metadata.csv", f"file_name,label\n1.png,{split} class\n".encode())
    loaded = load(folder, split="test")
    assert loaded.classes == ("test class", "train class") and loaded.labels.tolist() == [0]


@pytest.mark.parametrize("text", [b"file_name,label\n1.png,a\n", b"file_name\timg000.png\n\xff\xfe"])
def test_metadata_that_does_not_fit_stops_nothing(load, scans, write, text):
    write("scans/metadata.csv", text)
    loaded = load(scans[0])
    assert len(loaded) == 6 and not loaded.labelled


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([[0, 1], [1, 1]], "2 tags"),
        ([["a"], ["a", "b"]], "2 tags"),
        ([[0.5, 2], [1.0, 3]], "2 numbers"),
        ([0.5, 1.25], "numbers from labels (0.5 to 1.25"),
        ([20_260_512, 20_260_513], "numbers from labels (20260512 to 20260513"),
        ([10**30, 1], "numbers"),
        ([b"\x00", b"\x01"], "unlabelled: labels holds bytes"),
        ([datetime.date(2026, 5, 1)] * 2, "times, as days since 1970"),
        ([{"a": 1}, {"b": 2}], "unlabelled: labels holds dict"),
        ([1, "a"], "unlabelled: labels holds numbers and text"),
        ([1.0, float("nan")], "1 class from the whole numbers"),
        ([None, None], "unlabelled"),
        ([np.int64(1), np.float32(0)], "2 classes"),
    ],
)
def test_labels_that_make_no_classes_stop_nothing(load, random_pixels, labels, words):
    loaded = load([{"image": random_pixels(0, 8, 8, 3), "label": label} for label in labels])
    assert len(loaded) == 2 and words in loaded.summary and len(loaded.classes) < 10


def test_many_texts_that_do_not_recur_are_no_classes(load, random_pixels):
    rows = [{"image": random_pixels(0, 8, 8, 3), "label": f"words {i}"} for i in range(60)]
    assert not load(rows).labelled and "60 texts in 60 rows, which make no classes" in load(rows).summary
    assert len(load(rows, labels="label=classes").classes) == 60


def test_another_column_of_a_table_holds_the_labels(load, table, tmp_path):
    made, _ = table(4, labels=[0, 1, 0, 1])
    made = made.append_column("grade", [["low", "high", "high", None]]).append_column("age", [[0.5, 1, 2, 3]])
    for split in ("train", "test"):
        pq.write_table(made, tmp_path / f"{split}.parquet")
    loaded = load(tmp_path, labels="grade")
    assert (loaded.labels.tolist(), loaded.classes) == ([1, 0, 0, -1], ("high", "low"))
    assert load(tmp_path, labels="age").targets.values[:, 0].tolist() == [0.5, 1, 2, 3]
    assert load(tmp_path, labels="label=numbers").targets.values[:, 0].tolist() == [0, 1, 0, 1]
    with pytest.raises(ValueError, match=r"has no column 'grades'.* did you mean 'grade'"):
        load(tmp_path, labels="grades")
    with pytest.raises(ValueError, match="has no class folders; expected none, a column"):
        load(tmp_path, labels="folders")


def test_fields_of_archives_may_be_labels(load, write_tar, tmp_path, encode, random_pixels):
    members = {}
    for number in range(3):
        members[f"{number}.png"] = encode(random_pixels(number, 8, 8, 3))
        members[f"{number}.json"] = b'{"label": "x", "age": %d.5}' % number
        members[f"{number}.site"] = b"AB"[number % 2 : number % 2 + 1]
    write_tar(tmp_path / "train.tar", members)
    assert load(tmp_path, labels="age").targets.values[:, 0].tolist() == [0.5, 1.5, 2.5]
    assert load(tmp_path, labels="site").labels.tolist() == [0, 1, 0]


def test_an_array_of_labels_of_another_length_is_not_used_and_that_is_said(load, tmp_path):
    images = np.zeros((4, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=np.array([0, 1, 0]))
    loaded = load(tmp_path / "a.npz")
    assert not loaded.labelled
    assert "array labels is not used: it has 3 rows, images has 4" in loaded.summary
