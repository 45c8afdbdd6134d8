"""Shards: rows from anywhere on, facts without decoding, hostile files."""

import io
import json
import tarfile

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from infomax.learning.data.streaming.addresses import places_of
from infomax.learning.data.streaming.manifest import facts_of
from infomax.learning.data.streaming.shard import Archive, Table, shard_at
from infomax.learning.data.streaming.shards import shards_at
from infomax.learning.data.streaming.stream import stream_images


def shard_in(path, column=None):
    (place,) = places_of(str(path))
    return shard_at(place, column, path.parent)


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_rows_from_anywhere_to_anywhere(shards, kind):
    shard = shard_in(shards(11, kind=kind) / f"part-000.{kind}")
    assert type(shard) is {"tar": Archive, "parquet": Table}[kind]
    whole = [*shard.rows()]
    assert len(whole) == shard.facts().num_rows == 11
    for first in range(12):
        for stop in (first, first + 1, first + 4, 11, None):
            assert [*shard.rows(first, stop)] == whole[first:stop]
    assert [label for _, label in shard.labels(())] == [row % 3 for row in range(11)]
    assert shard.facts().labels.to_pylist() == [str(row % 3) for row in range(11)]


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_a_shard_elsewhere_is_read_alike(shards, served, kind):
    root = shards(11, kind=kind)
    here, elsewhere = shard_in(root / f"part-000.{kind}"), shards_at(f"{served(root)}/part-000.{kind}")
    there = elsewhere.shards["train"][0]
    assert [*there.rows(4, 9)] == [*here.rows(4, 9)]
    assert there.facts() == here.facts()


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_the_digest_follows_what_the_shard_says(shards, kind):
    digests = {
        shard_in(shards(*counts, kind=kind, folder=name, labels=labels) / f"part-000.{kind}").facts().digest
        for name, counts, labels in (("a", (4,), True), ("b", (5,), True), ("c", (4,), False))
    }
    again = shard_in(shards(4, kind=kind, folder="d") / f"part-000.{kind}").facts().digest
    assert len(digests) == 3 and again in digests


def test_names_of_classes_stand_in_the_type(table, class_labels, tmp_path):
    made, _ = table(4, labels=[0, 1, 1, 0], **class_labels(["cat", "dog"]))
    parquet.write_table(made, tmp_path / "a.parquet")
    stream = stream_images(tmp_path / "a.parquet", size=8)
    assert stream.classes == ("cat", "dog") and stream.labels.tolist() == [0, 1, 1, 0]


def test_facts_are_kept_while_the_shard_stays_the_same(shards, tmp_path, monkeypatch):
    path = shards(3) / "part-000.tar"
    (first,) = facts_of([shard_in(path)], tmp_path / "kept")
    with monkeypatch.context() as patch:
        patch.setattr(Archive, "facts", None)
        assert facts_of([shard_in(path)], tmp_path / "kept") == [first]
    path.write_bytes((shards(5, folder="other") / "part-000.tar").read_bytes())
    assert facts_of([shard_in(path)], tmp_path / "kept")[0].num_rows == 5


def test_kept_facts_that_are_damaged_are_found_again(shards, tmp_path):
    shard = shard_in(shards(3) / "part-000.tar")
    facts = facts_of([shard], tmp_path)
    (kept,) = tmp_path.glob("*.arrow")
    kept.write_bytes(kept.read_bytes()[:100])
    assert facts_of([shard], tmp_path) == facts


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_a_truncated_shard_is_named(shards, kind):
    path = shards(9, kind=kind) / f"part-000.{kind}"
    path.write_bytes(path.read_bytes()[:1400])
    with pytest.raises(ValueError, match=rf"part-000.{kind}.*again"):
        stream_images(path, size=8)


def test_a_field_that_is_said_to_be_larger_than_its_archive_is_not_read(tmp_path, encode):
    good = encode(np.zeros((8, 8, 3), np.uint8))
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in ("a.png", "b.png"):
            info = tarfile.TarInfo(name)
            info.size = len(good)
            archive.addfile(info, io.BytesIO(good))
        huge = tarfile.TarInfo("c.png")
        huge.size = 1 << 40
        archive.fileobj.write(huge.tobuf())
    rows = shard_in(tmp_path / "a.tar").rows(0, 2)
    assert [value for _, value in rows] == [good, good]
    with pytest.raises(ValueError, match=r"cannot read a.tar"):
        stream_images(tmp_path / "a.tar", size=8)


def test_links_in_an_archive_are_not_followed(tmp_path, encode):
    good = encode(np.zeros((8, 8, 3), np.uint8))
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("a.png")
        info.size = len(good)
        archive.addfile(info, io.BytesIO(good))
        link = tarfile.TarInfo("b.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert [key for key, _ in shard_in(tmp_path / "a.tar").rows()] == ["a"]


def test_a_table_names_pictures_below_its_folder_only(write, encode, tmp_path):
    inside = write("data/in.png", np.zeros((8, 8, 3), np.uint8))
    outside = write("out.png", np.zeros((8, 8, 3), np.uint8))
    names = ["in.png", str(outside), "../out.png"]
    described = {"huggingface": json.dumps({"info": {"features": {"image": {"_type": "Image"}}}})}
    rows = pa.table({"image": [{"bytes": None, "path": name} for name in names]})
    parquet.write_table(rows.replace_schema_metadata(described), inside.parent / "a.parquet")
    values = [value for _, value in shard_in(inside.parent / "a.parquet").rows()]
    assert values[0] == str(inside)
    assert all("expected a picture below" in str(value) for value in values[1:])


def test_a_column_that_is_not_there_is_named(shards):
    for kind, column in (("tar", "seg.png"), ("parquet", "picture")):
        root = shards(2, kind=kind, folder=kind)
        with pytest.raises(ValueError, match=rf"has no column '{column}'"):
            stream_images(root, column=column, size=8)
