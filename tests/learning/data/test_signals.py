"""Signals from every kind of source: values as they were written, the middle of longer ones, clear errors."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from scipy.io import wavfile

from infomax.learning.data import Dataset, decode_signal, load_signals


@pytest.fixture
def signals():
    return np.random.default_rng(0).normal(size=(6, 40)).astype(np.float32)


def middles(signals, length):
    start = (signals.shape[1] - length) // 2
    return signals[:, None, start : start + length]


def test_npy(tmp_path, signals):
    np.save(tmp_path / "one.npy", signals)
    loaded = load_signals(tmp_path / "one.npy", length=21)
    np.testing.assert_array_equal(loaded.values, middles(signals, 21))
    assert loaded.values.dtype == np.float32
    assert not loaded.labelled
    stacked = np.stack([signals, -signals, 2 * signals], axis=-1)  # [n, t, c]
    np.save(tmp_path / "three.npy", stacked)
    np.testing.assert_array_equal(
        load_signals(tmp_path / "three.npy", length=40, channels=3).values, stacked.transpose(0, 2, 1)
    )


def test_column_of_parquet(tmp_path, signals):
    table = pa.table({"sound": signals.tolist(), "label": [f"class{i % 2}" for i in range(6)]})
    pq.write_table(table, tmp_path / "train.parquet")
    loaded = load_signals(tmp_path / "train.parquet", column="sound", length=40)
    np.testing.assert_array_equal(loaded.values[:, 0], signals)
    assert loaded.classes == ("class0", "class1")
    assert loaded.labels.tolist() == [0, 1] * 3
    assert loaded.names[2].endswith("train.parquet:2")
    with pytest.raises(ValueError, match="sound"):
        load_signals(tmp_path / "train.parquet", column="sond", length=40)


def test_sequences(signals):
    expected = signals[:, None]
    as_mappings = [{"tone": signal, "label": i} for i, signal in enumerate(signals)]
    for source, column in (
        (signals, None),
        (signals.tolist(), None),
        ([(signal, 3) for signal in signals], None),
        (torch.from_numpy(signals), None),
        (as_mappings, "tone"),
        ([{"audio": {"array": signal, "sampling_rate": 8000}} for signal in signals], "audio"),
    ):
        np.testing.assert_array_equal(load_signals(source, column=column, length=40).values, expected)
    assert load_signals(as_mappings, column="tone", length=40).labels.tolist() == [0, 1, 2, 3, 4, 5]
    splits = {"train": signals[:4], "val": signals[4:]}
    assert len(load_signals(splits, split="validation", length=40)) == 2


def test_wav_files_in_class_folders(tmp_path):
    """PCM of 16 and 8 bits, floats, stereo: against the fractions that were written."""
    fractions = np.linspace(-1, 127 / 128, 256)
    for name, values in {
        "train/cat/a": np.round(fractions * 32768).astype(np.int16),
        "train/dog/b": np.round(fractions * 128 + 128).astype(np.uint8),
        "test/dog/c": fractions.astype(np.float32),
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        wavfile.write(tmp_path / f"{name}.wav", 8000, values)
    train = load_signals(tmp_path, length=256)
    assert (train.classes, train.labels.tolist()) == (("cat", "dog"), [0, 1])
    assert list(train.names) == ["train/cat/a.wav", "train/dog/b.wav"]
    np.testing.assert_allclose(train.values[:, 0], np.stack([fractions] * 2), atol=1 / 128)
    test = load_signals(tmp_path, split="test", length=256)
    np.testing.assert_array_equal(test.values[0, 0], fractions.astype(np.float32))
    wavfile.write(tmp_path / "stereo.wav", 8000, np.stack([fractions, -fractions], 1).astype(np.float32))
    stereo = decode_signal((tmp_path / "stereo.wav").read_bytes(), length=256, channels=2)
    np.testing.assert_allclose(stereo[1], -fractions, atol=1e-6)


def test_npy_files_in_class_folders(tmp_path, signals):
    for i, signal in enumerate(signals):
        (tmp_path / f"class{i % 2}").mkdir(exist_ok=True)
        np.save(tmp_path / f"class{i % 2}" / f"{i}.npy", signal)
    loaded = load_signals(tmp_path, length=40)
    np.testing.assert_array_equal(loaded.values[:, 0], signals[[0, 2, 4, 1, 3, 5]])


@pytest.mark.parametrize(
    ("signal", "channels", "message"),
    [
        (np.zeros(9), 1, "it has 9 samples, expected 10 or more; choose a smaller length"),
        (np.r_[np.zeros(9), np.nan], 1, "1 of its values are NaN or infinite"),
        (np.r_[np.zeros(8), np.inf, -np.inf], 1, "2 of its values are NaN or infinite"),
        ([[0.0, 1.0]] * 9 + [[0.0]], 2, "its samples differ in their number of channels"),
        (["a"] * 10, 1, "it holds text, expected real numbers"),
        (np.array("noise"), 1, "it holds text, expected real numbers"),
        ([0.0] * 9 + [None], 1, r"it holds gaps \(null\) or other objects"),
        (np.zeros(10, complex), 1, "it holds complex128, expected real numbers"),
        (np.zeros((10, 2)), 1, r"the shape \[10, 2\], expected \[t\] or \[t, 1\] \(samples first\)"),
        (np.zeros((2, 10)), 2, r"the shape \[2, 10\], expected \[t, 2\] \(samples first\); transpose it"),
        (None, 1, r"there is no signal \(null\)"),
        ({"array": None}, 1, r"there is no signal \(null\)"),
        (b"nothing", 1, "not understood"),
    ],
)
def test_what_is_no_such_signal_is_named_or_left_out(signal, channels, message):
    good = np.zeros((10, channels))
    source = [{"x": good}, {"x": signal}, {"x": good}]
    options = {"column": "x", "length": 10, "channels": channels}
    with pytest.raises(ValueError, match=f"cannot decode a signal of list: list:1: .*{message}"):
        load_signals(source, **options)
    rest = load_signals(source, skip_broken=True, **options)
    assert len(rest) == 2
    assert rest.skipped[0].startswith("list:1: ")


def test_other_errors(signals):
    with pytest.raises(ValueError, match="length and channels must be at least 1, got 0 and 1"):
        load_signals(signals, length=0)
    with pytest.raises(ValueError, match="all 6 signals are broken"):
        load_signals(signals, length=41, skip_broken=True)
    with pytest.raises(ValueError, match="it is empty; expected at least one signal"):
        load_signals([], length=41)
    with pytest.raises(ValueError, match="has no split 'test'"):
        load_signals(signals, split="test", length=40)
    with pytest.raises(ValueError, match="received 2 values, 2 labels, 1 names"):
        Dataset(np.zeros((2, 1, 9), np.float32), np.array([0, 1]), ["a"], ())
