"""The public functions: pictures and signals share one way from the source to the dataset."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.io import wavfile

import infomax.learning.data as data
from infomax.learning.data import available_signal_splits, gathering, load_images, load_signals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, r"load_images: size must be at least 1 pixel, got 0; give a side or \(height, width\)"),
        (
            {"channels": 0},
            r"load_images: channels must be at least 1, got 0; give 3 \(colour\), 1 \(grey\), or",
        ),
    ],
)
def test_impossible_sizes_are_refused(load, options, message):
    with pytest.raises(ValueError, match=message):
        load("digits", **options)


def test_an_unknown_split_lists_those_there_are(load):
    with pytest.raises(ValueError, match=r"data: digits has no split 'dev'; expected one of: train, test"):
        load("digits", split="dev")


@pytest.fixture
def tones(tmp_path):
    """A labelled folder of 70 tones, and what they hold."""
    values = np.random.default_rng(0).normal(size=(70, 40)).astype(np.float32)
    for number, tone in enumerate(values):
        path = tmp_path / "tones" / "ab"[number // 35] / f"{number:02d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        wavfile.write(path, 8000, tone)
    return tmp_path / "tones", values


def test_signals_are_kept_in_the_cache(tones, tmp_path, same, monkeypatch):
    folder, values = tones
    plain = load_signals(folder, length=40, cache=None, progress=False)
    first = load_signals(folder, length=40, cache=tmp_path / "cache", progress=False)
    monkeypatch.setattr(gathering, "decode_block", lambda *_: pytest.fail("decoded again"))
    second = load_signals(folder, length=40, cache=tmp_path / "cache", progress=False)
    assert same(plain, first) and same(first, second)
    assert isinstance(second.values, np.memmap) and second.values.dtype == np.float32
    np.testing.assert_array_equal(second.values[:, 0], values)


def test_other_options_are_other_entries(tones, tmp_path):
    for length in (40, 30):
        loaded = load_signals(tones[0], length=length, cache=tmp_path / "cache", progress=False)
        assert loaded.values.shape == (70, 1, length)
    assert len([*(tmp_path / "cache").glob("*/meta.json")]) == 2


@pytest.mark.parametrize(("memory_limit", "is_mapped"), [(0, True), (3_000, True), (10**9, False)])
def test_signals_know_the_memory_limit(tones, same, memory_limit, is_mapped):
    options = {"length": 40, "cache": None, "progress": False}
    loaded = load_signals(tones[0], memory_limit=memory_limit, **options)
    assert isinstance(loaded.values, np.memmap) == is_mapped
    assert same(loaded, load_signals(tones[0], **options))


def test_signals_are_decoded_by_threads_where_it_is_slow(tones, same, monkeypatch):
    options = {"length": 40, "cache": None, "progress": False}
    expected = load_signals(tones[0], **options)
    monkeypatch.setattr(gathering, "MAX_SECONDS_ALONE", 0.0)
    monkeypatch.setattr(gathering.os, "cpu_count", lambda: 7)
    assert same(load_signals(tones[0], **options), expected)


def test_signals_show_their_progress_on_stderr(tones, capsys):
    load_signals(tones[0], length=40, cache=None)
    captured = capsys.readouterr()
    assert captured.out == "" and "70/70" in captured.err


def test_files_of_the_other_kind_do_not_count(tones, write, random_pixels):
    folder = write("tones/a/picture.png", random_pixels(0, 8, 8, 3)).parent.parent
    assert len(load_signals(folder, length=40, cache=None, progress=False)) == 70
    assert len(load_images(folder, size=8, cache=None, progress=False)) == 1
    assert available_signal_splits(folder) == ("train",)
    pictures = write("pictures/a.png", random_pixels(0, 8, 8, 3)).parent
    with pytest.raises(FileNotFoundError, match=r"none of them a signal \(.png\); expected signal files"):
        load_signals(pictures, length=40)


def test_every_name_is_there_and_listed():
    assert all(getattr(data, name) is not None for name in data.__all__)
    assert set(data.__all__) <= set(dir(data))
    with pytest.raises(AttributeError, match="load_sounds"):
        data.load_sounds  # noqa: B018


def test_sources_open_without_torch_and_datasets():
    code = (
        "import sys; from infomax.learning.data.sources.opening import open_source;"
        "print(open_source('digits').splits);"
        "sys.exit(', '.join({'torch', 'datasets', 'lightning'} & sys.modules.keys()) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.stdout.strip(), result.returncode) == ("('train', 'test')", 0), result.stderr
