"""scikit-learn's 1,797 handwritten digits, 8 × 8 pixels; 1,347 train and 450 test, stratified by class."""

from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8

SPLITS = ("train", "test")
CLASSES = tuple("0123456789")


@cache
def digits(split: str) -> tuple[UInt8[np.ndarray, "n 8 8"], Int64[np.ndarray, " n"]]:
    """Return the pictures of a split and what they show, in scikit-learn's order.

    Example:
        >>> pictures, labels = digits("test")
        >>> pictures.shape, int(labels[0])
        ((450, 8, 8), 1)
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    everything: Any = load_digits()
    pictures = np.round(everything.images * (255 / 16)).astype(np.uint8)
    parts = train_test_split(
        np.arange(len(pictures)), test_size=450, stratify=everything.target, random_state=0
    )
    rows = np.sort(parts[SPLITS.index(split)])
    return pictures[rows], everything.target[rows].astype(np.int64)
