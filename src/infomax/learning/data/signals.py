"""One signal of any kind -> float32 [c, t] of a wanted length."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from torch import Tensor

from infomax.learning.data.sources.files import unpacked


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
