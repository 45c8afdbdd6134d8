"""Without a cache: in memory, or in a temporary file."""

import tracemalloc

import numpy as np
import pytest


@pytest.mark.parametrize(("memory_limit", "is_mapped"), [(0, True), (10_000, True), (10**9, False)])
def test_beyond_the_memory_limit_pixels_are_mapped_from_a_temporary_file(
    load, same, pets, memory_limit, is_mapped
):
    folder, _ = pets
    loaded = load(folder, memory_limit=memory_limit)
    assert isinstance(loaded.values, np.memmap) == is_mapped
    assert same(loaded, load(folder))


def test_decoding_takes_no_more_memory_for_more_images(load, tmp_path):
    class Noise:
        def __len__(self):
            return 2000

        def __getitem__(self, index):
            return np.full((32, 32, 3), index % 256, np.uint8)

    tracemalloc.start()
    loaded = load(Noise(), size=32, memory_limit=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert loaded.values.nbytes > 6e6 and peak < 3e6
