"""The cache: found while files stay as they are, whole or not at all, mended when damaged."""

import os
import warnings

import numpy as np
import pytest

from infomax.learning.data import gathering


def decoding_forbidden(monkeypatch) -> None:
    monkeypatch.setattr(gathering, "decode_block", lambda *_: pytest.fail("decoded again"))


def test_the_cache_holds_the_same_images_and_is_used(load, same, pets, monkeypatch):
    folder, cache = pets
    plain, first = load(folder), load(folder, cache=cache)
    decoding_forbidden(monkeypatch)
    second = load(folder, cache=cache)
    assert same(plain, first) and same(first, second) and isinstance(second.values, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        second.values[0] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert second.batch(slice(0, 2)).shape == (2, 3, 8, 8)
    assert list(second.subset(np.array([5, 1])).names) == [plain.names[5], plain.names[1]]


def test_the_cache_is_found_wherever_the_folder_lies_but_not_after_a_change(
    load, same, pets, monkeypatch, encode, random_pixels
):
    folder, cache = pets
    load(folder, cache=cache)
    moved = folder.rename(folder.with_name("moved"))
    with monkeypatch.context() as patch:
        decoding_forbidden(patch)
        load(moved, cache=cache)
    changes = [
        lambda: (moved / "cat/000.png").write_bytes(encode(random_pixels(500, 8, 8, 3))),
        lambda: (moved / "cat/000.png").rename(moved / "cat/999.png"),
        lambda: (moved / "cat/002.png").unlink(),
    ]
    for change in changes:
        change()
        assert same(load(moved, cache=cache), load(moved))
    for options in ({"size": 4}, {"channels": 1}):
        assert same(load(moved, cache=cache, **options), load(moved, **options))
    assert len(list(cache.glob("*/meta.json"))) == 6


def test_the_default_cache_is_named_by_the_environment(load, pets, monkeypatch):
    folder, cache = pets
    monkeypatch.setenv("INFOMAX_CACHE", str(cache))
    load(folder, cache=True)
    assert len(list(cache.glob("datasets/*/meta.json"))) == 1


def truncate(entry):
    os.truncate(entry / "values", 100)


def flip_a_bit(entry):
    content = bytearray((entry / "values").read_bytes())
    content[50] ^= 1
    (entry / "values").write_bytes(content)


DAMAGE = {
    "truncated pixels": truncate,
    "a flipped bit": flip_a_bit,
    "no index": lambda entry: (entry / "index.arrow").unlink(),
    "a broken index": lambda entry: (entry / "index.arrow").write_bytes(b"junk"),
    "no summary": lambda entry: (entry / "meta.json").unlink(),
    "a broken summary": lambda entry: (entry / "meta.json").write_text("[[1], 2"),
    "a strange summary": lambda entry: (entry / "meta.json").write_text("{}"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_cache_is_rebuilt_with_a_warning(load, same, pets, damage):
    folder, cache = pets
    whole = load(folder)
    load(folder, cache=cache)
    damage(next(cache.glob("*/")))
    with pytest.warns(
        UserWarning, match=r"load_images: the cache entry .* is damaged \(.*\); decoding again"
    ):
        assert same(load(folder, cache=cache), whole)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(load(folder, cache=cache), whole)


def test_skipped_images_are_remembered_by_the_cache(load, same, pets):
    folder, cache = pets
    (folder / "cat/000.png").write_bytes(b"junk")
    first, second = (load(folder, cache=cache, skip_broken=True) for _ in range(2))
    assert same(first, second) and len(second.skipped) == 1 and len(second) == 99
    with pytest.raises(ValueError, match=r"cannot decode an image of .*: cat/000.png: .*--skip-broken"):
        load(folder, cache=cache)


def test_a_cache_that_cannot_be_written_is_explained(load, pets):
    folder, cache = pets
    cache.write_text("a file is in the way")
    with pytest.raises(
        OSError, match=r"cannot write the cache of decoded images in .*set INFOMAX_CACHE to one, or switch"
    ):
        load(folder, cache=cache)


def test_a_change_that_keeps_size_and_time_is_seen(load, same, pets):
    """The system sets the time of the change itself, which no program can set back."""
    folder, cache = pets
    pixels = np.zeros((8, 8, 3), np.uint8)
    arrays = folder.parent / "arrays"
    arrays.mkdir()
    for number in range(40):  # more than there are beginnings in a stamp
        np.save(arrays / f"{number:02d}.npy", pixels)
    first, changed = load(arrays, cache=cache), arrays / "01.npy"
    before = changed.stat()
    np.save(changed, pixels + 9)
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (changed.stat().st_size, changed.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    second = load(arrays, cache=cache)
    assert same(second, load(arrays)) and not same(first, second)


def test_folders_that_were_made_alike_are_told_apart(load, tmp_path):
    """As archives do it that set every time to the same: then names, sizes and times are equal."""
    from infomax.learning.data.sources import files

    for value in (1, 2):
        (tmp_path / str(value)).mkdir()
        np.save(tmp_path / str(value) / "0.npy", np.full((8, 8, 3), value, np.uint8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_status", lambda _: "size and times")
        values = [load(tmp_path / str(value), cache=tmp_path / "cache").values for value in (1, 2)]
    assert [int(one.max()) for one in values] == [1, 2]
