"""Data that needs no files and no network: digits, photographs and generated scenes."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from types import MappingProxyType
from typing import Any

from infomax.learning.data.digits import CLASSES, SPLITS, digits
from infomax.learning.data.scenes import SCENES
from infomax.learning.data.sources.objects import Objects
from infomax.learning.data.sources.request import Request


def _digits() -> Objects:
    """Return scikit-learn's handwritten digits, 8 × 8 pixels."""
    splits = {}
    for split in SPLITS:
        pictures, labels = digits(split)
        splits[split] = [*zip(pictures, labels.tolist(), strict=True)]
    return Objects("digits", splits, CLASSES)


def _photographs() -> Objects:
    """Return scikit-learn's two photographs in patches of 64 × 64, the left three quarters to train on."""
    from sklearn.datasets import load_sample_images

    photographs: Any = load_sample_images().images  # two of [427, 640, 3]
    splits = {
        split: [
            (photograph[top : top + 64, left : left + 64], label)
            for label, photograph in enumerate(photographs)
            for top in range(0, 427 - 63, 16)
            for left in range(first, last - 63, 16)
        ]
        for split, first, last in (("train", 0, 480), ("test", 480, 640))
    }
    return Objects("photographs", splits, ["china", "flower"])


@cache
def _scenes(name: str) -> Objects:
    splits = {split: SCENES[name](split) for split in SPLITS}
    return Objects(name, splits, CLASSES)


BUILT_IN: Mapping[str, Callable[[], Objects]] = MappingProxyType({
    "digits": _digits,
    "photographs": _photographs,
    **{name: partial(_scenes, name) for name in SCENES},
})  # fmt: skip
"""By the name that can be given as a source, the function that returns the data."""


def open_built_in(request: Request) -> Objects | None:
    """Return the built-in data of that name; None where there is none."""
    name = str(request.source) if request.is_named else ""
    return BUILT_IN[name]() if name in BUILT_IN else None
