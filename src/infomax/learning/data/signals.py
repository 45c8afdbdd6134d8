"""Any source of one-dimensional signals -> float32 samples in memory, of one length and as many channels.

Sources, splits, columns, labels and names are those of images (`image_sources`); only the decoder differs.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xxhash
from jaxtyping import Float32, Int64
from torch import Tensor

from infomax.learning.data.sources import Folder, Source, choose_split, label_index, open_source, unpacked


@dataclass(frozen=True, eq=False, repr=False)
class Signals:
    """Signals of one length: float32 values [n, c, t] in memory, with names and (maybe) labels.

    Attributes:
        values: float32 [n, c, t]. labels: int64 [n], indices into `classes`; -1 = no label.
        names: one id a signal: its path relative to the folder, or ``file.parquet:row``.
        classes: label index -> name; () when unlabelled.
        skipped: ``name: why`` of the broken signals left out.

    Example:
        >>> signals = Signals(np.zeros((2, 1, 50), np.float32), np.array([0, -1]), ["a", "b"], ("cat",))
        >>> signals, tuple(signals.batch(slice(0, 1)).shape)
        (Signals(2 x 1 x 50, 1 labelled in 1 classes), (1, 1, 50))
    """

    values: Float32[np.ndarray, "n c t"]
    labels: Int64[np.ndarray, " n"]
    names: Sequence[str]
    classes: tuple[str, ...]
    skipped: tuple[str, ...] = ()

    def __post_init__(self):
        if not len(self.values) == len(self.labels) == len(self.names):
            raise ValueError(
                f"Signals: received {len(self.values)} signals, {len(self.labels)} labels, {len(self.names)} "
                "names; expected as many of each (label -1: none)"
            )

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.values.shape))
        return f"Signals({shape}, {(self.labels >= 0).sum()} labelled in {len(self.classes)} classes)"

    def batch(self, indices: np.ndarray | slice) -> Float32[Tensor, "b c t"]:
        """The signals at `indices` as a tensor of its own."""
        values = self.values[indices]
        return torch.from_numpy(values.copy() if isinstance(indices, slice) else values)

    def subset(self, indices: np.ndarray | slice) -> "Signals":
        """The signals at `indices`: a view for a slice, a copy otherwise."""
        names = [self.names[int(i)] for i in np.arange(len(self))[indices]]
        return Signals(self.values[indices], self.labels[indices], names, self.classes)

    @property
    def labelled(self) -> bool:
        """Whether any signal has a label."""
        return bool((self.labels >= 0).any())

    @cached_property
    def fingerprint(self) -> str:
        """A hash of values, labels and classes."""
        values, labels = (
            xxhash.xxh3_128_hexdigest(np.ascontiguousarray(part).data) for part in (self.values, self.labels)
        )
        parts = [values, labels, list(self.values.shape[1:]), list(self.classes)]
        return xxhash.xxh3_128_hexdigest(json.dumps(parts).encode())


def load_signals(
    source: Any,
    *,
    split: str = "train",
    column: str | None = None,
    length: int,
    channels: int = 1,
    skip_broken: bool = False,
) -> Signals:
    """Signals of `source`, the `length` samples in the middle of each.

    Args:
        source: .npy [n, t] or [n, t, c]; a folder of .wav or .npy files with or without class folders,
            perhaps below train/, test/, ...; Parquet, Arrow or WebDataset (.tar) files or a folder of them,
            a name on the Hugging Face hub (``hf:owner/name``) or built in, with a `column` of lists of
            numbers, of arrays or of the bytes of .wav files; a sequence of signals, of (signal, label) pairs
            or of mappings; {split: sequence}; a Hugging Face dataset.
        split: one of `available_splits(source, column)`.
        column: of a table or of mappings, the column that holds the signals.
        length: samples of each signal; of longer ones the middle is kept, shorter ones are refused.
        channels: of each signal, [t] or [t, c].
        skip_broken: leave out what is not such a signal and list it in `.skipped`, instead of stopping.

    Returns:
        Signals. PCM of .wav files is scaled to [−1, 1], other numbers stay as they are; rates are ignored.

    Raises:
        FileNotFoundError: there is no such source.
        ValueError: no such split or column; a signal (named) that is too short, has other channels, holds
            text, gaps or NaN; nothing left.

    Example:
        >>> ramps = [(np.arange(20.0), "up"), (np.arange(30.0)[::-1], "down")]
        >>> signals = load_signals(ramps, length=20)
        >>> signals.values.shape, signals.classes, float(signals.values[1, 0, 0])
        ((2, 1, 20), ('down', 'up'), 24.0)
    """
    if length < 1 or channels < 1:
        raise ValueError(
            f"load_signals: length and channels must be at least 1, got {length} and {channels}; "
            "give the samples of a signal"
        )
    opened = _open(source, column)
    split = choose_split(opened, split)
    return _gather(opened, split, partial(decode_signal, length=length, channels=channels), skip_broken)


def available_signal_splits(source: Any, column: str | None = None) -> tuple[str, ...]:
    """Names of the splits of `source`, train first."""
    return _open(source, column).splits


def _open(source: Any, column: str | None) -> Source:
    """`open_source`, which does not look for .wav files and takes lists for pairs."""
    path = Path(source).expanduser() if isinstance(source, str | Path) else None
    if path is not None and column is None and path.is_dir():
        files = sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.suffix.lower() == ".wav")
        if files:
            return Folder(path, files)
    if isinstance(source, list | tuple) and source and _is_numbers(source[0]):
        source = [np.asarray(signal) if _is_numbers(signal) else signal for signal in source]
    return open_source(source, column)


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], int | float)


def _gather(source: Source, split: str, decode: Any, skip_broken: bool) -> Signals:
    names, values, labels, broken = [], [], [], []
    for item in source.items(split):
        label = label_index(item, source.classes)
        try:
            values.append(decode(item.image))
        except Exception as error:  # readers raise nearly anything; it is reported with the item's name
            broken.append(f"{item.name}: {' '.join(str(error).split()) or type(error).__name__}")
            if not skip_broken:
                raise _broken(source.name, broken[0]) from error
        else:
            names.append(item.name)
            labels.append(label)
    if not values:
        why = f"all {len(broken)} signals are broken (first: {broken[0]})" if broken else "it is empty"
        raise ValueError(
            f"load_signals: nothing to load from split {split} of {source.name}: {why}; "
            "expected at least one signal; check the source"
        )
    known = source.classes
    classes = tuple(map(str, range(max(labels) + 1))) if known is None else known
    return Signals(np.stack(values), np.array(labels, np.int64), names, classes, tuple(broken))


def _broken(source: str, what: str) -> ValueError:
    return ValueError(
        f"load_signals: cannot use a signal of {source}: {what}; repair or remove it, or leave such signals "
        "out with --skip-broken (skip_broken=True)"
    )


# --- the decoder: one signal -> float32 [c, t] --------------------------------------------------------------


def decode_signal(signal: Any, *, length: int, channels: int = 1) -> Float32[np.ndarray, "c t"]:
    """The middle of one signal: numbers [t] or [t, c], a tensor, {"array": ...}, or a .wav or .npy file.

    >>> decode_signal([1, 2, 3, 4, 5], length=3).tolist()
    [[2.0, 3.0, 4.0]]
    """
    numbers = _numbers(_read(signal))
    samples = numbers[:, None] if numbers.ndim == 1 else numbers
    if samples.ndim != 2 or samples.shape[1] != channels:
        shape = "[t] or [t, 1]" if channels == 1 else f"[t, {channels}]"
        raise ValueError(
            f"it has the shape {list(numbers.shape)}, expected {shape} (samples first); "
            "transpose it, or set the number of channels"
        )
    if len(samples) < length:
        raise ValueError(f"it has {len(samples)} samples, expected {length} or more; choose a smaller length")
    start = (len(samples) - length) // 2
    middle = np.ascontiguousarray(samples[start : start + length].T, np.float32)
    if not np.isfinite(middle).all():
        raise ValueError(
            f"{(~np.isfinite(middle)).sum()} of its values are NaN or infinite, expected numbers"
        )
    return middle


def _read(signal: Any) -> Any:
    match signal:
        case Exception():
            raise signal
        case None:
            raise ValueError("there is no signal (null)")
        case Mapping():
            known = [signal[key] for key in ("array", "bytes", "path") if signal.get(key) is not None]
            return _read(known[0] if known else None)
        case bytes() if not signal.startswith(b"\x93NUMPY"):
            return _read_wav(signal)
        case str() | Path() if Path(signal).suffix.lower() in (".wav", ".npy"):
            return _read(Path(signal).read_bytes())
        case Tensor():
            return signal.detach().cpu().numpy()
        case _:
            return unpacked(signal)


def _read_wav(data: bytes) -> np.ndarray:
    """PCM scaled to [−1, 1]: 8 bits have their zero at 128."""
    from scipy.io import wavfile

    _, samples = wavfile.read(io.BytesIO(data))
    if samples.dtype.kind == "f":
        return samples
    zero = 128 if samples.dtype == np.uint8 else 0
    return (samples.astype(np.float64) - zero) / 2.0 ** (8 * samples.dtype.itemsize - 1)


def _numbers(values: Any) -> np.ndarray:
    """As an array, if these are real numbers and every sample has as many channels."""
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError("its samples differ in their number of channels, expected as many in each") from None
    if array.dtype.kind not in "biuf":
        kinds = {"U": "text", "S": "text", "O": "gaps (null) or other objects"}
        raise ValueError(f"it holds {kinds.get(array.dtype.kind, array.dtype)}, expected real numbers")
    return array
