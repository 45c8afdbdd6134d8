"""One signal of any kind -> float32 [c, t] of a wanted length."""

import io
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from torch import Tensor

from infomax.errors import refuse
from infomax.learning.data.decoder import Decoder
from infomax.learning.data.sources.files import SIGNAL_FILES, unpacked


def signal_decoder(length: int, channels: int) -> Decoder:
    """Return the decoder of signals of a length and a number of channels.

    Raises:
        ValueError: a length or number of channels below 1.
    """
    refuse(
        length < 1 or channels < 1,
        f"load_signals: length and channels must be at least 1, got {length} and {channels}; "
        "give the samples of a signal",
    )
    decode = partial(decode_signal, length=length, channels=channels)
    return Decoder(SIGNAL_FILES, decode, np.float32, "numbers, or a .wav or .npy file of numbers")


def decode_signal(signal: Any, *, length: int, channels: int = 1) -> Float32[np.ndarray, "c t"]:
    """Return the `length` samples in the middle of one signal.

    Args:
        signal: numbers [t] or [t, c], a tensor, {"array": ...}, or a .wav or .npy file or its bytes.
        length: samples to keep.
        channels: the number that the signal must have.

    Raises:
        ValueError: it is no signal, is too short, has other channels, or values that are not finite.

    Example:
        >>> decode_signal([1, 2, 3, 4, 5], length=3).tolist()
        [[2.0, 3.0, 4.0]]
    """
    samples = _samples_first(_numbers(_read(signal)), channels)
    if len(samples) < length:
        raise ValueError(f"it has {len(samples)} samples, expected {length} or more; choose a smaller length")
    start = (len(samples) - length) // 2
    middle = np.ascontiguousarray(samples[start : start + length].T, np.float32)
    num_bad = (~np.isfinite(middle)).sum()
    refuse(num_bad, f"{num_bad} of its values are NaN or infinite, expected numbers")
    return middle


def _samples_first(numbers: np.ndarray, channels: int) -> np.ndarray:
    """Return [t, c] of numbers [t] or [t, c].

    Raises:
        ValueError: they have another shape.
    """
    samples = numbers[:, None] if numbers.ndim == 1 else numbers
    if samples.ndim != 2 or samples.shape[1] != channels:
        shape = "[t] or [t, 1]" if channels == 1 else f"[t, {channels}]"
        raise ValueError(
            f"it has the shape {list(numbers.shape)}, expected {shape} (samples first); "
            "transpose it, or set the number of channels"
        )
    return samples


def _read(signal: Any) -> Any:
    """Return what an item holds, files read: an array, or numbers in lists."""
    match signal:
        case Exception():
            raise signal
        case None:
            raise ValueError("there is no signal (null)")
        case Mapping():
            known = [signal[key] for key in ("array", "bytes", "path") if signal.get(key) is not None]
            return _read(known[0] if known else None)
        case bytes() if not signal.startswith((b"\x93NUMPY", b"PK\x03\x04")):
            return _read_wav(signal)
        case str() | Path() if Path(signal).suffix.lower() in (".wav", ".npy", ".npz"):
            return _read(Path(signal).read_bytes())
        case Tensor():
            return signal.detach().cpu().numpy()
        case _:
            return unpacked(signal)


def _read_wav(data: bytes) -> np.ndarray:
    """Return the samples of a .wav file; PCM is scaled to [−1, 1] (the zero of 8 bits is 128)."""
    from scipy.io import wavfile

    _, samples = wavfile.read(io.BytesIO(data))
    if samples.dtype.kind == "f":
        return samples
    zero = 128 if samples.dtype == np.uint8 else 0
    return (samples.astype(np.float64) - zero) / 2.0 ** (8 * samples.dtype.itemsize - 1)


def _numbers(values: Any) -> np.ndarray:
    """Return an array of real numbers.

    Raises:
        ValueError: they are something else, or samples differ in their number of channels.
    """
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError("its samples differ in their number of channels, expected as many in each") from None
    if array.dtype.kind not in "biuf":
        kinds = {"U": "text", "S": "text", "O": "gaps (null) or other objects"}
        raise ValueError(f"it holds {kinds.get(array.dtype.kind, array.dtype)}, expected real numbers")
    return array
