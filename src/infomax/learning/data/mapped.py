"""Values that are mapped from a file: rows that lie apart are asked for together, before they are copied."""

import mmap
from contextlib import suppress

import numpy as np
from jaxtyping import Int64


def ask_for(values: np.ndarray, rows: Int64[np.ndarray, " m"]) -> None:
    """Ask the system to read some rows of mapped values, all at once; values in memory need nothing.

    Otherwise it reads a row when it is copied, one after the other, and much behind each, because it takes a
    file for one that is read in order.
    """
    mapped = getattr(values, "_mmap", None)
    if mapped is None or not hasattr(mmap, "MADV_WILLNEED") or not values.flags.c_contiguous:
        return
    begin = values.ctypes.data - np.frombuffer(mapped, np.uint8, 1).ctypes.data
    each = values.nbytes // len(values)
    for first in (begin + rows % len(values) * each).tolist():
        page = first - first % mmap.PAGESIZE
        with suppress(OSError):  # some systems do not take advice
            mapped.madvise(mmap.MADV_WILLNEED, page, first + each - page)
