"""Addresses of shards: patterns, folders, other places."""

import os
import re
import subprocess

import pytest

from infomax.errors import MissingExtra
from infomax.learning.data.streaming.addresses import expanded, opened, places_of, stamp_of


@pytest.mark.parametrize("text", ["a-{00..11}.tar", "{x,y}/{7..9}-{a,b}.tar", "plain.tar"])
def test_braces_mean_what_they_mean_to_a_shell(text):
    shell = subprocess.run(["bash", "-c", f"echo {text}"], capture_output=True, text=True, check=True)
    assert expanded(text) == shell.stdout.split()


@pytest.mark.parametrize("braces", ["{5..4}", "{0..99999999}"])
def test_braces_of_no_or_too_many_names_are_refused(braces):
    with pytest.raises(ValueError, match=r"braces .* stand for .* names, expected 1 to 10,000,000"):
        expanded(f"a-{braces}.tar")


def test_a_folder_a_pattern_and_stars_give_the_same_shards(shards):
    root = shards(2, 2, 2)
    (root / "metadata.parquet").write_bytes(b"labels")
    (root / "notes.txt").write_bytes(b"words")
    names = ["part-000.tar", "part-001.tar", "part-002.tar"]
    for source in (root, f"{root}/part-{{000..002}}.tar", f"{root}/*.tar"):
        found = places_of(str(source))
        assert [one.name for one in found] == names and all(one.is_here for one in found)


def test_folders_stay_in_the_names(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "a.tar").write_bytes(b"")
    assert [one.name for one in places_of(f"{tmp_path}/{{train,test}}/a.tar")] == [
        "test/a.tar",
        "train/a.tar",
    ]


def test_shards_elsewhere_are_found_by_names_patterns_and_folders(shards, served):
    root = shards(2, 2)
    address = served(root)
    for source in (f"{address}/part-{{000..001}}.tar", f"{address}/part-*.tar", f"{address}/"):
        found = places_of(source)
        assert [one.name for one in found] == ["part-000.tar", "part-001.tar"], source
        with opened(found[1]) as file:
            assert file.read() == (root / "part-001.tar").read_bytes()
        assert str((root / "part-001.tar").stat().st_size) in stamp_of(found[1])


def test_what_follows_a_question_mark_is_no_part_of_the_name():
    places = places_of("http://127.0.0.1:1/a/b-{0..1}.tar?token=secret")
    assert [one.name for one in places] == ["b-0.tar", "b-1.tar"]


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("{root}/part-{{000..003}}.tar", FileNotFoundError, r"2 of the 4 files .*first is .*part-002"),
        ("{root}/*.parquet", FileNotFoundError, r"matches no file; expected .parquet or .tar files"),
        ("{root}/a.zip", ValueError, r"cannot stream .*a.zip; expected .* leave --stream out"),
        ("http://127.0.0.1:1/photos/", ValueError, r"cannot reach http.*; check the address"),
        ("nosuch://bucket/*.tar", ValueError, "cannot reach nosuch"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named(shards, source, error, message):
    root = shards(1, 1)
    (root / "a.zip").write_bytes(b"")
    with pytest.raises(error, match=message):
        places_of(source.format(root=root))


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    with pytest.raises(MissingExtra, match=re.escape("pip install s3fs")):
        places_of("s3://bucket/*.tar")


def test_pipes_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "a.tar")
    (place,) = places_of(str(tmp_path / "a.tar"))
    with pytest.raises(ValueError, match=r"it is a pipe, not a file"), opened(place):
        pass
