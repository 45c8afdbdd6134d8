"""A folder of results keeps the hash of every file that infomax writes there."""

import hashlib
import shutil
import subprocess

import pytest

from infomax.files import replacing
from infomax.hashes import RECORD, REMOVED, begin_record, note_hash, recorded_hashes, remove, sha256_of


def written(folder, name, text):
    with replacing(folder / name) as path:
        path.write_text(text)
    return hashlib.sha256(text.encode()).hexdigest()


def test_files_that_are_written_are_noted(tmp_path):
    old = written(tmp_path, "old.txt", "before")
    assert recorded_hashes(tmp_path) == {} and not (tmp_path / RECORD).exists()
    begin_record(tmp_path)
    first, second = written(tmp_path, "new.txt", "1"), written(tmp_path, "new.txt", "2")
    assert recorded_hashes(tmp_path) == {"old.txt": [old], "new.txt": [first, second]}
    begin_record(tmp_path)
    assert recorded_hashes(tmp_path)["new.txt"] == [first, second]
    assert sha256_of(tmp_path / "new.txt") == second
    with (tmp_path / "new.txt").open("a") as file:
        file.write("3")
    note_hash(tmp_path / "new.txt")
    assert recorded_hashes(tmp_path)["new.txt"][-1] == hashlib.sha256(b"23").hexdigest()


def test_what_is_removed_is_noted(tmp_path):
    begin_record(tmp_path)
    digest = written(tmp_path, "a b.txt", "x")
    remove(tmp_path / "a b.txt")
    remove(tmp_path / "a b.txt")
    assert recorded_hashes(tmp_path) == {"a b.txt": [digest, REMOVED]}


def test_a_file_that_is_not_finished_is_not_noted(tmp_path):
    begin_record(tmp_path)
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "a.txt"):
        _ = 1 / 0
    assert recorded_hashes(tmp_path) == {}


@pytest.mark.parametrize("changed", [False, True])
def test_sha256sum_reads_the_record(tmp_path, changed):
    assert shutil.which("sha256sum"), "apt-get install coreutils"
    written(tmp_path, "a.txt", "x")
    begin_record(tmp_path)
    written(tmp_path, "b.txt", "y")
    if changed:
        (tmp_path / "b.txt").write_text("z")
    done = subprocess.run(["sha256sum", "--check", "--strict", RECORD], cwd=tmp_path, capture_output=True)
    assert (done.returncode != 0) is changed
