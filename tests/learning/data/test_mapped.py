"""Rows of mapped values: those that are asked for, and no others, are read by the system."""

import ctypes
import mmap
import os
import time

import numpy as np
import pytest

from infomax.learning.data import Dataset
from infomax.learning.data.mapped import ask_for

SIZE = 3 * mmap.PAGESIZE
"""Bytes of a row."""


def resident(values):
    """Return whether each page of the file is in memory, as the kernel says (mincore)."""
    whole = np.frombuffer(values._mmap, np.uint8)
    pages = (ctypes.c_ubyte * -(-len(whole) // mmap.PAGESIZE))()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mincore(ctypes.c_void_p(whole.ctypes.data), ctypes.c_size_t(len(whole)), pages) == 0
    return np.array(pages) & 1 == 1


@pytest.fixture
def mapped(tmp_path):
    """Map a .npy file of 1000 rows, of which nothing is in memory."""
    path = tmp_path / "values.npy"
    np.save(path, np.arange(1000, dtype=np.uint8)[:, None, None, None].repeat(SIZE, axis=1))
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)
    values = np.load(path, mmap_mode="r")
    if resident(values)[16:].any():
        pytest.skip("this file system keeps files in memory")
    return values


def test_the_pages_of_rows_are_read_and_no_others(mapped):
    rows = np.array([900, 17, -400])
    ask_for(mapped, rows)
    header = mapped.offset
    first = (header + rows % 1000 * SIZE) // mmap.PAGESIZE
    last = (header + rows % 1000 * SIZE + SIZE - 1) // mmap.PAGESIZE
    wanted = {int(page) for a, b in zip(first, last, strict=True) for page in range(a, b + 1)}
    ends = time.monotonic() + 10
    while not resident(mapped)[[*wanted]].all() and time.monotonic() < ends:
        time.sleep(0.01)
    read = {*np.flatnonzero(resident(mapped)).tolist()}
    assert wanted <= read and all(page < 16 for page in read - wanted)  # the header was read


def test_a_batch_asks_for_its_rows_and_has_their_values(mapped, monkeypatch):
    dataset = Dataset(mapped, np.full(1000, -1), [str(row) for row in range(1000)], ())
    rows = np.array([3, 999, 3])
    np.testing.assert_array_equal(dataset.batch(rows)[:, 0, 0, 0].numpy(), rows % 256)
    assert resident(mapped).sum() < 200


@pytest.mark.parametrize("values", [np.zeros((3, 2)), np.zeros((3, 2))[:, ::2]], ids=["memory", "strided"])
def test_values_in_memory_need_nothing(values):
    ask_for(values, np.array([0, 2]))
