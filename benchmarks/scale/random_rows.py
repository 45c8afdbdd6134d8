"""How many random images a second are read from a file of decoded ones that is not in memory?

    python benchmarks/scale/random_rows.py --save --overwrite      # a minute, 3 GB in the temporary folder

Batches of 128 random rows of a memory-mapped file, dropped from the page cache before each turn
(posix_fadvise; what the disk itself or its host keeps in memory is not dropped, so that speeds of a disk
under load are lower). "mapped": the rows are copied, as NumPy does it. "advice": MADV_RANDOM before.
"asked for": as infomax does, the rows are asked for first (MADV_WILLNEED). "threads": sixteen threads read
them (pread). How far the system reads beyond a row is a setting of the disk, recorded as "read-ahead"; Linux
sets 128 KiB by default. "in memory" is the time of a batch where the file is in the page cache.
"""

import mmap
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from infomax.learning.data.mapped import ask_for
from recording import arguments_of, environment, report

BATCH = 128
BATCHES = 8
SIDES = (32, 96, 224)
THREADS = 16


def main():
    arguments = arguments_of(__doc__, gb=3)
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder) / "values", arguments.gb)
        about = {**environment("numpy"), "read-ahead, KiB": read_ahead(path)}
        rows = [row_of(path, side) for side in SIDES]
    report("scale_random_rows", "Random rows from a disk", about, {"Images a second": rows}, arguments)


def written(path, gb):
    random = np.random.default_rng(0)
    with path.open("wb") as file:
        for _ in range(8 * gb):
            file.write(random.bytes(2**27))
    return path


def read_ahead(path):
    """Return the KiB that the disk reads beyond what is asked for; None where the system does not tell."""
    device = path.stat().st_dev
    disk = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
    known = [one for one in (disk, disk.parent) if (one / "queue/read_ahead_kb").exists()]
    return int((known[0] / "queue/read_ahead_kb").read_text()) if known else None


def row_of(path, side):
    each = 3 * side**2
    speeds = {name: BATCH / seconds_of(path, each, read) for name, read in READERS.items()}
    times = {f"{name}, in memory, ms": 1000 * seconds_in_memory(path, each, name) for name in IN_MEMORY}
    return {"side": side, **speeds, "asked for / mapped": speeds["asked for"] / speeds["mapped"], **times}


def seconds_of(path, each, read):
    """Median seconds of a batch, of a file that is not in memory."""
    dropped(path)
    return timed(opened(path, each), read, np.random.default_rng(1))


def seconds_in_memory(path, each, name):
    values = opened(path, each)[: 2**28 // each]
    for start in range(0, len(values), 256):
        values[start : start + 256].max()
    return timed(values, READERS[name], np.random.default_rng(1))


def timed(values, read, random):
    times = []
    for _ in range(BATCHES):
        rows = random.integers(0, len(values), BATCH)
        began = time.perf_counter()
        read(values, rows)
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def opened(path, each):
    return np.memmap(path, np.uint8, "r", shape=(path.stat().st_size // each, each))


def dropped(path):
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)


def mapped(values, rows):
    return values[rows]


def advised(values, rows):
    values._mmap.madvise(mmap.MADV_RANDOM)
    return values[rows]


def asked_for(values, rows):
    ask_for(values, rows)
    return values[rows]


def by_threads(values, rows):
    each = values.shape[1]
    with Path(values.filename).open("rb") as file:
        read = POOL.map(lambda row: os.pread(file.fileno(), each, int(row) * each), rows)
        return np.stack([np.frombuffer(one, np.uint8) for one in read])


POOL = ThreadPoolExecutor(THREADS)
READERS = {"mapped": mapped, "advice": advised, "threads": by_threads, "asked for": asked_for}
IN_MEMORY = ("mapped", "asked for")


if __name__ == "__main__":
    main()
