"""The cache of decoded data: listed, kept within a size, and never taken from a process that has it open."""

import json
import os
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infomax.cli.commands.upkeep.cache import Cache
from infomax.cli.main import main
from infomax.files import bytes_in
from infomax.learning.data import load_images, stream_images
from infomax.learning.data.cache import decoding
from infomax.learning.data.cache.folder import held


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Three folders of images, decoded one after the other into a cache of their own."""
    monkeypatch.setenv("INFOMAX_CACHE", str(tmp_path / "cache"))
    made = []
    for number in range(3):
        folder = tmp_path / f"images{number}"
        folder.mkdir()
        for image in range(4):
            pixels = np.full((8, 8, 3), 10 * number + image, np.uint8)
            Image.fromarray(pixels).save(folder / f"{image}.png")
        made.append(folder)
    return made


def load(folder, **options):
    return load_images(folder, size=8, progress=False, **options)


def listed(capsys, *arguments):
    assert main(["cache", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def decoded(found):
    return [one for one in found["entries"] if one["kind"] == "decoded"]


def aged(tmp_path, sources):
    """Let an hour lie between the uses of entries, in the order of `sources`."""
    for about in (tmp_path / "cache").glob("datasets/*/about.json"):
        age = sources.index(Path(json.loads(about.read_text())["source"])) + 1
        os.utime(about.parent, (3600 * age, 3600 * age))


def test_what_is_kept_is_listed_the_least_recently_used_first(folders, tmp_path, capsys):
    for folder in folders:
        load(folder)
    aged(tmp_path, [folders[1], folders[0], folders[2]])
    found = listed(capsys)
    assert [one["source"] for one in decoded(found)] == [str(folders[i]) for i in (1, 0, 2)]
    assert found["bytes"] == sum(one["bytes"] for one in found["entries"]) > 3 * 4 * 8 * 8 * 3
    assert found["limit"] is None and found["folder"] == str(tmp_path / "cache" / "datasets")
    assert not any(one["in_use"] for one in found["entries"])


def test_the_least_recently_used_goes_first(folders, tmp_path, capsys):
    for folder in folders:
        load(folder)
    aged(tmp_path, folders)
    load(folders[0])  # used again
    found = listed(capsys)
    found = listed(capsys, "prune", "--limit", str(found["bytes"] - 1))
    assert [one["source"] for one in found["removed"]] == [str(folders[1])]
    assert {one["source"] for one in decoded(found)} == {str(folders[0]), str(folders[2])}


def test_none_in_use_goes_not_even_of_another_process(folders, tmp_path, capsys):
    mine = load(folders[0])
    before = mine.values.copy()
    code = (
        "import sys; from infomax.learning.data import load_images; "
        "held = load_images(sys.argv[1], size=8, progress=False); print('ready', flush=True); input()"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code, str(folders[1])], **pipes) as other:
        assert other.stdout.readline() == "ready\n"
        load(folders[2])
        found = listed(capsys, "prune", "--limit", "0")
        assert [one["source"] for one in found["removed"]] == [str(folders[2])]
        assert all(one["in_use"] for one in found["entries"]) and len(found["entries"]) == 2
        other.communicate("\n")
    assert np.array_equal(mine.values, before)
    found = listed(capsys, "prune", "--limit", "0")
    assert [one["source"] for one in found["removed"]] == [str(folders[1])]
    del mine
    assert len(listed(capsys, "prune", "--limit", "0")["removed"]) == 1
    assert not [*(tmp_path / "cache").glob("datasets/*/")]


def test_new_data_keeps_the_cache_within_its_limit(folders, tmp_path, capsys, monkeypatch):
    load(folders[0])
    size = listed(capsys)["bytes"]
    monkeypatch.setenv("INFOMAX_CACHE_LIMIT", str(2 * size))
    load(folders[1])
    aged(tmp_path, folders)
    with pytest.warns(UserWarning, match=r"cache: 1 entries of decoded data, unused for longest, were rem"):
        last = load(folders[2])
    assert {one["source"] for one in listed(capsys)["entries"]} == {str(folders[1]), str(folders[2])}
    monkeypatch.setenv("INFOMAX_CACHE_LIMIT", "1")  # what was just decoded is in use
    load(folders[2])
    assert last.values.shape == (4, 8, 8, 3)


def test_what_a_killed_process_left_is_pruned(folders, tmp_path, capsys):
    load(folders[0])
    left = tmp_path / "cache" / "datasets" / ("0" * 32 + ".partial-1")
    left.mkdir()
    listed(capsys, "prune", "--limit", "1T")
    assert not left.exists() and len(listed(capsys)["entries"]) == 1


@pytest.fixture
def all_kinds(folders, tmp_path, monkeypatch):
    """A cache with everything that it can hold; return its folder."""
    for folder in folders[:2]:
        load(folder)
    cache = tmp_path / "cache" / "datasets"
    about = min(cache.glob("*/about.json"))
    about.write_text(json.dumps({"source": "old", "split": "train"}))
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "_join", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            load(folders[2])
    with tarfile.open(tmp_path / "shard.tar", "w") as archive:
        archive.add(folders[0] / "0.png", "0.png")
    stream_images(tmp_path / "shard.tar", size=8)
    (cache / f"{'0' * 32}.range.json").write_text("{}")
    return cache


def test_everything_in_the_cache_is_listed_and_pruned(all_kinds, capsys):
    found = listed(capsys)
    assert Counter(one["kind"] for one in found["entries"]) == {
        "decoded": 1, "of an earlier version": 1, "unfinished": 1, "range of pixels": 1,
        "facts of a shard": 1,
    }  # fmt: skip
    assert found["bytes"] == sum(path.stat().st_size for path in all_kinds.rglob("*") if path.is_file())
    shown = [str(one) for one in Cache()().shown() if isinstance(one, str)]
    assert shown[0].startswith(("range of pixels: 1 entries, ", "facts of a shard: 1 entries, "))
    (unfinished,) = all_kinds.glob("*.parts-*")
    with held(unfinished):  # as by a process that decodes
        left = listed(capsys, "prune", "--limit", "0")["entries"]
    assert [(one["kind"], one["in_use"]) for one in left] == [("unfinished", True)]
    assert listed(capsys, "prune", "--limit", "0")["bytes"] == 0
    assert sum(path.stat().st_size for path in all_kinds.rglob("*") if path.is_file()) == 0


def test_sizes_and_refusals(folders, capsys, monkeypatch):
    assert (bytes_in("1.5 GiB", "x"), bytes_in("3k", "x")) == (3 << 29, 3072)
    cases = {
        ("prune",): "prune to which size? give --limit SIZE",
        ("prune", "--limit", "much"): "received the size 'much', expected one such as 500M",
        ("prnue",): "received 'prnue', expected list or prune; did you mean prune?",
        ("list", "--limit", "1"): "--limit is an option of prune",
    }
    for arguments, message in cases.items():
        assert main(["cache", *arguments]) == 2
        assert message in capsys.readouterr().err
    monkeypatch.setenv("INFOMAX_CACHE_LIMIT", "-1")
    with pytest.raises(ValueError, match="received the size '-1'"):
        load(folders[0])
