"""The cache is made in parts: an interruption goes on with those that are there, processes share the work."""

import json
import shutil
import signal
import subprocess
import sys
import time

import pytest

from infomax.learning.data import gathering
from infomax.learning.data.cache import decoding

PART = 16
"""Items of a part, of the 100 that there are: seven parts."""
CODE = """
import sys, time
from infomax.learning.data import gathering, load_images
from infomax.learning.data.cache import decoding

folder, cache, log, pause, part = sys.argv[1:]
decode, decoding.PART_SIZE = gathering.decode_block, int(part)

def logged(items, job):
    with open(log, "a") as file:
        file.write("".join(f"{one.name}\\n" for one in items))
    time.sleep(float(pause))
    return decode(items, job)

gathering.decode_block = logged
print("ready", flush=True)
sys.stdin.readline()
print(load_images(folder, size=8, cache=cache, progress=False).fingerprint, flush=True)
"""


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(decoding, "PART_SIZE", PART)


@pytest.fixture
def start(tmp_path):
    """Start a process that decodes into a cache, and writes the names of what it decodes into a log."""
    started = []

    def _start(folder, cache, log, pause=0.0):
        command = [sys.executable, "-c", CODE, *map(str, (folder, cache, tmp_path / log, pause, PART))]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield _start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def count(monkeypatch):
    """The names of what this process decodes."""
    names, decode = [], gathering.decode_block

    def counted(items, job):
        names.extend(item.name for item in items)
        return decode(items, job)

    monkeypatch.setattr(gathering, "decode_block", counted)
    return names


def values_in(cache):
    (path,) = cache.glob("*/values")
    return path.read_bytes()


def test_kill_9_in_the_middle_goes_on_with_what_is_there(load, same, pets, start, tmp_path, small_parts):
    folder, cache = pets
    process = start(folder, cache, "killed", pause=0.2)
    process.stdin.write("\n")
    process.stdin.flush()
    while len([*cache.glob("*/*/meta.json")]) < 3:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = len([*cache.glob("*.parts-*/*/meta.json")])
    assert 3 <= finished < 7
    again = start(folder, cache, "again")
    fingerprint = again.communicate("\n")[0].strip()
    decoded = (tmp_path / "again").read_text().split()
    assert len(decoded) == len({*decoded}) == 100 - PART * finished
    whole = load(folder, cache=tmp_path / "undisturbed")
    assert values_in(cache) == values_in(tmp_path / "undisturbed")
    assert fingerprint == whole.fingerprint and same(load(folder, cache=cache), whole)
    assert len([*cache.glob("*/")]) == 1


def test_processes_decode_each_part_once_between_them(load, pets, start, tmp_path):
    """As the ranks of a training do, or two trainings that begin at once."""
    folder, cache = pets
    processes = [start(folder, cache, str(number), pause=0.4) for number in range(2)]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    fingerprints = {process.communicate()[0].strip() for process in processes}
    decoded = [(tmp_path / str(number)).read_text().split() for number in range(2)]
    assert fingerprints == {load(folder).fingerprint}
    assert len(decoded[0] + decoded[1]) == len({*decoded[0], *decoded[1]}) == 100
    assert min(map(len, decoded)) >= PART
    assert len([*cache.glob("*/")]) == 1


def test_who_waits_for_a_part_takes_the_entry_when_another_has_made_it(
    load, same, pets, tmp_path, monkeypatch
):
    folder, cache = pets
    made = load(folder, cache=cache)
    (entry,) = cache.glob("*/")
    entry.rename(tmp_path / "made")

    def made_by_another(place, entry, *_):
        (tmp_path / "made").rename(entry)
        shutil.rmtree(place)
        return [place / "000000"]

    monkeypatch.setattr(decoding, "_decoded_parts", made_by_another)
    assert same(load(folder, cache=cache), made)


def stopped_in(monkeypatch, function, number):
    """Let Ctrl-C come at a call of a function of the cache."""
    original, calls = getattr(decoding, function), []

    def stopping(*arguments):
        calls.append(arguments)
        if len(calls) == number:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(decoding, function, stopping)


