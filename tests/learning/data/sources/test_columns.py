"""Which column of a source holds the images: named by the user, in every kind of source that has columns."""

import io
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Features, Image, Value

from infomax.learning.data import available_splits, load_images
from infomax.learning.data.sources.opening import open_source
from infomax.learning.data.streaming.stream import stream_images


def load(source, column=None, **options):
    return load_images(source, column=column, **{"size": 8, "cache": None, "progress": False, **options})


def streamed(source, column=None):
    return stream_images(str(source), column=column, size=8)


@pytest.fixture
def pair(random_pixels):
    """Two images of each of three scenes."""
    return random_pixels(1, 3, 8, 8, 3), random_pixels(2, 3, 8, 8, 3)


def two_columns(encode, left, right) -> pa.Table:
    return pa.table({
        "left": [{"bytes": encode(image), "path": None} for image in left],
        "right": [encode(image) for image in right],
        "label": ["a", "b", "a"],
        "sound": [[0.5, 1.0, -2.0]] * 3,
    })  # fmt: skip


def webdataset(path, encode, left, right) -> None:
    sound = io.BytesIO()
    np.save(sound, np.array([0.5, 1.0, -2.0]))
    with tarfile.open(path, "w") as archive:
        for index, label in enumerate("aba"):
            fields = {"left": encode(left[index]), "right": encode(right[index]), "sound": sound.getvalue()}
            for field, content in {**fields, "cls": label.encode()}.items():
                info = tarfile.TarInfo(f"{index}.{field}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))


def make(kind, folder, encode, left, right):
    """The three scenes in a source of one `kind`."""
    table = two_columns(encode, left, right)
    match kind:
        case "parquet":
            pq.write_table(table, folder / "a.parquet")
        case "arrow":
            with pa.OSFile(str(folder / "a.arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as w:
                w.write_table(table)
        case "webdataset":
            webdataset(folder / "a.tar", encode, left, right)
        case "datasets":
            import datasets

            return datasets.Dataset(table)
        case "mappings":
            return table.to_pylist()
        case "splits":
            return {"train": table.to_pylist(), "val": table.to_pylist()[:1]}
    return folder


KINDS = ("parquet", "arrow", "webdataset", "datasets", "mappings", "splits")


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_is_chosen_by_name(kind, tmp_path, encode, pair):
    source = make(kind, tmp_path, encode, *pair)
    for column, pixels in zip(("left", "right"), pair, strict=True):
        loaded = load(source, column)
        np.testing.assert_array_equal(loaded.values, pixels)
        assert (loaded.classes, loaded.labels.tolist()) == (("a", "b"), [0, 1, 0])
    assert list(load(source, "left").names) == list(load(source, "right").names)  # rows can be paired
    assert available_splits(source, "left")[0] == "train"


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_need_not_hold_images(kind, tmp_path, encode, pair):
    items = list(open_source(make(kind, tmp_path, encode, *pair), "sound").items("train"))
    assert [item.label for item in items] == ["a", "b", "a"]
    np.testing.assert_array_equal([item.value for item in items], [[0.5, 1.0, -2.0]] * 3)


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_column_lists_the_columns_and_suggests_one(kind, tmp_path, encode, pair):
    source = make(kind, tmp_path, encode, *pair)
    with pytest.raises(
        ValueError, match=r"data: .* has no column 'rihgt', expected one of: left, right, .*; did you "
        "mean 'right'"
    ):  # fmt: skip
        load(source, "rihgt")
    with pytest.raises(ValueError, match=r"has no column 'zzz', .*; choose one of them"):
        available_splits(source, "zzz")


def test_a_later_row_without_the_column_is_named(random_pixels):
    image = random_pixels(0, 8, 8)
    with pytest.raises(ValueError, match=r"list:1: .*the item has no column 'left', expected one of: right"):
        load([{"left": image}, {"right": image}], "left")


def test_the_label_is_never_the_chosen_column(random_pixels):
    image = random_pixels(0, 8, 8, 3)
    assert load([{"cls": image, "label": 1}], "cls").labels.tolist() == [1]
    assert load([{"cls": image}], "cls").labels.tolist() == [-1]


def test_sources_without_columns_refuse_one(write, tmp_path, random_pixels):
    image = random_pixels(0, 8, 8, 3)
    with pytest.raises(ValueError, match=r"photos is a folder of files .* and has no columns, got .*leave"):
        load(write("photos/a.png", image).parent, "left")
    np.save(tmp_path / "a.npy", image[None])
    with pytest.raises(ValueError, match=r"a.npy holds \w+ items, not mappings, and has no columns"):
        load(tmp_path / "a.npy", "left")
    with pytest.raises(ValueError, match=r"digits holds tuple items, .* got column 'left'"):
        available_splits("digits", "left")


def test_columns_share_no_entry_of_the_cache(tmp_path, encode, pair):
    (tmp_path / "data").mkdir()
    source = make("parquet", tmp_path / "data", encode, *pair)
    for _ in range(2):
        for column, pixels in zip(("left", "right"), pair, strict=True):
            np.testing.assert_array_equal(load(source, column, cache=tmp_path / "cache").values, pixels)


def test_images_of_many_channels_may_be_nested_lists_of_a_table(tmp_path, random_pixels):
    pixels = random_pixels(0, 4, 8, 6, 5)
    pq.write_table(pa.table({"bands": pixels.tolist(), "label": [0, 1, 1, 0]}), tmp_path / "a.parquet")
    loaded = load(tmp_path, "bands", size=(8, 6), channels=5)
    np.testing.assert_array_equal(loaded.values, pixels)
    assert loaded.labels.tolist() == [0, 1, 1, 0]


def test_of_several_columns_of_images_none_is_taken_in_silence(tmp_path, encode, pair):
    """An encoder of one column would else see those of another: the first."""
    kind = Features({"mask": Image(), "right": Image(), "label": Value("string")})
    images = [[{"bytes": encode(image), "path": None} for image in side] for side in pair]
    for names in (("mask", "right"), ("mask", "image")):
        table = pa.table({**dict(zip(names, images, strict=True)), "label": ["a", "b", "a"]})
        typed = Features(dict(zip(names, kind.values(), strict=False)) | {"label": kind["label"]})
        pq.write_table(table.cast(typed.arrow_schema), tmp_path / f"{names[1]}.parquet")
    with pytest.raises(ValueError, match=r"several columns of images: mask, right; .*choose one by --column"):
        load(tmp_path / "right.parquet")
    seen = load(tmp_path / "image.parquet")
    np.testing.assert_array_equal(seen.values, pair[1])
    assert "column image is seen, not mask (--column takes another)" in seen.summary
    assert "is seen" not in load(tmp_path / "image.parquet", "mask").summary


@pytest.mark.parametrize("kind", ["types of datasets", "plain structs", "archive"])
@pytest.mark.parametrize("read", [load, streamed], ids=["decoded", "streamed"])
def test_image_and_mask_are_told_apart_whether_decoded_or_streamed(
    tmp_path, encode, pair, write_tar, read, kind
):
    images = [[{"bytes": encode(image), "path": None} for image in side] for side in pair]
    path = tmp_path / ("a.tar" if kind == "archive" else "a.parquet")
    if kind == "archive":
        sides = zip(*images, strict=True)
        fields = [{f"{n}.mask.png": mask, f"{n}.png": image} for n, (mask, image) in enumerate(sides)]
        write_tar(path, {name: value["bytes"] for one in fields for name, value in one.items()})
        seen, other = "png", "mask.png"
    else:
        table = pa.table({"mask": images[0], "image": images[1]})
        types = Features({"mask": Image(), "image": Image()}).arrow_schema
        pq.write_table(table.cast(types) if kind == "types of datasets" else table, path)
        seen, other = "image", "mask"
    line = f"column {seen} is seen, not {other} (--column takes another)"
    assert line in read(path).summary and "is seen" not in read(path, other).summary
