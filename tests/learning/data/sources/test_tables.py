"""Parquet and Arrow files: columns, labels, memory, broken ones."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infomax.learning.data import available_splits
from infomax.learning.data.sources.opening import open_source


def write_arrow(made: pa.Table, path) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, made.schema) as writer:
        writer.write_table(made)


@pytest.mark.parametrize("column", ["image", "img", "jpg"])
def test_parquet_shards_with_class_names(load, table, class_labels, tmp_path, column):
    info = class_labels(["cat", "dog"])
    info["info"]["features"][column] = info["info"]["features"].pop("image")
    first, a = table(5, [0, 1, 0, 1, -1], column, **info)
    second, b = table(3, [1, 1, 1], column, seed=1, **info)
    pq.write_table(first, tmp_path / "train-00000-of-00002.parquet", row_group_size=2)
    pq.write_table(second, tmp_path / "train-00001-of-00002.parquet")
    pq.write_table(second, tmp_path / "extra-00000-of-00001.parquet")
    loaded = load(tmp_path)
    np.testing.assert_array_equal(loaded.values, np.concatenate([a, b]))
    assert loaded.labels.tolist() == [0, 1, 0, 1, -1, 1, 1, 1] and loaded.classes == ("cat", "dog")
    assert (loaded.names[1], loaded.names[5]) == (
        "train-00000-of-00002.parquet:1",
        "train-00001-of-00002.parquet:0",
    )
    assert available_splits(tmp_path) == ("train", "extra")


def test_arrow_files_in_both_layouts(load, table, tmp_path):
    made, pixels = table(labels=[0, 1, 2, 1, 0])
    write_arrow(made, tmp_path / "stream.arrow")
    with pa.OSFile(str(tmp_path / "file.arrow"), "wb") as file, pa.ipc.new_file(file, made.schema) as writer:
        writer.write_table(made)
    for name in ("stream.arrow", "file.arrow"):
        loaded = load(tmp_path / name)
        np.testing.assert_array_equal(loaded.values, pixels)
        assert loaded.labels.tolist() == [0, 1, 2, 1, 0] and loaded.classes == ("0", "1", "2")


def test_a_column_of_plain_bytes_is_read(load, tmp_path, encode, random_pixels):
    pixels = random_pixels(0, 8, 8, 3)
    pq.write_table(pa.table({"image": [encode(pixels)], "class": [None]}), tmp_path / "a.parquet")
    loaded = load(tmp_path / "a.parquet")
    assert (loaded.values == pixels).all() and loaded.labels.tolist() == [-1]


def test_labels_in_words_mean_the_same_in_every_split(load, table, tmp_path):
    pq.write_table(table(4, ["dog", "emu", None, "cat"])[0], tmp_path / "train.parquet")
    pq.write_table(table(2, ["emu", "dog"])[0], tmp_path / "test.parquet")
    train, test = (load(tmp_path, split=split) for split in ("train", "test"))
    assert train.classes == test.classes == ("cat", "dog", "emu")
    assert (train.labels.tolist(), test.labels.tolist()) == ([1, 2, -1, 0], [2, 1])


def test_a_split_without_a_label_column_is_unlabelled(load, table, tmp_path):
    pq.write_table(table(2, [0, 1])[0], tmp_path / "train.parquet")
    pq.write_table(table(3)[0], tmp_path / "unlabeled.parquet")
    assert load(tmp_path).labelled and not load(tmp_path, split="unlabeled").labelled


def test_splits_that_name_their_classes_differently_are_refused(load, table, class_labels, tmp_path):
    for split, names in [("train", ["cat", "dog"]), ("test", ["dog", "cat"])]:
        pq.write_table(table(2, [0, 1], **class_labels(names))[0], tmp_path / f"{split}.parquet")
    message = r"name their classes differently \(train: cat, dog; test: dog, cat\), expected"
    with pytest.raises(ValueError, match=message):
        load(tmp_path, labels="label")
    unasked = load(tmp_path)  # who does not need labels is not stopped by them
    assert not unasked.labelled and re.search(f"unlabelled, because .* {message}", unasked.summary)


def test_splits_that_mix_words_and_numbers_are_refused(load, table, tmp_path):
    pq.write_table(table(2, [0, 1])[0], tmp_path / "train.parquet")
    pq.write_table(table(2, ["a", "b"])[0], tmp_path / "test.parquet")
    message = r"are text in some splits and numbers in others .*write them again as text"
    with pytest.raises(ValueError, match=message):
        load(tmp_path, labels="label")
    unasked = load(tmp_path)
    assert not unasked.labelled and re.search(f"unlabelled, because .* {message}", unasked.summary)


def test_labels_that_are_none_of_the_classes_are_missing_and_counted(load, table, class_labels, tmp_path):
    pq.write_table(table(3, [0, 7, -1], **class_labels(["cat", "dog"]))[0], tmp_path / "a.parquet")
    loaded = load(tmp_path)
    assert (loaded.labels.tolist(), loaded.classes) == ([0, -1, -1], ("cat", "dog"))
    assert "2 classes from column label (cat, dog), 1 without, 1 label none of these" in loaded.summary


@pytest.mark.parametrize("labels", [[0.5, 0], [0, -3], [20_260_512, 20_260_601]])
def test_numbers_that_make_no_classes_are_numbers(load, table, tmp_path, labels):
    pq.write_table(table(2, labels)[0], tmp_path / "a.parquet")
    loaded = load(tmp_path)
    assert not loaded.labelled and loaded.classes == ()
    np.testing.assert_array_equal(loaded.targets.values[:, 0], np.float32(labels))
    assert loaded.targets.names == ("label",) and "numbers from column label" in loaded.summary


def test_without_an_image_column_the_columns_are_listed(load, tmp_path):
    pq.write_table(pa.table({"age": [1], "height": [2]}), tmp_path / "a.parquet")
    with pytest.raises(
        ValueError, match=r"a.parquet has no image column, it has: age, height; expected .*; rename"
    ):
        load(tmp_path)


def test_a_broken_row_is_named(load, table, tmp_path):
    made, _ = table(3)
    rows = made.to_pylist()
    rows[1]["image"]["bytes"], rows[2]["image"] = b"junk", None
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"a.parquet:1: it is not an image"):
        load(tmp_path)
    skipped = load(tmp_path, skip_broken=True).skipped
    assert [line.split(": ")[0] for line in skipped] == ["a.parquet:1", "a.parquet:2"]
    assert "there is no image (null)" in skipped[1]


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "tar"])
def test_a_table_that_cannot_be_read_is_named(load, tmp_path, suffix):
    (tmp_path / f"a.{suffix}").write_bytes(b"not a table" * 100)
    with pytest.raises(ValueError, match=rf"data: cannot read a.{suffix}: .*copy or download it again"):
        load(tmp_path)


def test_a_truncated_parquet_file_is_named(load, table, tmp_path):
    pq.write_table(table(50)[0], tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"data: cannot read a.parquet: "):
        load(tmp_path)


def test_reading_parquet_takes_the_memory_of_a_row_group_not_of_the_file(tmp_path):
    contents = [np.random.default_rng(row).bytes(10_000) for row in range(2000)]
    pq.write_table(pa.table({"image": contents}), tmp_path / "a.parquet", row_group_size=50)
    del contents
    before = pa.total_allocated_bytes()
    items = open_source(tmp_path).items("train")
    growth = max(pa.total_allocated_bytes() - before for _ in items)
    assert growth < 2e6 < (tmp_path / "a.parquet").stat().st_size
