"""How one value of a source becomes an array, and what is said of it."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from infomax.learning.data.sources.files import FileKind


@dataclass(frozen=True)
class Decoder:
    """A function from the value of an item to an array, with the words for its messages.

    Attributes:
        files: the kind of files that hold one value each.
        decode: the function, its options bound by keyword; they are part of the key of the cache.
        dtype: data type of the arrays.
        expected: what the function reads, for messages.
    """

    files: FileKind
    decode: partial[np.ndarray]
    dtype: type[np.uint8 | np.float32]
    expected: str

    @property
    def operation(self) -> str:
        """The public function that loads with this decoder, for messages."""
        return f"load_{self.files.noun}s"
