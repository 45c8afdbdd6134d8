"""What is seen: pictures, signals and pairs of them, as arrays, from any source."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from infomax.errors import naming_extras

if TYPE_CHECKING:
    from infomax.learning.data.dataset import Dataset, Pairs, Seen
    from infomax.learning.data.images import decode_image
    from infomax.learning.data.loading import (
        available_signal_splits,
        available_splits,
        load_images,
        load_signals,
    )
    from infomax.learning.data.pairing import in_time, same_names
    from infomax.learning.data.signals import decode_signal

_HOME = {
    "Dataset": "dataset",
    "Pairs": "dataset",
    "Seen": "dataset",
    "available_signal_splits": "loading",
    "available_splits": "loading",
    "decode_image": "images",
    "decode_signal": "signals",
    "in_time": "pairing",
    "load_images": "loading",
    "load_signals": "loading",
    "same_names": "pairing",
}

__all__ = [
    "Dataset",
    "Pairs",
    "Seen",
    "available_signal_splits",
    "available_splits",
    "decode_image",
    "decode_signal",
    "in_time",
    "load_images",
    "load_signals",
    "same_names",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with naming_extras(f"{__name__}.{name}"):
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
