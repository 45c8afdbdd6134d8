"""Time the start of a training whose images are decoded already: how the cache is found again.

    python benchmarks/scale/decode_once.py --save --overwrite      # five minutes

Folders of 1,000 to 100,000 PNG files of noise, 16 x 16, are decoded once by `load_images`, which is then
called again three times; the median counts. "processor" is the time of all threads, on which other programs
have little influence. "stamp" is what infomax does: names, sizes and times of all files. "content" hashes the
bytes of all files by threads, as earlier versions did, put in the place of the former. "not in memory": the
content of the files was dropped from the page cache (posix_fadvise); the tables of the file system stay there
in both.
"""

import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import xxhash
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))

from infomax.learning.data import load_images
from infomax.learning.data.sources import folder as folder_module
from recording import arguments_of, environment, report

SIDE = 16
FILES = (1_000, 10_000, 100_000)
REPEATS = 3


def main():
    arguments = arguments_of(__doc__)
    rows = []
    for num in FILES:
        with tempfile.TemporaryDirectory() as place:
            folder = generated(Path(place), num)
            rows.append(
                {
                    "files": num,
                    **{k: v for how in HOW for k, v in start_of(folder, how).items()},
                }
            )
    results = {"Start with a warm cache": rows}
    report(
        "scale_decode_once",
        "How the cache is found again",
        environment("numpy", "pillow", "torch"),
        results,
        arguments,
    )


def generated(place, num):
    """A folder of images in folders of a thousand."""
    random = np.random.default_rng(0)
    for number in range(num):
        folder = place / "images" / f"{number // 1000:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:06d}.png", compress_level=0)
    return place / "images"


def start_of(folder, how):
    """Return the median seconds of a start, with files in memory and not."""
    folder_module.stamp = HOW[how]
    load(folder, how)  # decodes
    warm = np.median([load(folder, how) for _ in range(REPEATS)], axis=0)
    cold = np.median([load(folder, how) for _ in range(REPEATS) if dropped(folder)], axis=0)
    names = ("", ", processor", ", not in memory", ", not in memory, processor")
    return {f"{how}{name}, s": float(x) for name, x in zip(names, (*warm, *cold), strict=True)}


def load(folder, how):
    """Return the seconds of a start, and those of the processor."""
    began = time.perf_counter(), time.process_time()
    found = load_images(folder, size=SIDE, labels="none", cache=folder.parent / how, progress=False)
    seconds = time.perf_counter() - began[0], time.process_time() - began[1]
    assert len(found) > 0
    return seconds


def dropped(folder):
    """Drop the content of all files from the page cache."""
    for path in folder.rglob("*.png"):
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(handle)
    return True


def content(root, paths):
    """Return the hash of names and bytes of all files, read by threads."""
    whole = xxhash.xxh3_128()
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(paths), 10_000):
            for digest in pool.map(lambda path: of_file(root, path), paths[start : start + 10_000]):
                whole.update(digest)
    return whole.hexdigest()


def of_file(root, path):
    hasher = xxhash.xxh3_128(path.encode() + b"\0")
    hasher.update((root / path).read_bytes())
    return hasher.digest()


HOW = {"stamp": folder_module.stamp, "content": content}


if __name__ == "__main__":
    main()