@pytest.mark.parametrize(("function", "decoded"), [("write_entry", 52), ("_move", 0), ("describe", 0)])
def test_an_interruption_goes_on(load, same, pets, monkeypatch, count, small_parts, function, decoded):
    """While parts are decoded, while they are moved into one file, and before it takes their place."""
    folder, cache = pets
    with monkeypatch.context() as patch:
        stopped_in(patch, function, {"write_entry": 4, "_move": 3, "describe": 2}[function])
        with pytest.raises(KeyboardInterrupt):
            load(folder, cache=cache)
    assert not [*cache.glob("*/meta.json")] and not [*cache.glob("*/*.new")]
    count.clear()
    found = load(folder, cache=cache)
    assert len(count) == decoded and same(found, load(folder))
    assert len([*cache.glob("*/")]) == 1


def test_a_damaged_part_alone_is_decoded_anew(load, same, pets, monkeypatch, count, small_parts):
    folder, cache = pets
    with monkeypatch.context() as patch:
        stopped_in(patch, "_move", 1)
        with pytest.raises(KeyboardInterrupt):
            load(folder, cache=cache)
    values = next(cache.glob("*/000002/values"))
    values.write_bytes(values.read_bytes()[::-1])
    with pytest.raises(
        ValueError, match=r"load_images: decoded images in .*000002 are damaged .*; start again"
    ):
        load(folder, cache=cache)
    count.clear()
    assert same(load(folder, cache=cache), load(folder))
    assert len(count) == PART + 100


def test_broken_images_of_all_parts_are_listed(load, same, pets, small_parts):
    folder, cache = pets
    for number in (*range(0, 34, 2), 98):  # all of the first part, and others
        (folder / f"cat/{number:03d}.png").write_bytes(b"junk")
    kept = load(folder, cache=cache, skip_broken=True)
    assert same(kept, load(folder, skip_broken=True)) and len(kept.skipped) == 18
    for path in folder.glob("*/*"):
        path.write_bytes(b"junk")
    with pytest.raises(ValueError, match=r"nothing to load .*all 100 images are broken \(first: cat/000.png"):
        load(folder, cache=cache, skip_broken=True)


def test_files_that_change_while_they_are_decoded_are_refused(load, pets, monkeypatch):
    folder, cache = pets
    decode = gathering.decode_block

    def changing(items, job):
        (folder / "cat/000.png").touch()
        return decode(items, job)

    monkeypatch.setattr(gathering, "decode_block", changing)
    with pytest.raises(ValueError, match=r"load_images: .*pets changed while it was decoded, expected files"):
        load(folder, cache=cache)
    assert not [*cache.glob("*/")]


def test_an_entry_of_an_earlier_version_is_decoded_again_with_a_line(load, same, pets):
    folder, cache = pets
    whole = load(folder, cache=cache)
    entry = next(cache.glob("*/meta.json")).parent
    del whole
    old = entry.rename(cache / ("0" * 32))
    about = json.loads((old / "about.json").read_text())
    (old / "about.json").write_text(json.dumps({key: about[key] for key in ("source", "split")}))
    with pytest.warns(
        UserWarning, match=r"load_images: the cache holds .*pets as an earlier version .*again"
    ):
        again = load(folder, cache=cache)
    assert same(again, load(folder)) and old.exists()


def test_an_unfinished_entry_needs_no_room_for_what_is_there(load, pets, monkeypatch, small_parts):
    folder, cache = pets
    with monkeypatch.context() as patch:
        stopped_in(patch, "write_entry", 7)
        with pytest.raises(KeyboardInterrupt):
            load(folder, cache=cache)
    room = shutil.disk_usage(folder)._replace(free=4 * 8 * 8 * 3)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room)
    assert len(load(folder, cache=cache)) == 100
    with pytest.raises(ValueError, match=r"100 decoded images take 0.00 GiB, and .* has 0.00 GiB"):
        load(folder, cache=cache, size=9)
